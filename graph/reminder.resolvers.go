package graph

import (
	"context"

	"taskql/ent"
	"taskql/graph/generated"
	"taskql/internal/feed"
	"taskql/internal/keyset"
	"taskql/internal/reminder"
	"taskql/internal/workspace"
)

func (r *changePageResolver) Reminders(ctx context.Context, obj *feed.Page) ([]*ent.Reminder, error) {
	return changedReminders(obj), nil
}

func (r *mutationResolver) SetReminders(ctx context.Context, input reminder.SetInput) (*reminder.SetResult, error) {
	return mutateAt(ctx, atTask(input.TaskID), input, r.services.Reminders.Set)
}

func (r *mutationResolver) CreateReminder(ctx context.Context, input reminder.CreateInput) (*reminder.Result, error) {
	return mutateAt(ctx, atTask(input.TaskID), input, r.services.Reminders.Create)
}

func (r *mutationResolver) DeleteReminder(ctx context.Context, input workspace.TargetInput) (*reminder.DeleteResult, error) {
	return mutateAt(ctx, atReminder(input.ID), input, r.services.Reminders.Delete)
}

func (r *mutationResolver) SnoozeReminder(ctx context.Context, input reminder.SnoozeInput) (*reminder.Result, error) {
	return mutateAt(ctx, atReminder(input.ID), input, r.services.Reminders.Snooze)
}

func (r *mutationResolver) DismissReminder(ctx context.Context, input reminder.DismissInput) (*reminder.Result, error) {
	return mutateAt(ctx, atReminder(input.ID), input, r.services.Reminders.Dismiss)
}

func (r *queryResolver) FiredReminders(ctx context.Context, first *int, after *string) (*keyset.Page[*ent.Reminder], error) {
	root, err := resolving(ctx)
	if err != nil {
		return nil, err
	}
	return root.firedReminders(ctx, first, after)
}

func (r *reminderResolver) Task(ctx context.Context, obj *ent.Reminder) (*ent.Task, error) {
	return loaded[*ent.Task](ctx, obj)
}

func (r *reminderResolver) DayBefore(ctx context.Context, obj *ent.Reminder) (*reminder.Day, error) {
	return reminder.DayOf(obj), nil
}

func (r *taskResolver) Reminders(ctx context.Context, obj *ent.Task) ([]*ent.Reminder, error) {
	return loaded[[]*ent.Reminder](ctx, obj)
}

func (r *Resolver) Reminder() generated.ReminderResolver { return &reminderResolver{r} }

type reminderResolver struct{ *Resolver }
