package graph

import (
	"context"
	"io"
	"slices"
	"strconv"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"taskql/ent"
	"taskql/graph/model"
	"taskql/graph/selection"
	"taskql/internal/keyset"
	"taskql/internal/task"
)

// gqlgen makes a context, closures and a marshaler for each field of each row. Here what a root field's resolver returns
// is written whole, by the field's compiled selection; where that can't be done, gqlgen gets the value and does what it
// always did, errors included.

type (
	plans = selection.Plans[*walker]
	plan  = selection.Plan[*walker]
)

// withPlans lets the operation's root fields be written by plans. The middleware is the operation's own: one of the
// server's would be called for every field of every operation.
func (r *Resolver) withPlans(op *graphql.OperationContext, p *plans) {
	next := op.ResolverMiddleware
	op.ResolverMiddleware = func(ctx context.Context, resolve graphql.Resolver) (any, error) {
		value, err := next(ctx, resolve)
		if err != nil || value == nil {
			return value, err
		}
		if fc := graphql.GetFieldContext(ctx); fc.Parent != nil && fc.Parent.Parent == nil && fc.Parent.Field.Field == nil {
			if plan := p.For(op, fc.Field); plan != nil {
				return r.write(ctx, plan, value), nil
			}
		}
		return value, nil
	}
}

// write writes the value of the root field that is being resolved. If that can't be done, it returns the value.
func (r *Resolver) write(ctx context.Context, p *plan, value any) any {
	w, path, selected, err := r.walk(ctx)
	if err != nil {
		return value
	}
	if w.needsNothing() {
		return w.append(ctx, p, path, value)
	}
	if err := w.loadPayload(ctx, path, graphql.GetFieldContext(ctx).Field.Definition.Type.Name(), value, selected); err != nil {
		return value // gqlgen asks again, and says whose error it is.
	}
	return w.append(ctx, p, path, value)
}

// append writes the value, or returns it if that can't be done. The operation's only root field begins the data. If
// the response becomes too long or the operation's time is over, a null is written: the response will say why.
func (w *walker) append(ctx context.Context, p *plan, path string, value any) any {
	out := newWritten()
	if out.data = w.notes != nil; out.data {
		out.json = beginData(out.json, path)
	}
	var err error
	if nodes, ok := value.([]model.Node); ok {
		out.json, err = selection.AppendList(ctx, p, w, out.json, nodes)
	} else {
		out.json, err = p.Append(ctx, w, out.json, value)
	}
	if err == nil {
		err = w.meter.count(len(out.json))
	}
	switch {
	case err == nil:
		return out
	case w.meter.size.stopped():
		out.release()
		return graphql.Null
	default:
		w.meter.undo()
		out.release()
		return value
	}
}

// loadPayload loads what is selected of the tasks and tags of a mutation's payload, which its resolver leaves to their
// fields. What else a value is needs nothing: its resolver loaded all of it.
func (w *walker) loadPayload(ctx context.Context, path, name string, value any, selected ast.SelectionSet) error {
	var field string
	var load func(path string, selected ast.SelectionSet) error
	switch value := value.(type) {
	case *task.Result:
		if value == nil || value.Task == nil {
			return nil
		}
		field, load = "task", func(path string, selected ast.SelectionSet) error {
			return w.loadTasks(ctx, path, []*ent.Task{value.Task}, selected)
		}
	case *task.TagResult:
		if value == nil || value.Tag == nil {
			return nil
		}
		field, load = "tag", func(path string, selected ast.SelectionSet) error {
			return w.loadTags(ctx, path, []*ent.Tag{value.Tag}, selected)
		}
	case *task.BulkResult:
		if value == nil {
			return nil
		}
		field, load = "results", func(path string, selected ast.SelectionSet) error {
			return w.loadResults(ctx, path, value.Results, selected)
		}
	default:
		return nil
	}
	// What is loaded before an error would change what gqlgen does after it: it is kept apart.
	w.loads = &loads{}
	for _, f := range w.of(selected, name) {
		if f.Name != field {
			continue
		}
		if err := load(path+"."+f.Alias, f.Selections); err != nil {
			return err
		}
	}
	return nil
}

