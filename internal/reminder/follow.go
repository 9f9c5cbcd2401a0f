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
// been written already.
func (s *Service) Follow(ctx context.Context, t *workspace.Tx, changes []TaskChange) error {
	byTask := map[uuid.UUID]TaskChange{}
	for _, c := range changes {
		if c.Matters() {
			byTask[c.After.ID] = c
		}
	}
	if len(byTask) == 0 {
		return nil
	}
	rows, err := ofTasks(ctx, t, slices.Collect(maps.Keys(byTask)))
	if err != nil {
		return err
	}
	zones, err := zonesOf(ctx, t, rows)
	if err != nil {
		return err
	}
	var changed []*ent.Reminder
	for _, r := range rows {
		before, c := *r, byTask[r.TaskID]
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

// Copy gives a task the relative reminders of another one, as new ones. If it has copied any, it sets HasReminders of the task, also
// in the database.
func (s *Service) Copy(ctx context.Context, t *workspace.Tx, from, to *ent.Task) error {
	if !from.HasReminders {
		return nil
	}
	rows, err := ofTasks(ctx, t, []uuid.UUID{from.ID})
	if err != nil {
		return err
	}
	var added []*ent.Reminder
	for _, r := range rows {
		if r.RemindAt == nil {
			added = append(added, newReminder(t, to, r.UserID, inputOf(r)))
		}
	}
	if err := s.insert(ctx, t, to, added); err != nil || len(added) == 0 {
		return err
	}
	to.HasReminders = true
	if err := t.Task.Update().Where(workspace.Scope(t.Viewer), enttask.ID(to.ID)).SetHasReminders(true).Exec(ctx); err != nil {
		return fmt.Errorf("noting that a task has reminders: %w", err)
	}
	return nil
}

// Touched reports whether anybody has set, snoozed or dismissed reminders of a task since they were copied with it.
func (s *Service) Touched(ctx context.Context, t *workspace.Tx, e *ent.Task) (bool, error) {
	if !e.HasReminders {
		return false, nil
	}
	rows, err := ofTasks(ctx, t, []uuid.UUID{e.ID})
	return slices.ContainsFunc(rows, func(r *ent.Reminder) bool {
		return !r.CreatedAt.Equal(e.CreatedAt) || r.SnoozedUntil != nil || r.State == Dismissed
	}), err
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
