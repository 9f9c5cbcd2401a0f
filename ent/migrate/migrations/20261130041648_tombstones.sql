-- +goose Up
-- modify "idempotency_keys" table
ALTER TABLE "idempotency_keys" ADD COLUMN "version" bigint NULL;
-- modify "workspaces" table
ALTER TABLE "workspaces" ADD COLUMN "feed_version" bigint NOT NULL DEFAULT 0, ADD COLUMN "feed_floor" bigint NOT NULL DEFAULT 0;
-- create "tombstones" table
CREATE TABLE "tombstones" ("id" uuid NOT NULL, "version" bigint NOT NULL, "kind" text NOT NULL, "object_id" uuid NOT NULL, "workspace_id" text NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "tombstones_workspaces_workspace" FOREIGN KEY ("workspace_id") REFERENCES "workspaces" ("id") ON UPDATE NO ACTION ON DELETE CASCADE);
-- create index "tombstones_by_version" to table: "tombstones"
CREATE UNIQUE INDEX "tombstones_by_version" ON "tombstones" ("workspace_id", "version", "kind", "object_id");

-- +goose Down
-- reverse: create index "tombstones_by_version" to table: "tombstones"
DROP INDEX "tombstones_by_version";
-- reverse: create "tombstones" table
DROP TABLE "tombstones";
-- reverse: modify "workspaces" table
ALTER TABLE "workspaces" DROP COLUMN "feed_floor", DROP COLUMN "feed_version";
-- reverse: modify "idempotency_keys" table
ALTER TABLE "idempotency_keys" DROP COLUMN "version";
