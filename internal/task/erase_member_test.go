package task_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"entgo.io/ent/dialect"

	"taskql/ent/member"
	enttask "taskql/ent/task"
	"taskql/internal/history"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// A user is erased, as far as that can be done, before each statement of a change by the user, or of one by which another member
// assigns a task to the user. Whichever comes first, nothing of the user is left.
func TestEraseMemberMeanwhile(t *testing.T) {
	t.Parallel()
	changes := map[string]func(t *testing.T, env *organizationEnv, user string) func(){
		"assigned by another": func(t *testing.T, env *organizationEnv, user string) func() {
			ctx, alice := env.in(t, "alice")
			e := env.createTask(ctx, t, alice, user)
			return func() { env.assign(ctx, t, alice, e, person(user)) } // The user has never used this server.
		},
		"creates a task": func(t *testing.T, env *organizationEnv, user string) func() {
			ctx, v := env.in(t, user)
			if _, err := env.workspaces.RecordMembers(ctx, v, viewer.Member{UserID: user, Name: user}); err != nil {
				t.Fatal(err)
			}
			return func() {
				_, err := env.Create(ctx, v, task.CreateInput{Title: "new", AssigneeID: person(user)})
				if err != nil && !errors.Is(err, workspace.ErrErased) {
					t.Error(err)
				}
			}
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) { eraseMeanwhile(t, driver, change) })
		})
	}
}

// eraseMeanwhile makes a change again and again, each time for another user, who is erased before the next one of its statements.
func eraseMeanwhile(t *testing.T, driver dialect.Driver, prepare func(t *testing.T, env *organizationEnv, user string) func()) {
	t.Helper()
	recorder := &testkit.StatementRecorder{Driver: driver}
	env := newOrganizationEnv(t, newTestEnv(t, recorder, task.Limits{}))
	// If the erasure waits for the change, it gives up.
	const wait = 100 * time.Millisecond
	eraser := newService(t, workspace.Config{Database: testkit.Database(driver), LockWait: wait}, task.Limits{}, env.clock)
	system := viewer.AsSystem(t.Context())
	for n := 1; ; n++ {
		user := fmt.Sprint("user ", n)
		env.organizations.Set("acme", user, viewer.RoleWrite)
		change := prepare(t, env, user)
		statement, erased, ran := "", false, 0
		recorder.Before = func(text string) {
			if ran++; ran != n {
				return
			}
			statement = text
			ctx, cancel := context.WithTimeout(system, wait)
			defer cancel()
			_, err := eraser.EraseUser(ctx, user, nil)
			erased = err == nil
		}
		change()
		recorder.Before = nil
		members := env.client.Member.Query().Where(member.UserID(user))
		tasks := env.client.Task.Query().Where(enttask.Or(enttask.AssigneeID(user), enttask.CreatedBy(user)))
		activities := env.client.Activity.Query().Where(history.OfUser(user))
		if ran < n { // The change has no more statements.
			if members.CountX(system) != 1 || tasks.CountX(system) != 1 || activities.CountX(system) == 0 || n < 5 {
				t.Errorf("%d statements have made no change that has the user, so this test finds nothing", n-1)
			}
			return
		}
		if !erased { // It waited.
			if _, err := eraser.RemoveUser(system, task.Removal{UserID: user}); err != nil {
				t.Fatal(err)
			}
			if _, err := task.FinishRemoval(env.Service, system, viewer.UserHash(user), nil); err != nil {
				t.Fatal(err)
			}
		}
		if left := []int{members.CountX(system), tasks.CountX(system), activities.CountX(system)}; !slices.Equal(left, []int{0, 0, 0}) {
			t.Errorf("erased (%t) before statement %d, there are %d members, tasks and activities of the user: %s", erased, n, left, statement)
		}
	}
}

// TestFaultsEraseMember logs how long it takes to erase a user from an organization's workspace in which others have made many tasks
// and as many changes, how long a batch locks the workspace, and how long another member waits to create a task meanwhile.
func TestFaultsEraseMember(t *testing.T) {
	testkit.Suite(t, "faults")
	eachOrganization(t, func(t *testing.T, env *organizationEnv) {
		if env.workspaces.Dialect != dialect.Postgres {
			t.Skip("the statements are PostgreSQL's")
		}
		many := 50_000
		if testkit.IsLong() {
			many = 200_000
		}
		ctx, alice := env.in(t, "alice")
		env.newUser(t, "bob")
		bobContext, bob := env.in(t, "bob")
		env.createTask(bobContext, t, bob, "his")
		if _, err := env.workspaces.RecordMembers(bobContext, bob, viewer.Member{UserID: "bob", Name: "Bob"}); err != nil {
			t.Fatal(err)
		}
		system := viewer.AsSystem(t.Context())
		for _, fill := range []string{
			`INSERT INTO tasks (id, workspace_id, version, title, title_key, position, created_at, updated_at, created_by, assignee_id)
				SELECT gen_random_uuid(), $1, 1, 'task ' || g, convert_to('task ' || g, 'UTF8'), convert_to('k' || lpad(to_hex(g), 11, '0'), 'UTF8'), now(), now(),
				CASE WHEN g % 100 = 0 THEN 'bob' ELSE 'user ' || g % 50 END, CASE WHEN g % 5 = 0 THEN 'user ' || g % 50 WHEN g % 101 = 0 THEN 'bob' END FROM generate_series($2::int, $3::int) g`,
			`INSERT INTO activities (id, workspace_id, version, task_id, actor_id, via, action, changes, at)
				SELECT gen_random_uuid(), $1, g, gen_random_uuid(), CASE WHEN g % 100 = 0 THEN 'bob' ELSE 'user ' || g % 50 END, 'SESSION', 'UPDATED',
				'{"title":["Buy ' || md5(g::text) || '","Sell ' || md5(g::text) || '"],"assignee":["user ' || g % 50 || '",null]}', now() FROM generate_series($2::int + 10, $3::int + 10) g`,
		} {
			for from := 1; from < many; from += 10_000 {
				if _, err := env.client.ExecContext(system, fill, alice.WorkspaceID, from, from+9_999); err != nil {
					t.Fatal(err)
				}
			}
		}
		env.client.Workspace.UpdateOneID(alice.WorkspaceID).SetVersion(many + 10).ExecX(system)
		if _, err := env.client.ExecContext(system, "ANALYZE"); err != nil {
			t.Fatal(err)
		}
		var waits, batches []time.Duration
		ctx, cancel := context.WithCancel(ctx)
		var other sync.WaitGroup
		other.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				if r, err := env.Create(ctx, alice, task.CreateInput{Title: "meanwhile"}); ctx.Err() == nil && (err != nil || len(r.UserErrors) > 0) {
					t.Error(r, err)
				}
				waits = append(waits, time.Since(began))
				time.Sleep(10 * time.Millisecond)
			}
		})
		env.remove(t, task.Removal{UserID: "bob"})
		began := time.Now()
		last := began
		_, err := task.FinishRemoval(env.Service, system, viewer.UserHash("bob"), func(task.Erased) {
			batches, last = append(batches, time.Since(last)), time.Now()
		})
		took := time.Since(began)
		cancel()
		other.Wait()
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(batches)
		slices.Sort(waits)
		t.Logf("%d batches took %v, the median %v, the longest %v; %d tasks were created, the median %v, the longest %v", len(batches), took.Round(time.Millisecond),
			batches[len(batches)/2].Round(time.Millisecond), batches[len(batches)-1].Round(time.Millisecond), len(waits), waits[len(waits)/2].Round(time.Millisecond), waits[len(waits)-1].Round(time.Millisecond))
	})
}
