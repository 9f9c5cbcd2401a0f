package graph

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	entreminder "taskql/ent/reminder"
	"taskql/graph/model"
	"taskql/graph/scalar"
	"taskql/graph/selection"
	"taskql/internal/keyset"
	"taskql/internal/reminder"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

func findReminders(ctx context.Context, r *rootField, ids, columns []string) (map[string]model.Node, error) {
	return asNodes(r.resolver.services.Reminders.Reminders(ctx, r.viewer, ids, columns...))
}

func reminderTypes() []objectType {
	types := []objectType{
		selection.Of[ent.Reminder]("Reminder", fields{
			"id":            leaf(func(b []byte, r *ent.Reminder) []byte { return selection.AppendUUID(b, r.ID) }).From(entreminder.FieldID),
			"version":       integer(func(r *ent.Reminder) int { return r.Version }).From(entreminder.FieldVersion),
			"task":          selection.LoadedObject(loadTasksOfReminders).From(entreminder.FieldTaskID).OfRow(),
			"at":            nullable(func(r *ent.Reminder) *time.Time { return r.FireAt }, selection.AppendDateTime).From(entreminder.FieldFireAt),
			"state":         text(func(r *ent.Reminder) reminder.State { return r.State }).From(entreminder.FieldState),
			"firedAt":       nullable(func(r *ent.Reminder) *time.Time { return r.FiredAt }, selection.AppendDateTime).From(entreminder.FieldFiredAt),
			"minutesBefore": nullable(func(r *ent.Reminder) *int { return r.MinutesBefore }, appendInt).From(entreminder.FieldMinutesBefore),
			"dayBefore":     object(reminder.DayOf).From(entreminder.FieldDaysBefore, entreminder.FieldTimeOfDay),
		}).Row(entreminder.FieldID),
		selection.Of[reminder.Day]("DayReminder", fields{
			"days": integer(func(d *reminder.Day) int { return d.Days }),
			"time": leaf(func(b []byte, d *reminder.Day) []byte { return scalar.AppendLocalTime(b, d.Time) }),
		}),
		selection.Of[reminder.Page]("ReminderConnection", fields{
			"edges":    list(func(p *reminder.Page) []*reminder.Edge { return p.Edges }),
			"nodes":    list((*reminder.Page).Nodes),
			"pageInfo": object(func(p *reminder.Page) *keyset.PageInfo { return p.PageInfo }),
		}).Derive(pageOf),
		edgeType[ent.Reminder]("Reminder"),
		selection.Of[reminder.SetResult]("SetRemindersPayload", fields{
			"task":       object(func(r *reminder.SetResult) *ent.Task { return r.Task }),
			"version":    nullable((*reminder.SetResult).Version, appendInt),
			"userErrors": list(func(r *reminder.SetResult) []*workspace.UserError { return r.UserErrors }),
		}),
		selection.Of[reminder.DeleteResult]("DeleteReminderPayload", fields{
			"deletedReminderId": nullable(func(r *reminder.DeleteResult) *string { return r.DeletedReminderID }, selection.AppendString),
			"version":           nullable((*reminder.DeleteResult).Version, appendInt),
			"userErrors":        list(func(r *reminder.DeleteResult) []*workspace.UserError { return r.UserErrors }),
		}),
	}
	for _, verb := range []string{"Create", "Snooze", "Dismiss"} {
		types = append(types, selection.Of[reminder.Result](verb+"ReminderPayload", fields{
			"reminder":   object(func(r *reminder.Result) *ent.Reminder { return r.Reminder }),
			"version":    nullable((*reminder.Result).Version, appendInt),
			"userErrors": list(func(r *reminder.Result) []*workspace.UserError { return r.UserErrors }),
		}))
	}
	return types
}

// firedReminders returns a page of the viewer's reminders in all workspaces. What is selected below them is loaded in one workspace after
// the other.
func (r *rootField) firedReminders(ctx context.Context, first *int, after *string) (*reminder.Page, error) {
	in := []viewer.Viewer{r.viewer}
	if viewer.HasMemberships(ctx) {
		elsewhere, err := r.resolver.services.Reminders.FiredElsewhere(ctx, r.viewer)
		if err != nil {
			return nil, err
		}
		for _, id := range elsewhere {
			switch v, err := r.resolver.services.Access.Workspace(ctx, r.viewer, workspace.NodeID(id)); {
			case errors.Is(err, workspace.ErrNotFound): // The viewer has left.
			case err != nil:
				return nil, err
			default:
				in = append(in, v)
			}
		}
	}
	page, err := r.resolver.services.Reminders.ListFired(ctx, in, first, after, r.page("ReminderConnection").Columns)
	if err != nil {
		return nil, err
	}
	for _, v := range in {
		part := &reminder.Page{}
		for _, e := range page.Edges {
			if e.Node.WorkspaceID == v.WorkspaceID {
				part.Edges = append(part.Edges, e)
			}
		}
		if len(part.Edges) > 0 {
			r.addToGroup(v, part)
		}
	}
	return page, nil
}

func loadReminders(ctx context.Context, r *rootField, f *selected, tasks []*ent.Task) (func(*ent.Task) []*ent.Reminder, error) {
	reminders, err := r.resolver.services.Reminders.Of(ctx, r.viewer, idsOf(tasks), f.Set().Columns)
	return func(t *ent.Task) []*ent.Reminder { return reminders[t.ID] }, err
}

func loadTasksOfReminders(ctx context.Context, r *rootField, f *selected, reminders []*ent.Reminder) (func(*ent.Reminder) *ent.Task, error) {
	var ids []uuid.UUID
	for _, reminder := range reminders {
		if !slices.Contains(ids, reminder.TaskID) {
			ids = append(ids, reminder.TaskID)
		}
	}
	tasks, err := r.resolver.services.Tasks.ByID(ctx, r.viewer, ids, f.Set().Columns)
	return func(reminder *ent.Reminder) *ent.Task { return tasks[reminder.TaskID] }, err
}
