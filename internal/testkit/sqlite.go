package testkit

import (
	"path/filepath"
	"regexp"
	"testing"

	"taskql/ent"
	"taskql/internal/viewer"
)

// SQLiteURL returns the address of a SQLite database that does not exist yet, in a folder that is removed when the test
// ends.
func SQLiteURL(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "taskql.db")
}

var placeholder = regexp.MustCompile(`\?|\$[0-9]+`)

// SQLitePlan returns the steps by which SQLite executes a statement, whose arguments don't matter.
func SQLitePlan(t testing.TB, client *ent.Client, statement string) []string {
	t.Helper()
	rows, err := client.QueryContext(viewer.AsSystem(t.Context()), "EXPLAIN QUERY PLAN "+placeholder.ReplaceAllString(statement, "1"))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}
