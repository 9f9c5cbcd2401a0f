package telemetry

import (
	"context"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Operations returns a middleware, to be the outermost, that starts a span for each GraphQL operation and counts it. The span
// has the operation's name: only operations for which signedIn returns true can add to the known names. It doesn't have the
// document, because clients write values into documents. Of a subscription it measures the start; SubscriptionRun measures
// the rest.
func (t *Telemetry) Operations(signedIn func(context.Context) bool) graphql.OperationMiddleware {
	return func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
		operation := graphql.GetOperationContext(ctx).Operation
		if t == nil {
			return next(ctx)
		}
		kind, name := string(operation.Operation), t.names.label(operation.Name, signedIn(ctx))
		ctx, span := t.tracer.Start(ctx, kind+" "+name, trace.WithAttributes(
			attribute.String("graphql.operation.type", kind), attribute.String("graphql.operation.name", name)))
		start := time.Now()
		respond := next(ctx)
		return func(inner context.Context) *graphql.Response {
			outcome := outcomeInternal // If the operation panics.
			defer func() {
				t.instruments.recordOperation(ctx, kind, name, outcome, time.Since(start))
				span.SetAttributes(attribute.String("taskql.outcome", outcome))
				if outcome == outcomeInternal || outcome == outcomeUnavailable {
					span.SetStatus(codes.Error, "")
				}
				span.End()
			}()
			resp := respond(inner)
			switch {
			case resp != nil:
				outcome = outcomeOf(codesOf(resp.Errors))
			case operation.Operation == ast.Subscription:
				outcome = outcomeOK // It has started.
			default:
				outcome = outcomeUnavailable // The operation was cancelled.
			}
			return resp
		}
	}
}

// codesOf returns the errors' extensions.code.
func codesOf(errs gqlerror.List) []string {
	if len(errs) == 0 {
		return nil
	}
	all := make([]string, 0, len(errs))
	for _, err := range errs {
		code, _ := err.Extensions["code"].(string)
		all = append(all, code)
	}
	return all
}
