package task

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/occurrence"
	enttask "taskql/ent/task"
	"taskql/internal/history"
	"taskql/internal/keyset"
	"taskql/internal/recurrence"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// A task that repeats is an occurrence of a series. Package recurrence has the series and their logs, and says what each change
// does to them; what happens to the tasks is here and in repeat_*.go. A change of tasks that don't repeat takes no statement more
// than without series.

// maxCopied is how many tasks there may be below one that repeats, those in the trash included: each occurrence copies them.
const maxCopied = 100

// repeats reports whether a task is an open occurrence.
func repeats(e *ent.Task) bool { return e.RecurrenceID != nil && !e.Completed }

// occurrencesAmong returns the tasks that are occurrences, completed ones or the others.
func occurrencesAmong(tasks []*ent.Task, completed bool) []*ent.Task {
	var found []*ent.Task
	for _, e := range tasks {
		if e.RecurrenceID != nil && e.Completed == completed {
			found = append(found, e)
		}
	}
	return found
}

// seriesOf loads the series of tasks.
func (t *tx) seriesOf(ctx context.Context, tasks []*ent.Task) (map[uuid.UUID]*recurrence.Series, error) {
	ids := make([]uuid.UUID, len(tasks))
	for i, e := range tasks {
		ids[i] = *e.RecurrenceID
	}
	return recurrence.Load(ctx, t.Tx, ids...) //nolint:wrapcheck // It says what it reads.
}

// occurrenceEdit returns the edit that makes a task the open occurrence of a series, or of none if the series is nil.
func occurrenceEdit(s *recurrence.Series) edit {
	var id *uuid.UUID
	var number *int
	if s != nil {
		open := s.LastNumber
		id, number = &s.ID, &open
	}
	return edit{
		columns: []string{enttask.FieldRecurrenceID, enttask.FieldOccurrenceNumber},
		set:     func(e *ent.Task) { e.RecurrenceID, e.OccurrenceNumber = id, number },
	}
}

// Repetition is what completing or reopening a task did to its series.
type Repetition struct {
	// Next is the next occurrence, which the completion made; nil if there is none.
	Next *ent.Task `json:"next,omitempty"`
	// RemovedNextID is the next occurrence that was taken back; nil if none was.
	RemovedNextID *string `json:"removedNextId,omitempty"`
}

// repeated notes what the change did to a task's series.
func (t *tx) repeated(e *ent.Task, r Repetition) {
	if t.repetitions == nil {
		t.repetitions = map[uuid.UUID]Repetition{}
	}
	t.repetitions[e.ID] = r
}

// remembered is a Result as it is stored: the task, and beside its fields those of the Repetition.
type remembered Result

// storedResult is the JSON of remembered.
type storedResult struct {
	*ent.Task
	Repetition
}

// MarshalJSON implements json.Marshaler.
func (r *remembered) MarshalJSON() ([]byte, error) {
	return json.Marshal(storedResult{r.Task, r.Repetition}) //nolint:wrapcheck // The caller says what it encodes.
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *remembered) UnmarshalJSON(b []byte) error {
	var stored storedResult
	err := json.Unmarshal(b, &stored)
	r.Task, r.Repetition = stored.Task, stored.Repetition
	return err //nolint:wrapcheck // As above.
}

// stateOf returns the state of a task's series for its activity; nil if the task doesn't repeat.
func stateOf(e *ent.Task, s *recurrence.Series) *history.Recurrence {
	if s == nil || e.OccurrenceNumber == nil {
		return nil
	}
	state := s.State()
	r := &history.Recurrence{
		ID: s.ID, Rule: state.Rule, Mode: string(state.Mode), CatchUp: string(state.CatchUp), Start: history.Due(state.Start),
		FirstNumber: state.FirstNumber, LastNumber: state.LastNumber, Number: *e.OccurrenceNumber, EndedAt: state.EndedAt,
	}
	if state.Open != nil {
		open := history.Due(*state.Open)
		r.Open = &open
	}
	return r
}

// statesOf returns the states of the series of tasks.
func statesOf(tasks []*ent.Task, series []*recurrence.Series) []*history.Recurrence {
	states := make([]*history.Recurrence, len(tasks))
	for i, e := range tasks {
		states[i] = stateOf(e, series[i])
	}
	return states
}

// recordSeries records how the series of tasks have changed since they had these states.
func (t *tx) recordSeries(before []*history.Recurrence, tasks []*ent.Task, series []*recurrence.Series) {
	for i, e := range tasks {
		a := t.activity(e.ID)
		a.Changes.Recurrence = then(a.Changes.Recurrence, before[i], stateOf(e, series[i]))
		t.act(a, history.Changed)
	}
}

