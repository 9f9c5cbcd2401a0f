-- +goose Up
-- modify "occurrences" table
ALTER TABLE "occurrences" ADD COLUMN "version" bigint NOT NULL DEFAULT 0;
-- modify "recurrences" table
ALTER TABLE "recurrences" ADD COLUMN "unused" boolean NOT NULL DEFAULT false;
-- migration: allow lock: no release has written to this table yet
-- create index "recurrences_unused" to table: "recurrences"
CREATE INDEX "recurrences_unused" ON "recurrences" ("ended_at") WHERE unused;

-- +goose Down
-- reverse: create index "recurrences_unused" to table: "recurrences"
DROP INDEX "recurrences_unused";
-- reverse: modify "recurrences" table
ALTER TABLE "recurrences" DROP COLUMN "unused";
-- reverse: modify "occurrences" table
ALTER TABLE "occurrences" DROP COLUMN "version";
