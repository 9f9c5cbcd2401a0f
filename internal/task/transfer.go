package task

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	enttag "taskql/ent/tag"
	"taskql/ent/tasktag"
	"taskql/ent/userremoval"
	"taskql/internal/history"
	"taskql/internal/project"
	"taskql/internal/recurrence"
	"taskql/internal/text"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// moveSize is how many tasks are moved in one transaction, which locks both workspaces for some tens of milliseconds.
const moveSize = 200

// linksBatch is how many tags of tasks one statement inserts. Its number of arguments is limited.
const linksBatch = 1000

// moveBatch moves tags, and then up to moveSize tasks, to another user's workspace, as one change of that workspace. It
// returns false if nothing was left to move. The error is a *waitingError if the other workspace is full or does not exist yet.
//
// A task is moved after its parent, so that no visible task misses its parent. Ids and times stay. Tasks of the top level go to the
// end of the manual order; subtasks keep their order.
func (s *Service) moveBatch(ctx context.Context, from, to string) (bool, error) {
	switch removal, err := s.client.UserRemoval.Get(ctx, viewer.UserHash(to)); {
	case err == nil:
		return true, s.redirect(ctx, from, removal.MoveTo)
	case !ent.IsNotFound(err):
		return false, fmt.Errorf("looking at the user who gets the tasks: %w", err)
	}
	more := false
	err := s.applyChange(ctx, viewer.Viewer{UserID: to, WorkspaceID: workspace.PersonalID(to)}, history.Server, func(t *tx) error {
		var err error
		more, err = t.moveFrom(ctx, viewer.Viewer{UserID: from, WorkspaceID: workspace.PersonalID(from)})
		return err
	})
	switch {
	case errors.Is(err, workspace.ErrNoWorkspace):
		return false, &waitingError{"the user who gets the tasks has no row in workspaces"}
	case err != nil:
		return false, fmt.Errorf("moving tasks: %w", err)
	}
	if more {
		s.closed(from)
	}
	return more, nil
}

// redirect changes a removal whose tasks would move to a user who is removed, too: they move to next, the user who gets that user's
// tasks. If there is no other user, they are erased.
func (s *Service) redirect(ctx context.Context, from string, next *string) error {
	update := s.client.UserRemoval.Update().Where(userremoval.ID(viewer.UserHash(from)))
	if next != nil && *next != from {
		update.SetMoveTo(*next)
	} else {
		update.ClearMoveTo()
	}
	if err := update.Exec(ctx); err != nil {
		return fmt.Errorf("changing who gets the tasks: %w", err)
	}
	return nil
}

// moveFrom moves a batch from a workspace to the viewer's.
func (t *tx) moveFrom(ctx context.Context, from viewer.Viewer) (bool, error) {
	if err := t.CloseWorkspace(ctx, from.WorkspaceID); err != nil {
		return false, err
	}
	merged, err := t.moveTags(ctx, from)
	if err != nil {
		return false, err
	}
	if err := t.moveProjects(ctx, from); err != nil {
		return false, err
	}
	tasks, err := t.nextToMove(ctx, from)
	if err != nil {
		return false, err
	}
	room := t.limits.Tasks - t.Count
	if len(tasks) > 0 {
		if room <= 0 {
			return false, &waitingError{fmt.Sprintf("the workspace that gets the tasks is full: LIMIT_TASKS is %d", t.limits.Tasks)}
		}
		tasks = tasks[:min(len(tasks), room)]
		if err := t.moveTasks(ctx, from, tasks); err != nil {
			return false, err
		}
		if err := t.moveLinks(ctx, tasks, merged); err != nil {
			return false, err
		}
		if err := t.reminders.Move(ctx, t.Tx, from, tasks); err != nil {
			return false, err //nolint:wrapcheck // It says what it was doing.
		}
	}
	return t.Changed(), nil
}

// moveTags moves the tags whose names the viewer's workspace does not have. It returns the others, each with the tag that
// takes its place.
func (t *tx) moveTags(ctx context.Context, from viewer.Viewer) (map[uuid.UUID]uuid.UUID, error) {
	tags, err := t.Tag.Query().Where(workspace.Scope(from)).Order(enttag.ByCreatedAt(), enttag.ByID()).All(ctx)
	if err != nil || len(tags) == 0 {
		return nil, err
	}
	existing, err := t.tagNames(ctx)
	if err != nil {
		return nil, err
	}
	names := make(map[string]uuid.UUID, len(existing))
	for _, tag := range existing {
		names[text.Fold(tag.Name)] = tag.ID
	}
	merged := map[uuid.UUID]uuid.UUID{}
	count := len(existing)
	for _, tag := range tags {
		name := text.Fold(tag.Name)
		if same, ok := names[name]; ok {
			merged[tag.ID] = same
			continue
		}
		if count++; count > t.limits.Tags {
			return nil, &waitingError{fmt.Sprintf("the workspace that gets the tags is full: LIMIT_TAGS is %d", t.limits.Tags)}
		}
		names[name] = tag.ID
		b := workspace.Statement()
		b.WriteString("UPDATE tags SET workspace_id = ").Arg(t.Viewer.WorkspaceID).WriteString(", version = ").Arg(t.Version).
			WriteString(", name_key = ").Arg(text.NameKey(name)).
			WriteString(" WHERE id = ").Arg(tag.ID).WriteString(" AND ").Join(workspace.Condition(from, ""))
		if err := t.Exec(ctx, b); err != nil {
			return nil, fmt.Errorf("moving a tag: %w", err)
		}
		t.MarkChanged()
	}
	return merged, nil
}

