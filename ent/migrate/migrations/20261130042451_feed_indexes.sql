-- +goose NO TRANSACTION
-- +goose Up
-- CONCURRENTLY, which needs NO TRANSACTION, lets others write the tables while the indexes are built. If the migration is interrupted,
-- it can run again: an index that was not finished is dropped first.
-- migration: allow drop in file: the previous release answers the same, from the new index of tasks, which begins with the old one's columns
DROP INDEX CONCURRENTLY IF EXISTS "tag_workspace_id_version_id";
-- create index "tag_workspace_id_version_id" to table: "tags"
CREATE INDEX CONCURRENTLY "tag_workspace_id_version_id" ON "tags" ("workspace_id", "version", "id");
DROP INDEX CONCURRENTLY IF EXISTS "task_workspace_id_version_id";
-- create index "task_workspace_id_version_id" to table: "tasks"
CREATE INDEX CONCURRENTLY "task_workspace_id_version_id" ON "tasks" ("workspace_id", "version", "id");
-- drop index "tasks_by_version" from table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "tasks_by_version";

-- +goose Down
-- reverse: drop index "tasks_by_version" from table: "tasks"
CREATE INDEX CONCURRENTLY IF NOT EXISTS "tasks_by_version" ON "tasks" ("workspace_id", "version");
-- reverse: create index "task_workspace_id_version_id" to table: "tasks"
DROP INDEX CONCURRENTLY IF EXISTS "task_workspace_id_version_id";
-- reverse: create index "tag_workspace_id_version_id" to table: "tags"
DROP INDEX CONCURRENTLY IF EXISTS "tag_workspace_id_version_id";
