-- +goose Up
-- drop index "tasks_by_created_at" from table: "tasks"
DROP INDEX `tasks_by_created_at`;
-- drop index "tasks_trash_by_created_at" from table: "tasks"
DROP INDEX `tasks_trash_by_created_at`;
-- drop index "tasks_trash_by_updated_at" from table: "tasks"
DROP INDEX `tasks_trash_by_updated_at`;
-- drop index "tasks_trash_by_completed_at" from table: "tasks"
DROP INDEX `tasks_trash_by_completed_at`;
-- drop index "tasks_trash_by_due_date" from table: "tasks"
DROP INDEX `tasks_trash_by_due_date`;
-- drop index "tasks_trash_by_priority" from table: "tasks"
DROP INDEX `tasks_trash_by_priority`;
-- drop index "tasks_trash_by_title_key" from table: "tasks"
DROP INDEX `tasks_trash_by_title_key`;
-- drop index "tasks_trash_by_position" from table: "tasks"
DROP INDEX `tasks_trash_by_position`;

-- +goose Down
-- reverse: drop index "tasks_trash_by_position" from table: "tasks"
CREATE INDEX `tasks_trash_by_position` ON `tasks` (`workspace_id`, `position`, `id`) WHERE deleted_at IS NOT NULL;
-- reverse: drop index "tasks_trash_by_title_key" from table: "tasks"
CREATE INDEX `tasks_trash_by_title_key` ON `tasks` (`workspace_id`, `title_key`, `id`) WHERE deleted_at IS NOT NULL;
-- reverse: drop index "tasks_trash_by_priority" from table: "tasks"
CREATE INDEX `tasks_trash_by_priority` ON `tasks` (`workspace_id`, `priority`, `id`) WHERE deleted_at IS NOT NULL;
-- reverse: drop index "tasks_trash_by_due_date" from table: "tasks"
CREATE INDEX `tasks_trash_by_due_date` ON `tasks` (`workspace_id`, `due_date`, `due_sort`, `id`) WHERE deleted_at IS NOT NULL;
-- reverse: drop index "tasks_trash_by_completed_at" from table: "tasks"
CREATE INDEX `tasks_trash_by_completed_at` ON `tasks` (`workspace_id`, `completed_at`, `id`) WHERE deleted_at IS NOT NULL;
-- reverse: drop index "tasks_trash_by_updated_at" from table: "tasks"
CREATE INDEX `tasks_trash_by_updated_at` ON `tasks` (`workspace_id`, `updated_at`, `id`) WHERE deleted_at IS NOT NULL;
-- reverse: drop index "tasks_trash_by_created_at" from table: "tasks"
CREATE INDEX `tasks_trash_by_created_at` ON `tasks` (`workspace_id`, `created_at`, `id`) WHERE deleted_at IS NOT NULL;
-- reverse: drop index "tasks_by_created_at" from table: "tasks"
CREATE INDEX `tasks_by_created_at` ON `tasks` (`workspace_id`, `created_at`, `id`);
