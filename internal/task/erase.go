package task

import (
	"context"
	"errors"
	"fmt"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/idempotencykey"
	"taskql/ent/member"
	"taskql/ent/predicate"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	"taskql/ent/user"
	"taskql/ent/userremoval"
	entworkspace "taskql/ent/workspace"
	"taskql/internal/history"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// eraseBatch erases up to workspace.BatchSize tasks, or if there are none, as many rows of each other table. If no rows are left,
// it erases the workspace, the user and the ids in the removal. If the removal moves the tasks, that must be done.
func (s *Service) eraseBatch(ctx context.Context, r *ent.UserRemoval) (Erased, error) {
	id := *r.UserID
	var erased Erased
	err := s.workspaces.Erase(ctx, viewer.Viewer{UserID: id, WorkspaceID: workspace.PersonalID(id)}, func(w *workspace.Tx) error {
		var err error
		erased, err = s.tx(w, history.Server).eraseBatch(ctx, r)
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
	var erased Erased
	var err error
	if r.MoveTo == nil {
		if erased.Tasks, err = t.eraseTasks(ctx); err != nil {
			return Erased{}, err
		}
	}
	left, err := t.Task.Query().Where(workspace.Scope(t.Viewer)).Exist(ctx)
	switch {
	case err != nil:
		return Erased{}, fmt.Errorf("looking for tasks: %w", err)
	case left && (r.MoveTo != nil || erased.Tasks == 0):
		return Erased{}, errors.New("there are tasks that were neither moved nor erased")
	case !left: // While there are tasks, a tag takes all its rows of task_tags with it: a hundred thousand would not fit into a batch.
		for _, table := range ent.WorkspaceTables {
			n, err := t.EraseRows(ctx, table)
			if err != nil {
				return Erased{}, err
			}
			switch table {
			case enttag.Table:
				erased.Tags = n
			case idempotencykey.Table:
				erased.IdempotencyKeys = n
			}
			left = left || n == workspace.BatchSize
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
	if !left { // The user's row is gone, so that no session makes the user a member again.
		left, err = t.Member.Query().Where(member.UserID(id)).Exist(ctx)
	}
	if left || err != nil {
		return erased, err
	}
	return erased, t.finishRemoval(ctx, r)
}

// eraseTasks erases up to workspace.BatchSize tasks, and returns how many. Subtasks come first, since erasing a task writes to each
// subtask that is left.
//
// It reads ids and then erases them, as EraseRows does.
func (t *tx) eraseTasks(ctx context.Context) (int, error) {
	ids, err := t.Task.Query().Where(workspace.Scope(t.Viewer)).
		Order(enttask.ByCreatedAt(sql.OrderDesc()), enttask.ByID(sql.OrderDesc())).Limit(workspace.BatchSize).IDs(ctx)
	if err == nil {
		ids, err = t.lowest(ctx, ids, workspace.BatchSize)
	}
	if err != nil {
		return 0, fmt.Errorf("reading tasks: %w", err)
	}
	n, err := t.Task.Delete().Where(enttask.IDIn(ids...)).Exec(ctx)
	if err != nil {
		return 0, fmt.Errorf("erasing tasks: %w", err)
	}
	return n, nil
}

// lowest returns tasks that can be deleted before others: these, or some of the tasks below them, up to the limit. No other task
// that the predicates select is below the returned ones.
func (t *tx) lowest(ctx context.Context, ids []uuid.UUID, limit int, also ...predicate.Task) ([]uuid.UUID, error) {
	var err error
	for subtasks := ids; err == nil && len(subtasks) > 0; {
		ids = subtasks
		subtasks, err = t.tasks().Where(enttask.ParentIDIn(ids...), enttask.IDNotIn(ids...)).Where(also...).Limit(limit).IDs(ctx)
	}
	return ids, err //nolint:wrapcheck // The caller says what it reads.
}

// finishRemoval erases the workspace, and every plain id in user_removals.
func (t *tx) finishRemoval(ctx context.Context, r *ent.UserRemoval) error {
	if _, err := t.Workspace.Delete().Where(entworkspace.ID(*r.UserID)).Exec(ctx); err != nil {
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
	err := t.UserRemoval.Update().Where(userremoval.ID(r.ID)).ClearUserID().ClearMoveTo().SetFinishedAt(t.Now).Exec(ctx)
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
	}).SetTimeZone(zones[0]).SetUpdatedAt(t.Now).Exec(ctx)
	if err != nil {
		return fmt.Errorf("moving the time zone: %w", err)
	}
	return nil
}
