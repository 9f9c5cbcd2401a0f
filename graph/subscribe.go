package graph

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"taskql/graph/selection"
	"taskql/internal/live"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// A subscription is executed once for each result, like a query: its root field is resolved from the position up to which
// the client has the results. The hub of internal/live decides when.

// Sink is the client's end of a subscription.
type Sink interface {
	// Next sends a response as JSON. It returns false if the client can't take it now. It may not keep data.
	Next(data []byte) bool
	// End ends the subscription, with errors if it has failed.
	End(errs gqlerror.List)
}

// start is the position of a subscription that has sent nothing: what the client gave as its position, if anything.
type start struct {
	text  string
	given bool
}

// positionArguments name the argument of each subscription's root field that says from where on it sends.
var positionArguments = map[string]string{"changes": "after", "taskList": "have"} //nolint:gochecknoglobals // A constant, if Go had constant maps.

// bytesPerCost is how many bytes of a subscription's results cost 1. A task with the usual fields costs about 5, as in a query.
const bytesPerCost = 64

// readsPerCost is how often a live list is read again for the cost of its operation. What is sent costs by its length, but
// nothing may be sent, and reading a list takes nearly as much as a query.
const readsPerCost = 20

// Subscribe starts a subscription that was validated, and authorized by Authorize. cost is what the client has paid for it. Its
// results go to the sink, the first of them perhaps before Subscribe returns. ctx has the viewer and the live.Session; it must not
// end before the subscription does.
func (a *API) Subscribe(ctx context.Context, operation *graphql.OperationContext, cost int, sink Sink) (*live.Subscription, *gqlerror.Error) {
	v, err := viewer.FromContext(ctx)
	if err != nil {
		return nil, a.PresentError(ctx, err)
	}
	session := live.SessionOf(ctx)
	if session == nil || a.config.Hub == nil {
		return nil, coded(CodeServiceUnavailable, "This server has no subscriptions.")
	}
	fields := graphql.CollectFields(operation, operation.Operation.SelectionSet, []string{"Subscription"})
	if len(fields) != 1 || fields[0].Definition == nil || fields[0].Name == "__typename" {
		return nil, coded(CodeBadUserInput, "A subscription selects exactly one field, and not __typename.")
	}
	depends := a.Validator(operation)
	s := &subscription{
		api: a, ctx: ctx, doc: operation.Doc, operation: operation.Operation, sink: sink, field: fields[0].Name, clock: depends.clock, next: depends.next,
		readCost: int32(min(cost/readsPerCost, math.MaxInt32)), //nolint:gosec // It fits.
	}
	argument := positionArguments[fields[0].Name]
	var at start
	at.text, at.given = fields[0].ArgumentMap(operation.Variables)[argument].(string)
	s.variables = withoutPosition(operation.Variables, fields[0].Arguments.ForName(argument))
	workspaceID := v.WorkspaceID
	if named, ok := fields[0].ArgumentMap(operation.Variables)["workspaceId"].(string); ok { // Each result is about it, if the viewer is a member then.
		workspaceID, _ = workspace.ParseNodeID(named)
	}
	s.key, err = keyOf(v, session, workspaceID, operation, s.variables)
	if err != nil {
		return nil, a.PresentError(ctx, err)
	}
	subscribed, err := a.config.Hub.Subscribe(workspaceID, s, at, session, s)
	switch {
	case errors.Is(err, live.ErrSessionEnded):
		return nil, sessionEnded()
	case errors.Is(err, live.ErrTooMany):
		return nil, coded(CodeServiceUnavailable, "The server has as many subscriptions as it can: try again later.")
	case err != nil:
		return nil, coded(CodeServiceUnavailable, "The server is shutting down: subscribe again, which leads to another one.")
	}
	return subscribed, nil
}

