package graphqlhttp

import (
	"context"
	"errors"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// executor executes operations as gqlgen's does, but supports neither middlewares of fields nor answers of several parts.
type executor struct {
	executable graphql.ExecutableSchema
	present    graphql.ErrorPresenterFunc
	recover    graphql.RecoverFunc
	introspect bool
	around     []graphql.OperationMiddleware
	documents  *documents
}

func newExecutor(cfg Config, documents *documents) executor {
	return executor{
		executable: cfg.Schema, present: cfg.PresentError, recover: cfg.Recover,
		introspect: cfg.Introspection, around: cfg.AroundOperations, documents: documents,
	}
}

// operation returns what executes an operation of a valid document with the values of its variables.
func (e *executor) operation(params *graphql.RawParams, document *ast.QueryDocument, operation *ast.OperationDefinition, variables map[string]any) *graphql.OperationContext {
	return &graphql.OperationContext{
		RawQuery: params.Query, Variables: variables, OperationName: params.OperationName, Extensions: params.Extensions,
		Doc: document, Operation: operation,
		DisableIntrospection: !e.introspect, RecoverFunc: e.recover,
		ResolverMiddleware:     func(ctx context.Context, next graphql.Resolver) (any, error) { return next(ctx) },
		RootResolverMiddleware: func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler { return next(ctx) },
	}
}

// execute runs the context's operation to its only response, nil if its context ended.
func (e *executor) execute(ctx context.Context) *graphql.Response {
	run := e.run
	for i := len(e.around) - 1; i >= 0; i-- {
		around, next := e.around[i], run
		run = func(ctx context.Context) graphql.ResponseHandler { return around(ctx, next) }
	}
	return run(ctx)(ctx)
}

// run is what the middlewares stand around: what one of them refuses is not kept.
func (e *executor) run(ctx context.Context) graphql.ResponseHandler {
	e.documents.keep(requestOf(ctx))
	ctx = graphql.WithResponseContext(ctx, e.present, e.recover)
	respond := e.executable.Exec(ctx)
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

// refusal is the response of an operation that doesn't run.
func (e *executor) refusal(ctx context.Context, errs gqlerror.List) *graphql.Response {
	ctx = graphql.WithResponseContext(ctx, e.present, e.recover)
	for _, err := range errs {
		graphql.AddError(ctx, err)
	}
	return &graphql.Response{Errors: graphql.GetErrors(ctx), Extensions: graphql.GetExtensions(ctx)}
}

// recovered is the response of an operation that panicked.
func (e *executor) recovered(ctx context.Context, p any) *graphql.Response {
	var presented *gqlerror.Error
	if !errors.As(e.present(ctx, e.recover(ctx, p)), &presented) {
		presented = internalError()
	}
	return &graphql.Response{Errors: gqlerror.List{presented}}
}
