-- +goose Up
-- add column "version" to table: "occurrences"
ALTER TABLE `occurrences` ADD COLUMN `version` integer NOT NULL DEFAULT 0;
-- add column "unused" to table: "recurrences"
ALTER TABLE `recurrences` ADD COLUMN `unused` bool NOT NULL DEFAULT false;
-- create index "recurrences_unused" to table: "recurrences"
CREATE INDEX `recurrences_unused` ON `recurrences` (`ended_at`) WHERE unused;

-- +goose Down
-- reverse: create index "recurrences_unused" to table: "recurrences"
DROP INDEX `recurrences_unused`;
-- reverse: add column "unused" to table: "recurrences"
ALTER TABLE `recurrences` DROP COLUMN `unused`;
-- reverse: add column "version" to table: "occurrences"
ALTER TABLE `occurrences` DROP COLUMN `version`;
