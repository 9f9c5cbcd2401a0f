-- +goose Up
-- add column "user_id" to table: "tombstones"
ALTER TABLE `tombstones` ADD COLUMN `user_id` text NULL;
-- add column "time_zone" to table: "reminders"
ALTER TABLE `reminders` ADD COLUMN `time_zone` text NULL;

-- +goose Down
-- reverse: add column "time_zone" to table: "reminders"
ALTER TABLE `reminders` DROP COLUMN `time_zone`;
-- reverse: add column "user_id" to table: "tombstones"
ALTER TABLE `tombstones` DROP COLUMN `user_id`;
