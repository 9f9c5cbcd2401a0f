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

// Operations returns what runs around GraphQL operations, to stand outermost: it opens a span for each, and counts it.
// Its document is not in the span, since clients write values into documents. The name is, where the client is one of
// those that signedIn says may add to the names that are told apart. A subscription has no end to measure.
func (t *Telemetry) Operations(signedIn func(context.Context) bool) graphql.OperationMiddleware {
	return func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
		operation := graphql.GetOperationContext(ctx).Operation
		if t == nil || operation.Operation == ast.Subscription {
			return next(ctx)
		}
		kind, name := string(operation.Operation), t.names.of(operation.Name, signedIn(ctx))
		ctx, span := t.tracer.Start(ctx, kind+" "+name, trace.WithAttributes(
			attribute.String("graphql.operation.type", kind), attribute.String("graphql.operation.name", name)))
		start := time.Now()
		respond := next(ctx)
		return func(inner context.Context) *graphql.Response {
			outcome := outcomeInternal // A panic on its way to the handler.
			defer func() {
				t.measures.executed(ctx, kind, name, outcome, time.Since(start))
				span.SetAttributes(attribute.String("taskql.outcome", outcome))
				if outcome == outcomeInternal || outcome == outcomeUnavailable {
					span.SetStatus(codes.Error, "")
				}
				span.End()
			}()
			resp := respond(inner)
			if resp == nil {
				outcome = outcomeUnavailable // It was given up.
				return nil
			}
			outcome = outcomeOf(codesOf(resp.Errors))
			return resp
		}
	}
}

func codesOf(errs gqlerror.List) []string {
	if len(errs) == 0 {
		return nil
	}
	found := make([]string, 0, len(errs))
	for _, err := range errs {
		code, _ := err.Extensions["code"].(string)
		found = append(found, code)
	}
	return found
}
