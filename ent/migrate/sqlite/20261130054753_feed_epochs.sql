-- +goose Up
-- create "feed_epochs" table
CREATE TABLE `feed_epochs` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `epoch` blob NOT NULL, `cluster` text NULL, `timeline` text NULL, `created_at` datetime NOT NULL);

-- +goose Down
-- reverse: create "feed_epochs" table
DROP TABLE `feed_epochs`;
