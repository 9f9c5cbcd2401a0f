package task_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	entrecurrence "taskql/ent/recurrence"
	enttask "taskql/ent/task"
	"taskql/internal/feed"
	"taskql/internal/history"
	"taskql/internal/keyset"
	"taskql/internal/recurrence"
	"taskql/internal/task"
	"taskql/internal/workspace"
)

// othersTasks is how many tasks fillOthers makes.
const othersTasks = 2_000

// fillOthers gives PostgreSQL the tasks and series of other users, so that it reads one user's by indexes.
func (y *simulatedYear) fillOthers() {
	if y.db.Dialect != dialect.Postgres {
		return
	}
	for _, statement := range []string{
		`INSERT INTO workspaces (id, created_at) SELECT 'other' || g, now() FROM generate_series(1, 20) g`,
		`INSERT INTO tasks (id, workspace_id, version, title, title_key, search_text, completed, priority, position, created_at, updated_at)
		   SELECT gen_random_uuid(), 'other' || g % 20 + 1, g, 'task', 'task', 'task', false, 0, convert_to('e' || lpad(to_hex(g), 5, '0'), 'UTF8'), now(), now()
		     FROM generate_series(1, 2000) g`,
		`INSERT INTO recurrences (id, workspace_id, version, created_at, updated_at, rule, mode, catch_up, start_date)
		   SELECT gen_random_uuid(), 'other' || g % 20 + 1, g, now(), now(), 'FREQ=DAILY', 'SCHEDULE', 'EACH', now() FROM generate_series(1, 200) g`,
		`INSERT INTO occurrences (id, workspace_id, recurrence_id, number, due_date, outcome)
		   SELECT gen_random_uuid(), workspace_id, id, g, now(), 'OPEN' FROM recurrences, generate_series(1, 10) g`,
	} {
		y.exec(statement)
	}
}

// checkTables checks that the tables have no rows but those that the user's changes explain, and reports their sizes.
func (y *simulatedYear) checkTables() {
	now, kept, keys := y.clock.Now(), y.recent(y.keep), y.recent(workspace.KeyLifetime)
	first := func(age time.Duration) uuid.UUID { return workspace.FirstID(now.Add(-age)) }
	tasks, series := y.done["create"]+y.done["create for series"]+y.done["create next"], y.done["begin series"]
	missed := y.count("SELECT count(*) FROM occurrences WHERE workspace_id = $1 AND outcome = 'MISSED'", y.viewer.WorkspaceID)
	if missed == 0 || missed > series*len(y.perDay) { // No rule has more than one a day.
		y.Errorf("%d occurrences were missed", missed)
	}
	bounds := []struct {
		table string
		// most is how many rows there may be, and old finds those that should have been removed. bytes is how long a row may be, with
		// its part of the indexes and of what VACUUM leaves free.
		most  int
		old   string
		since uuid.UUID
		bytes int
	}{
		{"tasks", tasks, "", uuid.Nil, 2_500},
		{"task_tags", 2 * tasks, "", uuid.Nil, 600},
		{"recurrences", series, "", uuid.Nil, 3_000},
		{"occurrences", series + y.done["next"] + y.done["skip"] + missed, "", uuid.Nil, 700},
		{"reminders", y.done["remind"] + y.done["next"], "", uuid.Nil, 1_200},
		{"activities", kept.activities, "id < $2", first(y.keep), 1_200},
		{"tombstones", kept.gone, "id < $2", first(y.keep), 1_000},
		{"idempotency_keys", keys.keys, "id < $2", first(workspace.KeyLifetime + time.Hour), 20_000},
	}
	const emptyTable = 256 << 10 // The first pages of a table and its indexes.
	var report strings.Builder
	for _, b := range bounds {
		rows := y.count("SELECT count(*) FROM "+b.table+" WHERE workspace_id = $1", y.viewer.WorkspaceID)
		fmt.Fprintf(&report, "\n%-17s %6d rows, at most %6d", b.table, rows, b.most)
		if rows > b.most || rows == 0 {
			y.Errorf("%s has %d rows, and the changes explain %d", b.table, rows, b.most)
		}
		if b.old != "" {
			if old := y.count("SELECT count(*) FROM "+b.table+" WHERE workspace_id = $1 AND "+b.old, y.viewer.WorkspaceID, b.since); old > 0 {
				y.Errorf("%s has %d rows that should have been removed", b.table, old)
			}
		}
		if y.db.Dialect != dialect.Postgres {
			continue
		}
		all := y.count("SELECT count(*) FROM " + b.table)
		size := y.count("SELECT pg_total_relation_size($1::regclass)", b.table)
		fmt.Fprintf(&report, ", %6d KiB of %d rows: %d bytes each", size/1024, all, size/all)
		if size > (b.most+othersTasks)*b.bytes+emptyTable {
			y.Errorf("%s has %d bytes for each row, and at most %d are expected", b.table, size/all, b.bytes)
		}
	}
	y.Logf("%d changes, version %d%s", len(y.perDay), y.version, &report)
}

