package task

import (
	"context"
	"errors"
	"fmt"

	"taskql/ent"
	entworkspace "taskql/ent/workspace"
	"taskql/internal/history"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// ErrPersonal is returned by EraseWorkspace for a personal workspace, which is erased with its user: see EraseUser.
var ErrPersonal = errors.New("it is a personal workspace, which is erased with its user")

// EraseWorkspace erases the workspace of an organization with all its rows, in batches, and calls progress after each batch with how
// many tasks were erased until then; progress may be nil. From its beginning on, nobody can change the workspace. After an error, calling
// it again goes on. The error is workspace.ErrNotFound if there is no such workspace, or ErrPersonal.
//
// The auth server is not told: a member of an organization that it still has gets a new, empty workspace.
func (s *Service) EraseWorkspace(ctx context.Context, id string, progress func(tasks int)) error {
	if _, ok := workspace.OrganizationOf(id); !ok {
		return ErrPersonal
	}
	there, err := s.client.Workspace.Query().Where(entworkspace.ID(id)).Exist(ctx)
	if err != nil {
		return fmt.Errorf("looking for the workspace: %w", err)
	}
	if !there {
		return workspace.ErrNotFound
	}
	for total, left := 0, true; left; {
		var erased int
		err := s.workspaces.Erase(ctx, viewer.Viewer{WorkspaceID: id}, func(w *workspace.Tx) error {
			var err error
			erased, left, err = s.tx(w, history.Server).eraseWorkspaceBatch(ctx)
			return err
		})
		if err != nil {
			return fmt.Errorf("erasing a workspace: %w", err)
		}
		if total += erased; progress != nil {
			progress(total)
		}
	}
	return nil
}

// eraseWorkspaceBatch erases tasks, or if there are none, rows of each other table, or if there are none either, the workspace. It
// returns how many tasks it has erased, and whether something is left.
func (t *tx) eraseWorkspaceBatch(ctx context.Context) (int, bool, error) {
	tasks, err := t.eraseTasks(ctx)
	if err != nil || tasks > 0 {
		return tasks, true, err
	}
	left := false
	for _, table := range ent.WorkspaceTables {
		n, err := t.EraseRows(ctx, table)
		if err != nil {
			return 0, false, err
		}
		left = left || n > 0
	}
	if left {
		return 0, true, nil
	}
	if _, err := t.Workspace.Delete().Where(entworkspace.ID(t.Viewer.WorkspaceID)).Exec(ctx); err != nil {
		return 0, false, fmt.Errorf("erasing the workspace's row: %w", err)
	}
	return 0, false, nil
}
