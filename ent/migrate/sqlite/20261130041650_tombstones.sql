-- +goose Up
-- add column "version" to table: "idempotency_keys"
ALTER TABLE `idempotency_keys` ADD COLUMN `version` integer NULL;
-- modify "workspaces" table
ALTER TABLE `workspaces` ADD COLUMN `feed_version` integer NOT NULL DEFAULT 0;
ALTER TABLE `workspaces` ADD COLUMN `feed_floor` integer NOT NULL DEFAULT 0;
-- create "tombstones" table
CREATE TABLE `tombstones` (`id` uuid NOT NULL, `version` integer NOT NULL, `kind` text NOT NULL, `object_id` uuid NOT NULL, `workspace_id` text NOT NULL, PRIMARY KEY (`id`), CONSTRAINT `tombstones_workspaces_workspace` FOREIGN KEY (`workspace_id`) REFERENCES `workspaces` (`id`) ON DELETE CASCADE);
-- create index "tombstones_by_version" to table: "tombstones"
CREATE UNIQUE INDEX `tombstones_by_version` ON `tombstones` (`workspace_id`, `version`, `kind`, `object_id`);

-- +goose Down
-- reverse: create index "tombstones_by_version" to table: "tombstones"
DROP INDEX `tombstones_by_version`;
-- reverse: create "tombstones" table
DROP TABLE `tombstones`;
-- reverse: modify "workspaces" table
ALTER TABLE `workspaces` DROP COLUMN `feed_floor`;
ALTER TABLE `workspaces` DROP COLUMN `feed_version`;
-- reverse: add column "version" to table: "idempotency_keys"
ALTER TABLE `idempotency_keys` DROP COLUMN `version`;