const (
	firstWritten   = 4 << 10
	largestWritten = 256 << 10
)

var writtenPool = sync.Pool{New: func() any { return &written{json: make([]byte, 0, firstWritten)} }} //nolint:gochecknoglobals // A pool is the process's.

// written is JSON on its way to the response. It is written once.
type written struct {
	json []byte
	// data says that it is the response's data but for the closing brace, and not one field's value.
	data bool
	done bool
}

func newWritten() *written {
	w, ok := writtenPool.Get().(*written)
	if !ok {
		return &written{}
	}
	w.json, w.data, w.done = w.json[:0], false, false
	return w
}

// MarshalGQL implements graphql.Marshaler.
func (w *written) MarshalGQL(out io.Writer) {
	if w.done {
		panic("graph: an answer is written twice")
	}
	_, _ = out.Write(w.json) // gqlgen writes to memory.
	w.done = true
	w.release()
}

func (w *written) release() {
	if cap(w.json) <= largestWritten {
		writtenPool.Put(w)
	}
}

func leaf[T any](write func(b []byte, object *T) []byte) selection.Field[*walker] {
	return selection.Leaf[*walker](write)
}

func asked[T any](ask func(ctx context.Context, w *walker, object *T) (bool, error)) selection.Field[*walker] {
	return selection.LeafAt(func(ctx context.Context, w *walker, _ string, b []byte, object *T) ([]byte, error) {
		v, err := ask(ctx, w, object)
		return strconv.AppendBool(b, v), err
	})
}

func counted[T any](count func(ctx context.Context, w *walker, path string, object *T) (int, error)) selection.Field[*walker] {
	return selection.LeafAt(func(ctx context.Context, w *walker, path string, b []byte, object *T) ([]byte, error) {
		n, err := count(ctx, w, path, object)
		return appendInt(b, n), err
	})
}

func part[T, V any](get func(object *T) *V) selection.Field[*walker] {
	return selection.Object(func(_ *walker, _ string, object *T) (*V, error) { return get(object), nil })
}

func parts[T, V any](get func(object *T) []*V) selection.Field[*walker] {
	return selection.List(func(_ *walker, _ string, object *T) ([]*V, error) { return get(object), nil })
}

// found is what was loaded ahead for the field of an object.
func found[V any](w *walker, path string, object any) (V, error) {
	v, ok := w.loads.get(path, object)
	if !ok {
		return as[V](nil), selection.ErrOrdinary
	}
	return as[V](v), nil
}

func appendInt(b []byte, i int) []byte { return strconv.AppendInt(b, int64(i), 10) }

func appendPriority(b []byte, p task.Priority) []byte {
	switch p {
	case task.PriorityNone:
		return append(b, `"NONE"`...)
	case task.PriorityLow:
		return append(b, `"LOW"`...)
	case task.PriorityMedium:
		return append(b, `"MEDIUM"`...)
	case task.PriorityHigh:
		return append(b, `"HIGH"`...)
	case task.PriorityUrgent:
		return append(b, `"URGENT"`...)
	default:
		return append(b, `""`...) // As gqlgen has it.
	}
}

// writtenTypes are the types that are written here: all that the schema has. A test compares them with it.
func writtenTypes() []selection.Type[*walker] {
	return slices.Concat(taskTypes(), tagTypes(), payloadTypes())
}

type fields = selection.Fields[*walker]

