package database_test

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taskql/internal/database"
	"taskql/internal/testkit"
)

// catalog lists the objects of a PostgreSQL database, without PostgreSQL's own.
func catalog(t *testing.T, db *sql.DB) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `
		SELECT n.nspname || '.' || c.relname || ' ' || c.relkind::text || ' ' || c.oid::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
		UNION ALL SELECT 'schema ' || nspname FROM pg_namespace UNION ALL SELECT 'extension ' || extname FROM pg_extension ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// foreignDatabases are databases of other programs, with the tables that the error names.
var foreignDatabases = map[string]struct { //nolint:gochecknoglobals // A constant table.
	statements []string
	named      string
}{
	"tasks and users":         {[]string{"CREATE TABLE tasks (id integer)", "CREATE TABLE users (id integer)", "CREATE TABLE other (id integer)"}, "(tasks, users)"},
	"a view":                  {[]string{"CREATE VIEW tags AS SELECT 1 AS a"}, "(tags)"},
	"migrations of another's": {[]string{"CREATE TABLE goose_db_version (id integer, version_id bigint, is_applied boolean, tstamp timestamp DEFAULT CURRENT_TIMESTAMP)", "INSERT INTO goose_db_version VALUES (1, 0, true, '2026-01-02'), (2, 1, true, '2026-01-02')"}, "(goose_db_version)"},
}

func TestForeignTablesInPostgreSQL(t *testing.T) {
	t.Parallel()
	for name, tt := range foreignDatabases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := testkit.DirectURL(t, testkit.PostgresURL(t))
			db := open(t, database.Config{URL: address})
			for _, statement := range tt.statements {
				if _, err := db.SQL.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			before := catalog(t, db.SQL)
			_, err := db.Migrate(t.Context())
			wantForeign(t, err, tt.named, "schema=taskql")
			wantForeign(t, db.CheckForeignTables(t.Context()), tt.named, "schema=taskql")
			if diff := cmp.Diff(before, catalog(t, db.SQL)); diff != "" {
				t.Errorf("it was changed (-before +after):\n%s", diff)
			}

			// The advice of the error works, and changes nothing of the other program's.
			separate := open(t, database.Config{URL: address + "&schema=taskql"})
			for range 2 {
				if _, err := separate.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := separate.CheckForeignTables(t.Context()); err != nil {
					t.Error(err)
				}
			}
			after := slices.DeleteFunc(catalog(t, db.SQL), func(line string) bool {
				return strings.HasPrefix(line, "taskql.") || line == "schema taskql" || line == "extension pg_trgm"
			})
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("the other program's was changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestForeignTablesInSQLite(t *testing.T) {
	t.Parallel()
	for name, tt := range foreignDatabases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := testkit.SQLiteURL(t)
			path := strings.TrimPrefix(address, "sqlite:")
			other, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			for _, statement := range tt.statements {
				if _, err := other.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			if err := other.Close(); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			db, err := database.Open(t.Context(), database.Config{URL: address})
			if err != nil {
				t.Fatal(err)
			}
			_, err = db.Migrate(t.Context())
			wantForeign(t, err, tt.named, "a file of its own")
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			after, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed: %v", err)
			}
			for _, suffix := range []string{"-wal", "-shm", "-journal"} {
				if _, err := os.Stat(path + suffix); !os.IsNotExist(err) {
					t.Errorf("%s is left: %v", suffix, err)
				}
			}
		})
	}
}

func wantForeign(t *testing.T, err error, parts ...string) {
	t.Helper()
	if !errors.Is(err, database.ErrForeignTables) {
		t.Fatalf("got %v", err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
}
