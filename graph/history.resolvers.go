package graph

import (
	"context"

	"taskql/ent"
	"taskql/graph/generated"
	"taskql/graph/model"
	"taskql/internal/account"
	"taskql/internal/history"
	"taskql/internal/keyset"
	"taskql/internal/task"
)

func (r *activityResolver) Task(ctx context.Context, obj *history.Activity) (*ent.Task, error) {
	return loaded[*ent.Task](ctx, obj)
}

func (r *activityResolver) Changes(ctx context.Context, obj *history.Activity) ([]model.TaskChange, error) {
	return changesOf(obj), nil
}

func (r *actorResolver) Person(ctx context.Context, obj *history.Actor) (*account.Person, error) {
	return loaded[*account.Person](ctx, obj)
}

func (r *mutationResolver) UndoChange(ctx context.Context, input task.UndoInput) (*task.UndoResult, error) {
	return mutateAt(ctx, inWorkspace(input.WorkspaceID), input, r.services.Tasks.Undo)
}

func (r *queryResolver) Activity(ctx context.Context, first *int, after *string, filter *model.ActivityFilter) (*keyset.Page[*history.Activity], error) {
	root, err := resolving(ctx)
	if err != nil {
		return nil, err
	}
	by, err := activityFilterOf(filter)
	if err != nil {
		return nil, err
	}
	in := activityInput(root.selectedOf("ActivityConnection"))
	in.First, in.After = first, after
	return r.services.History.List(ctx, root.viewer, by, in)
}

func (r *taskResolver) Activity(ctx context.Context, obj *ent.Task, first *int, after *string) (*keyset.Page[*history.Activity], error) {
	return loaded[*history.Page](ctx, obj)
}

func (r *Resolver) Activity() generated.ActivityResolver { return &activityResolver{r} }

func (r *Resolver) Actor() generated.ActorResolver { return &actorResolver{r} }

type (
	activityResolver struct{ *Resolver }
	actorResolver    struct{ *Resolver }
)
