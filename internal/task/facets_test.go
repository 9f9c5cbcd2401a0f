package task_test

import (
	"bytes"
	cmplib "cmp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"taskql/internal/task"
	"taskql/internal/workspace"
)

// with returns the list with one more comparison.
func with(in task.ListInput, c task.Comparison) task.ListInput {
	f := &task.Filter{Comparisons: []task.Comparison{c}}
	if in.Filter != nil {
		f.All = []*task.Filter{in.Filter}
	}
	in.Filter = f
	return in
}

// Each facet is the number of tasks that are left if the list is also filtered by it.
func TestFacets(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		w := env.newFixture(t, "alice", 7, 80)
		env.newFixture(t, "bob", 8, 30)
		rapid.Check(t, func(rt *rapid.T) {
			in := task.ListInput{Scope: pickOne(rt, task.ScopeActive, task.ScopeArchived, task.ScopeTrash, task.ScopeAll)}
			if rapid.Bool().Draw(rt, "filtered") {
				in.Filter = w.drawFilter(rt, 3)
			}
			count := func(field, op string, value any) int {
				return len(w.list(with(in, task.Comparison{Field: field, Op: op, Value: value})))
			}
			want := &task.Facets{
				Open: count("completed", "", false), Completed: count("completed", "", true),
				Overdue: count("due", "within", task.WindowOverdue), DueToday: count("due", "within", task.WindowToday),
				DueNext7Days: count("due", "within", task.WindowNext7Days), NoDue: count("due", "isNull", true),
			}
			for p := task.PriorityNone; p <= task.PriorityUrgent; p++ {
				want.ByPriority = append(want.ByPriority, &task.PriorityCount{Priority: p, Count: count("priority", "eq", p)})
			}
			type tag struct {
				ID    string
				Count int
			}
			var tags []tag // The most used first; those of the same count by name.
			for _, id := range w.tags {
				if n := count("tags", "any", []string{id}); n > 0 {
					tags = append(tags, tag{id, n})
				}
			}
			slices.SortStableFunc(tags, func(a, b tag) int { return b.Count - a.Count })

			for _, id := range []string{"alice", "bob", "carol"} {
				if n := count("assignee", "in", []string{workspace.PersonID(id)}); n > 0 {
					want.ByAssignee = append(want.ByAssignee, &task.AssigneeCount{UserID: ptr(id), Count: n})
				}
			}
			slices.SortStableFunc(want.ByAssignee, func(a, b *task.AssigneeCount) int { return b.Count - a.Count })
			if n := count("assignee", "isNull", true); n > 0 {
				want.ByAssignee = append(want.ByAssignee, &task.AssigneeCount{Count: n})
			}

			for _, id := range w.projects {
				if n := count("project", "in", []string{id.String()}); n > 0 {
					want.ByProject = append(want.ByProject, &task.ProjectCount{ProjectID: &id, Count: n})
				}
			}
			slices.SortFunc(want.ByProject, func(a, b *task.ProjectCount) int {
				return cmplib.Or(b.Count-a.Count, bytes.Compare(a.ProjectID[:], b.ProjectID[:]))
			})
			if n := count("project", "isNull", true); n > 0 {
				want.ByProject = append(want.ByProject, &task.ProjectCount{Count: n})
			}

			in.CountsOnly = true
			in.Facets = []task.Facet{"byProject", "byAssignee", "byTag", "open", "completed", "overdue", "dueToday", "dueNext7Days", "noDue", "byPriority"}
			page, err := env.List(w.ctx, w.viewer, in)
			if err != nil {
				rt.Fatal(err)
			}
			var got []tag
			for _, c := range page.Facets.ByTag {
				got = append(got, tag{c.Tag.ID.String(), c.Count})
			}
			page.Facets.ByTag = nil
			if diff := cmp.Diff(want, page.Facets, cmpopts.EquateEmpty()) + cmp.Diff(tags, got); diff != "" {
				rt.Fatalf("(-want +got):\n%s", diff)
			}
		})
	})
}

// The tags, progress and subtasks that are read for many tasks at once are those of each task alone.
func TestRelatedRows(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		w := env.newFixture(t, "alice", 9, 90)
		env.newFixture(t, "bob", 10, 30)
		var ids []uuid.UUID
		for _, m := range w.tasks {
			ids = append(ids, m.ID)
		}
		subtasks := func(id uuid.UUID) task.ListInput {
			return with(task.ListInput{Scope: notTrashed, OrderBy: []task.Order{{Field: "MANUAL"}}}, task.Comparison{Field: "parent", Op: "eq", Value: id.String()})
		}
		tags, err := env.TagsOf(w.ctx, w.viewer, ids, []string{"id"})
		if err != nil {
			t.Fatal(err)
		}
		progress, err := env.ProgressOf(w.ctx, w.viewer, ids)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range w.tasks {
			var got []string
			for _, tag := range tags[m.ID] {
				got = append(got, tag.ID.String())
			}
			if !slices.Equal(got, m.tags) { // Both are sorted by name.
				t.Errorf("tags %v, want %v", got, m.tags)
			}
			want := task.Progress{
				Total: len(w.list(subtasks(m.ID))),
				Done:  len(w.list(with(subtasks(m.ID), task.Comparison{Field: "completed", Value: true}))),
			}
			if progress[m.ID] != want {
				t.Errorf("progress %v, want %v", progress[m.ID], want)
			}
		}
		rapid.Check(t, func(rt *rapid.T) {
			size := rapid.IntRange(1, 30).Draw(rt, "size")
			in := task.SubtasksInput{First: &size, Total: true, Previous: true, Selection: task.Selection{Columns: []string{"id"}, Facets: []task.Facet{"open"}}}
			all := w.list(subtasks(ids[0]))
			for read := 0; ; read += size {
				pages, err := env.Subtasks(w.ctx, w.viewer, ids, in)
				if err != nil {
					rt.Fatal(err)
				}
				if len(pages) != len(ids) {
					rt.Fatalf("%d pages for %d tasks", len(pages), len(ids))
				}
				page := pages[ids[0]]
				next, _ := page.PageInfo.HasNextPage(w.ctx)
				previous, _ := page.PageInfo.HasPreviousPage(w.ctx)
				total, _ := page.TotalCount(w.ctx)
				open := len(w.list(with(subtasks(ids[0]), task.Comparison{Field: "completed", Value: false})))
				if total != len(all) || page.Facets.Open != open || previous != (read > 0) {
					rt.Fatalf("total %d of %d, open %d of %d, previous %t after %d", total, len(all), page.Facets.Open, open, previous, read)
				}
				if want := all[read:min(read+size, len(all))]; !slices.Equal(idsOf(page), want) || next != (read+size < len(all)) {
					rt.Fatalf("got %d rows after %d, want %d, or in another order; next %t", len(page.Edges), read, len(want), next)
				}
				if in.After = page.PageInfo.EndCursor; !next {
					return
				}
			}
		})
	})
}
