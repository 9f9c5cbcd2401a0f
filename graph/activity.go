package graph

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/graph/model"
	"taskql/graph/selection"
	"taskql/internal/history"
	"taskql/internal/keyset"
	"taskql/internal/task"
	"taskql/internal/workspace"
)

// The history of tasks: activities, who made them, and what they changed.

func activityTypes() []objectType {
	return slices.Concat([]objectType{
		selection.Of[history.Activity]("Activity", fields{
			"id":      leaf(func(b []byte, a *history.Activity) []byte { return selection.AppendUUID(b, a.ID) }),
			"version": integer(func(a *history.Activity) int { return a.Version }),
			"at":      moment(func(a *history.Activity) time.Time { return a.At }),
			"actor":   object((*history.Activity).Actor),
			"action":  text(func(a *history.Activity) history.Action { return a.Action }),
			"taskId":  leaf(func(b []byte, a *history.Activity) []byte { return selection.AppendUUID(b, a.TaskID) }),
			"task":    selection.LoadedObject(loadTasksOfActivities),
			"changes": selection.ListOfAny[*rootField](changesOf),
		}),
		selection.Of[history.Actor]("Actor", fields{
			"person": selection.LoadedObject(loadActors),
			"via":    text(func(a *history.Actor) history.Via { return a.Via }),
		}),
		selection.Of[history.Page]("ActivityConnection", fields{
			"edges":    list(func(p *history.Page) []*history.Edge { return p.Edges }),
			"nodes":    list((*history.Page).Nodes),
			"pageInfo": object(func(p *history.Page) *keyset.PageInfo { return p.PageInfo }),
		}).Derive(activitySelection),
		edgeType[history.Activity]("Activity"),
	}, changeTypesOfTasks())
}

// changeTypesOfTasks are the members of the union TaskChange.
func changeTypesOfTasks() []objectType {
	return []objectType{
		selection.Of[model.TextChange]("TextChange", fields{
			"field":    text(func(c *model.TextChange) model.TextField { return c.Field }),
			"fromText": nullable(func(c *model.TextChange) *string { return c.FromText }, selection.AppendString),
			"toText":   nullable(func(c *model.TextChange) *string { return c.ToText }, selection.AppendString),
		}),
		selection.Of[model.DueChange]("DueChange", fields{
			"fromDue": object(func(c *model.DueChange) *task.Due { return c.FromDue }),
			"toDue":   object(func(c *model.DueChange) *task.Due { return c.ToDue }),
		}),
		selection.Of[model.PriorityChange]("PriorityChange", fields{
			"fromPriority": leaf(func(b []byte, c *model.PriorityChange) []byte { return appendPriority(b, c.FromPriority) }),
			"toPriority":   leaf(func(b []byte, c *model.PriorityChange) []byte { return appendPriority(b, c.ToPriority) }),
		}),
		selection.Of[model.TagsChange]("TagsChange", fields{
			"added":   leaf(func(b []byte, c *model.TagsChange) []byte { return appendStrings(b, c.Added) }),
			"removed": leaf(func(b []byte, c *model.TagsChange) []byte { return appendStrings(b, c.Removed) }),
		}),
		selection.Of[model.ParentChange]("ParentChange", fields{
			"fromId": nullable(func(c *model.ParentChange) *string { return c.FromID }, selection.AppendString),
			"toId":   nullable(func(c *model.ParentChange) *string { return c.ToID }, selection.AppendString),
		}),
		selection.Of[model.AssigneeChange]("AssigneeChange", fields{
			"fromId": nullable(func(c *model.AssigneeChange) *string { return c.FromID }, selection.AppendString),
			"toId":   nullable(func(c *model.AssigneeChange) *string { return c.ToID }, selection.AppendString),
		}),
		selection.Of[model.ProjectChange]("ProjectChange", fields{
			"fromId": nullable(func(c *model.ProjectChange) *string { return c.FromID }, selection.AppendString),
			"toId":   nullable(func(c *model.ProjectChange) *string { return c.ToID }, selection.AppendString),
		}),
		selection.Of[model.RecurrenceChange]("RecurrenceChange", fields{
			"fromRule": nullable(func(c *model.RecurrenceChange) *string { return c.FromRule }, selection.AppendString),
			"toRule":   nullable(func(c *model.RecurrenceChange) *string { return c.ToRule }, selection.AppendString),
		}),
	}
}

