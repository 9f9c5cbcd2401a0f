package task

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	"taskql/internal/database"
	"taskql/internal/testkit"
)

// The tables of columns have every column, with its type in the database.
func TestColumnsAreComplete(t *testing.T) {
	t.Parallel()
	db := testkit.OpenDatabase(t, testkit.MigratedPostgresURL(t))
	wantColumns(t, db, enttask.Table, enttask.Columns, taskColumns)
	wantColumns(t, db, enttag.Table, enttag.Columns, tagColumns)
}

// wantColumns compares a table of columns with ent's and with the database's.
func wantColumns[E any](t *testing.T, db *database.DB, name string, inEnt []string, columns table[E]) {
	t.Helper()
	got := map[string]string{}
	for _, c := range columns.columns {
		got[c.name] = c.pgType
		if !c.nullable {
			got[c.name] += " NOT NULL"
		}
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(inEnt)), slices.Sorted(maps.Keys(got))); diff != "" || len(got) != len(columns.columns) {
		t.Errorf("the columns of %s:\n%s", name, diff)
	}
	rows, err := db.SQL.QueryContext(t.Context(), `SELECT attname, format_type(atttypid, NULL), attnotnull FROM pg_attribute
		WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`, name)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	want := map[string]string{}
	for rows.Next() {
		var column, pgType string
		var notNull bool
		if err := rows.Scan(&column, &pgType, &notNull); err != nil {
			t.Fatal(err)
		}
		if want[column] = pgType; pgType == "timestamp with time zone" {
			want[column] = "timestamptz"
		}
		if notNull {
			want[column] += " NOT NULL"
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the types of %s:\n%s", name, diff)
	}
}
