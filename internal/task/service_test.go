package task_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/project"
	"taskql/internal/reminder"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// clock is a clock that tests set.
type clock struct{ now atomic.Pointer[time.Time] }

func newClock() *clock {
	c := &clock{}
	c.set(time.Date(2026, 11, 23, 7, 0, 0, 123456789, time.UTC))
	return c
}

func (c *clock) Now() time.Time          { return *c.now.Load() }
func (c *clock) set(t time.Time)         { c.now.Store(&t) }
func (c *clock) advance(d time.Duration) { c.set(c.Now().Add(d)) }

// testEnv is a database with a service on it.
type testEnv struct {
	*task.Service
	workspaces *workspace.Service
	reminders  *reminder.Service
	projects   *project.Service
	client     *ent.Client
	clock      *clock
}

// newTestEnv returns a service on the driver's database.
func newTestEnv(t *testing.T, driver dialect.Driver, limits task.Limits) *testEnv {
	t.Helper()
	return newTestEnvWith(t, driver, workspace.Config{LockWait: time.Minute}, limits)
}

// newTestEnvWith returns a service with this configuration on the driver's database.
func newTestEnvWith(t *testing.T, driver dialect.Driver, c workspace.Config, limits task.Limits) *testEnv {
	t.Helper()
	clock := newClock()
	c.Database = testkit.Database(driver)
	c.Now = clock.Now
	return newService(t, c, limits, clock)
}

func newService(t *testing.T, c workspace.Config, limits task.Limits, clock *clock) *testEnv {
	t.Helper()
	workspaces, err := workspace.New(c)
	if err != nil {
		t.Fatal(err)
	}
	reminders, err := reminder.New(reminder.Config{Workspaces: workspaces})
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := task.New(task.Config{Workspaces: workspaces, Reminders: reminders, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	projects, err := project.New(project.Config{Workspaces: workspaces})
	if err != nil {
		t.Fatal(err)
	}
	return &testEnv{Service: tasks, workspaces: workspaces, reminders: reminders, projects: projects, client: c.Client, clock: clock}
}

// runCleanup removes what is too old, until ctx ends.
func (env *testEnv) runCleanup(ctx context.Context) {
	env.workspaces.RunCleanup(ctx, workspace.Job{Name: "keys", Run: env.RefreshKeys})
}

// eachDatabase runs a test on both databases.
func eachDatabase(t *testing.T, test func(t *testing.T, env *testEnv)) {
	t.Helper()
	eachDatabaseLimited(t, task.Limits{}, test)
}

// eachDatabaseLimited runs a test on both databases with these limits.
func eachDatabaseLimited(t *testing.T, limits task.Limits, test func(t *testing.T, env *testEnv)) {
	t.Helper()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) { test(t, newTestEnv(t, driver, limits)) })
}

// replica returns another server on the same database. One server sends few changes of a workspace to the database at a time, so
// a test of contention needs several. With SQLite it returns env: only one server may use the file, and SQLite does not serve
// waiting connections in order, so that one of many could wait forever.
func (env *testEnv) replica(t *testing.T) *testEnv {
	t.Helper()
	if strings.Contains(t.Name(), "/sqlite") {
		return env
	}
	return newService(t, workspace.Config{Database: env.workspaces.Database, LockWait: time.Minute}, task.Limits{}, env.clock)
}

// Concurrent requests for versions get the version of their own workspace.
func TestVersionsOfMany(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		const users, times = 12, 30
		var group sync.WaitGroup
		for u := range users {
			ctx, v := env.newUser(t, fmt.Sprintf("user %d, {\"of\"} 'many'", u))
			for range u {
				env.createTask(ctx, t, v, "task")
			}
			want, err := env.Version(ctx, v)
			if err != nil || want != u {
				t.Fatalf("version %d after %d changes, %v", want, u, err)
			}
			for range 3 {
				group.Go(func() {
					for range times {
						if got, err := env.Version(ctx, v); err != nil || got != want {
							t.Errorf("version %d, %v, want %d", got, err, want)
						}
					}
				})
			}
		}
		group.Wait()
		stranger := viewer.Viewer{UserID: "nobody", WorkspaceID: "nobody", Role: viewer.RoleAdmin, Location: time.UTC}
		if _, err := env.Version(viewer.NewContext(t.Context(), stranger), stranger); !errors.Is(err, workspace.ErrNotFound) {
			t.Errorf("of none: %v", err)
		}
	})
}

