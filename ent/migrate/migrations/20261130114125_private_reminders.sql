-- +goose Up
-- modify "reminders" table
ALTER TABLE "reminders" ADD COLUMN "time_zone" text NULL;
-- modify "tombstones" table
ALTER TABLE "tombstones" ADD COLUMN "user_id" text NULL;

-- +goose Down
-- reverse: modify "tombstones" table
ALTER TABLE "tombstones" DROP COLUMN "user_id";
-- reverse: modify "reminders" table
ALTER TABLE "reminders" DROP COLUMN "time_zone";
