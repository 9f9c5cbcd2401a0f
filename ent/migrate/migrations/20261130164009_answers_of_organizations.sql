-- +goose NO TRANSACTION
-- +goose Up
-- The answers that are stored for changes of organizations' workspaces, which are forgotten with what is deleted for good.
-- CONCURRENTLY, which needs NO TRANSACTION, lets others write the table meanwhile. If the migration is interrupted, it can run again:
-- an index that was not finished is dropped first.
-- migration: allow drop: no release has an index of this name yet
DROP INDEX CONCURRENTLY IF EXISTS "idempotency_keys_changed";
-- create index "idempotency_keys_changed" to table: "idempotency_keys"
CREATE INDEX CONCURRENTLY "idempotency_keys_changed" ON "idempotency_keys" ("changed_workspace_id") WHERE (changed_workspace_id IS NOT NULL);
