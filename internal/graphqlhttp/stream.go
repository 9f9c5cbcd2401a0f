package graphqlhttp

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Subscribe starts a subscription that has passed the pipeline: its document is valid and within the limits, and the client
// has paid the cost. It returns at once. Results go to the sink, the first of them possibly before Subscribe returns. An error
// means that the subscription was not started; the sink is then not used.
//
// The context has the values of Config.StreamContext. It lives as long as the stream and has no deadline.
type Subscribe func(ctx context.Context, op *graphql.OperationContext, cost int, sink Sink) (Stream, *gqlerror.Error)

// Sink is the client's end of a stream. A transport implements it. Its methods never block, and are safe for concurrent use.
type Sink interface {
	// Next sends a result: a GraphQL response as one line of JSON ({"data":…}). It returns false if the client has not taken yet what
	// was sent before. The result is then dropped, and the transport calls Stream.Ready when the client takes a result
	// again. data may not be kept after Next has returned.
	Next(data []byte) bool
	// End ends the stream. If there are errors, the operation has failed with them; else it is complete. Neither Next nor
	// End is called after it.
	End(errs gqlerror.List)
}

// Stream is a running subscription. Its methods never block, and are safe for concurrent use.
type Stream interface {
	// Ready says that the sink takes a result again, after Next returned false. It may come before the caller of Next has
	// seen that.
	Ready()
	// Stop ends the subscription, because the client has left or wants no more. A call of the sink's methods may be under
	// way; no other follows. Stopping a stream that has ended does nothing.
	Stop()
}

// subscribeTo starts the operation, which is a subscription. It returns nil, or the response that says why it is refused.
func (e *executor) subscribeTo(ctx context.Context, op *operation) *graphql.Response {
	ctx = graphql.WithOperationContext(ctx, op.context)
	respond := e.around(ctx, func(ctx context.Context) graphql.ResponseHandler {
		e.store.register(op)
		streamContext := e.streamContext(ctx)
		stream, err := e.subscribe(streamContext, op.context, op.cost, op.sink)
		if err != nil {
			return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{err}})
		}
		op.stream, op.streamContext = stream, streamContext
		return func(context.Context) *graphql.Response { return nil }
	})
	return respond(ctx)
}

// unsupported returns the error of an operation that its transport can't carry, or nil.
func (e *executor) unsupported(op *operation) *gqlerror.Error {
	switch {
	case op.definition.Operation == ast.Mutation && op.safe:
		return mutationOverGET()
	case op.definition.Operation == ast.Subscription && (op.sink == nil || e.subscribe == nil):
		return subscriptionNotSupported()
	default:
		return nil
	}
}
