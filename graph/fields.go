package graph

import (
	"context"
	"slices"
	"time"

	"taskql/ent"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	"taskql/graph/model"
	"taskql/graph/selection"
	"taskql/internal/keyset"
	"taskql/internal/task"
	"taskql/internal/workspace"
)

// The table of output fields: one entry for each field of each object type. It says how the field is encoded; From has the
// columns of the object's row that it needs; load… is its batch loader, if its value is not in the object; ChangesWithTime
// marks what the clock changes, and Unversioned a type whose rows the workspace's version doesn't cover, for ETags. All
// that a request needs is derived from the table when its selection is compiled.

type (
	objectType = selection.Type[*rootField]
	fields     = selection.Fields[*rootField]
	set        = selection.Set[*rootField]
	selected   = selection.Selected[*rootField]
)

// objectTypes are all of the schema, but the root types and those of introspection.
func objectTypes() []objectType {
	return slices.Concat(taskTypes(), taskListTypes(), tagTypes(), userTypes(), payloadTypes())
}

func taskTypes() []objectType {
	return []objectType{
		selection.Of[ent.Task]("Task", fields{
			"id":              leaf(func(b []byte, t *ent.Task) []byte { return selection.AppendUUID(b, t.ID) }).From(enttask.FieldID),
			"version":         integer(func(t *ent.Task) int { return t.Version }).From(enttask.FieldVersion),
			"title":           text(func(t *ent.Task) string { return t.Title }).From(enttask.FieldTitle),
			"description":     nullable(func(t *ent.Task) *string { return t.Description }, selection.AppendString).From(enttask.FieldDescription),
			"completed":       boolean(func(t *ent.Task) bool { return t.Completed }).From(enttask.FieldCompleted),
			"completedAt":     nullable(func(t *ent.Task) *time.Time { return t.CompletedAt }, selection.AppendDateTime).From(enttask.FieldCompletedAt),
			"priority":        leaf(func(b []byte, t *ent.Task) []byte { return appendPriority(b, t.Priority) }).From(enttask.FieldPriority),
			"due":             object(task.DueOf).From(enttask.FieldDueDate),
			"overdue":         overdue().From(enttask.FieldCompleted, enttask.FieldDueDate, enttask.FieldDueAt).ChangesWithTime(),
			"tags":            selection.LoadedList(loadTags),
			"parent":          selection.LoadedObject(loadParents).From(enttask.FieldParentID),
			"subtasks":        selection.LoadedObject(loadSubtasks),
			"subtaskProgress": selection.LoadedObject(loadProgress),
			"createdAt":       moment(func(t *ent.Task) time.Time { return t.CreatedAt }).From(enttask.FieldCreatedAt),
			"updatedAt":       moment(func(t *ent.Task) time.Time { return t.UpdatedAt }).From(enttask.FieldUpdatedAt),
			"deletedAt":       nullable(func(t *ent.Task) *time.Time { return t.DeletedAt }, selection.AppendDateTime).From(enttask.FieldDeletedAt),
		}).Row(enttask.FieldID),
		// A due is made from its task's row.
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
		selection.Of[task.Edge]("TaskEdge", fields{
			"cursor": text(func(e *task.Edge) string { return e.Cursor }),
			"node":   object(func(e *task.Edge) *ent.Task { return e.Node }),
		}),
		selection.Of[keyset.PageInfo]("PageInfo", fields{
			"hasNextPage":     readBoolean((*keyset.PageInfo).HasNextPage),
			"hasPreviousPage": readBoolean((*keyset.PageInfo).HasPreviousPage),
			"startCursor":     nullable(func(p *keyset.PageInfo) *string { return p.StartCursor }, selection.AppendString),
			"endCursor":       nullable(func(p *keyset.PageInfo) *string { return p.EndCursor }, selection.AppendString),
		}),
		selection.Of[task.Facets]("TaskFacets", fields{
			"open":         integer(func(f *task.Facets) int { return f.Open }),
			"completed":    integer(func(f *task.Facets) int { return f.Completed }),
			"overdue":      integer(func(f *task.Facets) int { return f.Overdue }).ChangesWithTime(),
			"dueToday":     integer(func(f *task.Facets) int { return f.DueToday }).ChangesWithTime(),
			"dueNext7Days": integer(func(f *task.Facets) int { return f.DueNext7Days }).ChangesWithTime(),
			"noDue":        integer(func(f *task.Facets) int { return f.NoDue }),
			"byPriority":   list(func(f *task.Facets) []*task.PriorityCount { return f.ByPriority }),
			"byTag":        list(func(f *task.Facets) []*task.TagCount { return f.ByTag }),
		}),
		selection.Of[task.PriorityCount]("PriorityCount", fields{
			"priority": leaf(func(b []byte, c *task.PriorityCount) []byte { return appendPriority(b, c.Priority) }),
			"count":    integer(func(c *task.PriorityCount) int { return c.Count }),
		}),
		selection.Of[task.TagCount]("TagCount", fields{
			"tag":   object(func(c *task.TagCount) *ent.Tag { return c.Tag }),
			"count": integer(func(c *task.TagCount) int { return c.Count }),
		}),
	}
}