// coded returns an error with a code.
func coded(code, message string) *gqlerror.Error {
	err := gqlerror.Errorf("%s", message)
	err.Extensions = map[string]any{"code": code}
	if code == CodeServiceUnavailable {
		err.Extensions["retryAfter"] = int(retryAfter.Seconds())
	}
	return err
}

// sessionEnded is the error by which transports know that the connection's session has ended.
func sessionEnded() *gqlerror.Error {
	return coded(CodeUnauthenticated, "The session has ended: sign in again.")
}

// withoutPosition returns an operation's variables except the one of the position; nil if there are no others.
func withoutPosition(all map[string]any, position *ast.Argument) map[string]any {
	var variables map[string]any
	for name, value := range all {
		if position == nil || position.Value.Kind != ast.Variable || name != position.Value.Raw {
			if variables == nil {
				variables = make(map[string]any, len(all))
			}
			variables[name] = value
		}
	}
	return variables
}

// keyOf returns what the results of a subscription depend on, beside its position and the viewer's time zone, as a hash. Users share no
// results: members of an organization each have a role and reminders of their own, and may cease to be members. Nor do sessions of a user
// in an organization's workspace, because an API key or a JWT may not be allowed to act there.
func keyOf(v viewer.Viewer, session *live.Session, workspaceID string, operation *graphql.OperationContext, variables map[string]any) (live.Key, error) {
	encoded, err := json.Marshal(variables)
	if err != nil {
		return live.Key{}, err
	}
	b := make([]byte, 0, 1<<10)
	for _, part := range []string{operation.RawQuery, operation.OperationName, string(encoded), workspaceID, v.UserID} {
		b = appendPart(b, part)
	}
	if workspaceID != v.WorkspaceID {
		b = fmt.Appendf(b, "%p", session) // The address identifies it as long as it has subscriptions.
	}
	sum := sha256.Sum256(b)
	return live.Key(sum[:16]), nil
}

// subscription is a running subscription: the hub's query, and its end of the client's sink. Its memory counts: there may be
// many thousands. Of the operation it has only what is executed; all clients that have sent the same document share that.
type subscription struct {
	api       *API
	ctx       context.Context //nolint:containedctx // It has the viewer, for all results.
	doc       *ast.QueryDocument
	operation *ast.OperationDefinition
	variables map[string]any
	sink      Sink
	// key is a hash of what the results depend on, but the time zone.
	key   live.Key
	field string
	// clock reports that the results depend on the clock, and next that they do on what follows occurrences.
	clock, next bool
	// readCost is what it costs to read a live list again.
	readCost int32
}

// Key implements live.Query. If the results depend on the clock, they do on the viewer's time zone, which the viewer can change.
func (s *subscription) Key() live.Key {
	if !s.clock {
		return s.key
	}
	v, _ := viewer.FromContext(s.ctx) // It has one.
	sum := sha256.Sum256(append(s.key[:], v.Location.String()...))
	return live.Key(sum[:16])
}

// Name implements live.Query: it returns the name of the root field.
func (s *subscription) Name() string { return s.field }

// Next implements live.Sink.
func (s *subscription) Next(data []byte) bool { return s.sink.Next(data) }

// End implements live.Sink. When the server shuts down, its transports close their connections in a way that makes clients
// come back, and so say nothing about the subscription.
func (s *subscription) End(err error) {
	var failed gqlerror.List
	switch {
	case errors.Is(err, live.ErrClosing):
	case errors.Is(err, live.ErrSessionEnded):
		s.sink.End(gqlerror.List{sessionEnded()})
	case errors.As(err, &failed):
		s.sink.End(failed)
	default:
		s.sink.End(nil)
	}
}

// turn is the execution of a subscription for one result. Its resolver fills it.
type turn struct {
	// at is the position: a start, or what the resolver of the result before has put into result.
	at live.Position
	// value is the value of the root field.
	value any
	// field is a context with the root field's context, once it is resolved: gqlgen completes streams without it, so that errors
	// would lack its name in their paths.
	field context.Context //nolint:containedctx // As above.
	// clock and next are as in the subscription.
	clock, next bool
	// readCost is what it costs to read a live list again.
	readCost int
	// quiet says that there is nothing to send.
	quiet bool
	// result has what the hub needs to know, but the data.
	result live.Result
}

