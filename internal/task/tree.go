package task

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	enttask "taskql/ent/task"
	"taskql/internal/workspace"
)

// ancestors are the ids of a task and of the tasks above it: the task first, the top-level task last.
type ancestors []uuid.UUID

// id is the task's own.
func (l ancestors) id() *uuid.UUID {
	if len(l) == 0 {
		return nil
	}
	return &l[0]
}

// parent returns the ids of a future parent and of the tasks above it. It adds a violation if the parent can't have another subtask
// that has height levels.
func (t *tx) parent(ctx context.Context, errs *workspace.Violations, id string, height int) (ancestors, error) {
	up, active, err := t.ancestors(ctx, id)
	if err != nil {
		return nil, err
	}
	if !active {
		errs.Add(workspace.CodeNotFound, "parentId", "There is no such task, or it is in the trash.")
		return up, nil
	}
	if len(up)+height > t.limits.Depth {
		errs.Add(workspace.CodeLimitExceeded, "parentId", "Tasks nest at most %d deep, those in the trash included.", t.limits.Depth)
	}
	n, err := t.tasks().Where(enttask.ParentID(up[0]), enttask.DeletedAtIsNil()).Count(ctx)
	if err != nil {
		return nil, fmt.Errorf("counting subtasks: %w", err)
	}
	if n >= t.limits.Subtasks {
		errs.Add(workspace.CodeLimitExceeded, "parentId", "A task has at most %d subtasks.", t.limits.Subtasks)
	}
	return up, nil
}

// ancestors returns the ids of a task and of those above it, and whether the task is not in the trash. They are empty if there is
// no such task.
func (t *tx) ancestors(ctx context.Context, id string) (ancestors, bool, error) {
	u, ok := workspace.ParseID(id)
	if !ok {
		return nil, false, nil
	}
	b := workspace.Statement()
	b.WriteString("WITH RECURSIVE up(id, parent_id, active, depth) AS (SELECT id, parent_id, deleted_at IS NULL, 1 FROM tasks WHERE ").
		Join(workspace.Condition(t.Viewer, "")).WriteString(" AND id = ").Arg(u).
		WriteString(" UNION ALL SELECT p.id, p.parent_id, p.deleted_at IS NULL, up.depth + 1 FROM tasks p JOIN up ON p.id = up.parent_id WHERE ").
		Join(workspace.Condition(t.Viewer, "p")).WriteString(") SELECT id, active FROM up ORDER BY depth")
	var found []struct {
		ID     uuid.UUID `sql:"id"`
		Active bool      `sql:"active"`
	}
	if err := t.Select(ctx, &found, b); err != nil {
		return nil, false, fmt.Errorf("reading what is above a task: %w", err)
	}
	var up ancestors
	for _, e := range found {
		up = append(up, e.ID)
	}
	return up, len(found) > 0 && found[0].Active, nil
}

// height returns how many levels there are from a task down, those in the trash included, so that a restored task is never too
// deep.
func (t *tx) height(ctx context.Context, id uuid.UUID) (int, error) {
	b := workspace.Statement()
	b.WriteString("WITH RECURSIVE down(id, depth) AS (SELECT id, 1 FROM tasks WHERE ").
		Join(workspace.Condition(t.Viewer, "")).WriteString(" AND id = ").Arg(id).
		WriteString(" UNION ALL SELECT c.id, down.depth + 1 FROM tasks c JOIN down ON c.parent_id = down.id WHERE ").
		Join(workspace.Condition(t.Viewer, "c")).WriteString(") SELECT max(depth) FROM down")
	var height []int
	if err := t.Select(ctx, &height, b); err != nil {
		return 0, fmt.Errorf("measuring what is below a task: %w", err)
	}
	return height[0], nil
}
