package graph

import (
	"context"

	"taskql/ent"
	"taskql/graph/model"
	"taskql/internal/viewer"
)

func (r *mutationResolver) UpdateViewer(ctx context.Context, input model.UpdateViewerInput) (*model.UpdateViewerPayload, error) {
	v, err := viewer.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	return r.updateViewer(ctx, v, input)
}

func (r *queryResolver) Viewer(ctx context.Context) (*ent.User, error) {
	v, err := viewer.FromContext(ctx)
	if isSignedOut(err) {
		return nil, nil //nolint:nilnil // The contract's answer for nobody is null.
	}
	if err != nil {
		return nil, err
	}
	return r.services.Accounts.User(ctx, v, v.UserID)
}