// text returns the position of a subscription whose positions are texts, or nil at the start. It reports whether nothing was sent yet.
func (t *turn) text() (*string, bool) {
	if at, ok := t.at.(string); ok {
		return &at, false
	}
	if at, ok := t.at.(start); ok && at.given {
		return &at.text, true
	}
	return nil, true
}

type turnKey struct{}

// runContext has the deadline of a run and the values of the subscription's context.
type runContext struct {
	context.Context //nolint:containedctx // It is a context.

	values context.Context //nolint:containedctx // As above.
	turn   *turn
}

// Value implements context.Context.
func (c *runContext) Value(key any) any {
	if key == (turnKey{}) {
		return c.turn
	}
	if c.turn.field != nil {
		if value := c.turn.field.Value(key); value != nil {
			return value
		}
	}
	if value := c.values.Value(key); value != nil {
		return value
	}
	return c.Context.Value(key)
}

// Run implements live.Query.
func (s *subscription) Run(ctx context.Context, at live.Position) live.Result {
	ctx, cancel := context.WithTimeout(ctx, s.api.config.ResultTimeout)
	defer cancel()
	t := &turn{at: at, clock: s.clock, next: s.next, readCost: int(s.readCost)}
	response, errs := s.execute(&runContext{ctx, s.ctx, t})
	if response == nil && len(errs) == 0 {
		return live.Result{Fault: context.Cause(ctx)}
	}
	if result, failed := failure(at, response, errs, s.api.config.MaxErrors); failed {
		return result
	}
	result := t.result
	if !t.quiet {
		result.Data = appendResponse(response.Data, errs, s.api.config.MaxErrors)
		result.Cost = 1 + len(result.Data)/bytesPerCost
	}
	s.api.Release(response.Data)
	return result
}

// execute executes the operation once. The response is nil if the context has ended, or after a panic.
func (s *subscription) execute(ctx context.Context) (response *graphql.Response, errs gqlerror.List) { //nolint:nonamedreturns // The deferred function sets them.
	operation := &graphql.OperationContext{
		Variables: s.variables, OperationName: s.operation.Name, Doc: s.doc, Operation: s.operation,
		DisableIntrospection: true, RecoverFunc: s.api.Recover, // A subscription can't select the schema.
		ResolverMiddleware:     func(ctx context.Context, resolve graphql.Resolver) (any, error) { return resolve(ctx) },
		RootResolverMiddleware: func(ctx context.Context, resolve graphql.RootResolver) graphql.Marshaler { return resolve(ctx) },
	}
	ctx = graphql.WithResponseContext(graphql.WithOperationContext(ctx, operation), s.api.PresentError, s.api.Recover)
	defer func() {
		if value := recover(); value != nil {
			response, errs = nil, gqlerror.List{s.api.PresentError(ctx, s.api.Recover(ctx, value))}
		}
	}()
	response = s.api.schema.Exec(ctx)(ctx)
	if response != nil {
		errs = response.Errors
	}
	return response, append(errs, graphql.GetErrors(ctx)...)
}

// failure returns the outcome of a run without a result. An outage and a bug may pass: the subscription goes on then, unless a
// bug is all that its client has seen of it. The client sees at most so many errors.
func failure(at live.Position, response *graphql.Response, errs gqlerror.List, most int) (live.Result, bool) {
	if len(errs) == 0 {
		return live.Result{}, false
	}
	code := func(err *gqlerror.Error) any { return err.Extensions["code"] }
	unavailable := func(err *gqlerror.Error) bool { return code(err) == CodeServiceUnavailable }
	_, first := at.(start)
	atRoot := func(err *gqlerror.Error) bool { return len(err.Path) <= 1 }
	switch without := response == nil || string(response.Data) == "null" || slices.ContainsFunc(errs, atRoot); {
	case slices.ContainsFunc(errs, unavailable), without && code(errs[0]) == CodeInternal && !first:
		return live.Result{Fault: errs[0]}, true
	case without:
		return live.Result{End: errs[:min(len(errs), most)]}, true
	default:
		return live.Result{}, false
	}
}

