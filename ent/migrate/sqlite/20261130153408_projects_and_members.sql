-- +goose Up
-- add column "changed_workspace_id" to table: "idempotency_keys"
ALTER TABLE `idempotency_keys` ADD COLUMN `changed_workspace_id` text NULL;
-- modify "workspaces" table
ALTER TABLE `workspaces` ADD COLUMN `kind` text NOT NULL DEFAULT 'PERSONAL';
ALTER TABLE `workspaces` ADD COLUMN `name` text NOT NULL DEFAULT '';
ALTER TABLE `workspaces` ADD COLUMN `project_count` integer NOT NULL DEFAULT 0;
-- modify "tasks" table
ALTER TABLE `tasks` ADD COLUMN `project_id` uuid NULL;
ALTER TABLE `tasks` ADD COLUMN `section_id` uuid NULL;
ALTER TABLE `tasks` ADD COLUMN `hidden_at` datetime NULL;
ALTER TABLE `tasks` ADD COLUMN `assignee_id` text NULL;
ALTER TABLE `tasks` ADD COLUMN `created_by` text NULL;
-- Lists of active tasks leave out those of archived projects: other indexes take the place of those of the release before.
-- migration: allow drop in file: the previous release answers the same without these indexes, only more slowly for many tasks
DROP INDEX `tasks_active_by_completed_at`;
DROP INDEX `tasks_active_by_created_at`;
DROP INDEX `tasks_active_by_due_date`;
DROP INDEX `tasks_active_by_position`;
DROP INDEX `tasks_active_by_priority`;
DROP INDEX `tasks_active_by_title_key`;
DROP INDEX `tasks_active_by_updated_at`;
DROP INDEX `tasks_open_by_created_at`;
-- create index "tasks_listed_by_created_at" to table: "tasks"
CREATE INDEX `tasks_listed_by_created_at` ON `tasks` (`workspace_id`, `created_at`, `id`) WHERE deleted_at IS NULL AND hidden_at IS NULL;
-- create index "tasks_listed_by_updated_at" to table: "tasks"
CREATE INDEX `tasks_listed_by_updated_at` ON `tasks` (`workspace_id`, `updated_at`, `id`) WHERE deleted_at IS NULL AND hidden_at IS NULL;
-- create index "tasks_listed_by_completed_at" to table: "tasks"
CREATE INDEX `tasks_listed_by_completed_at` ON `tasks` (`workspace_id`, `completed_at`, `id`) WHERE deleted_at IS NULL AND hidden_at IS NULL;
-- create index "tasks_listed_by_due_date" to table: "tasks"
CREATE INDEX `tasks_listed_by_due_date` ON `tasks` (`workspace_id`, `due_date`, `due_sort`, `id`) WHERE deleted_at IS NULL AND hidden_at IS NULL;
-- create index "tasks_listed_by_priority" to table: "tasks"
CREATE INDEX `tasks_listed_by_priority` ON `tasks` (`workspace_id`, `priority`, `id`) WHERE deleted_at IS NULL AND hidden_at IS NULL;
-- create index "tasks_listed_by_title_key" to table: "tasks"
CREATE INDEX `tasks_listed_by_title_key` ON `tasks` (`workspace_id`, `title_key`, `id`) WHERE deleted_at IS NULL AND hidden_at IS NULL;
-- create index "tasks_listed_by_position" to table: "tasks"
CREATE INDEX `tasks_listed_by_position` ON `tasks` (`workspace_id`, `position`, `id`) WHERE deleted_at IS NULL AND hidden_at IS NULL;
-- create index "tasks_listed_open_by_created_at" to table: "tasks"
CREATE INDEX `tasks_listed_open_by_created_at` ON `tasks` (`workspace_id`, `created_at`, `id`) WHERE deleted_at IS NULL AND hidden_at IS NULL AND NOT completed;
-- create index "tasks_by_project" to table: "tasks"
CREATE INDEX `tasks_by_project` ON `tasks` (`workspace_id`, `project_id`, `completed`, `position`, `id`) WHERE project_id IS NOT NULL AND deleted_at IS NULL;
-- create index "tasks_archived" to table: "tasks"
CREATE INDEX `tasks_archived` ON `tasks` (`workspace_id`, `hidden_at`, `id`) WHERE hidden_at IS NOT NULL AND deleted_at IS NULL;
-- create index "tasks_by_assignee" to table: "tasks"
CREATE INDEX `tasks_by_assignee` ON `tasks` (`workspace_id`, `assignee_id`, `id`) WHERE assignee_id IS NOT NULL AND deleted_at IS NULL;
-- create "members" table
CREATE TABLE `members` (`id` uuid NOT NULL, `user_id` text NOT NULL, `name` text NOT NULL, `image` text NULL, `updated_at` datetime NOT NULL, `workspace_id` text NOT NULL, PRIMARY KEY (`id`), CONSTRAINT `members_workspaces_workspace` FOREIGN KEY (`workspace_id`) REFERENCES `workspaces` (`id`) ON DELETE CASCADE);
-- create index "members_by_workspace" to table: "members"
CREATE UNIQUE INDEX `members_by_workspace` ON `members` (`workspace_id`, `user_id`);
-- create index "members_by_user" to table: "members"
CREATE INDEX `members_by_user` ON `members` (`user_id`);
-- create "projects" table
CREATE TABLE `projects` (`id` uuid NOT NULL, `version` integer NOT NULL, `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, `name` text NOT NULL, `description` text NULL, `color` text NOT NULL, `position` blob NOT NULL, `archived_at` datetime NULL, `deleted_at` datetime NULL, `workspace_id` text NOT NULL, PRIMARY KEY (`id`), CONSTRAINT `projects_workspaces_workspace` FOREIGN KEY (`workspace_id`) REFERENCES `workspaces` (`id`) ON DELETE CASCADE);
-- create index "project_workspace_id_version_id" to table: "projects"
CREATE INDEX `project_workspace_id_version_id` ON `projects` (`workspace_id`, `version`, `id`);
-- create index "projects_by_position" to table: "projects"
CREATE INDEX `projects_by_position` ON `projects` (`workspace_id`, `position`, `id`);
-- create "sections" table
CREATE TABLE `sections` (`id` uuid NOT NULL, `version` integer NOT NULL, `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, `name` text NOT NULL, `position` blob NOT NULL, `workspace_id` text NOT NULL, `project_id` uuid NOT NULL, PRIMARY KEY (`id`), CONSTRAINT `sections_workspaces_workspace` FOREIGN KEY (`workspace_id`) REFERENCES `workspaces` (`id`) ON DELETE CASCADE, CONSTRAINT `sections_projects_project` FOREIGN KEY (`project_id`) REFERENCES `projects` (`id`) ON DELETE CASCADE);
-- create index "section_workspace_id_version_id" to table: "sections"
CREATE INDEX `section_workspace_id_version_id` ON `sections` (`workspace_id`, `version`, `id`);
-- create index "sections_by_project" to table: "sections"
CREATE INDEX `sections_by_project` ON `sections` (`project_id`, `position`, `id`);

