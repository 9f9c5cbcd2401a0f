package task_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/uuid"

	entworkspace "taskql/ent/workspace"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// commits are the calls of Config.Committed. Each reads the workspace's version: a call before the commit would find an older one.
type commits struct {
	mu    sync.Mutex
	calls []string
	env   *testEnv
	t     *testing.T
}

func (c *commits) add(workspaceID string, version int) {
	w := c.env.client.Workspace.Query().Where(entworkspace.ID(workspaceID)).AllX(viewer.AsSystem(context.Background()))
	if len(w) > 0 && w[0].Version < version {
		c.t.Errorf("called with version %d of %s, which is at %d", version, workspaceID, w[0].Version)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, fmt.Sprint(workspaceID, " ", version))
}

// take returns the calls since the last time.
func (c *commits) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = nil
	return calls
}

// eachDatabaseWithCommits runs a test on both databases, with commits.
func eachDatabaseWithCommits(t *testing.T, test func(t *testing.T, env *testEnv, c *commits)) {
	t.Helper()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		c := &commits{t: t}
		c.env = newTestEnvWith(t, driver, workspace.Config{LockWait: time.Minute, Committed: c.add}, task.Limits{})
		test(t, c.env, c)
	})
}

// versionOf returns the version that a mutation answered.
func versionOf(t *testing.T, r any, err error) *int {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	answer, ok := r.(interface{ Version() *int })
	if !ok {
		t.Fatalf("%T has no version", r)
	}
	return answer.Version()
}

// Every mutation answers the version that it took, and calls Committed once with it. Repeated with its key it answers the same version,
// whatever has changed since, and takes none.
func TestVersionsAndCommits(t *testing.T) {
	t.Parallel()
	eachDatabaseWithCommits(t, func(t *testing.T, env *testEnv, c *commits) {
		ctx, v := env.newUser(t, "alice")
		mutations := keyedMutations(ctx, t, env, v)
		names := keyedNames(mutations)
		answered := map[string]int{}
		for _, name := range names {
			c.take()
			before := workspaceVersion(ctx, t, env, v)
			r, err := mutations[name](&name)
			version := versionOf(t, r, err)
			if calls := c.take(); version == nil || *version != before+1 || !slices.Equal(calls, []string{fmt.Sprint("alice ", before+1)}) {
				t.Fatalf("%s: answered %v at version %d, and Committed was called with %q", name, version, before, calls)
			}
			answered[name] = *version
		}
		for _, name := range names {
			r, err := mutations[name](&name)
			got := versionOf(t, r, err)
			// What an answer of a mutation of tasks held may have been purged by emptyTrash: then it is forgotten.
			if calls := c.take(); len(calls) > 0 || got != nil && *got != answered[name] {
				t.Errorf("%s repeated: answered %v, first %d; Committed was called with %q", name, got, answered[name], calls)
			}
		}
		// The previous release stores no version. The current one is never too early.
		now := workspaceVersion(ctx, t, env, v)
		if _, err := env.client.ExecContext(ctx, "UPDATE idempotency_keys SET version = NULL"); err != nil {
			t.Fatal(err)
		}
		r, err := mutations["createTag"](ptr("createTag"))
		if got := versionOf(t, r, err); got == nil || *got != now {
			t.Errorf("repeated without a stored version: answered %v at version %d", got, now)
		}
	})
}

// A change that changes nothing answers the current version, a refused one none, and neither calls Committed. The fast path of a new
// task does as the slow path.
func TestVersionsOfNoChange(t *testing.T) {
	t.Parallel()
	eachDatabaseWithCommits(t, func(t *testing.T, env *testEnv, c *commits) {
		ctx, v := env.newUser(t, "alice")
		want := func(what string, r any, err error, version *int, calls ...string) {
			t.Helper()
			if got := versionOf(t, r, err); (got == nil) != (version == nil) || got != nil && *got != *version {
				t.Errorf("%s: version %v, want %v", what, got, version)
			}
			if got := c.take(); !slices.Equal(got, calls) {
				t.Errorf("%s: Committed was called with %q, want %q", what, got, calls)
			}
		}
		id := uuid.NewString()
		r, err := env.Create(ctx, v, task.CreateInput{Title: "fast", ID: &id})
		want("a new task", r, err, ptr(1), "alice 1")
		r, err = env.Create(ctx, v, task.CreateInput{Title: "taken", ID: &id})
		want("a taken id", r, err, nil)
		r, err = env.Create(ctx, v, task.CreateInput{Title: " "})
		want("a blank title", r, err, nil)
		r, err = env.Reopen(ctx, v, workspace.TargetInput{ID: id})
		want("an open task reopened", r, err, ptr(1))
		r, err = env.Reopen(ctx, v, workspace.TargetInput{ID: id, IdempotencyKey: ptr("k")})
		want("with a key", r, err, ptr(1))
		r, err = env.Complete(ctx, v, workspace.TargetInput{ID: id, IfVersion: ptr(7)})
		want("a stale version", r, err, nil)
		many, err := env.CompleteMany(ctx, v, task.BulkInput{IDs: []string{uuid.NewString()}, ErrorPolicy: task.SkipFailed})
		want("none of many", many, err, ptr(1))
		many, err = env.CompleteMany(ctx, v, task.BulkInput{IDs: []string{uuid.NewString()}})
		want("none of many, all or nothing", many, err, nil)
		empty, err := env.EmptyTrash(ctx, v, task.EmptyTrashInput{})
		want("an empty trash", empty, err, ptr(1))
		r, err = env.Create(ctx, v, task.CreateInput{Title: "slow", IdempotencyKey: ptr("l")})
		want("a new task with a key", r, err, ptr(2), "alice 2")
	})
}

// If the tasks of a user move to another one, Committed is called for both workspaces.
func TestCommitsOfMoves(t *testing.T) {
	t.Parallel()
	eachDatabaseWithCommits(t, func(t *testing.T, env *testEnv, c *commits) {
		env.grow(t, "anna", 3)
		_, bob := env.grow(t, "bob", 1)
		before := workspaceVersion(viewer.AsSystem(t.Context()), t, env, bob)
		c.take()
		env.remove(t, task.Removal{UserID: "anna", MoveTo: "bob"})
		env.runRemovals(t)
		versions := map[string]int{}
		for _, call := range c.take() {
			var id string
			var version int
			if _, err := fmt.Sscan(call, &id, &version); err != nil || version <= versions[id] {
				t.Errorf("called with %q after version %d", call, versions[id])
			}
			versions[id] = version
		}
		if now := workspaceVersion(viewer.AsSystem(t.Context()), t, env, bob); versions["bob"] != now || now <= before || versions["anna"] == 0 {
			t.Errorf("called with %v; bob was at version %d, and is at %d", versions, before, now)
		}
	})
}
