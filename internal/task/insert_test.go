package task_test

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/workspace"
)

// The fast path and the slow path insert the same row, whatever the input, and refuse the same.
func TestInsertPathsAgree(t *testing.T) {
	t.Parallel()
	due := &task.DueInput{At: &task.MomentInput{At: time.Date(2026, 12, 24, 18, 0, 0, 0, time.UTC), TimeZone: ptr("Asia/Karachi")}}
	everything := task.CreateInput{Title: "b", Description: ptr(" two\nlines "), Priority: ptr(task.PriorityUrgent), Due: due, WorkspaceID: ptr("personal/alice")}
	slowOnly := []string{"ID", "ParentID", "ProjectID", "SectionID", "AssigneeID", "TagIDs", "Recurrence", "IdempotencyKey"} // The id differs, the rest takes the slow path.
	for field, value := range reflect.ValueOf(everything).Fields() {
		if value.IsZero() && !slices.Contains(slowOnly, field.Name) {
			t.Errorf("everything has no %s", field.Name)
		}
	}
	unset := []string{
		"Edges", "Completed", "CompletedAt", "ParentID", "DeletedAt", "TrashedWith", "RecurrenceID", "OccurrenceNumber", "HasReminders",
		"ProjectID", "SectionID", "HiddenAt", "AssigneeID", "CreatedBy",
	}
	inputs := map[string]task.CreateInput{
		"a title alone": {Title: "  Ünïcode\\ 'quotes' \x01 %_ 雪  "},
		"everything":    everything,
		"a day":         {Title: "c", Due: &task.DueInput{Date: ptr(time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC))}},
		"blank":         {Title: " ", Description: ptr("d")},
	}
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		for name, in := range inputs {
			keyed := in
			keyed.IdempotencyKey = ptr(name)
			slow, err := env.Create(ctx, v, keyed)
			if err != nil {
				t.Fatal(err)
			}
			fast, err := env.Create(ctx, v, in)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := formatUserErrors(fast.UserErrors), formatUserErrors(slow.UserErrors); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
			if slow.Task == nil {
				continue
			}
			if fast.Task.Version != slow.Task.Version+1 || string(fast.Task.Position) <= string(slow.Task.Position) {
				t.Errorf("%s: version %d at %s after version %d at %s", name, fast.Task.Version, fast.Task.Position, slow.Task.Version, slow.Task.Position)
			}
			rows := env.reload(ctx, t, slow.Task, fast.Task)
			for i, made := range []*ent.Task{slow.Task, fast.Task} {
				if diff := cmp.Diff(rows[i], made, cmpopts.IgnoreUnexported(ent.Task{}, ent.TaskEdges{})); diff != "" {
					t.Errorf("%s: another task was stored than was returned:\n%s", name, diff)
				}
			}
			for field, value := range reflect.ValueOf(*rows[0]).Fields() {
				if name == "everything" && field.IsExported() && value.IsZero() && !slices.Contains(unset, field.Name) {
					t.Errorf("everything is inserted without %s", field.Name)
				}
			}
			differs := cmpopts.IgnoreFields(ent.Task{}, "ID", "Version", "Position")
			if diff := cmp.Diff(rows[0], rows[1], differs, cmpopts.IgnoreUnexported(ent.Task{}, ent.TaskEdges{})); diff != "" {
				t.Errorf("%s: the fast path inserted another row than the slow path:\n%s", name, diff)
			}
		}
		env.checkInvariants(ctx, t, v)
	})
}

// A refused insert leaves nothing behind: it takes no version and isn't counted.
func TestRefusedInsert(t *testing.T) {
	t.Parallel()
	eachDatabaseLimited(t, task.Limits{Tasks: 2}, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		other, o := env.newUser(t, "bob")
		id := ptr(uuid.NewString())
		mustSucceed(t)(env.Create(other, o, task.CreateInput{ID: id, Title: "theirs"}))
		mustFail(t, workspace.CodeTaken, "id")(env.Create(ctx, v, task.CreateInput{ID: id, Title: "mine"}))
		for i := range 2 {
			env.createTask(ctx, t, v, fmt.Sprint(i))
		}
		wantUserErrors(t, "LIMIT_EXCEEDED")(env.Create(ctx, v, task.CreateInput{Title: "too many"}))
		w := env.client.Workspace.GetX(ctx, v.WorkspaceID)
		if w.Version != 2 || w.TaskCount != 2 {
			t.Errorf("the workspace is at version %d with %d tasks", w.Version, w.TaskCount)
		}
		env.checkInvariants(ctx, t, v)
	})
}

// The fast path is one statement, and is taken if nothing has to be looked up.
func TestFastPath(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		counted := &testkit.StatementRecorder{Driver: driver}
		env := newTestEnv(t, counted, task.Limits{})
		ctx, v := env.newUser(t, "alice")
		parent := env.createTask(ctx, t, v, "parent")
		for name, tt := range map[string]struct {
			in   task.CreateInput
			fast bool
		}{
			"plain":      {task.CreateInput{Title: "a"}, true},
			"with an id": {task.CreateInput{Title: "a", ID: ptr(uuid.NewString())}, true},
			"a parent":   {task.CreateInput{Title: "a", ParentID: ptr(parent.ID.String())}, false},
			"a key":      {task.CreateInput{Title: "a", IdempotencyKey: ptr("k")}, false},
		} {
			counted.Take()
			mustSucceed(t)(env.Create(ctx, v, tt.in))
			if n := len(counted.Take()); (n == 1) != (tt.fast && driver.Dialect() == dialect.Postgres) {
				t.Errorf("%s: %d statements", name, n)
			}
		}
	})
}

// Servers that insert tasks into one workspace at the same time lose none, and no two changes share a version.
func TestConcurrentInserts(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		const servers, each = 4, 25
		var all sync.WaitGroup
		made := make(chan *ent.Task, servers*each)
		for range servers {
			replica := env.replica(t)
			all.Go(func() {
				for i := range each {
					r, err := replica.Create(ctx, v, task.CreateInput{Title: fmt.Sprint(i)})
					if err != nil || len(r.UserErrors) > 0 {
						t.Errorf("%v %v", r, err)
						return
					}
					made <- r.Task
				}
			})
		}
		all.Wait()
		close(made)
		versions := map[int]bool{}
		for e := range made {
			versions[e.Version] = true
		}
		if len(versions) != servers*each || workspaceVersion(ctx, t, env, v) != servers*each {
			t.Errorf("%d versions of %d tasks, the workspace is at %d", len(versions), servers*each, workspaceVersion(ctx, t, env, v))
		}
		env.checkInvariants(ctx, t, v)
	})
}
