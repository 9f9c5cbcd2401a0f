package graphqlhttp

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// operation is one operation on its way through the pipeline: what the client sent, and what each step has found out about
// it. It knows nothing about the transport that brought it, except which types of operations that can carry.
type operation struct {
	// Decoding: what the client sent (GraphQL over HTTP, section "Request Parameters", and appendix A).

	query, name           string
	variables, extensions map[string]any
	// documentID and persistedHash name a document instead of sending it, as in appendix A and as Apollo's clients do.
	documentID, persistedHash string
	// values is the number of values in the variables. If it is over the limit, variables holds fewer.
	values int
	// bytesRead is the length of the request, and bytesCost what the client paid for it while it arrived.
	bytesRead, bytesCost int
	// safe is whether the operation came by a GET, and so may not change anything: other sites' pages and prefetching browsers
	// can send one (GraphQL over HTTP, section "GET").
	safe bool
	// sink is where a subscription's results go, or nil if the transport can't carry a stream.
	sink Sink
	// events is the response as a stream of events, or nil if the client doesn't accept one.
	events *eventStream
	// conditional is the conditional request that brought the operation, or nil.
	conditional *conditionalRequest
	// reportCost is whether the response says what the operation cost.
	reportCost bool

	// Finding the document.

	// trusted is the trusted document that the client named, or nil.
	trusted *trustedDocument
	// register is whether the document is to be registered by its hash, once it is known to be valid and allowed.
	register bool

	// Checking the limits.

	document *document
	// definition is the operation in the document, or nil if that has none of the name.
	definition *ast.OperationDefinition
	// cost is the operation's cost. Comparing lowers it if the client has the response, charging raises it if the request is
	// long.
	cost int

	// Validating.

	// context is what gqlgen executes.
	context *graphql.OperationContext

	// Charging.

	// charged is whether the operation came to this step.
	charged bool
	// remaining is what is left of the client's budget, if hasBudget is set.
	remaining int
	hasBudget bool

	// Executing.

	// results returns the results one by one, then nil. It is nil if the client has the response already, and if the operation
	// is a subscription that was started.
	results func() *graphql.Response
	// stream is the subscription that was started, or nil, and streamContext its context.
	stream        Stream
	streamContext context.Context //nolint:containedctx // The transport needs it too.
}

// OperationInfo is what a log may know about an operation.
type OperationInfo struct {
	// Name is the operation's name, or empty. It has only letters, digits and underscores, but the client chooses its
	// length.
	Name string
	// Type is query, mutation or subscription; empty if the document could not be read.
	Type string
}

// info returns what a log may know about the operation: from the document if that was parsed, else the name that the
// client sent beside it. Text that is not a name is left out, since clients could write anything into the log with it.
func (op *operation) info() OperationInfo {
	switch {
	case op.definition != nil:
		return OperationInfo{Name: op.definition.Name, Type: string(op.definition.Operation)}
	case isName(op.name):
		return OperationInfo{Name: op.name}
	default:
		return OperationInfo{}
	}
}

// summary sums up the operation and its response.
func (op *operation) summary(errs gqlerror.List) Summary {
	s := Summary{Operation: op.info()}
	if op.charged {
		s.Cost = op.cost
	}
	s.Codes = codesOf(errs)
	return s
}

// codesOf returns the errors' codes, empty for an error without one.
func codesOf(errs gqlerror.List) []string {
	var codes []string
	for _, err := range errs {
		code, _ := err.Extensions["code"].(string)
		codes = append(codes, code)
	}
	return codes
}

// isName reports whether s is a name in GraphQL's grammar.
func isName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '_', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case i > 0 && '0' <= c && c <= '9':
		default:
			return false
		}
	}
	return s != ""
}
