package task_test

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/recurrence"
	"taskql/internal/reminder"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// herd are tasks that repeat, with subtasks, tags and reminders. No two have the same values.
type herd struct {
	*testEnv
	//nolint:containedctx // It is the viewer's and lives as long as the test.
	ctx   context.Context
	v     viewer.Viewer
	tags  []*ent.Tag
	tasks []*ent.Task
}

func (env *testEnv) newHerd(t *testing.T, n int) *herd {
	t.Helper()
	h := &herd{testEnv: env}
	h.ctx, h.v = env.newUser(t, uuid.NewString())
	for i := range 3 {
		h.tags = append(h.tags, env.createTag(h.ctx, t, h.v, fmt.Sprint(i)))
	}
	for i := range n {
		in := task.CreateInput{
			Title: fmt.Sprint("task ", i), Description: ptr(fmt.Sprint("description ", i)), Priority: ptr(i % 4), Due: on(2026, 11, 23+i%7),
			TagIDs: []string{h.tags[0].ID.String(), h.tags[1+i%2].ID.String()}, Recurrence: rule("FREQ=DAILY"),
		}
		e := mustSucceed(t)(env.Create(h.ctx, h.v, in))
		in.ParentID, in.Recurrence = ptr(e.ID.String()), nil
		below := mustSucceed(t)(env.Create(h.ctx, h.v, in))
		in.ParentID = ptr(below.ID.String())
		mustSucceed(t)(env.Create(h.ctx, h.v, in))
		for _, e := range []*ent.Task{e, below} {
			env.remind(h.ctx, t, h.v, e)
		}
		h.tasks = append(h.tasks, e)
	}
	return h
}

// remind gives a task a reminder on the day before it is due.
func (env *testEnv) remind(ctx context.Context, t *testing.T, v viewer.Viewer, e *ent.Task) {
	t.Helper()
	r, err := env.reminders.Set(ctx, v, reminder.SetInput{TaskID: e.ID.String(), Reminders: []*reminder.Input{{DayBefore: &reminder.Day{Days: 1, Time: 540}}}})
	if err != nil || len(r.UserErrors) > 0 {
		t.Fatal(r, err)
	}
}

// each makes a change of each task by itself, at another time.
func (h *herd) each(t *testing.T, tasks []*ent.Task, method func(context.Context, viewer.Viewer, workspace.TargetInput) (*task.Result, error)) {
	t.Helper()
	for _, e := range tasks {
		h.clock.advance(time.Second)
		mustSucceed(t)(method(h.ctx, h.v, targetOf(e)))
	}
}

// below returns the subtasks of the tasks.
func (h *herd) below() []*ent.Task {
	var roots []uuid.UUID
	for _, e := range h.tasks {
		roots = append(roots, e.ID)
	}
	return h.client.Task.Query().Where(enttask.ParentIDIn(roots...)).AllX(h.ctx)
}

// bulkChange is a change of many tasks.
type bulkChange struct {
	name string
	// prepare is called before, if it is set.
	prepare func(t *testing.T, h *herd)
	// change makes it, and returns its outcome.
	change func(h *herd) (workspace.Outcome, error)
	// final says that it can't be undone.
	final bool
}

type bulkMethod = func(context.Context, viewer.Viewer, task.BulkInput) (*task.BulkResult, error)

// bulkChanges has every mutation that changes many tasks, by the name of the method.
func bulkChanges() map[string][]bulkChange {
	on := func(method func(*herd) bulkMethod, tasks func(*herd) []*ent.Task) func(h *herd) (workspace.Outcome, error) {
		return func(h *herd) (workspace.Outcome, error) {
			r, err := method(h)(h.ctx, h.v, task.BulkInput{IDs: ids(tasks(h)...)})
			return r.Outcome, err
		}
	}
	roots := func(h *herd) []*ent.Task { return h.tasks }
	complete := func(h *herd) bulkMethod { return h.CompleteMany }
	reopen := func(h *herd) bulkMethod { return h.ReopenMany }
	remove := func(h *herd) bulkMethod { return h.DeleteMany }
	restore := func(h *herd) bulkMethod { return h.RestoreMany }
	completed := func(t *testing.T, h *herd) { h.each(t, h.tasks, h.Complete) }
	return map[string][]bulkChange{
		"UpdateMany": {{name: "updateTasks", change: func(h *herd) (workspace.Outcome, error) {
			day := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
			r, err := h.UpdateMany(h.ctx, h.v, task.UpdateManyInput{BulkInput: task.BulkInput{IDs: ids(h.tasks...)}, Patch: task.Patch{
				Priority: set(ptr(task.PriorityHigh)), Due: set(&task.DueInput{Date: &day}),
				AddTagIDs: set([]string{h.tags[1].ID.String()}), RemoveTagIDs: set([]string{h.tags[2].ID.String()}),
			}})
			return r.Outcome, err
		}}},
		"CompleteMany": {{name: "completeTasks", change: on(complete, roots)}},
		"ReopenMany": {
			{name: "reopenTasks", prepare: completed, change: on(reopen, roots)},
			{name: "reopenTasks, the next ones touched", prepare: func(t *testing.T, h *herd) {
				for i, e := range h.tasks {
					next := h.complete(h.ctx, t, h.v, e)
					mustSucceed(t)(h.Update(h.ctx, h.v, task.UpdateInput{ID: next.ID.String(), Title: set(ptr(fmt.Sprint("touched ", i)))}))
				}
			}, change: on(reopen, roots)},
			{name: "reopenTasks, the series over", prepare: func(t *testing.T, h *herd) {
				for _, e := range h.tasks {
					in := &recurrence.Input{Rule: "FREQ=DAILY;COUNT=1", Mode: recurrence.Schedule, CatchUp: recurrence.NextFuture}
					mustSucceed(t)(h.Update(h.ctx, h.v, task.UpdateInput{ID: e.ID.String(), Recurrence: set(in)}))
				}
				completed(t, h)
			}, change: on(reopen, roots)},
		},
		"DeleteMany": {
			{name: "deleteTasks", change: on(remove, roots)},
			{name: "deleteTasks, subtasks before", prepare: func(t *testing.T, h *herd) { h.each(t, h.below(), h.Delete) }, change: on(remove, roots)},
		},
		"RestoreMany": {
			{name: "restoreTasks", prepare: func(t *testing.T, h *herd) { h.each(t, h.tasks, h.Delete) }, change: on(restore, roots)},
			{name: "restoreTasks to the top", prepare: func(t *testing.T, h *herd) {
				h.each(t, h.below(), h.Delete)
				h.each(t, h.tasks, h.Delete)
			}, change: on(restore, (*herd).below)},
		},
		"DeleteTag": {{name: "deleteTag", final: true, change: func(h *herd) (workspace.Outcome, error) {
			r, err := h.DeleteTag(h.ctx, h.v, workspace.TargetInput{ID: h.tags[0].ID.String()})
			return r.Outcome, err
		}}},
		"EmptyTrash": {{
			name: "emptyTrash", final: true, prepare: func(t *testing.T, h *herd) { h.each(t, h.tasks, h.Delete) },
			change: func(h *herd) (workspace.Outcome, error) {
				r, err := h.EmptyTrash(h.ctx, h.v, task.EmptyTrashInput{})
				return r.Outcome, err
			},
		}},
	}
}

