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
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"taskql/ent"
	"taskql/internal/keyset"
	"taskql/internal/task"
	"taskql/internal/viewer"
)

// model is a task in memory, with the ids of its tags.
type model struct {
	*ent.Task

	tags []string
}

// fixture is a workspace of random tasks, and the viewer who reads them.
type fixture struct {
	env *testEnv
	//nolint:containedctx // It is the viewer's and lives as long as the test.
	ctx      context.Context
	viewer   viewer.Viewer
	tasks    []model
	tags     []string
	projects []uuid.UUID // what tasks have as project_id
	sections []*ent.Section
	random   *rand.Rand
}

// notTrashed is the scope of the lists of subtasks and of a project's own list, which have hidden tasks, too.
const notTrashed task.Scope = "not in the trash"

// newFixture creates a workspace with n tasks. A third of the values that can be absent are absent, and values repeat.
func (env *testEnv) newFixture(t *testing.T, name string, seed uint64, n int) *fixture {
	t.Helper()
	ctx, v := env.newUser(t, name)
	location, err := time.LoadLocation("Asia/Karachi")
	if err != nil {
		t.Fatal(err)
	}
	v.Location = location
	f := &fixture{env: env, ctx: viewer.NewContext(ctx, v), viewer: v, random: rand.New(rand.NewPCG(seed, 1))}
	for i := range 5 {
		tag := fmt.Sprintf("tag %d", i)
		made, err := env.client.Tag.Create().SetID(uuid.New()).SetWorkspaceID(name).SetVersion(0).
			SetName(tag).SetNameKey([]byte(tag)).SetColor("#16a34a").Save(ctx)
		if err != nil {
			t.Fatal(err)
		}
		f.tags = append(f.tags, made.ID.String())
	}
	for range 3 {
		id := uuid.New()
		f.projects = append(f.projects, id)
		env.client.Project.Create().SetID(id).SetWorkspaceID(name).SetVersion(0).
			SetName("project").SetColor("#16a34a").SetPosition([]byte{1}).ExecX(ctx)
		made, err := env.client.Section.Create().SetID(uuid.New()).SetWorkspaceID(name).SetVersion(0).
			SetProjectID(id).SetName("section").SetPosition([]byte{1}).Save(ctx)
		if err != nil {
			t.Fatal(err)
		}
		f.sections = append(f.sections, made)
	}
	f.add(t, 5) // The parents of the others.
	f.add(t, n-5)
	return f
}

// maybe returns true two times out of three.
func (f *fixture) maybe() bool { return f.random.IntN(3) > 0 }

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// add creates n random tasks. Some are subtasks of earlier ones.
func (f *fixture) add(t rapid.TB, n int) {
	t.Helper()
	c := f.env.client
	builders, tags := make([]*ent.TaskCreate, n), make([][]string, n)
	now := f.env.clock.Now().Truncate(time.Microsecond)
	moment := func() time.Time { return now.Add(time.Duration(f.random.IntN(9)-4) * 7 * time.Hour) }
	for i := range builders {
		title := pick(f.random, "Äpfel", "äpfel", "ZEBRA", "zebra crossing", "100%", "a_b", "ab", `back\slash`, "Straße", "100 percent")
		created := moment()
		q := c.Task.Create().SetID(uuid.New()).SetWorkspaceID(f.viewer.WorkspaceID).SetVersion(0).
			SetTitle(title).SetPriority(f.random.IntN(5)).SetPosition([]byte{byte(f.random.IntN(256)), 0xff}[:1+f.random.IntN(2)]).
			SetCreatedAt(created).SetUpdatedAt(created.Add(time.Duration(f.random.IntN(3)) * time.Microsecond))
		var description *string
		if f.maybe() {
			description = ptr(pick(f.random, "with ÄPFEL", "50% off", "nothing", "under_score"))
		}
		key, text := task.TextKeys(title, description)
		q.SetNillableDescription(description).SetTitleKey(key).SetSearchText(text)
		if f.maybe() {
			q.SetCompleted(true).SetCompletedAt(moment())
		}
		if f.maybe() {
			at := now.Add(time.Duration(f.random.IntN(24*20)-24*8) * time.Hour)
			if f.maybe() {
				zone := pick(f.random, time.UTC, time.FixedZone("", 14*3600), time.FixedZone("", -11*3600))
				y, m, d := at.In(zone).Date()
				q.SetDueDate(time.Date(y, m, d, 0, 0, 0, 0, time.UTC)).SetDueAt(at).SetDueTimeZone("UTC").SetDueSort(at)
			} else {
				q.SetDueDate(at.Truncate(24 * time.Hour)).SetDueSort(time.Time{})
			}
		}
		if len(f.tasks) > 0 && f.maybe() {
			q.SetParentID(f.tasks[f.random.IntN(min(len(f.tasks), 5))].ID)
		}
		if !f.maybe() {
			q.SetDeletedAt(now)
		}
		if !f.maybe() {
			q.SetRecurrenceID(uuid.New()).SetOccurrenceNumber(1)
		}
		if f.maybe() {
			q.SetAssigneeID(pick(f.random, f.viewer.UserID, "bob", "carol"))
		}
		if f.maybe() {
			in := pick(f.random, f.sections...)
			q.SetProjectID(in.ProjectID)
			if !f.maybe() {
				q.SetSectionID(in.ID)
			}
			if !f.maybe() {
				q.SetHiddenAt(now)
			}
		}
		builders[i] = q
		for _, tag := range f.tags {
			if f.random.IntN(4) == 0 {
				tags[i] = append(tags[i], tag)
			}
		}
	}
	made, err := c.Task.CreateBulk(builders...).Save(f.ctx)
	if err != nil {
		t.Fatal(err)
	}
	var carried []*ent.TaskTagCreate
	for i, m := range made {
		for _, tag := range tags[i] {
			carried = append(carried, c.TaskTag.Create().SetTaskID(m.ID).SetTagID(uuid.MustParse(tag)).SetWorkspaceID(f.viewer.WorkspaceID))
		}
		f.tasks = append(f.tasks, model{Task: m, tags: tags[i]})
	}
	if err := c.TaskTag.CreateBulk(carried...).Exec(f.ctx); err != nil {
		t.Fatal(err)
	}
}