// moveProjects moves all projects with their sections, to the end of the manual order. Unlike tags they are not merged: two projects of
// one name are two projects.
func (t *tx) moveProjects(ctx context.Context, from viewer.Viewer) error {
	n, ok, err := project.MoveFrom(ctx, t.Tx, from, t.limits.Projects)
	if err != nil {
		return err //nolint:wrapcheck // It says what it did.
	}
	if !ok {
		return &waitingError{fmt.Sprintf("the workspace that gets the projects has no room for %d more: LIMIT_PROJECTS is %d", n, t.limits.Projects)}
	}
	return nil
}

// settleMoved gives moved tasks the placement that they should have, if their parent, project or section was changed after it was moved.
func (t *tx) settleMoved(ctx context.Context, ids []uuid.UUID) error {
	for _, change := range []struct{ set, where string }{
		{
			"project_id = (SELECT p.project_id FROM tasks p WHERE p.id = tasks.parent_id), section_id = (SELECT p.section_id FROM tasks p WHERE p.id = tasks.parent_id)",
			"parent_id IS NOT NULL AND (deleted_at IS NULL OR project_id IS NOT NULL)",
		},
		{
			"project_id = NULL",
			`project_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM projects p WHERE p.id = tasks.project_id
				AND (p.deleted_at IS NULL OR tasks.deleted_at IS NOT NULL AND tasks.trashed_with = p.id))`,
		},
		{
			"section_id = NULL",
			"section_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sections s WHERE s.id = tasks.section_id AND s.project_id = tasks.project_id)",
		},
		{
			"hidden_at = (SELECT p.archived_at FROM projects p WHERE p.id = tasks.project_id)",
			"(project_id IS NOT NULL OR hidden_at IS NOT NULL)",
		},
	} {
		b := workspace.Statement()
		b.WriteString("UPDATE tasks SET " + change.set + " WHERE ").Join(workspace.Condition(t.Viewer, "")).
			WriteString(" AND id IN (").Args(workspace.AnySlice(ids)...).WriteString(") AND " + change.where)
		if err := t.Exec(ctx, b); err != nil {
			return fmt.Errorf("looking at the projects: %w", err)
		}
	}
	return nil
}

// nextToMove returns the tasks to be moved next, in manual order: first those of the top level, and then those whose parents
// were moved.
func (t *tx) nextToMove(ctx context.Context, from viewer.Viewer) ([]uuid.UUID, error) {
	for _, statement := range []*sql.Builder{topLevelToMove(from), subtasksToMove(from)} {
		var ids []uuid.UUID
		if err := t.Select(ctx, &ids, statement); err != nil {
			return nil, fmt.Errorf("reading tasks: %w", err)
		}
		if len(ids) > 0 {
			return ids, nil
		}
	}
	return nil, nil
}

func topLevelToMove(from viewer.Viewer) *sql.Builder {
	b := workspace.Statement()
	return b.WriteString("SELECT id FROM tasks WHERE ").Join(workspace.Condition(from, "")).
		WriteString(" AND parent_id IS NULL ORDER BY position, id LIMIT ").Arg(moveSize)
}

func subtasksToMove(from viewer.Viewer) *sql.Builder {
	b := workspace.Statement()
	return b.WriteString("SELECT t.id FROM tasks t JOIN tasks p ON p.id = t.parent_id WHERE ").Join(workspace.Condition(from, "t")).
		WriteString(" AND p.workspace_id <> ").Arg(from.WorkspaceID).WriteString(" ORDER BY t.parent_id, t.position, t.id LIMIT ").Arg(moveSize)
}

