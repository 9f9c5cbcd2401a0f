package task_test

import (
	"context"
	"crypto/md5"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/database"
	"taskql/internal/keyset"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
)

// planned is a driver that remembers the last statement with its arguments.
type planned struct {
	dialect.Driver

	statement string
	args      any
}

// Query implements dialect.Driver.
func (p *planned) Query(ctx context.Context, statement string, args, v any) error {
	p.statement, p.args = statement, args
	return p.Driver.Query(ctx, statement, args, v)
}

// QueryContext is what ent's clients use for statements of ours.
func (p *planned) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	p.statement, p.args = statement, args
	return p.Driver.(interface { //nolint:errcheck // The database's driver can.
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}).QueryContext(ctx, statement, args...)
}

// QueryRaw is used for lists.
func (p *planned) QueryRaw(ctx context.Context, query string, args []any, each func(row []driver.Value) error) error {
	p.statement, p.args = query, args
	return testkit.QueryRawOf(p.Driver)(ctx, query, args, each)
}

// explainer reads lists of a large database and asks how.
type explainer struct {
	*task.Service

	db     *database.DB
	driver *planned
}

// fillLarge makes 1,000 workspaces of 500 tasks and "big" of 100,000, with 5,000 more in its trash.
var fillLarge = []string{ //nolint:gochecknoglobals // A script.
	`CREATE TEMP TABLE size AS SELECT 'w' || g AS w, 500 AS n FROM generate_series(1, 1000) g UNION ALL SELECT 'big', 105000`,
	`INSERT INTO workspaces (id, created_at) SELECT w, now() FROM size`,
	`INSERT INTO tags (id, workspace_id, version, name, name_key, color, created_at, updated_at)
	   SELECT md5(w || ' tag ' || g)::uuid, w, 0, 'Tag ' || g, convert_to('tag ' || g, 'UTF8'), '#16a34a', now(), now() FROM size, generate_series(0, 26) g`,
	`INSERT INTO tasks (id, workspace_id, version, title, title_key, description, search_text, completed, completed_at, priority,
	                    due_date, due_at, due_time_zone, due_sort, parent_id, position, created_at, updated_at, deleted_at)
	   SELECT md5(w || '-' || g)::uuid, w, g, title, convert_to(lower(title), 'UTF8'), description, lower(title || E'\n' || description),
	          done, CASE WHEN done THEN at + interval '1 day' END, r % 5,
	          CASE WHEN r % 3 > 0 THEN (at + interval '90 days')::date END,
	          CASE WHEN r % 3 = 2 THEN at + interval '90 days' END, CASE WHEN r % 3 = 2 THEN 'UTC' END,
	          CASE WHEN r % 3 = 1 THEN '0001-01-01 00:00:00Z'::timestamptz WHEN r % 3 = 2 THEN at + interval '90 days' END,
	          CASE WHEN g % 5 = 0 AND g > 100 THEN md5(w || '-' || (g / 100))::uuid END,
	          convert_to('e' || lpad(to_hex(g), 5, '0'), 'UTF8'), at, at + interval '1 hour', CASE WHEN g > 100000 THEN at END
	     FROM (SELECT w, g, r, r % 5 < 3 AS done, timestamptz '2026-11-23 07:00:00Z' - r * interval '137 seconds' AS at,
	                  (ARRAY['Buy','Write','Answer','Call','Fix','Plan'])[1 + r % 6] || ' ' || substr(md5(g::text), 1, 6) AS title,
	                  'needs ' || md5((g * 7)::text) AS description
	             FROM (SELECT w, g, (('x' || substr(md5(w || g), 1, 6))::bit(24)::int % 99991) AS r FROM size, generate_series(1, n) g) s) s`,
	`INSERT INTO task_tags (workspace_id, task_id, tag_id)
	   SELECT w, md5(w || '-' || g)::uuid, md5(w || ' tag ' || t)::uuid FROM size, generate_series(1, n) g, LATERAL (VALUES (g % 20), (20 + g % 7)) v(t)`,
	`VACUUM ANALYZE workspaces, tags, tasks, task_tags`,
}

