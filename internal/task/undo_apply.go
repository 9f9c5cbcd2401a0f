package task

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/history"
	"taskql/internal/recurrence"
	"taskql/internal/workspace"
)

// trashBefore returns how the task was in the trash before the change, if undoing puts it back there; else nil.
func (s *undoStep) trashBefore() *history.Trash {
	if s.changes.Trash == nil {
		return nil
	}
	return s.changes.Trash.From()
}

// restores reports whether undoing takes the task out of the trash.
func (s *undoStep) restores() bool { return s.changes.Trash != nil && s.changes.Trash.From() == nil }

// apply gives the tasks the values that they had before the change.
func (u *undo) apply(ctx context.Context) error {
	u.recorder.action, u.recorder.open = history.Undone, true
	if err := u.restore(ctx); err != nil {
		return err
	}
	for _, s := range u.steps {
		c := &u.activity(s.task.ID).Changes
		c.Undoes, c.Named = u.undone, s.changes.Named
		if err := u.edit(ctx, s); err != nil {
			return err
		}
	}
	return u.trash(ctx)
}

// restore takes tasks out of the trash, with those that went there with them.
func (u *undo) restore(ctx context.Context) error {
	var back []*ent.Task
	for _, s := range u.steps {
		if s.restores() {
			back = append(back, s.task)
		}
	}
	if len(back) == 0 {
		return nil
	}
	return u.takeOutOfTrash(ctx, back)
}

// edit gives a task its values, tags and place.
func (u *undo) edit(ctx context.Context, s *undoStep) error {
	values := s.values()
	if s.changes.Place != nil {
		to, err := u.formerPosition(ctx, s)
		if err != nil || to == nil {
			return err
		}
		now, err := u.neighboursAt(ctx, s.task)
		if err != nil {
			return err
		}
		place := &history.Place{Position: history.Change[[]byte]{s.task.Position}, After: now.after, Before: now.before}
		u.activity(s.task.ID).Changes.Place = place
		values = append(values, edit{
			columns: []string{enttask.FieldParentID, enttask.FieldPosition},
			set:     func(e *ent.Task) { e.ParentID, e.Position = to.parent, to.position },
		})
	}
	var changed map[uuid.UUID]bool
	if tags := s.changes.Tags; tags != nil {
		swapped := tagChanges{add: map[uuid.UUID][]uuid.UUID{}, remove: map[uuid.UUID][]uuid.UUID{}}
		swapped.set(s.task.ID, tagIDs(tags.Removed), tagIDs(tags.Added))
		var err error
		if changed, err = swapped.apply(ctx, u.tx, []*ent.Task{s.task}); err != nil {
			return err
		}
	}
	if err := u.applyEdits(ctx, []*ent.Task{s.task}, changed, values...); err != nil {
		return err
	}
	return u.editSeries(ctx, s)
}

// values returns the edits that set what the change changed of the task's own values.
func (s *undoStep) values() []edit {
	c := &s.changes
	var edits []edit
	if c.Title != nil || c.Description != nil {
		title, description := s.task.Title, s.task.Description
		if c.Title != nil {
			title = c.Title.From()
		}
		if c.Description != nil {
			description = c.Description.From
		}
		edits = append(edits, textsEdit(title, description))
	}
	if c.Due != nil {
		var due *Due
		if was := c.Due.From(); was != nil {
			due = &Due{Date: was.Date, At: was.At, TimeZone: was.TimeZone}
		}
		edits = append(edits, edit{
			columns: []string{enttask.FieldDueDate, enttask.FieldDueAt, enttask.FieldDueTimeZone}, derived: []string{enttask.FieldDueSort}, set: due.set,
		})
	}
	if c.Priority != nil {
		edits = append(edits, edit{columns: []string{enttask.FieldPriority}, set: func(e *ent.Task) { e.Priority = c.Priority.From() }})
	}
	if c.CompletedAt != nil {
		at := c.CompletedAt.From()
		edits = append(edits, edit{
			columns: []string{enttask.FieldCompletedAt}, derived: []string{enttask.FieldCompleted},
			set: func(e *ent.Task) { e.Completed, e.CompletedAt = at != nil, at },
		})
	}
	return edits
}

