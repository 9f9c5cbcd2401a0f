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

// migrationLock is the key of the advisory lock that a migrating process holds. It is arbitrary, and must never change.
const migrationLock = 7_081_509_201

// lockPause is the pause between two attempts to take the lock.
const lockPause = 100 * time.Millisecond

// MigrationResult is the result of Migrate.
type MigrationResult struct {
	// Applied are the file names of the migrations that this call applied, in order.
	Applied []string
	// Version is the newest migration that the database has.
	Version int64
	// Ahead reports that the database has migrations that this binary does not know: a later release applied them.
	Ahead bool
}

// Migrate applies the migrations in the binary that the database lacks, each in a transaction, through DirectURL if it is
// set. On PostgreSQL one of several processes migrates and the others wait, until the context ends. SQLite has migrations of
// its own, which only one process at a time may apply. Migrate leaves a database that is newer than the binary as it is, and
// logs a warning.
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

// migrationPool returns the pool for migrations, which must be closed by the returned function. It goes through DirectURL if
// it is set. For SQLite it is the pool itself, since the database may be in memory.
func (db *DB) migrationPool() (*sql.DB, func()) {
	if db.Dialect == dialect.SQLite {
		return db.SQL, func() {}
	}
	pool := sql.OpenDB(db.direct)
	return pool, func() { _ = pool.Close() }
}

// sqliteMigration serialises migrations of SQLite within the process. PostgreSQL has migrationLock for that.
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
	// Usually nothing is pending. That takes no lock.
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

// apply applies the pending migrations. If the database has another program's tables, it changes nothing.
func (db *DB) apply(ctx context.Context, provider *goose.Provider, pool *sql.DB) (MigrationResult, error) {
	if err := checkForeignTables(ctx, db.Dialect, pool); err != nil {
		return MigrationResult{}, err
	}
	if db.Dialect == dialect.Postgres {
		if err := db.makeSchema(ctx, pool); err != nil {
			return MigrationResult{}, err
		}
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

// lock takes the migration lock, which is held until the returned transaction ends. It waits while another process migrates.
// A transaction's lock works behind a pooler in transaction mode too, and PostgreSQL releases it if this process dies.
//
// A process that holds the lock or waits for it must not hold a snapshot, because CREATE INDEX CONCURRENTLY would wait for
// the snapshot forever. A process that waits must not hold a session either, because a pooler may have few. Therefore
// lock polls, instead of waiting in a statement or a transaction.
func (db *DB) lock(ctx context.Context, pool *sql.DB) (*sql.Tx, error) {
	for logged := false; ; logged = true {
		tx, err := tryLock(ctx, pool)
		if tx != nil || err != nil {
			return tx, err
		}
		if !logged {
			db.log.InfoContext(ctx, "another process is migrating the database; waiting", slog.String("database", db.name))
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("taking the migration lock: %w", context.Cause(ctx))
		case <-time.After(lockPause):
		}
	}
}

// tryLock returns a transaction that holds the lock, or nil if another process holds it.
func tryLock(ctx context.Context, pool *sql.DB) (*sql.Tx, error) {
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("starting the transaction that holds the migration lock: %w", err)
	}
	// The limits that the server's administrator set are not meant for a transaction that is idle during migrations.
	for _, limit := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		if _, err := tx.ExecContext(ctx, "SET LOCAL "+limit+" = 0"); err != nil {
			return nil, errors.Join(fmt.Errorf("lifting %s: %w", limit, err), tx.Rollback())
		}
	}
	var free bool
	// Without parameters lib/pq uses the simple protocol, which leaves no snapshot.
	if err := tx.QueryRowContext(ctx, fmt.Sprintf("SELECT pg_try_advisory_xact_lock(%d)", migrationLock)).Scan(&free); err != nil {
		return nil, errors.Join(fmt.Errorf("taking the migration lock: %w", err), tx.Rollback())
	}
	if free {
		return tx, nil
	}
	if err := tx.Rollback(); err != nil {
		return nil, fmt.Errorf("ending an attempt to take the migration lock: %w", err)
	}
	return nil, nil //nolint:nilnil // Another process has it, as the comment says.
}

// MigrationStatus is a migration in the binary, in the database, or in both.
type MigrationStatus struct {
	Version int64
	// Name is the name of the file. It is "" if this binary doesn't have the migration: a later release applied it.
	Name string
	// AppliedAt is zero if the migration is pending.
	AppliedAt time.Time
}

// MigrationStatuses lists the binary's migrations in order, and then those that only the database has. It changes nothing.
// It goes through DirectURL if it is set.
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

// WriteMigrationStatus writes MigrationStatuses as a table: version, name, and when it was applied or "pending".
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

// newProvider returns goose's provider of this binary's migrations.
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

// appliedVersions returns the applied migrations and when they were applied. It reads goose's table itself, because goose
// would create the table.
func appliedVersions(ctx context.Context, pool *sql.DB) (map[int64]time.Time, error) {
	versions := map[int64]time.Time{}
	rows, err := pool.QueryContext(ctx, "SELECT version_id, tstamp FROM goose_db_version WHERE is_applied AND version_id > 0")
	if err != nil {
		if isNoTable(err) { // No migration was ever applied.
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

// isNoTable reports whether the error says that a table doesn't exist.
func isNoTable(err error) bool {
	var postgres *pq.Error
	if errors.As(err, &postgres) {
		return postgres.Code == "42P01"
	}
	var lite *sqlite.Error // SQLite has no code for this.
	return errors.As(err, &lite) && strings.Contains(lite.Error(), "no such table")
}

// pending returns the versions of the migrations that were not applied.
func pending(provider *goose.Provider, versions map[int64]time.Time) []int64 {
	var missing []int64
	for _, source := range provider.ListSources() {
		if _, ok := versions[source.Version]; !ok {
			missing = append(missing, source.Version)
		}
	}
	return missing
}

// result returns the MigrationResult for the database's versions, without Applied.
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
