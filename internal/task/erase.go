package task

import (
	"context"
	"errors"
	"fmt"

	"entgo.io/ent/dialect/sql"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/ent/user"
	"taskql/ent/userremoval"
	"taskql/ent/workspace"
)

// closeWorkspace locks the workspace and keeps it from being written to. If it does not exist, it is made: so the first
// request of its user, which makes it too, has either ended before, or begins after the transaction.
const closeWorkspace = `INSERT INTO workspaces (id, version, keys_version, task_count, created_at, closed_at) VALUES ($1, 0, 0, 0, $2, $2)
	ON CONFLICT (id) DO UPDATE SET version = workspaces.version + 1, closed_at = coalesce(workspaces.closed_at, excluded.closed_at)`

// The statements that erase a batch of a workspace's rows; $2 is how many. Subtasks come first: erasing a task writes to each
// subtask that is left.
const (
	eraseTasks = `DELETE FROM tasks WHERE workspace_id = $1 AND id IN (
		SELECT t.id FROM tasks t WHERE t.workspace_id = $1 AND NOT EXISTS (SELECT 1 FROM tasks c WHERE c.parent_id = t.id AND c.workspace_id = $1)
		ORDER BY t.created_at DESC, t.id DESC LIMIT $2)`
	eraseTags = `DELETE FROM tags WHERE workspace_id = $1 AND id IN (SELECT id FROM tags WHERE workspace_id = $1 LIMIT $2)`
	eraseKeys = `DELETE FROM idempotency_keys WHERE workspace_id = $1 AND id IN (SELECT id FROM idempotency_keys WHERE workspace_id = $1 LIMIT $2)`
)

// eraseBatch erases up to upkeepBatch rows of each kind, tags after the last task. If none are left, it erases the workspace and
// the user, and with them the ids in the removal. The tasks of a removal that moves them must be gone.
func (s *Service) eraseBatch(ctx context.Context, r *ent.UserRemoval) (Erased, error) {
	id := *r.UserID
	if err := s.writers.Acquire(ctx, id); err != nil {
		return Erased{}, fmt.Errorf("waiting for the user's changes: %w", err)
	}
	defer s.writers.Release(id)
	var erased Erased
	err := s.inTx(ctx, func(entTx *ent.Tx) error {
		t := &tx{Tx: entTx, now: s.now()}
		var err error
		erased, err = t.eraseBatch(ctx, r)
		return err
	})
	if err != nil {
		return Erased{}, fmt.Errorf("erasing a user: %w", err)
	}
	s.closed(id)
	return erased, nil
}

func (t *tx) eraseBatch(ctx context.Context, r *ent.UserRemoval) (Erased, error) {
	id := *r.UserID
	if _, err := t.ExecContext(ctx, closeWorkspace, id, t.now); err != nil {
		return Erased{}, fmt.Errorf("closing the workspace: %w", err)
	}
	var erased Erased
	var err error
	if r.MoveTo == nil {
		if erased.Tasks, err = t.erase(ctx, eraseTasks, id); err != nil {
			return Erased{}, err
		}
	}
	if erased.IdempotencyKeys, err = t.erase(ctx, eraseKeys, id); err != nil {
		return Erased{}, err
	}
	left, err := t.Task.Query().Where(enttask.WorkspaceID(id)).Exist(ctx)
	switch {
	case err != nil:
		return Erased{}, fmt.Errorf("looking for tasks: %w", err)
	case left && (r.MoveTo != nil || erased.Tasks == 0):
		return Erased{}, errors.New("there are tasks that were neither moved nor erased")
	case !left: // While there are tasks, a tag takes all its rows of task_tags with it: a hundred thousand would not fit into a batch.
		if erased.Tags, err = t.erase(ctx, eraseTags, id); err != nil {
			return Erased{}, err
		}
	}
	if r.MoveTo != nil {
		if err := t.moveTimeZone(ctx, id, *r.MoveTo); err != nil {
			return Erased{}, err
		}
	}
	if erased.Users, err = t.User.Delete().Where(user.ID(id)).Exec(ctx); err != nil {
		return Erased{}, fmt.Errorf("erasing the user's row: %w", err)
	}
	if left || max(erased.IdempotencyKeys, erased.Tags) == upkeepBatch {
		return erased, nil
	}
	return erased, t.finishRemoval(ctx, r)
}

// erase runs one of the statements above, and returns how many rows it has erased.
func (t *tx) erase(ctx context.Context, statement, workspaceID string) (int, error) {
	result, err := t.ExecContext(ctx, statement, workspaceID, upkeepBatch)
	if err != nil {
		return 0, fmt.Errorf("erasing a batch: %w", err)
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// finishRemoval erases the workspace, and every plain id in user_removals.
func (t *tx) finishRemoval(ctx context.Context, r *ent.UserRemoval) error {
	if _, err := t.Workspace.Delete().Where(workspace.ID(*r.UserID)).Exec(ctx); err != nil {
		return fmt.Errorf("erasing the workspace: %w", err)
	}
	// Tasks that were to move to this user move on with this user's, or are erased as they are.
	if r.MoveTo != nil {
		err := t.UserRemoval.Update().Where(userremoval.MoveTo(*r.UserID), userremoval.UserIDNEQ(*r.MoveTo)).SetMoveTo(*r.MoveTo).Exec(ctx)
		if err != nil {
			return fmt.Errorf("redirecting moves to the user: %w", err)
		}
	}
	if err := t.UserRemoval.Update().Where(userremoval.MoveTo(*r.UserID)).ClearMoveTo().Exec(ctx); err != nil {
		return fmt.Errorf("ending moves to the user: %w", err)
	}
	err := t.UserRemoval.Update().Where(userremoval.ID(r.ID)).ClearUserID().ClearMoveTo().SetFinishedAt(t.now).Exec(ctx)
	if err != nil {
		return fmt.Errorf("finishing the removal: %w", err)
	}
	return nil
}

// moveTimeZone gives the user's time zone to the one who got the tasks, if that one has never chosen one.
func (t *tx) moveTimeZone(ctx context.Context, from, to string) error {
	zones, err := t.User.Query().Where(user.ID(from)).Select(user.FieldTimeZone).Strings(ctx)
	if err != nil || len(zones) == 0 {
		return err
	}
	err = t.User.Update().Where(user.ID(to), user.TimeZone(user.DefaultTimeZone), func(s *sql.Selector) {
		s.Where(sql.NEQ(s.C(user.FieldTimeZone), zones[0]))
	}).SetTimeZone(zones[0]).SetUpdatedAt(t.now).Exec(ctx)
	if err != nil {
		return fmt.Errorf("moving the time zone: %w", err)
	}
	return nil
}
