-- +goose Up
-- migration: allow lock in file: there was no release before this one, so that no table of tasks is big
-- migration: allow rewrite in file: as above, and every row must have its keys before the new release reads it
-- modify "workspaces" table
ALTER TABLE "workspaces" ADD COLUMN "task_count" bigint NOT NULL DEFAULT 0;
-- create "tags" table
CREATE TABLE "tags" ("id" uuid NOT NULL, "version" bigint NOT NULL, "name" text NOT NULL, "name_key" bytea NOT NULL, "color" text NOT NULL, "created_at" timestamptz NOT NULL, "updated_at" timestamptz NOT NULL, "workspace_id" text NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "tags_workspaces_tags" FOREIGN KEY ("workspace_id") REFERENCES "workspaces" ("id") ON UPDATE NO ACTION ON DELETE CASCADE);
-- create index "tags_by_name" to table: "tags"
CREATE UNIQUE INDEX "tags_by_name" ON "tags" ("workspace_id", "name_key");
-- modify "tasks" table
ALTER TABLE "tasks" ADD COLUMN "priority" smallint NOT NULL DEFAULT 0, ADD COLUMN "due_date" date NULL, ADD COLUMN "due_at" timestamptz NULL, ADD COLUMN "due_time_zone" text NULL, ADD COLUMN "due_sort" timestamptz NULL, ADD COLUMN "position" bytea NOT NULL DEFAULT '\x', ADD COLUMN "title_key" bytea NOT NULL DEFAULT '\x', ADD COLUMN "search_text" text NOT NULL DEFAULT '', ADD COLUMN "trashed_with" uuid NULL, ADD COLUMN "parent_id" uuid NULL, ADD CONSTRAINT "tasks_tasks_subtasks" FOREIGN KEY ("parent_id") REFERENCES "tasks" ("id") ON UPDATE NO ACTION ON DELETE SET NULL;
-- create index "tasks_active_by_completed_at" to table: "tasks"
CREATE INDEX "tasks_active_by_completed_at" ON "tasks" ("workspace_id", "completed_at", "id") WHERE (deleted_at IS NULL);
-- create index "tasks_active_by_due_date" to table: "tasks"
CREATE INDEX "tasks_active_by_due_date" ON "tasks" ("workspace_id", "due_date", "due_sort", "id") WHERE (deleted_at IS NULL);
-- create index "tasks_active_by_position" to table: "tasks"
CREATE INDEX "tasks_active_by_position" ON "tasks" ("workspace_id", "position", "id") WHERE (deleted_at IS NULL);
-- create index "tasks_active_by_priority" to table: "tasks"
CREATE INDEX "tasks_active_by_priority" ON "tasks" ("workspace_id", "priority", "id") WHERE (deleted_at IS NULL);
-- create index "tasks_active_by_title_key" to table: "tasks"
CREATE INDEX "tasks_active_by_title_key" ON "tasks" ("workspace_id", "title_key", "id") WHERE (deleted_at IS NULL);
-- create index "tasks_active_by_updated_at" to table: "tasks"
CREATE INDEX "tasks_active_by_updated_at" ON "tasks" ("workspace_id", "updated_at", "id") WHERE (deleted_at IS NULL);
-- create index "tasks_by_parent" to table: "tasks"
CREATE INDEX "tasks_by_parent" ON "tasks" ("workspace_id", "parent_id", "position", "id");
-- create index "tasks_in_trash" to table: "tasks"
CREATE INDEX "tasks_in_trash" ON "tasks" ("workspace_id", "deleted_at", "id") WHERE (deleted_at IS NOT NULL);
-- create index "tasks_open_by_created_at" to table: "tasks"
CREATE INDEX "tasks_open_by_created_at" ON "tasks" ("workspace_id", "created_at", "id") WHERE ((deleted_at IS NULL) AND (NOT completed));
-- create index "tasks_parent_id" to table: "tasks"
CREATE INDEX "tasks_parent_id" ON "tasks" ("parent_id") WHERE (parent_id IS NOT NULL);
-- create "task_tags" table
CREATE TABLE "task_tags" ("workspace_id" text NOT NULL, "task_id" uuid NOT NULL, "tag_id" uuid NOT NULL, PRIMARY KEY ("task_id", "tag_id"), CONSTRAINT "task_tags_tags_tag" FOREIGN KEY ("tag_id") REFERENCES "tags" ("id") ON UPDATE NO ACTION ON DELETE CASCADE, CONSTRAINT "task_tags_tasks_task" FOREIGN KEY ("task_id") REFERENCES "tasks" ("id") ON UPDATE NO ACTION ON DELETE CASCADE);
-- create index "task_tags_by_tag" to table: "task_tags"
CREATE INDEX "task_tags_by_tag" ON "task_tags" ("tag_id", "task_id");