// list returns the ids of the list, which it filters and sorts in memory.
func (f *fixture) list(in task.ListInput) []string {
	var found []model
	for _, t := range f.tasks {
		var inScope bool
		switch in.Scope {
		case task.ScopeAll:
			inScope = true
		case notTrashed:
			inScope = t.DeletedAt == nil
		case task.ScopeTrash:
			inScope = t.DeletedAt != nil
		case task.ScopeArchived:
			inScope = t.DeletedAt == nil && t.HiddenAt != nil
		default:
			inScope = t.DeletedAt == nil && t.HiddenAt == nil
		}
		if inScope && (in.Filter == nil || f.selects(in.Filter, t)) {
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
		by = []task.Order{{Field: "CREATED_AT", Direction: keyset.Descending}}
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
		case "CREATED_AT":
			c = sign * a.CreatedAt.Compare(b.CreatedAt)
		case "UPDATED_AT":
			c = sign * a.UpdatedAt.Compare(b.UpdatedAt)
		case "COMPLETED_AT":
			nullable(a.CompletedAt, b.CompletedAt, func() int { return a.CompletedAt.Compare(*b.CompletedAt) })
		case "DUE":
			nullable(a.DueDate, b.DueDate, func() int {
				// By day; on one day, those without a time first, then by moment.
				moment := func(m model) time.Time {
					if m.DueAt == nil {
						return time.Time{}
					}
					return *m.DueAt
				}
				return cmp.Or(a.DueDate.Compare(*b.DueDate), moment(a).Compare(moment(b)))
			})
		case "PRIORITY":
			c = sign * cmp.Compare(a.Priority, b.Priority)
		case "TITLE":
			c = sign * bytes.Compare(a.TitleKey, b.TitleKey)
		case "MANUAL":
			c = sign * bytes.Compare(a.Position, b.Position)
		default:
			panic("add the order " + string(o.Field) + " to this model")
		}
		if c != 0 {
			return c
		}
	}
	return sign * cmp.Compare(a.ID.String(), b.ID.String())
}

func pickOne[T any](t *rapid.T, from ...T) T { return rapid.SampledFrom(from).Draw(t, "one") }

func drawOrder(t *rapid.T) []task.Order {
	fields := rapid.Permutation(task.OrderFields()).Draw(t, "fields")
	var by []task.Order
	for _, field := range fields[:pickOne(t, 0, 1, 1, 1, 2, 3, len(fields))] {
		by = append(by, task.Order{
			Field: field, Direction: pickOne(t, keyset.Ascending, keyset.Descending), Nulls: pickOne(t, keyset.NullsFirst, keyset.NullsLast),
		})
	}
	return by
}

