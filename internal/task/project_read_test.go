package task_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"taskql/internal/task"
)

// The pages of several projects that are read at once are those of each project's list alone, in any order, with any filter, and from
// either end.
func TestTasksOfProjects(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		w := env.newFixture(t, "alice", 9, 90)
		env.newFixture(t, "bob", 10, 30)
		ids := append(slices.Clone(w.projects), uuid.New()) // The last is empty.
		rapid.Check(t, func(rt *rapid.T) {
			size, backward := rapid.IntRange(1, 30).Draw(rt, "size"), rapid.Bool().Draw(rt, "backward")
			in := task.ProjectTasksInput{Total: true, Previous: true}
			in.Scope, in.OrderBy = pickOne(rt, task.ScopeActive, task.ScopeArchived, task.ScopeTrash, task.ScopeAll), drawOrder(rt)
			if rapid.Bool().Draw(rt, "filtered") {
				in.Filter = w.drawFilter(rt, 3)
			}
			in.Columns, in.Facets = []string{"id"}, []task.Facet{"open", "byTag"}
			of := func(id uuid.UUID) task.ListInput {
				list := in.ListInput
				if list.Scope == task.ScopeActive {
					list.Scope = notTrashed
				}
				return with(list, task.Comparison{Field: "project", Op: "in", Value: []string{id.String()}})
			}
			walked := pickOne(rt, ids...)
			all := w.list(of(walked))
			if in.First = &size; backward {
				in.First, in.Last = nil, &size
			}
			var got []string
			for {
				pages, err := env.ProjectTasks(w.ctx, w.viewer, ids, in)
				if err != nil {
					rt.Fatal(err)
				}
				for _, id := range ids {
					total, _ := pages[id].TotalCount(w.ctx)
					open := len(w.list(with(of(id), task.Comparison{Field: "completed", Value: false})))
					if total != len(w.list(of(id))) || pages[id].Facets.Open != open {
						rt.Fatalf("total %d of %d, open %d of %d", total, len(w.list(of(id))), pages[id].Facets.Open, open)
					}
				}
				page := pages[walked]
				more, _ := page.PageInfo.HasNextPage(w.ctx)
				if got = append(got, idsOf(page)...); backward {
					more, _ = page.PageInfo.HasPreviousPage(w.ctx)
					got = append(slices.Clone(idsOf(page)), got[:len(got)-len(page.Edges)]...)
					in.Before = page.PageInfo.StartCursor
				} else {
					in.After = page.PageInfo.EndCursor
				}
				if !more {
					break
				}
			}
			if !slices.Equal(got, all) {
				rt.Fatalf("the pages have %d tasks, want %d, or in another order", len(got), len(all))
			}
		})
	})
}

// Open tasks are counted for each project and section, archived ones and their hidden tasks included.
func TestOpenTasksOfProjects(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		w := env.newFixture(t, "alice", 11, 120)
		counts, err := env.OpenTasksOfProjects(w.ctx, w.viewer, w.projects)
		if err != nil {
			t.Fatal(err)
		}
		sections, err := env.OpenTasksOfSections(w.ctx, w.viewer, w.projects, w.projects)
		if err != nil {
			t.Fatal(err)
		}
		all := 0
		for _, id := range w.projects {
			for field, got := range map[string]int{"project": counts[id], "section": sections[id]} {
				in := with(task.ListInput{Scope: notTrashed}, task.Comparison{Field: field, Op: "in", Value: []string{id.String()}})
				want := len(w.list(with(in, task.Comparison{Field: "completed", Value: false})))
				if all += want; got != want {
					t.Errorf("%d open tasks of a %s, want %d", got, field, want)
				}
			}
		}
		if all == 0 {
			t.Error("no tasks were counted")
		}
	})
}
