package task_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"taskql/ent"
	"taskql/internal/keyset"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// createTasks creates n tasks, many of them at the same time and a third in the trash, and returns them newest first.
func (env *testEnv) createTasks(ctx context.Context, t *testing.T, v viewer.Viewer, n int) []*ent.Task {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	builders := make([]*ent.TaskCreate, n)
	for i := range builders {
		at := env.clock.Now().Truncate(time.Microsecond).Add(time.Duration(random.IntN(n/3+1)) * 100 * time.Microsecond)
		builders[i] = env.client.Task.Create().SetID(uuid.New()).SetWorkspaceID(v.WorkspaceID).SetVersion(i).
			SetTitle(fmt.Sprintf("Task %d", i)).SetCreatedAt(at).SetUpdatedAt(at)
		if random.IntN(3) == 0 {
			builders[i].SetDeletedAt(at)
		}
	}
	tasks, err := env.client.Task.CreateBulk(builders...).Save(ctx)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(tasks, newestFirst)
	return tasks
}

func newestFirst(a, b *ent.Task) int {
	return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID.String(), a.ID.String()))
}

func inScope(tasks []*ent.Task, scope task.Scope) []string {
	var ids []string
	for _, t := range tasks {
		if scope == task.ScopeAll || (t.DeletedAt != nil) == (scope == task.ScopeTrash) {
			ids = append(ids, t.ID.String())
		}
	}
	return ids
}

func idsOf(p *task.Page) []string {
	ids := make([]string, len(p.Edges))
	for i, e := range p.Edges {
		ids[i] = e.Node.ID.String()
	}
	return ids
}

// A page between two cursors has the rows between them, from the end that was asked for.
func TestWindow(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		want := inScope(env.createTasks(ctx, t, v, 60), task.ScopeAll)
		whole, err := env.List(ctx, v, task.ListInput{First: ptr(100), Scope: task.ScopeAll})
		if err != nil {
			t.Fatal(err)
		}
		rapid.Check(t, func(rt *rapid.T) {
			from := rapid.IntRange(0, len(want)-1).Draw(rt, "from")
			to := rapid.IntRange(0, len(want)-1).Draw(rt, "to")
			size := rapid.IntRange(1, 100).Draw(rt, "size")
			in := task.ListInput{Scope: task.ScopeAll, After: &whole.Edges[from].Cursor, Before: &whole.Edges[to].Cursor}
			between := want[min(from+1, len(want)):max(to, min(from+1, len(want)))]
			if rapid.Bool().Draw(rt, "last") {
				in.Last = &size
				between = between[max(0, len(between)-size):]
			} else {
				in.First = &size
				between = between[:min(len(between), size)]
			}
			page, err := env.List(ctx, v, in)
			if err != nil {
				rt.Fatal(err)
			}
			if !slices.Equal(idsOf(page), between) {
				rt.Fatalf("got %d rows, want %d", len(page.Edges), len(between))
			}
			next, err1 := page.PageInfo.HasNextPage(ctx)
			previous, err2 := page.PageInfo.HasPreviousPage(ctx)
			if !next || !previous || err1 != nil || err2 != nil {
				rt.Fatalf("next %t %v, previous %t %v: the cursors' own rows are beyond the page", next, err1, previous, err2)
			}
		})
	})
}

func TestEmptyList(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		page, err := env.List(ctx, v, task.ListInput{})
		if err != nil {
			t.Fatal(err)
		}
		next, err1 := page.PageInfo.HasNextPage(ctx)
		previous, err2 := page.PageInfo.HasPreviousPage(ctx)
		if len(page.Edges) != 0 || len(page.Nodes()) != 0 || next || previous || err1 != nil || err2 != nil ||
			page.PageInfo.StartCursor != nil || page.PageInfo.EndCursor != nil {
			t.Errorf("got %+v", page)
		}
	})
}