func tagTypes() []objectType {
	return []objectType{
		selection.Of[ent.Tag]("Tag", fields{
			"id":            leaf(func(b []byte, t *ent.Tag) []byte { return selection.AppendUUID(b, t.ID) }).From(enttag.FieldID),
			"version":       integer(func(t *ent.Tag) int { return t.Version }).From(enttag.FieldVersion),
			"name":          text(func(t *ent.Tag) string { return t.Name }).From(enttag.FieldName),
			"color":         text(func(t *ent.Tag) string { return t.Color }).From(enttag.FieldColor),
			"openTaskCount": selection.LoadedLeaf(loadOpenTaskCounts, appendInt),
			"createdAt":     moment(func(t *ent.Tag) time.Time { return t.CreatedAt }).From(enttag.FieldCreatedAt),
			"updatedAt":     moment(func(t *ent.Tag) time.Time { return t.UpdatedAt }).From(enttag.FieldUpdatedAt),
		}).Row(enttag.FieldID),
		selection.Of[task.TagPage]("TagConnection", fields{
			"edges":      list(func(p *task.TagPage) []*task.TagEdge { return p.Edges }),
			"nodes":      list((*task.TagPage).Nodes),
			"pageInfo":   object(func(p *task.TagPage) *keyset.PageInfo { return p.PageInfo }),
			"totalCount": readInteger((*task.TagPage).TotalCount),
		}).Derive(pageOf),
		selection.Of[task.TagEdge]("TagEdge", fields{
			"cursor": text(func(e *task.TagEdge) string { return e.Cursor }),
			"node":   object(func(e *task.TagEdge) *ent.Tag { return e.Node }),
		}),
	}
}

func userTypes() []objectType {
	return []objectType{
		selection.Of[ent.User]("User", fields{
			"id":        text(func(u *ent.User) string { return u.ID }),
			"name":      text(func(u *ent.User) string { return u.Name }),
			"email":     text(func(u *ent.User) string { return u.Email }),
			"image":     nullable(func(u *ent.User) *string { return u.Image }, selection.AppendString),
			"timeZone":  text(func(u *ent.User) string { return u.TimeZone }),
			"createdAt": moment(func(u *ent.User) time.Time { return u.CreatedAt }),
		}).Unversioned(),
		selection.Of[model.UpdateViewerPayload]("UpdateViewerPayload", fields{
			"viewer":     object(func(r *model.UpdateViewerPayload) *ent.User { return r.Viewer }),
			"userErrors": list(func(r *model.UpdateViewerPayload) []*workspace.UserError { return r.UserErrors }),
		}),
	}
}

