package graph

import (
	"context"
	"slices"
	"time"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/graph/model"
	"taskql/graph/selection"
	"taskql/internal/keyset"
	"taskql/internal/task"
	"taskql/internal/workspace"
)

func findTasks(ctx context.Context, r *rootField, ids, columns []string) (map[string]model.Node, error) {
	return asNodes(r.resolver.services.Tasks.GetMany(ctx, r.viewer, ids, columns...))
}

func taskTypes() []objectType {
	return slices.Concat(taskRowTypes(), taskListTypes(), taskPayloadTypes(), undoTypes())
}

func taskRowTypes() []objectType {
	return []objectType{
		selection.Of[ent.Task]("Task", fields{
			"id":               leaf(func(b []byte, t *ent.Task) []byte { return selection.AppendUUID(b, t.ID) }).From(enttask.FieldID),
			"version":          integer(func(t *ent.Task) int { return t.Version }).From(enttask.FieldVersion),
			"title":            text(func(t *ent.Task) string { return t.Title }).From(enttask.FieldTitle),
			"description":      nullable(func(t *ent.Task) *string { return t.Description }, selection.AppendString).From(enttask.FieldDescription),
			"completed":        boolean(func(t *ent.Task) bool { return t.Completed }).From(enttask.FieldCompleted),
			"completedAt":      nullable(func(t *ent.Task) *time.Time { return t.CompletedAt }, selection.AppendDateTime).From(enttask.FieldCompletedAt),
			"priority":         leaf(func(b []byte, t *ent.Task) []byte { return appendPriority(b, t.Priority) }).From(enttask.FieldPriority),
			"due":              object(task.DueOf).From(enttask.FieldDueDate),
			"overdue":          overdue().From(enttask.FieldCompleted, enttask.FieldDueDate, enttask.FieldDueAt).ChangesWithTime(),
			"tags":             selection.LoadedList(loadTags).OfRow(),
			"parent":           selection.LoadedObject(loadParents).From(enttask.FieldParentID).OfRow(),
			"subtasks":         selection.LoadedObject(loadSubtasks),
			"subtaskProgress":  selection.LoadedObject(loadProgress),
			"reminders":        selection.LoadedList(loadReminders),
			"createdAt":        moment(func(t *ent.Task) time.Time { return t.CreatedAt }).From(enttask.FieldCreatedAt),
			"updatedAt":        moment(func(t *ent.Task) time.Time { return t.UpdatedAt }).From(enttask.FieldUpdatedAt),
			"deletedAt":        nullable(func(t *ent.Task) *time.Time { return t.DeletedAt }, selection.AppendDateTime).From(enttask.FieldDeletedAt),
			"recurrence":       selection.LoadedObject(loadRecurrences).From(enttask.FieldRecurrenceID).OfRow(),
			"occurrence":       selection.LoadedObject(loadOccurrences).From(enttask.FieldRecurrenceID, enttask.FieldOccurrenceNumber),
			"occurrenceNumber": nullable(func(t *ent.Task) *int { return t.OccurrenceNumber }, appendInt).From(enttask.FieldOccurrenceNumber),
			"position":         text(func(t *ent.Task) string { return string(t.Position) }).From(enttask.FieldPosition),
			"project":          selection.LoadedObject(loadProjectsOfTasks).From(enttask.FieldProjectID).OfRow(),
			"section":          selection.LoadedObject(loadSectionsOfTasks).From(enttask.FieldSectionID).OfRow(),
			"activity":         selection.LoadedObject(loadActivity),
			"assignee":         selection.LoadedObject(loadAssignees).From(enttask.FieldAssigneeID).OfRow(),
			"createdBy":        selection.LoadedObject(loadCreators).From(enttask.FieldCreatedBy).OfRow(),
			"workspace":        selection.LoadedObject(loadWorkspaces[ent.Task]),
		}).Row(enttask.FieldID),
		// A due has no row of its own: its columns are the task's.
		selection.Of[task.Due]("Due", fields{
			"date":     leaf(func(b []byte, d *task.Due) []byte { return selection.AppendDate(b, d.Date) }),
			"at":       nullable(func(d *task.Due) *time.Time { return d.At }, selection.AppendDateTime).From(enttask.FieldDueAt),
			"timeZone": nullable(func(d *task.Due) *string { return d.TimeZone }, selection.AppendString).From(enttask.FieldDueTimeZone),
		}),
		selection.Of[task.Progress]("Progress", fields{
			"done":  integer(func(p *task.Progress) int { return p.Done }),
			"total": integer(func(p *task.Progress) int { return p.Total }),
		}),
	}
}

