package graph

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"taskql/ent"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	"taskql/graph/scalar"
	"taskql/internal/task"
	"taskql/internal/viewer"
)

// What stands around a task (its tags, its parent, its subtasks) is never read task by task. A resolver that has tasks
// looks at what the client selects below them and loads each level for all of them at once; the fields' resolvers then
// find what is theirs. So the number of statements depends on the shape of a request alone, never on the number of rows
// or on chance.

// loads are what was loaded ahead in one operation.
type loads struct {
	mu    sync.RWMutex
	found map[place]any
}

// place is an object at a place in the answer, indices left out: there it has one selection and one set of arguments.
type place struct {
	path   string
	object any
}

func (l *loads) put(path string, object, value any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.found == nil {
		l.found = map[place]any{}
	}
	l.found[place{path, object}] = value
}

func (l *loads) get(path string, object any) (any, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	v, ok := l.found[place{path, object}]
	return v, ok
}

// walker loads what a selection wants.
type walker struct {
	tasks  *task.Service
	viewer viewer.Viewer
	op     *graphql.OperationContext
	loads  *loads
	// notes are what is known of the selection already; nil: it has to be looked at.
	notes *notes
	// meter counts what is written of the root field.
	meter meter
}

// walk returns a walker for the field that is being resolved, its path and its selection.
func (r *Resolver) walk(ctx context.Context) (*walker, string, ast.SelectionSet, error) {
	v, err := viewer.FromContext(ctx)
	if err != nil {
		return nil, "", nil, err
	}
	e, ok := ctx.Value(executionKey{}).(*execution)
	if !ok {
		e = &execution{size: responseSize{limit: math.MaxInt64}}
	}
	fc := graphql.GetFieldContext(ctx)
	w := &walker{tasks: r.tasks, viewer: v, op: graphql.GetOperationContext(ctx), loads: &e.loads, meter: e.size.meter()}
	if e.plan == nil || fc.Field.Field != e.root.Field {
		return w, pathOf(fc), fc.Field.Selections, nil
	}
	w.notes = notesOf(w, e)
	return w, fc.Field.Alias, fc.Field.Selections, nil
}

// pathOf is the field's place in the answer, without indices.
func pathOf(fc *graphql.FieldContext) string {
	var names []string
	for ; fc != nil; fc = fc.Parent {
		if fc.Index == nil && fc.Field.Field != nil {
			names = append(names, fc.Field.Alias)
		}
	}
	slices.Reverse(names)
	return strings.Join(names, ".")
}

// of lists what is selected of objects of one type, with fragments opened and @skip and @include done. gqlgen remembers
// the answer by the selection's address: it must be one that gqlgen itself keeps, never one made here.
func (w *walker) of(selected ast.SelectionSet, types ...string) []graphql.CollectedField {
	return graphql.CollectFields(w.op, selected, types)
}

func (w *walker) ofTask(selected ast.SelectionSet) []graphql.CollectedField {
	return w.of(selected, "Task", "Node")
}

func (w *walker) ofTag(selected ast.SelectionSet) []graphql.CollectedField {
	return w.of(selected, "Tag", "Node")
}

// below lists what is selected of a type below all of the fields that have one of the names.
func (w *walker) below(fields []graphql.CollectedField, name string, types ...string) []graphql.CollectedField {
	var all []graphql.CollectedField
	for _, f := range fields {
		if f.Name == name {
			all = append(all, w.of(f.Selections, types...)...)
		}
	}
	return all
}

// rows lists what is selected of the objects on a page.
func (w *walker) rows(page []graphql.CollectedField, edge string, types ...string) []graphql.CollectedField {
	return append(w.below(page, "nodes", types...), w.below(w.below(page, "edges", edge), "node", types...)...)
}

func selects(fields []graphql.CollectedField, names ...string) bool {
	return slices.ContainsFunc(fields, func(f graphql.CollectedField) bool { return slices.Contains(names, f.Name) })
}

