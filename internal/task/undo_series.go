package task

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/history"
	"taskql/internal/recurrence"
	"taskql/internal/workspace"
)

// loadSeries loads the series that the change moved on, wound back, began or ended.
func (u *undo) loadSeries(ctx context.Context) error {
	var ids []uuid.UUID
	for _, s := range u.steps {
		if id := s.seriesID(); id != uuid.Nil && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	var err error
	u.series, err = recurrence.Load(ctx, u.Tx, ids...)
	return err //nolint:wrapcheck // It says what it reads.
}

// seriesID returns the series that the change changed with the task; uuid.Nil if it changed none.
func (s *undoStep) seriesID() uuid.UUID {
	if s.changes.Recurrence == nil {
		return uuid.Nil
	}
	for _, state := range s.changes.Recurrence {
		if state != nil {
			return state.ID
		}
	}
	return uuid.Nil
}

// checkSeries finds out whether a task's series is as the change left it.
func (u *undo) checkSeries(s *undoStep) {
	changesSeries := func(c *history.Changes) bool { return c.Recurrence != nil }
	if s.changes.Recurrence == nil {
		if s.changes.CompletedAt != nil && s.task.RecurrenceID != nil { // It repeats now, so this would be another completion.
			u.conflict(s, "recurrence", changedBy(s.since, changesSeries))
		}
		return
	}
	series, from, to := u.series[s.seriesID()], s.changes.Recurrence.From(), s.changes.Recurrence.To()
	version := changedBy(s.since, changesSeries)
	switch {
	case series == nil:
	case to == nil && s.task.RecurrenceID == nil:
		// The task has left the series. If its occurrence was open, the series has ended.
		if !wasOpen(from) || series.Open == nil && series.LastNumber <= from.LastNumber {
			return
		}
		version = series.Version
	case to != nil && s.task.RecurrenceID != nil && *s.task.RecurrenceID == to.ID:
		if sameSeries(stateOf(s.task, series), to) || from == nil && !wasOpen(to) && equal(s.task.OccurrenceNumber, &to.Number) {
			return
		}
		if version == 0 { // The next occurrence was changed.
			version = series.Version
		}
	}
	u.conflict(s, "recurrence", version)
}

// wasOpen reports whether the task was the open occurrence of its series.
func wasOpen(r *history.Recurrence) bool { return r.Open != nil && r.Number == r.LastNumber }

// sameSeries reports whether two states are the same, but for the trash, which suspends a series.
func sameSeries(a, b *history.Recurrence) bool {
	return a != nil && a.ID == b.ID && a.Rule == b.Rule && a.Mode == b.Mode && a.CatchUp == b.CatchUp && sameDue(&a.Start, &b.Start) &&
		a.FirstNumber == b.FirstNumber && a.LastNumber == b.LastNumber && a.Number == b.Number && sameDue(a.Open, b.Open)
}

// isAfter reports whether a series had gone on from a state to this one.
func isAfter(r, earlier *history.Recurrence) bool {
	return earlier != nil && (r.LastNumber > earlier.LastNumber || r.LastNumber == earlier.LastNumber && r.Open == nil && earlier.Open != nil)
}

// stateFrom is the inverse of stateOf. If the task of the open occurrence is in the trash, the series is suspended.
func (t *tx) stateFrom(r *history.Recurrence, inTrash bool) recurrence.State {
	state := recurrence.State{
		Rule: r.Rule, Mode: recurrence.Mode(r.Mode), CatchUp: recurrence.CatchUp(r.CatchUp), Start: recurrence.Due(r.Start),
		FirstNumber: r.FirstNumber, LastNumber: r.LastNumber, EndedAt: r.EndedAt,
	}
	if r.Open != nil {
		open := recurrence.Due(*r.Open)
		if state.Open, state.EndedAt = &open, nil; inTrash {
			state.EndedAt = &t.Now
		}
	}
	return state
}

// editSeries puts a task and its series back into the state before the change. The task's own values are back already.
func (u *undo) editSeries(ctx context.Context, s *undoStep) error {
	if s.changes.Recurrence == nil {
		return nil
	}
	from, to, series := s.changes.Recurrence.From(), s.changes.Recurrence.To(), u.series[s.seriesID()]
	tasks := []*ent.Task{s.task}
	before := statesOf(tasks, []*recurrence.Series{series})
	next, err := u.nextToTakeBack(ctx, s, series)
	if err != nil || len(u.conflicts) > 0 {
		return err
	}
	u.activity(s.task.ID).Changes.Skips = s.skips
	switch {
	case from == nil && !wasOpen(to), to == nil && !wasOpen(from): // It leaves a series that goes on without it, or joins it again.
	case from == nil && s.skips: // It was skipped, and there was no other.
		err = recurrence.Advance(ctx, u.Tx, recurrence.Skipped, series)
	case from == nil:
		err = series.End(ctx, u.Tx)
	case isAfter(from, to):
		err = u.redoOccurrence(ctx, s, series)
	default:
		err = series.Restore(ctx, u.Tx, u.stateFrom(from, s.task.DeletedAt != nil))
	}
	if err != nil {
		return err //nolint:wrapcheck // It says what it did.
	}
	if err := u.applyEdits(ctx, tasks, map[uuid.UUID]bool{s.task.ID: true}, edit{
		columns: []string{enttask.FieldRecurrenceID, enttask.FieldOccurrenceNumber},
		set: func(e *ent.Task) {
			e.RecurrenceID, e.OccurrenceNumber = nil, nil
			if from != nil {
				e.RecurrenceID, e.OccurrenceNumber = &from.ID, &from.Number
			}
		},
	}); err != nil {
		return err
	}
	u.recordSeries(before, tasks, []*recurrence.Series{series})
	if err := series.CheckUse(ctx, u.Tx); err != nil || len(next) == 0 {
		return err //nolint:wrapcheck // It says what it did.
	}
	u.activity(s.task.ID).Changes.RemovedNextID = &next[0]
	return u.purgeAll(ctx, next, idsAmong(enttask.FieldID, next))
}

// redoOccurrence completes an occurrence again, or skips it.
func (u *undo) redoOccurrence(ctx context.Context, s *undoStep, series *recurrence.Series) error {
	from, done := s.changes.Recurrence.From(), s.changes.CompletedAt
	if done == nil || done.From() == nil {
		return series.Redo(ctx, u.Tx, recurrence.Skipped, u.Now, u.stateFrom(from, s.task.DeletedAt != nil)) //nolint:wrapcheck // It says what it did.
	}
	if err := series.Redo(ctx, u.Tx, recurrence.Completed, *done.From(), u.stateFrom(from, false)); err != nil {
		return err //nolint:wrapcheck // As above.
	}
	if series.Open != nil && s.task.ParentID != nil {
		up, err := u.ancestors(ctx, s.task.ParentID.String())
		if err != nil {
			return err
		}
		if !up.active {
			version, err := u.versionOf(ctx, *s.task.ParentID)
			u.conflict(s, "parent", version)
			return err
		}
	}
	// The next occurrence is created, whatever is undone.
	action := u.recorder.action
	u.recorder.action = ""
	defer func() { u.recorder.action = action }()
	return u.makeNext(ctx, []*ent.Task{s.task}, []*recurrence.Series{series})
}

// nextToTakeBack returns the next occurrence, which the change made, and the tasks below it; none if it made none. There is a conflict
// if it has been touched since.
func (u *undo) nextToTakeBack(ctx context.Context, s *undoStep, series *recurrence.Series) ([]uuid.UUID, error) {
	if s.changes.NextID == nil {
		return nil, nil
	}
	next, err := u.untouched(ctx, series, u.undone)
	if err != nil || len(next) > 0 {
		return next, err
	}
	version, err := u.versionOf(ctx, *s.changes.NextID)
	if err == nil {
		u.conflict(s, "recurrence", version)
	}
	return nil, err
}

// checkRepeating finds tasks that would repeat again and can't: they were completed, or something above or below them repeats.
func (u *undo) checkRepeating(ctx context.Context) error {
	for _, s := range u.steps {
		if series := u.series[s.seriesID()]; series != nil && s.task.RecurrenceID != nil && series.IsOpen(s.task.OccurrenceNumber) && s.task.Completed {
			u.conflict(s, "completed", changedBy(s.since, func(c *history.Changes) bool { return c.CompletedAt != nil }))
		}
		if !repeats(s.task) || repeats(&s.before) {
			continue
		}
		var errs workspace.Violations
		if err := u.checkRepeats(ctx, &errs, "", s.task); err != nil {
			return err
		}
		if len(errs) > 0 {
			u.conflict(s, "recurrence", 0)
		}
	}
	return nil
}
