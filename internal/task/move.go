package task

import (
	"bytes"
	"cmp"
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
	ParentID       Optional[*string] `json:"parentId,omitzero"`
	IdempotencyKey *string           `json:"-"`
}

func (in MoveInput) canonical() MoveInput {
	in.ID, in.AfterID, in.BeforeID = workspace.CanonicalID(in.ID), workspace.CanonicalIDPtr(in.AfterID), workspace.CanonicalIDPtr(in.BeforeID)
	in.ParentID.Value = workspace.CanonicalIDPtr(in.ParentID.Value)
	return in
}

// treePosition is a position in the manual order of a parent's subtasks, or of the top level.
type treePosition struct {
	// parent is nil at the top level.
	parent   *uuid.UUID
	position []byte
}

// Move puts a task between its new neighbours, and under another parent. It is refused with NOT_FOUND, STALE, INVALID or
// LIMIT_EXCEEDED.
func (s *Service) Move(ctx context.Context, v viewer.Viewer, in MoveInput) (*Result, error) {
	var errs workspace.Violations
	if in.AfterID != nil && in.BeforeID != nil {
		errs.Add(workspace.CodeInvalid, "beforeId", "Name one neighbour: beforeId can't go together with afterId.")
	}
	target := TargetInput{ID: in.ID, IfVersion: in.IfVersion, IdempotencyKey: in.IdempotencyKey}
	return s.one(ctx, v, target, workspace.Change[Result]{Name: "moveTask", Input: in.canonical(), Violations: errs}, &moveOp{in: in})
}

