package task

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/history"
	"taskql/internal/recurrence"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// subtree is what a task is with the tasks below it, those in the trash included, so that what is restored always fits.
type subtree struct {
	// root is the task; nil if it is new.
	root *uuid.UUID
	// levels is how many levels it has, and tasks how many tasks.
	levels, tasks int
	// repeats reports whether one of the tasks repeats, and repeatsBelow whether one below the first does.
	repeats, repeatsBelow bool
}

// subtree measures a task and what is below it.
func (t *tx) subtree(ctx context.Context, e *ent.Task) (subtree, error) {
	all, err := t.subtrees(ctx, []uuid.UUID{e.ID})
	return all[e.ID], err
}

// subtrees measures each of the tasks with what is below it.
func (t *tx) subtrees(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]subtree, error) {
	measured := make(map[uuid.UUID]subtree, len(ids))
	if len(ids) == 0 {
		return measured, nil
	}
	rows, err := t.measure(ctx, ids, true)
	for _, row := range rows {
		measured[row.Root] = subtree{root: &row.Root, levels: row.Levels, tasks: row.Tasks, repeats: row.Repeats == 1, repeatsBelow: row.RepeatsBelow == 1}
	}
	return measured, err
}

// measurement is what is counted of a subtree, or of several together.
type measurement struct {
	Root    uuid.UUID `sql:"root"`
	Levels  int       `sql:"levels"`
	Tasks   int       `sql:"tasks"`
	Repeats int       `sql:"repeats"`
	// RepeatsBelow is Repeats without the measured tasks themselves.
	RepeatsBelow int `sql:"repeats_below"`
}

// measure measures tasks with what is below them: each by itself, or all together, without Root.
func (t *tx) measure(ctx context.Context, ids []uuid.UUID, each bool) ([]measurement, error) {
	b := workspace.Statement()
	b.WriteString("WITH RECURSIVE down(root, id, depth, repeats) AS (SELECT id, id, 1, CASE WHEN recurrence_id IS NOT NULL AND NOT completed THEN 1 ELSE 0 END FROM tasks WHERE ").
		Join(workspace.Condition(t.Viewer, "")).WriteString(" AND id IN (").Args(workspace.AnySlice(ids)...).
		WriteString(") UNION ALL SELECT down.root, c.id, down.depth + 1, CASE WHEN c.recurrence_id IS NOT NULL AND NOT c.completed THEN 1 ELSE 0 END FROM down CROSS JOIN tasks c WHERE c.parent_id = down.id AND ").
		Join(workspace.Condition(t.Viewer, "c")).WriteString(") SELECT max(depth) AS levels, count(DISTINCT id) AS tasks, max(repeats) AS repeats, max(CASE WHEN depth > 1 THEN repeats ELSE 0 END) AS repeats_below")
	if each {
		b.WriteString(", root FROM down GROUP BY root")
	} else {
		b.WriteString(" FROM down")
	}
	var found []measurement
	if err := t.Select(ctx, &found, b); err != nil {
		return nil, fmt.Errorf("measuring what is below tasks: %w", err)
	}
	return found, nil
}

// checkBelowRepeating adds violations if a subtree can't be below a task that repeats.
func (t *tx) checkBelowRepeating(ctx context.Context, errs *workspace.Violations, repeating uuid.UUID, added subtree) error {
	if added.repeats {
		errs.Add(workspace.CodeInvalid, "parentId", "A task that repeats can't be below another one that repeats: end one of the two series with recurrence: null, or choose another parent.")
		return nil
	}
	ids, n := []uuid.UUID{repeating}, -1
	if added.root == nil {
		n += added.tasks
	} else {
		ids = append(ids, *added.root) // It may be below that task already.
	}
	all, err := t.measure(ctx, ids, false)
	if err != nil {
		return err
	}
	if n += all[0].Tasks; n > maxCopied {
		errs.Add(workspace.CodeLimitExceeded, "parentId",
			"At most %d tasks can be below one that repeats, those in the trash included, because each occurrence copies them; these would be %d.", maxCopied, n)
	}
	return nil
}

// checkRepeats adds violations if a task can't repeat where it is.
func (t *tx) checkRepeats(ctx context.Context, errs *workspace.Violations, field string, e *ent.Task) error {
	found, err := t.checkAllRepeat(ctx, field, []*ent.Task{e})
	*errs = append(*errs, found[e.ID]...)
	return err
}

