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
	"strconv"
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
	"taskql/internal/workspace"
)

// recorder is a driver that records the statements of a page with their arguments.
type recorder struct {
	dialect.Driver

	statements []recordedStatement
}

type recordedStatement struct {
	sql  string
	args []any
}

func (r *recorder) record(statement string, args any) {
	list, _ := args.([]any)
	r.statements = append(r.statements, recordedStatement{statement, list})
}

// Query implements dialect.Driver.
func (r *recorder) Query(ctx context.Context, statement string, args, v any) error {
	r.record(statement, args)
	return r.Driver.Query(ctx, statement, args, v)
}

// QueryContext runs the hand-written statements of ent's clients.
func (r *recorder) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	r.record(statement, args)
	return r.Driver.(interface { //nolint:errcheck // The database's driver can.
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}).QueryContext(ctx, statement, args...)
}

// ExecContext runs the hand-written statements of ent's clients that return no rows.
func (r *recorder) ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	return r.Driver.(interface { //nolint:errcheck // As above.
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	}).ExecContext(ctx, statement, args...)
}

// QueryRaw runs the statements of lists.
func (r *recorder) QueryRaw(ctx context.Context, query string, args []any, each func(row []driver.Value) error) error {
	r.record(query, args)
	return testkit.QueryRawOf(r.Driver)(ctx, query, args, each)
}

// explainer reads pages of a large database and explains their statements.
type explainer struct {
	*task.Service

	db     *database.DB
	driver *recorder
}

// fillLarge makes 2,000 workspaces of 250 tasks, and "big" with 100,000 active tasks and 20,000 in its trash. A third of the tasks is in
// 100 projects, half of those in the project's section, a tenth of the projects is archived, and every fourth task is assigned to one of
// 50 people. The rows lie in random order, as they do after years of changes.
var fillLarge = []string{ //nolint:gochecknoglobals // A script.
	`CREATE TEMP TABLE size AS SELECT 'w' || g AS w, 250 AS n FROM generate_series(1, 2000) g UNION ALL SELECT 'big', 120000`,
	`INSERT INTO workspaces (id, created_at) SELECT w, now() FROM size`,
	`INSERT INTO tags (id, workspace_id, version, name, name_key, color, created_at, updated_at)
	   SELECT md5(w || ' tag ' || g)::uuid, w, 0, 'Tag ' || g, convert_to('tag ' || g, 'UTF8'), '#16a34a', now(), now() FROM size, generate_series(0, 26) g`,
	`INSERT INTO tasks (id, workspace_id, version, title, title_key, description, search_text, completed, completed_at, priority,
	                    due_date, due_at, due_time_zone, due_sort, parent_id, position, created_at, updated_at, deleted_at,
	                    project_id, section_id, hidden_at, assignee_id)
	   SELECT md5(w || '-' || g)::uuid, w, g, title, convert_to(lower(title), 'UTF8'), description, lower(title || E'\n' || description),
	          done, CASE WHEN done THEN at + interval '1 day' END, r % 5,
	          CASE WHEN r % 3 > 0 THEN (at + interval '90 days')::date END,
	          CASE WHEN r % 3 = 2 THEN at + interval '90 days' END, CASE WHEN r % 3 = 2 THEN 'UTC' END,
	          CASE WHEN r % 3 = 1 THEN '0001-01-01 00:00:00Z'::timestamptz WHEN r % 3 = 2 THEN at + interval '90 days' END,
	          CASE WHEN g % 5 = 0 AND g > 100 THEN md5(w || '-' || (g / 100))::uuid END,
	          convert_to('e' || lpad(to_hex(g), 5, '0'), 'UTF8'), at, at + interval '1 hour', CASE WHEN g > 100000 OR (w <> 'big' AND g % 20 = 0) THEN at END,
	          CASE WHEN g % 3 = 0 THEN md5(w || ' project ' || r % 100)::uuid END, CASE WHEN g % 6 = 0 THEN md5(w || ' section ' || r % 100)::uuid END,
	          CASE WHEN g % 3 = 0 AND r % 100 >= 90 THEN timestamptz '2026-11-01 07:00:00Z' END, CASE WHEN g % 4 = 0 THEN 'user ' || r % 50 END
	     FROM (SELECT w, g, r, r % 5 < 3 AS done, timestamptz '2026-11-23 07:00:00Z' - r * interval '137 seconds' AS at,
	                  (ARRAY['Buy','Write','Answer','Call','Fix','Plan'])[1 + r % 6] || ' ' || substr(md5(g::text), 1, 6) AS title,
	                  'needs ' || md5((g * 7)::text) AS description
	             FROM (SELECT w, g, (('x' || substr(md5(w || g), 1, 6))::bit(24)::int % 99991) AS r FROM size, generate_series(1, n) g) s) s
	    ORDER BY md5(w || g)`,
	`INSERT INTO projects (id, workspace_id, version, name, color, position, archived_at, created_at, updated_at)
	   SELECT md5(w || ' project ' || g)::uuid, w, 0, 'Project ' || g, '#16a34a', convert_to('e' || lpad(to_hex(g), 5, '0'), 'UTF8'),
	          CASE WHEN g >= 90 THEN timestamptz '2026-11-01 07:00:00Z' END, now(), now() FROM size, generate_series(0, 99) g`,
	`INSERT INTO sections (id, workspace_id, version, project_id, name, position, created_at, updated_at)
	   SELECT md5(w || ' section ' || g)::uuid, w, 0, md5(w || ' project ' || g)::uuid, 'Section', 'a0', now(), now() FROM size, generate_series(0, 99) g`,
	`INSERT INTO task_tags (workspace_id, task_id, tag_id)
	   SELECT w, md5(w || '-' || g)::uuid, md5(w || ' tag ' || t)::uuid FROM size, generate_series(1, n) g, LATERAL (VALUES (g % 20), (20 + g % 7)) v(t)`,
	`VACUUM ANALYZE workspaces, tags, tasks, task_tags, projects, sections`,
}

