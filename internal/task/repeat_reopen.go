package task

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/reminder"
	enttask "taskql/ent/task"
	"taskql/internal/history"
	"taskql/internal/recurrence"
	"taskql/internal/workspace"
)

// reopened winds back the series of tasks that have just been opened again, and purges their next occurrences. Tasks whose series
// can't be wound back leave it. All tasks that the change names are named.
func (t *tx) reopened(ctx context.Context, tasks, named []*ent.Task) error {
	all, err := t.seriesOf(ctx, tasks)
	if err != nil {
		return err
	}
	var leaving []*ent.Task
	var left []*recurrence.Series
	for _, e := range tasks {
		s := all[*e.RecurrenceID]
		done, err := t.rewind(ctx, e, s, named)
		if err != nil {
			return err
		}
		if !done {
			leaving, left = append(leaving, e), append(left, s)
		}
	}
	return t.leave(ctx, statesOf(leaving, left), leaving, left)
}

// leave lets tasks leave their series, which had these states before the change. A series may be nil.
func (t *tx) leave(ctx context.Context, before []*history.Recurrence, tasks []*ent.Task, series []*recurrence.Series) error {
	if err := t.applyEdits(ctx, tasks, nil, occurrenceEdit(nil)); err != nil {
		return err
	}
	t.recordSeries(before, tasks, series)
	for _, s := range series {
		if s == nil {
			continue
		}
		if err := s.CheckUse(ctx, t.Tx); err != nil {
			return err //nolint:wrapcheck // It says what it did.
		}
	}
	return nil
}

// rewind opens a task's occurrence again and purges the next one, if nobody has touched that, and the task may repeat where it is. It
// returns false if it has done nothing. A task that the change names counts as touched.
func (t *tx) rewind(ctx context.Context, e *ent.Task, s *recurrence.Series, named []*ent.Task) (bool, error) {
	if s == nil || e.OccurrenceNumber == nil {
		return false, nil
	}
	result, err := s.ResultOf(ctx, t.Tx, *e.OccurrenceNumber)
	if err != nil || result == nil || !result.Intact {
		return false, err //nolint:wrapcheck // It says what it reads.
	}
	var next []uuid.UUID
	if s.Open != nil {
		if next, err = t.untouched(ctx, s, result.Over.Version); err != nil || len(next) == 0 {
			return false, err
		}
		if slices.ContainsFunc(named, func(e *ent.Task) bool { return e.ID == next[0] }) {
			return false, nil
		}
	}
	var errs workspace.Violations
	if err := t.checkRepeats(ctx, &errs, "", e); err != nil || len(errs) > 0 {
		return false, err
	}
	before := []*history.Recurrence{stateOf(e, s)}
	if err := s.Rewind(ctx, t.Tx, result, e.DeletedAt != nil); err != nil {
		return false, err //nolint:wrapcheck // It says what it did.
	}
	t.recordSeries(before, []*ent.Task{e}, []*recurrence.Series{s})
	if len(next) == 0 {
		return true, nil
	}
	removed := next[0].String()
	t.repeated(e, Repetition{RemovedNextID: &removed})
	t.activity(e.ID).Changes.RemovedNextID = &next[0]
	return true, t.purgeAll(ctx, next, idsAmong(enttask.FieldID, next))
}

// untouched returns the ids of the task of a series' open occurrence, and of the tasks below it, if they are as the change of a
// version has made them. Else, and if there is no such task, it returns nil.
func (t *tx) untouched(ctx context.Context, s *recurrence.Series, version int) ([]uuid.UUID, error) {
	b := workspace.Statement()
	b.WriteString("WITH RECURSIVE tree(id, version, depth) AS (SELECT id, version, 0 FROM tasks WHERE recurrence_id = ").Arg(s.ID).
		WriteString(" AND occurrence_number = ").Arg(s.Open.Number).WriteString(" AND ").Join(workspace.Condition(t.Viewer, "")).
		WriteString(" UNION ALL SELECT c.id, c.version, tree.depth + 1 FROM tree CROSS JOIN tasks c WHERE c.parent_id = tree.id AND ").
		Join(workspace.Condition(t.Viewer, "c")).WriteString(") SELECT id, version FROM tree ORDER BY depth")
	var found []struct {
		ID      uuid.UUID `sql:"id"`
		Version int       `sql:"version"`
	}
	if err := t.Select(ctx, &found, b); err != nil {
		return nil, fmt.Errorf("reading the next occurrence: %w", err)
	}
	ids := make([]uuid.UUID, len(found))
	for i, f := range found {
		if f.Version != version {
			return nil, nil
		}
		ids[i] = f.ID
	}
	if len(ids) == 0 {
		return nil, nil
	}
	changed, err := t.Reminder.Query().
		Where(workspace.Scope(t.Viewer), reminder.TaskIDIn(ids...), reminder.VersionNEQ(version)).Exist(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the reminders of the next occurrence: %w", err)
	}
	if changed {
		return nil, nil
	}
	return ids, nil
}