func TestListArguments(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		env.createTask(ctx, t, v, "Buy milk")
		tests := map[string]struct {
			in       task.ListInput
			argument string
		}{
			"first 0":         {in: task.ListInput{First: ptr(0)}, argument: "first"},
			"first -1":        {in: task.ListInput{First: ptr(-1)}, argument: "first"},
			"first 101":       {in: task.ListInput{First: ptr(101)}, argument: "first"},
			"last 0":          {in: task.ListInput{Last: ptr(0)}, argument: "last"},
			"last 101":        {in: task.ListInput{Last: ptr(101)}, argument: "last"},
			"both":            {in: task.ListInput{First: ptr(1), Last: ptr(1)}, argument: "last"},
			"a damaged after": {in: task.ListInput{After: ptr("abc")}, argument: "after"},
			"an empty after":  {in: task.ListInput{After: ptr("")}, argument: "after"},
			"a number before": {in: task.ListInput{Before: ptr("10")}, argument: "before"},
		}
		for name, tt := range tests {
			var bad *task.InputError
			if _, err := env.List(ctx, v, tt.in); !errors.As(err, &bad) || bad.Argument != tt.argument {
				t.Errorf("%s: got %v, want an error at %s", name, err, tt.argument)
			}
		}
	})
}

// Every page of every list is right, also if its SQL is cached: a page from the list's end has other SQL than one from its
// beginning, and so has a page after or before a cursor.
func TestPagesWithCachedSQL(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		for i := range 9 {
			env.clock.advance(time.Second)
			made := env.createTask(ctx, t, v, fmt.Sprintf("task %d", i))
			if i%3 == 1 {
				mustSucceed(t)(env.Complete(ctx, v, workspace.TargetInput{ID: made.ID.String()}))
			}
			if i%4 == 2 {
				mustSucceed(t)(env.Delete(ctx, v, workspace.TargetInput{ID: made.ID.String()}))
			}
		}
		open := &task.Filter{Comparisons: []task.Comparison{{Field: "completed", Value: false}}}
		for range 2 { // The second time, all SQL is cached.
			for _, scope := range []task.Scope{task.ScopeActive, task.ScopeTrash, task.ScopeAll} {
				for _, filter := range []*task.Filter{nil, open} {
					for _, order := range []task.OrderField{
						"CREATED_AT", "TITLE", "MANUAL", "UPDATED_AT", "PRIORITY", "DUE", "COMPLETED_AT",
					} {
						for _, direction := range []keyset.Direction{keyset.Ascending, keyset.Descending} {
							env.checkPages(ctx, t, v, task.ListInput{Scope: scope, Filter: filter, OrderBy: []task.Order{{Field: order, Direction: direction}}})
						}
					}
				}
			}
		}
	})
}

// checkPages reads the beginning and the end of a list, and the pages before and after each of its cursors, and compares them
// with the whole list.
func (env *testEnv) checkPages(ctx context.Context, t *testing.T, v viewer.Viewer, in task.ListInput) {
	t.Helper()
	in.Columns = []string{"id", "title"}
	whole, err := env.List(ctx, v, in)
	if err != nil {
		t.Fatal(err)
	}
	var titles, cursors []string
	for _, e := range whole.Edges {
		titles, cursors = append(titles, e.Node.Title), append(cursors, e.Cursor)
	}
	n := len(titles)
	for size := 1; size < 3; size++ {
		check := func(page task.ListInput, want []string, name string) {
			t.Helper()
			page.Scope, page.Filter, page.OrderBy, page.Columns = in.Scope, in.Filter, in.OrderBy, in.Columns
			got, err := env.List(ctx, v, page)
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			for _, node := range got.Nodes() {
				found = append(found, node.Title)
			}
			if !slices.Equal(found, want) {
				t.Errorf("%s %v filtered %t, %s %d: %q, want %q", in.Scope, in.OrderBy, in.Filter != nil, name, size, found, want)
			}
		}
		check(task.ListInput{First: &size}, titles[:min(size, n)], "first")
		check(task.ListInput{Last: &size}, titles[max(n-size, 0):], "last")
		for at, cursor := range cursors {
			check(task.ListInput{First: &size, After: &cursor}, titles[at+1:min(at+1+size, n)], "first after")
			check(task.ListInput{Last: &size, Before: &cursor}, titles[max(at-size, 0):at], "last before")
			check(task.ListInput{First: &size, Before: &cursor}, titles[:min(size, at)], "first before")
			check(task.ListInput{Last: &size, After: &cursor}, titles[max(at+1, n-size):], "last after")
		}
	}
}
