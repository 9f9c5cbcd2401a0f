package task_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/go-cmp/cmp"

	"taskql/ent"
	"taskql/ent/activity"
	"taskql/internal/history"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// activities returns the activities of a version, oldest task first.
func (env *testEnv) activities(ctx context.Context, t *testing.T, v viewer.Viewer, version int) []*history.Activity {
	t.Helper()
	rows := env.client.Activity.Query().Where(workspace.Scope(v), activity.Version(version)).AllX(ctx)
	found := make([]*history.Activity, len(rows))
	for i, row := range rows {
		a, err := history.FromRow(row)
		if err != nil {
			t.Fatal(err)
		}
		found[i] = a
	}
	return found
}

// TestActivities shows what each change records.
func TestActivities(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		tag := env.createTag(ctx, t, v, "home")
		a, b, c := env.createTask(ctx, t, v, "a"), env.createTask(ctx, t, v, "b"), env.createTask(ctx, t, v, "c")
		sub := env.createSubtask(ctx, t, v, a, "sub")
		names := strings.NewReplacer(a.ID.String(), "a", b.ID.String(), "b", c.ID.String(), "c", sub.ID.String(), "sub", tag.ID.String(), "home")
		bulk := task.BulkInput{IDs: []string{b.ID.String(), c.ID.String()}}
		one := func(r *task.Result, err error) int { return mustSucceed(t)(r, err).Version }
		many := func(r *task.BulkResult, err error) int {
			if err != nil || r.ChangedCount == 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			return *r.Version()
		}
		day := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
		for _, step := range []struct {
			name   string
			change func() int
			want   []string
		}{
			{"create", func() int { return c.Version }, []string{"CREATED c null"}},
			{"create below", func() int { return sub.Version }, []string{"CREATED sub null"}},
			{"update", func() int {
				return one(env.Update(ctx, v, task.UpdateInput{
					ID: a.ID.String(), Title: set(ptr("A")), Description: set(ptr("new")),
					Patch: task.Patch{Priority: set(ptr(2)), AddTagIDs: set([]string{tag.ID.String()})},
				}))
			}, []string{`CHANGED a {"title":["a","A"],"priority":[0,2],"tags":{"added":[{"id":"home","name":"home"}]}} from ""`}},
			{"due", func() int {
				return many(env.UpdateMany(ctx, v, task.UpdateManyInput{
					BulkInput: bulk, Patch: task.Patch{Due: set(&task.DueInput{Date: &day})},
				}))
			}, []string{`CHANGED b {"due":[null,{"date":"2026-12-01T00:00:00Z"}]}`, `CHANGED c {"due":[null,{"date":"2026-12-01T00:00:00Z"}]}`}},
			{"description", func() int {
				return one(env.Update(ctx, v, task.UpdateInput{ID: a.ID.String(), Description: set(ptr("newer"))}))
			}, []string{`CHANGED a null from "new"`}},
			{"complete", func() int { return one(env.Complete(ctx, v, targetOf(a))) }, []string{"COMPLETED a null"}},
			{"reopen", func() int { return one(env.Reopen(ctx, v, targetOf(a))) }, []string{`REOPENED a {"completed":["2026-11-23T07:06:00.123456Z",null]}`}},
			{"complete many", func() int { return many(env.CompleteMany(ctx, v, bulk)) }, []string{"COMPLETED b null", "COMPLETED c null"}},
			{"move", func() int {
				return one(env.Move(ctx, v, task.MoveInput{ID: b.ID.String(), AfterID: ptr(c.ID.String())}))
			}, []string{`MOVED b {"place":{"position":[],"after":"a","before":"c"}}`}},
			{"move below", func() int {
				return one(env.Move(ctx, v, task.MoveInput{ID: b.ID.String(), ParentID: set(ptr(a.ID.String()))}))
			}, []string{`MOVED b {"parent":[null,"a"],"place":{"position":[],"after":"c"}}`}},
			{"delete", func() int { return one(env.Delete(ctx, v, targetOf(a))) }, []string{"DELETED a null"}},
			{"restore a part", func() int { return one(env.Restore(ctx, v, targetOf(sub))) }, []string{
				`RESTORED sub {"parent":["a",null],"trash":[{"at":"2026-11-23T07:11:00.123456Z","with":"a"},null],"place":{"position":[]}}`,
			}},
			{"delete with its subtasks", func() int {
				return many(env.DeleteMany(ctx, v, task.BulkInput{IDs: []string{c.ID.String(), sub.ID.String()}}))
			}, []string{"DELETED c null", "DELETED sub null"}},
			{"restore", func() int {
				return many(env.RestoreMany(ctx, v, task.BulkInput{IDs: []string{b.ID.String(), a.ID.String()}}))
			}, []string{`RESTORED a {"trash":[{"at":"2026-11-23T07:11:00.123456Z","with":"a"},null],"named":["b"]}`}},
			{"delete tag", func() int {
				r, err := env.DeleteTag(ctx, v, workspace.TargetInput{ID: tag.ID.String()})
				if err != nil {
					t.Fatal(err)
				}
				return *r.Version()
			}, []string{`CHANGED a {"tags":{"removed":[{"id":"home","name":"home"}]},"final":true}`}},
			{"delete with what is below", func() int {
				return many(env.DeleteMany(ctx, v, task.BulkInput{IDs: []string{b.ID.String(), a.ID.String()}}))
			}, []string{`DELETED a {"named":["b"]}`}},
		} {
			env.clock.advance(time.Minute)
			version := step.change()
			var got []string
			for _, a := range env.activities(ctx, t, v, version) {
				if a.Via != history.Session || a.ActorID == nil || *a.ActorID != "alice" {
					t.Errorf("%s: by %v, %s", step.name, a.ActorID, a.Via)
				}
				got = append(got, names.Replace(describe(t, env.client.Activity.GetX(ctx, a.ID))))
			}
			slices.Sort(got)
			if diff := cmp.Diff(step.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", step.name, diff)
			}
		}
		purged, err := env.Purge(ctx, v, targetOf(a))
		if err != nil || purged.PurgedTaskID == nil {
			t.Fatalf("%+v, %v", purged, err)
		}
		if n := env.client.Activity.Query().Where(activity.TaskIDIn(a.ID, b.ID)).CountX(ctx); n != 0 {
			t.Errorf("%d activities of tasks that are gone for good", n)
		}
	})
}

