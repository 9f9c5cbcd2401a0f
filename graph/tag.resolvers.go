package graph

import (
	"context"
	"errors"

	"github.com/99designs/gqlgen/graphql"

	"taskql/ent"
	"taskql/graph/generated"
	"taskql/graph/model"
	"taskql/internal/keyset"
	"taskql/internal/task"
)

func (r *mutationResolver) CreateTag(ctx context.Context, input task.CreateTagInput) (*task.TagResult, error) {
	return mutate(ctx, input, r.tasks.CreateTag)
}

func (r *mutationResolver) UpdateTag(ctx context.Context, input model.UpdateTagInput) (*task.TagResult, error) {
	return mutate(ctx, updateTagInput(input), r.tasks.UpdateTag)
}

func (r *mutationResolver) DeleteTag(ctx context.Context, input task.TargetInput) (*task.DeleteTagResult, error) {
	return mutate(ctx, input, r.tasks.DeleteTag)
}

func (r *queryResolver) Tag(ctx context.Context, id string) (*ent.Tag, error) {
	w, path, selected, err := r.walk(ctx)
	if err != nil {
		return nil, err
	}
	t, err := r.tasks.Tag(ctx, w.viewer, id, w.wanted(selected, "Tag").columns...)
	if errors.Is(err, task.ErrNotFound) {
		return nil, nil //nolint:nilnil // The contract's answer for what does not exist is null.
	}
	if err != nil {
		return nil, err
	}
	if w.needsNothing() {
		return t, nil
	}
	return t, w.loadTags(ctx, path, []*ent.Tag{t}, selected)
}

func (r *queryResolver) Tags(ctx context.Context, first *int, after *string, last *int, before *string, search *string) (*keyset.Page[*ent.Tag], error) {
	w, path, selected, err := r.walk(ctx)
	if err != nil {
		return nil, err
	}
	page, err := r.tasks.ListTags(ctx, w.viewer, task.TagListInput{
		First: first, After: after, Last: last, Before: before, Search: search, Selection: w.wanted(selected, "TagConnection").page,
	})
	if err != nil {
		return nil, err
	}
	if w.needsNothing() {
		return page, nil
	}
	return page, w.loadTagPage(ctx, path, page, selected)
}

func (r *tagResolver) OpenTaskCount(ctx context.Context, obj *ent.Tag) (int, error) {
	return loaded[int](ctx, r.Resolver, obj, func(w *walker, path string, _ graphql.CollectedField) error {
		return w.loadOpenTaskCount(ctx, path, []*ent.Tag{obj})
	})
}

func (r *Resolver) Tag() generated.TagResolver { return &tagResolver{r} }

type tagResolver struct{ *Resolver }