// newUser creates a user and returns the context of that user's requests.
func (env *testEnv) newUser(t *testing.T, id string) (context.Context, viewer.Viewer) {
	t.Helper()
	v := testkit.MakeViewer(t, env.client, id)
	return viewer.NewContext(t.Context(), v), v
}

func (env *testEnv) createTask(ctx context.Context, t *testing.T, v viewer.Viewer, title string) *ent.Task {
	t.Helper()
	return mustSucceed(t)(env.Create(ctx, v, task.CreateInput{Title: title}))
}

// mustSucceed fails the test if a mutation was refused, and returns the task.
func mustSucceed(t *testing.T) func(*task.Result, error) *ent.Task {
	t.Helper()
	return func(r *task.Result, err error) *ent.Task {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if len(r.UserErrors) > 0 || r.Task == nil {
			t.Fatalf("refused: %+v", *r.UserErrors[0])
		}
		return r.Task
	}
}

// mustFail fails the test unless a mutation was refused with that code at that field, and returns the result.
func mustFail(t *testing.T, code workspace.Code, field string) func(*task.Result, error) *task.Result {
	t.Helper()
	return func(r *task.Result, err error) *task.Result {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if len(r.UserErrors) != 1 || r.UserErrors[0].Code != code || !slices.Equal(r.UserErrors[0].Field, []string{"input", field}) {
			t.Fatalf("got %+v, want one %s at %s", r.UserErrors, code, field)
		}
		return r
	}
}

func ptr[T any](v T) *T { return &v }

func workspaceVersion(ctx context.Context, t *testing.T, env *testEnv, v viewer.Viewer) int {
	t.Helper()
	w, err := env.client.Workspace.Get(ctx, v.WorkspaceID)
	if err != nil {
		t.Fatal(err)
	}
	return w.Version
}

// checkTask compares the fields of two tasks.
func checkTask(t *testing.T, got, want *ent.Task) {
	t.Helper()
	type plain struct {
		ID                              uuid.UUID
		Workspace, Title                string
		Version                         int
		Description                     *string
		Completed                       bool
		CompletedAt, DeletedAt          *time.Time
		CreatedAt, UpdatedAt            time.Time
		CreatedAtLocation, UpdatedAtLoc string
	}
	of := func(e *ent.Task) plain {
		return plain{
			e.ID, e.WorkspaceID, e.Title, e.Version, e.Description, e.Completed, e.CompletedAt, e.DeletedAt,
			e.CreatedAt, e.UpdatedAt, e.CreatedAt.Location().String(), e.UpdatedAt.Location().String(),
		}
	}
	if diff := cmp.Diff(of(want), of(got)); diff != "" {
		t.Errorf("tasks differ (-want +got):\n%s", diff)
	}
}

func TestTaskLifecycle(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		start := env.clock.Now().Truncate(time.Microsecond)

		made := mustSucceed(t)(env.Create(ctx, v, task.CreateInput{Title: "  Buy milk ", Description: ptr("oat")}))
		want := &ent.Task{
			ID: made.ID, WorkspaceID: "alice", Version: 1, Title: "Buy milk", Description: ptr("oat"),
			CreatedAt: start, UpdatedAt: start,
		}
		checkTask(t, made, want)
		if made.ID.Version() != 7 {
			t.Errorf("the id is of version %d, want 7", made.ID.Version())
		}
		read := func() {
			t.Helper()
			got, err := env.Get(ctx, v, made.ID.String())
			if err != nil {
				t.Fatal(err)
			}
			checkTask(t, got, want)
		}
		read()

		env.clock.advance(time.Hour)
		completed := mustSucceed(t)(env.Complete(ctx, v, workspace.TargetInput{ID: made.ID.String(), IfVersion: ptr(1)}))
		hour := start.Add(time.Hour)
		want.Version, want.Completed, want.CompletedAt, want.UpdatedAt = 2, true, &hour, hour
		checkTask(t, completed, want)
		read()

		env.clock.advance(time.Hour)
		checkTask(t, mustSucceed(t)(env.Complete(ctx, v, workspace.TargetInput{ID: made.ID.String()})), want)
		read()

		two := start.Add(2 * time.Hour)
		want.Version, want.Completed, want.CompletedAt, want.UpdatedAt = 3, false, nil, two
		checkTask(t, mustSucceed(t)(env.Reopen(ctx, v, workspace.TargetInput{ID: made.ID.String()})), want)
		checkTask(t, mustSucceed(t)(env.Reopen(ctx, v, workspace.TargetInput{ID: made.ID.String()})), want)
		read()

		env.clock.advance(time.Hour)
		three := start.Add(3 * time.Hour)
		want.Version, want.Title, want.Description, want.UpdatedAt = 4, "Buy oat milk", nil, three
		checkTask(t, mustSucceed(t)(env.Update(ctx, v, task.UpdateInput{
			ID:          made.ID.String(),
			Title:       workspace.Optional[*string]{Set: true, Value: ptr("Buy oat milk ")},
			Description: workspace.Optional[*string]{Set: true},
		})), want)
		read()

		env.clock.advance(time.Hour)
		four := start.Add(4 * time.Hour)
		want.Version, want.DeletedAt, want.UpdatedAt = 5, &four, four
		checkTask(t, mustSucceed(t)(env.Delete(ctx, v, workspace.TargetInput{ID: made.ID.String()})), want)
		checkTask(t, mustSucceed(t)(env.Delete(ctx, v, workspace.TargetInput{ID: made.ID.String()})), want)
		read()

		if got := workspaceVersion(ctx, t, env, v); got != 5 {
			t.Errorf("the workspace is at version %d, want 5: a mutation that changes nothing takes no version", got)
		}
	})
}

