package task_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
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