// TestExplain prints how a large PostgreSQL reads each order and filter: time, buffers and indexes. It runs for some minutes if
// TASK_EXPLAIN is set. If TASK_EXPLAIN is the URL of a database that fillLarge has filled before, it uses that one.
func TestExplain(t *testing.T) {
	address := os.Getenv("TASK_EXPLAIN")
	switch {
	case address == "":
		t.Skip("TASK_EXPLAIN is not set")
	case !strings.HasPrefix(address, "postgres"):
		address = testkit.MigratedPostgresURL(t)
		fill(t, address)
	}
	db := testkit.OpenDatabase(t, address)
	driver := &recorder{Driver: db.Driver()}
	s, err := task.New(task.Config{Workspaces: testkit.Workspaces(t, workspace.Database{
		Client: ent.NewClient(ent.Driver(driver)), Dialect: db.Dialect, QueryRaw: driver.QueryRaw, Now: newClock().Now,
	})})
	if err != nil {
		t.Fatal(err)
	}
	e := &explainer{Service: s, db: db, driver: driver}
	var out strings.Builder
	e.orders(t, &out)
	e.filters(t, &out)
	e.projects(t, &out)
	e.facets(t, &out)
	t.Logf("\n%s", out.String())
}

// fill makes the large database on a connection of its own: the pool ends statements that take so long.
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
	return viewer.Viewer{UserID: workspace, WorkspaceID: workspace, Role: viewer.RoleAdmin, Location: time.UTC}
}

func (e *explainer) orders(t *testing.T, out *strings.Builder) {
	t.Helper()
	for _, scope := range []task.Scope{task.ScopeActive, task.ScopeArchived, task.ScopeTrash, task.ScopeAll} {
		fmt.Fprintf(out, "\n%s\n%-32s %s\n", scope, "order", "first page; first page in 250; page from the middle, forward; backward")
		for _, field := range task.OrderFields() {
			for _, direction := range []keyset.Direction{keyset.Ascending, keyset.Descending} {
				nulls := []keyset.Nulls{keyset.NullsLast}
				if field == "COMPLETED_AT" || field == "DUE" {
					nulls = append(nulls, keyset.NullsFirst)
				}
				for _, n := range nulls {
					in := task.ListInput{Scope: scope, OrderBy: []task.Order{{Field: field, Direction: direction, Nulls: n}}}
					in.Columns = []string{"id", "title"}
					fmt.Fprintf(out, "%-32s %s\n", fmt.Sprintf("%s %s NULLS %s", field, direction, n), e.order(t, in))
				}
			}
		}
	}
}

// order explains the first page of a list, and pages before and after a task in its middle.
func (e *explainer) order(t *testing.T, in task.ListInput) string {
	t.Helper()
	in.First = ptr(50)
	first, small := e.page(t, "big", in), e.page(t, "w500", in)
	middle := e.middle(t, in)
	in.After = middle
	after := e.page(t, "big", in)
	in.First, in.After, in.Last, in.Before = nil, nil, ptr(50), middle
	return strings.Join([]string{first, small, after, e.page(t, "big", in)}, "; ")
}