// moveOp moves one task.
type moveOp struct {
	in MoveInput
	// parent, anchor and before are the destination, which validate sets: beside the anchor, or at the end if that is nil.
	parent *uuid.UUID
	anchor *ent.Task
	before bool
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

func (o *moveOp) validateParent(ctx context.Context, t *tx, errs *workspace.Violations, e *ent.Task) error {
	o.parent = e.ParentID
	asked := o.in.ParentID
	if !asked.Set {
		return nil
	}
	if asked.Value == nil {
		o.parent = nil
		return nil
	}
	if u, ok := workspace.ParseID(*asked.Value); ok && equal(&u, e.ParentID) {
		return nil
	}
	height, err := t.height(ctx, e.ID)
	if err != nil {
		return err
	}
	up, err := t.parent(ctx, errs, *asked.Value, height)
	if err != nil {
		return err
	}
	if slices.Contains(up, e.ID) {
		*errs = nil // Whatever else is wrong with it.
		errs.Add(workspace.CodeInvalid, "parentId", "A task can't go under itself or a task below it.")
	}
	o.parent = up.id()
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

func (o *moveOp) apply(ctx context.Context, t *tx, tasks []*ent.Task) error {
	e := tasks[0]
	if equal(e.ParentID, o.parent) {
		there, err := o.isInPlace(ctx, t, e)
		if err != nil || there {
			return err
		}
	}
	to, err := o.room(ctx, t, e)
	if err != nil {
		return err
	}
	return t.edit(ctx, tasks, map[uuid.UUID]bool{e.ID: true}, edit{
		columns: []string{enttask.FieldParentID, enttask.FieldPosition},
		set:     func(e *ent.Task) { e.ParentID, e.Position = to.parent, to.position },
	})
}

// isInPlace reports whether the task is at its new position already, not counting tasks in the trash.
func (o *moveOp) isInPlace(ctx context.Context, t *tx, e *ent.Task) (bool, error) {
	beside := t.siblings(o.parent, e.ID).Where(enttask.DeletedAtIsNil())
	switch {
	case o.anchor == nil:
		beside.Where(past(e, false))
	case o.before:
		beside.Where(past(e, false), past(o.anchor, true))
	default:
		beside.Where(past(o.anchor, false), past(e, true))
	}
	if o.anchor != nil && (comparePositions(e, o.anchor) < 0) != o.before {
		return false, nil
	}
	between, err := beside.Exist(ctx)
	if err != nil {
		return false, fmt.Errorf("looking at the neighbours: %w", err)
	}
	return !between, nil
}

// renumberSizes are how many siblings on either side of the anchor make room: first a few, so that the versions of the others stay;
// if that is not enough, more, and then all.
var renumberSizes = [...]int{8, 128, math.MaxInt32} //nolint:gochecknoglobals // A constant table.

// room finds a key beside the anchor. If there is none, or none short, siblings make room.
func (o *moveOp) room(ctx context.Context, t *tx, e *ent.Task) (treePosition, error) {
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
		return t.end()
	}
	neighbour, err := t.siblings(o.parent, e.ID).
		Where(past(o.anchor, o.before)).Order(inManualOrder(o.before)).
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
		rows, err := t.siblings(o.parent, e.ID).Where(past(o.anchor, before)).Order(inManualOrder(before)).
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

// siblings selects the tasks under a parent, those in the trash too, but not that one.
func (t *tx) siblings(parent *uuid.UUID, but uuid.UUID) *ent.TaskQuery {
	q := t.tasks().Where(enttask.IDNEQ(but))
	if parent == nil {
		return q.Where(enttask.ParentIDIsNil())
	}
	return q.Where(enttask.ParentID(*parent))
}

// end returns a key after all of the workspace, those in the trash too: they keep theirs for their return.
func (t *tx) end() ([]byte, error) {
	keys, err := t.ends(1)
	if err != nil {
		return nil, err
	}
	return keys[0], nil
}

// ends returns n keys after all of the workspace, in order.
func (t *tx) ends(n int) ([][]byte, error) {
	keys, ok := fracindex.EndN(t.Version, t.lastEnd, n)
	if !ok {
		return nil, fmt.Errorf("there is no position behind %q", t.lastEnd)
	}
	if n > 0 {
		t.lastEnd = keys[n-1]
	}
	return keys, nil
}

// inManualOrder sorts siblings. Their parent is one and the same, but the index of this order has it before the position.
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

// repositionAtOnce is how many rows one statement moves: their keys are looked for one after the other.
const repositionAtOnce = 500

// reposition gives tasks those positions, in the order that they have. They get this change's version, but to people they
// are as they were: updatedAt stays.
func (t *tx) reposition(ctx context.Context, ids []uuid.UUID, keys [][]byte) error {
	return t.repositionIn(ctx, ids, keys, func(u *ent.TaskUpdate) { u.Mutation().ResetUpdatedAt() })
}

// moveToTop moves tasks to the end of the top level, and returns their positions.
func (t *tx) moveToTop(ctx context.Context, ids []uuid.UUID) ([][]byte, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	keys, err := t.ends(len(ids))
	if err != nil {
		return nil, err
	}
	return keys, t.repositionIn(ctx, ids, keys, func(u *ent.TaskUpdate) { u.ClearParentID() })
}

func (t *tx) repositionIn(ctx context.Context, ids []uuid.UUID, keys [][]byte, also func(*ent.TaskUpdate)) error {
	for some := range slices.Chunk(ids, repositionAtOnce) {
		theirs := keys[:len(some)]
		keys = keys[len(some):]
		u := t.update().Where(enttask.IDIn(some...))
		also(u)
		u.Modify(func(u *sql.UpdateBuilder) {
			u.Set(enttask.FieldPosition, sql.ExprFunc(func(b *sql.Builder) {
				b.WriteString("CASE id")
				for i, id := range some {
					b.WriteString(" WHEN ").Arg(id).WriteString(" THEN ").Arg(theirs[i])
				}
				b.WriteString(" ELSE position END") // Which also says what type the others are of.
			}))
		})
		if err := u.Exec(ctx); err != nil {
			return fmt.Errorf("moving tasks: %w", err)
		}
	}
	return nil
}

// past selects the siblings that come after a task in the manual order, or before it.
func past(e *ent.Task, before bool) func(*sql.Selector) {
	op := sql.OpGT
	if before {
		op = sql.OpLT
	}
	return func(s *sql.Selector) {
		s.Where(keyset.CompareRows(s, []string{enttask.FieldPosition, enttask.FieldID}, op, keyOf(e), e.ID))
	}
}

// comparePositions compares siblings by the manual order.
func comparePositions(a, b *ent.Task) int {
	return cmp.Or(bytes.Compare(a.Position, b.Position), bytes.Compare(a.ID[:], b.ID[:]))
}
