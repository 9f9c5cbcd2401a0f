package graph_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"taskql/internal/testkit"
	"taskql/internal/viewer"
)

// TestPartialIndexes: no statement of the golden requests passes as an argument what the condition of a partial index says, and each
// partial index is of use to one of them. PostgreSQL plans a prepared statement for its arguments five times; then it may keep one plan
// for all arguments, which can only use an index whose condition follows from the statement's text.
func TestPartialIndexes(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	statements := map[string]testkit.Statement{}
	t.Run("record", func(t *testing.T) {
		for _, file := range files {
			t.Run(filepath.Base(file), func(t *testing.T) {
				t.Parallel()
				recorder := &testkit.StatementRecorder{Driver: testkit.OpenDatabase(t, testkit.MigratedPostgresURL(t)).Driver()}
				a := newAPI(t, testkit.Database(recorder), "alice", "bob")
				golden(t, a, file, func(string) {})
				if err := a.services.Recurrences.RemoveUnused(viewer.AsSystem(t.Context())); err != nil {
					t.Fatal(err)
				}
				mu.Lock()
				defer mu.Unlock()
				for _, s := range recorder.TakeStatements() {
					if !strings.Contains(s.Text, "INSERT") { // It may need other indexes to find conflicts.
						statements[s.Text] = s
					}
				}
			})
		}
	})
	db := testkit.OpenDatabase(t, testkit.MigratedPostgresURL(t)).SQL
	indexes := partialIndexes(t, db)
	if len(indexes) == 0 || len(statements) < 100 {
		t.Fatalf("%d partial indexes, %d statements", len(indexes), len(statements))
	}
	for index, table := range indexes {
		if !checkPartialIndex(t, db, table, index, statements) {
			t.Errorf("no statement can use the index %s, if it is planned without arguments", index)
		}
	}
}

// partialIndexes returns the tables of the indexes that have a condition.
func partialIndexes(t *testing.T, db *sql.DB) map[string]string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT c.relname, i.indrelid::regclass FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
		WHERE i.indpred IS NOT NULL AND c.relnamespace = current_schema()::regnamespace`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := map[string]string{}
	for rows.Next() {
		var index, table string
		if err := rows.Scan(&index, &table); err != nil {
			t.Fatal(err)
		}
		found[index] = table
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// checkPartialIndex reports whether a plan without arguments uses the index, and fails the test for each statement that could use it if it
// were planned for its arguments, but can't without them. PostgreSQL sees no other index of the table.
func checkPartialIndex(t *testing.T, db *sql.DB, table, index string, statements map[string]testkit.Statement) bool {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() //nolint:errcheck // It has changed nothing that stays.
	_, err = tx.ExecContext(t.Context(), `UPDATE pg_index SET indisvalid = false WHERE indrelid = '`+table+`'::regclass AND indexrelid <> '`+index+`'::regclass`)
	if err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{"SET LOCAL enable_seqscan = off", "SET LOCAL plan_cache_mode = force_generic_plan"} {
		if _, err := tx.ExecContext(t.Context(), setting); err != nil {
			t.Fatal(err)
		}
	}
	used, inTable := false, regexp.MustCompile(`\b`+table+`\b`)
	for _, s := range statements {
		if !inTable.MatchString(s.Text) {
			continue
		}
		generic := plan(t, tx, true, s)
		if strings.Contains(generic, index) {
			used = true
		} else if custom := plan(t, tx, false, s); strings.Contains(custom, index) {
			t.Errorf("the index %s is of no use once this is prepared, because its condition is passed as an argument: %s\n%s\n%s", index, s.Text, custom, generic)
		}
	}
	return used
}

var parameter = regexp.MustCompile(`\$(\d+)`)

// plan explains a statement, prepared or for its arguments.
func plan(t *testing.T, tx *sql.Tx, prepared bool, s testkit.Statement) string {
	t.Helper()
	ctx, explain, args := t.Context(), "EXPLAIN (COSTS off) "+s.Text, s.Args
	if prepared {
		count := 0
		for _, found := range parameter.FindAllStringSubmatch(s.Text, -1) {
			n, _ := strconv.Atoi(found[1])
			count = max(count, n)
		}
		exec(ctx, t, tx, "PREPARE s AS "+s.Text)
		defer exec(ctx, t, tx, "DEALLOCATE s")
		explain, args = "EXPLAIN (COSTS off) EXECUTE s", nil
		if count > 0 {
			explain += "(" + strings.Join(slices.Repeat([]string{"NULL"}, count), ", ") + ")"
		}
	}
	rows, err := tx.QueryContext(ctx, explain, args...)
	if err != nil {
		t.Fatalf("%s: %v", explain, err)
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func exec(ctx context.Context, t *testing.T, tx *sql.Tx, statement string) {
	t.Helper()
	if _, err := tx.ExecContext(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