// checkAllRepeat returns why tasks can't repeat where they are. Those that can are missing from the map.
func (t *tx) checkAllRepeat(ctx context.Context, field string, tasks []*ent.Task) (map[uuid.UUID]workspace.Violations, error) {
	found := map[uuid.UUID]workspace.Violations{}
	above, err := t.ancestorsOf(ctx, parentsOf(tasks))
	if err != nil {
		return nil, err
	}
	below, err := t.subtrees(ctx, idsOf(tasks))
	if err != nil {
		return nil, err
	}
	for _, e := range tasks {
		var errs workspace.Violations
		if e.ParentID != nil && above[*e.ParentID].repeating != nil {
			errs.Add(workspace.CodeInvalid, field, "A task below one that repeats can't repeat itself: leave recurrence out, because each occurrence of that one brings it again.")
		}
		if below[e.ID].repeatsBelow {
			errs.Add(workspace.CodeInvalid, field, "A task below this one repeats, or would if it were restored from the trash: end its series with recurrence: null, or purge it.")
		}
		if n := below[e.ID].tasks - 1; n > maxCopied {
			errs.Add(workspace.CodeLimitExceeded, field,
				"A task that repeats has at most %d tasks below it, those in the trash included; this one has %d.", maxCopied, n)
		}
		if len(errs) > 0 {
			found[e.ID] = errs
		}
	}
	return found, nil
}

// parentsOf returns the parents of those tasks that have one.
func parentsOf(tasks []*ent.Task) []uuid.UUID {
	var parents []uuid.UUID
	for _, e := range tasks {
		if e.ParentID != nil {
			parents = append(parents, *e.ParentID)
		}
	}
	return parents
}

// checkStart adds a violation if a series can't start at a task's due.
func checkStart(errs *workspace.Violations, d *recurrence.Definition, e *ent.Task) {
	if due := DueOf(e); due == nil {
		errs.Add(workspace.CodeInvalid, "recurrence", "A task that repeats needs a due, which is its first occurrence: set due, too.")
	} else {
		d.CheckStart(errs, "recurrence", recurrence.Due(*due))
	}
}

// startSeries makes a task the first occurrence of a new series.
func (t *tx) startSeries(ctx context.Context, e *ent.Task, d *recurrence.Definition) error {
	s, err := recurrence.Start(ctx, t.Tx, d, recurrence.Due(*DueOf(e)))
	if err == nil {
		occurrenceEdit(s).set(e)
	}
	return err //nolint:wrapcheck // It says what it did.
}

// ruleChange gives one task another rule, or none if the definition is nil.
type ruleChange struct{ definition *recurrence.Definition }

// validate adds violations if the task, as it is after the rest of the update, can't get the rule.
func (c *ruleChange) validate(ctx context.Context, t *tx, errs *workspace.Violations, e *ent.Task) error {
	switch {
	case c.definition == nil && e.RecurrenceID == nil:
		return nil
	case e.DeletedAt != nil:
		errs.Add(workspace.CodeInvalid, "recurrence", "This task is in the trash: restore it first.")
	case e.Completed:
		errs.Add(workspace.CodeInvalid, "recurrence", "This task is completed: change the next occurrence, or reopen this one.")
	case c.definition != nil:
		if checkStart(errs, c.definition, e); len(*errs) == 0 && !repeats(e) {
			return t.checkRepeats(ctx, errs, "recurrence", e)
		}
	}
	return nil
}

