package task

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/history"
	"taskql/internal/recurrence"
	"taskql/internal/reminder"
	"taskql/internal/workspace"
)

// reopened winds back the series of tasks that have just been opened again, and purges their next occurrences. Tasks whose series
// can't be wound back leave it. All tasks that the change names are named.
func (t *tx) reopened(ctx context.Context, tasks, named []*ent.Task) error {
	series, err := t.seriesOf(ctx, tasks)
	if err != nil {
		return err
	}
	all, err := t.findRewinds(ctx, tasks, series, named)
	if err != nil {
		return err
	}
	if err := t.rewind(ctx, all); err != nil {
		return err
	}
	var leaving []*ent.Task
	var left []*recurrence.Series
	for _, e := range tasks {
		if !slices.ContainsFunc(all, func(r rewind) bool { return r.task == e }) {
			leaving, left = append(leaving, e), append(left, series[*e.RecurrenceID])
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
	return recurrence.CheckUse(ctx, t.Tx, series...) //nolint:wrapcheck // It says what it did.
}

// rewind is a series that can be wound back to a task's occurrence.
type rewind struct {
	task   *ent.Task
	series *recurrence.Series
	result *recurrence.Result
	// next are the task of the next occurrence and those below it; none if there is no next one.
	next []uuid.UUID
}

// findRewinds returns what can be wound back for the tasks: if nobody has touched the next occurrence, and the task may repeat where it
// is. A task that the change names counts as touched.
func (t *tx) findRewinds(ctx context.Context, tasks []*ent.Task, series map[uuid.UUID]*recurrence.Series, named []*ent.Task) ([]rewind, error) {
	var keys []recurrence.Key
	for _, e := range tasks {
		if e.OccurrenceNumber != nil {
			keys = append(keys, recurrence.Key{RecurrenceID: *e.RecurrenceID, Number: *e.OccurrenceNumber})
		}
	}
	results, err := recurrence.Results(ctx, t.Tx, series, keys)
	if err != nil {
		return nil, err //nolint:wrapcheck // It says what it reads.
	}
	var intact []rewind
	var going []*recurrence.Series
	for _, e := range tasks {
		if e.OccurrenceNumber == nil {
			continue
		}
		r := rewind{task: e, series: series[*e.RecurrenceID], result: results[recurrence.Key{RecurrenceID: *e.RecurrenceID, Number: *e.OccurrenceNumber}]}
		if r.result == nil || !r.result.Intact {
			continue
		}
		if intact = append(intact, r); r.series.Open != nil {
			going = append(going, r.series)
		}
	}
	next, err := t.untouched(ctx, going, func(s *recurrence.Series) int { return s.Version })
	if err != nil {
		return nil, err
	}
	isNamed := make(map[uuid.UUID]bool, len(named))
	for _, e := range named {
		isNamed[e.ID] = true
	}
	repeating := make([]*ent.Task, len(intact))
	for i := range intact {
		repeating[i] = intact[i].task
	}
	refused, err := t.checkAllRepeat(ctx, "", repeating)
	if err != nil {
		return nil, err
	}
	var all []rewind
	for _, r := range intact {
		if r.series.Open != nil {
			if r.next = next[r.series.ID]; len(r.next) == 0 || isNamed[r.next[0]] {
				continue
			}
		}
		if len(refused[r.task.ID]) == 0 {
			all = append(all, r)
		}
	}
	return all, nil
}

// rewind opens the tasks' occurrences again, and purges the next ones.
func (t *tx) rewind(ctx context.Context, all []rewind) error {
	if len(all) == 0 {
		return nil
	}
	b := recurrence.NewBatch(t.Tx)
	var purged []uuid.UUID
	for _, r := range all {
		tasks, series := []*ent.Task{r.task}, []*recurrence.Series{r.series}
		before := statesOf(tasks, series)
		if err := b.Rewind(r.series, r.result, r.task.DeletedAt != nil); err != nil {
			return err //nolint:wrapcheck // It names the series.
		}
		t.recordSeries(before, tasks, series)
		if len(r.next) > 0 {
			removed := r.next[0].String()
			t.repeated(r.task, Repetition{RemovedNextID: &removed})
			t.activity(r.task.ID).Changes.RemovedNextID = &r.next[0]
			purged = append(purged, r.next...)
		}
	}
	if err := b.Write(ctx); err != nil || len(purged) == 0 {
		return err //nolint:wrapcheck // It says what it wrote.
	}
	return t.purgeAll(ctx, purged, idsAmong(enttask.FieldID, purged))
}

// untouched returns, by the ids of series, the tasks of their open occurrences and the tasks below them, if all are as the change of
// a version has made them. Otherwise, and if there is no such task, the series is missing. Reminders that fire, or get their times in another
// time zone, are not touched by anybody; those that are added, snoozed or dismissed are.
func (t *tx) untouched(ctx context.Context, series []*recurrence.Series, version func(*recurrence.Series) int) (map[uuid.UUID][]uuid.UUID, error) {
	trees := make(map[uuid.UUID][]uuid.UUID, len(series))
	if len(series) == 0 {
		return trees, nil
	}
	versions, ids := make(map[uuid.UUID]int, len(series)), make([]any, len(series))
	for i, s := range series {
		versions[s.ID], ids[i] = version(s), s.ID
	}
	b := workspace.Statement()
	b.WriteString("WITH RECURSIVE tree(series, id, version, created_at, depth) AS (SELECT r.id, n.id, n.version, n.created_at, 0 FROM recurrences r CROSS JOIN tasks n WHERE n.recurrence_id = r.id AND n.occurrence_number = r.last_number AND ").
		Join(workspace.Condition(t.Viewer, "n")).WriteString(" AND ").Join(workspace.Condition(t.Viewer, "r")).WriteString(" AND r.id IN (").Args(ids...).
		WriteString(") UNION ALL SELECT tree.series, c.id, c.version, c.created_at, tree.depth + 1 FROM tree CROSS JOIN tasks c WHERE c.parent_id = tree.id AND ").
		Join(workspace.Condition(t.Viewer, "c")).
		WriteString(") SELECT series, id, version, EXISTS (SELECT 1 FROM reminders r WHERE r.task_id = tree.id AND (r.created_at <> tree.created_at OR r.snoozed_until IS NOT NULL OR r.state = '" + reminder.Dismissed + "') AND ").
		Join(workspace.Condition(t.Viewer, "r")).WriteString(") AS reminders_changed FROM tree ORDER BY depth")
	var found []struct {
		Series           uuid.UUID `sql:"series"`
		ID               uuid.UUID `sql:"id"`
		Version          int       `sql:"version"`
		RemindersChanged bool      `sql:"reminders_changed"`
	}
	if err := t.Select(ctx, &found, b); err != nil {
		return nil, fmt.Errorf("reading the next occurrences: %w", err)
	}
	touched := map[uuid.UUID]bool{}
	for _, f := range found {
		if trees[f.Series] = append(trees[f.Series], f.ID); f.Version != versions[f.Series] || f.RemindersChanged {
			touched[f.Series] = true
		}
	}
	for id := range touched {
		delete(trees, id)
	}
	return trees, nil
}
