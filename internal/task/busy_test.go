package task_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/workspace"
)

// While somebody holds one workspace's lock, its changes wait, for so long and no longer, and all other workspaces go on
// as if nothing were: those who wait don't hold the pool's connections.
func TestFaultsOneBusyWorkspace(t *testing.T) {
	t.Parallel()
	testkit.Suite(t, "faults")
	db := testkit.OpenDatabase(t, testkit.MigratedPostgresURL(t)) // SQLite has one lock for all.
	// Half of it is long for a change of another workspace, even on a busy machine.
	const patience = 2 * time.Second
	env := newTestEnvWith(t, db.Driver(), workspace.Config{LockWait: patience}, task.Limits{})
	client := env.client
	alice, a := env.newUser(t, "alice")
	bob, o := env.newUser(t, "bob")

	// hold locks alice's workspace until it is called.
	hold := func() func() {
		t.Helper()
		tx, err := client.Tx(alice)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(alice, "UPDATE workspaces SET version = version WHERE id = 'alice'"); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := tx.Rollback(); err != nil {
				t.Error(err)
			}
		}
	}
	const writers = 30
	fight := func(env *testEnv, done *sync.WaitGroup, check func(error)) {
		for i := range writers {
			done.Go(func() {
				_, err := env.Create(alice, a, task.CreateInput{Title: fmt.Sprint(i)})
				check(err)
			})
		}
	}

	var done sync.WaitGroup
	letGo := hold()
	begin := time.Now()
	fight(env, &done, func(err error) {
		if took := time.Since(begin); !errors.Is(err, workspace.ErrBusy) || took < patience || took > patience+5*time.Second {
			t.Errorf("after %s: %v", took, err)
		}
	})
	slowest, changes := time.Duration(0), 0
	for ; time.Since(begin) < patience-100*time.Millisecond; changes++ {
		one := time.Now()
		env.createTask(bob, t, o, "another's")
		if _, err := env.List(alice, a, task.ListInput{}); err != nil {
			t.Error(err)
		}
		slowest = max(slowest, time.Since(one))
	}
	done.Wait()
	letGo()
	t.Logf("%d writers waited %s; meanwhile another workspace made %d changes, the slowest in %s", writers, time.Since(begin), changes, slowest)
	if slowest > patience/2 || changes < 5 {
		t.Errorf("meanwhile another workspace made %d changes, the slowest in %s", changes, slowest)
	}
	if got := workspaceVersion(alice, t, env, a); got != 0 {
		t.Errorf("the workspace is at version %d although nothing went through", got)
	}

	// Who waits no longer than it has patience gets through.
	letGo = hold()
	fight(env.replica(t), &done, func(err error) { // It has more patience, for a busy machine.
		if err != nil {
			t.Error(err)
		}
	})
	time.Sleep(patience / 4)
	letGo()
	done.Wait()
	if got := workspaceVersion(alice, t, env, a); got != writers {
		t.Errorf("the workspace is at version %d after %d changes", got, writers)
	}

	// The moment of a change is that of its turn, not that at which it began to wait: a later version is never older.
	letGo = hold()
	late := env.replica(t)
	done.Go(func() {
		e := mustSucceed(t)(late.Create(alice, a, task.CreateInput{Title: "late"}))
		if !e.CreatedAt.Equal(env.clock.Now().Truncate(time.Microsecond)) {
			t.Errorf("it was made at %s, and its turn came at %s", e.CreatedAt, env.clock.Now())
		}
	})
	time.Sleep(patience / 4)
	env.clock.advance(time.Hour)
	letGo()
	done.Wait()

	// A request that is cancelled while it waits is no busy workspace.
	letGo = hold()
	defer letGo()
	ctx, cancel := context.WithTimeout(alice, patience/4)
	defer cancel()
	if _, err := env.Create(ctx, a, task.CreateInput{Title: "cancelled"}); err == nil || errors.Is(err, workspace.ErrBusy) {
		t.Errorf("got %v", err)
	}
}