-- +goose Down
DROP TABLE `sections`;
DROP TABLE `projects`;
DROP TABLE `members`;
DROP INDEX `tasks_by_assignee`;
DROP INDEX `tasks_archived`;
DROP INDEX `tasks_by_project`;
DROP INDEX `tasks_listed_open_by_created_at`;
DROP INDEX `tasks_listed_by_position`;
DROP INDEX `tasks_listed_by_title_key`;
DROP INDEX `tasks_listed_by_priority`;
DROP INDEX `tasks_listed_by_due_date`;
DROP INDEX `tasks_listed_by_completed_at`;
DROP INDEX `tasks_listed_by_updated_at`;
DROP INDEX `tasks_listed_by_created_at`;
CREATE INDEX `tasks_open_by_created_at` ON `tasks` (`workspace_id`, `created_at`, `id`) WHERE deleted_at IS NULL AND NOT completed;
CREATE INDEX `tasks_active_by_updated_at` ON `tasks` (`workspace_id`, `updated_at`, `id`) WHERE deleted_at IS NULL;
CREATE INDEX `tasks_active_by_title_key` ON `tasks` (`workspace_id`, `title_key`, `id`) WHERE deleted_at IS NULL;
CREATE INDEX `tasks_active_by_priority` ON `tasks` (`workspace_id`, `priority`, `id`) WHERE deleted_at IS NULL;
CREATE INDEX `tasks_active_by_position` ON `tasks` (`workspace_id`, `position`, `id`) WHERE deleted_at IS NULL;
CREATE INDEX `tasks_active_by_due_date` ON `tasks` (`workspace_id`, `due_date`, `due_sort`, `id`) WHERE deleted_at IS NULL;
CREATE INDEX `tasks_active_by_created_at` ON `tasks` (`workspace_id`, `created_at`, `id`) WHERE deleted_at IS NULL;
CREATE INDEX `tasks_active_by_completed_at` ON `tasks` (`workspace_id`, `completed_at`, `id`) WHERE deleted_at IS NULL;
ALTER TABLE `tasks` DROP COLUMN `created_by`;
ALTER TABLE `tasks` DROP COLUMN `assignee_id`;
ALTER TABLE `tasks` DROP COLUMN `hidden_at`;
ALTER TABLE `tasks` DROP COLUMN `section_id`;
ALTER TABLE `tasks` DROP COLUMN `project_id`;
ALTER TABLE `workspaces` DROP COLUMN `project_count`;
ALTER TABLE `workspaces` DROP COLUMN `name`;
ALTER TABLE `workspaces` DROP COLUMN `kind`;
ALTER TABLE `idempotency_keys` DROP COLUMN `changed_workspace_id`;