// pages reads a list page by page and returns all ids. It calls between after each page, unless that is nil.
func (f *fixture) pages(t *rapid.T, in task.ListInput, size int, backward bool, between func()) []string {
	var got []string
	in.First = &size
	if backward {
		in.First, in.Last = nil, &size
	}
	for {
		page, err := f.env.List(f.ctx, f.viewer, in)
		if err != nil {
			t.Fatal(err)
		}
		next, err := page.PageInfo.HasNextPage(f.ctx)
		if err != nil {
			t.Fatal(err)
		}
		previous, err := page.PageInfo.HasPreviousPage(f.ctx)
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
			t.Fatalf("after %d rows, the page reports rows before it: %t", len(got), behind)
		}
		if !more {
			return got
		}
		if len(page.Edges) != size {
			t.Fatalf("a page has %d rows, want %d, and is not the last", len(page.Edges), size)
		}
		if between != nil {
			between()
		}
	}
}

// propertyCases returns how many random lists a test reads from each database: TASK_PROPERTY_CASES, or 1,000.
func propertyCases(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv("TASK_PROPERTY_CASES"), "1000"))
	if err != nil {
		t.Fatalf("TASK_PROPERTY_CASES: %v", err)
	}
	return n
}

// The pages of any list together are the list that is filtered and sorted in memory: each row once, in order.
func TestPagesLoseNothing(t *testing.T) {
	t.Parallel()
	cases := propertyCases(t)
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		const workspaces, batch = 4, 100 // rapid.Check runs 100 cases.
		fixtures := make([]*fixture, workspaces)
		for i := range fixtures {
			fixtures[i] = env.newFixture(t, fmt.Sprintf("user-%d", i), uint64(i)+1, 20+30*i)
		}
		for _, field := range task.OrderFields() {
			if slices.IsSorted(fixtures[0].list(task.ListInput{Scope: task.ScopeAll, OrderBy: []task.Order{{Field: field}}})) {
				t.Fatalf("all tasks are equal in the order %s, and sorted by id: let fixture.add choose values", field)
			}
		}
		rows, full := 0, 0
		for i := range max(1, cases/batch) {
			f := fixtures[i%workspaces]
			rapid.Check(t, func(rt *rapid.T) {
				in := task.ListInput{Scope: pickOne(rt, task.ScopeActive, task.ScopeArchived, task.ScopeTrash, task.ScopeAll), OrderBy: drawOrder(rt)}
				if rapid.Bool().Draw(rt, "filtered") {
					in.Filter = f.drawFilter(rt, rapid.IntRange(1, 4).Draw(rt, "depth"))
				}
				size := rapid.IntRange(1, 40).Draw(rt, "size")
				want := f.list(in)
				got := f.pages(rt, in, size, rapid.Bool().Draw(rt, "backward"), nil)
				if !slices.Equal(got, want) {
					rt.Fatalf("got %d rows, want %d, or in another order", len(got), len(want))
				}
				page, err := env.List(f.ctx, f.viewer, in)
				if err != nil {
					rt.Fatal(err)
				}
				if n, err := page.TotalCount(f.ctx); err != nil || n != len(want) {
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

// If another client creates and deletes tasks between the pages, every task that exists all the time is on exactly one page,
// in its place.
func TestPagesAmongChanges(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			f := env.newFixture(t, fmt.Sprintf("user-%d", n), rapid.Uint64().Draw(rt, "seed"), 30)
			in := task.ListInput{Scope: task.ScopeAll, OrderBy: drawOrder(rt)}
			gone := map[string]bool{}
			stay := slices.Clone(f.tasks)
			got := f.pages(rt, in, rapid.IntRange(1, 9).Draw(rt, "size"), rapid.Bool().Draw(rt, "backward"), func() {
				if rapid.Bool().Draw(rt, "add") && len(f.tasks) < 90 {
					f.add(rt, rapid.IntRange(1, 2).Draw(rt, "n"))
				}
				if rapid.Bool().Draw(rt, "delete") { // The first five can be parents of new tasks.
					victim := stay[rapid.IntRange(5, len(stay)-1).Draw(rt, "victim")].ID
					gone[victim.String()] = true
					if err := env.client.Task.DeleteOneID(victim).Exec(f.ctx); err != nil && !ent.IsNotFound(err) {
						rt.Fatal(err)
					}
				}
			})
			f.tasks = slices.DeleteFunc(stay, func(m model) bool { return gone[m.ID.String()] })
			want := f.list(in)
			if repeated := len(got) - len(slices.Compact(slices.Sorted(slices.Values(got)))); repeated != 0 {
				rt.Fatalf("%d rows are on two pages", repeated)
			}
			got = slices.DeleteFunc(got, func(id string) bool { return !slices.Contains(want, id) })
			if !slices.Equal(got, want) {
				rt.Fatalf("got %d of the rows that stay, want %d, or in another order", len(got), len(want))
			}
		})
	})
}
