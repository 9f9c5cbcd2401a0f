package task_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"entgo.io/ent/dialect"

	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

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
		if _, err := workspace.RecordMembers(bobContext, env.client, bob, time.Now(), viewer.Member{UserID: "bob", Name: "Bob"}); err != nil {
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