-- what is there gets its keys: lower() is close to how the server folds, and the next change of a task makes it exact
UPDATE "tasks" SET "title_key" = convert_to(lower("title"), 'UTF8'), "search_text" = lower("title" || E'\n' || coalesce("description", ''));
-- the manual order begins as the order of creation: e and five digits is a key of the server's
UPDATE "tasks" SET "position" = convert_to('e' || lpad(to_hex(o.n), 5, '0'), 'UTF8')
  FROM (SELECT "id", row_number() OVER (PARTITION BY "workspace_id" ORDER BY "created_at", "id") n FROM "tasks") o WHERE o."id" = "tasks"."id";
UPDATE "workspaces" SET "task_count" = (SELECT count(*) FROM "tasks" WHERE "tasks"."workspace_id" = "workspaces"."id");
-- the index of search, where the extension can be had; search works without it
-- +goose StatementBegin
DO $$
BEGIN
  CREATE EXTENSION IF NOT EXISTS pg_trgm;
  CREATE INDEX "tasks_search" ON "tasks" USING gin ("search_text" gin_trgm_ops);
EXCEPTION WHEN insufficient_privilege OR undefined_file OR undefined_object OR feature_not_supported THEN
  RAISE NOTICE 'pg_trgm is not to be had: search goes without an index';
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP INDEX IF EXISTS "tasks_search";
-- reverse: create index "task_tags_by_tag" to table: "task_tags"
DROP INDEX "task_tags_by_tag";
-- reverse: create "task_tags" table
DROP TABLE "task_tags";
-- reverse: create index "tasks_parent_id" to table: "tasks"
DROP INDEX "tasks_parent_id";
-- reverse: create index "tasks_open_by_created_at" to table: "tasks"
DROP INDEX "tasks_open_by_created_at";
-- reverse: create index "tasks_in_trash" to table: "tasks"
DROP INDEX "tasks_in_trash";
-- reverse: create index "tasks_by_parent" to table: "tasks"
DROP INDEX "tasks_by_parent";
-- reverse: create index "tasks_active_by_updated_at" to table: "tasks"
DROP INDEX "tasks_active_by_updated_at";
-- reverse: create index "tasks_active_by_title_key" to table: "tasks"
DROP INDEX "tasks_active_by_title_key";
-- reverse: create index "tasks_active_by_priority" to table: "tasks"
DROP INDEX "tasks_active_by_priority";
-- reverse: create index "tasks_active_by_position" to table: "tasks"
DROP INDEX "tasks_active_by_position";
-- reverse: create index "tasks_active_by_due_date" to table: "tasks"
DROP INDEX "tasks_active_by_due_date";
-- reverse: create index "tasks_active_by_completed_at" to table: "tasks"
DROP INDEX "tasks_active_by_completed_at";
-- reverse: modify "tasks" table
ALTER TABLE "tasks" DROP CONSTRAINT "tasks_tasks_subtasks", DROP COLUMN "parent_id", DROP COLUMN "trashed_with", DROP COLUMN "search_text", DROP COLUMN "title_key", DROP COLUMN "position", DROP COLUMN "due_sort", DROP COLUMN "due_time_zone", DROP COLUMN "due_at", DROP COLUMN "due_date", DROP COLUMN "priority";
-- reverse: create index "tags_by_name" to table: "tags"
DROP INDEX "tags_by_name";
-- reverse: create "tags" table
DROP TABLE "tags";
-- reverse: modify "workspaces" table
ALTER TABLE "workspaces" DROP COLUMN "task_count";
