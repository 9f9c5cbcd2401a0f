-- +goose NO TRANSACTION
-- +goose Up
-- CONCURRENTLY, which needs NO TRANSACTION, lets others write the table while the index is built. If the migration is interrupted,
-- it can run again: an index that was not finished is dropped first.
-- migration: allow drop: no release has an index of this name yet
DROP INDEX CONCURRENTLY IF EXISTS "tasks_by_recurrence";
-- create index "tasks_by_recurrence" to table: "tasks"
CREATE INDEX CONCURRENTLY "tasks_by_recurrence" ON "tasks" ("workspace_id", "recurrence_id", "occurrence_number") WHERE (recurrence_id IS NOT NULL);

-- +goose Down
-- reverse: create index "tasks_by_recurrence" to table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_by_recurrence";
