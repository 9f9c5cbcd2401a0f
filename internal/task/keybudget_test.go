package task_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"entgo.io/ent/dialect"

	"taskql/ent"
	"taskql/ent/idempotencykey"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// storedKeys returns the workspace's keys, oldest first, and how many bytes they and their answers have. It checks that
// the workspace's numbers are the same.
func storedKeys(ctx context.Context, t *testing.T, env *testEnv, workspace string) ([]string, int) {
	t.Helper()
	var keys []string
	bytes := 0
	for _, k := range env.client.IdempotencyKey.Query().Where(idempotencykey.WorkspaceID(workspace)).Order(ent.Asc("id")).AllX(ctx) {
		keys = append(keys, k.Key)
		bytes += len(k.Key) + len(k.Answer)
	}
	if w := env.client.Workspace.GetX(ctx, workspace); w.IdempotencyKeyCount != len(keys) || w.IdempotencyKeyBytes != bytes {
		t.Errorf("%d keys and %d bytes are counted, and there are %d and %d", w.IdempotencyKeyCount, w.IdempotencyKeyBytes, len(keys), bytes)
	}
	return keys, bytes
}

// eachDatabaseWithKeys runs a test on both databases with a budget of idempotency keys.
func eachDatabaseWithKeys(t *testing.T, c workspace.Config, test func(t *testing.T, env *testEnv)) {
	t.Helper()
	c.LockWait = time.Minute
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) { test(t, newTestEnvWith(t, driver, c, task.Limits{})) })
}

// TestIdempotencyKeyBudget makes random changes with keys. At any time the newest keys are remembered, as many as the budget lets; each
// repeats its answer, and one that was forgotten is as good as new.
func TestIdempotencyKeyBudget(t *testing.T) {
	t.Parallel()
	const most, mostBytes = 30, 40_000
	eachDatabaseWithKeys(t, workspace.Config{Keys: most, KeyBytes: mostBytes}, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		other, bob := env.newUser(t, "bob")
		env.remembers(other, t, bob, "bob's", 10)
		random := rand.New(rand.NewPCG(1, 2))
		var sent []string
		first := map[string]*ent.Task{}
		trimmedForBytes := false
		for i := range 300 {
			env.clock.advance(time.Second)
			key := fmt.Sprint("key ", i)
			size := random.IntN(60)
			switch {
			case i > 200 && i%20 == 0:
				size = 9_000
			case i == 250:
				size = 10_000 // With its escapes it is more than the budget.
			}
			sent = append(sent, key)
			first[key] = env.remembers(ctx, t, v, key, size)
			keys, bytes := storedKeys(ctx, t, env, "alice")
			if len(keys) > most || bytes > mostBytes && len(keys) > 1 {
				t.Fatalf("after %d changes: %d keys of %d bytes", i+1, len(keys), bytes)
			}
			if !slices.Equal(keys, sent[len(sent)-len(keys):]) {
				t.Fatalf("after %d changes: %v are remembered, which are not the newest", i+1, keys)
			}
			trimmedForBytes = trimmedForBytes || i > most && len(keys) < most*9/10-1
			// A key that is remembered repeats its answer; that takes nothing from the budget.
			again := keys[random.IntN(len(keys))]
			checkTask(t, env.remembers(ctx, t, v, again, len(deref(first[again].Description))), first[again])
		}
		if !trimmedForBytes {
			t.Error("no key was removed for the bytes")
		}
		keys, _ := storedKeys(ctx, t, env, "alice")
		if forgotten := sent[0]; slices.Contains(keys, forgotten) || env.remembers(ctx, t, v, forgotten, 1).ID == first[forgotten].ID {
			t.Error("a key beyond the budget is remembered")
		}
		if keys, _ := storedKeys(ctx, t, env, "bob"); len(keys) != 1 {
			t.Errorf("another workspace has %d keys, want 1", len(keys))
		}
	})
}

// TestIdempotencyKeyBudgetIfTheClockGoesBack: a change never removes its own key, although it looks like the oldest.
func TestIdempotencyKeyBudgetIfTheClockGoesBack(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]workspace.Config{"rows": {Keys: 5}, "bytes": {KeyBytes: 3_000}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDatabaseWithKeys(t, limits, func(t *testing.T, env *testEnv) {
				ctx, v := env.newUser(t, "alice")
				for i := range 20 {
					env.clock.advance(-time.Minute)
					key := fmt.Sprint(i)
					one := env.remembers(ctx, t, v, key, 1)
					checkTask(t, env.remembers(ctx, t, v, key, 1), one)
				}
				if keys, bytes := storedKeys(ctx, t, env, "alice"); len(keys) > 5 && bytes > 3_000 {
					t.Errorf("%d keys of %d bytes are remembered", len(keys), bytes)
				}
			})
		})
	}
}

