package importer_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"

	"taskql/internal/importer"
	"taskql/internal/testkit"
)

// untypedTables are the tables of a source that can have any value.
const untypedTables = `
CREATE TABLE users (id text, email text, name text, image text, created_at timestamp);
CREATE TABLE tasks (id text, user_id text, title text, description text, priority numeric, due_date timestamptz, created_at timestamp,
  updated_at timestamp, completed boolean, completed_at date, deleted_at timestamptz);
CREATE TABLE tags (id text PRIMARY KEY, user_id text, name text, color text, created_at timestamp);
`

// invalidValues has a row for each kind of invalid value.
const invalidValues = untypedTables + `
INSERT INTO users VALUES ('ada', 'ada@example.com', 'Ada', NULL, '294276-12-31 23:59:59'), (E'control\u0001', '', '', NULL, NULL);
INSERT INTO users SELECT string_agg(md5(n::text), ''), 'long@example.com', 'Long', NULL, NULL FROM generate_series(1, 200) n;
INSERT INTO tags VALUES ('t1', 'ada', 'late', NULL, '294276-12-31 23:59:59'), ('t2', 'ada', 'early', NULL, '4713-01-01 BC'), ('t3', 'ada', repeat('x', 1000000), NULL, NULL);
INSERT INTO tasks (id, user_id, title) SELECT left(id, 8), id, 'a' FROM users WHERE id <> 'ada';
INSERT INTO tasks (id, user_id, title, created_at) VALUES ('last', 'ada', 'good', '9998-01-01'), ('first', 'ada', 'good', NULL);
INSERT INTO tasks (id, user_id, title, due_date) VALUES
  ('due-294276', 'ada', 'a', '294276-12-31 23:59:59+00'), ('due-10000', 'ada', 'a', '10000-01-01 00:00:00+00'), ('due-bc', 'ada', 'a', '0044-03-15 00:00:00+00 BC'),
  ('due-infinity', 'ada', 'a', 'infinity'), ('due-past', 'ada', 'a', '-infinity'), ('due-9999', 'ada', 'a', '9999-12-31 23:59:59+00'), ('due-2', 'ada', 'good', '0002-01-01 00:00:00+00');
INSERT INTO tasks (id, user_id, title, completed, completed_at) VALUES ('completed', 'ada', 'a', true, '5874897-12-31'), ('completed-bc', 'ada', 'a', true, '4713-01-01 BC');
INSERT INTO tasks (id, user_id, title, deleted_at) VALUES ('deleted', 'ada', 'a', 'infinity');
INSERT INTO tasks (id, user_id, title, created_at, updated_at) VALUES ('created', 'ada', 'a', '294276-12-31', '294276-12-31');
INSERT INTO tasks (id, user_id, title, priority) VALUES ('priority-huge', 'ada', 'a', 1e1000), ('priority-nan', 'ada', 'a', 'NaN'), ('priority-fraction', 'ada', 'a', 2.5);
INSERT INTO tasks (id, user_id, title, description) VALUES ('long-title', 'ada', repeat('x', 1000000), NULL), ('long-description', 'ada', 'a', repeat('x', 1000000)),
  ('control', 'ada', E'a\u0001b', E'a\u0001b'), ('blank', 'ada', E'\u200b', NULL), (repeat('i', 2000), 'ada', 'a', NULL), (NULL, 'ada', 'a', NULL), (NULL, 'ada', 'a', NULL);
`

// Invalid values don't end an import. The report names the row, the column and the value; all other rows are imported.
func TestInvalidValues(t *testing.T) {
	t.Parallel()
	from := createSource(t, invalidValues)
	eachTarget(t, func(t *testing.T, to target) {
		to.checkImport(t, from, []string{
			"2 users: 20 tasks, 2 tags and 0 categories taken",
			"1 user: the user's id has more than 1000 bytes\n    \"c4ca4238a0b923820dcc509a6f75849bc81e728d9d4c2f636f067f89cc14862ceccbc87e4b5ce2fe\"…",
			"1 user: the time it was made (created_at) is no time of the years 2 to 9998: it goes without\n    \"ada\": \"294276-12-31 23:59:59\"",
			"2 tags: the time it was made (created_at) is no time of the years 2 to 9998: it goes without\n    \"t1\": \"294276-12-31 23:59:59\"\n    \"t2\": \"4713-01-01 00:00:00 BC\"",
			"6 tasks: the time it is due (due_date) is no time of the years 2 to 9998: it goes without",
			"    \"due-294276\": \"294276-12-31 23:59:59+00\"", "    \"due-10000\": \"10000-01-01 00:00:00+00\"", "    \"due-bc\": \"0044-03-15 00:00:00+00 BC\"",
			"    \"due-infinity\": \"infinity\"", "    \"due-past\": \"-infinity\"", "    \"due-9999\": \"9999-12-31 23:59:59Z\"",
			"    \"completed\": \"5874897-12-31\"", "    \"completed-bc\": \"4713-01-01 BC\"", "    \"deleted\": \"infinity\"",
			"1 task: the time of its last change (updated_at) is no time of the years 2 to 9998: it goes without\n    \"created\": \"294276-12-31 00:00:00\"",
			"its priority \"10000000000000000000\" is unknown", "its priority \"NaN\" is unknown", "its priority \"2.5\" is unknown",
			"    \"long-title\"", "    \"long-description\"", "    \"control\"", "    \"blank\"", "1 task: another task of the source has the same id",
		}, 3)
	})
}

