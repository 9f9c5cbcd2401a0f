package task

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	enttask "taskql/ent/task"
	"taskql/internal/workspace"
)

// Recursive statements go up and down the tree. They say FROM tree CROSS JOIN tasks because SQLite keeps this order: otherwise it would
// read all tasks of the workspace for each row of the tree. To PostgreSQL it is the same as JOIN.

// ancestors are a task and the tasks above it.
type ancestors struct {
	// ids are the task's first, and the top-level task's last. They are empty if there is no such task.
	ids []uuid.UUID
	// active reports whether the task is not in the trash.
	active bool
	// placement is the task's own.
	placement placement
	// repeating is the first of the tasks that repeats; nil if none does.
	repeating *uuid.UUID
}

// id is the task's own.
func (l ancestors) id() *uuid.UUID {
	if len(l.ids) == 0 {
		return nil
	}
	return &l.ids[0]
}

// parent returns a future parent and the tasks above it. It adds a violation if the parent can't have another subtask with what
// is below that.
func (t *tx) parent(ctx context.Context, errs *workspace.Violations, id string, added subtree) (ancestors, error) {
	up, err := t.ancestors(ctx, id)
	if err != nil {
		return up, err
	}
	if !up.active {
		errs.Add(workspace.CodeNotFound, "parentId", "There is no such task, or it is in the trash.")
		return up, nil
	}
	if len(up.ids)+added.levels > t.limits.Depth {
		errs.Add(workspace.CodeLimitExceeded, "parentId", "Tasks nest at most %d deep, those in the trash included.", t.limits.Depth)
	}
	n, err := t.tasks().Where(enttask.ParentID(up.ids[0]), enttask.DeletedAtIsNil()).Count(ctx)
	if err != nil {
		return up, fmt.Errorf("counting subtasks: %w", err)
	}
	if n >= t.limits.Subtasks {
		errs.Add(workspace.CodeLimitExceeded, "parentId", "A task has at most %d subtasks.", t.limits.Subtasks)
	}
	if up.repeating != nil {
		err = t.checkBelowRepeating(ctx, errs, *up.repeating, added)
	}
	return up, err
}

// ancestors returns a task and those above it.
func (t *tx) ancestors(ctx context.Context, id string) (ancestors, error) {
	u, ok := workspace.ParseID(id)
	if !ok {
		return ancestors{}, nil
	}
	all, err := t.ancestorsOf(ctx, []uuid.UUID{u})
	return all[u], err
}

// ancestorsOf returns tasks and those above them. Tasks that don't exist are missing from the map.
func (t *tx) ancestorsOf(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]ancestors, error) {
	all := make(map[uuid.UUID]ancestors, len(ids))
	if len(ids) == 0 {
		return all, nil
	}
	b := workspace.Statement()
	b.WriteString("WITH RECURSIVE up(of, id, parent_id, active, repeats, depth) AS (SELECT id, id, parent_id, deleted_at IS NULL, recurrence_id IS NOT NULL AND NOT completed, 1 FROM tasks WHERE ").
		Join(workspace.Condition(t.Viewer, "")).WriteString(" AND id IN (").Args(workspace.AnySlice(ids)...).
		WriteString(") UNION ALL SELECT up.of, p.id, p.parent_id, p.deleted_at IS NULL, p.recurrence_id IS NOT NULL AND NOT p.completed, up.depth + 1 FROM up CROSS JOIN tasks p WHERE p.id = up.parent_id AND ").
		Join(workspace.Condition(t.Viewer, "p")).WriteString(") SELECT of, up.id, active, repeats, t.project_id, t.section_id, t.hidden_at FROM up CROSS JOIN tasks t WHERE t.id = up.id AND ").
		Join(workspace.Condition(t.Viewer, "t")).WriteString(" ORDER BY depth")
	var found []struct {
		Of      uuid.UUID `sql:"of"`
		ID      uuid.UUID `sql:"id"`
		Active  bool      `sql:"active"`
		Repeats bool      `sql:"repeats"`

		ProjectID *uuid.UUID `sql:"project_id"`
		SectionID *uuid.UUID `sql:"section_id"`
		HiddenAt  *time.Time `sql:"hidden_at"`
	}
	if err := t.Select(ctx, &found, b); err != nil {
		return nil, fmt.Errorf("reading what is above tasks: %w", err)
	}
	for i, e := range found {
		up := all[e.Of]
		if up.ids = append(up.ids, e.ID); e.ID == e.Of {
			up.active, up.placement = e.Active, placement{e.ProjectID, e.SectionID, e.HiddenAt}
		}
		if e.Repeats && up.repeating == nil {
			up.repeating = &found[i].ID
		}
		all[e.Of] = up
	}
	return all, nil
}
