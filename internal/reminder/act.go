package reminder

import (
	"context"
	"fmt"
	"time"

	"taskql/ent"
	entreminder "taskql/ent/reminder"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// SnoozeInput names a reminder, and until when it is snoozed.
type SnoozeInput struct {
	ID             string    `json:"id"`
	Until          time.Time `json:"until"`
	IfVersion      *int      `json:"ifVersion,omitempty"`
	IdempotencyKey *string   `json:"-"`
}

// DismissInput names a reminder.
type DismissInput struct {
	ID             string  `json:"id"`
	IdempotencyKey *string `json:"-"`
}

// Result is the result of a mutation of one reminder.
type Result struct {
	// Reminder is the reminder after the change; the current one if the change was refused as STALE; else nil.
	Reminder *ent.Reminder
	workspace.Outcome
}

// Remembered implements workspace.Result. The reminder alone is stored.
func (r *Result) Remembered() any { return &r.Reminder }

// Snooze makes a reminder of the viewer fire again at a later moment. It is refused with NOT_FOUND, STALE or INVALID.
func (s *Service) Snooze(ctx context.Context, v viewer.Viewer, in SnoozeInput) (*Result, error) {
	in.ID = workspace.CanonicalID(in.ID)
	change := workspace.Change[Result]{Name: "snoozeReminder", Needs: viewer.RoleRead, Input: in, IdempotencyKey: in.IdempotencyKey}
	return s.act(ctx, v, change, in.ID, in.IfVersion, func(t *workspace.Tx, r *ent.Reminder, e *ent.Task) workspace.Violations {
		var errs workspace.Violations
		if !live(e) {
			errs.Add(workspace.CodeInvalid, "id", "The reminder's task is completed or in the trash, so there is nothing to be reminded of: reopen or restore it first.")
		}
		if !in.Until.After(t.Now) {
			errs.Add(workspace.CodeInvalid, "until", "until must lie in the future: it is %s now.", t.Now.UTC().Format(time.RFC3339))
		}
		if len(errs) == 0 {
			r.SnoozedUntil, r.TimeZone = &in.Until, nil
			wait(r, r.SnoozedUntil)
		}
		return errs
	})
}

// Dismiss notes that the viewer has seen a reminder. One that waits doesn't fire any more. It is refused with NOT_FOUND.
func (s *Service) Dismiss(ctx context.Context, v viewer.Viewer, in DismissInput) (*Result, error) {
	in.ID = workspace.CanonicalID(in.ID)
	change := workspace.Change[Result]{Name: "dismissReminder", Needs: viewer.RoleRead, Input: in, IdempotencyKey: in.IdempotencyKey}
	return s.act(ctx, v, change, in.ID, nil, func(_ *workspace.Tx, r *ent.Reminder, _ *ent.Task) workspace.Violations {
		over(r, Dismissed)
		r.TimeZone = nil
		return nil
	})
}

// act changes a reminder of the viewer by apply, unless that returns violations.
func (s *Service) act(
	ctx context.Context, v viewer.Viewer, c workspace.Change[Result], id string, ifVersion *int,
	apply func(*workspace.Tx, *ent.Reminder, *ent.Task) workspace.Violations,
) (*Result, error) {
	c.Apply = func(ctx context.Context, t *workspace.Tx) (*Result, error) {
		r, errs, err := target(ctx, t, id, ifVersion)
		if err != nil {
			return nil, err
		}
		if len(errs) > 0 {
			return &Result{Reminder: r, Outcome: workspace.Outcome{UserErrors: errs}}, workspace.ErrNoCommit
		}
		before, e := *r, r.Edges.Task
		r.Edges = ent.ReminderEdges{} // The answer is stored without it.
		if errs := apply(t, r, e); len(errs) > 0 {
			return workspace.Refuse[Result](errs)
		}
		if same(&before, r) {
			return &Result{Reminder: r}, nil
		}
		return &Result{Reminder: r}, s.store(ctx, t, []*ent.Reminder{r})
	}
	return workspace.Write[Result](ctx, s.workspaces, v, c) //nolint:wrapcheck // It names the mutation.
}

// target reads a reminder of the viewer with its task. It returns a violation if there is no such reminder, or if it is not at the
// version that the client expects.
func target(ctx context.Context, t *workspace.Tx, id string, ifVersion *int) (*ent.Reminder, workspace.Violations, error) {
	var errs workspace.Violations
	var r *ent.Reminder
	if u, ok := workspace.ParseID(id); ok {
		var err error
		if r, err = t.Reminder.Query().Where(own(t.Viewer), entreminder.ID(u)).WithTask(DueOnly).Only(ctx); err != nil && !ent.IsNotFound(err) {
			return nil, nil, fmt.Errorf("reading a reminder: %w", err)
		}
	}
	if r == nil {
		errs.Add(workspace.CodeNotFound, "id", "There is no such reminder.")
		return nil, errs, nil
	}
	errs.IfVersion("reminder", ifVersion, r.Version)
	return r, errs, nil
}
