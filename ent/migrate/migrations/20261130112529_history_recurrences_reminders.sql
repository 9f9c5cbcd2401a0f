-- +goose Up
-- create "activities" table
CREATE TABLE "activities" ("id" uuid NOT NULL, "version" bigint NOT NULL, "task_id" uuid NOT NULL, "actor_id" text NULL, "via" text NOT NULL, "action" text NOT NULL, "changes" text NULL, "old_description" text NULL, "describes" boolean NOT NULL DEFAULT false, "at" timestamptz NOT NULL, "workspace_id" text NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "activities_workspaces_workspace" FOREIGN KEY ("workspace_id") REFERENCES "workspaces" ("id") ON UPDATE NO ACTION ON DELETE CASCADE);
-- create index "activities_by_task" to table: "activities"
CREATE INDEX "activities_by_task" ON "activities" ("workspace_id", "task_id", "version");
-- create index "activities_by_version" to table: "activities"
CREATE UNIQUE INDEX "activities_by_version" ON "activities" ("workspace_id", "version", "task_id");
-- create "recurrences" table
CREATE TABLE "recurrences" ("id" uuid NOT NULL, "version" bigint NOT NULL, "created_at" timestamptz NOT NULL, "updated_at" timestamptz NOT NULL, "rule" text NOT NULL, "mode" text NOT NULL, "catch_up" text NOT NULL, "start_date" date NOT NULL, "start_at" timestamptz NULL, "time_zone" text NULL, "first_number" bigint NOT NULL DEFAULT 1, "last_number" bigint NOT NULL DEFAULT 1, "ended_at" timestamptz NULL, "workspace_id" text NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "recurrences_workspaces_workspace" FOREIGN KEY ("workspace_id") REFERENCES "workspaces" ("id") ON UPDATE NO ACTION ON DELETE CASCADE);
-- create index "recurrence_workspace_id_version_id" to table: "recurrences"
CREATE INDEX "recurrence_workspace_id_version_id" ON "recurrences" ("workspace_id", "version", "id");
-- create "occurrences" table
CREATE TABLE "occurrences" ("id" uuid NOT NULL, "number" bigint NOT NULL, "due_date" date NOT NULL, "due_at" timestamptz NULL, "due_time_zone" text NULL, "outcome" text NOT NULL, "at" timestamptz NULL, "workspace_id" text NOT NULL, "recurrence_id" uuid NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "occurrences_recurrences_recurrence" FOREIGN KEY ("recurrence_id") REFERENCES "recurrences" ("id") ON UPDATE NO ACTION ON DELETE CASCADE, CONSTRAINT "occurrences_workspaces_workspace" FOREIGN KEY ("workspace_id") REFERENCES "workspaces" ("id") ON UPDATE NO ACTION ON DELETE CASCADE);
-- create index "occurrences_by_number" to table: "occurrences"
CREATE UNIQUE INDEX "occurrences_by_number" ON "occurrences" ("recurrence_id", "number");
-- create index "occurrences_by_workspace" to table: "occurrences"
CREATE INDEX "occurrences_by_workspace" ON "occurrences" ("workspace_id", "id");
-- modify "tasks" table
ALTER TABLE "tasks" ADD COLUMN "recurrence_id" uuid NULL, ADD COLUMN "occurrence_number" bigint NULL, ADD COLUMN "has_reminders" boolean NOT NULL DEFAULT false;
-- create "reminders" table
CREATE TABLE "reminders" ("id" uuid NOT NULL, "version" bigint NOT NULL, "created_at" timestamptz NOT NULL, "updated_at" timestamptz NOT NULL, "user_id" text NOT NULL, "remind_at" timestamptz NULL, "minutes_before" bigint NULL, "days_before" bigint NULL, "time_of_day" bigint NULL, "fire_at" timestamptz NULL, "fired_at" timestamptz NULL, "snoozed_until" timestamptz NULL, "state" text NOT NULL, "workspace_id" text NOT NULL, "task_id" uuid NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "reminders_tasks_task" FOREIGN KEY ("task_id") REFERENCES "tasks" ("id") ON UPDATE NO ACTION ON DELETE CASCADE, CONSTRAINT "reminders_workspaces_workspace" FOREIGN KEY ("workspace_id") REFERENCES "workspaces" ("id") ON UPDATE NO ACTION ON DELETE CASCADE);
-- create index "reminder_workspace_id_version_id" to table: "reminders"
CREATE INDEX "reminder_workspace_id_version_id" ON "reminders" ("workspace_id", "version", "id");
-- create index "reminders_by_fire_at" to table: "reminders"
CREATE INDEX "reminders_by_fire_at" ON "reminders" ("fire_at") WHERE (fire_at IS NOT NULL);
-- create index "reminders_by_task" to table: "reminders"
CREATE INDEX "reminders_by_task" ON "reminders" ("task_id", "user_id");
-- create index "reminders_fired" to table: "reminders"
CREATE INDEX "reminders_fired" ON "reminders" ("workspace_id", "user_id", "fired_at", "id") WHERE (state = 'FIRED'::text);

-- +goose Down
-- reverse: create index "reminders_fired" to table: "reminders"
DROP INDEX "reminders_fired";
-- reverse: create index "reminders_by_task" to table: "reminders"
DROP INDEX "reminders_by_task";
-- reverse: create index "reminders_by_fire_at" to table: "reminders"
DROP INDEX "reminders_by_fire_at";
-- reverse: create index "reminder_workspace_id_version_id" to table: "reminders"
DROP INDEX "reminder_workspace_id_version_id";
-- reverse: create "reminders" table
DROP TABLE "reminders";
-- reverse: modify "tasks" table
ALTER TABLE "tasks" DROP COLUMN "has_reminders", DROP COLUMN "occurrence_number", DROP COLUMN "recurrence_id";
-- reverse: create index "occurrences_by_workspace" to table: "occurrences"
DROP INDEX "occurrences_by_workspace";
-- reverse: create index "occurrences_by_number" to table: "occurrences"
DROP INDEX "occurrences_by_number";
-- reverse: create "occurrences" table
DROP TABLE "occurrences";
-- reverse: create index "recurrence_workspace_id_version_id" to table: "recurrences"
DROP INDEX "recurrence_workspace_id_version_id";
-- reverse: create "recurrences" table
DROP TABLE "recurrences";
-- reverse: create index "activities_by_version" to table: "activities"
DROP INDEX "activities_by_version";
-- reverse: create index "activities_by_task" to table: "activities"
DROP INDEX "activities_by_task";
-- reverse: create "activities" table
DROP TABLE "activities";