// formerPosition returns where a task was before the change: behind its former predecessor, else before its former successor, else at
// the end of its former parent. It is nil if there is a conflict, because the parent can't be the task's any more.
func (u *undo) formerPosition(ctx context.Context, s *undoStep) (*treePosition, error) {
	e, place := s.task, s.changes.Place
	o := &moveOp{parent: e.ParentID}
	if s.changes.Parent != nil {
		o.parent = s.changes.Parent.From()
		if ok, err := u.checkFormerParent(ctx, s, o.parent); err != nil || !ok {
			return nil, err
		}
	}
	for i, id := range []*uuid.UUID{place.After, place.Before} {
		if id == nil || o.anchor != nil {
			continue
		}
		anchor, err := u.siblings(o.parent, e.ID).Where(enttask.ID(*id), enttask.DeletedAtIsNil()).Only(ctx)
		if err != nil && !ent.IsNotFound(err) {
			return nil, fmt.Errorf("reading a former neighbour: %w", err)
		}
		o.anchor, o.before = anchor, anchor != nil && i == 1
	}
	// The former key is the right one, unless others have come between.
	at := *e
	at.ParentID, at.Position = o.parent, place.Position.From()
	taken, err := u.siblings(o.parent, e.ID).Where(enttask.Position(at.Position)).Exist(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking at a former position: %w", err)
	}
	between, err := u.neighboursAt(ctx, &at)
	if err != nil {
		return nil, err
	}
	if !taken && (s.trashBefore() != nil || o.isInPlace(&at, between)) { // Tasks in the trash have no neighbours.
		return &treePosition{parent: o.parent, position: at.Position}, nil
	}
	to, err := o.newPosition(ctx, u.tx, e)
	return &to, err
}

// neighboursAt returns the siblings between which a task is, or would be with those values.
func (t *tx) neighboursAt(ctx context.Context, e *ent.Task) (neighbours, error) {
	var n neighbours
	for backward, neighbour := range map[bool]**uuid.UUID{true: &n.after, false: &n.before} {
		id, err := t.siblings(e.ParentID, e.ID).Where(positioned(e, backward), enttask.DeletedAtIsNil()).
			Order(inManualOrder(backward)).FirstID(ctx)
		switch {
		case err == nil:
			*neighbour = &id
		case !ent.IsNotFound(err):
			return n, fmt.Errorf("reading the neighbours: %w", err)
		}
	}
	return n, nil
}

// checkFormerParent reports whether a task can go back under its former parent. There is a conflict if that is gone, or below the task.
func (u *undo) checkFormerParent(ctx context.Context, s *undoStep, parent *uuid.UUID) (bool, error) {
	if parent == nil {
		return true, nil
	}
	up, err := u.ancestors(ctx, parent.String())
	if err != nil {
		return false, err
	}
	var version int
	switch {
	case len(up.ids) == 0:
		version, err = u.goneSince(ctx, workspace.KindTask, *parent)
	case slices.Contains(up.ids, s.task.ID):
		version, err = u.versionOf(ctx, *parent)
	default:
		return true, nil
	}
	u.conflict(s, "parent", version)
	return false, err
}

// versionOf returns the version of a task.
func (t *tx) versionOf(ctx context.Context, id uuid.UUID) (int, error) {
	versions, err := t.tasks().Where(enttask.ID(id)).Select(enttask.FieldVersion).Ints(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading a task's version: %w", err)
	}
	return append(versions, 0)[0], nil
}

