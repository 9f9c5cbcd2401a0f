package graph

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/graph/scalar"
	"taskql/graph/selection"
	"taskql/internal/keyset"
	"taskql/internal/task"
)

// The batch loaders of the table. Related objects (a task's tags, its parent, its subtasks) are never read row by row: each
// level of a selection is loaded for all objects at once. So the number of statements depends on the shape of a request
// alone, never on the number of rows or on chance.

func loadTags(ctx context.Context, r *rootField, f *selected, tasks []*ent.Task) (func(*ent.Task) []*ent.Tag, error) {
	tags, err := r.resolver.services.Tasks.TagsOf(ctx, r.viewer, idsOf(tasks), f.Set().Columns)
	return func(t *ent.Task) []*ent.Tag { return tags[t.ID] }, err
}

func loadParents(ctx context.Context, r *rootField, f *selected, tasks []*ent.Task) (func(*ent.Task) *ent.Task, error) {
	var ids []uuid.UUID
	for _, t := range tasks {
		if t.ParentID != nil && !slices.Contains(ids, *t.ParentID) {
			ids = append(ids, *t.ParentID)
		}
	}
	parents, err := r.resolver.services.Tasks.ByID(ctx, r.viewer, ids, f.Set().Columns)
	return func(t *ent.Task) *ent.Task {
		if t.ParentID == nil {
			return nil
		}
		return parents[*t.ParentID]
	}, err
}

func loadSubtasks(ctx context.Context, r *rootField, f *selected, tasks []*ent.Task) (func(*ent.Task) *task.Page, error) {
	in, err := subtasksInput(r.operation.Variables, f)
	if err != nil {
		return nil, err
	}
	pages, err := r.resolver.services.Tasks.Subtasks(ctx, r.viewer, idsOf(tasks), in)
	return func(t *ent.Task) *task.Page { return pages[t.ID] }, located(f.Path, err)
}

// subtasksInput returns the arguments of a field subtasks, and what is selected below it. The error is ErrFallback if the
// arguments are invalid: gqlgen says what is wrong with them.
func subtasksInput(variables map[string]any, f *selected) (task.SubtasksInput, error) {
	p := pageSelected(f.Set())
	args, err := pageArguments(variables, f)
	return task.SubtasksInput{Selection: p.Selection, Total: p.total, Previous: p.previous, First: args.First, After: args.After}, err
}

// pageArguments returns the arguments first and after of a field. The error is ErrFallback if they are invalid: gqlgen says what is
// wrong with them.
func pageArguments(variables map[string]any, f *selected) (keyset.Args, error) {
	var in keyset.Args
	args := f.ArgumentMap(variables)
	if v := args["first"]; v != nil {
		first, err := scalar.UnmarshalInt(v)
		if err != nil {
			return in, selection.ErrFallback
		}
		in.First = &first
	}
	if v := args["after"]; v != nil {
		after, err := scalar.UnmarshalString(v)
		if err != nil {
			return in, selection.ErrFallback
		}
		in.After = &after
	}
	return in, nil
}

// located adds the path of the field whose argument is invalid, because the error is reported by its root field.
func located(path string, err error) error {
	var bad *task.InputError
	if !errors.As(err, &bad) {
		return err
	}
	return &task.InputError{Argument: path + "." + bad.Argument, Message: path + "." + bad.Message}
}

func loadProgress(ctx context.Context, r *rootField, _ *selected, tasks []*ent.Task) (func(*ent.Task) *task.Progress, error) {
	progress, err := r.resolver.services.Tasks.ProgressOf(ctx, r.viewer, idsOf(tasks))
	return func(t *ent.Task) *task.Progress {
		p := progress[t.ID]
		return &p
	}, err
}

func loadOpenTaskCounts(ctx context.Context, r *rootField, _ *selected, tags []*ent.Tag) (func(*ent.Tag) int, error) {
	var ids []uuid.UUID
	for _, t := range tags {
		if !slices.Contains(ids, t.ID) {
			ids = append(ids, t.ID)
		}
	}
	counts, err := r.resolver.services.Tasks.OpenTaskCounts(ctx, r.viewer, ids)
	return func(t *ent.Tag) int { return counts[t.ID] }, err
}

func idsOf(tasks []*ent.Task) []uuid.UUID {
	ids := make([]uuid.UUID, len(tasks))
	for i, t := range tasks {
		ids[i] = t.ID
	}
	return ids
}

// loaded returns the loaded value of the field that gqlgen is resolving. If it wasn't loaded with its root field, it is
// loaded now, for this object alone.
func loaded[V, T any](ctx context.Context, object *T) (V, error) {
	var zero V
	r, f, err := loading(ctx)
	if err != nil {
		return zero, err
	}
	if f == nil {
		return zero, errNoEntry
	}
	return selection.Value[V](ctx, r, f, object)
}

// loadBelow loads what is selected below the field that gqlgen is resolving, for all of its values at once.
func loadBelow[V any](ctx context.Context, values []*V) error {
	r, f, err := loading(ctx)
	if err != nil {
		return err
	}
	return selection.LoadBelow(ctx, r, f, values)
}

var (
	errNoRootField = errors.New("the field is resolved outside of a root field's execution")
	errNoEntry     = errors.New("the field has no batch loader in the table of fields")
)

// loading returns the execution of the root field, and the plan of the field that gqlgen is resolving.
func loading(ctx context.Context) (*rootField, *selected, error) {
	r, ok := rootFieldOf(ctx)
	if !ok {
		return nil, nil, errNoRootField
	}
	fc := graphql.GetFieldContext(ctx)
	return r, r.plan.At(fc.Object, pathOf(fc)), r.viewerErr
}

// pathOf returns the field's path in the response, without indices.
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
