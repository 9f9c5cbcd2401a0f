-- +goose Up
-- modify "workspaces" table
ALTER TABLE "workspaces" ADD COLUMN "history_bytes" bigint NOT NULL DEFAULT 0;

-- +goose Down
-- reverse: modify "workspaces" table
ALTER TABLE "workspaces" DROP COLUMN "history_bytes";
