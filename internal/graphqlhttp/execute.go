package graphqlhttp

import (
	"context"
	"errors"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// executor executes operations as gqlgen's executor does, but without its field and response middleware.
type executor struct {
	schema     graphql.ExecutableSchema
	present    graphql.ErrorPresenterFunc
	recover    graphql.RecoverFunc
	introspect bool
	around     graphql.OperationMiddleware
	store      *documentStore

	subscribe     Subscribe // nil: subscriptions are refused
	streamContext func(context.Context) context.Context
}

func newExecutor(cfg Config, store *documentStore) *executor {
	e := &executor{
		schema: cfg.Schema, present: cfg.PresentError, recover: cfg.Recover,
		introspect: cfg.Introspection, around: chain(cfg.AroundOperations), store: store,
		subscribe: cfg.Subscribe, streamContext: cfg.StreamContext,
	}
	if e.streamContext == nil {
		e.streamContext = context.WithoutCancel
	}
	return e
}

// chain returns one middleware for all, the first outermost.
func chain(all []graphql.OperationMiddleware) graphql.OperationMiddleware {
	switch len(all) {
	case 0:
		return func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler { return next(ctx) }
	case 1:
		return all[0]
	}
	outer, inner := all[0], chain(all[1:])
	return func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
		return outer(ctx, func(ctx context.Context) graphql.ResponseHandler { return inner(ctx, next) })
	}
}

// operationContext returns what gqlgen executes.
func (e *executor) operationContext(op *operation, variables map[string]any) *graphql.OperationContext {
	return &graphql.OperationContext{
		RawQuery: op.query, Variables: variables, OperationName: op.name, Extensions: op.extensions,
		Doc: op.document.tree, Operation: op.definition,
		DisableIntrospection: !e.introspect, RecoverFunc: e.recover,
		ResolverMiddleware:     func(ctx context.Context, next graphql.Resolver) (any, error) { return next(ctx) },
		RootResolverMiddleware: func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler { return next(ctx) },
	}
}

// start starts an operation. The function that it returns returns the results one by one, then nil.
func (e *executor) start(ctx context.Context, op *operation) func() *graphql.Response {
	ctx = graphql.WithOperationContext(ctx, op.context)
	respond := e.around(ctx, func(ctx context.Context) graphql.ResponseHandler {
		e.store.register(op) // A document that a middleware refuses is not registered.
		return e.exec(ctx)
	})
	return func() *graphql.Response { return respond(ctx) }
}

// only returns a function that returns the result, then nil.
func only(result *graphql.Response) func() *graphql.Response {
	return func() *graphql.Response {
		first := result
		result = nil
		return first
	}
}

// exec has gqlgen execute the context's operation. All results share one response context, which gathers their errors: that
// is enough for queries and mutations, which have one result.
func (e *executor) exec(ctx context.Context) graphql.ResponseHandler {
	ctx = graphql.WithResponseContext(ctx, e.present, e.recover)
	respond := e.schema.Exec(ctx)
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

// refusal returns the response to an operation that is not executed.
func (e *executor) refusal(ctx context.Context, op *operation, errs gqlerror.List) *graphql.Response {
	ctx = graphql.WithOperationContext(ctx, &graphql.OperationContext{RawQuery: op.query})
	ctx = graphql.WithResponseContext(ctx, e.present, e.recover)
	for _, err := range errs {
		graphql.AddError(ctx, err)
	}
	return &graphql.Response{Errors: graphql.GetErrors(ctx), Extensions: graphql.GetExtensions(ctx)}
}

// recovered returns the response to an operation that panicked.
func (e *executor) recovered(ctx context.Context, value any) *graphql.Response {
	var presented *gqlerror.Error
	if !errors.As(e.present(ctx, e.recover(ctx, value)), &presented) {
		presented = internalError()
	}
	return &graphql.Response{Errors: gqlerror.List{presented}}
}