// trash puts tasks back into the trash, the lowest first: one that was there before another above it stays apart from that.
func (u *undo) trash(ctx context.Context) error {
	var back []*undoStep
	depths := map[uuid.UUID]int{}
	for _, s := range u.steps {
		if s.trashBefore() == nil {
			continue
		}
		back = append(back, s)
		up, err := u.ancestors(ctx, s.task.ID.String())
		if err != nil {
			return err
		}
		depths[s.task.ID] = len(up.ids)
	}
	slices.SortStableFunc(back, func(a, b *undoStep) int { return cmp.Compare(depths[b.task.ID], depths[a.task.ID]) })
	for _, s := range back {
		if err := u.putBackIntoTrash(ctx, s.task, *s.trashBefore()); err != nil {
			return err
		}
	}
	return nil
}

// putBackIntoTrash puts a task and the active tasks below it into the trash as it was there.
func (t *tx) putBackIntoTrash(ctx context.Context, e *ent.Task, was history.Trash) error {
	with := e.ID
	if was.With != nil && *was.With != e.ID {
		// It went there with a task that may have come back since.
		there, err := t.tasks().Where(enttask.ID(*was.With), enttask.TrashedWith(*was.With)).Exist(ctx)
		if err != nil {
			return fmt.Errorf("reading the trash: %w", err)
		}
		if there {
			with = *was.With
		}
	}
	b := workspace.Statement()
	b.WriteString("WITH RECURSIVE tree(id) AS (SELECT id FROM tasks WHERE ").
		Join(workspace.Condition(t.Viewer, "")).WriteString(" AND id = ").Arg(e.ID).
		WriteString(" UNION ALL SELECT c.id FROM tree CROSS JOIN tasks c WHERE c.parent_id = tree.id AND c.deleted_at IS NULL AND ").
		Join(workspace.Condition(t.Viewer, "c")).
		WriteString(") UPDATE tasks SET deleted_at = ").Arg(was.At).WriteString(", trashed_with = ").Arg(with).
		WriteString(", version = ").Arg(t.Version).WriteString(", updated_at = ").Arg(t.Now).
		WriteString(" FROM tree WHERE tasks.id = tree.id AND ").Join(workspace.Condition(t.Viewer, "tasks"))
	if err := t.changeSeries(ctx, b, recurrence.SuspendAll); err != nil {
		return fmt.Errorf("putting tasks back into the trash: %w", err)
	}
	t.MarkChanged()
	before := *e
	e.DeletedAt, e.TrashedWith = &was.At, &with
	t.stamp(e)
	t.record(&before, e)
	return nil
}

// checkTree finds tasks that have come back to parents that are in the trash, too deep, or full.
func (u *undo) checkTree(ctx context.Context) error {
	for _, s := range u.steps {
		if s.task.ParentID == nil || s.changes.Parent == nil && !s.restores() {
			continue
		}
		if err := u.checkParent(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// checkParent adds a conflict if a task can't be where it is.
func (u *undo) checkParent(ctx context.Context, s *undoStep) error {
	up, err := u.ancestors(ctx, s.task.ParentID.String())
	if err != nil {
		return err
	}
	below, err := u.subtree(ctx, s.task)
	if err != nil {
		return err
	}
	var errs workspace.Violations
	if up.repeating != nil {
		if err := u.checkBelowRepeating(ctx, &errs, *up.repeating, below); err != nil {
			return err
		}
	}
	// The newest first; this undo's are no obstacles.
	versions, err := u.tasks().Where(enttask.ParentID(*s.task.ParentID), enttask.DeletedAtIsNil()).
		Order(enttask.ByVersion(sql.OrderDesc())).Select(enttask.FieldVersion).Ints(ctx)
	if err != nil {
		return fmt.Errorf("counting subtasks: %w", err)
	}
	var version int
	inTrash := s.task.DeletedAt != nil
	switch {
	case !inTrash && !up.active, len(up.ids)+below.levels > u.limits.Depth, len(errs) > 0:
		if version, err = u.versionOf(ctx, *s.task.ParentID); err != nil {
			return err
		}
	case !inTrash && len(versions) > u.limits.Subtasks:
		version = versions[max(0, slices.IndexFunc(versions, func(v int) bool { return v < u.Version }))]
	default:
		return nil
	}
	if version == u.Version {
		version = 0
	}
	u.conflict(s, "parent", version)
	return nil
}