// middle returns the cursor of a task that has a value in every order.
func (e *explainer) middle(t *testing.T, in task.ListInput) *string {
	t.Helper()
	scope := map[task.Scope]string{
		task.ScopeActive: " AND deleted_at IS NULL AND hidden_at IS NULL", task.ScopeTrash: " AND deleted_at IS NOT NULL",
		task.ScopeArchived: " AND deleted_at IS NULL AND hidden_at IS NOT NULL",
	}[in.Scope]
	var id string
	row := e.db.SQL.QueryRowContext(t.Context(), "SELECT id FROM tasks WHERE workspace_id = 'big' AND completed AND due_at IS NOT NULL AND parent_id IS NULL"+scope+" ORDER BY abs(priority - 2), created_at OFFSET 200 LIMIT 1")
	if err := row.Scan(&id); err != nil {
		t.Fatal(err)
	}
	in.Filter, in.First = &task.Filter{Comparisons: []task.Comparison{{Field: "id", Op: "eq", Value: id}}}, ptr(1)
	page, err := e.List(viewer.NewContext(t.Context(), viewerOf("big")), viewerOf("big"), in)
	if err != nil {
		t.Fatal(err)
	}
	return page.PageInfo.EndCursor
}

// page reads a page a few times, and returns the best time with what EXPLAIN says of its statements.
func (e *explainer) page(t *testing.T, workspace string, in task.ListInput) string {
	t.Helper()
	v := viewerOf(workspace)
	return e.timed(t, func() error {
		_, err := e.List(viewer.NewContext(t.Context(), v), v, in)
		return err
	})
}

var (
	indexName   = regexp.MustCompile(`(?:using|Bitmap Index Scan on) (\w+)`)
	otherNode   = regexp.MustCompile(`(Seq Scan on \w+|Incremental Sort|Sort) `)
	bufferCount = regexp.MustCompile(`(?:hit|read)=(\d+)`)
)

// plans says in a few words how the recorded statements are executed.
func (e *explainer) plans(t *testing.T) string {
	t.Helper()
	var plans []string
	for _, s := range e.driver.statements {
		plans = append(plans, e.plan(t, s))
	}
	return strings.Join(plans, " + ")
}

// plan returns what explain does, as text.
func (e *explainer) plan(t *testing.T, s recordedStatement) string {
	t.Helper()
	buffers, nodes := e.explain(t, s)
	return fmt.Sprintf("%d buffers, %s", buffers, nodes)
}

// explain returns how many buffers a statement reads, and its sorts and indexes from the top of the plan to the bottom.
func (e *explainer) explain(t *testing.T, s recordedStatement) (int, string) {
	t.Helper()
	rows, err := e.db.SQL.QueryContext(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF) "+s.sql, s.args...)
	if err != nil {
		t.Fatalf("%s: %v", s.sql, err)
	}
	defer rows.Close()
	var words, lines []string
	buffers := -1
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
		if buffers < 0 && strings.Contains(line, "Buffers: ") { // The first line counts those of all nodes.
			buffers = 0
			for _, m := range bufferCount.FindAllStringSubmatch(line, -1) {
				n, _ := strconv.Atoi(m[1])
				buffers += n
			}
		}
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
	if os.Getenv("TASK_EXPLAIN_VERBOSE") != "" {
		t.Logf("%s\n%s", s.sql, strings.Join(lines, "\n"))
	}
	return buffers, strings.Join(words, " < ")
}