// The number of statements of a change does not depend on how many tasks it changes, and neither does that of undoing it, and of
// undoing that.
func TestStatementsOfBulkChanges(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		statements := &testkit.StatementRecorder{Driver: driver}
		env := newTestEnv(t, statements, task.Limits{})
		var table strings.Builder
		take := func(change func() (workspace.Outcome, error)) (int, []string) {
			t.Helper()
			env.clock.advance(time.Second)
			statements.Take()
			r, err := change()
			if err != nil || len(r.UserErrors) > 0 || r.Version() == nil {
				t.Fatalf("%+v, %v", r, err)
			}
			taken := statements.Take()
			if driver.Dialect() == dialect.SQLite {
				checkTreePlans(t, env.client, taken)
			}
			return *r.Version(), taken
		}
		compare := func(name string, few, many []string) {
			t.Helper()
			fmt.Fprintf(&table, "%3d %3d  %s\n", len(few), len(many), name)
			if len(few) != len(many) {
				t.Errorf("%s: %d statements for few tasks, %d for many:\n%s", name, len(few), len(many), countStatements(few, many))
			}
		}
		all := bulkChanges()
		for _, method := range slices.Sorted(maps.Keys(all)) {
			for _, c := range all[method] {
				var taken [2][3][]string
				for i, n := range []int{2, 50} {
					h := env.newHerd(t, n)
					if c.prepare != nil {
						c.prepare(t, h)
					}
					var version int
					version, taken[i][0] = take(func() (workspace.Outcome, error) { return c.change(h) })
					for again := 1; again < 3 && !c.final; again++ {
						version, taken[i][again] = take(func() (workspace.Outcome, error) {
							r, err := env.Undo(h.ctx, h.v, task.UndoInput{Version: version})
							return r.Outcome, err
						})
					}
					env.checkInvariants(h.ctx, t, h.v)
					env.checkSeries(h.ctx, t, h.v)
				}
				compare(c.name, taken[0][0], taken[1][0])
				if !c.final {
					compare("undo of "+c.name, taken[0][1], taken[1][1])
					compare("undo of undo of "+c.name, taken[0][2], taken[1][2])
				}
			}
		}
		t.Logf("statements:\n%s", table.String())
	})
	// Every method with a BulkResult is there.
	all := bulkChanges()
	for method := range reflect.TypeFor[*task.Service]().Methods() {
		if method.Type.NumOut() == 2 && method.Type.Out(0) == reflect.TypeFor[*task.BulkResult]() && all[method.Name] == nil {
			t.Errorf("%s is not tried", method.Name)
		}
	}
}

// checkTreePlans checks that SQLite does not read a whole workspace for each task of a tree, and that no statement has very many named
// arguments, which it compares with each other.
func checkTreePlans(t *testing.T, client *ent.Client, statements []string) {
	t.Helper()
	for _, s := range statements {
		if strings.Contains(s, "$100,") {
			t.Errorf("arguments have names: %s", s[:150])
		}
		if !strings.Contains(s, "RECURSIVE") {
			continue
		}
		for _, step := range testkit.SQLitePlan(t, client, s) {
			// The step of the recursion calls tasks c, below the tree, and p, above.
			if strings.HasSuffix(step, "(workspace_id=?)") && (strings.HasPrefix(step, "SEARCH c ") || strings.HasPrefix(step, "SEARCH p ")) {
				t.Errorf("all tasks are read for each of the tree: %s\n%s", step, s)
			}
		}
	}
}

// countStatements returns how often each statement of a kind was taken, of those that differ.
func countStatements(few, many []string) string {
	counts := map[string]*[2]int{}
	for i, statements := range [][]string{few, many} {
		for _, s := range statements {
			s = s[:min(len(s), 150)]
			if counts[s] == nil {
				counts[s] = &[2]int{}
			}
			counts[s][i]++
		}
	}
	var differ []string
	for _, s := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[s]; n[0] != n[1] {
			differ = append(differ, fmt.Sprintf("%3d %3d  %s", n[0], n[1], s))
		}
	}
	return strings.Join(differ, "\n")
}
