// Package graphqlhttp serves a gqlgen schema over HTTP as the GraphQL-over-HTTP specification says
// (https://graphql.github.io/graphql-over-http/draft/). It replaces gqlgen's own transports, which ignore q-values, echo
// bad bodies, accept trailing JSON, and always respond with a data key. It knows nothing about the schema that it serves.
//
// A request passes through a pipeline of steps, which pipeline.go lists.
package graphqlhttp

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/core"

	"taskql/internal/streamconn"
	"taskql/internal/websocket"
)

// Config configures a Handler. Schema, PresentError, Recover and MaxBodyBytes are required.
type Config struct {
	// Schema is the gqlgen schema to serve.
	Schema graphql.ExecutableSchema
	// PresentError turns any error of an operation into what the client sees.
	PresentError graphql.ErrorPresenterFunc
	// Recover turns a panic's value into an error, which then goes to PresentError.
	Recover graphql.RecoverFunc
	// AroundOperations run around each operation, the first outermost. They may refuse it. They don't run if the client
	// already has the response, which was not refused then: see ConditionalRequests.
	AroundOperations []graphql.OperationMiddleware
	// Introspection lets clients read the schema. If it is off, validation errors suggest no names.
	Introspection bool
	// MaxBodyBytes is the longest request body.
	MaxBodyBytes int64
	// Timeout is how long an operation may take from when its request has been read. 0: no limit.
	Timeout time.Duration
	// WriteTimeout is when the response must have been sent, counted from when the request's body has been read. It replaces
	// the HTTP server's, which counts from when the headers have been read, unless the body took less than a second. 0: the
	// HTTP server's.
	WriteTimeout time.Duration
	// Limits bound documents and responses. Zero fields take their defaults.
	Limits Limits
	// Rules are rules of validation beside GraphQL's own.
	Rules []core.Rule
	// Price returns what the schema's fields cost. Nil: 1 each.
	Price Price
	// SignedIn reports whether the client is signed in and may send longer documents. Nil: everybody is.
	SignedIn func(context.Context) bool
	// Spend keeps the clients' budgets. Nil: there are none.
	Spend Spend
	// ReportCost puts extensions.cost into every response. Otherwise clients ask for it with the header GraphQL-Cost.
	ReportCost bool
	// Scalars check the values of the schema's scalars, built-in ones included, by name before an operation is executed.
	// The values of other scalars are checked when their field is resolved.
	Scalars map[string]CheckScalar
	// TrustedDocuments are those that clients may name by id, see ParseManifest.
	TrustedDocuments []TrustedDocument
	// TrustedOnly refuses every other document.
	TrustedOnly bool
	// AutomaticPersistedQueries lets clients register documents by their SHA-256, as Apollo's clients do.
	AutomaticPersistedQueries bool
	// ConditionalRequests lets clients ask whether a response that they have is still the current one.
	ConditionalRequests ConditionalRequests
	// Page is the path that a browser that opens the endpoint is redirected to. Empty: none.
	Page string
	// Observe, if set, is called when an operation has been parsed and validated, before it is executed.
	Observe func(ctx context.Context, op OperationInfo)
	// Subscribe starts subscriptions. Nil: they are refused.
	Subscribe Subscribe
	// StreamContext returns the context of a stream from that of the request that opens it. It must not end with the request,
	// and should keep no more of it than a stream needs. Nil: context.WithoutCancel.
	StreamContext func(context.Context) context.Context
	// Streams has the connections of streams that outlive the handler of their request. Nil: one of the handler's own.
	Streams *streamconn.Registry
	// AdmitStream, if set, is called before a connection becomes a stream. It returns why that is refused, or nil. former is nil,
	// unless the connection is a stream already and its client has signed in now: then it is the context of that stream, and
	// StreamEnded is called with it next if the new one is admitted.
	AdmitStream func(ctx, former context.Context, transport Transport) *gqlerror.Error
	// StreamEnded, if set, is called when an admitted stream has ended, with the context that StreamContext returned.
	StreamEnded func(ctx context.Context, sum StreamSummary)
	// Sockets configures WebSockets.
	Sockets SocketConfig
	// Release, if set, is called with an executed operation's data when it has been sent and is no longer used.
	Release func(data []byte)
	// Answered, if set, is called with a summary of each response before it is sent.
	Answered func(ctx context.Context, sum Summary)
}

// Summary is a response, as far as logs and metrics may know it.
type Summary struct {
	// Codes are the errors' codes, empty for an error without one.
	Codes []string
	// Operation is the operation, as far as it is known if the request was refused.
	Operation OperationInfo
	// Cost is what the operation cost, or 0 if it was refused before it was charged.
	Cost int
}

// Handler is an http.Handler that answers GraphQL requests sent by POST, and queries and subscriptions also by GET.
type Handler struct {
	pipeline     *pipeline
	maxBodyBytes int64
	writeTimeout time.Duration
	reportCost   bool
	page         string
	release      func([]byte)
	streams      *streamconn.Registry
	admitStream  func(ctx, former context.Context, transport Transport) *gqlerror.Error
	streamEnded  func(context.Context, StreamSummary)
	sockets      SocketConfig
	socketConfig *websocket.Config
}

