package graphqlhttp

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"taskql/internal/websocket"
)

const (
	// subprotocol is the only subprotocol: that of graphql-ws
	// (https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md).
	subprotocol = "graphql-transport-ws"
	// initTimeout is how long a client may take to send connection_init.
	initTimeout = 10 * time.Second
	// maxRunning is how many operations of a connection run at once, subscriptions that have started not counted. While there
	// are as many, nothing else is read from the connection.
	maxRunning = 16
	// defaultSubscriptions is how many subscriptions a connection may have, if Config doesn't say.
	defaultSubscriptions = 100
)

// The statuses that the protocol closes connections with. The reasons are those of graphql-ws.
const (
	statusBadRequest   websocket.Status = 4400
	statusUnauthorized websocket.Status = 4401
	statusForbidden    websocket.Status = 4403
	statusSubprotocol  websocket.Status = 4406
	statusInitTimeout  websocket.Status = 4408
	statusDuplicate    websocket.Status = 4409
	statusTooManyInits websocket.Status = 4429

	reasonForbidden = "Forbidden"
)

// Credentials are what a client signs in with in the payload of connection_init.
type Credentials struct {
	// Header has the members of the payload that Config.CredentialHeaders names, at most one value of each.
	Header http.Header
	// Ticket is the member "ticket", or empty.
	Ticket string
}

// SocketConfig configures WebSockets.
type SocketConfig struct {
	// Authenticate returns the context of the connection's operations for the credentials of its connection_init, from that
	// of StreamContext. If there are none, whoever the request that opened the connection comes from is the client, and it
	// returns the same context. Nil: credentials are ignored. An error refuses the connection: with a status that makes clients
	// try again if its code is that of an outage or a limit.
	Authenticate func(ctx context.Context, credentials Credentials) (context.Context, *gqlerror.Error)
	// CredentialHeaders are the members of the payload that may be credentials. Their case doesn't matter.
	CredentialHeaders []string
	// Subscriptions is how many subscriptions a connection may have. 0: 100.
	Subscriptions int
	// Around, if set, is called around each operation. Its context becomes the operation's, so that each can have what a
	// request over HTTP has.
	Around func(ctx context.Context, run func(context.Context))
	// Panicked, if set, is called with the value of a panic, because of which the connection is closed.
	Panicked func(ctx context.Context, value any)
}

// socket is a WebSocket. Each operation runs in a goroutine, and a subscription that has started needs none.
type socket struct {
	conn       websocket.Conn
	handler    *Handler
	reportCost bool

	// What follows is the reader's.

	context context.Context //nolint:containedctx // It is the connection's: who the client is.
	// paid is what the client has paid for the message that arrives.
	paid int

	mu         sync.Mutex // guards what follows
	ready      bool       // connection_init was accepted
	draining   bool
	operations []*socketOperation // with ids that are in use
	streams    int                // how many of them are subscriptions that have started
	running    int                // how many goroutines run operations
	freed      chan struct{}      // closed when one of them ends; nil: nobody waits for that
	total      int                // how many operations there were
	results    int                // how many results were sent
	bytes      int64              // how long these are
}

// serveWebSocket opens a WebSocket.
func (h *Handler) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	err := h.pipeline.budget.exhausted(ctx)
	if refused := websocket.Check(r); err == nil && refused != nil {
		err = &requestError{status: refused.Status, code: CodeBadRequest, message: refused.Message, header: refused.Header}
	}
	if err != nil {
		h.refuse(ctx, w, mediaJSON, &operation{}, err)
		return
	}
	streamContext := h.pipeline.executor.streamContext(ctx)
	if err := h.admit(streamContext, TransportWebSocket); err != nil {
		h.respond(ctx, w, mediaGraphQL, &operation{}, &graphql.Response{Errors: gqlerror.List{err}})
		return
	}
	accepted := ""
	if websocket.Offers(r, subprotocol) {
		accepted = subprotocol
	}
	s := &socket{handler: h, context: streamContext, reportCost: h.reportsCost(r)}
	conn, early, failed := websocket.Accept(w, r, accepted)
	if failed != nil || !s.conn.Open(h.streams, conn, early, s, h.socketConfig) {
		h.streamEnded(streamContext, StreamSummary{Transport: TransportWebSocket})
		return
	}
	if accepted == "" {
		s.conn.Close(statusSubprotocol, "Subprotocol not acceptable")
	}
	s.conn.Start()
}

