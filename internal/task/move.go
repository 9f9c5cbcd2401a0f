package task

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/fracindex"
	"taskql/internal/history"
	"taskql/internal/keyset"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// MoveInput is the new position of a task. AfterID or BeforeID is its new neighbour; it goes to the end if both are nil.
type MoveInput struct {
	ID        string  `json:"id"`
	IfVersion *int    `json:"ifVersion,omitempty"`
	AfterID   *string `json:"afterId,omitempty"`
	BeforeID  *string `json:"beforeId,omitempty"`
	// ParentID keeps the parent if it is absent; nil is the top level.
	ParentID workspace.Optional[*string] `json:"parentId,omitzero"`
	// ProjectID keeps the project if it is absent; nil is none. SectionID implies its project. They can't put a subtask elsewhere than
	// its parent.
	ProjectID      workspace.Optional[*string] `json:"projectId,omitzero"`
	SectionID      workspace.Optional[*string] `json:"sectionId,omitzero"`
	IdempotencyKey *string                     `json:"-"`
}

func (in MoveInput) canonical() MoveInput {
	in.ID, in.AfterID, in.BeforeID = workspace.CanonicalID(in.ID), workspace.CanonicalIDPtr(in.AfterID), workspace.CanonicalIDPtr(in.BeforeID)
	in.ParentID.Value = workspace.CanonicalIDPtr(in.ParentID.Value)
	in.ProjectID.Value, in.SectionID.Value = workspace.CanonicalIDPtr(in.ProjectID.Value), workspace.CanonicalIDPtr(in.SectionID.Value)
	return in
}

// treePosition is a position in the manual order of a parent's subtasks, or of the top level.
type treePosition struct {
	// parent is nil at the top level.
	parent   *uuid.UUID
	position []byte
	// placement is the parent's, if there is one.
	placement placement
}

// Move puts a task between its new neighbours, under another parent, and into another project. It is refused with NOT_FOUND, STALE, INVALID or
// LIMIT_EXCEEDED.
func (s *Service) Move(ctx context.Context, v viewer.Viewer, in MoveInput) (*Result, error) {
	var errs workspace.Violations
	if in.AfterID != nil && in.BeforeID != nil {
		errs.Add(workspace.CodeInvalid, "beforeId", "Name one neighbour: beforeId can't go together with afterId.")
	}
	target := workspace.TargetInput{ID: in.ID, IfVersion: in.IfVersion, IdempotencyKey: in.IdempotencyKey}
	return s.one(ctx, v, target, workspace.Change[Result]{Name: "moveTask", Input: in.canonical(), Violations: errs}, &moveOp{
		in: in, into: destination{project: in.ProjectID, section: in.SectionID},
	})
}

// moveOp moves one task.
type moveOp struct {
	in   MoveInput
	into destination
	// parent, anchor and before are the destination, which validate sets: beside the anchor, or at the end if that is nil.
	parent *uuid.UUID
	anchor *ent.Task
	before bool
	// placement is what the task gets, which validate sets.
	placement placement
}

func (o *moveOp) validate(ctx context.Context, t *tx, tasks []*ent.Task) (validation, error) {
	var found validation
	e := tasks[0]
	if e.DeletedAt != nil {
		found.input.Add(workspace.CodeInvalid, "id", "This task is in the trash: restore it first.")
		return found, nil
	}
	if err := o.validateParent(ctx, t, &found.input, e); err != nil || len(found.input) > 0 {
		return found, err
	}
	switch {
	case o.in.AfterID != nil:
		return found, o.validateAnchor(ctx, t, &found.input, e, "afterId", *o.in.AfterID)
	case o.in.BeforeID != nil:
		o.before = true
		return found, o.validateAnchor(ctx, t, &found.input, e, "beforeId", *o.in.BeforeID)
	}
	return found, nil
}

// validateParent sets the parent and the placement.
func (o *moveOp) validateParent(ctx context.Context, t *tx, errs *workspace.Violations, e *ent.Task) error {
	if err := o.into.resolve(ctx, t, errs); err != nil {
		return err
	}
	o.placement = placementOf(e)
	if err := o.findParent(ctx, t, errs, e); err != nil || len(*errs) > 0 {
		return err
	}
	if o.parent == nil {
		o.placement = o.into.of(e)
	} else if !o.into.allows(o.placement) {
		o.into.refuseSubtask(errs)
	}
	return nil
}

// findParent sets the parent and, if that is another one, its placement.
func (o *moveOp) findParent(ctx context.Context, t *tx, errs *workspace.Violations, e *ent.Task) error {
	o.parent = e.ParentID
	to := o.in.ParentID
	if !to.Set {
		return nil
	}
	if to.Value == nil {
		o.parent = nil
		return nil
	}
	if u, ok := workspace.ParseID(*to.Value); ok && equal(&u, e.ParentID) {
		return nil
	}
	moved, err := t.subtree(ctx, e)
	if err != nil {
		return err
	}
	up, err := t.parent(ctx, errs, *to.Value, moved)
	if err != nil {
		return err
	}
	if slices.Contains(up.ids, e.ID) {
		*errs = nil // This is the only violation that matters.
		errs.Add(workspace.CodeInvalid, "parentId", "A task can't go under itself or a task below it.")
	}
	o.parent, o.placement = up.id(), up.placement
	return nil
}