func (e *explainer) filters(t *testing.T, out *strings.Builder) {
	t.Helper()
	fmt.Fprintf(out, "\n%-24s %6s %s\n", "filter (newest first)", "found", "count; first page; first page in 250; the same of the trash; of all")
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
		{"project in (1)", func(w string) *task.Filter { return compare("project", "in", []string{id(w, " project 3")}) }},
		{"project in (3)", func(w string) *task.Filter {
			return compare("project", "in", []string{id(w, " project 3"), id(w, " project 4"), id(w, " project 5")})
		}},
		{"project isNull", func(string) *task.Filter { return compare("project", "isNull", true) }},
		{"section in (1)", func(w string) *task.Filter { return compare("section", "in", []string{id(w, " section 3")}) }},
		{"section in (3)", func(w string) *task.Filter {
			return compare("section", "in", []string{id(w, " section 3"), id(w, " section 4"), id(w, " section 5")})
		}},
		{"section isNull", func(string) *task.Filter { return compare("section", "isNull", true) }},
		{"assignee in (1)", func(string) *task.Filter { return compare("assignee", "in", []string{workspace.PersonID("user 3")}) }},
		{"assignee me (nobody)", func(string) *task.Filter { return compare("assignee", "me", true) }},
		{"assignee isNull", func(string) *task.Filter { return compare("assignee", "isNull", true) }},
		{"parent isNull", func(string) *task.Filter { return compare("parent", "isNull", true) }},
	} {
		in := task.ListInput{First: ptr(50), Filter: f.filter("w500")}
		in.Columns = []string{"id", "title"}
		small := e.page(t, "w500", in)
		in.Filter = f.filter("big")
		pages := []string{e.page(t, "big", in), small}
		for _, scope := range []task.Scope{task.ScopeTrash, task.ScopeAll} {
			in.Scope = scope
			pages = append(pages, e.page(t, "big", in))
		}
		in.Scope, in.CountsOnly = "", true
		n, count := e.count(t, in)
		fmt.Fprintf(out, "%-24s %6d %s; %s\n", f.name, n, count, strings.Join(pages, "; "))
	}
}

// count counts a list, and explains how.
func (e *explainer) count(t *testing.T, in task.ListInput) (int, string) {
	t.Helper()
	v := viewerOf("big")
	ctx := viewer.NewContext(t.Context(), v)
	page, err := e.List(ctx, v, in)
	if err != nil {
		t.Fatal(err)
	}
	e.driver.statements = nil
	begin := time.Now()
	n, err := page.TotalCount(ctx)
	if err != nil {
		t.Fatal(err)
	}
	took := float64(time.Since(begin).Microseconds()) / 1000
	return n, fmt.Sprintf("%.2f ms %s", took, e.plans(t))
}

// md5ID is the id that fillLarge makes of a name.
func md5ID(name string) string { return uuid.UUID(md5.Sum([]byte(name))).String() }

// projects explains the first pages of the tasks of one project and of 20, with their counts.
func (e *explainer) projects(t *testing.T, out *strings.Builder) {
	t.Helper()
	v := viewerOf("big")
	ctx := viewer.NewContext(t.Context(), v)
	var all []uuid.UUID
	for i := range 20 {
		all = append(all, uuid.MustParse(md5ID(fmt.Sprint("big project ", i))))
	}
	fmt.Fprintf(out, "\n%-32s %s\n", "tasks of projects", "one project; 20")
	for _, field := range task.OrderFields() {
		var pages []string
		for _, projects := range [][]uuid.UUID{all[:1], all} {
			in := task.ProjectTasksInput{Total: true}
			in.First, in.OrderBy, in.Columns = ptr(50), []task.Order{{Field: field, Direction: keyset.Ascending, Nulls: keyset.NullsLast}}, []string{"id", "title"}
			pages = append(pages, e.timed(t, func() error {
				_, err := e.ProjectTasks(ctx, v, projects, in)
				return err
			}))
		}
		fmt.Fprintf(out, "%-32s %s\n", field, strings.Join(pages, "; "))
	}
	fmt.Fprintf(out, "%-32s %s\n", "open tasks of 20 projects", e.timed(t, func() error {
		_, err := e.OpenTasksOfProjects(ctx, v, all)
		return err
	}))
}

// facets explains the facets of the whole list.
func (e *explainer) facets(t *testing.T, out *strings.Builder) {
	t.Helper()
	v := viewerOf("big")
	ctx := viewer.NewContext(t.Context(), v)
	out.WriteString("\nfacets of the active tasks\n")
	for _, facet := range []task.Facet{"byTag", "byPriority", "byProject", "byAssignee"} {
		var in task.ListInput
		in.CountsOnly, in.Facets = true, []task.Facet{facet}
		fmt.Fprintf(out, "%-32s %s\n", facet, e.timed(t, func() error {
			_, err := e.List(ctx, v, in)
			return err
		}))
	}
}

// timed calls a function a few times, and returns the best time with what EXPLAIN says of its statements.
func (e *explainer) timed(t *testing.T, call func() error) string {
	t.Helper()
	var times []float64
	for range 5 {
		e.driver.statements = nil
		begin := time.Now()
		if err := call(); err != nil {
			t.Fatal(err)
		}
		times = append(times, float64(time.Since(begin).Microseconds())/1000)
	}
	return fmt.Sprintf("%.2f ms %s", slices.Min(times), e.plans(t))
}
