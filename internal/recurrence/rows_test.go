package recurrence_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	entrecurrence "taskql/ent/recurrence"
	"taskql/ent/tombstone"
	"taskql/internal/recurrence"
	"taskql/internal/testkit"
	"taskql/internal/workspace"
)

// use makes a task of a series.
func (e *env) use(id uuid.UUID) {
	e.t.Helper()
	e.client.Task.Create().SetID(uuid.New()).SetWorkspaceID(e.v.WorkspaceID).SetVersion(1).SetTitle("task").SetRecurrenceID(id).SetOccurrenceNumber(1).ExecX(e.ctx)
}

// checkUse notes whether series are unused.
func (e *env) checkUse(ids ...uuid.UUID) {
	e.t.Helper()
	e.change(func(tx *workspace.Tx) error {
		all, err := recurrence.Load(e.ctx, tx, ids...)
		for _, s := range all {
			err = errors.Join(err, recurrence.CheckUse(e.ctx, tx, s))
		}
		return err
	})
}

// TestRemoveUnused: series without tasks are deleted when they are 90 days old, with their logs, and leave tombstones. There are more than
// are read at once. Others stay, and so do those of a workspace that is being erased.
func TestRemoveUnused(t *testing.T) {
	t.Parallel()
	eachEnv(t, func(e *env) {
		e.now = e.moment("2026-01-01")
		var old []uuid.UUID
		for range 3 {
			id := e.start("FREQ=DAILY", "2026-01-01")
			e.do(id, "complete 2026-01-01T07:00")
			old = append(old, id)
		}
		used, again := e.start("FREQ=DAILY", "2026-01-01"), e.start("FREQ=DAILY", "2026-01-01")
		e.use(used)
		e.checkUse(append(slices.Clone(old), used, again)...)
		e.use(again) // An older release doesn't note that.
		var many []*ent.RecurrenceCreate
		for range workspace.BatchSize {
			many = append(many, e.client.Recurrence.Create().SetID(uuid.New()).SetWorkspaceID(e.v.WorkspaceID).SetVersion(1).SetRule("FREQ=DAILY").
				SetMode("SCHEDULE").SetCatchUp("EACH").SetStartDate(e.now).SetUnused(true).SetCreatedAt(e.now).SetUpdatedAt(e.now))
		}
		e.client.Recurrence.CreateBulk(many...).ExecX(e.ctx)
		erased := testkit.MakeViewer(e.t, e.client, "erased")
		e.client.Recurrence.Create().SetID(uuid.New()).SetWorkspaceID(erased.WorkspaceID).SetVersion(1).SetRule("FREQ=DAILY").
			SetMode("SCHEDULE").SetCatchUp("EACH").SetStartDate(e.now).SetUnused(true).SetUpdatedAt(e.now).ExecX(e.ctx)
		e.client.Workspace.UpdateOneID(erased.WorkspaceID).SetClosedAt(e.now).ExecX(e.ctx)
		e.now = e.moment("2026-02-15")
		young := e.start("FREQ=DAILY", "2026-02-15")
		e.checkUse(young)

		e.now = e.moment("2026-03-31")
		e.check(e.RemoveUnused(e.ctx))
		if n := e.client.Recurrence.Query().CountX(e.ctx); n != 5+workspace.BatchSize+2 {
			e.t.Errorf("after less than 90 days, %d are left", n)
		}
		e.now = e.moment("2026-04-02")
		e.check(e.RemoveUnused(e.ctx))
		left := e.client.Recurrence.Query().Where(workspace.Scope(e.v)).IDsX(e.ctx)
		if len(left) != 3 || !slices.Contains(left, used) || !slices.Contains(left, again) || !slices.Contains(left, young) {
			e.t.Errorf("%v are left, want %s, %s and %s", left, used, again, young)
		}
		if n := e.client.Occurrence.Query().CountX(e.ctx); n != 3 {
			e.t.Errorf("%d rows of logs are left", n)
		}
		gone := e.client.Tombstone.Query().Where(workspace.Scope(e.v), tombstone.Kind(string(workspace.KindRecurrence))).CountX(e.ctx)
		if gone != 3+workspace.BatchSize {
			e.t.Errorf("%d tombstones", gone)
		}
		if n := e.client.Recurrence.Query().Where(entrecurrence.WorkspaceID(erased.WorkspaceID)).CountX(e.ctx); n != 1 {
			e.t.Errorf("%d are left in the workspace that is being erased", n)
		}
	})
}

// TestMoveFrom: series move with their logs and their numbers. What was completed before can't be taken back; what is completed
// afterwards can.
func TestMoveFrom(t *testing.T) {
	t.Parallel()
	eachEnv(t, func(e *env) {
		e.now = e.moment("2026-11-01")
		moved, stays := e.start("FREQ=DAILY;COUNT=9", "2026-11-23"), e.start("FREQ=DAILY", "2026-11-23")
		e.do(moved, "complete 2026-11-24T07:00")
		from, before := e.v, e.log(moved)
		e.v = testkit.MakeViewer(e.t, e.client, "bob")
		e.v.Location = from.Location
		e.start("FREQ=DAILY", "2026-11-23")
		e.start("FREQ=DAILY", "2026-11-23")
		version := e.client.Recurrence.GetX(e.ctx, moved).Version // It is the next one of this workspace, too.
		e.change(func(tx *workspace.Tx) error {
			tx.MarkChanged()
			if tx.Version != version {
				e.t.Errorf("they move in version %d, want %d, in which it was completed in the other workspace", tx.Version, version)
			}
			return recurrence.MoveFrom(e.ctx, tx, from, moved)
		})
		if got := e.log(moved); got != before {
			e.t.Errorf("the log was %s, and is %s", before, got)
		}
		if s := e.client.Recurrence.GetX(e.ctx, moved); s.WorkspaceID != "bob" || s.Version != version {
			e.t.Errorf("it is in the workspace %s in version %d, want version %d", s.WorkspaceID, s.Version, version)
		}
		if s := e.client.Recurrence.GetX(e.ctx, stays); s.WorkspaceID != from.WorkspaceID {
			e.t.Error("another series has moved")
		}
		intact := func(number int) bool {
			is := false
			e.change(func(tx *workspace.Tx) error {
				all, err := recurrence.Load(e.ctx, tx, moved)
				e.check(err)
				r, err := e.resultOf(tx, all[moved], number)
				is = r != nil && r.Intact
				return err
			})
			return is
		}
		if intact(1) {
			e.t.Error("a completion in the other workspace is intact")
		}
		e.do(moved, "complete 2026-11-25T07:00")
		if got, want := e.log(moved), "1:COMPLETED 2026-11-23, 2:MISSED 2026-11-24, 3:COMPLETED 2026-11-25, 4:OPEN 2026-11-26; 6 remain"; got != want || !intact(3) {
			e.t.Errorf("the log goes on as %s, want %s; intact: %t", got, want, intact(3))
		}
	})
}

