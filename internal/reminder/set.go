package reminder

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	entreminder "taskql/ent/reminder"
	enttask "taskql/ent/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// Day is a time of day, a number of days before the due.
type Day struct {
	Days int `json:"days"`
	// Time is the minute of the day.
	Time int `json:"time"`
}

// DayOf returns the day that a reminder is set by; nil if it is set otherwise.
func DayOf(r *ent.Reminder) *Day {
	if r.DaysBefore == nil || r.TimeOfDay == nil {
		return nil
	}
	return &Day{Days: *r.DaysBefore, Time: *r.TimeOfDay}
}

// Input says when a reminder fires: exactly one field is set.
type Input struct {
	At            *time.Time `json:"at,omitempty"`
	MinutesBefore *int       `json:"minutesBefore,omitempty"`
	DayBefore     *Day       `json:"dayBefore,omitempty"`
}

// SetInput are all reminders that the viewer is to have of a task.
type SetInput struct {
	TaskID         string   `json:"taskId"`
	Reminders      []*Input `json:"reminders"`
	IdempotencyKey *string  `json:"-"`
}

// SetResult is the result of Set. Task is nil if the change was refused.
type SetResult struct {
	Task *ent.Task
	workspace.Outcome
}

// Remembered implements workspace.Result. The task alone is stored.
func (r *SetResult) Remembered() any { return &r.Task }

// Set replaces the viewer's reminders of a task. One that is set again equally stays as it is, with its id and state. It is refused
// with NOT_FOUND, INVALID or LIMIT_EXCEEDED.
func (s *Service) Set(ctx context.Context, v viewer.Viewer, in SetInput) (*SetResult, error) {
	in.TaskID = workspace.CanonicalID(in.TaskID)
	change := workspace.Change[SetResult]{
		Name: "setReminders", Needs: viewer.RoleRead, Input: in, IdempotencyKey: in.IdempotencyKey, Violations: check(in.Reminders),
		Apply: func(ctx context.Context, t *workspace.Tx) (*SetResult, error) { return s.set(ctx, t, in) },
	}
	return workspace.Write[SetResult](ctx, s.workspaces, v, change) //nolint:wrapcheck // It names the mutation.
}

// check returns what is wrong with reminders, whatever the task.
func check(reminders []*Input) workspace.Violations {
	var errs workspace.Violations
	if len(reminders) > MaxPerTask {
		errs.Add(workspace.CodeLimitExceeded, "reminders", "A task has at most %d reminders of yours; these are %d: leave some out.", MaxPerTask, len(reminders))
		return errs
	}
	for i, in := range reminders {
		field := workspace.Element("reminders", i)
		checkInput(&errs, field, in)
		if slices.ContainsFunc(reminders[:i], func(other *Input) bool { return equalInputs(in, other) }) {
			errs.Add(workspace.CodeInvalid, field, "This reminder is in the list twice: leave one of them out.")
		}
	}
	return errs
}

// checkInput adds a violation if a reminder is wrong, whatever the task.
func checkInput(errs *workspace.Violations, field string, in *Input) {
	switch set := in.At != nil; {
	case set == (in.MinutesBefore != nil) && set == (in.DayBefore != nil), set && (in.MinutesBefore != nil || in.DayBefore != nil), in.MinutesBefore != nil && in.DayBefore != nil:
		errs.Add(workspace.CodeInvalid, field, "Say when it fires with exactly one of at, minutesBefore and dayBefore.")
	case in.MinutesBefore != nil && (*in.MinutesBefore < 0 || *in.MinutesBefore > MaxMinutes):
		errs.Add(workspace.CodeInvalid, field+".minutesBefore", "minutesBefore must be 0 to %d, not %d: for another time use at.", MaxMinutes, *in.MinutesBefore)
	case in.DayBefore != nil && (in.DayBefore.Days < 0 || in.DayBefore.Days > MaxDays):
		errs.Add(workspace.CodeInvalid, field+".dayBefore.days", "days must be 0 to %d, not %d: for another day use at.", MaxDays, in.DayBefore.Days)
	}
}

func equalInputs(a, b *Input) bool {
	return equalTimes(a.At, b.At) && equal(a.MinutesBefore, b.MinutesBefore) && equal(a.DayBefore, b.DayBefore)
}

// inputOf returns what a reminder was set by.
func inputOf(r *ent.Reminder) *Input {
	return &Input{At: r.RemindAt, MinutesBefore: r.MinutesBefore, DayBefore: DayOf(r)}
}

func (s *Service) set(ctx context.Context, t *workspace.Tx, in SetInput) (*SetResult, error) {
	e, errs, err := taskOf(ctx, t, in.TaskID)
	if err != nil {
		return nil, err
	}
	if len(errs) > 0 {
		return workspace.Refuse[SetResult](errs)
	}
	dropped, err := t.Reminder.Query().Where(own(t.Viewer), entreminder.TaskID(e.ID)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading reminders: %w", err)
	}
	var added []*ent.Reminder
	for i, input := range in.Reminders {
		at := slices.IndexFunc(dropped, func(r *ent.Reminder) bool { return equalInputs(inputOf(r), input) })
		if at >= 0 {
			dropped = slices.Delete(dropped, at, at+1)
			continue
		}
		added = append(added, newReminder(t, e, t.Viewer.UserID, input))
		checkDue(&errs, workspace.Element("reminders", i), input, e)
	}
	if len(errs) > 0 {
		return workspace.Refuse[SetResult](errs)
	}
	if err := s.insert(ctx, t, map[uuid.UUID]*ent.Task{e.ID: e}, added); err != nil {
		return nil, err
	}
	if err := remove(ctx, t, dropped); err != nil {
		return nil, err
	}
	return &SetResult{Task: e}, noteReminders(ctx, t, e)
}

