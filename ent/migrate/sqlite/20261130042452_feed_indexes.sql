-- +goose Up
-- create index "tag_workspace_id_version_id" to table: "tags"
CREATE INDEX `tag_workspace_id_version_id` ON `tags` (`workspace_id`, `version`, `id`);
-- drop index "tasks_by_version" from table: "tasks"
DROP INDEX `tasks_by_version`;
-- create index "task_workspace_id_version_id" to table: "tasks"
CREATE INDEX `task_workspace_id_version_id` ON `tasks` (`workspace_id`, `version`, `id`);

-- +goose Down
-- reverse: create index "task_workspace_id_version_id" to table: "tasks"
DROP INDEX `task_workspace_id_version_id`;
-- reverse: drop index "tasks_by_version" from table: "tasks"
CREATE INDEX `tasks_by_version` ON `tasks` (`workspace_id`, `version`);
-- reverse: create index "tag_workspace_id_version_id" to table: "tags"
DROP INDEX `tag_workspace_id_version_id`;