// remembers creates a task with a key and a description of that length.
func (env *testEnv) remembers(ctx context.Context, t *testing.T, v viewer.Viewer, key string, length int) *ent.Task {
	t.Helper()
	return mustSucceed(t)(env.Create(ctx, v, task.CreateInput{Title: "t", Description: ptr(strings.Repeat("<", length)), IdempotencyKey: &key}))
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// TestIdempotencyKeyBudgetOfReplicas: many change one workspace at once through several servers, and others remove old keys. Nothing is
// lost, counted twice or beyond the budget.
func TestIdempotencyKeyBudgetOfReplicas(t *testing.T) {
	t.Parallel()
	const most, writers, each = 20, 6, 15
	eachDatabaseWithKeys(t, workspace.Config{Keys: most}, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		for i := range 10 { // They are old when the others come.
			env.remembers(ctx, t, v, fmt.Sprint("old ", i), 1)
		}
		env.clock.advance(workspace.KeyLifetime + 2*time.Hour)
		background, stop := context.WithCancel(t.Context())
		var cleanup, all sync.WaitGroup
		cleanup.Go(func() { env.runCleanup(background) })
		for w := range writers {
			s := env.withKeys(t, most)
			all.Go(func() {
				for i := range each {
					key := fmt.Sprintf("key %d %d", w, i)
					r, err := s.Create(ctx, v, task.CreateInput{Title: key, IdempotencyKey: &key})
					if err != nil || len(r.UserErrors) > 0 {
						t.Error(err, r)
						return
					}
					again, err := s.Create(ctx, v, task.CreateInput{Title: key, IdempotencyKey: &key})
					if err != nil || len(again.UserErrors) > 0 {
						t.Error(err, again)
					}
				}
			})
		}
		all.Wait()
		stop()
		cleanup.Wait()
		if keys, _ := storedKeys(ctx, t, env, "alice"); len(keys) > most || len(keys) < most/2 {
			t.Errorf("%d keys are remembered: %v", len(keys), keys)
		}
	})
}

// withKeys is a replica that remembers so many keys.
func (env *testEnv) withKeys(t *testing.T, keys int) *testEnv {
	t.Helper()
	if strings.Contains(t.Name(), "/sqlite") {
		return env // As in replica.
	}
	return newService(t, workspace.Config{Database: env.workspaces.Database, LockWait: time.Minute, Keys: keys}, task.Limits{}, env.clock)
}

// TestUncountedIdempotencyKeys: the release before counts none of its keys. A change that finds too many removes them, in bounded steps, and
// clean-up counts again.
func TestUncountedIdempotencyKeys(t *testing.T) {
	t.Parallel()
	const most = 50
	eachDatabaseWithKeys(t, workspace.Config{Keys: most}, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		uncounted := func(from, to int) {
			for i := from; i < to; i++ {
				env.remembers(ctx, t, v, fmt.Sprint("uncounted ", i), 1)
				env.clock.advance(time.Second)
				env.client.Workspace.UpdateOneID("alice").SetIdempotencyKeyCount(0).SetIdempotencyKeyBytes(0).ExecX(ctx)
			}
		}
		uncounted(0, 2*most)
		for i := range most + 1 {
			env.remembers(ctx, t, v, fmt.Sprint("counted ", i), 1)
			env.clock.advance(time.Second)
		}
		if keys, _ := storedKeys(ctx, t, env, "alice"); len(keys) > most || keys[0] == "uncounted 0" {
			t.Errorf("%d keys are remembered, the first is %s", len(keys), keys[0])
		}

		env.clock.advance(workspace.KeyLifetime - time.Minute)
		uncounted(0, 3)
		env.clock.advance(2 * time.Hour) // All but the last three are too old.
		background, stop := context.WithCancel(t.Context())
		var cleanup sync.WaitGroup
		cleanup.Go(func() { env.runCleanup(background) })
		for deadline := time.Now().Add(2 * time.Minute); env.client.Workspace.GetX(ctx, "alice").IdempotencyKeyCount != 3 && time.Now().Before(deadline); {
			time.Sleep(5 * time.Millisecond)
		}
		stop()
		cleanup.Wait()
		if keys, _ := storedKeys(ctx, t, env, "alice"); len(keys) != 3 {
			t.Errorf("%d keys are remembered, want 3", len(keys))
		}
	})
}
