package graph

import (
	"context"

	"taskql/ent"
	"taskql/graph/generated"
	"taskql/internal/feed"
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

func (r *Resolver) ChangePage() generated.ChangePageResolver { return &changePageResolver{r} }

type changePageResolver struct{ *Resolver }