// apply makes edits to a task and changes its series. Changed is as in applyEdits.
func (c *ruleChange) apply(ctx context.Context, t *tx, e *ent.Task, changed map[uuid.UUID]bool, edits []edit) error {
	tasks, series := []*ent.Task{e}, make([]*recurrence.Series, 1)
	if e.RecurrenceID != nil {
		all, err := t.seriesOf(ctx, tasks)
		if err != nil {
			return err
		}
		series[0] = all[*e.RecurrenceID]
	}
	t.recorder.open = true
	s, before := series[0], statesOf(tasks, series)
	running := s != nil && s.IsOpen(e.OccurrenceNumber)
	if c.definition == nil {
		if err := t.applyEdits(ctx, tasks, changed, edits...); err != nil || e.RecurrenceID == nil {
			return err
		}
		if running {
			b := recurrence.NewBatch(t.Tx)
			b.End(s)
			if err := b.Write(ctx); err != nil {
				return err //nolint:wrapcheck // It says what it did.
			}
		}
		return t.leave(ctx, before, tasks, series)
	}
	after := *e
	for _, edit := range edits {
		edit.set(&after)
	}
	start, redefined := recurrence.Due(*DueOf(&after)), true
	var err error
	if running {
		redefined, err = s.Redefine(ctx, t.Tx, c.definition, start)
	} else {
		s, err = recurrence.Start(ctx, t.Tx, c.definition, start)
		edits = append(edits, occurrenceEdit(s))
	}
	if err != nil {
		return err //nolint:wrapcheck // It says what it did.
	}
	if redefined { // The task gets this version, too, so that an update with ifVersion can't miss the rule.
		changed = map[uuid.UUID]bool{e.ID: true}
	}
	if err := t.applyEdits(ctx, tasks, changed, edits...); err != nil || !redefined {
		return err
	}
	t.recordSeries(before, tasks, []*recurrence.Series{s})
	return nil
}

// SkipInput names an occurrence to skip.
type SkipInput struct {
	ID             string  `json:"id"`
	Number         int     `json:"number"`
	IfVersion      *int    `json:"ifVersion,omitempty"`
	IdempotencyKey *string `json:"-"`
}

func (in SkipInput) canonical() SkipInput {
	in.ID = workspace.CanonicalID(in.ID)
	return in
}

// Skip moves a task that repeats on to the next occurrence. If there is none, the series ends and the task leaves it. If the occurrence
// is over, nothing changes. It is refused with NOT_FOUND, STALE or INVALID.
func (s *Service) Skip(ctx context.Context, v viewer.Viewer, in SkipInput) (*Result, error) {
	target := workspace.TargetInput{ID: in.ID, IfVersion: in.IfVersion, IdempotencyKey: in.IdempotencyKey}
	return s.one(ctx, v, target, workspace.Change[Result]{Name: "skipOccurrence", Input: in.canonical()}, skipOp{in.Number})
}

// skipOp skips an occurrence of one task.
type skipOp struct{ number int }

func (o skipOp) validate(ctx context.Context, t *tx, tasks []*ent.Task) (validation, error) {
	var found validation
	switch e := tasks[0]; {
	case e.OccurrenceNumber == nil:
		// A request that arrives twice may have skipped the last occurrence.
		last, err := history.LastSkipped(ctx, t.Tx, e.ID)
		if err != nil || last >= o.number && o.number >= 1 {
			return found, err //nolint:wrapcheck // It says what it reads.
		}
		found.input.Add(workspace.CodeInvalid, "id", "This task does not repeat, so there is nothing to skip: choose the open occurrence of a series.")
	case o.number < 1 || o.number > *e.OccurrenceNumber:
		found.input.Add(workspace.CodeInvalid, "number", "There is no occurrence %d of this task: number must be its occurrence.number, which is %d.", o.number, *e.OccurrenceNumber)
	case repeats(e) && e.DeletedAt != nil:
		found.input.Add(workspace.CodeInvalid, "id", "This task is in the trash: restore it first.")
	}
	return found, nil
}

func (o skipOp) apply(ctx context.Context, t *tx, tasks []*ent.Task) error {
	e := tasks[0]
	if !repeats(e) || o.number != *e.OccurrenceNumber {
		return nil
	}
	all, err := t.seriesOf(ctx, tasks)
	if err != nil {
		return err
	}
	s := all[*e.RecurrenceID]
	if s == nil || !s.IsOpen(e.OccurrenceNumber) {
		return nil
	}
	t.recorder.open = true
	series := []*recurrence.Series{s}
	before := statesOf(tasks, series)
	if err := t.advance(ctx, recurrence.Skipped, series); err != nil {
		return err //nolint:wrapcheck // It says what it did.
	}
	t.act(t.activity(e.ID), history.Skipped)
	if s.Open == nil {
		return t.leave(ctx, before, tasks, series)
	}
	due := Due(recurrence.DueOf(s.Open))
	if err := t.applyEdits(ctx, tasks, nil, occurrenceEdit(s), dueEdit(&due)); err != nil {
		return err
	}
	t.recordSeries(before, tasks, series)
	return nil
}
