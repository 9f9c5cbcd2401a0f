package review_test

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"taskql/internal/database/schemadiff/review"
)

const (
	head = "-- +goose Up\n"
	tail = "\n-- +goose Down\nDROP TABLE t;\n"
)

func rulesOf(t *testing.T, text string) string {
	t.Helper()
	found, err := review.File(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var rules []string
	for _, f := range found {
		rules = append(rules, f.Rule)
	}
	return strings.Join(rules, " ")
}

func TestRules(t *testing.T) {
	t.Parallel()
	for statement, want := range map[string]string{
		// What takes away.
		"DROP TABLE t": "drop", "DROP INDEX i": "drop", "DROP TYPE e": "drop", "TRUNCATE t": "drop",
		"ALTER TABLE t DROP COLUMN a":                              "drop",
		"ALTER TABLE t DROP CONSTRAINT c":                          "drop",
		"ALTER TABLE t ADD COLUMN a text, DROP COLUMN IF EXISTS b": "drop",
		"ALTER TABLE t RENAME TO u":                                "rename",
		"ALTER TABLE t RENAME COLUMN a TO b":                       "rename",
		"ALTER TABLE t SET SCHEMA s":                               "rename",
		"ALTER TYPE e RENAME VALUE 'a' TO 'b'":                     "rename",
		"ALTER INDEX i RENAME TO j":                                "",
		"ALTER TYPE e ADD VALUE 'c'":                               "",
		// What tightens.
		"ALTER TABLE t ALTER COLUMN a SET NOT NULL":                             "tighten",
		"ALTER TABLE t ALTER COLUMN a DROP NOT NULL":                            "",
		"ALTER TABLE t ALTER a DROP DEFAULT":                                    "tighten",
		"ALTER TABLE t ALTER a SET DEFAULT 1":                                   "",
		"ALTER TABLE t ADD CHECK (a > 0)":                                       "tighten lock",
		"ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID":                "tighten",
		"ALTER TABLE t VALIDATE CONSTRAINT c":                                   "",
		"ALTER TABLE t ADD UNIQUE (a)":                                          "tighten lock",
		"ALTER TABLE t ADD CONSTRAINT c UNIQUE USING INDEX i":                   "tighten",
		"ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u (id)":                   "tighten lock",
		"ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u (id) NOT VALID":         "tighten",
		"ALTER TABLE t ADD a int, ADD FOREIGN KEY (a) REFERENCES u":             "lock",
		"ALTER TABLE t ADD a int, ADD FOREIGN KEY (a) REFERENCES u NOT VALID":   "",
		"ALTER TABLE t ENABLE ROW LEVEL SECURITY":                               "tighten",
		"CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()": "tighten",
		"CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)":                           "tighten",
		// New columns.
		"ALTER TABLE t ADD COLUMN a text":                                      "",
		"ALTER TABLE t ADD COLUMN a text NOT NULL":                             "tighten",
		"ALTER TABLE t ADD COLUMN a text NOT NULL DEFAULT NULL":                "tighten",
		"ALTER TABLE t ADD COLUMN a text NOT NULL DEFAULT ''":                  "",
		"ALTER TABLE t ADD COLUMN a timestamptz NOT NULL DEFAULT now()":        "",
		"ALTER TABLE t ADD COLUMN a timestamptz DEFAULT CURRENT_TIMESTAMP":     "",
		"ALTER TABLE t ADD COLUMN a uuid NOT NULL DEFAULT gen_random_uuid()":   "rewrite",
		"ALTER TABLE t ADD COLUMN a float DEFAULT 1 + pg_catalog.random()":     "rewrite",
		"ALTER TABLE t ADD COLUMN a bigserial":                                 "rewrite",
		"ALTER TABLE t ADD COLUMN a int NOT NULL GENERATED ALWAYS AS IDENTITY": "rewrite",
		"ALTER TABLE t ADD COLUMN a int GENERATED ALWAYS AS (b + 1) STORED":    "rewrite",
		"ALTER TABLE t ADD COLUMN a int REFERENCES u (id)":                     "lock",
		"ALTER TABLE t ADD COLUMN a int UNIQUE":                                "lock",
		// Types.
		"ALTER TABLE t ALTER COLUMN a TYPE varchar(10)": "retype",
		"ALTER TABLE t ALTER COLUMN a TYPE bigint":      "retype",
		// What keeps others waiting.
		"CREATE INDEX i ON t (a)":              "lock",
		"CREATE INDEX CONCURRENTLY i ON t (a)": "",
		"CREATE UNIQUE INDEX i ON t (a)":       "tighten lock",
		"LOCK TABLE t":                         "lock", "REINDEX TABLE t": "lock", "REINDEX TABLE CONCURRENTLY t": "", "VACUUM FULL t": "lock", "VACUUM t": "",
		"CLUSTER t USING i":            "lock",
		"UPDATE t SET a = 1":           "rewrite",
		"DELETE FROM t WHERE a = 1":    "rewrite",
		"ALTER TABLE t SET UNLOGGED":   "rewrite",
		"INSERT INTO t (a) VALUES (1)": "",
		// What was made in the same file.
		"CREATE TABLE n (a int); CREATE UNIQUE INDEX i ON n (a); ALTER TABLE n ALTER a SET NOT NULL; UPDATE n SET a = 1": "",
		"CREATE TABLE n (a int); CREATE INDEX i ON t (a)":                                                                "lock",
		// Blocks, and what nobody can see through.
		"DO $$ BEGIN CREATE INDEX i ON t (a); IF true THEN UPDATE t SET a = 1; END IF; END $$": "lock rewrite",
		"DO $$ BEGIN CREATE EXTENSION IF NOT EXISTS pg_trgm; END $$":                           "",
		"DO $$ BEGIN EXECUTE 'DROP TABLE t'; END $$":                                           "opaque",
		"DO LANGUAGE plpython3u $$ import os $$":                                               "opaque",
		"ALTER SYSTEM SET work_mem = '1MB'":                                                    "opaque",
		"ALTER TABLE t INHERIT u":                                                              "opaque",
		// Quotes and comments are no statements.
		"INSERT INTO t VALUES ('; DROP TABLE t;') -- DROP TABLE t;\n": "",
	} {
		if got := rulesOf(t, head+statement+";"+tail); got != want {
			t.Errorf("%s: got %q, want %q", statement, got, want)
		}
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"a reason", "-- migration: allow lock: it is small\nCREATE INDEX i ON t (a);", ""},
		{"of another statement", "-- migration: allow lock: it is small\nCREATE INDEX i ON t (a);\nCREATE INDEX j ON t (b);", "lock"},
		{"of another rule", "-- migration: allow drop: unused\nCREATE INDEX i ON t (a);", "lock "},
		{"one of two", "-- migration: allow lock: it is small\nCREATE UNIQUE INDEX i ON t (a);", "tighten"},
		{"both", "-- migration: allow lock: it is small\n-- migration: allow tighten: always was so\nCREATE UNIQUE INDEX i ON t (a);", ""},
		{"no reason", "-- migration: allow lock:\nCREATE INDEX i ON t (a);", " lock"},
		{"no rule", "-- migration: allow locks: it is small\nCREATE INDEX i ON t (a);", " lock"},
		{"nothing to allow", "-- migration: allow lock: it is small\nCREATE TABLE u (a int);", ""},
		{"in file", "CREATE INDEX i ON t (a);\n-- migration: allow lock in file: all are small\nCREATE INDEX j ON t (b);", ""},
		{"after goose's marks", "-- +goose StatementBegin\n-- migration: allow lock: it is small\nDO $$ BEGIN LOCK TABLE t; END $$;\n-- +goose StatementEnd", ""},
	} {
		found, err := review.File(head + tt.text + tail)
		if err != nil {
			t.Fatal(err)
		}
		var rules []string
		for _, f := range found {
			rules = append(rules, f.Rule)
		}
		if got := strings.Join(rules, " "); got != tt.want {
			t.Errorf("%s: got %q, want %q: %v", tt.name, got, tt.want, found)
		}
		if tt.name == "nothing to allow" && len(found) != 1 {
			t.Errorf("a comment that nothing needs stays unnoticed: %v", found)
		}
	}
}

