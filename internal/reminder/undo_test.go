package reminder_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/internal/recurrence"
	"taskql/internal/reminder"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// TestUndo: reminders follow a change that is undone as they follow one that is made. What has passed meanwhile doesn't come back, and what
// has fired fires again only at a later time.
func TestUndo(t *testing.T) {
	t.Parallel()
	eachEnv(t, func(t *testing.T, e *env) {
		due := func(d time.Duration) *task.DueInput {
			return &task.DueInput{At: &task.MomentInput{At: e.Now().Add(d)}}
		}
		undo := func(version *int) {
			t.Helper()
			r, err := e.tasks.Undo(e.ctx, e.v, task.UndoInput{Version: *version})
			if err != nil || len(r.UserErrors) > 0 || len(r.Conflicts) > 0 {
				t.Fatal(err, r)
			}
		}
		minutes := 60
		remind := func() uuid.UUID { // In one hour, in two by the due, and in four.
			return e.remind(t, e.v, due(3*time.Hour), at(e.Now().Add(time.Hour)), &reminder.Input{MinutesBefore: &minutes}, at(e.Now().Add(4*time.Hour)))
		}
		move := func(id uuid.UUID, to *task.DueInput) *int {
			t.Helper()
			r, err := e.tasks.Update(e.ctx, e.v, task.UpdateInput{ID: id.String(), Patch: task.Patch{Due: workspace.Optional[*task.DueInput]{Set: true, Value: to}}})
			check(t, err)
			return r.Version()
		}

		completed, deleted := remind(), remind()
		done, err := e.tasks.Complete(e.ctx, e.v, workspace.TargetInput{ID: completed.String()})
		check(t, err)
		trashed, err := e.tasks.Delete(e.ctx, e.v, workspace.TargetInput{ID: deleted.String()})
		check(t, err)
		e.advance(90 * time.Minute)
		e.fire(t)
		for id, version := range map[uuid.UUID]*int{completed: done.Version(), deleted: trashed.Version()} {
			e.wantStates(t, id, reminder.Cancelled, reminder.Cancelled, reminder.Cancelled)
			undo(version)
			rows, err := e.Of(e.ctx, e.v, []uuid.UUID{id}, nil)
			check(t, err)
			states := map[string]string{} // A cancelled one has no time to sort by, unless it is set to one.
			for _, r := range rows[id] {
				name := "by the due"
				if r.RemindAt != nil {
					name = r.RemindAt.Sub(e.Now()).String()
				}
				states[name] = r.State
			}
			if states["-30m0s"] != reminder.Cancelled || states["by the due"] != reminder.Waiting || states["2h30m0s"] != reminder.Waiting {
				t.Errorf("they are %v", states)
			}
		}

		// The due is moved to later and back, in time.
		fires := func(id uuid.UUID) string {
			t.Helper()
			rows, err := e.Of(e.ctx, e.v, []uuid.UUID{id}, nil)
			check(t, err)
			r := rows[id][0]
			if r.FireAt == nil {
				return r.State
			}
			return r.FireAt.Sub(e.Now()).String()
		}
		want := func(id uuid.UUID, want string) {
			t.Helper()
			if got := fires(id); got != want {
				t.Errorf("it fires in %s, want %s", got, want)
			}
		}
		later := e.remind(t, e.v, due(3*time.Hour), &reminder.Input{MinutesBefore: &minutes})
		version := move(later, due(9*time.Hour))
		want(later, "8h0m0s")
		undo(version)
		want(later, "2h0m0s")

		// It is moved to earlier, and fires before that is undone.
		version = move(later, due(2*time.Hour))
		want(later, "1h0m0s")
		e.advance(61 * time.Minute)
		e.fire(t)
		want(later, reminder.Fired)
		undo(version)
		want(later, "59m0s")
		e.advance(time.Hour)
		e.fire(t)
		want(later, reminder.Fired)

		// It is removed.
		version = move(later, nil)
		undo(version)
		want(later, reminder.Fired)
	})
}

// TestReopen: a next occurrence whose reminder has fired, or has got another time, is taken back, since nobody has touched it. If its
// reminder was dismissed, snoozed or replaced, it stays.
func TestReopen(t *testing.T) {
	t.Parallel()
	touch := map[string]func(t *testing.T, e *env, next, id uuid.UUID){
		"untouched": func(*testing.T, *env, uuid.UUID, uuid.UUID) {},
		"dismissed": func(t *testing.T, e *env, _, id uuid.UUID) {
			t.Helper()
			_, err := e.Dismiss(e.ctx, e.v, reminder.DismissInput{ID: id.String()})
			check(t, err)
		},
		"snoozed": func(t *testing.T, e *env, _, id uuid.UUID) {
			t.Helper()
			_, err := e.Snooze(e.ctx, e.v, reminder.SnoozeInput{ID: id.String(), Until: e.Now().Add(time.Hour)})
			check(t, err)
		},
		"replaced": func(t *testing.T, e *env, next, _ uuid.UUID) {
			t.Helper()
			_, err := e.Set(e.ctx, e.v, reminder.SetInput{TaskID: next.String(), Reminders: []*reminder.Input{dayBefore(2, 8*60)}})
			check(t, err)
		},
	}
	for name, touch := range touch {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachEnv(t, func(t *testing.T, e *env) {
				r, err := e.tasks.Create(e.ctx, e.v, task.CreateInput{
					Title: "task", Due: dueOn("2026-11-23"), Recurrence: &recurrence.Input{Rule: "FREQ=DAILY", Mode: recurrence.Schedule, CatchUp: recurrence.NextFuture},
				})
				check(t, err)
				id := r.Task.ID
				_, err = e.Set(e.ctx, e.v, reminder.SetInput{TaskID: id.String(), Reminders: []*reminder.Input{dayBefore(0, 8*60)}})
				check(t, err)
				r, err = e.tasks.Complete(e.ctx, e.v, workspace.TargetInput{ID: id.String()})
				check(t, err)
				e.client.User.UpdateOneID(e.v.UserID).SetTimeZone("Asia/Tokyo").ExecX(viewer.AsSystem(e.ctx))
				e.rezone(t)
				e.advance(25 * time.Hour)
				e.fire(t)
				e.wantStates(t, r.Next.ID, reminder.Fired)
				rows, err := e.Of(e.ctx, e.v, []uuid.UUID{r.Next.ID}, nil)
				check(t, err)
				touch(t, e, r.Next.ID, rows[r.Next.ID][0].ID)
				r, err = e.tasks.Reopen(e.ctx, e.v, workspace.TargetInput{ID: id.String()})
				check(t, err)
				if removed := r.RemovedNextID != nil; removed != (name == "untouched") {
					t.Errorf("it was taken back: %t", removed)
				}
			})
		})
	}
}
