package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"entgo.io/ent/dialect"
	"github.com/lib/pq"

	"taskql/ent/migrate"
)

// ErrForeignTables is returned if the database has tables of another program with the names of ours.
var ErrForeignTables = errors.New("the database has tables of another program")

// versionTable is where goose writes down which migrations were applied. Other programs use goose too.
const versionTable = "goose_db_version"

// createTable finds the tables that a migration creates.
var createTable = regexp.MustCompile("(?m)^CREATE TABLE (?:IF NOT EXISTS )?[\"`]([a-z_]+)")

func migrationsOf(of string) fs.FS {
	if of == dialect.SQLite {
		return migrate.SQLiteMigrations()
	}
	return migrate.Migrations()
}

// ourTables lists the tables that the migrations create, those of the first one first.
func ourTables(of string) ([]string, int, error) {
	migrations := migrationsOf(of)
	files, err := fs.Glob(migrations, "*.sql") // It sorts.
	if err != nil {
		return nil, 0, fmt.Errorf("listing the migrations in the binary: %w", err)
	}
	var tables []string
	first := 0
	for i, name := range files {
		text, err := fs.ReadFile(migrations, name)
		if err != nil {
			return nil, 0, fmt.Errorf("reading the migrations in the binary: %w", err)
		}
		for _, match := range createTable.FindAllStringSubmatch(string(text), -1) {
			tables = append(tables, match[1])
		}
		if i == 0 {
			first = len(tables)
		}
	}
	return tables, first, nil
}

// CheckForeignTables returns ErrForeignTables, wrapped, with the tables' names, if another program has what this server's migrations
// would create. It changes nothing.
func (db *DB) CheckForeignTables(ctx context.Context) error {
	pool, done := db.migrationPool()
	defer done()
	return checkForeign(ctx, db.Dialect, pool)
}

func checkForeign(ctx context.Context, of string, pool *sql.DB) error {
	ours, err := hasOurMigrations(ctx, of, pool)
	if ours || err != nil {
		return err
	}
	names, first, err := ourTables(of)
	if err != nil {
		return err
	}
	found, err := existing(ctx, of, pool, names)
	if err != nil {
		return err
	}
	if of == dialect.SQLite && !slices.ContainsFunc(names[:first], func(name string) bool { return !slices.Contains(found, name) }) {
		return nil // A file of before there were migrations for SQLite has all of the first one's tables.
	}
	// Ours is empty if the first migration failed.
	if versions, err := appliedVersions(ctx, pool); err != nil {
		return err
	} else if len(versions) > 0 {
		found = append(found, versionTable)
	}
	if len(found) == 0 {
		return nil
	}
	cure := "give this server a database of its own, or a schema of its own in this one: add schema=taskql to DATABASE_URL"
	if of == dialect.SQLite {
		cure = "give this server a file of its own"
	}
	return fmt.Errorf("%w with the names that this server's would have (%s), and is left as it is: %s", ErrForeignTables, strings.Join(found, ", "), cure)
}

// hasOurMigrations reports whether a migration of this server's was applied.
func hasOurMigrations(ctx context.Context, of string, pool *sql.DB) (bool, error) {
	versions, err := appliedVersions(ctx, pool)
	if err != nil {
		return false, err
	}
	provider, err := newProvider(of, pool)
	if err != nil {
		return false, err
	}
	return len(pending(provider, versions)) < len(provider.ListSources()), nil
}

// existing returns which of the names are taken where migrations create tables.
func existing(ctx context.Context, of string, pool *sql.DB, names []string) ([]string, error) {
	query, args := `SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = current_schema() AND c.relname = ANY($1) ORDER BY 1`, []any{pq.Array(names)}
	if of == dialect.SQLite {
		query, args = "SELECT name FROM sqlite_master WHERE name IN (SELECT value FROM json_each($1)) ORDER BY 1", []any{`["` + strings.Join(names, `","`) + `"]`}
	}
	rows, err := pool.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("looking for tables: %w", err)
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("reading a table's name: %w", err)
		}
		found = append(found, name)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("looking for tables: %w", err)
	}
	return found, nil
}