// A source with the encoding SQL_ASCII can have texts in any encoding. Those that are not UTF-8 are reported; all other rows are
// imported.
func TestUnknownEncoding(t *testing.T) {
	t.Parallel()
	from := createSQLASCII(t)
	exec(t, from, untypedTables+`
		INSERT INTO users VALUES ('ada', E'caf\xe9@example.com', E'Andr\xe9', E'\xe9', NULL), (E'Ren\xe9', 'rene@example.com', 'Rene', NULL, NULL);
		INSERT INTO tags VALUES ('t1', 'ada', E'caf\xe9', NULL, NULL), ('t2', 'ada', 'café', E'\xe9', NULL);
		INSERT INTO tasks (id, user_id, title, description) VALUES ('title', 'ada', E'caf\xe9', NULL), ('description', 'ada', 'a', E'caf\xe9'),
			(E'id \xe9', 'ada', 'good', NULL), ('good', 'ada', 'good café', 'Größe'), ('rene', E'Ren\xe9', 'a', NULL);
		ALTER TABLE tasks ADD category text;
		UPDATE tasks SET category = CASE id WHEN 'good' THEN E'caf\xe9' ELSE 'café' END;`)
	eachTarget(t, func(t *testing.T, to target) {
		const unknown = " is not UTF-8, and the source does not say in which encoding it is"
		to.checkImport(t, from, []string{
			"1 users: 2 tasks, 1 tags and 1 categories taken",
			"1 user: the user's id is not UTF-8\n    \"Ren\\xe9\"",
			"1 user: its name" + unknown + ": it is left empty until the user signs in\n    \"ada\"", "1 user: its email" + unknown, "1 user: its image" + unknown,
			"1 tag: its name" + unknown + "\n    \"t1\"", "1 tag: its color is not #rrggbb: it has one of the palette\n    \"t2\"",
			"1 task: its title" + unknown + "\n    \"title\"", "1 task: its description" + unknown + "\n    \"description\"",
			"1 task: its user was not taken\n    \"rene\"",
			"1 category: its category" + unknown + "\n    \"caf\\xe9\"", "1 task: its category does not exist", "1 category: its user was not taken\n    \"café\"",
		}, 2)
	})
}

// createSQLASCII creates an empty database with the encoding SQL_ASCII.
func createSQLASCII(t *testing.T) string {
	t.Helper()
	address := testkit.DirectURL(t, testkit.PostgresURL(t))
	name := "taskql_test_" + strings.ToLower(rand.Text())
	exec(t, address, "CREATE DATABASE "+pq.QuoteIdentifier(name)+" ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		db, err := sql.Open("postgres", address)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.ExecContext(ctx, "DROP DATABASE "+pq.QuoteIdentifier(name)+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// checkImport runs a dry run and an import. It checks that both reports are equal and contain these lines, and the number of
// tasks that were imported as they were.
func (to target) checkImport(t *testing.T, from string, reported []string, good int) {
	t.Helper()
	var reports [2]string
	for i, dry := range []bool{true, false} {
		report, err := to.run(t, importer.Config{From: from, DryRun: dry, Verbose: true})
		if !errors.Is(err, importer.ErrIncomplete) {
			t.Fatalf("dry run %v: %v\n%s", dry, err, report)
		}
		reports[i] = report
	}
	for _, want := range reported {
		if !strings.Contains(reports[1], want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if _, rest, _ := strings.Cut(reports[0], "\n"); rest != reports[1] {
		t.Errorf("the dry run reported\n%s", rest)
	}
	if n := strings.Count(to.snapshot(t), " \"good"); n != good || t.Failed() {
		t.Errorf("%d tasks were imported as they were, want %d; the report:\n%s", n, good, reports[1])
	}
}
