package graph

import (
	"context"

	"taskql/ent"
	"taskql/graph/generated"
	"taskql/graph/model"
	"taskql/internal/keyset"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

func (r *mutationResolver) CreateTag(ctx context.Context, input task.CreateTagInput) (*task.TagResult, error) {
	return mutateAt(ctx, inWorkspace(input.WorkspaceID), input, r.services.Tasks.CreateTag)
}

func (r *mutationResolver) UpdateTag(ctx context.Context, input model.UpdateTagInput) (*task.TagResult, error) {
	return mutateAt(ctx, atTag(input.ID), convert[task.UpdateTagInput](input), r.services.Tasks.UpdateTag)
}

func (r *mutationResolver) DeleteTag(ctx context.Context, input workspace.TargetInput) (*task.DeleteTagResult, error) {
	return mutateAt(ctx, atTag(input.ID), input, r.services.Tasks.DeleteTag)
}

func (r *queryResolver) Tag(ctx context.Context, id string) (*ent.Tag, error) {
	root, err := resolving(ctx)
	if err != nil {
		return nil, err
	}
	return get(ctx, root, id, workspace.TableTags, func(v viewer.Viewer) (*ent.Tag, error) {
		return r.services.Tasks.Tag(ctx, v, id, root.selectedOf("Tag").Columns...)
	})
}

func (r *queryResolver) Tags(ctx context.Context, first *int, after *string, last *int, before *string, search *string) (*keyset.Page[*ent.Tag], error) {
	root, err := resolving(ctx)
	if err != nil {
		return nil, err
	}
	return r.services.Tasks.ListTags(ctx, root.viewer, task.TagListInput{
		First: first, After: after, Last: last, Before: before, Search: search, Selection: root.page("TagConnection"),
	})
}

func (r *tagResolver) OpenTaskCount(ctx context.Context, obj *ent.Tag) (int, error) {
	return loaded[int](ctx, obj)
}

func (r *Resolver) Tag() generated.TagResolver { return &tagResolver{r} }

type tagResolver struct{ *Resolver }
