package task_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/task"
	"taskql/internal/testkit"
)

// A task is the same whichever way it is made, and so is what is refused.
func TestBothWaysMakeTheSameTask(t *testing.T) {
	t.Parallel()
	due := &task.DueInput{At: &task.MomentInput{At: time.Date(2026, 12, 24, 18, 0, 0, 0, time.UTC), TimeZone: ptr("Asia/Karachi")}}
	inputs := map[string]task.CreateInput{
		"a title alone": {Title: "  Ünïcode\\ 'quotes' \x01 %_ 雪  "},
		"everything":    {Title: "b", Description: ptr(" two\nlines "), Priority: ptr(task.PriorityUrgent), Due: due},
		"a day":         {Title: "c", Due: &task.DueInput{Date: ptr(time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC))}},
		"blank":         {Title: " ", Description: ptr("d")},
	}
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		for name, in := range inputs {
			keyed := in
			keyed.IdempotencyKey = ptr(name)
			long, err := env.Create(ctx, v, keyed)
			if err != nil {
				t.Fatal(err)
			}
			short, err := env.Create(ctx, v, in)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := formatUserErrors(short.UserErrors), formatUserErrors(long.UserErrors); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
			if long.Task == nil {
				continue
			}
			if short.Task.Version != long.Task.Version+1 || string(short.Task.Position) <= string(long.Task.Position) {
				t.Errorf("%s: version %d at %s after version %d at %s", name, short.Task.Version, short.Task.Position, long.Task.Version, long.Task.Position)
			}
			env.checkStored(ctx, t, short.Task)
			rows := env.reload(ctx, t, long.Task, short.Task)
			one, other := *rows[0], *rows[1]
			other.ID, other.Version, other.Position = one.ID, one.Version, one.Position
			if one.String() != other.String() {
				t.Errorf("%s:\n%s\n%s", name, other.String(), one.String())
			}
		}
		env.checkInvariants(ctx, t, v)
	})
}

// Nothing is left of what is refused: no version, no place in the count.
func TestRefusedAtOnce(t *testing.T) {
	t.Parallel()
	eachDatabaseLimited(t, task.Limits{Tasks: 2}, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		other, o := env.newUser(t, "bob")
		id := ptr(uuid.NewString())
		mustSucceed(t)(env.Create(other, o, task.CreateInput{ID: id, Title: "theirs"}))
		mustFail(t, task.CodeTaken, "id")(env.Create(ctx, v, task.CreateInput{ID: id, Title: "mine"}))
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

// One statement makes a task, and what could not be made of it alone takes the long way.
func TestTasksMadeAtOnce(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		counted := &testkit.StatementRecorder{Driver: driver}
		env := newTestEnv(t, counted, task.Limits{})
		ctx, v := env.newUser(t, "alice")
		parent := env.createTask(ctx, t, v, "parent")
		for name, tt := range map[string]struct {
			in   task.CreateInput
			once bool
		}{
			"plain":      {task.CreateInput{Title: "a"}, true},
			"with an id": {task.CreateInput{Title: "a", ID: ptr(uuid.NewString())}, true},
			"a parent":   {task.CreateInput{Title: "a", ParentID: ptr(parent.ID.String())}, false},
			"a key":      {task.CreateInput{Title: "a", IdempotencyKey: ptr("k")}, false},
		} {
			counted.Take()
			mustSucceed(t)(env.Create(ctx, v, tt.in))
			if n := len(counted.Take()); (n == 1) != (tt.once && driver.Dialect() == dialect.Postgres) {
				t.Errorf("%s: %d statements", name, n)
			}
		}
	})
}

// Many servers that make tasks in one workspace at once lose none, and give each change a version of its own.
func TestTasksMadeAtOnceByMany(t *testing.T) {
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