func (o *moveOp) validateAnchor(ctx context.Context, t *tx, errs *workspace.Violations, e *ent.Task, field, id string) error {
	anchor, err := t.find(ctx, id)
	if err != nil {
		return err
	}
	switch {
	case anchor == nil:
		errs.Add(workspace.CodeNotFound, field, "There is no such task.")
	case anchor.ID == e.ID:
		errs.Add(workspace.CodeInvalid, field, "A task can't be its own neighbour.")
	case anchor.DeletedAt != nil:
		errs.Add(workspace.CodeInvalid, field, "This task is in the trash.")
	case !equal(anchor.ParentID, o.parent):
		errs.Add(workspace.CodeInvalid, field, "The neighbour must have the same parent.")
	}
	o.anchor = anchor
	return nil
}

// selectAlso implements selectsMore.
func (o *moveOp) selectAlso(t *tx, s *sql.Selector) { t.selectNeighbours(s) }

func (o *moveOp) apply(ctx context.Context, t *tx, tasks []*ent.Task) error {
	e := tasks[0]
	now, err := neighboursOf(e)
	if err != nil || o.isInPlace(e, now) {
		return err
	}
	place := &history.Place{Position: history.Change[[]byte]{e.Position}, After: now.after, Before: now.before}
	to, err := o.newPosition(ctx, t, e)
	if err != nil {
		return err
	}
	t.activity(e.ID).Changes.Place = place
	edits := []edit{{
		columns: []string{enttask.FieldParentID, enttask.FieldPosition},
		set:     func(e *ent.Task) { e.ParentID, e.Position = to.parent, to.position },
	}}
	stays := o.placement.isOf(e)
	if !stays {
		edits = append(edits, o.placement.edit())
	}
	if err := t.applyEdits(ctx, tasks, map[uuid.UUID]bool{e.ID: true}, edits...); err != nil || stays {
		return err
	}
	return t.placeBelow(ctx, []uuid.UUID{e.ID})
}

// isInPlace reports whether a task is at its new position already, not counting tasks in the trash.
func (o *moveOp) isInPlace(e *ent.Task, now neighbours) bool {
	switch {
	case !equal(e.ParentID, o.parent), !o.placement.isOf(e):
		return false
	case o.anchor == nil:
		return now.before == nil
	case o.before:
		return equal(now.before, &o.anchor.ID)
	default:
		return equal(now.after, &o.anchor.ID)
	}
}

// renumberSizes are how many siblings on either side of the anchor get new keys: first a few, so that the others keep their versions;
// if that is not enough, more, and then all.
var renumberSizes = [...]int{8, 128, math.MaxInt32} //nolint:gochecknoglobals // A constant table.

// newPosition returns a position beside the anchor, or at the end. If no short key fits beside the anchor, it first gives new keys
// to siblings.
func (o *moveOp) newPosition(ctx context.Context, t *tx, e *ent.Task) (treePosition, error) {
	for attempt := 0; ; attempt++ {
		key, err := o.key(ctx, t, e)
		if err != nil {
			return treePosition{}, err
		}
		if key != nil {
			return treePosition{parent: o.parent, position: key}, nil
		}
		if attempt == len(renumberSizes) {
			return treePosition{}, errors.New("there is no room between two tasks")
		}
		if err := o.renumber(ctx, t, e, renumberSizes[attempt]); err != nil {
			return treePosition{}, err
		}
	}
}

// key returns a key beside the anchor; nil if none fits, or no short one.
func (o *moveOp) key(ctx context.Context, t *tx, e *ent.Task) ([]byte, error) {
	if o.anchor == nil {
		return t.endPosition()
	}
	neighbour, err := t.siblings(o.parent, e.ID).
		Where(positioned(o.anchor, o.before)).Order(inManualOrder(o.before)).
		Select(enttask.FieldPosition).First(ctx)
	if err != nil && !ent.IsNotFound(err) {
		return nil, fmt.Errorf("reading the neighbour: %w", err)
	}
	low, high := o.anchor, neighbour
	if o.before {
		low, high = neighbour, o.anchor
	}
	key, ok := fracindex.Between(keyOf(low), keyOf(high))
	if !ok || len(key) > fracindex.MaxLength {
		return nil, nil
	}
	return key, nil
}

// keyOf returns a task's key; nil if there is no task. (SQLite reads an empty one as nil too.)
func keyOf(e *ent.Task) []byte {
	if e == nil {
		return nil
	}
	return append([]byte{}, e.Position...)
}