func taskTypes() []selection.Type[*walker] {
	return []selection.Type[*walker]{
		selection.Of[ent.Task]("Task", fields{
			"id":      leaf(func(b []byte, t *ent.Task) []byte { return selection.AppendUUID(b, t.ID) }),
			"version": leaf(func(b []byte, t *ent.Task) []byte { return appendInt(b, t.Version) }),
			"title":   leaf(func(b []byte, t *ent.Task) []byte { return selection.AppendString(b, t.Title) }),
			"description": leaf(func(b []byte, t *ent.Task) []byte {
				return selection.AppendNull(b, t.Description, selection.AppendString)
			}),
			"completed": leaf(func(b []byte, t *ent.Task) []byte { return strconv.AppendBool(b, t.Completed) }),
			"completedAt": leaf(func(b []byte, t *ent.Task) []byte {
				return selection.AppendNull(b, t.CompletedAt, selection.AppendDateTime)
			}),
			"priority": leaf(func(b []byte, t *ent.Task) []byte { return appendPriority(b, t.Priority) }),
			"due":      part(task.DueOf),
			"overdue": asked(func(_ context.Context, w *walker, t *ent.Task) (bool, error) {
				return w.tasks.Overdue(w.viewer, t), nil
			}),
			"tags":   selection.List(func(w *walker, path string, t *ent.Task) ([]*ent.Tag, error) { return found[[]*ent.Tag](w, path, t) }),
			"parent": selection.Object(func(w *walker, path string, t *ent.Task) (*ent.Task, error) { return found[*ent.Task](w, path, t) }),
			"subtasks": selection.Object(func(w *walker, path string, t *ent.Task) (*task.Page, error) {
				return found[*task.Page](w, path, t)
			}),
			"subtaskProgress": selection.Object(func(w *walker, path string, t *ent.Task) (*task.Progress, error) {
				return found[*task.Progress](w, path, t)
			}),
			"createdAt": leaf(func(b []byte, t *ent.Task) []byte { return selection.AppendDateTime(b, t.CreatedAt) }),
			"updatedAt": leaf(func(b []byte, t *ent.Task) []byte { return selection.AppendDateTime(b, t.UpdatedAt) }),
			"deletedAt": leaf(func(b []byte, t *ent.Task) []byte {
				return selection.AppendNull(b, t.DeletedAt, selection.AppendDateTime)
			}),
		}),
		selection.Of[task.Due]("Due", fields{
			"date":     leaf(func(b []byte, d *task.Due) []byte { return selection.AppendDate(b, d.Date) }),
			"at":       leaf(func(b []byte, d *task.Due) []byte { return selection.AppendNull(b, d.At, selection.AppendDateTime) }),
			"timeZone": leaf(func(b []byte, d *task.Due) []byte { return selection.AppendNull(b, d.TimeZone, selection.AppendString) }),
		}),
		selection.Of[task.Progress]("Progress", fields{
			"done":  leaf(func(b []byte, p *task.Progress) []byte { return appendInt(b, p.Done) }),
			"total": leaf(func(b []byte, p *task.Progress) []byte { return appendInt(b, p.Total) }),
		}),
		selection.Of[task.Page]("TaskConnection", fields{
			"edges":    parts(func(p *task.Page) []*task.Edge { return p.Edges }),
			"nodes":    parts((*task.Page).Nodes),
			"pageInfo": part(func(p *task.Page) *keyset.PageInfo { return p.PageInfo }),
			"totalCount": counted(func(ctx context.Context, _ *walker, _ string, p *task.Page) (int, error) {
				return p.TotalCount(ctx)
			}),
			"facets": part(func(p *task.Page) *task.Facets { return p.Facets }),
		}),
		selection.Of[task.Edge]("TaskEdge", fields{
			"cursor": leaf(func(b []byte, e *task.Edge) []byte { return selection.AppendString(b, e.Cursor) }),
			"node":   part(func(e *task.Edge) *ent.Task { return e.Node }),
		}),
		selection.Of[keyset.PageInfo]("PageInfo", fields{
			"hasNextPage": asked(func(ctx context.Context, _ *walker, p *keyset.PageInfo) (bool, error) { return p.HasNextPage(ctx) }),
			"hasPreviousPage": asked(func(ctx context.Context, _ *walker, p *keyset.PageInfo) (bool, error) {
				return p.HasPreviousPage(ctx)
			}),
			"startCursor": leaf(func(b []byte, p *keyset.PageInfo) []byte {
				return selection.AppendNull(b, p.StartCursor, selection.AppendString)
			}),
			"endCursor": leaf(func(b []byte, p *keyset.PageInfo) []byte {
				return selection.AppendNull(b, p.EndCursor, selection.AppendString)
			}),
		}),
		selection.Of[task.Facets]("TaskFacets", fields{
			"open":         leaf(func(b []byte, f *task.Facets) []byte { return appendInt(b, f.Open) }),
			"completed":    leaf(func(b []byte, f *task.Facets) []byte { return appendInt(b, f.Completed) }),
			"overdue":      leaf(func(b []byte, f *task.Facets) []byte { return appendInt(b, f.Overdue) }),
			"dueToday":     leaf(func(b []byte, f *task.Facets) []byte { return appendInt(b, f.DueToday) }),
			"dueNext7Days": leaf(func(b []byte, f *task.Facets) []byte { return appendInt(b, f.DueNext7Days) }),
			"noDue":        leaf(func(b []byte, f *task.Facets) []byte { return appendInt(b, f.NoDue) }),
			"byPriority":   parts(func(f *task.Facets) []*task.PriorityCount { return f.ByPriority }),
			"byTag":        parts(func(f *task.Facets) []*task.TagCount { return f.ByTag }),
		}),
		selection.Of[task.PriorityCount]("PriorityCount", fields{
			"priority": leaf(func(b []byte, c *task.PriorityCount) []byte { return appendPriority(b, c.Priority) }),
			"count":    leaf(func(b []byte, c *task.PriorityCount) []byte { return appendInt(b, c.Count) }),
		}),
		selection.Of[task.TagCount]("TagCount", fields{
			"tag":   part(func(c *task.TagCount) *ent.Tag { return c.Tag }),
			"count": leaf(func(b []byte, c *task.TagCount) []byte { return appendInt(b, c.Count) }),
		}),
	}
}

