package task

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/history"
	"taskql/internal/workspace"
)

// Tasks that were moved go back behind their former predecessors, else before their former successors, else to the end of their former
// parents. Their former keys are the right ones, unless others have come between. Tasks that go back together are looked at as
// if all of them were back.

// formerPlace is where a task was before the change.
type formerPlace struct {
	*undoStep

	// parent and position are the former ones.
	parent   *uuid.UUID
	position []byte
	// anchor is the former neighbour beside which it goes; nil if it goes to the end.
	anchor *ent.Task
	// before says that it goes before the anchor.
	before bool
	// free reports whether the former position is the right one.
	free bool
}

// formerPlaces returns where the tasks go that the change moved. There is a conflict if the former parent can't be a task's any more. The
// activities get the neighbours that the tasks have now.
func (u *undo) formerPlaces(ctx context.Context) ([]*formerPlace, error) {
	places, err := u.checkFormerParents(ctx)
	if err != nil || len(places) == 0 {
		return nil, err
	}
	moved := make(map[uuid.UUID]*formerPlace, len(places))
	ids := make([]uuid.UUID, len(places))
	for i, p := range places {
		moved[p.task.ID], ids[i] = p, p.task.ID
	}
	if err := u.recordNeighbours(ctx, ids); err != nil {
		return nil, err
	}
	between, err := u.readBetween(ctx, places, ids)
	if err != nil {
		return nil, err
	}
	others, err := u.readActive(ctx, places, between)
	if err != nil {
		return nil, err
	}
	positions := make(map[uuid.UUID][]byte, len(others)+len(places))
	for id, e := range others {
		positions[id] = e.Position
	}
	for _, p := range places {
		positions[p.task.ID] = p.position
	}
	for _, p := range places {
		n := between[p.task.ID]
		for _, other := range places {
			n.add(p, other, positions)
		}
		p.anchor, p.before = p.findAnchor(moved, others)
		p.free = !n.taken && (!p.isActive() || p.moveOp().isInPlace(&ent.Task{ParentID: p.parent}, n.neighbours))
	}
	return places, nil
}

// isActive reports whether the task does not go back into the trash. Tasks in the trash have no neighbours.
func (p *formerPlace) isActive() bool { return p.trashBefore() == nil }

// isBefore compares the former position with that of another task.
func (p *formerPlace) isBefore(position []byte, id uuid.UUID) bool {
	return cmp.Or(bytes.Compare(p.position, position), bytes.Compare(p.task.ID[:], id[:])) < 0
}

func (p *formerPlace) moveOp() *moveOp {
	return &moveOp{parent: p.parent, anchor: p.anchor, before: p.before}
}

// edit returns the edit that moves the task.
func (p *formerPlace) edit(to treePosition) edit {
	return edit{
		columns: []string{enttask.FieldParentID, enttask.FieldPosition},
		set:     func(e *ent.Task) { e.ParentID, e.Position = to.parent, to.position },
	}
}

// findAnchor returns the former neighbour beside which the task goes, and whether it goes before that. Others are active tasks that the
// change has not moved.
func (p *formerPlace) findAnchor(moved map[uuid.UUID]*formerPlace, others map[uuid.UUID]*ent.Task) (*ent.Task, bool) {
	for i, id := range []*uuid.UUID{p.changes.Place.After, p.changes.Place.Before} {
		if id == nil {
			continue
		}
		if m := moved[*id]; m != nil {
			if m.isActive() && equal(m.parent, p.parent) {
				return m.task, i == 1
			}
		} else if e := others[*id]; e != nil && equal(e.ParentID, p.parent) {
			return e, i == 1
		}
	}
	return nil, false
}

// checkFormerParents returns the former places of the tasks that the change moved, without those whose parent is gone, or below the
// task: these are conflicts.
func (u *undo) checkFormerParents(ctx context.Context) ([]*formerPlace, error) {
	var places []*formerPlace
	var parents []uuid.UUID
	for _, s := range u.steps {
		if s.changes.Place == nil {
			continue
		}
		p := &formerPlace{undoStep: s, parent: s.task.ParentID, position: s.changes.Place.Position.From()}
		if places = append(places, p); s.changes.Parent != nil {
			if p.parent = s.changes.Parent.From(); p.parent != nil {
				parents = append(parents, *p.parent)
			}
		}
	}
	above, err := u.ancestorsOf(ctx, parents)
	if err != nil {
		return nil, err
	}
	var found []*formerPlace
	for _, p := range places {
		if p.changes.Parent == nil || p.parent == nil {
			found = append(found, p)
			continue
		}
		switch up := above[*p.parent]; {
		case len(up.ids) == 0:
			version, err := u.goneSince(ctx, workspace.KindTask, *p.parent)
			if err != nil {
				return nil, err
			}
			u.conflict(p.undoStep, "parent", version)
		case slices.Contains(up.ids, p.task.ID):
			u.conflictAt(p.undoStep, "parent", *p.parent)
		default:
			found = append(found, p)
		}
	}
	return found, nil
}

// recordNeighbours records between which siblings the tasks are now.
func (u *undo) recordNeighbours(ctx context.Context, ids []uuid.UUID) error {
	q := u.tasks().Where(enttask.IDIn(ids...))
	q.Select(enttask.FieldPosition)
	q.Modify(u.selectNeighbours)
	tasks, err := q.All(ctx)
	if err != nil {
		return fmt.Errorf("reading the neighbours: %w", err)
	}
	for _, e := range tasks {
		now, err := neighboursOf(e)
		if err != nil {
			return err
		}
		place := &history.Place{Position: history.Change[[]byte]{e.Position}, After: now.after, Before: now.before}
		u.activity(e.ID).Changes.Place = place
	}
	return nil
}

