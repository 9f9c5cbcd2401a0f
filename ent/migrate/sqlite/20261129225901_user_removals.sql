-- +goose Up
-- add column "closed_at" to table: "workspaces"
ALTER TABLE `workspaces` ADD COLUMN `closed_at` datetime NULL;
-- create "user_removals" table
CREATE TABLE `user_removals` (`id` text NOT NULL, `user_id` text NULL, `move_to` text NULL, `created_at` datetime NOT NULL, `finished_at` datetime NULL, PRIMARY KEY (`id`));

-- +goose Down
-- reverse: create "user_removals" table
DROP TABLE `user_removals`;
-- reverse: add column "closed_at" to table: "workspaces"
ALTER TABLE `workspaces` DROP COLUMN `closed_at`;
