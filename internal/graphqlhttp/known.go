package graphqlhttp

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
)

// known executes operations as gqlgen's executor does. The executor itself would look their documents up anew, and make for
// each operation what only fields' middlewares and answers of several parts need, of which there are none here.
type known struct {
	executable graphql.ExecutableSchema
	schema     *ast.Schema
	present    graphql.ErrorPresenterFunc
	recover    graphql.RecoverFunc
	introspect bool
	around     []graphql.OperationMiddleware
	documents  *documents
}

func newKnown(cfg Config, documents *documents) known {
	return known{
		executable: cfg.Schema, schema: cfg.Schema.Schema(), present: cfg.PresentError, recover: cfg.Recover,
		introspect: cfg.Introspection, around: cfg.AroundOperations, documents: documents,
	}
}

// operation returns the operation of a document that was valid before. It returns false where it is the executor's to say
// what is wrong, or to find out whether anything is.
func (k *known) operation(req *incoming) (*graphql.OperationContext, bool) {
	if req.known == nil {
		return nil, false
	}
	operation := operationOf(req.known.document, req.params.OperationName)
	if operation == nil {
		return nil, false
	}
	variables, err := validator.VariableValues(k.schema, operation, req.params.Variables)
	if err != nil {
		return nil, false
	}
	return &graphql.OperationContext{
		RawQuery: req.params.Query, Variables: variables, OperationName: req.params.OperationName, Extensions: req.params.Extensions,
		Doc: req.known.document, Operation: operation,
		DisableIntrospection: !k.introspect, RecoverFunc: k.recover,
		ResolverMiddleware:     func(ctx context.Context, next graphql.Resolver) (any, error) { return next(ctx) },
		RootResolverMiddleware: func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler { return next(ctx) },
	}, true
}

// execute runs the context's operation to its only response; nil where its context ended.
func (k *known) execute(ctx context.Context) *graphql.Response {
	run := k.run
	for i := len(k.around) - 1; i >= 0; i-- {
		around, next := k.around[i], run
		run = func(ctx context.Context) graphql.ResponseHandler { return around(ctx, next) }
	}
	return run(ctx)(ctx)
}

// run is what the middlewares stand around: what one of them refuses is not kept.
func (k *known) run(ctx context.Context) graphql.ResponseHandler {
	k.documents.keep(requestOf(ctx))
	ctx = graphql.WithResponseContext(ctx, k.present, k.recover)
	respond := k.executable.Exec(ctx)
	if errs := graphql.GetErrors(ctx); errs != nil {
		return graphql.OneShot(&graphql.Response{Errors: errs})
	}
	return func(context.Context) *graphql.Response {
		if ctx.Err() != nil {
			return nil
		}
		resp := respond(ctx)
		if resp == nil {
			return nil
		}
		resp.Errors = append(resp.Errors, graphql.GetErrors(ctx)...)
		resp.Extensions = graphql.GetExtensions(ctx)
		return resp
	}
}
