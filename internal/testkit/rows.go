package testkit

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"entgo.io/ent/dialect"

	"taskql/internal/database"
)

// AllRows returns the rows of all tables as text, sorted, by the table's name.
func AllRows(t testing.TB, db *database.DB) map[string][]string {
	t.Helper()
	tables := "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
	if db.Dialect == dialect.SQLite {
		tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
	}
	all := map[string][]string{}
	for _, name := range readAll(t, db.SQL, tables) {
		all[name] = readAll(t, db.SQL, `SELECT * FROM "`+name+`"`)
	}
	return all
}

// readAll returns the rows of a query as text, sorted.
func readAll(t testing.TB, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for rows.Next() {
		values, targets := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		var cells []string
		for _, value := range values {
			if bytes, ok := value.([]byte); ok {
				value = string(bytes)
			}
			cells = append(cells, fmt.Sprint(value))
		}
		found = append(found, strings.Join(cells, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return found
}