func TestOptionalFields(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		made := mustSucceed(t)(env.Create(ctx, v, task.CreateInput{Title: "Buy milk", Description: ptr("oat")}))
		set := func(s *string) workspace.Optional[*string] { return workspace.Optional[*string]{Set: true, Value: s} }
		id := made.ID.String()

		kept := mustSucceed(t)(env.Update(ctx, v, task.UpdateInput{ID: id}))
		checkTask(t, kept, made)
		equal := mustSucceed(t)(env.Update(ctx, v, task.UpdateInput{ID: id, Title: set(ptr("Buy milk")), Description: set(ptr("oat"))}))
		checkTask(t, equal, made)

		mustFail(t, workspace.CodeBlank, "title")(env.Update(ctx, v, task.UpdateInput{ID: id, Title: set(nil)}))
		mustFail(t, workspace.CodeBlank, "title")(env.Update(ctx, v, task.UpdateInput{ID: id, Title: set(ptr(" ")), Description: set(nil)}))
		unchanged, err := env.Get(ctx, v, id)
		if err != nil {
			t.Fatal(err)
		}
		checkTask(t, unchanged, made)

		retitled := mustSucceed(t)(env.Update(ctx, v, task.UpdateInput{ID: id, Title: set(ptr("Buy oats"))}))
		if retitled.Title != "Buy oats" || retitled.Description == nil || *retitled.Description != "oat" {
			t.Errorf("got %v", retitled)
		}
		cleared := mustSucceed(t)(env.Update(ctx, v, task.UpdateInput{ID: id, Description: set(ptr("  "))}))
		if cleared.Description != nil || cleared.Title != "Buy oats" {
			t.Errorf("got %v", cleared)
		}
	})
}

func TestAllViolationsAreReported(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		r, err := env.Create(ctx, v, task.CreateInput{ID: ptr("mine"), Title: " ", Description: ptr(strings.Repeat("a", 10_001))})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range r.UserErrors {
			got = append(got, fmt.Sprint(e.Code, e.Field))
		}
		want := []string{"BLANK[input title]", "TOO_LONG[input description]", "INVALID[input id]"}
		if diff := cmp.Diff(want, got); diff != "" || r.Task != nil {
			t.Errorf("got %v: %s", r.Task, diff)
		}
	})
}

func TestClientIDs(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		alice, a := env.newUser(t, "alice")
		bob, o := env.newUser(t, "bob")
		id := uuid.New()
		made := mustSucceed(t)(env.Create(alice, a, task.CreateInput{ID: ptr(strings.ToUpper(id.String())), Title: "mine"}))
		if made.ID != id {
			t.Errorf("got %s, want %s", made.ID, id)
		}
		own := mustFail(t, workspace.CodeTaken, "id")(env.Create(alice, a, task.CreateInput{ID: ptr(id.String()), Title: "again"}))
		foreign := mustFail(t, workspace.CodeTaken, "id")(env.Create(bob, o, task.CreateInput{ID: ptr(id.String()), Title: "his"}))
		if own.Task != nil || foreign.Task != nil {
			t.Errorf("a refusal shows a task: %v, %v", own.Task, foreign.Task)
		}
		if got := workspaceVersion(alice, t, env, a); got != 1 {
			t.Errorf("the workspace is at version %d, want 1", got)
		}
		for _, bad := range []string{"", "1", uuid.Nil.String(), uuid.Max.String(), "{" + id.String()[:34] + "}", id.String() + "0"} {
			mustFail(t, workspace.CodeInvalid, "id")(env.Create(alice, a, task.CreateInput{ID: &bad, Title: "bad"}))
		}
	})
}