// surroundings are the active siblings that a task would have at its former position, and whether that is taken.
type surroundings struct {
	neighbours

	taken bool
}

// add adds another task that goes back. Positions has those of the neighbours.
func (n *surroundings) add(p, other *formerPlace, positions map[uuid.UUID][]byte) {
	if other == p || !equal(other.parent, p.parent) {
		return
	}
	n.taken = n.taken || bytes.Equal(other.position, p.position)
	if !other.isActive() {
		return
	}
	isBetween := func(now *uuid.UUID, before bool) bool { // Between the task and the neighbour that it has now.
		if now == nil {
			return true
		}
		return other.isBefore(positions[*now], *now) != before
	}
	switch id := &other.task.ID; {
	case other.isBefore(p.position, p.task.ID):
		if isBetween(n.after, true) {
			n.after = id
		}
	case isBetween(n.before, false):
		n.before = id
	}
}

// readBetween reads the surroundings of the former positions, without the tasks that go back.
func (u *undo) readBetween(ctx context.Context, places []*formerPlace, except []uuid.UUID) (map[uuid.UUID]*surroundings, error) {
	former := make([]*ent.Task, len(places))
	for i, p := range places {
		former[i] = &ent.Task{ID: p.task.ID, ParentID: p.parent, Position: p.position}
	}
	b := workspace.Statement()
	u.writeValues(b, "place", []string{enttask.FieldID, enttask.FieldParentID, enttask.FieldPosition}, former)
	b.WriteString(" SELECT place.id, ")
	u.writeNeighbour(b, "place", true, except)
	b.WriteString(" AS after_id, ")
	u.writeNeighbour(b, "place", false, except)
	taken := func(parent string) {
		b.WriteString("EXISTS (SELECT 1 FROM tasks n WHERE n.parent_id " + parent + " AND n.position = place.position AND ").
			Join(workspace.Condition(u.Viewer, "n")).WriteString(" AND n.id NOT IN (").Args(workspace.AnySlice(except)...).WriteString("))")
	}
	b.WriteString(" AS before_id, CASE WHEN place.parent_id IS NULL THEN ")
	taken("IS NULL")
	b.WriteString(" ELSE ")
	taken("= place.parent_id")
	b.WriteString(" END AS taken FROM place")
	var rows []struct {
		ID     uuid.UUID `sql:"id"`
		After  uuid.UUID `sql:"after_id"`
		Before uuid.UUID `sql:"before_id"`
		Taken  bool      `sql:"taken"`
	}
	if err := u.Select(ctx, &rows, b); err != nil {
		return nil, fmt.Errorf("looking at former positions: %w", err)
	}
	between := make(map[uuid.UUID]*surroundings, len(rows))
	for i := range rows {
		row := &rows[i]
		n := &surroundings{taken: row.Taken}
		if row.After != uuid.Nil {
			n.after = &row.After
		}
		if row.Before != uuid.Nil {
			n.before = &row.Before
		}
		between[row.ID] = n
	}
	return between, nil
}

// readActive reads the former neighbours and the surroundings of places, without those in the trash.
func (u *undo) readActive(ctx context.Context, places []*formerPlace, between map[uuid.UUID]*surroundings) (map[uuid.UUID]*ent.Task, error) {
	var ids []uuid.UUID
	for _, p := range places {
		n := between[p.task.ID]
		for _, id := range []*uuid.UUID{p.changes.Place.After, p.changes.Place.Before, n.after, n.before} {
			if id != nil {
				ids = append(ids, *id)
			}
		}
	}
	tasks, err := u.tasks().Where(enttask.IDIn(ids...), enttask.DeletedAtIsNil()).Select(enttask.FieldParentID, enttask.FieldPosition).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading former neighbours: %w", err)
	}
	found := make(map[uuid.UUID]*ent.Task, len(tasks))
	for _, e := range tasks {
		found[e.ID] = e
	}
	return found, nil
}

// moveBeside moves the tasks beside their anchors whose former positions are not free. This takes statements for each: others have come
// between, each by a change of its own.
func (u *undo) moveBeside(ctx context.Context, places []*formerPlace) error {
	left := slices.DeleteFunc(slices.Clone(places), func(p *formerPlace) bool { return p.free })
	isLeft := func(e *ent.Task) bool {
		return e != nil && slices.ContainsFunc(left, func(p *formerPlace) bool { return p.task == e })
	}
	for len(left) > 0 {
		next := max(0, slices.IndexFunc(left, func(p *formerPlace) bool { return !isLeft(p.anchor) }))
		p := left[next]
		if isLeft(p.anchor) {
			p.anchor, p.before = nil, false // Each is the other's anchor.
		}
		left = slices.Delete(left, next, next+1)
		to, err := p.moveOp().newPosition(ctx, u.tx, p.task)
		if err != nil {
			return err
		}
		if err := u.applyEdits(ctx, []*ent.Task{p.task}, map[uuid.UUID]bool{p.task.ID: true}, p.edit(to)); err != nil {
			return err
		}
	}
	return nil
}