// TestFolder: every file is told by name and line, and what is no SQL is an error.
func TestFolder(t *testing.T) {
	t.Parallel()
	err := review.Folder(fstest.MapFS{
		"1_a.sql": {Data: []byte(head + "CREATE TABLE t (a int);\n\n-- why\nDROP TABLE u;" + tail)},
		"2_b.sql": {Data: []byte(head + "ALTER TABLE t RENAME a TO b;" + tail)},
	})
	if err == nil || !strings.Contains(err.Error(), "1_a.sql:5: drop: ") || !strings.Contains(err.Error(), "2_b.sql:2: rename: ") {
		t.Errorf("got %v", err)
	}
	if err := review.Folder(fstest.MapFS{"1_a.sql": {Data: []byte(head + "CRAETE TABLE t;")}}); err == nil || !strings.Contains(err.Error(), "CRAETE") {
		t.Errorf("got %v", err)
	}
	if err := review.Folder(fstest.MapFS{}); err == nil {
		t.Error("a folder without migrations passes")
	}
}

// TestMigrations: the migrations that there are break no rule without a reason.
func TestMigrations(t *testing.T) {
	t.Parallel()
	if err := review.Folder(os.DirFS("../../../../ent/migrate/migrations")); err != nil {
		t.Error(err)
	}
}
