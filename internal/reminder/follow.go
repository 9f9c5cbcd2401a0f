package reminder

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"taskql/ent"
	entreminder "taskql/ent/reminder"
	enttask "taskql/ent/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// TaskChange is a task before and after a change.
type TaskChange struct{ Before, After *ent.Task }

// Matters reports whether the change may concern reminders of the task.
func (c TaskChange) Matters() bool {
	return c.Before.HasReminders && (live(c.Before) != live(c.After) ||
		!equalTimes(c.Before.DueAt, c.After.DueAt) || !equalTimes(c.Before.DueDate, c.After.DueDate))
}

// Follow changes the reminders of tasks whose due, completion or deletion was changed. They get the change's version; the tasks have
// been written already. The changes are by the tasks' ids.
func (s *Service) Follow(ctx context.Context, t *workspace.Tx, changes map[uuid.UUID]TaskChange) error {
	var ids []uuid.UUID
	for id, c := range changes {
		if c.Matters() {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := ofTasks(ctx, t, ids)
	if err != nil {
		return err
	}
	zones, err := zonesOf(ctx, t, rows)
	if err != nil {
		return err
	}
	var changed []*ent.Reminder
	for _, r := range rows {
		before, c := *r, changes[r.TaskID]
		if follow(r, c.Before, c.After, zones[r.UserID], t.Now); !same(&before, r) {
			changed = append(changed, r)
		}
	}
	return s.store(ctx, t, changed)
}

// ofTasks reads all reminders of tasks, whoever owns them.
func ofTasks(ctx context.Context, t *workspace.Tx, tasks []uuid.UUID) ([]*ent.Reminder, error) {
	var all []*ent.Reminder
	for batch := range slices.Chunk(tasks, workspace.BatchSize) {
		rows, err := t.Reminder.Query().Where(workspace.Scope(t.Viewer), entreminder.TaskIDIn(batch...)).Order(entreminder.ByID()).All(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading reminders of tasks: %w", err)
		}
		all = append(all, rows...)
	}
	return all, nil
}

// Copy gives tasks the relative reminders of others, as new ones. Copies has the tasks by the ids of the others. If it has copied any
// for a task, it sets HasReminders of that, also in the database.
func (s *Service) Copy(ctx context.Context, t *workspace.Tx, originals []*ent.Task, copies map[uuid.UUID]*ent.Task) error {
	var from []uuid.UUID
	for _, e := range originals {
		if e.HasReminders && copies[e.ID].DueDate != nil {
			from = append(from, e.ID)
		}
	}
	if len(from) == 0 {
		return nil
	}
	rows, err := ofTasks(ctx, t, from)
	if err != nil {
		return err
	}
	var added []*ent.Reminder
	to := map[uuid.UUID]*ent.Task{}
	for _, r := range rows {
		if r.RemindAt == nil {
			e := copies[r.TaskID]
			added, to[e.ID] = append(added, newReminder(t, e, r.UserID, inputOf(r))), e
		}
	}
	if err := s.insert(ctx, t, to, added); err != nil || len(added) == 0 {
		return err
	}
	for _, e := range to {
		e.HasReminders = true
	}
	for batch := range slices.Chunk(slices.Collect(maps.Keys(to)), workspace.BatchSize) {
		if err := t.Task.Update().Where(workspace.Scope(t.Viewer), enttask.IDIn(batch...)).SetHasReminders(true).Exec(ctx); err != nil {
			return fmt.Errorf("noting that tasks have reminders: %w", err)
		}
	}
	return nil
}

// Purge tells the owners of the reminders of tasks that they are gone, with the tasks, which are about to be deleted for good.
func (s *Service) Purge(ctx context.Context, t *workspace.Tx, tasks []uuid.UUID) error {
	rows, err := ofTasks(ctx, t, tasks)
	if err != nil {
		return err
	}
	gone := map[string][]uuid.UUID{}
	for _, r := range rows {
		gone[r.UserID] = append(gone[r.UserID], r.ID)
	}
	for userID, ids := range gone {
		if err := t.GoneFor(ctx, workspace.KindReminder, userID, ids...); err != nil {
			return err //nolint:wrapcheck // It says what it was doing.
		}
	}
	return nil
}

// Move moves the reminders of tasks that have moved from another workspace to the viewer's. Those of that workspace's user become the
// viewer's, in the viewer's time zone.
func (s *Service) Move(ctx context.Context, t *workspace.Tx, from viewer.Viewer, tasks []uuid.UUID) error {
	args := make([]any, len(tasks))
	for i, id := range tasks {
		args[i] = id
	}
	b := workspace.Statement()
	b.WriteString("UPDATE reminders SET workspace_id = ").Arg(t.Viewer.WorkspaceID).
		WriteString(", user_id = CASE WHEN user_id = ").Arg(from.UserID).WriteString(" THEN ").Arg(t.Viewer.UserID).WriteString(" ELSE user_id END").
		WriteString(", version = ").Arg(t.Version).WriteString(", updated_at = ").Arg(t.Now).
		WriteString(" WHERE ").Join(workspace.Condition(from, "")).WriteString(" AND task_id IN (").Args(args...).WriteString(")")
	if err := t.Exec(ctx, b); err != nil {
		return fmt.Errorf("moving reminders: %w", err)
	}
	return s.rezone(ctx, t, entreminder.TaskIDIn(tasks...))
}
