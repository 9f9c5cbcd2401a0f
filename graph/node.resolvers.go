package graph

import (
	"context"

	"taskql/graph/generated"
	"taskql/graph/model"
)

func (r *queryResolver) Node(ctx context.Context, id string) (model.Node, error) {
	found, err := nodes(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

func (r *queryResolver) Nodes(ctx context.Context, ids []string) ([]model.Node, error) {
	if len(ids) > maxNodes {
		return nil, badInput("ids takes at most %d ids, not %d: ask again for the rest", maxNodes, len(ids))
	}
	return nodes(ctx, ids)
}

func (r *Resolver) Mutation() generated.MutationResolver { return &mutationResolver{r} }

func (r *Resolver) Query() generated.QueryResolver { return &queryResolver{r} }

type (
	mutationResolver struct{ *Resolver }
	queryResolver    struct{ *Resolver }
)