// changesOf returns the changes of an activity as the API has them. When a task was completed and when it was deleted is said by
// the action, and the place in the manual order is not told.
func changesOf(a *history.Activity) []model.TaskChange {
	c := a.Changes
	changes := []model.TaskChange{}
	if c.Title != nil {
		from, to := c.Title.From(), c.Title.To()
		changes = append(changes, &model.TextChange{Field: model.TextFieldTitle, FromText: &from, ToText: &to})
	}
	if c.Description != nil {
		changes = append(changes, &model.TextChange{Field: model.TextFieldDescription, FromText: c.Description.From, ToText: c.Description.To})
	}
	if c.Due != nil {
		changes = append(changes, &model.DueChange{FromDue: (*task.Due)(c.Due.From()), ToDue: (*task.Due)(c.Due.To())})
	}
	if c.Priority != nil {
		changes = append(changes, &model.PriorityChange{FromPriority: c.Priority.From(), ToPriority: c.Priority.To()})
	}
	if c.Tags != nil {
		changes = append(changes, &model.TagsChange{Added: tagNames(c.Tags.Added), Removed: tagNames(c.Tags.Removed)})
	}
	if c.Parent != nil {
		changes = append(changes, &model.ParentChange{FromID: idText(c.Parent.From()), ToID: idText(c.Parent.To())})
	}
	if c.Assignee != nil {
		changes = append(changes, &model.AssigneeChange{FromID: personID(c.Assignee.From()), ToID: personID(c.Assignee.To())})
	}
	if c.Project != nil {
		changes = append(changes, &model.ProjectChange{FromID: idText(c.Project.From()), ToID: idText(c.Project.To())})
	}
	if c.Recurrence != nil {
		if from, to := ruleOf(c.Recurrence.From()), ruleOf(c.Recurrence.To()); !equalTexts(from, to) {
			changes = append(changes, &model.RecurrenceChange{FromRule: from, ToRule: to})
		}
	}
	return changes
}

func tagNames(tags []history.Tag) []string {
	names := make([]string, len(tags))
	for i, tag := range tags {
		names[i] = tag.Name
	}
	slices.Sort(names)
	return names
}

func idText(id *uuid.UUID) *string {
	if id == nil {
		return nil
	}
	text := id.String()
	return &text
}

func ruleOf(r *history.Recurrence) *string {
	if r == nil {
		return nil
	}
	return &r.Rule
}

func equalTexts(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// activitySelection derives from the selection set of a connection which texts have to be read.
func activitySelection(s *set) any {
	in := &history.ListInput{}
	for _, change := range append(s.Below("nodes", "changes"), s.Below("edges", "node", "changes")...) {
		in.OldDescriptions = in.OldDescriptions || change.Selects("fromText")
		in.NewDescriptions = in.NewDescriptions || change.Selects("toText")
	}
	return in
}

// activityInput returns what has to be read of the connection of a set.
func activityInput(s *set) history.ListInput {
	if in, ok := s.Derived.(*history.ListInput); ok {
		return *in
	}
	return history.ListInput{OldDescriptions: true, NewDescriptions: true}
}

// activityFilterOf converts the API's filter. The error names the field that is null.
func activityFilterOf(in *model.ActivityFilter) (history.Filter, error) {
	var f history.Filter
	if in == nil {
		return f, nil
	}
	for _, given := range givenFields("filter", in) {
		switch value := given.value.(type) {
		case nil:
			return f, nullError(given.path)
		case []history.Action:
			slices.Sort(value)
			f.Actions = slices.Compact(value) // Each once, so that the statement's length is bounded.
		case *time.Time:
			f.Since = value
		case *string:
			if given.name == "taskId" {
				f.TaskID = value
				continue
			}
			user, _ := workspace.UserOfPerson(*value)
			f.ActorID = &user
		default:
			return f, fmt.Errorf("%s is a %T", given.path, value)
		}
	}
	return f, nil
}

func loadActivity(ctx context.Context, r *rootField, f *selected, tasks []*ent.Task) (func(*ent.Task) *history.Page, error) {
	in := activityInput(f.Set())
	args, err := pageArguments(r.operation.Variables, f)
	if err != nil {
		return nil, err
	}
	in.First, in.After = args.First, args.After
	pages, err := r.resolver.services.History.OfTasks(ctx, r.viewer, idsOf(tasks), in)
	return func(t *ent.Task) *history.Page { return pages[t.ID] }, located(f.Path, err)
}

func loadTasksOfActivities(ctx context.Context, r *rootField, f *selected, activities []*history.Activity) (func(*history.Activity) *ent.Task, error) {
	var ids []uuid.UUID
	for _, a := range activities {
		if !slices.Contains(ids, a.TaskID) {
			ids = append(ids, a.TaskID)
		}
	}
	tasks, err := r.resolver.services.Tasks.ByID(ctx, r.viewer, ids, f.Set().Columns)
	return func(a *history.Activity) *ent.Task { return tasks[a.TaskID] }, err
}
