package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"entgo.io/ent/dialect"
	"github.com/cenkalti/backoff/v5"
)

// connect retries until the database answers, the limit has passed, or retrying is of no use.
func (db *DB) connect(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w: %s", errUnreachable, limit))
	defer cancel()
	var last error
	attempt := func() (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		err := db.check(ctx)
		if err != nil && !retryable(err) {
			err = backoff.Permanent(err)
		}
		last = err
		return struct{}{}, err
	}
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = 250*time.Millisecond, 5*time.Second
	attempts := 0
	_, err := backoff.Retry(ctx, attempt, backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(limit),
		backoff.WithNotify(func(err error, pause time.Duration) {
			attempts++
			db.log.WarnContext(ctx, "the database is not reachable yet", slog.String("database", db.name),
				slog.Int("try", attempts), slog.Duration("again_in", pause.Round(time.Millisecond)), slog.Any("error", err))
		}))
	if err != nil && ctx.Err() != nil && last != nil && !errors.Is(err, last) {
		return fmt.Errorf("%w: %w", err, last)
	}
	return err
}

// check returns an error if the database does not answer, or if the server can't use it.
func (db *DB) check(ctx context.Context) error {
	if db.Dialect == dialect.SQLite {
		// Opening does not touch the file yet; this does.
		var encoding string
		if err := db.SQL.QueryRowContext(ctx, "PRAGMA encoding").Scan(&encoding); err != nil {
			return explain(err)
		}
		return db.checkEncoding(encoding)
	}
	var number int
	var version, encoding, schema string
	err := db.SQL.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_version'),
		current_setting('server_encoding'), coalesce(current_schema(), '')`).Scan(&number, &version, &encoding, &schema)
	if err != nil {
		return explain(err)
	}
	if err := checkVersion(number, version); err != nil {
		return err
	}
	if err := db.checkEncoding(encoding); err != nil {
		return err
	}
	return db.checkSchema(schema)
}

// checkVersion returns an error if the server is older than PostgreSQL 14. number is its server_version_num, such as
// 150012, and version its server_version, for the message.
func checkVersion(number int, version string) error {
	if number < 140000 {
		return fmt.Errorf("the server is PostgreSQL %s, and 14 or later is needed", version)
	}
	return nil
}

// checkEncoding returns an error if the database's encoding is not UTF-8: some encodings can't hold every character, and
// SQL_ASCII holds bytes that are not valid text.
func (db *DB) checkEncoding(encoding string) error {
	switch {
	case encoding == "UTF8", encoding == "UTF-8", db.readOnly:
		return nil
	case db.Dialect == dialect.SQLite:
		return unsuitableError{fmt.Errorf("the file keeps text as %s, and UTF-8 is needed: copy it by sqlite3 FILE .dump | sqlite3 NEW", encoding)}
	default:
		return unsuitableError{fmt.Errorf("the database keeps text as %s, and UTF8 is needed: make one by createdb -E UTF8 -T template0 NEW, "+
			"and copy what is in this one by pg_dump and psql", encoding)}
	}
}
