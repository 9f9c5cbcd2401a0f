-- +goose NO TRANSACTION
-- +goose Up
-- Every insert pays for each index. Lists of the trash, and the trash's part of lists of all tasks, are read through
-- tasks_in_trash and sorted.
-- migration: allow drop in file: the previous release answers the same without these indexes, only more slowly for a large trash
-- CONCURRENTLY, which needs NO TRANSACTION, lets others read and write the table while a DROP INDEX waits for its lock. If the
-- migration is interrupted, it can run again.
-- drop index "tasks_by_created_at" from table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_by_created_at";
-- drop index "tasks_trash_by_completed_at" from table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_trash_by_completed_at";
-- drop index "tasks_trash_by_created_at" from table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_trash_by_created_at";
-- drop index "tasks_trash_by_due_date" from table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_trash_by_due_date";
-- drop index "tasks_trash_by_position" from table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_trash_by_position";
-- drop index "tasks_trash_by_priority" from table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_trash_by_priority";
-- drop index "tasks_trash_by_title_key" from table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_trash_by_title_key";
-- drop index "tasks_trash_by_updated_at" from table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_trash_by_updated_at";

-- +goose Down
-- reverse: drop index "tasks_trash_by_updated_at" from table: "tasks"
CREATE INDEX CONCURRENTLY IF NOT EXISTS "tasks_trash_by_updated_at" ON "tasks" ("workspace_id", "updated_at", "id") WHERE (deleted_at IS NOT NULL);
-- reverse: drop index "tasks_trash_by_title_key" from table: "tasks"
CREATE INDEX CONCURRENTLY IF NOT EXISTS "tasks_trash_by_title_key" ON "tasks" ("workspace_id", "title_key", "id") WHERE (deleted_at IS NOT NULL);
-- reverse: drop index "tasks_trash_by_priority" from table: "tasks"
CREATE INDEX CONCURRENTLY IF NOT EXISTS "tasks_trash_by_priority" ON "tasks" ("workspace_id", "priority", "id") WHERE (deleted_at IS NOT NULL);
-- reverse: drop index "tasks_trash_by_position" from table: "tasks"
CREATE INDEX CONCURRENTLY IF NOT EXISTS "tasks_trash_by_position" ON "tasks" ("workspace_id", "position", "id") WHERE (deleted_at IS NOT NULL);
-- reverse: drop index "tasks_trash_by_due_date" from table: "tasks"
CREATE INDEX CONCURRENTLY IF NOT EXISTS "tasks_trash_by_due_date" ON "tasks" ("workspace_id", "due_date", "due_sort", "id") WHERE (deleted_at IS NOT NULL);
-- reverse: drop index "tasks_trash_by_created_at" from table: "tasks"
CREATE INDEX CONCURRENTLY IF NOT EXISTS "tasks_trash_by_created_at" ON "tasks" ("workspace_id", "created_at", "id") WHERE (deleted_at IS NOT NULL);
-- reverse: drop index "tasks_trash_by_completed_at" from table: "tasks"
CREATE INDEX CONCURRENTLY IF NOT EXISTS "tasks_trash_by_completed_at" ON "tasks" ("workspace_id", "completed_at", "id") WHERE (deleted_at IS NOT NULL);
-- reverse: drop index "tasks_by_created_at" from table: "tasks"
CREATE INDEX CONCURRENTLY IF NOT EXISTS "tasks_by_created_at" ON "tasks" ("workspace_id", "created_at", "id");
