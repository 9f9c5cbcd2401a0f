package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"taskql/internal/viewer"
)

// public are the root fields that need no session. Every other one, and each that is added some day, is denied to
// a request without a viewer.
var public = map[string]bool{ //nolint:gochecknoglobals // A constant, if Go had constant maps.
	"__typename": true,
	"__schema":   true,
	"__type":     true,
	"viewer":     true,
}

// Gate is the first layer of authorization: an operation that asks for any root field off the public list is
// refused whole, before anything of it runs, where the request has no viewer. (All that a signed-out client could
// learn from the rest of it is that viewer is null.)
//
// Where nobody could tell who is asking, because the auth server is in trouble, viewer is refused as well: null
// would mean "signed out".
func (a *API) Gate(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	_, err := viewer.FromContext(ctx)
	if err == nil {
		return next(ctx)
	}
	op := graphql.GetOperationContext(ctx)
	for _, field := range graphql.CollectFields(op, op.Operation.SelectionSet, []string{"Query", "Mutation", "Subscription"}) {
		if public[field.Name] && (field.Name != "viewer" || isSignedOut(err)) {
			continue
		}
		return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{a.PresentError(ctx, err)}})
	}
	return next(ctx)
}
