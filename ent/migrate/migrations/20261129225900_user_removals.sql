-- +goose Up
-- modify "workspaces" table
ALTER TABLE "workspaces" ADD COLUMN "closed_at" timestamptz NULL;
-- create "user_removals" table
CREATE TABLE "user_removals" ("id" text NOT NULL, "user_id" text NULL, "move_to" text NULL, "created_at" timestamptz NOT NULL, "finished_at" timestamptz NULL, PRIMARY KEY ("id"));

-- +goose Down
-- reverse: create "user_removals" table
DROP TABLE "user_removals";
-- reverse: modify "workspaces" table
ALTER TABLE "workspaces" DROP COLUMN "closed_at";