func payloadTypes() []objectType {
	types := []objectType{
		selection.Of[workspace.UserError]("UserError", fields{
			"code":    text(func(e *workspace.UserError) workspace.Code { return e.Code }),
			"message": text(func(e *workspace.UserError) string { return e.Message }),
			"field":   leaf(func(b []byte, e *workspace.UserError) []byte { return appendStrings(b, e.Field) }),
		}),
		selection.Of[task.PurgeResult]("PurgeTaskPayload", fields{
			"purgedTaskId": nullable(func(r *task.PurgeResult) *string { return r.PurgedTaskID }, selection.AppendString),
			"userErrors":   list(func(r *task.PurgeResult) []*workspace.UserError { return r.UserErrors }),
		}),
		selection.Of[task.BulkResult]("BulkTaskPayload", fields{
			"results":      list(func(r *task.BulkResult) []*task.ItemResult { return r.Results }),
			"changedCount": integer(func(r *task.BulkResult) int { return r.ChangedCount }),
			"userErrors":   list(func(r *task.BulkResult) []*workspace.UserError { return r.UserErrors }),
		}),
		selection.Of[task.ItemResult]("BulkTaskResult", fields{
			"id":         text(func(r *task.ItemResult) string { return r.ID }),
			"task":       object(func(r *task.ItemResult) *ent.Task { return r.Task }),
			"userErrors": list(func(r *task.ItemResult) []*workspace.UserError { return r.UserErrors }),
		}),
		selection.Of[task.DeleteTagResult]("DeleteTagPayload", fields{
			"deletedTagId": nullable(func(r *task.DeleteTagResult) *string { return r.DeletedTagID }, selection.AppendString),
			"userErrors":   list(func(r *task.DeleteTagResult) []*workspace.UserError { return r.UserErrors }),
		}),
	}
	for _, verb := range []string{"Create", "Update", "Complete", "Reopen", "Move", "Delete", "Restore"} {
		types = append(types, selection.Of[task.Result](verb+"TaskPayload", fields{
			"task":       object(func(r *task.Result) *ent.Task { return r.Task }),
			"userErrors": list(func(r *task.Result) []*workspace.UserError { return r.UserErrors }),
		}))
	}
	for _, verb := range []string{"Create", "Update"} {
		types = append(types, selection.Of[task.TagResult](verb+"TagPayload", fields{
			"tag":        object(func(r *task.TagResult) *ent.Tag { return r.Tag }),
			"userErrors": list(func(r *task.TagResult) []*workspace.UserError { return r.UserErrors }),
		}))
	}
	return types
}

// page is what is selected of a page of a list.
type page struct {
	task.Selection

	// total and previous report whether the number of rows and hasPreviousPage are selected.
	total, previous bool
}

// pageOf derives from the selection set of a connection what has to be read of a page.
func pageOf(s *set) any {
	p := page{
		Selection: task.Selection{
			Columns:    columnsOf(append(s.Below("nodes"), s.Below("edges", "node")...)),
			CountsOnly: !s.Selects("nodes", "edges", "pageInfo"),
			TagColumns: columnsOf(s.Below("facets", "byTag", "tag")),
		},
		total: s.Selects("totalCount"),
	}
	for _, facets := range s.Below("facets") {
		for _, f := range facets.Fields {
			if name := task.Facet(f.Name); f.Name != "__typename" && !slices.Contains(p.Facets, name) {
				p.Facets = append(p.Facets, name)
			}
		}
	}
	p.Facets = slices.Clip(p.Facets)
	for _, info := range s.Below("pageInfo") {
		p.previous = p.previous || info.Selects("hasPreviousPage")
	}
	return &p
}

// pageSelected returns what pageOf has derived from the selection set of a connection.
func pageSelected(s *set) *page {
	p, ok := s.Derived.(*page)
	if !ok {
		return &page{} // Whole rows.
	}
	return p
}

// columnsOf returns the columns that rows need if all of the sets are selected of them; nil for all columns.
func columnsOf(sets []*set) []string {
	columns := []string{enttask.FieldID} // A tag's is called the same.
	for _, s := range sets {
		if s.Columns == nil {
			return nil
		}
		for _, column := range s.Columns {
			if !slices.Contains(columns, column) {
				columns = append(columns, column)
			}
		}
	}
	return slices.Clip(columns)
}

// overdue asks the clock.
func overdue() selection.Field[*rootField] {
	return selection.LeafWith(func(_ context.Context, r *rootField, b []byte, t *ent.Task) ([]byte, error) {
		return appendBool(b, r.resolver.tasks.Overdue(r.viewer, t)), nil
	})
}
