-- +goose Up
-- modify "workspaces" table
ALTER TABLE "workspaces" ADD COLUMN "keys_version" bigint NOT NULL DEFAULT 0;

-- +goose Down
-- reverse: modify "workspaces" table
ALTER TABLE "workspaces" DROP COLUMN "keys_version";
