package database

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"entgo.io/ent/dialect"
	"github.com/lib/pq"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
)

// migrationLock is the advisory lock that the replica that migrates holds. The number is arbitrary, and must stay.
const migrationLock = 7_081_509_201

// lockPause is how often a process that waits looks whether the other has done.
const lockPause = 100 * time.Millisecond

// MigrationResult is what Migrate did.
type MigrationResult struct {
	// Applied are the file names of the migrations that this call applied, in order.
	Applied []string
	// Version is the database's, the newest migration in it.
	Version int64
	// Ahead says that the database has migrations that this binary does not know: it was rolled back.
	Ahead bool
}

// Migrate brings the schema up to date. On PostgreSQL it applies the migrations in the binary that the database lacks,
// each in a transaction, through DirectURL where there is one. Of several processes one migrates and the others wait,
// as long as the context allows. A database newer than the binary is left as it is, with a warning. SQLite has migrations
// of its own, which one process at a time may apply.
func (db *DB) Migrate(ctx context.Context) (MigrationResult, error) {
	pool, done := db.migrationPool()
	defer done()
	result, err := db.migrate(ctx, pool)
	if err == nil {
		err = db.useWAL(ctx)
	}
	if err != nil {
		return MigrationResult{}, fmt.Errorf("migrating %s: %w", db.name, explain(err))
	}
	if result.Ahead {
		db.log.WarnContext(ctx, "the database is newer than this release: a later release migrated it",
			slog.String("database", db.name), slog.Int64("version", result.Version))
	}
	return result, nil
}

// migrationPool is where migrations go: through DirectURL where there is one. SQLite's is the one that there is, which
// may be in memory.
func (db *DB) migrationPool() (*sql.DB, func()) {
	if db.Dialect == dialect.SQLite {
		return db.SQL, func() {}
	}
	pool := sql.OpenDB(db.direct)
	return pool, func() { _ = pool.Close() }
}

// sqliteMigration lets one goroutine migrate at a time: PostgreSQL has a lock for that.
var sqliteMigration sync.Mutex //nolint:gochecknoglobals // Databases may share a file.

func (db *DB) migrate(ctx context.Context, pool *sql.DB) (MigrationResult, error) {
	if db.Dialect == dialect.SQLite {
		sqliteMigration.Lock()
		defer sqliteMigration.Unlock()
	}
	provider, err := newProvider(db.Dialect, pool)
	if err != nil {
		return MigrationResult{}, err
	}
	if pool != db.SQL {
		if err := db.compareSchemas(ctx, pool); err != nil {
			return MigrationResult{}, err
		}
	}
	// The usual case, without a lock: nothing to do.
	if versions, err := appliedVersions(ctx, pool); err != nil {
		return MigrationResult{}, err
	} else if len(pending(provider, versions)) == 0 {
		return result(provider, versions), nil
	}
	if db.Dialect == dialect.SQLite {
		return db.apply(ctx, provider, pool)
	}
	lock, err := db.lock(ctx, pool)
	if err != nil {
		return MigrationResult{}, err
	}
	defer func() { _ = lock.Rollback() }() // It only held the lock.
	return db.apply(ctx, provider, pool)
}

// apply applies what is pending, unless the database is another program's: then nothing in it is touched.
func (db *DB) apply(ctx context.Context, provider *goose.Provider, pool *sql.DB) (MigrationResult, error) {
	if err := checkForeign(ctx, db.Dialect, pool); err != nil {
		return MigrationResult{}, err
	}
	if err := db.prepare(ctx, pool); err != nil {
		return MigrationResult{}, err
	}
	done, err := provider.Up(ctx)
	if err != nil {
		return MigrationResult{}, fmt.Errorf("applying migrations: %w", err)
	}
	versions, err := appliedVersions(ctx, pool)
	if err != nil {
		return MigrationResult{}, err
	}
	outcome := result(provider, versions)
	for _, migration := range done {
		name := filepath.Base(migration.Source.Path)
		outcome.Applied = append(outcome.Applied, name)
		db.log.InfoContext(ctx, "migration applied", slog.String("migration", name), slog.Duration("took", migration.Duration.Round(time.Microsecond)))
	}
	return outcome, nil
}

// lock waits until no other process migrates. The lock lasts as long as the transaction: that works behind a pooler
// in transaction mode too, and PostgreSQL releases it when this process dies.
//
// Who holds the lock and who waits for it must keep no snapshot, for which CREATE INDEX CONCURRENTLY would wait for good,
// and who waits must keep no session, of which a pooler may have few. So nobody waits inside a statement or a transaction.
func (db *DB) lock(ctx context.Context, pool *sql.DB) (*sql.Tx, error) {
	for told := false; ; told = true {
		tx, err := tryLock(ctx, pool)
		if tx != nil || err != nil {
			return tx, err
		}
		if !told {
			db.log.InfoContext(ctx, "another process is migrating the database; waiting", slog.String("database", db.name))
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("taking the migration lock: %w", context.Cause(ctx))
		case <-time.After(lockPause):
		}
	}
}

