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

// ErrForeignTables is returned if the database has tables of another program with this server's names.
var ErrForeignTables = errors.New("the database has tables of another program")

// versionTable is the table in which goose records the applied migrations. Other programs use goose too.
const versionTable = "goose_db_version"

// createTable matches the statements of a migration that create a table.
var createTable = regexp.MustCompile("(?m)^CREATE TABLE (?:IF NOT EXISTS )?[\"`]([a-z_]+)")

// migrationsOf returns the migrations for the kind of database.
func migrationsOf(of string) fs.FS {
	if of == dialect.SQLite {
		return migrate.SQLiteMigrations()
	}
	return migrate.Migrations()
}

// migratedTables lists the tables that the migrations create, in order, and how many of them the first migration creates.
func migratedTables(of string) ([]string, int, error) {
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

// CheckForeignTables returns ErrForeignTables, wrapped with the tables' names, if another program's tables have the names
// that this server's migrations would use. It changes nothing.
func (db *DB) CheckForeignTables(ctx context.Context) error {
	pool, done := db.migrationPool()
	defer done()
	return checkForeignTables(ctx, db.Dialect, pool)
}

func checkForeignTables(ctx context.Context, of string, pool *sql.DB) error {
	migrated, err := isMigrated(ctx, of, pool)
	if migrated || err != nil {
		return err
	}
	names, first, err := migratedTables(of)
	if err != nil {
		return err
	}
	found, err := existingTables(ctx, of, pool, names)
	if err != nil {
		return err
	}
	if of == dialect.SQLite && !slices.ContainsFunc(names[:first], func(name string) bool { return !slices.Contains(found, name) }) {
		return nil // The file is this server's, made before SQLite had migrations: it has all tables of the first one.
	}
	// If it is this server's, and the first migration failed, it is empty.
	if versions, err := appliedVersions(ctx, pool); err != nil {
		return err
	} else if len(versions) > 0 {
		found = append(found, versionTable)
	}
	if len(found) == 0 {
		return nil
	}
	advice := "give this server a database of its own, or a schema of its own in this one: add schema=taskql to DATABASE_URL"
	if of == dialect.SQLite {
		advice = "give this server a file of its own"
	}
	return fmt.Errorf("%w with the names that this server's would have (%s), and is left as it is: %s", ErrForeignTables, strings.Join(found, ", "), advice)
}

// isMigrated reports whether any of this server's migrations was applied.
func isMigrated(ctx context.Context, of string, pool *sql.DB) (bool, error) {
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

// existingTables returns those of the names that tables in the current schema have.
func existingTables(ctx context.Context, of string, pool *sql.DB, names []string) ([]string, error) {
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