// describe writes what is stored of an activity, without positions.
func describe(t *testing.T, row *ent.Activity) string {
	t.Helper()
	changes := "null"
	if row.Changes != nil {
		var c struct {
			history.Changes
			Place *struct {
				Position []string `json:"position"`
				After    *string  `json:"after,omitempty"`
				Before   *string  `json:"before,omitempty"`
			} `json:"place,omitempty"`
		}
		if err := json.Unmarshal([]byte(*row.Changes), &c); err != nil {
			t.Fatal(err)
		}
		if c.Place != nil {
			if len(c.Place.Position) != 2 || c.Place.Position[0] == c.Place.Position[1] {
				t.Errorf("positions %q", c.Place.Position)
			}
			c.Place.Position = []string{}
		}
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		changes = string(text)
	}
	s := fmt.Sprintf("%s %s %s", row.Action, row.TaskID, changes)
	if row.Describes {
		s += fmt.Sprintf(" from %q", *row.OldDescription)
	}
	return s
}

// An activity takes no statement of its own on PostgreSQL.
func TestActivitiesTakeNoStatement(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		statements := &testkit.StatementRecorder{Driver: driver}
		env := newTestEnv(t, statements, task.Limits{})
		ctx, v := env.newUser(t, "alice")
		a, b := env.createTask(ctx, t, v, "a"), env.createTask(ctx, t, v, "b")
		for _, step := range []struct {
			name   string
			change func() (*task.Result, error)
			// postgres and sqlite are the statements that it takes.
			postgres, sqlite int
		}{
			{"completeTask", func() (*task.Result, error) { return env.Complete(ctx, v, targetOf(a)) }, 3, 4},
			{"reopenTask", func() (*task.Result, error) { return env.Reopen(ctx, v, targetOf(a)) }, 3, 4},
			{"updateTask", func() (*task.Result, error) {
				return env.Update(ctx, v, task.UpdateInput{ID: a.ID.String(), Title: set(ptr("A")), Description: set(ptr("new"))})
			}, 3, 4},
			{"moveTask", func() (*task.Result, error) {
				return env.Move(ctx, v, task.MoveInput{ID: a.ID.String(), AfterID: ptr(b.ID.String())})
			}, 5, 6},
			{"moveTask to the end", func() (*task.Result, error) { return env.Move(ctx, v, task.MoveInput{ID: b.ID.String()}) }, 3, 4},
			{"deleteTask", func() (*task.Result, error) { return env.Delete(ctx, v, targetOf(a)) }, 4, 4},
			{"restoreTask", func() (*task.Result, error) { return env.Restore(ctx, v, targetOf(a)) }, 4, 4},
		} {
			statements.Take()
			e := mustSucceed(t)(step.change())
			want := step.postgres
			if driver.Dialect() == dialect.SQLite {
				want = step.sqlite
			}
			if got := statements.Take(); len(got) != want {
				t.Errorf("%s: %d statements, want %d:\n%s", step.name, len(got), want, strings.Join(got, "\n"))
			}
			if n := len(env.activities(ctx, t, v, e.Version)); n != 1 {
				t.Errorf("%s: %d activities", step.name, n)
			}
		}
	})
}