// taskColumns says which columns the fields of a task are made of. The id is always read.
var taskColumns = map[string][]string{ //nolint:gochecknoglobals // A constant, if Go had constant maps.
	"__typename":      {},
	"id":              {},
	"version":         {enttask.FieldVersion},
	"title":           {enttask.FieldTitle},
	"description":     {enttask.FieldDescription},
	"completed":       {enttask.FieldCompleted},
	"completedAt":     {enttask.FieldCompletedAt},
	"priority":        {enttask.FieldPriority},
	"due":             {enttask.FieldDueDate}, // And what dueColumns has.
	"overdue":         {enttask.FieldCompleted, enttask.FieldDueDate, enttask.FieldDueAt},
	"tags":            {},
	"parent":          {enttask.FieldParentID},
	"subtasks":        {},
	"subtaskProgress": {},
	"createdAt":       {enttask.FieldCreatedAt},
	"updatedAt":       {enttask.FieldUpdatedAt},
	"deletedAt":       {enttask.FieldDeletedAt},
}

// dueColumns are those that the fields of a task's due need beside its day, without which it is not due.
var dueColumns = map[string][]string{ //nolint:gochecknoglobals // As above.
	"__typename": {},
	"date":       {},
	"at":         {enttask.FieldDueAt},
	"timeZone":   {enttask.FieldDueTimeZone},
}

// tagColumns is the same for a tag.
var tagColumns = map[string][]string{ //nolint:gochecknoglobals // As above.
	"__typename":    {},
	"id":            {},
	"version":       {enttag.FieldVersion},
	"name":          {enttag.FieldName},
	"color":         {enttag.FieldColor},
	"openTaskCount": {},
	"createdAt":     {enttag.FieldCreatedAt},
	"updatedAt":     {enttag.FieldUpdatedAt},
}

// columns are those that the fields need; none, which stands for all, where a field is not in the table.
func columns(table map[string][]string, fields []graphql.CollectedField) []string {
	const more = 4                                                                                  // Some fields are made of several columns.
	return withColumns(append(make([]string, 0, len(fields)+more), enttask.FieldID), table, fields) // A tag's is called the same.
}

// ofTasks are the columns that the fields of tasks need, as columns has them.
func (w *walker) ofTasks(fields []graphql.CollectedField) []string {
	return withColumns(columns(taskColumns, fields), dueColumns, w.below(fields, "due", "Due"))
}

// withColumns adds to the columns those that the fields need; none where there is none, or where a field is not in the table.
func withColumns(chosen []string, table map[string][]string, fields []graphql.CollectedField) []string {
	if chosen == nil {
		return nil
	}
	for _, f := range fields {
		needed, ok := table[f.Name]
		if !ok {
			return nil
		}
		for _, c := range needed {
			if !slices.Contains(chosen, c) {
				chosen = append(chosen, c)
			}
		}
	}
	return chosen
}

// ofPage reads what is wanted of a page of tasks.
func (w *walker) ofPage(selected ast.SelectionSet) task.Selection {
	page := w.of(selected, "TaskConnection")
	s := task.Selection{
		Columns:    w.ofTasks(w.rows(page, "TaskEdge", "Task", "Node")),
		CountsOnly: !selects(page, "nodes", "edges", "pageInfo"),
	}
	facets := w.below(page, "facets", "TaskFacets")
	for _, f := range facets {
		if name := task.Facet(f.Name); f.Name != "__typename" && !slices.Contains(s.Facets, name) {
			s.Facets = append(s.Facets, name)
		}
	}
	s.TagColumns = columns(tagColumns, w.below(w.below(facets, "byTag", "TagCount"), "tag", "Tag", "Node"))
	return s
}

// ofTagPage reads what is wanted of a page of tags.
func (w *walker) ofTagPage(selected ast.SelectionSet) task.Selection {
	page := w.of(selected, "TagConnection")
	return task.Selection{
		Columns:    columns(tagColumns, w.rows(page, "TagEdge", "Tag", "Node")),
		CountsOnly: !selects(page, "nodes", "edges", "pageInfo"),
	}
}

// loadTasks loads what is selected of the tasks at a path.
func (w *walker) loadTasks(ctx context.Context, path string, tasks []*ent.Task, selected ast.SelectionSet) error {
	if len(tasks) == 0 {
		return nil
	}
	for _, f := range w.ofTask(selected) {
		if columns, known := taskColumns[f.Name]; known && len(columns) > 0 && f.Name != "parent" {
			continue // It is a value of the task's row. Most are, and their paths would be made for nothing.
		}
		if err := w.loadTaskField(ctx, path+"."+f.Alias, tasks, f); err != nil {
			return err
		}
	}
	return nil
}

