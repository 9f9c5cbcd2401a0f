-- +goose Up
-- create "users" table
CREATE TABLE "users" ("id" text NOT NULL, "name" text NOT NULL, "email" text NOT NULL, "image" text NULL, "time_zone" text NOT NULL DEFAULT 'UTC', "created_at" timestamptz NOT NULL, "updated_at" timestamptz NOT NULL, PRIMARY KEY ("id"));
-- create "workspaces" table
CREATE TABLE "workspaces" ("id" text NOT NULL, "version" bigint NOT NULL DEFAULT 0, "created_at" timestamptz NOT NULL, PRIMARY KEY ("id"));
-- create "idempotency_keys" table
CREATE TABLE "idempotency_keys" ("id" uuid NOT NULL, "key" text NOT NULL, "request_hash" bytea NOT NULL, "answer" text NOT NULL, "created_at" timestamptz NOT NULL, "workspace_id" text NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "idempotency_keys_workspaces_idempotency_keys" FOREIGN KEY ("workspace_id") REFERENCES "workspaces" ("id") ON UPDATE NO ACTION ON DELETE CASCADE);
-- create index "idempotencykey_workspace_id_key" to table: "idempotency_keys"
CREATE UNIQUE INDEX "idempotencykey_workspace_id_key" ON "idempotency_keys" ("workspace_id", "key");
-- create "tasks" table
CREATE TABLE "tasks" ("id" uuid NOT NULL, "version" bigint NOT NULL, "title" text NOT NULL, "description" text NULL, "completed" boolean NOT NULL DEFAULT false, "completed_at" timestamptz NULL, "created_at" timestamptz NOT NULL, "updated_at" timestamptz NOT NULL, "deleted_at" timestamptz NULL, "workspace_id" text NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "tasks_workspaces_tasks" FOREIGN KEY ("workspace_id") REFERENCES "workspaces" ("id") ON UPDATE NO ACTION ON DELETE CASCADE, CONSTRAINT "tasks_completed" CHECK (completed = (completed_at IS NOT NULL)));
-- create index "tasks_active_by_created_at" to table: "tasks"
CREATE INDEX "tasks_active_by_created_at" ON "tasks" ("workspace_id", "created_at", "id") WHERE (deleted_at IS NULL);
-- create index "tasks_by_created_at" to table: "tasks"
CREATE INDEX "tasks_by_created_at" ON "tasks" ("workspace_id", "created_at", "id");
-- create index "tasks_by_version" to table: "tasks"
CREATE INDEX "tasks_by_version" ON "tasks" ("workspace_id", "version");

-- +goose Down
-- reverse: create index "tasks_by_version" to table: "tasks"
DROP INDEX "tasks_by_version";
-- reverse: create index "tasks_by_created_at" to table: "tasks"
DROP INDEX "tasks_by_created_at";
-- reverse: create index "tasks_active_by_created_at" to table: "tasks"
DROP INDEX "tasks_active_by_created_at";
-- reverse: create "tasks" table
DROP TABLE "tasks";
-- reverse: create index "idempotencykey_workspace_id_key" to table: "idempotency_keys"
DROP INDEX "idempotencykey_workspace_id_key";
-- reverse: create "idempotency_keys" table
DROP TABLE "idempotency_keys";
-- reverse: create "workspaces" table
DROP TABLE "workspaces";
-- reverse: create "users" table
DROP TABLE "users";