// moveTasks moves tasks, which stay in that order.
func (t *tx) moveTasks(ctx context.Context, from viewer.Viewer, ids []uuid.UUID) error {
	if _, err := t.Add(ctx, taskCount, len(ids)); err != nil {
		return err
	}
	const uncount = `UPDATE workspaces SET task_count = task_count - $1 WHERE id = $2`
	if _, err := t.ExecContext(ctx, uncount, len(ids), from.WorkspaceID); err != nil {
		return fmt.Errorf("counting the tasks that are left: %w", err)
	}
	keys, err := t.endPositions(len(ids))
	if err != nil {
		return err
	}
	series, err := t.seriesAmong(ctx, from, ids)
	if err != nil {
		return err
	}
	if err := recurrence.MoveFrom(ctx, t.Tx, from, series...); err != nil {
		return err //nolint:wrapcheck // It says what it did.
	}
	b := workspace.Statement()
	b.WriteString("UPDATE tasks SET workspace_id = ").Arg(t.Viewer.WorkspaceID).WriteString(", version = ").Arg(t.Version).
		WriteString(", assignee_id = CASE WHEN assignee_id IS NOT NULL THEN ").Arg(t.Viewer.UserID).WriteString(" END, position = CASE id")
	for i, id := range ids {
		b.WriteString(" WHEN ").Arg(id).WriteString(" THEN ").Arg(keys[i])
	}
	b.WriteString(" ELSE position END WHERE ").Join(workspace.Condition(from, "")).WriteString(" AND id IN (").Args(workspace.AnySlice(ids)...).WriteString(")")
	if err := t.Exec(ctx, b); err != nil {
		return fmt.Errorf("moving tasks: %w", err)
	}
	t.MarkChanged()
	for _, id := range ids {
		t.recordNew(id) // The workspace that they come from is closed, and its activities are erased.
	}
	for _, settle := range []func(context.Context, []uuid.UUID) error{t.restoreMoved, t.moveActiveToTop, t.settleMoved} {
		if err := settle(ctx, ids); err != nil {
			return err
		}
	}
	return nil
}

// restoreMoved takes tasks out of the trash if the task or the project with which they went there was restored after it was moved.
func (t *tx) restoreMoved(ctx context.Context, ids []uuid.UUID) error {
	b := workspace.Statement()
	b.WriteString("UPDATE tasks SET deleted_at = NULL, trashed_with = NULL, updated_at = ").Arg(t.Now).
		WriteString(" WHERE ").Join(workspace.Condition(t.Viewer, "")).WriteString(" AND id IN (").Args(workspace.AnySlice(ids)...).
		WriteString(") AND deleted_at IS NOT NULL AND (EXISTS (SELECT 1 FROM tasks r WHERE r.id = tasks.trashed_with AND r.deleted_at IS NULL)" +
			" OR EXISTS (SELECT 1 FROM projects p WHERE p.id = tasks.trashed_with AND p.deleted_at IS NULL))")
	if _, err := t.changeSeries(ctx, b, recurrence.ResumeAll); err != nil {
		return fmt.Errorf("looking at the trash: %w", err)
	}
	return nil
}

// moveActiveToTop moves active tasks to the top level if their parent went to the trash after it was moved.
func (t *tx) moveActiveToTop(ctx context.Context, ids []uuid.UUID) error {
	b := workspace.Statement()
	b.WriteString("UPDATE tasks SET parent_id = NULL WHERE ").Join(workspace.Condition(t.Viewer, "")).
		WriteString(" AND id IN (").Args(workspace.AnySlice(ids)...).
		WriteString(") AND deleted_at IS NULL AND EXISTS (SELECT 1 FROM tasks p WHERE p.id = tasks.parent_id AND p.deleted_at IS NOT NULL)")
	if err := t.Exec(ctx, b); err != nil {
		return fmt.Errorf("looking at the parents: %w", err)
	}
	return nil
}

// moveLinks moves the rows of task_tags of moved tasks, and replaces tags that were merged.
func (t *tx) moveLinks(ctx context.Context, tasks []uuid.UUID, merged map[uuid.UUID]uuid.UUID) error {
	links, err := t.TaskTag.Query().Where(tasktag.TaskIDIn(tasks...)).All(ctx)
	if err != nil {
		return fmt.Errorf("reading tags of tasks: %w", err)
	}
	has := make(map[[2]uuid.UUID]bool, len(links))
	for _, link := range links {
		has[[2]uuid.UUID{link.TaskID, link.TagID}] = true
	}
	var old []uuid.UUID
	var rows []*ent.TaskTagCreate
	for _, link := range links {
		tag, ok := merged[link.TagID]
		if !ok {
			continue
		}
		if !slices.Contains(old, link.TagID) {
			old = append(old, link.TagID)
		}
		if key := [2]uuid.UUID{link.TaskID, tag}; !has[key] {
			has[key] = true
			rows = append(rows, t.TaskTag.Create().SetTaskID(link.TaskID).SetTagID(tag).SetWorkspaceID(t.Viewer.WorkspaceID))
		}
	}
	for batch := range slices.Chunk(rows, linksBatch) {
		if err := t.TaskTag.CreateBulk(batch...).Exec(ctx); err != nil {
			return fmt.Errorf("adding tags to tasks: %w", err)
		}
	}
	if len(old) > 0 {
		if _, err := t.TaskTag.Delete().Where(tasktag.TaskIDIn(tasks...), tasktag.TagIDIn(old...)).Exec(ctx); err != nil {
			return fmt.Errorf("removing merged tags from tasks: %w", err)
		}
	}
	b := workspace.Statement()
	b.WriteString("UPDATE task_tags SET workspace_id = ").Arg(t.Viewer.WorkspaceID).
		WriteString(" WHERE task_id IN (").Args(workspace.AnySlice(tasks)...).WriteString(")")
	if err := t.Exec(ctx, b); err != nil {
		return fmt.Errorf("moving tags of tasks: %w", err)
	}
	return nil
}