// completed moves on the series of tasks that have just been completed, and makes their next occurrences. They must have been
// open.
func (t *tx) completed(ctx context.Context, tasks []*ent.Task) error {
	all, err := t.seriesOf(ctx, tasks)
	if err != nil {
		return err
	}
	var advanced []*recurrence.Series
	var done []*ent.Task
	for _, e := range tasks {
		if s := all[*e.RecurrenceID]; s != nil && s.IsOpen(e.OccurrenceNumber) {
			advanced, done = append(advanced, s), append(done, e)
		}
	}
	if len(done) == 0 {
		return nil
	}
	before := statesOf(done, advanced)
	if err := t.advance(ctx, recurrence.Completed, advanced); err != nil {
		return err
	}
	t.recordSeries(before, done, advanced)
	return t.makeNext(ctx, done, advanced)
}

// advance gives the open occurrences of series an outcome, and opens the next ones.
func (t *tx) advance(ctx context.Context, outcome recurrence.Outcome, series []*recurrence.Series) error {
	b := recurrence.NewBatch(t.Tx)
	if err := b.Advance(ctx, outcome, series...); err != nil {
		return err //nolint:wrapcheck // It names the series.
	}
	return b.Write(ctx) //nolint:wrapcheck // It says what it wrote.
}

// makeNext makes the tasks of the open occurrences of series, each as a copy of the completed task before it.
func (t *tx) makeNext(ctx context.Context, done []*ent.Task, series []*recurrence.Series) error {
	c := copies{of: map[uuid.UUID]*ent.Task{}}
	for i, e := range done {
		if s := series[i]; s.Open != nil {
			next := c.add(t, e, e.ParentID)
			occurrenceEdit(s).set(next)
			due := Due(recurrence.DueOf(s.Open))
			due.set(next)
			t.repeated(e, Repetition{Next: next})
			t.activity(e.ID).Changes.NextID = &next.ID
		}
	}
	before := c.originals
	if len(before) == 0 {
		return nil
	}
	below, err := t.activeBelow(ctx, before)
	if err != nil {
		return err
	}
	n := len(before) + len(below)
	if err := t.Charge(n * copyCost); err != nil {
		return err //nolint:wrapcheck // It says enough.
	}
	if err := c.insert(ctx, t); err != nil {
		return err
	}
	for ids := range slices.Chunk(below, copyBatch) {
		if err := c.copyBelow(ctx, t, ids); err != nil {
			return err
		}
	}
	if err := t.reminders.Copy(ctx, t.Tx, before, c.of); err != nil {
		return err //nolint:wrapcheck // It says what it did.
	}
	t.MarkChanged()
	_, err = t.Add(ctx, taskCount, n)
	return err //nolint:wrapcheck // It says what it did.
}

// copyCost is what each copied task costs, as much as one of a bulk mutation.
const copyCost = 5

// copyBatch is how many tasks below others are copied at a time: a completion can copy thousands, with long texts.
const copyBatch = 100

// copies are new tasks that are copies of others.
type copies struct {
	// originals and tasks are those of the current batch.
	originals, tasks []*ent.Task
	// of are the copies by the ids of the originals. Those of former batches may lack their texts.
	of map[uuid.UUID]*ent.Task
}

// add adds an open copy of a task, with its texts, its priority and its assignee.
func (c *copies) add(t *tx, e *ent.Task, parent *uuid.UUID) *ent.Task {
	n := &ent.Task{
		ID: uuid.Must(uuid.NewV7()), WorkspaceID: e.WorkspaceID, Version: t.Version, CreatedAt: t.Now, UpdatedAt: t.Now,
		Title: e.Title, Description: e.Description, TitleKey: e.TitleKey, SearchText: e.SearchText, Priority: e.Priority, ParentID: parent,
		AssigneeID: e.AssigneeID, CreatedBy: creator(t.Viewer),
		ProjectID: e.ProjectID, SectionID: e.SectionID, HiddenAt: e.HiddenAt,
	}
	t.activity(n.ID).Changes.Copied = true
	c.originals, c.tasks, c.of[e.ID] = append(c.originals, e), append(c.tasks, n), n
	return n
}

// copyBelow copies a batch of tasks. Their parents are copied already, or come before them.
func (c *copies) copyBelow(ctx context.Context, t *tx, ids []uuid.UUID) error {
	originals, err := t.tasks().Where(idsAmong(enttask.FieldID, ids)).All(ctx)
	if err != nil {
		return fmt.Errorf("reading subtasks: %w", err)
	}
	byID := make(map[uuid.UUID]*ent.Task, len(originals))
	for _, e := range originals {
		byID[e.ID] = e
	}
	c.originals, c.tasks = nil, nil
	for _, id := range ids {
		e := byID[id]
		c.add(t, e, &c.of[*e.ParentID].ID)
	}
	if err := c.insert(ctx, t); err != nil {
		return err
	}
	for _, n := range c.tasks {
		n.Description, n.SearchText = nil, ""
	}
	return nil
}

