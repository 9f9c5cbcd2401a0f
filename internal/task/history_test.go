package task_test

import (
	"strings"
	"testing"
	"time"

	"taskql/ent"
	"taskql/ent/activity"
	"taskql/internal/history"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// Old descriptions beyond the budget are forgotten, the oldest first, and nothing else of the history is.
func TestHistoryBudget(t *testing.T) {
	t.Parallel()
	const size, limit = 1_000, 10_000
	eachDatabaseLimited(t, task.Limits{HistoryBytes: limit}, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		bob, other := env.newUser(t, "bob")
		theirs := mustSucceed(t)(env.Create(bob, other, task.CreateInput{Title: "task", Description: ptr("old")}))
		mustSucceed(t)(env.Update(bob, other, task.UpdateInput{ID: theirs.ID.String(), Description: set(ptr("new"))}))
		e := env.createTask(ctx, t, v, "task")
		const changes = 30
		for i := range changes {
			text := strings.Repeat(string(rune('a'+i%26)), size)
			mustSucceed(t)(env.Update(ctx, v, task.UpdateInput{ID: e.ID.String(), Description: set(&text)}))
			rows := env.client.Activity.Query().Where(workspace.Scope(v), activity.Describes(true)).Order(activity.ByVersion()).AllX(ctx)
			kept, bytes, forgotten := 0, 0, 0
			for _, row := range rows {
				switch {
				case row.OldDescription == nil && kept > 0:
					t.Fatalf("after %d changes, a description was forgotten and an older one was not", i+1)
				case row.OldDescription == nil:
					forgotten++
				case *row.OldDescription != "":
					kept, bytes = kept+1, bytes+len(*row.OldDescription)
				}
			}
			if bytes > limit {
				t.Fatalf("after %d changes %d bytes are kept, at most %d may be", i+1, bytes, limit)
			}
			if i == changes-1 && (len(rows) != changes || kept < 7 || forgotten == 0) {
				t.Errorf("of %d changes of %d, %d descriptions are kept and %d forgotten", len(rows), changes, kept, forgotten)
			}
			if w := env.client.Workspace.GetX(ctx, v.WorkspaceID); w.HistoryBytes != bytes {
				t.Fatalf("after %d changes the workspace counts %d bytes, and has %d", i+1, w.HistoryBytes, bytes)
			}
		}
		if got := env.activities(bob, t, other, 2); len(got) != 1 || got[0].Changes.Description.From == nil {
			t.Errorf("another workspace's description was forgotten: %+v", got)
		}
	})
}

// The clean-up removes what is older than the age, in batches, and nothing else.
func TestHistoryIsCleanedUp(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		s, err := history.New(history.Config{Workspaces: env.workspaces, Age: 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		old := env.createTask(ctx, t, v, "old")
		rows := make([]*ent.ActivityCreate, workspace.BatchSize+1)
		for i := range rows {
			rows[i] = env.client.Activity.Create().SetID(workspace.NewID(env.clock.Now())).SetWorkspaceID(v.WorkspaceID).SetVersion(old.Version + 1 + i).
				SetTaskID(old.ID).SetVia("SESSION").SetAction("CHANGED").SetAt(env.clock.Now())
		}
		env.client.Activity.CreateBulk(rows...).ExecX(ctx)
		env.clock.advance(time.Hour)
		kept := env.createTask(ctx, t, v, "kept")
		env.clock.advance(24*time.Hour - time.Minute)
		if err := s.Clean(viewer.AsSystem(t.Context())); err != nil {
			t.Fatal(err)
		}
		page, err := s.List(ctx, v, history.Filter{}, history.ListInput{})
		if err != nil || len(page.Edges) != 1 || page.Edges[0].Node.TaskID != kept.ID {
			t.Errorf("left are %+v, %v", page, err)
		}
	})
}