// TestNextChange: until when the clock changes nothing of what follows open occurrences.
func TestNextChange(t *testing.T) {
	t.Parallel()
	eachEnv(t, func(e *env) {
		midnight := e.moment("2026-11-24T15:00") // In Tokyo.
		e.now = e.moment("2026-11-01")
		want := func(want string) {
			e.t.Helper()
			until, err := e.NextChange(e.ctx, e.v, e.moment("2026-11-24T07:00"), midnight)
			e.check(err)
			if got := until.UTC().Format("2006-01-02T15:04:05.999999"); got != want {
				e.t.Errorf("nothing changes until %s, want %s", got, want)
			}
		}
		e.start("FREQ=DAILY", "2026-11-20")            // Days change at midnight.
		e.start("FREQ=DAILY EACH", "2026-11-20T08:00") // The clock means nothing.
		e.start("FREQ=WEEKLY", "2026-11-25T08:00")     // It isn't due.
		e.start("FREQ=WEEKLY", "2026-11-20T08:00")     // Its next is beyond midnight.
		ended := e.start("FREQ=DAILY", "2026-11-20T08:00")
		e.do(ended, "end 2026-11-21T07:00")
		want("2026-11-24T15:00:00")
		e.start("FREQ=DAILY", "2026-11-20T09:00")
		want("2026-11-24T08:59:59.999999")
		e.start("FREQ=DAILY AFTER_COMPLETION", "2026-12-20T09:00") // Its day ends at midnight in Berlin, later.
		want("2026-11-24T08:59:59.999999")
		e.start("FREQ=DAILY", "2026-11-20T08:30")
		want("2026-11-24T08:29:59.999999")
		e.v = testkit.MakeViewer(e.t, e.client, "bob")
		want("2026-11-24T15:00:00")
	})
}

// TestNext: what follows the open occurrences of series.
func TestNext(t *testing.T) {
	t.Parallel()
	eachEnv(t, func(e *env) {
		e.now = e.moment("2026-11-01")
		for _, tt := range []struct{ rule, start, want string }{
			{"FREQ=DAILY", "2026-11-20", "2026-11-25 2026-11-26"},
			{"FREQ=DAILY EACH", "2026-11-20", "2026-11-21 2026-11-22"},
			{"FREQ=DAILY;COUNT=6", "2026-11-20", "2026-11-25"},
			{"FREQ=WEEKLY", "2026-12-01", "2026-12-08 2026-12-15"},
			{"FREQ=DAILY;INTERVAL=2 AFTER_COMPLETION", "2026-12-01", "2026-11-26 2026-11-28"},
			{"FREQ=DAILY;COUNT=2 AFTER_COMPLETION", "2026-12-01", "2026-11-25"},
		} {
			id := e.start(tt.rule, tt.start)
			next, err := e.Next(e.ctx, e.v, e.moment("2026-11-24T07:00"), e.client.Recurrence.Query().Where(entrecurrence.ID(id)).AllX(e.ctx), 2)
			e.check(err)
			got := ""
			for i, due := range next[id] {
				got += " "[:min(i, 1)] + due.Date.Format(time.DateOnly)
			}
			if got != tt.want {
				e.t.Errorf("%s from %s is followed by %s, want %s", tt.rule, tt.start, got, tt.want)
			}
		}
	})
}

// gone is the context of a request that its client has given up, of which the database has not heard yet.
type gone struct{ context.Context }

func (gone) Err() error { return context.Canceled }

// TestRequestHasEnded: what expands the rules of many series ends with the request.
func TestRequestHasEnded(t *testing.T) {
	t.Parallel()
	eachEnv(t, func(e *env) {
		e.now = e.moment("2026-11-24T07:00")
		id := e.start("FREQ=DAILY", "2026-11-20T08:00")
		all := e.client.Recurrence.Query().AllX(e.ctx)
		_, next := e.Next(gone{e.ctx}, e.v, e.now, all, 5)
		_, change := e.NextChange(gone{e.ctx}, e.v, e.now, e.now.AddDate(0, 0, 1))
		var advance error
		e.change(func(tx *workspace.Tx) error {
			loaded, err := recurrence.Load(e.ctx, tx, id)
			e.check(err)
			advance = recurrence.NewBatch(tx).Advance(gone{e.ctx}, recurrence.Completed, loaded[id])
			return workspace.ErrNoCommit
		})
		for name, err := range map[string]error{"Next": next, "NextChange": change, "Advance": advance} {
			if !errors.Is(err, context.Canceled) {
				e.t.Errorf("%s returns %v", name, err)
			}
		}
	})
}