// newSocketConfig returns what all connections have in common.
func newSocketConfig(cfg Config) *websocket.Config {
	return &websocket.Config{
		MaxMessage: int(cfg.MaxBodyBytes), InitTimeout: initTimeout,
		InitStatus: statusInitTimeout, InitReason: "Connection initialisation timeout",
	}
}

// Closed implements websocket.Handler: it ends what is running.
func (s *socket) Closed(status websocket.Status) {
	s.mu.Lock()
	left := s.operations
	s.operations = nil
	sum := StreamSummary{
		Transport: TransportWebSocket, Reason: strconv.Itoa(int(status)), Results: s.results, Bytes: s.bytes, Detached: true, Operations: s.total,
	}
	for _, o := range left {
		o.ended = true
	}
	s.mu.Unlock()
	for _, o := range left {
		o.stop()
	}
	s.handler.streamEnded(s.context, sum)
}

// Arriving implements websocket.Handler.
func (s *socket) Arriving(n int) bool {
	op := operation{bytesCost: s.paid}
	err := s.handler.pipeline.budget.chargeArrived(s.context, &op, n)
	s.paid = op.bytesCost
	return err == nil
}

// Ready implements websocket.Handler: it tells the subscriptions whose results were refused.
func (s *socket) Ready() {
	s.mu.Lock()
	var streams []Stream
	for _, o := range s.operations {
		if o.refused && o.stream != nil {
			o.refused = false
			streams = append(streams, o.stream)
		}
	}
	s.mu.Unlock()
	for _, stream := range streams {
		stream.Ready()
	}
}

// Drain implements websocket.Handler: operations that run may finish.
func (s *socket) Drain() {
	s.mu.Lock()
	s.draining = true
	idle := s.running == 0
	s.mu.Unlock()
	if idle {
		s.restart()
	}
}

// restart makes the client connect again, elsewhere.
func (s *socket) restart() { s.conn.Close(websocket.StatusRestart, "Service restart") }

// Message implements websocket.Handler.
func (s *socket) Message(data []byte) {
	defer s.recover(s.context)
	paid := s.paid
	s.paid = 0
	m, err := decodeMessage(data)
	if err != nil {
		s.conn.Close(statusBadRequest, err.message)
		return
	}
	switch m.kind {
	case "connection_init":
		s.initialise(m)
	case "ping":
		s.pong(m)
	case "pong":
	case "subscribe":
		s.subscribe(m, &operation{bytesRead: len(data), bytesCost: paid, reportCost: s.reportCost})
	case "complete":
		if o := s.take(m.id); o != nil {
			s.conn.Paid(1)
			o.stop()
		}
	default:
		s.conn.Close(statusBadRequest, "Invalid message: its type is not one that a client sends")
	}
}

// pong answers a ping with its payload.
func (s *socket) pong(m message) {
	const longest = 1024 // It is kept if the client is slow.
	switch {
	case m.payload == nil || len(m.payload) > longest:
		s.conn.SendShort([]byte(`{"type":"pong"}`))
	default:
		s.conn.SendShort([]byte(`{"type":"pong","payload":`), m.payload, []byte(`}`))
	}
}

// initialise signs the client in.
func (s *socket) initialise(m message) {
	s.mu.Lock()
	again := s.ready
	s.mu.Unlock()
	if again {
		s.conn.Close(statusTooManyInits, "Too many initialisation requests")
		return
	}
	credentials, err := m.credentials(s.handler.sockets.CredentialHeaders)
	if err != nil {
		s.conn.Close(statusBadRequest, err.message)
		return
	}
	if refused := s.signIn(credentials); refused != nil {
		status := statusForbidden
		switch refused.Extensions["code"] {
		case CodeServiceUnavailable, CodeRateLimited, CodeTooManyStreams:
			status = websocket.StatusTryLater
		}
		s.conn.Close(status, refused.Message)
		return
	}
	s.conn.Initialised()
	s.mu.Lock()
	s.ready = true
	s.mu.Unlock()
	s.conn.SendShort([]byte(`{"type":"connection_ack"}`))
}