func (y *simulatedYear) count(query string, args ...any) int {
	y.Helper()
	var n int
	if err := y.db.SQL.QueryRowContext(y.ctx, query, args...).Scan(&n); err != nil {
		y.Fatalf("%s: %v", query, err)
	}
	return n
}

// pageWork is what reading a page takes. Without PostgreSQL, nothing but the time is known.
type pageWork struct {
	name          string
	buffers, rows int
	// perRow is how many buffers more than on the first day a row may take.
	perRow int
	time   time.Duration
	plans  string
}

// measure reads the pages that clients read most.
func (y *simulatedYear) measure() []pageWork {
	if y.db.Dialect == dialect.Postgres {
		// Other users' activities of the time for which they are kept.
		y.exec(`INSERT INTO activities (id, workspace_id, version, task_id, via, action, at)
			SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || substr(md5(id::text), 1, 20))::uuid, workspace_id, $1, id, 'SESSION', 'CREATED', at
			  FROM (SELECT id, workspace_id, $2::timestamptz - random() * $3::interval AS at FROM tasks WHERE workspace_id LIKE 'other%') t`,
			len(y.perDay), y.clock.Now(), fmt.Sprint(int(y.keep.Hours()), " hours"))
		y.exec("VACUUM ANALYZE")
	}
	var all []pageWork
	for _, p := range y.pages() {
		w := pageWork{name: p.name, perRow: p.perRow, time: time.Hour}
		for range 5 {
			y.driver.statements = nil
			begun := time.Now()
			w.rows = p.read()
			w.time = min(w.time, time.Since(begun))
		}
		if y.db.Dialect == dialect.Postgres {
			e := &explainer{db: y.db}
			var plans []string
			for _, s := range y.driver.statements {
				buffers, nodes := e.explain(y.T, s)
				w.buffers += buffers
				plans = append(plans, nodes)
			}
			w.plans = strings.Join(plans, " + ")
		}
		all = append(all, w)
	}
	return all
}

// comparePages checks that pages take no more work than on the first day, except for rows that lie in more places, and deeper
// indexes.
func (y *simulatedYear) comparePages(first, last []pageWork) {
	var report strings.Builder
	for i, w := range last {
		was := first[i]
		fmt.Fprintf(&report, "\n%-28s %3d → %3d rows, %4d → %4d buffers (×%.1f), ×%.1f the time; %s", w.name, was.rows, w.rows, was.buffers, w.buffers,
			float64(w.buffers)/float64(max(1, was.buffers)), float64(w.time)/float64(was.time), w.plans)
		if w.rows == 0 || was.rows == 0 {
			y.Errorf("%s has %d rows, then %d", w.name, was.rows, w.rows)
		}
		if most := was.buffers + was.buffers/2 + w.perRow*w.rows; w.buffers > most && y.db.Dialect == dialect.Postgres {
			y.Errorf("%s reads %d buffers for %d rows, and read %d for %d on the first day", w.name, w.buffers, w.rows, was.buffers, was.rows)
		}
	}
	y.Log(report.String())
}

type yearPage struct {
	name   string
	perRow int
	read   func() int
}

// Each row may be in other pages of its table and its index than the row before.
const elsewhere = 3

