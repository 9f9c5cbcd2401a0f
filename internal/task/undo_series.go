package task

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/history"
	"taskql/internal/recurrence"
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
		// The task has left the series. If its occurrence was open, the series has ended. If that was skipped, its log can have missed ones
		// after it.
		if !wasOpen(from) || series.Open == nil && (series.LastNumber <= from.LastNumber || s.skips && version == 0) {
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

// seriesStep puts a task's series back.
type seriesStep struct {
	step   *undoStep
	series *recurrence.Series
	// before is the state of the task's series as it was found.
	before *history.Recurrence
	// next are the next occurrence, which the change made, and the tasks below it; none if it made none.
	next []uuid.UUID
	// completes says that the occurrence is completed again, so that there is a next one again.
	completes bool
}

// edit returns the edit that makes the task the occurrence that it was.
func (r *seriesStep) edit() edit {
	from := r.step.changes.Recurrence.From()
	return edit{
		columns: []string{enttask.FieldRecurrenceID, enttask.FieldOccurrenceNumber},
		set: func(e *ent.Task) {
			e.RecurrenceID, e.OccurrenceNumber = nil, nil
			if from != nil {
				e.RecurrenceID, e.OccurrenceNumber = &from.ID, &from.Number
			}
		},
	}
}

// restoreSeries puts series back into the states before the change. The tasks' own values are not back yet.
func (u *undo) restoreSeries(ctx context.Context) ([]*seriesStep, error) {
	steps, err := u.nextToTakeBack(ctx)
	if err != nil || len(steps) == 0 || len(u.conflicts) > 0 {
		return nil, err
	}
	b := recurrence.NewBatch(u.Tx)
	for _, r := range steps {
		s, series := r.step, r.series
		r.before = stateOf(s.task, series)
		u.activity(s.task.ID).Changes.Skips = s.skips
		from, to := s.changes.Recurrence.From(), s.changes.Recurrence.To()
		var err error
		switch {
		case from == nil && !wasOpen(to), to == nil && !wasOpen(from): // It leaves a series that goes on without it, or joins it again.
		case from == nil && s.skips: // It was skipped, and there was no other.
			err = b.Advance(ctx, recurrence.Skipped, series)
		case from == nil:
			b.End(series)
		case isAfter(from, to):
			err = u.redoOccurrence(b, r)
		default:
			b.Restore(series, u.stateFrom(from, s.task.DeletedAt != nil))
		}
		if err != nil {
			return nil, err //nolint:wrapcheck // It names the series.
		}
	}
	return steps, b.Write(ctx) //nolint:wrapcheck // It says what it wrote.
}

// redoOccurrence completes an occurrence again, or skips it.
func (u *undo) redoOccurrence(b *recurrence.Batch, r *seriesStep) error {
	s := r.step
	from, done := s.changes.Recurrence.From(), s.changes.CompletedAt
	if done == nil || done.From() == nil {
		return b.Redo(r.series, recurrence.Skipped, u.Now, u.stateFrom(from, s.task.DeletedAt != nil)) //nolint:wrapcheck // The caller says what it is.
	}
	r.completes = true
	return b.Redo(r.series, recurrence.Completed, *done.From(), u.stateFrom(from, false)) //nolint:wrapcheck // As above.
}

// followSeries does what follows when the tasks have their values back: it records how their series have changed, makes next occurrences
// again, and takes back those that the change made.
func (u *undo) followSeries(ctx context.Context, steps []*seriesStep) error {
	if len(steps) == 0 {
		return nil
	}
	var all []*recurrence.Series
	var removed []uuid.UUID
	for _, r := range steps {
		u.recordSeries([]*history.Recurrence{r.before}, []*ent.Task{r.step.task}, []*recurrence.Series{r.series})
		all = append(all, r.series)
		if len(r.next) > 0 {
			u.activity(r.step.task.ID).Changes.RemovedNextID = &r.next[0]
			removed = append(removed, r.next...)
		}
	}
	if err := u.remakeNext(ctx, steps); err != nil || len(u.conflicts) > 0 {
		return err
	}
	if err := recurrence.CheckUse(ctx, u.Tx, all...); err != nil || len(removed) == 0 {
		return err //nolint:wrapcheck // It says what it did.
	}
	return u.purgeAll(ctx, removed, idsAmong(enttask.FieldID, removed))
}

// remakeNext makes the next occurrences of those that are completed again. There is a conflict if the parent is in the trash.
func (u *undo) remakeNext(ctx context.Context, steps []*seriesStep) error {
	var done []*ent.Task
	var series []*recurrence.Series
	var going []*undoStep
	for _, r := range steps {
		if r.completes && r.series.Open != nil {
			done, series, going = append(done, r.step.task), append(series, r.series), append(going, r.step)
		}
	}
	above, err := u.ancestorsOf(ctx, parentsOf(done))
	if err != nil {
		return err
	}
	for _, s := range going {
		if parent := s.task.ParentID; parent != nil && !above[*parent].active {
			u.conflictAt(s, "parent", *parent)
		}
	}
	if len(u.conflicts) > 0 {
		return nil
	}
	// The next occurrence is created, whatever is undone.
	action := u.recorder.action
	u.recorder.action = ""
	defer func() { u.recorder.action = action }()
	return u.makeNext(ctx, done, series)
}

// nextToTakeBack returns the steps that change series, with the next occurrences that the change made. There is a conflict if one of these
// has been touched since.
func (u *undo) nextToTakeBack(ctx context.Context) ([]*seriesStep, error) {
	var steps []*seriesStep
	var going []*recurrence.Series
	for _, s := range u.steps {
		if s.changes.Recurrence == nil {
			continue
		}
		series := u.series[s.seriesID()]
		if steps = append(steps, &seriesStep{step: s, series: series}); s.changes.NextID != nil {
			going = append(going, series)
		}
	}
	next, err := u.untouched(ctx, going, func(*recurrence.Series) int { return u.undone })
	if err != nil {
		return nil, err
	}
	for _, r := range steps {
		if r.step.changes.NextID == nil {
			continue
		}
		if r.next = next[r.series.ID]; len(r.next) == 0 {
			u.conflictAt(r.step, "recurrence", *r.step.changes.NextID)
		}
	}
	return steps, nil
}

// checkRepeating finds tasks that would repeat again and can't: they were completed, or something above or below them repeats.
func (u *undo) checkRepeating(ctx context.Context) error {
	var again []*ent.Task
	for _, s := range u.steps {
		if repeats(s.task) && !repeats(&s.before) {
			again = append(again, s.task)
		}
	}
	refused, err := u.checkAllRepeat(ctx, "", again)
	if err != nil {
		return err
	}
	for _, s := range u.steps {
		if series := u.series[s.seriesID()]; series != nil && s.task.RecurrenceID != nil && series.IsOpen(s.task.OccurrenceNumber) && s.task.Completed {
			u.conflict(s, "completed", changedBy(s.since, func(c *history.Changes) bool { return c.CompletedAt != nil }))
		}
		if len(refused[s.task.ID]) > 0 {
			u.conflict(s, "recurrence", 0)
		}
	}
	return nil
}