// TestExplain prints which index serves each order and filter on a large PostgreSQL, and how long the first page and the
// thousandth take. It runs where TASK_EXPLAIN is set, for some minutes.
func TestExplain(t *testing.T) {
	if os.Getenv("TASK_EXPLAIN") == "" {
		t.Skip("TASK_EXPLAIN is not set")
	}
	address := testkit.MigratedPostgresURL(t)
	fill(t, address)
	db := testkit.OpenDatabase(t, address)
	driver := &planned{Driver: db.Driver()}
	s, err := task.New(task.Config{Client: ent.NewClient(ent.Driver(driver)), Dialect: db.Dialect, QueryRaw: driver.QueryRaw, Now: newClock().Now})
	if err != nil {
		t.Fatal(err)
	}
	e := &explainer{Service: s, db: db, driver: driver}
	var out strings.Builder
	e.orders(t, &out)
	e.filters(t, &out)
	t.Logf("\n%s", out.String())
}

// fill makes the large database, past the pool, which takes a statement of so many seconds for a server that is gone.
func fill(t *testing.T, address string) {
	t.Helper()
	pool, err := sql.Open("postgres", testkit.DirectURL(t, address))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	pool.SetMaxOpenConns(1) // The first statement makes a table that only its connection sees.
	for _, statement := range fillLarge {
		if _, err := pool.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func viewerOf(workspace string) viewer.Viewer {
	return viewer.Viewer{UserID: workspace, WorkspaceID: workspace, Location: time.UTC}
}

func (e *explainer) orders(t *testing.T, out *strings.Builder) {
	t.Helper()
	fmt.Fprintf(out, "%-8s %-32s %9s %9s  %s\n", "scope", "order", "page 1", "page 1000", "plan of pages 1, 1000; of a workspace of 500")
	for _, scope := range []task.Scope{task.ScopeActive, task.ScopeTrash, task.ScopeAll} {
		for _, field := range []task.OrderField{
			task.OrderCreatedAt, task.OrderUpdatedAt, task.OrderPriority, task.OrderTitle, task.OrderManual, task.OrderCompletedAt, task.OrderDue,
		} {
			for _, direction := range []keyset.Direction{keyset.Ascending, keyset.Descending} {
				nulls := []keyset.Nulls{keyset.NullsLast}
				if field == task.OrderCompletedAt || field == task.OrderDue {
					nulls = append(nulls, keyset.NullsFirst)
				}
				for _, n := range nulls {
					in := task.ListInput{First: ptr(100), Scope: scope, OrderBy: []task.Order{{Field: field, Direction: direction, Nulls: n}}}
					in.Columns = []string{"id", "title"}
					e.order(t, out, in, fmt.Sprintf("%s %s NULLS %s", field, direction, n))
				}
			}
		}
	}
}

// order reads a list to its thousandth page.
func (e *explainer) order(t *testing.T, out *strings.Builder, in task.ListInput, name string) {
	t.Helper()
	_, small := e.page(t, "w500", in)
	first, plan := e.page(t, "big", in)
	for page := 1; page < 1000; page++ {
		p, err := e.List(viewer.NewContext(t.Context(), viewerOf("big")), viewerOf("big"), in)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Edges) == 0 {
			break // The trash has 50 pages.
		}
		in.After = p.PageInfo.EndCursor
	}
	last, lastPlan := e.page(t, "big", in)
	fmt.Fprintf(out, "%-8s %-32s %6.2f ms %6.2f ms  %s; %s; %s\n", in.Scope, name, first, last, plan, lastPlan, small)
}

// page reads a page a few times, and returns the best time in milliseconds with the plan.
func (e *explainer) page(t *testing.T, workspace string, in task.ListInput) (float64, string) {
	t.Helper()
	v := viewerOf(workspace)
	var times []float64
	for range 5 {
		begin := time.Now()
		if _, err := e.List(viewer.NewContext(t.Context(), v), v, in); err != nil {
			t.Fatal(err)
		}
		times = append(times, float64(time.Since(begin).Microseconds())/1000)
	}
	return slices.Min(times), e.plan(t)
}

var (
	indexName = regexp.MustCompile(`(?:using|Bitmap Index Scan on) (\w+)`)
	otherNode = regexp.MustCompile(`(Seq Scan on \w+|Incremental Sort|Sort) `)
)

// plan says in a few words how the last statement was run.
func (e *explainer) plan(t *testing.T) string {
	t.Helper()
	args, _ := e.driver.args.([]any)
	rows, err := e.db.SQL.QueryContext(t.Context(), "EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) "+e.driver.statement, args...)
	if err != nil {
		t.Fatalf("%s: %v", e.driver.statement, err)
	}
	defer rows.Close()
	var words []string
	var plan strings.Builder
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(line + "\n")
		if m := otherNode.FindStringSubmatch(line + " "); m != nil && strings.Contains(line, "cost=") {
			words = append(words, m[1])
		}
		if m := indexName.FindStringSubmatch(line); m != nil {
			words = append(words, m[1])
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if os.Getenv("TASK_EXPLAIN") == "verbose" {
		t.Logf("%s\n%s", e.driver.statement, plan.String())
	}
	return strings.Join(words, " < ")
}

func (e *explainer) filters(t *testing.T, out *strings.Builder) {
	t.Helper()
	fmt.Fprintf(out, "\n%-34s %6s %9s %9s  %s\n", "filter (newest first)", "found", "page", "count", "plan of the page in 100,000; of the count; of the page in 500")
	compare := func(field, op string, value any) *task.Filter {
		return &task.Filter{Comparisons: []task.Comparison{{Field: field, Op: op, Value: value}}}
	}
	id := func(w, name string) string { return md5ID(w + name) }
	day := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for _, f := range []struct {
		name   string
		filter func(workspace string) *task.Filter
	}{
		{"id eq", func(w string) *task.Filter { return compare("id", "eq", id(w, "-77")) }},
		{"id in (3)", func(w string) *task.Filter {
			return compare("id", "in", []string{id(w, "-7"), id(w, "-8"), id(w, "-9")})
		}},
		{"id notIn (1)", func(w string) *task.Filter { return compare("id", "notIn", []string{id(w, "-7")}) }},
		{"search, rare", func(string) *task.Filter { return compare("search", "", "4d6a1") }},
		{"search, two words", func(string) *task.Filter { return compare("search", "", "plan c4ca") }},
		{"search, frequent", func(string) *task.Filter { return compare("search", "", "write") }},
		{"search, two letters", func(string) *task.Filter { return compare("search", "", "zz") }},
		{"completed false", func(string) *task.Filter { return compare("completed", "", false) }},
		{"completed true", func(string) *task.Filter { return compare("completed", "", true) }},
		{"priority eq URGENT", func(string) *task.Filter { return compare("priority", "eq", 4) }},
		{"priority gte HIGH", func(string) *task.Filter { return compare("priority", "gte", 3) }},
		{"due on", func(string) *task.Filter { return compare("due", "on", day) }},
		{"due before", func(string) *task.Filter { return compare("due", "before", day.AddDate(0, 0, -60)) }},
		{"due isNull", func(string) *task.Filter { return compare("due", "isNull", true) }},
		{"due TODAY", func(string) *task.Filter { return compare("due", "within", task.WindowToday) }},
		{"due NEXT_7_DAYS", func(string) *task.Filter { return compare("due", "within", task.WindowNext7Days) }},
		{"due OVERDUE", func(string) *task.Filter { return compare("due", "within", task.WindowOverdue) }},
		{"createdAt lt", func(string) *task.Filter { return compare("createdAt", "lt", day.AddDate(0, -5, 0)) }},
		{"updatedAt gte", func(string) *task.Filter { return compare("updatedAt", "gte", day.AddDate(0, 0, -9)) }},
		{"completedAt gte", func(string) *task.Filter { return compare("completedAt", "gte", day.AddDate(0, 0, -9)) }},
		{"tags any (1)", func(w string) *task.Filter { return compare("tags", "any", []string{id(w, " tag 3")}) }},
		{"tags all (2)", func(w string) *task.Filter {
			return compare("tags", "all", []string{id(w, " tag 3"), id(w, " tag 21")})
		}},
		{"tags none (1)", func(w string) *task.Filter { return compare("tags", "none", []string{id(w, " tag 3")}) }},
		{"parent eq", func(w string) *task.Filter { return compare("parent", "eq", id(w, "-3")) }},
		{"parent isNull", func(string) *task.Filter { return compare("parent", "isNull", true) }},
	} {
		in := task.ListInput{First: ptr(100), Filter: f.filter("w500")}
		in.Columns = []string{"id", "title"}
		_, small := e.page(t, "w500", in)
		in.Filter = f.filter("big")
		best, plan := e.page(t, "big", in)
		v := viewerOf("big")
		ctx := viewer.NewContext(t.Context(), v)
		in.CountsOnly = true
		page, err := e.List(ctx, v, in)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		n, err := page.TotalCount(ctx)
		if err != nil {
			t.Fatal(err)
		}
		count := float64(time.Since(begin).Microseconds()) / 1000
		fmt.Fprintf(out, "%-34s %6d %6.2f ms %6.2f ms  %s; %s; %s\n", f.name, n, best, count, plan, e.plan(t), small)
	}
}

// md5ID is the id that fillLarge makes of a name.
func md5ID(name string) string { return uuid.UUID(md5.Sum([]byte(name))).String() }
