package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/lib/pq"
)

// Sanitised is a parsed URL.
type Sanitised struct {
	Name    string
	Ignored []string
	Config  pq.Config
	TLS     TLS
	// ListenURL is what Listen connects with.
	ListenURL string
}

// Sanitise parses a URL as Open does.
func Sanitise(raw string) (Sanitised, error) {
	t, err := parse(raw)
	if err != nil {
		return Sanitised{}, err
	}
	s := Sanitised{Name: t.name, Ignored: t.ignored, TLS: t.tls, ListenURL: t.listenURL}
	if c, ok := t.connector.(connector); ok {
		s.Config = c.config
	}
	return s, nil
}

// Retryable reports whether Open retries after the error.
func Retryable(err error) bool { return retryable(err) }

// MigrationLock is the key of the migration lock.
const MigrationLock = migrationLock

// LockMigrations takes the migration lock, and returns a function that releases it.
func LockMigrations(ctx context.Context, db *DB) (func() error, error) {
	pool := sql.OpenDB(db.direct)
	tx, err := db.lock(ctx, pool)
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return func() error { return errors.Join(tx.Rollback(), pool.Close()) }, nil
}

// CheckVersion is checkVersion.
func CheckVersion(number int, version string) error { return checkVersion(number, version) }

// AllSettings gives every parameter that a URL may set a valid value.
const AllSettings = "search_path=public&role=none&row_security=on&statement_timeout=10000&lock_timeout=10000&" +
	"idle_in_transaction_session_timeout=10000&idle_session_timeout=10000&default_transaction_isolation=read%20committed&" +
	"default_transaction_read_only=off&default_transaction_deferrable=off&synchronous_commit=on&work_mem=4MB&" +
	"maintenance_work_mem=64MB&temp_buffers=8MB&jit=off&plan_cache_mode=auto&client_connection_check_interval=0&" +
	"tcp_keepalives_idle=60&tcp_keepalives_interval=10&tcp_keepalives_count=3&default_tablespace=&" +
	"default_text_search_config=simple&client_min_messages=warning"

// QueryScanned is how QueryRaw retries a read after its connection was lost.
func (db *DB) QueryScanned(ctx context.Context, query string, args []any, fn func(row []driver.Value) error) error {
	return db.limited.pool.queryScanned(ctx, query, args, fn)
}

// Waiting returns how many statements of a user wait for others of the same user.
func (db *DB) Waiting(user string) int { return db.limited.users.Waiting(user) }

// NoReadOnlyPause makes read-only connections outdate the pool's however young they are.
func (db *DB) NoReadOnlyPause() {
	if c, ok := db.direct.(connector); ok {
		c.state.readOnlyPause = 0
	}
}
