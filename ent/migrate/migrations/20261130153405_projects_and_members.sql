-- +goose Up
-- modify "idempotency_keys" table
ALTER TABLE "idempotency_keys" ADD COLUMN "changed_workspace_id" text NULL;
-- modify "tasks" table
ALTER TABLE "tasks" ADD COLUMN "project_id" uuid NULL, ADD COLUMN "section_id" uuid NULL, ADD COLUMN "hidden_at" timestamptz NULL, ADD COLUMN "assignee_id" text NULL, ADD COLUMN "created_by" text NULL;
-- modify "workspaces" table
ALTER TABLE "workspaces" ADD COLUMN "kind" text NOT NULL DEFAULT 'PERSONAL', ADD COLUMN "name" text NOT NULL DEFAULT '', ADD COLUMN "project_count" bigint NOT NULL DEFAULT 0;
-- create "members" table
CREATE TABLE "members" ("id" uuid NOT NULL, "user_id" text NOT NULL, "name" text NOT NULL, "image" text NULL, "updated_at" timestamptz NOT NULL, "workspace_id" text NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "members_workspaces_workspace" FOREIGN KEY ("workspace_id") REFERENCES "workspaces" ("id") ON UPDATE NO ACTION ON DELETE CASCADE);
-- create index "members_by_user" to table: "members"
CREATE INDEX "members_by_user" ON "members" ("user_id");
-- create index "members_by_workspace" to table: "members"
CREATE UNIQUE INDEX "members_by_workspace" ON "members" ("workspace_id", "user_id");
-- create "projects" table
CREATE TABLE "projects" ("id" uuid NOT NULL, "version" bigint NOT NULL, "created_at" timestamptz NOT NULL, "updated_at" timestamptz NOT NULL, "name" text NOT NULL, "description" text NULL, "color" text NOT NULL, "position" bytea NOT NULL, "archived_at" timestamptz NULL, "deleted_at" timestamptz NULL, "workspace_id" text NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "projects_workspaces_workspace" FOREIGN KEY ("workspace_id") REFERENCES "workspaces" ("id") ON UPDATE NO ACTION ON DELETE CASCADE);
-- create index "project_workspace_id_version_id" to table: "projects"
CREATE INDEX "project_workspace_id_version_id" ON "projects" ("workspace_id", "version", "id");
-- create index "projects_by_position" to table: "projects"
CREATE INDEX "projects_by_position" ON "projects" ("workspace_id", "position", "id");
-- create "sections" table
CREATE TABLE "sections" ("id" uuid NOT NULL, "version" bigint NOT NULL, "created_at" timestamptz NOT NULL, "updated_at" timestamptz NOT NULL, "name" text NOT NULL, "position" bytea NOT NULL, "workspace_id" text NOT NULL, "project_id" uuid NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "sections_projects_project" FOREIGN KEY ("project_id") REFERENCES "projects" ("id") ON UPDATE NO ACTION ON DELETE CASCADE, CONSTRAINT "sections_workspaces_workspace" FOREIGN KEY ("workspace_id") REFERENCES "workspaces" ("id") ON UPDATE NO ACTION ON DELETE CASCADE);
-- create index "section_workspace_id_version_id" to table: "sections"
CREATE INDEX "section_workspace_id_version_id" ON "sections" ("workspace_id", "version", "id");
-- create index "sections_by_project" to table: "sections"
CREATE INDEX "sections_by_project" ON "sections" ("project_id", "position", "id");

-- +goose Down
-- reverse: create index "sections_by_project" to table: "sections"
DROP INDEX "sections_by_project";
-- reverse: create index "section_workspace_id_version_id" to table: "sections"
DROP INDEX "section_workspace_id_version_id";
-- reverse: create "sections" table
DROP TABLE "sections";
-- reverse: create index "projects_by_position" to table: "projects"
DROP INDEX "projects_by_position";
-- reverse: create index "project_workspace_id_version_id" to table: "projects"
DROP INDEX "project_workspace_id_version_id";
-- reverse: create "projects" table
DROP TABLE "projects";
-- reverse: create index "members_by_workspace" to table: "members"
DROP INDEX "members_by_workspace";
-- reverse: create index "members_by_user" to table: "members"
DROP INDEX "members_by_user";
-- reverse: create "members" table
DROP TABLE "members";
-- reverse: modify "workspaces" table
ALTER TABLE "workspaces" DROP COLUMN "project_count", DROP COLUMN "name", DROP COLUMN "kind";
-- reverse: modify "tasks" table
ALTER TABLE "tasks" DROP COLUMN "created_by", DROP COLUMN "assignee_id", DROP COLUMN "hidden_at", DROP COLUMN "section_id", DROP COLUMN "project_id";
-- reverse: modify "idempotency_keys" table
ALTER TABLE "idempotency_keys" DROP COLUMN "changed_workspace_id";