// A query without a viewer in its context finds no rows, even if authorization and scoping were forgotten.
func TestPrivacyPolicy(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		made := env.createTask(ctx, t, v, "Buy milk")
		if got, err := env.client.Task.Query().All(t.Context()); err == nil {
			t.Errorf("a query without a viewer returned %v", got)
		}
		if err := env.client.Task.DeleteOne(made).Exec(t.Context()); err == nil {
			t.Error("a deletion without a viewer went through")
		}
		if r, err := env.Complete(t.Context(), v, workspace.TargetInput{ID: made.ID.String()}); err == nil {
			t.Errorf("a mutation without a viewer answered %+v", r)
		}
	})
}

func TestIfVersion(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		made := env.createTask(ctx, t, v, "Buy milk")
		other := env.createTask(ctx, t, v, "Walk the dog") // The workspace's version moves on, the task's does not.
		changed := mustSucceed(t)(env.Complete(ctx, v, workspace.TargetInput{ID: made.ID.String(), IfVersion: &made.Version}))
		if changed.Version != other.Version+1 {
			t.Errorf("got version %d, want %d", changed.Version, other.Version+1)
		}
		stale := mustFail(t, workspace.CodeStale, "ifVersion")(env.Reopen(ctx, v, workspace.TargetInput{ID: made.ID.String(), IfVersion: &made.Version}))
		checkTask(t, stale.Task, changed)
		// Also if nothing would change: the caller has an old version of the task.
		stale = mustFail(t, workspace.CodeStale, "ifVersion")(env.Complete(ctx, v, workspace.TargetInput{ID: made.ID.String(), IfVersion: &made.Version}))
		checkTask(t, stale.Task, changed)
	})
}

// concurrently runs n calls at the same time.
func concurrently(n int, call func(i int)) {
	var ready, done sync.WaitGroup
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			call(i)
		})
	}
	done.Wait()
}

func TestConcurrentUpdatesOfOneVersion(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		made := env.createTask(ctx, t, v, "Buy milk")
		results := make([]*task.Result, 50)
		concurrently(len(results), func(i int) {
			r, err := env.replica(t).Update(ctx, v, task.UpdateInput{
				ID: made.ID.String(), IfVersion: &made.Version,
				Title: workspace.Optional[*string]{Set: true, Value: ptr(fmt.Sprintf("Buy milk %d", i))},
			})
			if err != nil {
				t.Error(err)
			}
			results[i] = r
		})
		if t.Failed() {
			return
		}
		now, err := env.Get(ctx, v, made.ID.String())
		if err != nil {
			t.Fatal(err)
		}
		won := 0
		for _, r := range results {
			checkTask(t, r.Task, now)
			if len(r.UserErrors) == 0 {
				won++
			} else if r.UserErrors[0].Code != workspace.CodeStale {
				t.Errorf("got %s, want STALE", r.UserErrors[0].Code)
			}
		}
		if won != 1 || now.Version != made.Version+1 {
			t.Errorf("%d won, the version is %d", won, now.Version)
		}
	})
}

