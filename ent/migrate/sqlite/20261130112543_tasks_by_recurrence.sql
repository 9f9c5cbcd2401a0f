-- +goose Up
-- create index "tasks_by_recurrence" to table: "tasks"
CREATE INDEX `tasks_by_recurrence` ON `tasks` (`workspace_id`, `recurrence_id`, `occurrence_number`) WHERE recurrence_id IS NOT NULL;

-- +goose Down
-- reverse: create index "tasks_by_recurrence" to table: "tasks"
DROP INDEX `tasks_by_recurrence`;
