package task_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"taskql/ent"
	"taskql/internal/keyset"
	"taskql/internal/task"
	"taskql/internal/viewer"
)

// model is a task as the test knows it, with its tags.
type model struct {
	*ent.Task

	tags []string
}

// fixture is a workspace full of random tasks, and the viewer who reads them.
type fixture struct {
	env *testEnv
	//nolint:containedctx // It is the viewer's, and lives as long as the test.
	ctx    context.Context
	viewer viewer.Viewer
	tasks  []model
	tags   []string
	random *rand.Rand
}

// newFixture makes a workspace of n tasks. A third of all that may be absent is absent, and values repeat.
func (env *testEnv) newFixture(t *testing.T, name string, seed uint64, n int) *fixture {
	t.Helper()
	ctx, v := env.newUser(t, name)
	location, err := time.LoadLocation("Asia/Karachi")
	if err != nil {
		t.Fatal(err)
	}
	v.Location = location
	w := &fixture{env: env, ctx: viewer.NewContext(ctx, v), viewer: v, random: rand.New(rand.NewPCG(seed, 1))}
	for i := range 5 {
		tag := fmt.Sprintf("tag %d", i)
		made, err := env.client.Tag.Create().SetID(uuid.New()).SetWorkspaceID(name).SetVersion(0).
			SetName(tag).SetNameKey([]byte(tag)).SetColor("#16a34a").Save(ctx)
		if err != nil {
			t.Fatal(err)
		}
		w.tags = append(w.tags, made.ID.String())
	}
	w.add(t, n)
	return w
}

