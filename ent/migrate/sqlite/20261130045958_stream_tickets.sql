-- +goose Up
-- create "stream_tickets" table
CREATE TABLE `stream_tickets` (`id` text NOT NULL, `sealed` blob NOT NULL, `expires_at` datetime NOT NULL, PRIMARY KEY (`id`));
-- create index "streamticket_expires_at" to table: "stream_tickets"
CREATE INDEX `streamticket_expires_at` ON `stream_tickets` (`expires_at`);

-- +goose Down
-- reverse: create index "streamticket_expires_at" to table: "stream_tickets"
DROP INDEX `streamticket_expires_at`;
-- reverse: create "stream_tickets" table
DROP TABLE `stream_tickets`;
