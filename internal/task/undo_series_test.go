package task_test

import (
	"testing"
	"time"

	enttask "taskql/ent/task"
	"taskql/internal/recurrence"
	"taskql/internal/task"
)

func TestUndoOfSeries(t *testing.T) {
	t.Parallel()
	eachUndoEnv(t, task.Limits{}, func(t *testing.T, u *undoEnv) {
		e := u.createRepeating(u.ctx, t, u.v, "e", on(2026, 11, 23), rule("FREQ=DAILY"))
		id := *e.RecurrenceID
		next := func(number int) string {
			return u.client.Task.Query().Where(enttask.RecurrenceID(id), enttask.OccurrenceNumber(number)).OnlyX(u.ctx).Title
		}
		log := func(want string) {
			t.Helper()
			u.wantLog(u.ctx, t, id, want)
		}
		start := u.logOf(u.ctx, t, id)

		// Nobody has touched the next occurrence.
		done := u.on(t, e, u.Complete)
		completed := u.logOf(u.ctx, t, id)
		undone := u.undo(t, done)
		log(start)
		if n := u.client.Task.Query().Where(enttask.RecurrenceID(id)).CountX(u.ctx); n != 1 {
			t.Errorf("there are %d tasks", n)
		}
		// The next occurrence is the one of that day, however late the completion is redone.
		u.clock.advance(72 * time.Hour)
		done = u.undo(t, undone)
		log(completed)
		if next(2) != "e" {
			t.Error("there is no next occurrence")
		}

		// Somebody has touched it, or completed it.
		second := u.client.Task.Query().Where(enttask.RecurrenceID(id), enttask.OccurrenceNumber(2)).OnlyX(u.ctx)
		renamed := u.rename(t, second, "two")
		u.refused(t, done, stale(by("e.recurrence", renamed)))
		again := u.on(t, second, u.Complete)
		u.refused(t, done, stale(by("e.recurrence", again)))
		u.undo(t, again)

		// A rule that is no longer the one that the change gave.
		weekly := u.update(t, second, task.UpdateInput{Recurrence: set(rule("FREQ=WEEKLY"))})
		daily := u.update(t, second, task.UpdateInput{Recurrence: set(rule("FREQ=DAILY"))})
		u.refused(t, weekly, stale(by("two.recurrence", daily)))
		u.undo(t, daily)
		u.undo(t, weekly)

		// A task that repeats no more, and can't repeat where it is now.
		ended := u.update(t, second, task.UpdateInput{Recurrence: set[*recurrence.Input](nil)})
		finished := u.on(t, second, u.Complete)
		u.refused(t, ended, stale(by("two.completed", finished)))
		u.undo(t, finished)
		p := u.createRepeating(u.ctx, t, u.v, "p", on(2026, 11, 23), rule("FREQ=DAILY"))
		moved := u.below(t, second, p)
		u.refused(t, ended, stale(by("two.recurrence", moved)))
		u.undo(t, moved)
		u.undo(t, ended)
		u.checkSeries(u.ctx, t, u.v)
	})
}

// An occurrence that was skipped after all others had passed: they are missed, and the series has ended.
func TestUndoOfSkippedLast(t *testing.T) {
	t.Parallel()
	eachUndoEnv(t, task.Limits{}, func(t *testing.T, u *undoEnv) {
		e := u.createRepeating(u.ctx, t, u.v, "e", on(2026, 11, 23), rule("FREQ=DAILY;COUNT=3"))
		id := *e.RecurrenceID
		start := u.logOf(u.ctx, t, id)
		u.clock.advance(7 * 24 * time.Hour)
		r := mustSucceed(t)(u.Skip(u.ctx, u.v, task.SkipInput{ID: e.ID.String(), Number: 1}))
		const ended = "1:SKIPPED 11-23, 2:MISSED 11-24, 3:MISSED 11-25, ended, unused"
		u.wantLog(u.ctx, t, id, ended)
		undone := u.undo(t, r.Version)
		u.wantLog(u.ctx, t, id, start)
		redone := u.undo(t, undone)
		u.wantLog(u.ctx, t, id, ended)
		u.undo(t, redone)
		u.wantLog(u.ctx, t, id, start)
		u.checkSeries(u.ctx, t, u.v)
	})
}
