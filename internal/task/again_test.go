package task_test

import (
	"fmt"
	"sync"
	"testing"

	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
)

// Where PostgreSQL rolls one of two transactions back for the other, the change is made all the same, and once: also one
// that has looked up its tags already.
func TestRolledBackForAnother(t *testing.T) {
	t.Parallel()
	db := testkit.OpenDatabase(t, testkit.MigratedPostgresURL(t)+"&default_transaction_isolation=serializable")
	b := newBench(t, db.Driver(), task.Limits{})
	ctx, v := b.user(t, "ada")
	tag := b.tag(ctx, t, v, "tag")
	const clients, each = 2, 15
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			for n := range each {
				title := fmt.Sprintf("%d %d", c, n)
				r, err := b.Create(ctx, v, task.CreateInput{Title: title, TagIDs: []string{tag.ID.String()}, IdempotencyKey: &title})
				if err != nil || len(r.UserErrors) > 0 {
					t.Errorf("%s: %+v, %v", title, r, err)
				}
			}
		})
	}
	all.Wait()
	system := viewer.AsSystem(ctx)
	if n := b.client.Task.Query().CountX(system); n != clients*each {
		t.Errorf("%d tasks, want %d", n, clients*each)
	}
	if n := b.client.TaskTag.Query().CountX(system); n != clients*each {
		t.Errorf("%d tags of tasks, want %d", n, clients*each)
	}
	if v := b.client.Workspace.Query().OnlyX(system).Version; v != clients*each+1 {
		t.Errorf("version %d, want %d", v, clients*each+1)
	}
}
