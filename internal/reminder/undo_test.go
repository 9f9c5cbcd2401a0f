package reminder_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/internal/reminder"
	"taskql/internal/task"
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
