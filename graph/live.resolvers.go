package graph

import (
	"context"

	"taskql/ent"
	"taskql/graph/generated"
	"taskql/graph/model"
	"taskql/internal/feed"
	"taskql/internal/keyset"
	"taskql/internal/task"
)

func (r *changePageResolver) Tags(ctx context.Context, obj *feed.Page) ([]*ent.Tag, error) {
	return changedTags(obj), nil
}

func (r *changePageResolver) Tasks(ctx context.Context, obj *feed.Page) ([]*ent.Task, error) {
	return changedTasks(obj), nil
}

func (r *queryResolver) Changes(ctx context.Context, after *string, first *int, workspaceID *string) (*feed.Page, error) {
	return r.changes(ctx, after, first, workspaceID)
}

func (r *subscriptionResolver) Changes(ctx context.Context, after *string, first *int, workspaceID *string) (<-chan *feed.Page, error) {
	return oneResult(ctx, func(_ *rootField, t *turn) (*feed.Page, error) {
		at, begins := t.text()
		page, err := r.changes(ctx, at, first, workspaceID)
		if err != nil {
			return nil, err
		}
		t.result.Position, t.result.Version, t.result.More = page.Token, page.Version, !page.Complete
		t.quiet = !begins && page.Token == *at
		return page, nil
	})
}

func (r *subscriptionResolver) TaskList(ctx context.Context, filter *model.TaskFilter, orderBy []*keyset.OrderBy[task.OrderField], scope task.Scope, first int, have *string, workspaceID *string) (<-chan *model.TaskListPatch, error) {
	return oneResult(ctx, func(root *rootField, t *turn) (*model.TaskListPatch, error) {
		by, err := filterOf(filter)
		if err != nil {
			return nil, err
		}
		in := task.ListInput{First: &first, Scope: scope, Filter: by, OrderBy: orders(orderBy)}
		return root.taskList(ctx, t, in, workspaceID)
	})
}

func (r *Resolver) ChangePage() generated.ChangePageResolver { return &changePageResolver{r} }

func (r *Resolver) Subscription() generated.SubscriptionResolver { return &subscriptionResolver{r} }

type (
	changePageResolver   struct{ *Resolver }
	subscriptionResolver struct{ *Resolver }
)