// checkDue adds a violation if a new reminder is relative to a due that the task doesn't have.
func checkDue(errs *workspace.Violations, field string, in *Input, e *ent.Task) {
	switch {
	case in.MinutesBefore != nil && e.DueAt == nil:
		errs.Add(workspace.CodeInvalid, field+".minutesBefore", "minutesBefore needs a task that is due at a time: set its due.at first, or use at, or dayBefore if it is due on a day.")
	case in.DayBefore != nil && e.DueDate == nil:
		errs.Add(workspace.CodeInvalid, field+".dayBefore", "dayBefore needs a task that is due: set its due first, or use at.")
	}
}

// taskOf reads the task that the input's taskId names, which may be in the trash. It returns a violation if there is no such task.
func taskOf(ctx context.Context, t *workspace.Tx, id string) (*ent.Task, workspace.Violations, error) {
	var errs workspace.Violations
	var e *ent.Task
	if u, ok := workspace.ParseID(id); ok {
		var err error
		if e, err = t.Task.Query().Where(workspace.Scope(t.Viewer), enttask.ID(u)).Only(ctx); err != nil && !ent.IsNotFound(err) {
			return nil, nil, fmt.Errorf("reading the task of reminders: %w", err)
		}
	}
	if e == nil {
		errs.Add(workspace.CodeNotFound, "taskId", "There is no such task.")
	}
	return e, errs, nil
}

// newReminder returns a reminder of a task, which insert gives its state.
func newReminder(t *workspace.Tx, e *ent.Task, userID string, in *Input) *ent.Reminder {
	r := &ent.Reminder{
		ID:          uuid.Must(uuid.NewV7()), // It fails only if the system has no random numbers; then nothing is safe.
		WorkspaceID: e.WorkspaceID, TaskID: e.ID, UserID: userID, Version: t.Version, CreatedAt: t.Now, UpdatedAt: t.Now,
		RemindAt: in.At, MinutesBefore: in.MinutesBefore,
	}
	if in.DayBefore != nil {
		day := *in.DayBefore
		r.DaysBefore, r.TimeOfDay = &day.Days, &day.Time
	}
	return r
}

// insert inserts new reminders of tasks, which are by their ids.
func (s *Service) insert(ctx context.Context, t *workspace.Tx, tasks map[uuid.UUID]*ent.Task, added []*ent.Reminder) error {
	if len(added) == 0 {
		return nil
	}
	zones, err := zonesOf(ctx, t, added)
	if err != nil {
		return err
	}
	rows := make([]*ent.ReminderCreate, len(added))
	for i, r := range added {
		start(r, tasks[r.TaskID], zones[r.UserID], t.Now)
		rows[i] = t.Reminder.Create().SetID(r.ID).SetWorkspaceID(r.WorkspaceID).SetTaskID(r.TaskID).SetUserID(r.UserID).SetVersion(r.Version).
			SetNillableRemindAt(r.RemindAt).SetNillableMinutesBefore(r.MinutesBefore).
			SetNillableDaysBefore(r.DaysBefore).SetNillableTimeOfDay(r.TimeOfDay).SetNillableTimeZone(r.TimeZone).
			SetState(r.State).SetNillableFireAt(r.FireAt).SetCreatedAt(r.CreatedAt).SetUpdatedAt(r.UpdatedAt)
	}
	t.MarkChanged()
	for batch := range slices.Chunk(rows, workspace.BatchSize) {
		if err := t.Reminder.CreateBulk(batch...).Exec(ctx); err != nil {
			return fmt.Errorf("inserting reminders: %w", err)
		}
	}
	s.await(t, added)
	return nil
}

// remove deletes reminders of the viewer.
func remove(ctx context.Context, t *workspace.Tx, dropped []*ent.Reminder) error {
	if len(dropped) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, len(dropped))
	for i, r := range dropped {
		ids[i] = r.ID
	}
	if err := t.ForgetAnswers(ctx, ids...); err != nil {
		return err //nolint:wrapcheck // It says what it was doing.
	}
	if _, err := t.Reminder.Delete().Where(own(t.Viewer), entreminder.IDIn(ids...)).Exec(ctx); err != nil {
		return fmt.Errorf("deleting reminders: %w", err)
	}
	t.MarkChanged()
	return t.GoneFor(ctx, workspace.KindReminder, t.Viewer.UserID, ids...) //nolint:wrapcheck // As above.
}

// noteReminders notes in a task whether it has reminders. That is no change of the task: reminders are private, so it keeps its
// version.
func noteReminders(ctx context.Context, t *workspace.Tx, e *ent.Task) error {
	if !t.Changed() {
		return nil
	}
	has, err := t.Reminder.Query().Where(workspace.Scope(t.Viewer), entreminder.TaskID(e.ID)).Exist(ctx)
	if err != nil {
		return fmt.Errorf("looking for reminders of a task: %w", err)
	}
	if has == e.HasReminders {
		return nil
	}
	e.HasReminders = has
	if err := t.Task.Update().Where(workspace.Scope(t.Viewer), enttask.ID(e.ID)).SetHasReminders(has).Exec(ctx); err != nil {
		return fmt.Errorf("noting that a task has reminders: %w", err)
	}
	return nil
}
