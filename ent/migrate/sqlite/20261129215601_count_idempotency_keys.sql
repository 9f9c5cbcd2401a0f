-- +goose Up
-- modify "workspaces" table
ALTER TABLE `workspaces` ADD COLUMN `idempotency_key_count` integer NOT NULL DEFAULT 0;
ALTER TABLE `workspaces` ADD COLUMN `idempotency_key_bytes` integer NOT NULL DEFAULT 0;

-- +goose Down
-- reverse: modify "workspaces" table
ALTER TABLE `workspaces` DROP COLUMN `idempotency_key_bytes`;
ALTER TABLE `workspaces` DROP COLUMN `idempotency_key_count`;