func TestConcurrentCreatesWithOneKey(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		results := make([]*task.Result, 50)
		concurrently(len(results), func(i int) {
			r, err := env.replica(t).Create(ctx, v, task.CreateInput{Title: "Buy milk", IdempotencyKey: ptr("k1")})
			if err != nil {
				t.Error(err)
			}
			results[i] = r
		})
		if t.Failed() {
			return
		}
		page, err := env.List(ctx, v, task.ListInput{})
		if err != nil || len(page.Edges) != 1 {
			t.Fatalf("got %d tasks, %v; want 1", len(page.Edges), err)
		}
		for _, r := range results {
			checkTask(t, mustSucceed(t)(r, nil), page.Edges[0].Node)
		}
		if got := workspaceVersion(ctx, t, env, v); got != 1 {
			t.Errorf("the workspace is at version %d, want 1", got)
		}
	})
}

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		bob, o := env.newUser(t, "bob")
		in := task.CreateInput{Title: "Buy milk", Description: ptr("oat"), IdempotencyKey: ptr("k1")}
		first := mustSucceed(t)(env.Create(ctx, v, in))

		// The first answer is repeated as it was, although the task has changed since.
		env.clock.advance(time.Minute)
		changed := mustSucceed(t)(env.Complete(ctx, v, workspace.TargetInput{ID: first.ID.String(), IdempotencyKey: ptr("k2")}))
		checkTask(t, mustSucceed(t)(env.Create(ctx, v, in)), first)
		checkTask(t, mustSucceed(t)(env.Complete(ctx, v, workspace.TargetInput{ID: first.ID.String(), IdempotencyKey: ptr("k2")})), changed)

		// Another input or another mutation under the same key is a mistake.
		other := in
		other.Title = "Buy oat milk"
		mustFail(t, workspace.CodeKeyReused, "idempotencyKey")(env.Create(ctx, v, other))
		mustFail(t, workspace.CodeKeyReused, "idempotencyKey")(env.Reopen(ctx, v, workspace.TargetInput{ID: first.ID.String(), IdempotencyKey: ptr("k2")}))
		mustFail(t, workspace.CodeKeyReused, "idempotencyKey")(env.Complete(ctx, v, workspace.TargetInput{ID: first.ID.String(), IfVersion: ptr(1), IdempotencyKey: ptr("k2")}))

		// Keys belong to the workspace.
		if his := mustSucceed(t)(env.Create(bob, o, in)); his.ID == first.ID {
			t.Error("two workspaces share a key")
		}

		// A mutation that changed nothing is remembered, too, and takes no version.
		before := workspaceVersion(ctx, t, env, v)
		noop := workspace.TargetInput{ID: first.ID.String(), IdempotencyKey: ptr("k3")}
		checkTask(t, mustSucceed(t)(env.Complete(ctx, v, noop)), changed)
		if got := workspaceVersion(ctx, t, env, v); got != before {
			t.Errorf("version %d became %d though nothing changed", before, got)
		}
		reopened := mustSucceed(t)(env.Reopen(ctx, v, workspace.TargetInput{ID: first.ID.String()}))
		if reopened.Version != before+1 {
			t.Errorf("got version %d, want %d", reopened.Version, before+1)
		}
		checkTask(t, mustSucceed(t)(env.Complete(ctx, v, noop)), changed)

		// A refusal is not remembered: a corrected input can have the same key.
		mended := task.CreateInput{ID: ptr(first.ID.String()), Title: "Walk the dog", IdempotencyKey: ptr("k4")}
		mustFail(t, workspace.CodeTaken, "id")(env.Create(ctx, v, mended))
		mended.ID = nil
		mustSucceed(t)(env.Create(ctx, v, mended))

		// After a day a key is free again.
		env.clock.advance(workspace.KeyLifetime)
		if again := mustSucceed(t)(env.Create(ctx, v, in)); again.ID == first.ID {
			t.Error("the key still stands for its first answer after its lifetime")
		}
	})
}

// Concurrent changes get versions without gaps, and no update is lost.
func TestVersionsAreGapless(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		shared := env.createTask(ctx, t, v, "shared")
		var mu sync.Mutex
		versions := []int{shared.Version}
		concurrently(8, func(i int) {
			env := env.replica(t)
			for n := range 10 {
				var r *task.Result
				var err error
				switch (i + n) % 4 {
				case 0:
					r, err = env.Create(ctx, v, task.CreateInput{Title: fmt.Sprintf("%d of %d", n, i)})
				case 1:
					r, err = env.Update(ctx, v, task.UpdateInput{ID: shared.ID.String(), Title: workspace.Optional[*string]{Set: true, Value: ptr(fmt.Sprintf("%d by %d", n, i))}})
				case 2:
					r, err = env.Create(ctx, v, task.CreateInput{ID: ptr(shared.ID.String()), Title: "refused"})
				default:
					r, err = env.Delete(ctx, v, workspace.TargetInput{ID: uuid.NewString()})
				}
				if err != nil {
					t.Error(err)
					return
				}
				if len(r.UserErrors) == 0 {
					mu.Lock()
					versions = append(versions, r.Task.Version)
					mu.Unlock()
				}
			}
		})
		slices.Sort(versions)
		for i, got := range versions {
			if got != i+1 {
				t.Fatalf("the versions have a gap or a twin: %v", versions)
			}
		}
		if got := workspaceVersion(ctx, t, env, v); got != len(versions) {
			t.Errorf("the workspace is at version %d after %d changes", got, len(versions))
		}
	})
}
