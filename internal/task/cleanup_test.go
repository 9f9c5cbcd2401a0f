package task_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	enttombstone "taskql/ent/tombstone"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// Old keys go, in batches and with several replicas at once; those that still count stay.
func TestCleanup(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		old := mustSucceed(t)(env.Create(ctx, v, task.CreateInput{Title: "old", IdempotencyKey: ptr("old")}))
		first := env.client.IdempotencyKey.Query().OnlyX(ctx)
		var rows []*ent.IdempotencyKeyCreate
		for n := range 1_200 {
			id := first.ID
			random := uuid.New()
			copy(id[9:], random[9:])
			rows = append(rows, env.client.IdempotencyKey.Create().SetID(id).SetWorkspaceID("alice").SetKey(fmt.Sprint(n)).
				SetRequestHash([]byte{}).SetAnswer("{}").SetCreatedAt(first.CreatedAt))
		}
		env.client.IdempotencyKey.CreateBulk(rows...).ExecX(ctx)
		env.clock.advance(workspace.KeyLifetime - time.Minute)
		mustSucceed(t)(env.Complete(ctx, v, workspace.TargetInput{ID: old.ID.String(), IdempotencyKey: ptr("new")}))

		cleanup := func() {
			t.Helper()
			background, cancel := context.WithCancel(t.Context())
			defer cancel()
			var replicas sync.WaitGroup
			for range 3 {
				replicas.Go(func() { env.runCleanup(background) })
			}
			deadline := time.Now().Add(2 * time.Minute)
			for env.client.IdempotencyKey.Query().CountX(viewer.AsSystem(ctx)) > 1 && time.Now().Before(deadline) {
				time.Sleep(5 * time.Millisecond)
			}
			cancel()
			replicas.Wait()
		}
		env.clock.advance(2 * time.Hour) // The old ones are 25 hours old and a minute less.
		env.clock.advance(time.Minute)
		cleanup()
		left := env.client.IdempotencyKey.Query().AllX(ctx)
		if len(left) != 1 || left[0].Key != "new" {
			t.Errorf("%d keys are left", len(left))
		}
	})
}

// Old tombstones go, in batches and with several replicas at once, and raise the floor of their workspaces to the last version that has
// lost its tombstones. Younger ones stay, and so do those of a workspace that is being erased.
func TestCleanupOfTombstones(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		system := viewer.AsSystem(t.Context())
		purge := func(v viewer.Viewer) int {
			t.Helper()
			ctx := viewer.NewContext(t.Context(), v)
			mustSucceed(t)(env.Delete(ctx, v, targetOf(env.createTask(ctx, t, v, "purged"))))
			r, err := env.EmptyTrash(ctx, v, task.EmptyTrashInput{})
			if err != nil || r.PurgedCount != 1 {
				t.Fatalf("%+v, %v", r, err)
			}
			return *r.Version()
		}
		_, alice := env.newUser(t, "alice")
		_, bob := env.newUser(t, "bob")
		_, closed := env.newUser(t, "closed")
		purge(alice)
		old := map[string]int{"alice": purge(alice), "bob": purge(bob), "closed": purge(closed)}
		first := env.client.Tombstone.Query().Order(enttombstone.ByID()).FirstX(system)
		var rows []*ent.TombstoneCreate
		for range 1_200 {
			id, random := first.ID, uuid.New()
			copy(id[9:], random[9:])
			rows = append(rows, env.client.Tombstone.Create().SetID(id).SetWorkspaceID("alice").SetVersion(1).SetKind("TASK").SetObjectID(uuid.New()))
		}
		env.client.Tombstone.CreateBulk(rows...).ExecX(system)
		env.clock.advance(89 * 24 * time.Hour)
		young := purge(alice)
		env.client.Workspace.UpdateOneID("closed").SetClosedAt(env.clock.Now()).ExecX(system)

		cleanup := func(want int) {
			t.Helper()
			background, cancel := context.WithCancel(t.Context())
			defer cancel()
			var replicas sync.WaitGroup
			for range 3 {
				replicas.Go(func() { env.runCleanup(background) })
			}
			deadline := time.Now().Add(2 * time.Minute)
			for env.client.Tombstone.Query().CountX(system) > want && time.Now().Before(deadline) {
				time.Sleep(5 * time.Millisecond)
			}
			cancel()
			replicas.Wait()
			if n := env.client.Tombstone.Query().CountX(system); n != want {
				t.Errorf("%d tombstones are left, want %d", n, want)
			}
		}
		env.clock.advance(2 * 24 * time.Hour)
		cleanup(2) // The young one, and the closed workspace's.
		for _, v := range []viewer.Viewer{alice, bob} {
			state, err := env.workspaces.ReadFeedState(system, v, workspace.FeedQuestion{})
			if err != nil {
				t.Fatal(err)
			}
			if state.Floor != old[v.WorkspaceID] {
				t.Errorf("the floor of %s is %d; want %d", v.WorkspaceID, state.Floor, old[v.WorkspaceID])
			}
		}
		if !env.client.Tombstone.Query().Where(enttombstone.Version(young), enttombstone.WorkspaceID("alice")).ExistX(system) {
			t.Error("the young tombstone is gone")
		}
	})
}