// appendResponse returns a response as JSON, with at most so many errors.
func appendResponse(data []byte, errs gqlerror.List, most int) []byte {
	b := make([]byte, 0, len(data)+16)
	b = append(b, '{')
	if len(errs) > 0 {
		b = append(b, `"errors":[`...)
		for i, err := range errs[:min(len(errs), most)] {
			if i > 0 {
				b = append(b, ',')
			}
			text, encodeErr := json.Marshal(err)
			if encodeErr != nil {
				text = selection.AppendString([]byte(`{"message":`), err.Message)
				text = append(text, '}')
			}
			b = append(b, text...)
		}
		b = append(b, `],`...)
	}
	b = append(b, `"data":`...)
	b = append(b, data...)
	return append(b, '}')
}

// streamed completes the value of a subscription's root field, whose resolver has returned a channel with that value alone. What
// it returns is what gqlgen's streams are made of: a function that returns the encoded value, or the channel, whose value
// gqlgen has to complete.
func (x *execution) streamed(ctx context.Context, channel any, err error) (any, error) {
	x.turn.field = graphql.WithFieldContext(context.Background(), graphql.GetFieldContext(ctx))
	var value any
	if err == nil {
		value, err = x.complete(ctx, x.turn.value)
	}
	out, encodedAlready := value.(*encoded)
	switch {
	case x.size.stopped():
		return func(context.Context) graphql.Marshaler { return graphql.Null }, nil
	case err != nil:
		return nil, err
	case encodedAlready:
		return func(context.Context) graphql.Marshaler { return out }, nil
	default:
		return channel, nil
	}
}

// executeStreamed has gqlgen execute the subscription. It resolves the field at once, without a root field's context.
func (x *execution) executeStreamed(ctx context.Context) graphql.ResponseHandler {
	if len(x.roots) == 1 { // Subscribe refuses any other number.
		ctx = x.roots[0].begin(ctx)
	}
	next := x.schema.ExecutableSchema.Exec(ctx)
	return func(context.Context) *graphql.Response {
		if len(graphql.GetErrors(ctx)) > 0 { // There is no stream then.
			return nil
		}
		return x.size.check(x.operation, next(ctx))
	}
}

// encodeStreamed encodes what a subscription's root field has come to. What gqlgen has completed is an object with the field
// alone, and loses its last brace, which data appends.
func (x *execution) encodeStreamed(ctx context.Context, value graphql.Marshaler) graphql.Marshaler {
	_, complete := value.(*encoded)
	value = x.size.encode(ctx, value, "")
	if out, ok := value.(*encoded); ok && !complete {
		out.json = out.json[:len(out.json)-1]
	}
	return value
}

// oneResult makes the stream that gqlgen expects of a subscription's resolver from one result.
func oneResult[T any](ctx context.Context, resolve func(root *rootField, t *turn) (T, error)) (<-chan T, error) {
	root, err := resolving(ctx)
	if err != nil {
		return nil, err
	}
	t, ok := ctx.Value(turnKey{}).(*turn)
	if !ok {
		return nil, errNoRootField
	}
	value, err := resolve(root, t)
	if err != nil {
		return nil, err
	}
	t.value = value
	stream := make(chan T, 1)
	stream <- value
	close(stream)
	return stream, nil
}

const (
	// defaultResultTimeout is how long one result of a subscription may take.
	defaultResultTimeout = 10 * time.Second
	// defaultMaxErrors is how many errors of one result a client sees.
	defaultMaxErrors = 20
)