func tagTypes() []selection.Type[*walker] {
	return []selection.Type[*walker]{
		selection.Of[ent.Tag]("Tag", fields{
			"id":      leaf(func(b []byte, t *ent.Tag) []byte { return selection.AppendUUID(b, t.ID) }),
			"version": leaf(func(b []byte, t *ent.Tag) []byte { return appendInt(b, t.Version) }),
			"name":    leaf(func(b []byte, t *ent.Tag) []byte { return selection.AppendString(b, t.Name) }),
			"color":   leaf(func(b []byte, t *ent.Tag) []byte { return selection.AppendString(b, t.Color) }),
			"openTaskCount": counted(func(_ context.Context, w *walker, path string, t *ent.Tag) (int, error) {
				return found[int](w, path, t)
			}),
			"createdAt": leaf(func(b []byte, t *ent.Tag) []byte { return selection.AppendDateTime(b, t.CreatedAt) }),
			"updatedAt": leaf(func(b []byte, t *ent.Tag) []byte { return selection.AppendDateTime(b, t.UpdatedAt) }),
		}),
		selection.Of[task.TagPage]("TagConnection", fields{
			"edges":    parts(func(p *task.TagPage) []*task.TagEdge { return p.Edges }),
			"nodes":    parts((*task.TagPage).Nodes),
			"pageInfo": part(func(p *task.TagPage) *keyset.PageInfo { return p.PageInfo }),
			"totalCount": counted(func(ctx context.Context, _ *walker, _ string, p *task.TagPage) (int, error) {
				return p.TotalCount(ctx)
			}),
		}),
		selection.Of[task.TagEdge]("TagEdge", fields{
			"cursor": leaf(func(b []byte, e *task.TagEdge) []byte { return selection.AppendString(b, e.Cursor) }),
			"node":   part(func(e *task.TagEdge) *ent.Tag { return e.Node }),
		}),
		selection.Of[ent.User]("User", fields{
			"id":        leaf(func(b []byte, u *ent.User) []byte { return selection.AppendString(b, u.ID) }),
			"name":      leaf(func(b []byte, u *ent.User) []byte { return selection.AppendString(b, u.Name) }),
			"email":     leaf(func(b []byte, u *ent.User) []byte { return selection.AppendString(b, u.Email) }),
			"image":     leaf(func(b []byte, u *ent.User) []byte { return selection.AppendNull(b, u.Image, selection.AppendString) }),
			"timeZone":  leaf(func(b []byte, u *ent.User) []byte { return selection.AppendString(b, u.TimeZone) }),
			"createdAt": leaf(func(b []byte, u *ent.User) []byte { return selection.AppendDateTime(b, u.CreatedAt) }),
		}),
	}
}

