package task

import (
	"context"
	"fmt"

	"taskql/ent"
	"taskql/ent/member"
	"taskql/ent/reminder"
	enttask "taskql/ent/task"
	"taskql/ent/tombstone"
	"taskql/internal/history"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// A user who is erased leaves the workspaces of organizations in batches, each a change of one workspace. The user's row in members
// is deleted last, so that it says where something may be left.

// historyWalk is how far a user has been erased from the history of a workspace. It is kept in memory only: a process that goes on with a
// removal begins again.
type historyWalk struct {
	workspace string
	// version is the one up to which no activity has the user.
	version int
}

// eraseFromOrganization erases a batch of what one workspace of an organization has of a user, if there is any.
func (s *Service) eraseFromOrganization(ctx context.Context, userID string, walk *historyWalk) (Erased, error) {
	row, err := s.client.Member.Query().Where(member.UserID(userID)).Order(member.ByID()).First(ctx)
	if ent.IsNotFound(err) {
		return Erased{}, nil
	}
	if err != nil {
		return Erased{}, fmt.Errorf("looking for the organizations of a user: %w", err)
	}
	if walk.workspace != row.WorkspaceID {
		*walk = historyWalk{workspace: row.WorkspaceID}
	}
	var erased Erased
	var version int
	v := viewer.Viewer{UserID: userID, WorkspaceID: row.WorkspaceID}
	err = s.applyChange(ctx, v, history.Server, func(t *tx) error {
		var err error
		erased, version, err = t.eraseMember(ctx, walk.version)
		return err
	})
	if err != nil {
		return Erased{}, fmt.Errorf("erasing a user from an organization's workspace: %w", err)
	}
	walk.version = version
	return erased, nil
}

// countInOrganizations adds what eraseFromOrganization would erase of a user in all workspaces.
func (s *Service) countInOrganizations(ctx context.Context, userID string, present *Erased) error {
	workspaces, err := s.client.Member.Query().Where(member.UserID(userID)).Select(member.FieldWorkspaceID).Strings(ctx)
	if err != nil {
		return fmt.Errorf("looking for the organizations of a user: %w", err)
	}
	present.Memberships = len(workspaces)
	for _, id := range workspaces {
		scope := workspace.Scope(viewer.Viewer{UserID: userID, WorkspaceID: id})
		for _, count := range []struct {
			of   *int
			rows func(context.Context) (int, error)
		}{
			{&present.Activities, s.client.Activity.Query().Where(scope, history.OfUser(userID)).Count},
			{&present.Assignments, s.client.Task.Query().Where(scope, enttask.AssigneeID(userID)).Count},
			{&present.CreatedTasks, s.client.Task.Query().Where(scope, enttask.CreatedBy(userID)).Count},
			{&present.Reminders, s.client.Reminder.Query().Where(scope, reminder.UserID(userID)).Count},
		} {
			n, err := count.rows(ctx)
			if err != nil {
				return fmt.Errorf("counting what an organization's workspace has of a user: %w", err)
			}
			*count.of += n
		}
	}
	return nil
}

// eraseMember erases a batch of what the workspace has of the viewer: who made changes, assignments, which is a change that others see,
// who made tasks, and the viewer's reminders. If nothing is left, it deletes the row in members. The history has no activity of the
// viewer up to a version, and then up to the one that is returned.
func (t *tx) eraseMember(ctx context.Context, version int) (Erased, int, error) {
	t.MarkChanged() // The answers about the workspace are other ones, even if no task gets a new version.
	var erased Erased
	var more bool
	var err error
	erased.Activities, version, more, err = history.EraseUser(ctx, t.Tx, t.Viewer.UserID, version)
	if more || err != nil {
		return erased, version, err //nolint:wrapcheck // It says what it was doing.
	}
	for _, step := range []struct {
		n     *int
		erase func(context.Context) (int, error)
	}{
		{&erased.Assignments, t.eraseAssignments},
		{&erased.CreatedTasks, t.eraseCreator},
		{&erased.Reminders, t.eraseReminders},
		{new(int), t.eraseTombstones},
	} {
		if *step.n, err = step.erase(ctx); err != nil || *step.n == workspace.BatchSize {
			return erased, version, err
		}
	}
	erased.Memberships, err = t.Member.Delete().Where(workspace.Scope(t.Viewer), member.UserID(t.Viewer.UserID)).Exec(ctx)
	if err != nil {
		return Erased{}, version, fmt.Errorf("deleting a member: %w", err)
	}
	return erased, version, nil
}

func (t *tx) eraseAssignments(ctx context.Context) (int, error) {
	ids, err := t.tasks().Where(enttask.AssigneeID(t.Viewer.UserID)).Limit(workspace.BatchSize).IDs(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the tasks of an assignee: %w", err)
	}
	if len(ids) == 0 {
		return 0, nil
	}
	if err := t.update().Where(enttask.IDIn(ids...)).ClearAssigneeID().Exec(ctx); err != nil {
		return 0, fmt.Errorf("erasing an assignee: %w", err)
	}
	return len(ids), nil
}

// eraseCreator gives tasks no new version: nobody has changed them.
func (t *tx) eraseCreator(ctx context.Context) (int, error) {
	ids, err := t.tasks().Where(enttask.CreatedBy(t.Viewer.UserID)).Limit(workspace.BatchSize).IDs(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the tasks of their creator: %w", err)
	}
	if len(ids) == 0 {
		return 0, nil
	}
	if err := t.Task.Update().Where(enttask.IDIn(ids...)).ClearCreatedBy().Exec(ctx); err != nil {
		return 0, fmt.Errorf("erasing the creator of tasks: %w", err)
	}
	return len(ids), nil
}

// eraseReminders deletes the viewer's reminders.
func (t *tx) eraseReminders(ctx context.Context) (int, error) {
	ids, err := t.Reminder.Query().Where(workspace.Scope(t.Viewer), reminder.UserID(t.Viewer.UserID)).Limit(workspace.BatchSize).IDs(ctx)
	if err == nil && len(ids) > 0 {
		_, err = t.Reminder.Delete().Where(reminder.IDIn(ids...)).Exec(ctx)
	}
	return len(ids), err //nolint:wrapcheck // The caller says what it erases.
}

// eraseTombstones deletes the tombstones that only the viewer may see.
func (t *tx) eraseTombstones(ctx context.Context) (int, error) {
	gone, err := t.Tombstone.Query().Where(workspace.Scope(t.Viewer), tombstone.UserID(t.Viewer.UserID)).Limit(workspace.BatchSize).IDs(ctx)
	if err == nil && len(gone) > 0 {
		_, err = t.Tombstone.Delete().Where(tombstone.IDIn(gone...)).Exec(ctx)
	}
	return len(gone), err //nolint:wrapcheck // As above.
}
