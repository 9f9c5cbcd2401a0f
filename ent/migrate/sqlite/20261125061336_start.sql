-- +goose Up
-- All that there was when versions began. What a database of before has of it is left alone.
-- create "idempotency_keys" table
CREATE TABLE IF NOT EXISTS `idempotency_keys` (`id` uuid NOT NULL, `key` text NOT NULL, `request_hash` blob NOT NULL, `answer` text NOT NULL, `created_at` datetime NOT NULL, `workspace_id` text NOT NULL, PRIMARY KEY (`id`), CONSTRAINT `idempotency_keys_workspaces_idempotency_keys` FOREIGN KEY (`workspace_id`) REFERENCES `workspaces` (`id`) ON DELETE CASCADE);
-- create index "idempotencykey_workspace_id_key" to table: "idempotency_keys"
CREATE UNIQUE INDEX IF NOT EXISTS `idempotencykey_workspace_id_key` ON `idempotency_keys` (`workspace_id`, `key`);
-- create "tags" table
CREATE TABLE IF NOT EXISTS `tags` (`id` uuid NOT NULL, `version` integer NOT NULL, `name` text NOT NULL, `name_key` blob NOT NULL, `color` text NOT NULL, `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, `workspace_id` text NOT NULL, PRIMARY KEY (`id`), CONSTRAINT `tags_workspaces_tags` FOREIGN KEY (`workspace_id`) REFERENCES `workspaces` (`id`) ON DELETE CASCADE);
-- create index "tags_by_name" to table: "tags"
CREATE UNIQUE INDEX IF NOT EXISTS `tags_by_name` ON `tags` (`workspace_id`, `name_key`);
-- create "tasks" table
CREATE TABLE IF NOT EXISTS `tasks` (`id` uuid NOT NULL, `version` integer NOT NULL, `title` text NOT NULL, `description` text NULL, `completed` bool NOT NULL DEFAULT ('false'), `completed_at` datetime NULL, `priority` integer NOT NULL DEFAULT ('0'), `due_date` datetime NULL, `due_at` datetime NULL, `due_time_zone` text NULL, `due_sort` datetime NULL, `position` blob NOT NULL DEFAULT (x''), `title_key` blob NOT NULL DEFAULT (x''), `search_text` text NOT NULL DEFAULT (''), `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, `deleted_at` datetime NULL, `trashed_with` uuid NULL, `parent_id` uuid NULL, `workspace_id` text NOT NULL, PRIMARY KEY (`id`), CONSTRAINT `tasks_tasks_subtasks` FOREIGN KEY (`parent_id`) REFERENCES `tasks` (`id`) ON DELETE SET NULL, CONSTRAINT `tasks_workspaces_tasks` FOREIGN KEY (`workspace_id`) REFERENCES `workspaces` (`id`) ON DELETE CASCADE, CONSTRAINT `tasks_completed` CHECK (completed = (completed_at IS NOT NULL)));
-- create index "tasks_by_created_at" to table: "tasks"
CREATE INDEX IF NOT EXISTS `tasks_by_created_at` ON `tasks` (`workspace_id`, `created_at`, `id`);
-- create index "tasks_open_by_created_at" to table: "tasks"
CREATE INDEX IF NOT EXISTS `tasks_open_by_created_at` ON `tasks` (`workspace_id`, `created_at`, `id`) WHERE deleted_at IS NULL AND NOT completed;
-- create index "tasks_active_by_created_at" to table: "tasks"
CREATE INDEX IF NOT EXISTS `tasks_active_by_created_at` ON `tasks` (`workspace_id`, `created_at`, `id`) WHERE deleted_at IS NULL;
-- create index "tasks_trash_by_created_at" to table: "tasks"
CREATE INDEX IF NOT EXISTS `tasks_trash_by_created_at` ON `tasks` (`workspace_id`, `created_at`, `id`) WHERE deleted_at IS NOT NULL;
-- create index "tasks_active_by_updated_at" to table: "tasks"
CREATE INDEX IF NOT EXISTS `tasks_active_by_updated_at` ON `tasks` (`workspace_id`, `updated_at`, `id`) WHERE deleted_at IS NULL;
-- create index "tasks_trash_by_updated_at" to table: "tasks"
CREATE INDEX IF NOT EXISTS `tasks_trash_by_updated_at` ON `tasks` (`workspace_id`, `updated_at`, `id`) WHERE deleted_at IS NOT NULL;
-- create index "tasks_active_by_completed_at" to table: "tasks"
CREATE INDEX IF NOT EXISTS `tasks_active_by_completed_at` ON `tasks` (`workspace_id`, `completed_at`, `id`) WHERE deleted_at IS NULL;
-- create index "tasks_trash_by_completed_at" to table: "tasks"
CREATE INDEX IF NOT EXISTS `tasks_trash_by_completed_at` ON `tasks` (`workspace_id`, `completed_at`, `id`) WHERE deleted_at IS NOT NULL;
-- create index "tasks_active_by_due_date" to table: "tasks"
CREATE INDEX IF NOT EXISTS `tasks_active_by_due_date` ON `tasks` (`workspace_id`, `due_date`, `due_sort`, `id`) WHERE deleted_at IS NULL;
-- create index "tasks_trash_by_due_date" to table: "tasks"
CREATE INDEX IF NOT EXISTS `tasks_trash_by_due_date` ON `tasks` (`workspace_id`, `due_date`, `due_sort`, `id`) WHERE deleted_at IS NOT NULL;
-- create index "tasks_active_by_priority" to table: "tasks"
CREATE INDEX IF NOT EXISTS `tasks_active_by_priority` ON `tasks` (`workspace_id`, `priority`, `id`) WHERE deleted_at IS NULL;
-- create index "tasks_trash_by_priority" to table: "tasks"
CREATE INDEX IF NOT EXISTS `tasks_trash_by_priority` ON `tasks` (`workspace_id`, `priority`, `id`) WHERE deleted_at IS NOT NULL;
-- create index "tasks_active_by_title_key" to table: "tasks"
CREATE INDEX IF NOT EXISTS `tasks_active_by_title_key` ON `tasks` (`workspace_id`, `title_key`, `id`) WHERE deleted_at IS NULL;
-- create index "tasks_trash_by_title_key" to table: "tasks"
CREATE INDEX IF NOT EXISTS `tasks_trash_by_title_key` ON `tasks` (`workspace_id`, `title_key`, `id`) WHERE deleted_at IS NOT NULL;
-- create index "tasks_active_by_position" to table: "tasks"
CREATE INDEX IF NOT EXISTS `tasks_active_by_position` ON `tasks` (`workspace_id`, `position`, `id`) WHERE deleted_at IS NULL;
-- create index "tasks_trash_by_position" to table: "tasks"
CREATE INDEX IF NOT EXISTS `tasks_trash_by_position` ON `tasks` (`workspace_id`, `position`, `id`) WHERE deleted_at IS NOT NULL;
-- create index "tasks_by_parent" to table: "tasks"
CREATE INDEX IF NOT EXISTS `tasks_by_parent` ON `tasks` (`workspace_id`, `parent_id`, `position`, `id`);
-- create index "tasks_parent_id" to table: "tasks"
CREATE INDEX IF NOT EXISTS `tasks_parent_id` ON `tasks` (`parent_id`) WHERE parent_id IS NOT NULL;
-- create index "tasks_in_trash" to table: "tasks"
CREATE INDEX IF NOT EXISTS `tasks_in_trash` ON `tasks` (`workspace_id`, `deleted_at`, `id`) WHERE deleted_at IS NOT NULL;
-- create index "tasks_by_version" to table: "tasks"
CREATE INDEX IF NOT EXISTS `tasks_by_version` ON `tasks` (`workspace_id`, `version`);
-- create "task_tags" table
CREATE TABLE IF NOT EXISTS `task_tags` (`workspace_id` text NOT NULL, `task_id` uuid NOT NULL, `tag_id` uuid NOT NULL, PRIMARY KEY (`task_id`, `tag_id`), CONSTRAINT `task_tags_tasks_task` FOREIGN KEY (`task_id`) REFERENCES `tasks` (`id`) ON DELETE CASCADE, CONSTRAINT `task_tags_tags_tag` FOREIGN KEY (`tag_id`) REFERENCES `tags` (`id`) ON DELETE CASCADE);
-- create index "task_tags_by_tag" to table: "task_tags"
CREATE INDEX IF NOT EXISTS `task_tags_by_tag` ON `task_tags` (`tag_id`, `task_id`);
-- create "users" table
CREATE TABLE IF NOT EXISTS `users` (`id` text NOT NULL, `name` text NOT NULL, `email` text NOT NULL, `image` text NULL, `time_zone` text NOT NULL DEFAULT ('UTC'), `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, PRIMARY KEY (`id`));
-- create "workspaces" table
CREATE TABLE IF NOT EXISTS `workspaces` (`id` text NOT NULL, `version` integer NOT NULL DEFAULT ('0'), `task_count` integer NOT NULL DEFAULT ('0'), `created_at` datetime NOT NULL, PRIMARY KEY (`id`));