func payloadTypes() []selection.Type[*walker] {
	types := []selection.Type[*walker]{
		selection.Of[task.UserError]("UserError", fields{
			"code":    leaf(func(b []byte, e *task.UserError) []byte { return selection.AppendString(b, e.Code) }),
			"message": leaf(func(b []byte, e *task.UserError) []byte { return selection.AppendString(b, e.Message) }),
			"field":   leaf(func(b []byte, e *task.UserError) []byte { return appendStrings(b, e.Field) }),
		}),
		selection.Of[task.PurgeResult]("PurgeTaskPayload", fields{
			"purgedTaskId": leaf(func(b []byte, r *task.PurgeResult) []byte {
				return selection.AppendNull(b, r.PurgedTaskID, selection.AppendString)
			}),
			"userErrors": parts(func(r *task.PurgeResult) []*task.UserError { return r.UserErrors }),
		}),
		selection.Of[task.BulkResult]("BulkTaskPayload", fields{
			"results":      parts(func(r *task.BulkResult) []*task.ItemResult { return r.Results }),
			"changedCount": leaf(func(b []byte, r *task.BulkResult) []byte { return appendInt(b, r.ChangedCount) }),
			"userErrors":   parts(func(r *task.BulkResult) []*task.UserError { return r.UserErrors }),
		}),
		selection.Of[task.ItemResult]("BulkTaskResult", fields{
			"id":         leaf(func(b []byte, r *task.ItemResult) []byte { return selection.AppendString(b, r.ID) }),
			"task":       part(func(r *task.ItemResult) *ent.Task { return r.Task }),
			"userErrors": parts(func(r *task.ItemResult) []*task.UserError { return r.UserErrors }),
		}),
		selection.Of[task.DeleteTagResult]("DeleteTagPayload", fields{
			"deletedTagId": leaf(func(b []byte, r *task.DeleteTagResult) []byte {
				return selection.AppendNull(b, r.DeletedTagID, selection.AppendString)
			}),
			"userErrors": parts(func(r *task.DeleteTagResult) []*task.UserError { return r.UserErrors }),
		}),
		selection.Of[model.UpdateViewerPayload]("UpdateViewerPayload", fields{
			"viewer":     part(func(r *model.UpdateViewerPayload) *ent.User { return r.Viewer }),
			"userErrors": parts(func(r *model.UpdateViewerPayload) []*task.UserError { return r.UserErrors }),
		}),
	}
	for _, verb := range []string{"Create", "Update", "Complete", "Reopen", "Move", "Delete", "Restore"} {
		types = append(types, selection.Of[task.Result](verb+"TaskPayload", fields{
			"task":       part(func(r *task.Result) *ent.Task { return r.Task }),
			"userErrors": parts(func(r *task.Result) []*task.UserError { return r.UserErrors }),
		}))
	}
	for _, verb := range []string{"Create", "Update"} {
		types = append(types, selection.Of[task.TagResult](verb+"TagPayload", fields{
			"tag":        part(func(r *task.TagResult) *ent.Tag { return r.Tag }),
			"userErrors": parts(func(r *task.TagResult) []*task.UserError { return r.UserErrors }),
		}))
	}
	return types
}

// appendStrings appends a list that may be null.
func appendStrings(b []byte, list []string) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = selection.AppendString(b, s)
	}
	return append(b, ']')
}