// renumber gives that many siblings on either side of the anchor new keys, if short ones fit between their neighbours'.
func (o *moveOp) renumber(ctx context.Context, t *tx, e *ent.Task, many int) error {
	side := func(before bool) ([]*ent.Task, []byte, error) {
		rows, err := t.siblings(o.parent, e.ID).Where(positioned(o.anchor, before)).Order(inManualOrder(before)).
			Limit(many + 1).Select(enttask.FieldPosition).All(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the siblings: %w", err)
		}
		if len(rows) <= many {
			return rows, nil, nil
		}
		return rows[:many], keyOf(rows[many]), nil
	}
	crowd, low, err := side(true)
	if err != nil {
		return err
	}
	after, high, err := side(false)
	if err != nil {
		return err
	}
	slices.Reverse(crowd)
	at := len(crowd)
	crowd = append(append(crowd, o.anchor), after...)
	keys, ok := fracindex.BetweenN(low, high, len(crowd))
	if !ok || slices.ContainsFunc(keys, func(key []byte) bool { return len(key) > fracindex.MaxLength/2 }) {
		return nil
	}
	o.anchor.Position = keys[at]
	return t.reposition(ctx, idsOf(crowd), keys)
}

// siblings selects the tasks under a parent, those in the trash included, except one.
func (t *tx) siblings(parent *uuid.UUID, except uuid.UUID) *ent.TaskQuery {
	q := t.tasks().Where(enttask.IDNEQ(except))
	if parent == nil {
		return q.Where(enttask.ParentIDIsNil())
	}
	return q.Where(enttask.ParentID(*parent))
}

// endPosition returns a key after all tasks of the workspace, those in the trash included: they keep theirs for their return.
func (t *tx) endPosition() ([]byte, error) {
	keys, err := t.endPositions(1)
	if err != nil {
		return nil, err
	}
	return keys[0], nil
}

// endPositions returns n keys after all tasks of the workspace, in order.
func (t *tx) endPositions(n int) ([][]byte, error) {
	keys, ok := fracindex.EndN(t.Version, t.lastEnd, n)
	if !ok {
		return nil, fmt.Errorf("there is no position behind %q", t.lastEnd)
	}
	if n > 0 {
		t.lastEnd = keys[n-1]
	}
	return keys, nil
}

// inManualOrder sorts siblings. They all have the same parent, but it is part of the index of this order, before the position.
func inManualOrder(backward bool) enttask.OrderOption {
	direction := sql.Asc
	if backward {
		direction = sql.Desc
	}
	return func(s *sql.Selector) {
		for _, column := range []string{enttask.FieldParentID, enttask.FieldPosition, enttask.FieldID} {
			s.OrderBy(direction(s.C(column)))
		}
	}
}

// repositionBatch is how many rows one statement moves: for each row it searches the keys one after the other.
const repositionBatch = 500

// reposition gives tasks new positions without changing their order. They get this change's version, but keep updatedAt, because
// people see no change.
func (t *tx) reposition(ctx context.Context, ids []uuid.UUID, keys [][]byte) error {
	return t.repositionIn(ctx, ids, keys, func(u *ent.TaskUpdate) { u.Mutation().ResetUpdatedAt() })
}

// moveToTop moves tasks to the end of the top level, and returns their positions.
func (t *tx) moveToTop(ctx context.Context, ids []uuid.UUID) ([][]byte, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	keys, err := t.endPositions(len(ids))
	if err != nil {
		return nil, err
	}
	return keys, t.repositionIn(ctx, ids, keys, func(u *ent.TaskUpdate) { u.ClearParentID() })
}

func (t *tx) repositionIn(ctx context.Context, ids []uuid.UUID, keys [][]byte, also func(*ent.TaskUpdate)) error {
	for batch := range slices.Chunk(ids, repositionBatch) {
		batchKeys := keys[:len(batch)]
		keys = keys[len(batch):]
		u := t.update().Where(enttask.IDIn(batch...))
		also(u)
		u.Modify(func(u *sql.UpdateBuilder) {
			u.Set(enttask.FieldPosition, sql.ExprFunc(func(b *sql.Builder) {
				b.WriteString("CASE id")
				for i, id := range batch {
					b.WriteString(" WHEN ").Arg(id).WriteString(" THEN ").Arg(batchKeys[i])
				}
				b.WriteString(" ELSE position END") // The column also gives the arguments their type.
			}))
		})
		if err := u.Exec(ctx); err != nil {
			return fmt.Errorf("moving tasks: %w", err)
		}
	}
	return nil
}

// positioned selects the siblings before a task in the manual order, or after it.
func positioned(e *ent.Task, before bool) func(*sql.Selector) {
	op := sql.OpGT
	if before {
		op = sql.OpLT
	}
	return func(s *sql.Selector) {
		s.Where(keyset.CompareRows(s, []string{enttask.FieldPosition, enttask.FieldID}, op, keyOf(e), e.ID))
	}
}