// New returns a handler. It fails if a required field is missing, or if trusted documents are invalid: the error then lists
// all problems.
func New(cfg Config) (*Handler, error) {
	switch {
	case cfg.Schema == nil:
		return nil, errors.New("graphqlhttp: Schema is required")
	case cfg.PresentError == nil || cfg.Recover == nil:
		return nil, errors.New("graphqlhttp: PresentError and Recover are required")
	case cfg.MaxBodyBytes <= 0:
		return nil, errors.New("graphqlhttp: MaxBodyBytes must be positive")
	}
	p, err := newPipeline(cfg)
	if err != nil {
		return nil, err
	}
	h := &Handler{
		pipeline: p, maxBodyBytes: cfg.MaxBodyBytes, writeTimeout: cfg.WriteTimeout, reportCost: cfg.ReportCost,
		page: cfg.Page, release: cfg.Release, streams: cfg.Streams, admitStream: cfg.AdmitStream, streamEnded: cfg.StreamEnded,
		sockets: cfg.Sockets, socketConfig: newSocketConfig(cfg),
	}
	if h.release == nil {
		h.release = func([]byte) {}
	}
	if h.streams == nil {
		h.streams = &streamconn.Registry{}
	}
	if h.admitStream == nil {
		h.admitStream = func(context.Context, context.Context, Transport) *gqlerror.Error { return nil }
	}
	if h.streamEnded == nil {
		h.streamEnded = func(context.Context, StreamSummary) {}
	}
	if h.sockets.Subscriptions == 0 {
		h.sockets.Subscriptions = defaultSubscriptions
	}
	if h.sockets.Around == nil {
		h.sockets.Around = func(ctx context.Context, run func(context.Context)) { run(ctx) }
	}
	if h.sockets.Panicked == nil {
		h.sockets.Panicked = func(context.Context, any) {}
	}
	return h, nil
}

// allowedMethods are the methods that can carry a request. HEAD is not one of them: the operation would be executed for a
// response that nobody reads.
const allowedMethods = http.MethodGet + ", " + http.MethodPost

// ServeHTTP answers one request. Each method has its own transport.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header[headerStreamToken] != nil {
		h.refuse(r.Context(), w, mediaJSON, &operation{}, singleConnection())
		return
	}
	switch r.Method {
	case http.MethodPost:
		h.servePOST(w, r)
	case http.MethodGet:
		if websocket.IsHandshake(r) {
			h.serveWebSocket(w, r)
			return
		}
		h.serveGET(w, r)
	case http.MethodOptions:
		w.Header().Set("Allow", allowedMethods)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPut:
		h.refuse(r.Context(), w, mediaJSON, &operation{}, reservationRefused())
	default:
		h.refuse(r.Context(), w, mediaJSON, &operation{}, methodNotAllowed())
	}
}

// accept negotiates the form of the response: the media type of a single result and, if the client accepts one, a stream as
// the operation's sink. It returns false if the client accepts neither.
func (h *Handler) accept(r *http.Request, op *operation) (mediaType, bool) {
	as, ok := negotiate(r.Header["Accept"])
	if events := h.newEventStream(r, !ok); events != nil {
		op.events, op.sink = events, events
		return as, true
	}
	return as, ok
}

// serve runs a decoded operation, and writes its only result or begins a stream.
func (h *Handler) serve(ctx context.Context, w http.ResponseWriter, r *http.Request, as mediaType, op *operation) {
	if err := h.pipeline.run(ctx, op); err != nil {
		h.refuse(ctx, w, as, op, err)
		return
	}
	switch {
	case op.stream != nil:
		h.serveStream(ctx, w, r, as, op)
	case op.results == nil: // The client has the response already.
		h.pipeline.answered(ctx, op.summary(nil))
		op.conditional.writeNotModified(w)
	default:
		h.respond(ctx, w, as, op, h.pipeline.next(ctx, op))
	}
}

// respond writes the only result of an operation.
func (h *Handler) respond(ctx context.Context, w http.ResponseWriter, as mediaType, op *operation, result *graphql.Response) {
	resp := responseTo(ctx, op, result)
	h.pipeline.answered(ctx, op.summary(resp.errors))
	h.pipeline.conditional.remember(op.conditional, &resp, w.Header())
	resp.writeTo(w, as, op.events)
	if result != nil {
		h.release(result.Data)
	}
}

// refuse answers a request that is refused before its document is read. The media type is JSON if the client accepts
// neither.
func (h *Handler) refuse(ctx context.Context, w http.ResponseWriter, as mediaType, op *operation, err *requestError) {
	h.setWriteDeadline(w)
	h.pipeline.refuse(ctx, op, err)
	err.response().writeTo(w, as, op.events)
}

// setWriteDeadline sets when the response must have been sent, counted from now.
func (h *Handler) setWriteDeadline(w http.ResponseWriter) {
	if h.writeTimeout > 0 {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(h.writeTimeout)) // Tests have writers without deadlines.
	}
}

// reportsCost reports whether the response says what the operation cost.
func (h *Handler) reportsCost(r *http.Request) bool {
	return h.reportCost || r.Header.Get(headerCost) != ""
}