// signIn makes the credentials' owner the client, or returns why not.
func (s *socket) signIn(credentials Credentials) *gqlerror.Error {
	h := s.handler
	if h.sockets.Authenticate == nil {
		return nil
	}
	ctx, err := h.sockets.Authenticate(s.context, credentials)
	if err != nil || ctx == s.context {
		return err
	}
	if err := h.admitStream(ctx, s.context, TransportWebSocket); err != nil { // The connection counts for somebody else now.
		return err
	}
	h.streamEnded(s.context, StreamSummary{Transport: TransportWebSocket})
	s.context = ctx
	return nil
}

// subscribe starts an operation of any type.
func (s *socket) subscribe(m message, op *operation) {
	if !s.mayStart(m) {
		return
	}
	refused := s.handler.pipeline.budget.exhausted(s.context)
	if refused == nil {
		s.conn.Paid(2) // The operation costs something. "complete" may come too late to find it.
		refused = m.decode(op, s.handler.pipeline.limiter.limits.InputValues)
	}
	if refused != nil && refused.code == CodeBadRequest {
		s.conn.Close(statusBadRequest, refused.message)
		return
	}
	ctx, cancel := context.WithCancel(s.context)
	o := &socketOperation{socket: s, id: m.id, cancel: cancel}
	op.sink = o
	s.mu.Lock()
	defer s.mu.Unlock()
	s.operations = append(s.operations, o)
	s.running++
	s.total++
	go o.run(ctx, op, refused)
}

// mayStart reports whether an operation may start, and waits until there is room for it.
func (s *socket) mayStart(m message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.ready:
		s.conn.Close(statusUnauthorized, "Unauthorized")
		return false
	case slices.ContainsFunc(s.operations, m.has):
		s.conn.Close(statusDuplicate, "Subscriber for "+m.text+" already exists")
		return false
	}
	for s.running >= maxRunning {
		if s.freed == nil {
			s.freed = make(chan struct{})
		}
		freed := s.freed
		s.mu.Unlock()
		<-freed
		s.mu.Lock()
	}
	return !s.draining // Otherwise the client sends it again elsewhere.
}

// recover is deferred. After a panic it closes the connection.
func (s *socket) recover(ctx context.Context) {
	if value := recover(); value != nil {
		s.conn.Close(websocket.StatusInternal, "Internal server error")
		s.handler.sockets.Panicked(ctx, value)
	}
}

// take removes the operation of the id, and returns it, or nil if there is none.
func (s *socket) take(id []byte) *socketOperation {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.operations, func(o *socketOperation) bool { return bytes.Equal(o.id, id) })
	if i < 0 {
		return nil
	}
	o := s.operations[i]
	s.removeLocked(o)
	return o
}

// removeLocked removes an operation, and reports whether it was still there.
func (s *socket) removeLocked(o *socketOperation) bool {
	if o.ended {
		return false
	}
	o.ended = true
	if o.stream != nil {
		s.streams--
	}
	i := slices.Index(s.operations, o)
	s.operations = slices.Delete(s.operations, i, i+1)
	return true
}

// free ends an operation's goroutine.
func (s *socket) free() {
	s.mu.Lock()
	s.running--
	if s.freed != nil {
		close(s.freed)
		s.freed = nil
	}
	restart := s.draining && s.running == 0
	s.mu.Unlock()
	if restart {
		s.restart()
	}
}

// encodeErrors returns errors as JSON.
func encodeErrors(errs gqlerror.List) []byte {
	encoded, err := json.Marshal(errs)
	if err != nil { // The schema has set an extension that can't be encoded.
		encoded, _ = json.Marshal(gqlerror.List{internalError()}) //nolint:errchkjson // It can be encoded.
	}
	return encoded
}

// quote returns a string as JSON.
func quote(s string) []byte {
	quoted, _ := jsontext.AppendQuote(nil, s) // The decoder has checked that it is valid.
	return quoted
}