// loadTaskField loads one field of the tasks, and what is selected below it.
func (w *walker) loadTaskField(ctx context.Context, path string, tasks []*ent.Task, f graphql.CollectedField) error {
	switch f.Name {
	case "tags":
		of, err := w.tasks.TagsOf(ctx, w.viewer, idsOf(tasks), columns(tagColumns, w.ofTag(f.Selections)))
		if err != nil {
			return err
		}
		var all []*ent.Tag
		for _, t := range tasks {
			w.loads.put(path, t, of[t.ID])
			all = append(all, of[t.ID]...)
		}
		return w.loadTags(ctx, path, all, f.Selections)
	case "parent":
		var ids []uuid.UUID
		for _, t := range tasks {
			if t.ParentID != nil && !slices.Contains(ids, *t.ParentID) {
				ids = append(ids, *t.ParentID)
			}
		}
		parents, err := w.tasks.ByID(ctx, w.viewer, ids, w.ofTasks(w.ofTask(f.Selections)))
		if err != nil {
			return err
		}
		for _, t := range tasks {
			var parent *ent.Task
			if t.ParentID != nil {
				parent = parents[*t.ParentID]
			}
			w.loads.put(path, t, parent)
		}
		return w.loadTasks(ctx, path, values(ids, parents), f.Selections)
	case "subtasks":
		in, ok := w.subtasksInput(f)
		if !ok {
			return nil // gqlgen says what is wrong with the arguments.
		}
		of, err := w.tasks.Subtasks(ctx, w.viewer, idsOf(tasks), in)
		if err != nil {
			return located(path, err)
		}
		for _, t := range tasks {
			w.loads.put(path, t, of[t.ID])
		}
		return w.loadPages(ctx, path, values(idsOf(tasks), of), f.Selections)
	case "subtaskProgress":
		of, err := w.tasks.ProgressOf(ctx, w.viewer, idsOf(tasks))
		if err != nil {
			return err
		}
		for _, t := range tasks {
			progress := of[t.ID]
			w.loads.put(path, t, &progress)
		}
	}
	return nil
}

// subtasksInput reads the arguments of a field subtasks, and what is selected below it.
func (w *walker) subtasksInput(f graphql.CollectedField) (task.SubtasksInput, bool) {
	in := task.SubtasksInput{Selection: w.ofPage(f.Selections)}
	page := w.of(f.Selections, "TaskConnection")
	in.Total = selects(page, "totalCount")
	in.Previous = selects(w.below(page, "pageInfo", "PageInfo"), "hasPreviousPage")
	args := f.ArgumentMap(w.op.Variables)
	if v := args["first"]; v != nil {
		first, err := scalar.UnmarshalInt(v)
		if err != nil {
			return in, false
		}
		in.First = &first
	}
	if v := args["after"]; v != nil {
		after, err := scalar.UnmarshalString(v)
		if err != nil {
			return in, false
		}
		in.After = &after
	}
	return in, true
}

// located says where in the answer an argument is wrong, since the error is that of a field far above.
func located(path string, err error) error {
	var bad *task.InputError
	if !errors.As(err, &bad) {
		return err
	}
	return &task.InputError{Argument: path + "." + bad.Argument, Message: path + "." + bad.Message}
}

