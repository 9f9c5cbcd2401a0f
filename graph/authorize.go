package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"taskql/internal/viewer"
)

// public are the root fields that need no session. All others, new ones included, are denied to a request without a
// viewer.
var public = map[string]bool{ //nolint:gochecknoglobals // A constant, if Go had constant maps.
	"__typename": true,
	"__schema":   true,
	"__type":     true,
	"viewer":     true,
}

// Authorize is the first layer of authorization: an operation with a root field that is not public is refused
// as a whole before it runs, if the request has no viewer. (All that a signed-out client could learn from the rest of it
// is that viewer is null.)
//
// An operation that the viewer's API key has no permission for is refused in the same way, the field viewer included.
//
// If the session can't be checked, because the auth server fails, the field viewer is refused as well: null would mean
// "signed out".
func (a *API) Authorize(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	v, err := viewer.FromContext(ctx)
	op := graphql.GetOperationContext(ctx)
	if err == nil {
		err = permitted(v.Access, op.Operation.Operation)
	}
	if err == nil {
		return next(ctx)
	}
	for _, field := range graphql.CollectFields(op, op.Operation.SelectionSet, []string{"Query", "Mutation", "Subscription"}) {
		if public[field.Name] && (field.Name != "viewer" || isSignedOut(err)) {
			continue
		}
		return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{a.PresentError(ctx, err)}})
	}
	return next(ctx)
}

// forbidden is the error of an operation that an API key has no permission for.
type forbidden struct{ message string }

func (e *forbidden) Error() string { return e.message }

// permitted returns an error if an operation may not be executed with that access.
func permitted(access viewer.Access, operation ast.Operation) error {
	switch {
	case operation == ast.Mutation && !access.MayWrite():
		return &forbidden{`This API key may not change anything: it lacks the permission "write" for "tasks".`}
	case !access.MayRead():
		return &forbidden{`This API key may not read anything: it lacks the permission "read" for "tasks".`}
	default:
		return nil
	}
}