func taskListTypes() []objectType {
	return []objectType{
		selection.Of[task.Page]("TaskConnection", fields{
			"edges":      list(func(p *task.Page) []*task.Edge { return p.Edges }),
			"nodes":      list((*task.Page).Nodes),
			"pageInfo":   object(func(p *task.Page) *keyset.PageInfo { return p.PageInfo }),
			"totalCount": readInteger((*task.Page).TotalCount),
			"facets":     object(func(p *task.Page) *task.Facets { return p.Facets }),
		}).Derive(pageOf),
		edgeType[ent.Task]("Task"),
		selection.Of[task.Facets]("TaskFacets", fields{
			"open":         integer(func(f *task.Facets) int { return f.Open }),
			"completed":    integer(func(f *task.Facets) int { return f.Completed }),
			"overdue":      integer(func(f *task.Facets) int { return f.Overdue }).ChangesWithTime(),
			"dueToday":     integer(func(f *task.Facets) int { return f.DueToday }).ChangesWithTime(),
			"dueNext7Days": integer(func(f *task.Facets) int { return f.DueNext7Days }).ChangesWithTime(),
			"noDue":        integer(func(f *task.Facets) int { return f.NoDue }),
			"byPriority":   list(func(f *task.Facets) []*task.PriorityCount { return f.ByPriority }),
			"byTag":        list(func(f *task.Facets) []*task.TagCount { return f.ByTag }),
			"byAssignee":   list(func(f *task.Facets) []*task.AssigneeCount { return f.ByAssignee }),
			"byProject":    list(func(f *task.Facets) []*task.ProjectCount { return f.ByProject }),
		}),
		selection.Of[task.PriorityCount]("PriorityCount", fields{
			"priority": leaf(func(b []byte, c *task.PriorityCount) []byte { return appendPriority(b, c.Priority) }),
			"count":    integer(func(c *task.PriorityCount) int { return c.Count }),
		}),
		selection.Of[task.ProjectCount]("ProjectCount", fields{
			"project": selection.LoadedObject(loadProjectsOfCounts),
			"count":   integer(func(c *task.ProjectCount) int { return c.Count }),
		}),
		selection.Of[task.TagCount]("TagCount", fields{
			"tag":   object(func(c *task.TagCount) *ent.Tag { return c.Tag }),
			"count": integer(func(c *task.TagCount) int { return c.Count }),
		}),
	}
}

func taskPayloadTypes() []objectType {
	types := []objectType{
		selection.Of[task.PurgeResult]("PurgeTaskPayload", fields{
			"purgedTaskId": nullable(func(r *task.PurgeResult) *string { return r.PurgedTaskID }, selection.AppendString),
			"version":      nullable((*task.PurgeResult).Version, appendInt),
			"userErrors":   list(func(r *task.PurgeResult) []*workspace.UserError { return r.UserErrors }),
		}),
		selection.Of[task.EmptyTrashResult]("EmptyTrashPayload", fields{
			"purgedCount":    integer(func(r *task.EmptyTrashResult) int { return r.PurgedCount }),
			"remainingCount": integer(func(r *task.EmptyTrashResult) int { return r.RemainingCount }),
			"version":        nullable((*task.EmptyTrashResult).Version, appendInt),
			"userErrors":     list(func(r *task.EmptyTrashResult) []*workspace.UserError { return r.UserErrors }),
		}),
		selection.Of[task.BulkResult]("BulkTaskPayload", fields{
			"results":      list(func(r *task.BulkResult) []*task.ItemResult { return r.Results }),
			"changedCount": integer(func(r *task.BulkResult) int { return r.ChangedCount }),
			"version":      nullable((*task.BulkResult).Version, appendInt),
			"userErrors":   list(func(r *task.BulkResult) []*workspace.UserError { return r.UserErrors }),
		}),
		selection.Of[task.ItemResult]("BulkTaskResult", fields{
			"id":            text(func(r *task.ItemResult) string { return r.ID }),
			"task":          object(func(r *task.ItemResult) *ent.Task { return r.Task }),
			"next":          object(func(r *task.ItemResult) *ent.Task { return r.Next }),
			"removedNextId": nullable(func(r *task.ItemResult) *string { return r.RemovedNextID }, selection.AppendString),
			"userErrors":    list(func(r *task.ItemResult) []*workspace.UserError { return r.UserErrors }),
		}),
	}
	for _, name := range []string{
		"CreateTaskPayload", "UpdateTaskPayload", "CompleteTaskPayload", "ReopenTaskPayload", "MoveTaskPayload", "DeleteTaskPayload",
		"RestoreTaskPayload", "SkipOccurrencePayload",
	} {
		payload := fields{
			"task":       object(func(r *task.Result) *ent.Task { return r.Task }),
			"version":    nullable((*task.Result).Version, appendInt),
			"userErrors": list(func(r *task.Result) []*workspace.UserError { return r.UserErrors }),
		}
		switch name {
		case "CompleteTaskPayload":
			payload["next"] = object(func(r *task.Result) *ent.Task { return r.Next })
		case "ReopenTaskPayload":
			payload["removedNextId"] = nullable(func(r *task.Result) *string { return r.RemovedNextID }, selection.AppendString)
		}
		types = append(types, selection.Of[task.Result](name, payload))
	}
	return types
}

// overdue is computed when the field is encoded, because it depends on the clock.
func overdue() selection.Field[*rootField] {
	return selection.LeafWith(func(_ context.Context, r *rootField, b []byte, t *ent.Task) ([]byte, error) {
		return appendBool(b, r.resolver.services.Tasks.Overdue(r.viewer, t)), nil
	})
}