// maybe is true for two of three.
func (w *fixture) maybe() bool { return w.random.IntN(3) > 0 }

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// add adds n random tasks, some of them below one of those before.
func (w *fixture) add(t rapid.TB, n int) {
	t.Helper()
	c := w.env.client
	builders, tags := make([]*ent.TaskCreate, n), make([][]string, n)
	now := w.env.clock.Now().Truncate(time.Microsecond)
	moment := func() time.Time { return now.Add(time.Duration(w.random.IntN(9)-4) * 7 * time.Hour) }
	for i := range builders {
		title := pick(w.random, "Äpfel", "äpfel", "ZEBRA", "zebra crossing", "100%", "a_b", "ab", `back\slash`, "Straße", "100 percent")
		created := moment()
		q := c.Task.Create().SetID(uuid.New()).SetWorkspaceID(w.viewer.WorkspaceID).SetVersion(0).
			SetTitle(title).SetPriority(w.random.IntN(5)).SetPosition([]byte{byte(w.random.IntN(256)), 0xff}[:1+w.random.IntN(2)]).
			SetCreatedAt(created).SetUpdatedAt(created.Add(time.Duration(w.random.IntN(3)) * time.Microsecond))
		var description *string
		if w.maybe() {
			description = ptr(pick(w.random, "with ÄPFEL", "50% off", "nothing", "under_score"))
		}
		key, text := task.TextKeys(title, description)
		q.SetNillableDescription(description).SetTitleKey(key).SetSearchText(text)
		if w.maybe() {
			q.SetCompleted(true).SetCompletedAt(moment())
		}
		if w.maybe() {
			at := now.Add(time.Duration(w.random.IntN(24*20)-24*8) * time.Hour)
			if w.maybe() {
				zone := pick(w.random, time.UTC, time.FixedZone("", 14*3600), time.FixedZone("", -11*3600))
				y, m, d := at.In(zone).Date()
				q.SetDueDate(time.Date(y, m, d, 0, 0, 0, 0, time.UTC)).SetDueAt(at).SetDueTimeZone("UTC").SetDueSort(at)
			} else {
				q.SetDueDate(at.Truncate(24 * time.Hour)).SetDueSort(time.Time{})
			}
		}
		if len(w.tasks) > 0 && w.maybe() {
			q.SetParentID(w.tasks[w.random.IntN(min(len(w.tasks), 5))].ID)
		}
		if !w.maybe() {
			q.SetDeletedAt(now)
		}
		builders[i] = q
		for _, tag := range w.tags {
			if w.random.IntN(4) == 0 {
				tags[i] = append(tags[i], tag)
			}
		}
	}
	made, err := c.Task.CreateBulk(builders...).Save(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	var carried []*ent.TaskTagCreate
	for i, m := range made {
		for _, tag := range tags[i] {
			carried = append(carried, c.TaskTag.Create().SetTaskID(m.ID).SetTagID(uuid.MustParse(tag)).SetWorkspaceID(w.viewer.WorkspaceID))
		}
		w.tasks = append(w.tasks, model{Task: m, tags: tags[i]})
	}
	if err := c.TaskTag.CreateBulk(carried...).Exec(w.ctx); err != nil {
		t.Fatal(err)
	}
}

// list is a plain filter and sort of the tasks in memory.
func (w *fixture) list(in task.ListInput) []string {
	var found []model
	for _, t := range w.tasks {
		inScope := in.Scope == task.ScopeAll || (t.DeletedAt != nil) == (in.Scope == task.ScopeTrash)
		if inScope && (in.Filter == nil || w.holds(in.Filter, t)) {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b model) int { return compareModels(in.OrderBy, a, b) })
	ids := make([]string, len(found))
	for i, t := range found {
		ids[i] = t.ID.String()
	}
	return ids
}

func compareModels(by []task.Order, a, b model) int {
	if len(by) == 0 {
		by = []task.Order{{Field: task.OrderCreatedAt, Direction: keyset.Descending}}
	}
	sign := 1
	for _, o := range by {
		sign = 1
		if o.Direction == keyset.Descending {
			sign = -1
		}
		var c int
		nullable := func(x, y *time.Time, compare func() int) {
			switch {
			case x == nil && y == nil:
			case x == nil || y == nil:
				c = 1
				if (x == nil) == (o.Nulls == keyset.NullsFirst) {
					c = -1
				}
			default:
				c = sign * compare()
			}
		}
		switch o.Field {
		case task.OrderCreatedAt:
			c = sign * a.CreatedAt.Compare(b.CreatedAt)
		case task.OrderUpdatedAt:
			c = sign * a.UpdatedAt.Compare(b.UpdatedAt)
		case task.OrderCompletedAt:
			nullable(a.CompletedAt, b.CompletedAt, func() int { return a.CompletedAt.Compare(*b.CompletedAt) })
		case task.OrderDue:
			nullable(a.DueDate, b.DueDate, func() int {
				// The day; then those without a time, then by moment.
				moment := func(m model) time.Time {
					if m.DueAt == nil {
						return time.Time{}
					}
					return *m.DueAt
				}
				return cmp.Or(a.DueDate.Compare(*b.DueDate), moment(a).Compare(moment(b)))
			})
		case task.OrderPriority:
			c = sign * cmp.Compare(a.Priority, b.Priority)
		case task.OrderTitle:
			c = sign * bytes.Compare(a.TitleKey, b.TitleKey)
		case task.OrderManual:
			c = sign * bytes.Compare(a.Position, b.Position)
		}
		if c != 0 {
			return c
		}
	}
	return sign * cmp.Compare(a.ID.String(), b.ID.String())
}

// as is a comparison's value, which is of that type where the test is right.
func as[T any](v any) T {
	t, ok := v.(T)
	if !ok {
		panic(fmt.Sprintf("a comparison with a %T", v))
	}
	return t
}

// holds says whether the filter selects the task, by the words of the schema.
func (w *fixture) holds(f *task.Filter, t model) bool {
	for _, part := range f.All {
		if !w.holds(part, t) {
			return false
		}
	}
	if f.Any != nil && !slices.ContainsFunc(f.Any, func(part *task.Filter) bool { return w.holds(part, t) }) {
		return false
	}
	if f.Not != nil && w.holds(f.Not, t) {
		return false
	}
	for _, c := range f.Comparisons {
		if !w.compares(c, t) {
			return false
		}
	}
	return true
}

func (w *fixture) compares(c task.Comparison, t model) bool {
	switch c.Field {
	case "id":
		if id, ok := c.Value.(string); ok {
			return id == t.ID.String()
		}
		return slices.Contains(as[[]string](c.Value), t.ID.String()) == (c.Op == "in")
	case "search":
		plain := strings.NewReplacer("Ä", "a", "ä", "a", "ß", "ss")
		text := t.Title + "\n"
		if t.Description != nil {
			text += *t.Description
		}
		text = strings.ToLower(plain.Replace(text))
		return !slices.ContainsFunc(strings.Fields(strings.ToLower(plain.Replace(as[string](c.Value)))), func(word string) bool { return !strings.Contains(text, word) })
	case "completed":
		return t.Completed == as[bool](c.Value)
	case "priority":
		switch c.Op {
		case "eq":
			return t.Priority == as[int](c.Value)
		case "in":
			return slices.Contains(as[[]int](c.Value), t.Priority)
		case "gte":
			return t.Priority >= as[int](c.Value)
		default:
			return t.Priority <= as[int](c.Value)
		}
	case "due":
		return w.due(c, t)
	case "createdAt":
		return moment(c, &t.CreatedAt)
	case "updatedAt":
		return moment(c, &t.UpdatedAt)
	case "completedAt":
		return moment(c, t.CompletedAt)
	case "tags":
		carries := func(id string) bool { return slices.Contains(t.tags, id) }
		lacks := func(id string) bool { return !carries(id) }
		switch ids := as[[]string](c.Value); c.Op {
		case "any":
			return slices.ContainsFunc(ids, carries)
		case "all":
			return !slices.ContainsFunc(ids, lacks)
		default:
			return !slices.ContainsFunc(ids, carries)
		}
	default:
		if c.Op == "isNull" {
			return (t.ParentID == nil) == as[bool](c.Value)
		}
		return t.ParentID != nil && t.ParentID.String() == as[string](c.Value)
	}
}

func moment(c task.Comparison, at *time.Time) bool {
	if c.Op == "isNull" {
		return (at == nil) == as[bool](c.Value)
	}
	if at == nil {
		return false
	}
	return compared(c.Op, at.Compare(as[time.Time](c.Value)))
}

func compared(op string, c int) bool {
	switch op {
	case "gt", "after":
		return c > 0
	case "gte":
		return c >= 0
	case "lt", "before":
		return c < 0
	case "lte":
		return c <= 0
	default:
		return c == 0
	}
}

func (w *fixture) due(c task.Comparison, t model) bool {
	if c.Op == "isNull" {
		return (t.DueDate == nil) == as[bool](c.Value)
	}
	if t.DueDate == nil {
		return false
	}
	if c.Op != "within" {
		return compared(c.Op, t.DueDate.Compare(as[time.Time](c.Value)))
	}
	now := w.env.clock.Now().Truncate(time.Microsecond)
	day := t.DueDate.Format(time.DateOnly)
	if t.DueAt != nil {
		day = t.DueAt.In(w.viewer.Location).Format(time.DateOnly)
	}
	on := func(days int) string { return now.In(w.viewer.Location).AddDate(0, 0, days).Format(time.DateOnly) }
	switch as[task.DueWindow](c.Value) {
	case task.WindowOverdue:
		if t.DueAt != nil {
			return !t.Completed && t.DueAt.Before(now)
		}
		return !t.Completed && day < on(0)
	case task.WindowToday:
		return day == on(0)
	case task.WindowTomorrow:
		return day == on(1)
	default:
		return day >= on(0) && day <= on(6)
	}
}

// drawFilter draws a filter of up to so many levels.
func (w *fixture) drawFilter(t *rapid.T, depth int) *task.Filter {
	f := &task.Filter{}
	for range rapid.IntRange(0, 2).Draw(t, "comparisons") {
		f.Comparisons = append(f.Comparisons, w.drawComparison(t))
	}
	if depth == 1 {
		return f
	}
	parts := func(label string, most int) []*task.Filter {
		all := []*task.Filter{}
		for range rapid.IntRange(0, most).Draw(t, label) {
			all = append(all, w.drawFilter(t, depth-1))
		}
		return all
	}
	switch rapid.SampledFrom([]string{"", "and", "or", "or", "not"}).Draw(t, "join") {
	case "and":
		f.All = parts("and", 2)
	case "or":
		f.Any = parts("or", 3)
	case "not":
		f.Not = w.drawFilter(t, depth-1)
	}
	return f
}

func (w *fixture) drawComparison(t *rapid.T) task.Comparison {
	ids := func(of ...string) []string { return rapid.SliceOfN(rapid.SampledFrom(of), 0, 4).Draw(t, "ids") }
	anyTask := rapid.SampledFrom(w.tasks).Draw(t, "task")
	some := anyTask.ID.String()
	at := rapid.SampledFrom([]time.Time{anyTask.CreatedAt, anyTask.UpdatedAt, w.env.clock.Now().UTC().Truncate(time.Microsecond)}).Draw(t, "at")
	day := at.Truncate(24 * time.Hour)
	draw := rapid.SampledFrom([]func() task.Comparison{
		func() task.Comparison {
			return task.Comparison{Field: "id", Op: "eq", Value: pickOne(t, some, "no id")}
		},
		func() task.Comparison {
			return task.Comparison{Field: "id", Op: pickOne(t, "in", "notIn"), Value: ids(some, w.tasks[0].ID.String(), "no id")}
		},
		func() task.Comparison {
			return task.Comparison{Field: "search", Value: pickOne(t, "", "äpfel", "Zebra ÄPFEL", "%", "0%", "_", `\`, "100", "a_b", "off 100", "nothing here")}
		},
		func() task.Comparison { return task.Comparison{Field: "completed", Value: pickOne(t, true, false)} },
		func() task.Comparison {
			return task.Comparison{Field: "priority", Op: pickOne(t, "eq", "gte", "lte"), Value: rapid.IntRange(0, 4).Draw(t, "p")}
		},
		func() task.Comparison {
			return task.Comparison{Field: "priority", Op: "in", Value: rapid.SliceOfN(rapid.IntRange(0, 4), 0, 3).Draw(t, "ps")}
		},
		func() task.Comparison {
			return task.Comparison{Field: pickOne(t, "due", "completedAt", "parent"), Op: "isNull", Value: pickOne(t, true, false)}
		},
		func() task.Comparison {
			return task.Comparison{Field: "due", Op: pickOne(t, "on", "before", "after"), Value: day}
		},
		func() task.Comparison {
			return task.Comparison{Field: "due", Op: "within", Value: pickOne(t, task.WindowOverdue, task.WindowToday, task.WindowTomorrow, task.WindowNext7Days)}
		},
		func() task.Comparison {
			return task.Comparison{Field: pickOne(t, "createdAt", "updatedAt", "completedAt"), Op: pickOne(t, "gt", "gte", "lt", "lte"), Value: at}
		},
		func() task.Comparison {
			return task.Comparison{Field: "tags", Op: pickOne(t, "any", "all", "none"), Value: ids(append([]string{"no id"}, w.tags...)...)}
		},
		func() task.Comparison {
			return task.Comparison{Field: "parent", Op: "eq", Value: pickOne(t, some, w.tasks[0].ID.String(), "no id")}
		},
	}).Draw(t, "field")
	return draw()
}

func pickOne[T any](t *rapid.T, from ...T) T { return rapid.SampledFrom(from).Draw(t, "one") }

func drawOrder(t *rapid.T) []task.Order {
	fields := rapid.Permutation([]task.OrderField{
		task.OrderCreatedAt, task.OrderUpdatedAt, task.OrderCompletedAt, task.OrderDue, task.OrderPriority, task.OrderTitle, task.OrderManual,
	}).Draw(t, "fields")
	var by []task.Order
	for _, f := range fields[:pickOne(t, 0, 1, 1, 1, 2, 3, 7)] {
		by = append(by, task.Order{
			Field: f, Direction: pickOne(t, keyset.Ascending, keyset.Descending), Nulls: pickOne(t, keyset.NullsFirst, keyset.NullsLast),
		})
	}
	return by
}

// pages reads a list page by page and returns it whole. between is called after each page.
func (w *fixture) pages(t *rapid.T, in task.ListInput, size int, backward bool, between func()) []string {
	var got []string
	in.First = &size
	if backward {
		in.First, in.Last = nil, &size
	}
	for {
		page, err := w.env.List(w.ctx, w.viewer, in)
		if err != nil {
			t.Fatal(err)
		}
		next, err := page.PageInfo.HasNextPage(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		previous, err := page.PageInfo.HasPreviousPage(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		more, behind := next, previous
		if backward {
			got = append(idsOf(page), got...)
			more, behind = previous, next
			in.Before = page.PageInfo.StartCursor
		} else {
			got = append(got, idsOf(page)...)
			in.After = page.PageInfo.EndCursor
		}
		if between == nil && behind != (len(got) > len(page.Edges)) {
			t.Fatalf("after %d rows the page says that there are %t behind it", len(got), behind)
		}
		if !more {
			return got
		}
		if len(page.Edges) != size {
			t.Fatalf("a page of %d rows, not %d, and not the last", len(page.Edges), size)
		}
		if between != nil {
			between()
		}
	}
}

// propertyCases is how many random lists a test of both databases reads: TASK_PROPERTY_CASES on each, else 1,000.
func propertyCases(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv("TASK_PROPERTY_CASES"), "1000"))
	if err != nil {
		t.Fatalf("TASK_PROPERTY_CASES: %v", err)
	}
	return n
}

// The pages of any list, joined, are what a plain filter and sort in memory say: each row once, in order.
func TestPagesLoseNothing(t *testing.T) {
	t.Parallel()
	cases := propertyCases(t)
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		const worlds, batch = 4, 100 // A batch is what rapid checks by itself.
		of := make([]*fixture, worlds)
		for i := range of {
			of[i] = env.newFixture(t, fmt.Sprintf("user-%d", i), uint64(i)+1, 20+30*i)
		}
		rows, full := 0, 0
		for i := range max(1, cases/batch) {
			w := of[i%worlds]
			rapid.Check(t, func(rt *rapid.T) {
				in := task.ListInput{Scope: pickOne(rt, task.ScopeActive, task.ScopeTrash, task.ScopeAll), OrderBy: drawOrder(rt)}
				if rapid.Bool().Draw(rt, "filtered") {
					in.Filter = w.drawFilter(rt, rapid.IntRange(1, 4).Draw(rt, "depth"))
				}
				size := rapid.IntRange(1, 40).Draw(rt, "size")
				want := w.list(in)
				got := w.pages(rt, in, size, rapid.Bool().Draw(rt, "backward"), nil)
				if !slices.Equal(got, want) {
					rt.Fatalf("got %d rows, want %d, or in another order", len(got), len(want))
				}
				page, err := env.List(w.ctx, w.viewer, in)
				if err != nil {
					rt.Fatal(err)
				}
				if n, err := page.TotalCount(w.ctx); err != nil || n != len(want) {
					rt.Fatalf("totalCount is %d, %v; want %d", n, err, len(want))
				}
				if rows += len(got); len(got) > 0 {
					full++
				}
			})
		}
		t.Logf("%d cases, %d of them not empty, %d rows", max(1, cases/batch)*batch, full, rows)
	})
}

// While another client adds and deletes tasks between the pages, every task that is there all the time is on one page,
// and in its place.
func TestPagesAmongChanges(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			w := env.newFixture(t, fmt.Sprintf("user-%d", n), rapid.Uint64().Draw(rt, "seed"), 30)
			in := task.ListInput{Scope: task.ScopeAll, OrderBy: drawOrder(rt)}
			gone := map[string]bool{}
			stay := slices.Clone(w.tasks)
			got := w.pages(rt, in, rapid.IntRange(1, 9).Draw(rt, "size"), rapid.Bool().Draw(rt, "backward"), func() {
				if rapid.Bool().Draw(rt, "add") && len(w.tasks) < 90 {
					w.add(rt, rapid.IntRange(1, 2).Draw(rt, "n"))
				}
				if rapid.Bool().Draw(rt, "delete") { // The first five may be parents of what is added.
					victim := stay[rapid.IntRange(5, len(stay)-1).Draw(rt, "victim")].ID
					gone[victim.String()] = true
					if err := env.client.Task.DeleteOneID(victim).Exec(w.ctx); err != nil && !ent.IsNotFound(err) {
						rt.Fatal(err)
					}
				}
			})
			w.tasks = slices.DeleteFunc(stay, func(m model) bool { return gone[m.ID.String()] })
			want := w.list(in)
			if repeated := len(got) - len(slices.Compact(slices.Sorted(slices.Values(got)))); repeated != 0 {
				rt.Fatalf("%d rows come twice", repeated)
			}
			got = slices.DeleteFunc(got, func(id string) bool { return !slices.Contains(want, id) })
			if !slices.Equal(got, want) {
				rt.Fatalf("got %d of the rows that stay, want %d, or in another order", len(got), len(want))
			}
		})
	})
}