// pages are the ones that are measured.
func (y *simulatedYear) pages() []yearPage {
	is := func(field, op string, value any) *task.Filter {
		return &task.Filter{Comparisons: []task.Comparison{{Field: field, Op: op, Value: value}}}
	}
	pages := []yearPage{
		y.listPage("newest tasks", elsewhere, task.ListInput{}),
		y.listPage("manual order", elsewhere, task.ListInput{OrderBy: []task.Order{{Field: "MANUAL", Direction: keyset.Ascending}}}),
		y.listPage("open by due", elsewhere, task.ListInput{Filter: is("completed", "", false), OrderBy: []task.Order{{Field: "DUE", Direction: keyset.Ascending}}}),
		y.listPage("due in 7 days", elsewhere, task.ListInput{Filter: is("due", "within", task.WindowNext7Days)}),
		// An eighth of the tasks have the tag, and whether a task has it is a search of an index.
		y.listPage("a tag", 8*elsewhere+elsewhere*8/2, task.ListInput{Filter: is("tags", "any", y.tags[3:4])}),
	}
	changes := y.changesPage() // It edits tasks.
	edited := y.client.Task.Query().Where(enttask.WorkspaceID(y.viewer.WorkspaceID)).Order(enttask.ByVersion(sql.OrderDesc())).FirstIDX(y.ctx)
	series := y.client.Recurrence.Query().Where(entrecurrence.WorkspaceID(y.viewer.WorkspaceID)).
		Order(entrecurrence.ByLastNumber(sql.OrderDesc()), entrecurrence.ByID()).FirstIDX(y.ctx)
	since := y.clock.Now().Add(-time.Hour)
	return append(pages,
		yearPage{"Task.activity", elsewhere, func() int {
			found, err := y.history.OfTasks(y.ctx, y.viewer, []uuid.UUID{edited}, history.ListInput{First: ptr(50), OldDescriptions: true, NewDescriptions: true})
			y.must(err)
			return len(found[edited].Edges)
		}},
		yearPage{"Query.activity", elsewhere, func() int {
			page, err := y.history.List(y.ctx, y.viewer, history.Filter{}, history.ListInput{First: ptr(50), OldDescriptions: true, NewDescriptions: true})
			y.must(err)
			return len(page.Edges)
		}},
		yearPage{"Query.activity since an hour", elsewhere, func() int {
			page, err := y.history.List(y.ctx, y.viewer, history.Filter{Since: &since}, history.ListInput{First: ptr(50)})
			y.must(err)
			return len(page.Edges)
		}},
		yearPage{"occurrences", elsewhere, func() int {
			found, err := y.recurrences.Logs(y.ctx, y.viewer, []uuid.UUID{series}, recurrence.LogInput{First: ptr(50)})
			y.must(err)
			return len(found[series].Edges)
		}},
		changes,
	)
}

func (y *simulatedYear) must(err error) {
	y.Helper()
	if err != nil {
		y.Fatal(err)
	}
}

func (y *simulatedYear) listPage(name string, perRow int, in task.ListInput) yearPage {
	in.First = ptr(50)
	return yearPage{name, perRow, func() int {
		page, err := y.List(y.ctx, y.viewer, in)
		y.must(err)
		return len(page.Edges)
	}}
}

// changesPage is the page of the feed after the last 50 versions.
func (y *simulatedYear) changesPage() yearPage {
	selection := &feed.Selection{Gone: true, Kinds: map[workspace.Kind]feed.Columns{}}
	for _, kind := range y.workspaces.FeedKinds() {
		selection.Kinds[kind.Kind] = feed.Columns{}
	}
	read := func(after *string) *feed.Page {
		page, err := y.feed.Page(y.ctx, y.viewer, feed.Request{After: after, First: ptr(500), Selection: selection}, func(context.Context, *feed.Page) error { return nil })
		y.must(err)
		return page
	}
	var after *string
	for page := read(nil); ; page = read(after) {
		if after = &page.Token; page.Complete {
			break
		}
	}
	for _, e := range slices.Concat(y.open(20), y.open(20)) {
		y.edit(e)
	}
	return yearPage{"changes", elsewhere, func() int { return len(feed.Rows[ent.Task](read(after), workspace.KindTask)) }}
}
