-- +goose Up
-- modify "workspaces" table
ALTER TABLE `workspaces` ADD COLUMN `keys_version` integer NOT NULL DEFAULT 0;

-- +goose Down
-- reverse: modify "workspaces" table
ALTER TABLE `workspaces` DROP COLUMN `keys_version`;
