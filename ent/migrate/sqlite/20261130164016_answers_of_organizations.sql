-- +goose Up
-- create index "idempotency_keys_changed" to table: "idempotency_keys"
CREATE INDEX `idempotency_keys_changed` ON `idempotency_keys` (`changed_workspace_id`) WHERE changed_workspace_id IS NOT NULL;

-- +goose Down
-- reverse: create index "idempotency_keys_changed" to table: "idempotency_keys"
DROP INDEX `idempotency_keys_changed`;
