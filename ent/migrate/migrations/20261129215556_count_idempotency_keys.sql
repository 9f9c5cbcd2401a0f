-- +goose Up
-- modify "workspaces" table
ALTER TABLE "workspaces" ADD COLUMN "idempotency_key_count" bigint NOT NULL DEFAULT 0, ADD COLUMN "idempotency_key_bytes" bigint NOT NULL DEFAULT 0;

-- +goose Down
-- reverse: modify "workspaces" table
ALTER TABLE "workspaces" DROP COLUMN "idempotency_key_bytes", DROP COLUMN "idempotency_key_count";
