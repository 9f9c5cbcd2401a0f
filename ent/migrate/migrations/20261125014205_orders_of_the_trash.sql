-- +goose Up
-- migration: allow lock in file: there is no tagged release yet, and the indexes hold the trash alone
-- The releases that don't count tasks are gone by now: what they added while they ran beside the first that does is
-- counted here. Every change begins with its workspace, so that the lock lets those under way end and keeps others out;
-- it comes first, because what follows locks the tasks.
-- migration: allow rewrite: only workspaces whose count is wrong are written
-- +goose StatementBegin
DO $$
BEGIN
  LOCK TABLE "workspaces" IN SHARE ROW EXCLUSIVE MODE;
  UPDATE "workspaces" SET "task_count" = c.n
    FROM (SELECT w."id", count(t."id") n FROM "workspaces" w LEFT JOIN "tasks" t ON t."workspace_id" = w."id" GROUP BY w."id") c
    WHERE c."id" = "workspaces"."id" AND c.n <> "workspaces"."task_count";
END
$$;
-- +goose StatementEnd

-- create index "tasks_trash_by_completed_at" to table: "tasks"
CREATE INDEX "tasks_trash_by_completed_at" ON "tasks" ("workspace_id", "completed_at", "id") WHERE (deleted_at IS NOT NULL);
-- create index "tasks_trash_by_created_at" to table: "tasks"
CREATE INDEX "tasks_trash_by_created_at" ON "tasks" ("workspace_id", "created_at", "id") WHERE (deleted_at IS NOT NULL);
-- create index "tasks_trash_by_due_date" to table: "tasks"
CREATE INDEX "tasks_trash_by_due_date" ON "tasks" ("workspace_id", "due_date", "due_sort", "id") WHERE (deleted_at IS NOT NULL);
-- create index "tasks_trash_by_position" to table: "tasks"
CREATE INDEX "tasks_trash_by_position" ON "tasks" ("workspace_id", "position", "id") WHERE (deleted_at IS NOT NULL);
-- create index "tasks_trash_by_priority" to table: "tasks"
CREATE INDEX "tasks_trash_by_priority" ON "tasks" ("workspace_id", "priority", "id") WHERE (deleted_at IS NOT NULL);
-- create index "tasks_trash_by_title_key" to table: "tasks"
CREATE INDEX "tasks_trash_by_title_key" ON "tasks" ("workspace_id", "title_key", "id") WHERE (deleted_at IS NOT NULL);
-- create index "tasks_trash_by_updated_at" to table: "tasks"
CREATE INDEX "tasks_trash_by_updated_at" ON "tasks" ("workspace_id", "updated_at", "id") WHERE (deleted_at IS NOT NULL);

-- +goose Down
-- reverse: create index "tasks_trash_by_updated_at" to table: "tasks"
DROP INDEX "tasks_trash_by_updated_at";
-- reverse: create index "tasks_trash_by_title_key" to table: "tasks"
DROP INDEX "tasks_trash_by_title_key";
-- reverse: create index "tasks_trash_by_priority" to table: "tasks"
DROP INDEX "tasks_trash_by_priority";
-- reverse: create index "tasks_trash_by_position" to table: "tasks"
DROP INDEX "tasks_trash_by_position";
-- reverse: create index "tasks_trash_by_due_date" to table: "tasks"
DROP INDEX "tasks_trash_by_due_date";
-- reverse: create index "tasks_trash_by_created_at" to table: "tasks"
DROP INDEX "tasks_trash_by_created_at";
-- reverse: create index "tasks_trash_by_completed_at" to table: "tasks"
DROP INDEX "tasks_trash_by_completed_at";
