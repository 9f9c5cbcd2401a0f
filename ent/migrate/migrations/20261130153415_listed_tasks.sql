-- +goose NO TRANSACTION
-- +goose Up
-- Lists of active tasks leave out those of archived projects. The indexes of the release before, which have them, are replaced one by one.
-- migration: allow drop in file: the previous release answers the same without the dropped indexes, only more slowly for many tasks; no release has an index of the new names yet
-- CONCURRENTLY, which needs NO TRANSACTION, lets others write the table meanwhile. If the migration is interrupted, it can run again:
-- an index that was not finished is dropped first.
DROP INDEX CONCURRENTLY IF EXISTS "tasks_archived";
-- create index "tasks_archived" to table: "tasks"
CREATE INDEX CONCURRENTLY "tasks_archived" ON "tasks" ("workspace_id", "hidden_at", "id") WHERE ((hidden_at IS NOT NULL) AND (deleted_at IS NULL));
DROP INDEX CONCURRENTLY IF EXISTS "tasks_by_assignee";
-- create index "tasks_by_assignee" to table: "tasks"
CREATE INDEX CONCURRENTLY "tasks_by_assignee" ON "tasks" ("workspace_id", "assignee_id", "id") WHERE ((assignee_id IS NOT NULL) AND (deleted_at IS NULL));
DROP INDEX CONCURRENTLY IF EXISTS "tasks_by_project";
-- create index "tasks_by_project" to table: "tasks"
CREATE INDEX CONCURRENTLY "tasks_by_project" ON "tasks" ("workspace_id", "project_id", "completed", "position", "id") WHERE ((project_id IS NOT NULL) AND (deleted_at IS NULL));
DROP INDEX CONCURRENTLY IF EXISTS "tasks_listed_by_completed_at";
-- create index "tasks_listed_by_completed_at" to table: "tasks"
CREATE INDEX CONCURRENTLY "tasks_listed_by_completed_at" ON "tasks" ("workspace_id", "completed_at", "id") WHERE ((deleted_at IS NULL) AND (hidden_at IS NULL));
DROP INDEX CONCURRENTLY IF EXISTS "tasks_listed_by_created_at";
-- create index "tasks_listed_by_created_at" to table: "tasks"
CREATE INDEX CONCURRENTLY "tasks_listed_by_created_at" ON "tasks" ("workspace_id", "created_at", "id") WHERE ((deleted_at IS NULL) AND (hidden_at IS NULL));
DROP INDEX CONCURRENTLY IF EXISTS "tasks_listed_by_due_date";
-- create index "tasks_listed_by_due_date" to table: "tasks"
CREATE INDEX CONCURRENTLY "tasks_listed_by_due_date" ON "tasks" ("workspace_id", "due_date", "due_sort", "id") WHERE ((deleted_at IS NULL) AND (hidden_at IS NULL));
DROP INDEX CONCURRENTLY IF EXISTS "tasks_listed_by_position";
-- create index "tasks_listed_by_position" to table: "tasks"
CREATE INDEX CONCURRENTLY "tasks_listed_by_position" ON "tasks" ("workspace_id", "position", "id") WHERE ((deleted_at IS NULL) AND (hidden_at IS NULL));
DROP INDEX CONCURRENTLY IF EXISTS "tasks_listed_by_priority";
-- create index "tasks_listed_by_priority" to table: "tasks"
CREATE INDEX CONCURRENTLY "tasks_listed_by_priority" ON "tasks" ("workspace_id", "priority", "id") WHERE ((deleted_at IS NULL) AND (hidden_at IS NULL));
DROP INDEX CONCURRENTLY IF EXISTS "tasks_listed_by_title_key";
-- create index "tasks_listed_by_title_key" to table: "tasks"
CREATE INDEX CONCURRENTLY "tasks_listed_by_title_key" ON "tasks" ("workspace_id", "title_key", "id") WHERE ((deleted_at IS NULL) AND (hidden_at IS NULL));
DROP INDEX CONCURRENTLY IF EXISTS "tasks_listed_by_updated_at";
-- create index "tasks_listed_by_updated_at" to table: "tasks"
CREATE INDEX CONCURRENTLY "tasks_listed_by_updated_at" ON "tasks" ("workspace_id", "updated_at", "id") WHERE ((deleted_at IS NULL) AND (hidden_at IS NULL));
DROP INDEX CONCURRENTLY IF EXISTS "tasks_listed_open_by_created_at";
-- create index "tasks_listed_open_by_created_at" to table: "tasks"
CREATE INDEX CONCURRENTLY "tasks_listed_open_by_created_at" ON "tasks" ("workspace_id", "created_at", "id") WHERE ((deleted_at IS NULL) AND (hidden_at IS NULL) AND (NOT completed));
-- drop index "tasks_active_by_completed_at" from table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_active_by_completed_at";
-- drop index "tasks_active_by_created_at" from table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_active_by_created_at";
-- drop index "tasks_active_by_due_date" from table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_active_by_due_date";
-- drop index "tasks_active_by_position" from table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_active_by_position";
-- drop index "tasks_active_by_priority" from table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_active_by_priority";
-- drop index "tasks_active_by_title_key" from table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_active_by_title_key";
-- drop index "tasks_active_by_updated_at" from table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_active_by_updated_at";
-- drop index "tasks_open_by_created_at" from table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_open_by_created_at";