// tryLock returns the transaction that holds the lock, nil where another process has it.
func tryLock(ctx context.Context, pool *sql.DB) (*sql.Tx, error) {
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("starting the transaction that holds the migration lock: %w", err)
	}
	// The server's limits are not meant for the transaction that only waits for the migrations.
	for _, limit := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		if _, err := tx.ExecContext(ctx, "SET LOCAL "+limit+" = 0"); err != nil {
			return nil, errors.Join(fmt.Errorf("lifting %s: %w", limit, err), tx.Rollback())
		}
	}
	var free bool
	// It has no parameters: lib/pq then uses the simple protocol, after which no snapshot stays.
	if err := tx.QueryRowContext(ctx, fmt.Sprintf("SELECT pg_try_advisory_xact_lock(%d)", migrationLock)).Scan(&free); err != nil {
		return nil, errors.Join(fmt.Errorf("taking the migration lock: %w", err), tx.Rollback())
	}
	if free {
		return tx, nil
	}
	if err := tx.Rollback(); err != nil {
		return nil, fmt.Errorf("ending the try to take the migration lock: %w", err)
	}
	return nil, nil //nolint:nilnil // Another process has it, as the comment says.
}

// MigrationStatus is one migration, of the binary's or of the database's.
type MigrationStatus struct {
	Version int64
	// Name is the file's; "" where this binary does not have the migration, so that a later release applied it.
	Name string
	// AppliedAt is zero while it is pending.
	AppliedAt time.Time
}

// MigrationStatuses lists the binary's migrations in order, then those that only the database knows. It changes nothing. It goes through DirectURL where there is one; the error is the
// database's.
func (db *DB) MigrationStatuses(ctx context.Context) ([]MigrationStatus, error) {
	pool, done := db.migrationPool()
	defer done()
	provider, err := newProvider(db.Dialect, pool)
	if err != nil {
		return nil, err
	}
	versions, err := appliedVersions(ctx, pool)
	if err != nil {
		return nil, fmt.Errorf("reading the migrations of %s: %w", db.name, explain(err))
	}
	var list []MigrationStatus
	for _, source := range provider.ListSources() {
		list = append(list, MigrationStatus{source.Version, filepath.Base(source.Path), versions[source.Version]})
		delete(versions, source.Version)
	}
	for _, version := range slices.Sorted(maps.Keys(versions)) {
		list = append(list, MigrationStatus{Version: version, AppliedAt: versions[version]})
	}
	return list, nil
}

// WriteMigrationStatus writes MigrationStatuses as a table, one in a line: version, name, applied (and when) or pending.
func (db *DB) WriteMigrationStatus(ctx context.Context, w io.Writer) error {
	list, err := db.MigrationStatuses(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "VERSION\tNAME\tSTATUS")
	for _, m := range list {
		name, status := cmp.Or(m.Name, "(unknown to this release)"), "pending"
		if !m.AppliedAt.IsZero() {
			status = "applied " + m.AppliedAt.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(table, "%d\t%s\t%s\n", m.Version, name, status)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing the migrations: %w", err)
	}
	return nil
}

// prepare makes what migrations don't: the schema that the URL names.
func (db *DB) prepare(ctx context.Context, pool *sql.DB) error {
	if db.Dialect == dialect.Postgres {
		return db.makeSchema(ctx, pool)
	}
	return nil
}

func newProvider(of string, pool *sql.DB) (*goose.Provider, error) {
	kind := goose.DialectPostgres
	if of == dialect.SQLite {
		kind = goose.DialectSQLite3
	}
	provider, err := goose.NewProvider(kind, pool, migrationsOf(of), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("reading the migrations in the binary: %w", err)
	}
	return provider, nil
}

// appliedVersions reads what goose wrote down, without goose, which would make its table first.
func appliedVersions(ctx context.Context, pool *sql.DB) (map[int64]time.Time, error) {
	versions := map[int64]time.Time{}
	rows, err := pool.QueryContext(ctx, "SELECT version_id, tstamp FROM goose_db_version WHERE is_applied AND version_id > 0")
	if err != nil {
		if isNoTable(err) { // Nothing was ever applied.
			return versions, nil
		}
		return nil, fmt.Errorf("reading the applied migrations: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var version int64
		var at time.Time
		if err := rows.Scan(&version, &at); err != nil {
			return nil, fmt.Errorf("reading an applied migration: %w", err)
		}
		versions[version] = at
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the applied migrations: %w", err)
	}
	return versions, nil
}

// isNoTable reports whether a statement failed because there is no such table.
func isNoTable(err error) bool {
	var postgres *pq.Error
	if errors.As(err, &postgres) {
		return postgres.Code == "42P01"
	}
	var lite *sqlite.Error // It has no code of its own for that.
	return errors.As(err, &lite) && strings.Contains(lite.Error(), "no such table")
}

func pending(provider *goose.Provider, versions map[int64]time.Time) []int64 {
	var missing []int64
	for _, source := range provider.ListSources() {
		if _, ok := versions[source.Version]; !ok {
			missing = append(missing, source.Version)
		}
	}
	return missing
}

// result is the outcome as far as the database's versions tell it.
func result(provider *goose.Provider, versions map[int64]time.Time) MigrationResult {
	var newest, known int64
	for version := range versions {
		newest = max(newest, version)
	}
	for _, source := range provider.ListSources() {
		known = max(known, source.Version)
	}
	return MigrationResult{Version: newest, Ahead: newest > known}
}
