package reminder

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"taskql/ent"
	entreminder "taskql/ent/reminder"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// CreateInput describes a new reminder. Nil is absent.
type CreateInput struct {
	ID             *string `json:"id,omitempty"`
	TaskID         string  `json:"taskId"`
	Reminder       Input   `json:"reminder"`
	IdempotencyKey *string `json:"-"`
}

func (in CreateInput) canonical() CreateInput {
	in.ID, in.TaskID = workspace.CanonicalIDPtr(in.ID), workspace.CanonicalID(in.TaskID)
	return in
}

// DeleteResult is the result of Delete.
type DeleteResult struct {
	DeletedReminderID *string
	workspace.Outcome
}

// Remembered implements workspace.Result.
func (r *DeleteResult) Remembered() any { return r }

// Create adds a reminder to the viewer's reminders of a task. It is refused with NOT_FOUND, INVALID, TAKEN if the task has such a
// reminder or the id is in use, or LIMIT_EXCEEDED.
func (s *Service) Create(ctx context.Context, v viewer.Viewer, in CreateInput) (*Result, error) {
	var errs workspace.Violations
	id := errs.NewID(in.ID)
	checkInput(&errs, "reminder", &in.Reminder)
	in = in.canonical()
	change := workspace.Change[Result]{
		Name: "createReminder", Needs: viewer.RoleRead, Input: in, IdempotencyKey: in.IdempotencyKey, Violations: errs,
		Apply: func(ctx context.Context, t *workspace.Tx) (*Result, error) { return s.create(ctx, t, id, in) },
	}
	return workspace.Write[Result](ctx, s.workspaces, v, change) //nolint:wrapcheck // It names the mutation.
}

func (s *Service) create(ctx context.Context, t *workspace.Tx, id uuid.UUID, in CreateInput) (*Result, error) {
	exists := t.Reminder.Query().Where(own(t.Viewer), entreminder.ID(id)).Exist
	e, errs, err := taskOf(ctx, t, in.TaskID)
	if err != nil {
		return nil, err
	}
	if len(errs) > 0 {
		return workspace.RefuseNew[Result](ctx, errs, exists)
	}
	others, err := t.Reminder.Query().Where(own(t.Viewer), entreminder.TaskID(e.ID)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading reminders: %w", err)
	}
	if slices.ContainsFunc(others, func(r *ent.Reminder) bool { return equalInputs(inputOf(r), &in.Reminder) }) {
		errs.Add(workspace.CodeTaken, "reminder", "The task has this reminder already: snooze it, or delete it first.")
	}
	if len(others) >= MaxPerTask {
		errs.Add(workspace.CodeLimitExceeded, "", "A task has at most %d reminders of yours: delete one of them first.", MaxPerTask)
	}
	checkDue(&errs, "reminder", &in.Reminder, e)
	if len(errs) > 0 {
		return workspace.RefuseNew[Result](ctx, errs, exists)
	}
	r := newReminder(t, e, t.Viewer.UserID, &in.Reminder)
	r.ID = id
	err = s.insert(ctx, t, map[uuid.UUID]*ent.Task{e.ID: e}, []*ent.Reminder{r})
	if in.ID != nil && ent.IsConstraintError(err) {
		return workspace.Refuse[Result](workspace.IDTaken())
	}
	if err != nil {
		return nil, err
	}
	return &Result{Reminder: r}, noteReminders(ctx, t, e)
}

// Delete removes a reminder of the viewer for good. It is refused with NOT_FOUND or STALE.
func (s *Service) Delete(ctx context.Context, v viewer.Viewer, in workspace.TargetInput) (*DeleteResult, error) {
	in = in.Canonical()
	change := workspace.Change[DeleteResult]{Name: "deleteReminder", Needs: viewer.RoleRead, Input: in, IdempotencyKey: in.IdempotencyKey}
	change.Apply = func(ctx context.Context, t *workspace.Tx) (*DeleteResult, error) {
		r, errs, err := target(ctx, t, in.ID, in.IfVersion)
		if err != nil {
			return nil, err
		}
		if len(errs) > 0 {
			return workspace.Refuse[DeleteResult](errs)
		}
		if err := remove(ctx, t, []*ent.Reminder{r}); err != nil {
			return nil, err
		}
		r.Edges.Task.HasReminders = true // It had this one. The column isn't read.
		id := r.ID.String()
		return &DeleteResult{DeletedReminderID: &id}, noteReminders(ctx, t, r.Edges.Task)
	}
	return workspace.Write[DeleteResult](ctx, s.workspaces, v, change) //nolint:wrapcheck // It names the mutation.
}