// insert inserts the current batch at the end of the manual order, with the tags of the originals.
func (c *copies) insert(ctx context.Context, t *tx) error {
	keys, err := t.endPositions(len(c.tasks))
	if err != nil {
		return err
	}
	size := 0
	for i, n := range c.tasks {
		n.Position = keys[i]
		if n.Description != nil {
			size += len(*n.Description)
		}
	}
	if err := t.Charge(size / workspace.BytesPerPoint); err != nil {
		return err //nolint:wrapcheck // It says enough.
	}
	if err := t.insert(ctx, c.tasks...); err != nil {
		return fmt.Errorf("inserting the next occurrences: %w", err)
	}
	carried, err := t.tagIDsOf(ctx, c.originals)
	if err != nil {
		return err
	}
	tags := make(map[uuid.UUID][]uuid.UUID, len(carried))
	for id, ids := range carried {
		tags[c.of[id].ID] = ids
	}
	return t.insertTags(ctx, tags)
}

// activeBelow returns the tasks below others that are not in the trash: parents before their subtasks, siblings in the manual order.
func (t *tx) activeBelow(ctx context.Context, tasks []*ent.Task) ([]uuid.UUID, error) {
	b := workspace.Statement()
	b.WriteString("WITH RECURSIVE tree(id, depth, position) AS (SELECT id, 1, position FROM tasks WHERE deleted_at IS NULL AND ").
		Join(workspace.Condition(t.Viewer, "")).WriteString(" AND parent_id IN (").Args(workspace.AnySlice(idsOf(tasks))...).
		WriteString(") UNION ALL SELECT c.id, tree.depth + 1, c.position FROM tree CROSS JOIN tasks c WHERE c.parent_id = tree.id AND c.deleted_at IS NULL AND ").
		Join(workspace.Condition(t.Viewer, "c")).WriteString(") SELECT id FROM tree ORDER BY depth, position, id")
	var ids []uuid.UUID
	if err := t.Select(ctx, &ids, b); err != nil {
		return nil, fmt.Errorf("reading what is below tasks: %w", err)
	}
	return ids, nil
}

// changeSeries runs a statement that puts tasks into the trash or takes them out of it, and changes the series of those that repeat.
// It also notes whether any of them have reminders, which follow. It returns how many tasks were changed.
func (t *tx) changeSeries(ctx context.Context, b *sql.Builder, change func(context.Context, *workspace.Tx, ...uuid.UUID) error) (int, error) {
	var found []struct {
		ID           *uuid.UUID `sql:"recurrence_id"`
		Completed    bool       `sql:"completed"`
		HasReminders bool       `sql:"has_reminders"`
	}
	if err := t.Select(ctx, &found, b.WriteString(" RETURNING recurrence_id, completed, has_reminders")); err != nil {
		return 0, err //nolint:wrapcheck // The caller says what it did.
	}
	var series []uuid.UUID
	for _, f := range found {
		if f.ID != nil && !f.Completed {
			series = append(series, *f.ID)
		}
		t.recorder.deletes = t.recorder.deletes || f.HasReminders
	}
	return len(found), change(ctx, t.Tx, series...)
}

// seriesAmong returns the series of those of the tasks of a workspace that have one.
func (t *tx) seriesAmong(ctx context.Context, v viewer.Viewer, tasks []uuid.UUID) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	b := workspace.Statement()
	b.WriteString("SELECT DISTINCT recurrence_id FROM tasks WHERE recurrence_id IS NOT NULL AND ").Join(workspace.Condition(v, "")).
		WriteString(" AND id IN (").Args(workspace.AnySlice(tasks)...).WriteString(")")
	if err := t.Select(ctx, &ids, b); err != nil {
		return nil, fmt.Errorf("looking for series: %w", err)
	}
	return ids, nil
}

// OfOccurrences reads the tasks of occurrences, with those columns, or all if there are none. Occurrences without a task are missing
// from the map.
func (s *Service) OfOccurrences(ctx context.Context, v viewer.Viewer, occurrences []uuid.UUID, columns []string) (map[recurrence.Key]*ent.Task, error) {
	found := make(map[recurrence.Key]*ent.Task, len(occurrences))
	if len(occurrences) == 0 {
		return found, nil
	}
	columns = keyset.WithColumns(columns, enttask.FieldRecurrenceID, enttask.FieldOccurrenceNumber)
	all := &list{service: s, viewer: v}
	tasks, err := all.rows(ctx, columns, queryKey{}, len(occurrences), func(s *sql.Selector) {
		o := sql.Dialect(s.Dialect()).Table(occurrence.Table)
		keys := sql.Dialect(s.Dialect()).Select(o.C(occurrence.FieldRecurrenceID), o.C(occurrence.FieldNumber)).From(o)
		workspace.Scope(v)(keys)
		keys.Where(among(keys, o.C(occurrence.FieldID), occurrences))
		s.Where(sql.P(func(b *sql.Builder) {
			b.WriteByte('(').IdentComma(s.C(enttask.FieldRecurrenceID), s.C(enttask.FieldOccurrenceNumber)).WriteString(") IN (").Join(keys).WriteByte(')')
		}))
	})
	if err != nil {
		return nil, err
	}
	for _, e := range tasks {
		found[recurrence.Key{RecurrenceID: *e.RecurrenceID, Number: *e.OccurrenceNumber}] = e
	}
	return found, nil
}