-- +goose Down
-- reverse: drop index "tasks_open_by_created_at" from table: "tasks"
CREATE INDEX CONCURRENTLY IF NOT EXISTS "tasks_open_by_created_at" ON "tasks" ("workspace_id", "created_at", "id") WHERE ((deleted_at IS NULL) AND (NOT completed));
-- reverse: drop index "tasks_active_by_updated_at" from table: "tasks"
CREATE INDEX CONCURRENTLY IF NOT EXISTS "tasks_active_by_updated_at" ON "tasks" ("workspace_id", "updated_at", "id") WHERE (deleted_at IS NULL);
-- reverse: drop index "tasks_active_by_title_key" from table: "tasks"
CREATE INDEX CONCURRENTLY IF NOT EXISTS "tasks_active_by_title_key" ON "tasks" ("workspace_id", "title_key", "id") WHERE (deleted_at IS NULL);
-- reverse: drop index "tasks_active_by_priority" from table: "tasks"
CREATE INDEX CONCURRENTLY IF NOT EXISTS "tasks_active_by_priority" ON "tasks" ("workspace_id", "priority", "id") WHERE (deleted_at IS NULL);
-- reverse: drop index "tasks_active_by_position" from table: "tasks"
CREATE INDEX CONCURRENTLY IF NOT EXISTS "tasks_active_by_position" ON "tasks" ("workspace_id", "position", "id") WHERE (deleted_at IS NULL);
-- reverse: drop index "tasks_active_by_due_date" from table: "tasks"
CREATE INDEX CONCURRENTLY IF NOT EXISTS "tasks_active_by_due_date" ON "tasks" ("workspace_id", "due_date", "due_sort", "id") WHERE (deleted_at IS NULL);
-- reverse: drop index "tasks_active_by_created_at" from table: "tasks"
CREATE INDEX CONCURRENTLY IF NOT EXISTS "tasks_active_by_created_at" ON "tasks" ("workspace_id", "created_at", "id") WHERE (deleted_at IS NULL);
-- reverse: drop index "tasks_active_by_completed_at" from table: "tasks"
CREATE INDEX CONCURRENTLY IF NOT EXISTS "tasks_active_by_completed_at" ON "tasks" ("workspace_id", "completed_at", "id") WHERE (deleted_at IS NULL);
-- reverse: create index "tasks_listed_open_by_created_at" to table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_listed_open_by_created_at";
-- reverse: create index "tasks_listed_by_updated_at" to table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_listed_by_updated_at";
-- reverse: create index "tasks_listed_by_title_key" to table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_listed_by_title_key";
-- reverse: create index "tasks_listed_by_priority" to table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_listed_by_priority";
-- reverse: create index "tasks_listed_by_position" to table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_listed_by_position";
-- reverse: create index "tasks_listed_by_due_date" to table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_listed_by_due_date";
-- reverse: create index "tasks_listed_by_created_at" to table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_listed_by_created_at";
-- reverse: create index "tasks_listed_by_completed_at" to table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_listed_by_completed_at";
-- reverse: create index "tasks_by_project" to table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_by_project";
-- reverse: create index "tasks_by_assignee" to table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_by_assignee";
-- reverse: create index "tasks_archived" to table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_archived";