// loadPages loads what is selected of the tasks and facets of pages at one path.
func (w *walker) loadPages(ctx context.Context, path string, pages []*task.Page, selected ast.SelectionSet) error {
	var tasks []*ent.Task
	var tags []*ent.Tag
	for _, p := range pages {
		tasks = append(tasks, p.Nodes()...)
		for _, c := range p.Facets.ByTag {
			tags = append(tags, c.Tag)
		}
	}
	for _, f := range w.of(selected, "TaskConnection") {
		at := path + "." + f.Alias
		switch f.Name {
		case "nodes":
			if err := w.loadTasks(ctx, at, tasks, f.Selections); err != nil {
				return err
			}
		case "edges":
			for _, node := range w.of(f.Selections, "TaskEdge") {
				if err := w.loadTasks(ctx, at+"."+node.Alias, tasks, node.Selections); err != nil {
					return err
				}
			}
		case "facets":
			for _, group := range w.of(f.Selections, "TaskFacets") {
				for _, tag := range w.of(group.Selections, "TagCount") {
					if err := w.loadTags(ctx, at+"."+group.Alias+"."+tag.Alias, tags, tag.Selections); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// loadResults loads what is selected of the tasks of a bulk mutation.
func (w *walker) loadResults(ctx context.Context, path string, results []*task.ItemResult, selected ast.SelectionSet) error {
	var tasks []*ent.Task
	for _, r := range results {
		if r.Task != nil {
			tasks = append(tasks, r.Task)
		}
	}
	for _, f := range w.of(selected, "BulkTaskResult") {
		if f.Name != "task" {
			continue
		}
		if err := w.loadTasks(ctx, path+"."+f.Alias, tasks, f.Selections); err != nil {
			return err
		}
	}
	return nil
}

// loadTagPage loads what is selected of the tags of a page.
func (w *walker) loadTagPage(ctx context.Context, path string, page *task.TagPage, selected ast.SelectionSet) error {
	for _, f := range w.of(selected, "TagConnection") {
		at := path + "." + f.Alias
		switch f.Name {
		case "nodes":
			if err := w.loadTags(ctx, at, page.Nodes(), f.Selections); err != nil {
				return err
			}
		case "edges":
			for _, node := range w.of(f.Selections, "TagEdge") {
				if err := w.loadTags(ctx, at+"."+node.Alias, page.Nodes(), node.Selections); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// loadTags loads what is selected of the tags at a path.
func (w *walker) loadTags(ctx context.Context, path string, tags []*ent.Tag, selected ast.SelectionSet) error {
	if len(tags) == 0 {
		return nil
	}
	for _, f := range w.ofTag(selected) {
		if f.Name != "openTaskCount" {
			continue
		}
		if err := w.loadOpenTaskCount(ctx, path+"."+f.Alias, tags); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) loadOpenTaskCount(ctx context.Context, path string, tags []*ent.Tag) error {
	var ids []uuid.UUID
	for _, t := range tags {
		if !slices.Contains(ids, t.ID) {
			ids = append(ids, t.ID)
		}
	}
	counts, err := w.tasks.OpenTaskCounts(ctx, w.viewer, ids)
	if err != nil {
		return err
	}
	for _, t := range tags {
		w.loads.put(path, t, counts[t.ID])
	}
	return nil
}

// loaded returns what was loaded ahead for the field of an object that is being resolved. Where nothing was, load does it
// now, for this object alone.
func loaded[T any](ctx context.Context, r *Resolver, object any, load func(w *walker, path string, f graphql.CollectedField) error) (T, error) {
	var zero T
	w, path, _, err := r.walk(ctx)
	if err != nil {
		return zero, err
	}
	if v, ok := w.loads.get(path, object); ok {
		return as[T](v), nil
	}
	if err := load(w, path, graphql.GetFieldContext(ctx).Field); err != nil {
		return zero, err
	}
	v, _ := w.loads.get(path, object)
	return as[T](v), nil
}

func as[T any](v any) T {
	t, _ := v.(T) // Each path has one type.
	return t
}

// ofTask is loaded for a field of a task.
func ofTask[T any](ctx context.Context, r *Resolver, t *ent.Task) (T, error) {
	return loaded[T](ctx, r, t, func(w *walker, path string, f graphql.CollectedField) error {
		return w.loadTaskField(ctx, path, []*ent.Task{t}, f)
	})
}

func idsOf(tasks []*ent.Task) []uuid.UUID {
	ids := make([]uuid.UUID, len(tasks))
	for i, t := range tasks {
		ids[i] = t.ID
	}
	return ids
}

// values lists what the map has for the ids.
func values[T any](ids []uuid.UUID, of map[uuid.UUID]T) []T {
	var all []T
	for _, id := range ids {
		if v, ok := of[id]; ok {
			all = append(all, v)
		}
	}
	return all
}
