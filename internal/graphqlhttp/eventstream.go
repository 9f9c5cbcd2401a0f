package graphqlhttp

import (
	"bytes"
	"cmp"
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"taskql/internal/streamconn"
)

// eventFormat is the form of a response that holds a stream of results. There is one for each media type of streams.
type eventFormat struct {
	transport   Transport
	contentType []string
	// open begins the response, so that clients and proxies see at once that there is one.
	open string
	// before and after enclose each result.
	before, after string
	// ping means nothing to the client. It is sent while nothing happens.
	ping string
	// complete follows the last result.
	complete string
	// restart ends the response instead of complete if the client should send its request again.
	restart string
}

// IsStream reports whether a content type is that of a stream of results.
func IsStream(contentType string) bool {
	return strings.HasPrefix(contentType, mediaEventStream) || strings.HasPrefix(contentType, mediaMultipart)
}

// maxFraming is more than the text around a result has.
const maxFraming = 128

// eventStream is a response that holds a stream of results, and the sink of the subscription that they are from. While nothing
// happens it takes no goroutine, except with HTTP/2.
type eventStream struct {
	handler *Handler
	format  *eventFormat
	// only is whether the client accepts single results in no other form.
	only bool
	// chunked is whether the response is written to the connection itself, in chunks (RFC 9112, section 7.1).
	chunked bool

	// context, stream and operation are set before the stream is opened.
	context   context.Context //nolint:containedctx // It is the stream's.
	stream    Stream
	operation OperationInfo

	conn streamconn.Conn // in the registry once the stream is opened

	mu     sync.Mutex // guards what follows
	opened bool
	// refused is whether a result came before the stream was opened.
	refused bool
	// ended is whether the subscription has ended, and codes are those of its errors. last is what remains to be sent if it
	// ended before the stream was opened.
	ended bool
	codes []string
	last  []byte
	// reason is why the stream has ended; empty while it goes on.
	reason  string
	results int
	bytes   int64
}

// Transport is what a stream is sent over.
type Transport string

// The transports of streams.
const (
	TransportSSE       Transport = "sse"
	TransportMultipart Transport = "multipart"
	TransportWebSocket Transport = "websocket"
)

// Why event streams end, as StreamSummary.Reason says it.
const (
	// StreamComplete and StreamFailed: the subscription has ended by itself, without errors or with some.
	StreamComplete = "complete"
	StreamFailed   = "error"
	// StreamRestart: the server stops.
	StreamRestart = "restart"
	// StreamLeft: the client has left, or could not be reached.
	StreamLeft = "left"
)

// StreamSummary is a stream that has ended, as far as logs and metrics may know it.
type StreamSummary struct {
	Summary

	Transport Transport
	// Reason is why it has ended: for a WebSocket the status that it was closed with, as the client's or the server's decision, else
	// one of the constants above. It is empty if the stream was not opened, or goes on as the one of another user.
	Reason string
	// Results is how many results were sent, and Bytes is how long they are, with the framing of event streams.
	Results int
	Bytes   int64
	// Detached is whether the stream took over its connection, so that the handler of its request ended before it.
	Detached bool
	// Operations is how many operations a WebSocket had. It is 0 for other streams.
	Operations int
}

// newEventStream returns the stream of results that the client accepts, or nil. If onlyStream is set, the client accepts no
// other form of responses.
func (h *Handler) newEventStream(r *http.Request, onlyStream bool) *eventStream {
	format := acceptedFormat(r.Header["Accept"])
	if format == nil {
		return nil
	}
	return &eventStream{handler: h, format: format, only: onlyStream, chunked: r.ProtoMajor == 1 && r.ProtoMinor > 0}
}

// serveStream answers with the results of a subscription that was started.
func (h *Handler) serveStream(ctx context.Context, w http.ResponseWriter, r *http.Request, as mediaType, op *operation) {
	s := op.events
	s.context, s.stream, s.operation = op.streamContext, op.stream, op.info()
	if err := h.admit(ctx, s.format.transport); err != nil {
		s.stream.Stop()
		h.respond(ctx, w, as, op, &graphql.Response{Errors: gqlerror.List{err}})
		return
	}
	h.pipeline.answered(ctx, op.summary(nil))
	s.setHeader(w.Header())
	if conn, ok := s.hijack(w); ok {
		if s.open(conn, appendHeader(nil, w.Header())) {
			s.conn.Start(false)
		}
		return
	}
	s.chunked = false
	conn := newResponseConn(r.Context(), w) // Without the deadline of operations.
	defer conn.end()
	if s.open(conn, nil) {
		s.conn.Serve()
	}
}

// admit returns why no stream can be opened now, or nil.
func (h *Handler) admit(ctx context.Context, transport Transport) *gqlerror.Error {
	if h.streams.Draining() {
		return restarting()
	}
	return h.admitStream(ctx, nil, transport)
}

// setHeader sets the response's headers. Proxies must not keep, compress or buffer it.
func (s *eventStream) setHeader(header http.Header) {
	header["Content-Type"] = s.format.contentType
	header["Cache-Control"] = []string{"no-store, no-transform"}
	header["X-Accel-Buffering"] = []string{"no"}
	addVaryAccept(header)
}

// hijack takes over the connection, so that the memory of the HTTP server for it is freed. It returns false if that is not
// possible, as with HTTP/2.
func (s *eventStream) hijack(w http.ResponseWriter) (net.Conn, bool) {
	if !s.chunked {
		return nil, false
	}
	conn, _, err := http.NewResponseController(w).Hijack() // What the client has sent after the request is ignored.
	return conn, err == nil
}

// appendHeader appends the start of a chunked response.
func appendHeader(b []byte, header http.Header) []byte {
	buf := bytes.NewBuffer(append(b, "HTTP/1.1 200 OK\r\n"...))
	header["Date"] = []string{time.Now().UTC().Format(http.TimeFormat)}
	header["Transfer-Encoding"] = []string{"chunked"}
	header["Connection"] = []string{"close"}
	_ = header.Write(buf) // A buffer takes everything.
	buf.WriteString("\r\n")
	return buf.Bytes()
}

// open begins to send. It returns false if the server has begun to stop.
func (s *eventStream) open(conn net.Conn, header []byte) bool {
	s.mu.Lock()
	// The mutex is held meanwhile: the registry may call the stream's methods as soon as it has the connection.
	if !s.handler.streams.Add(&s.conn, conn, s) {
		s.reason = StreamRestart
		s.mu.Unlock()
		s.finish()
		return false
	}
	s.opened = true
	s.conn.TrySend(s.appendChunk(header, s.format.open, nil, ""))
	if s.ended {
		s.conn.Finish(s.last)
		s.last = nil
	}
	refused := s.refused
	s.mu.Unlock()
	if refused {
		s.stream.Ready()
	}
	return true
}

// Receive implements streamconn.Handler: when the client has left or the stream has ended, it ends the subscription.
func (s *eventStream) Receive() bool {
	if s.conn.Ignore() {
		return true
	}
	s.conn.Close()
	s.finish()
	return false
}

// finish ends the subscription, and reports the stream's end.
func (s *eventStream) finish() {
	s.stream.Stop()
	s.mu.Lock()
	sum := StreamSummary{
		Summary:   Summary{Operation: s.operation, Codes: s.codes},
		Transport: s.format.transport, Reason: cmp.Or(s.reason, StreamLeft), Results: s.results, Bytes: s.bytes, Detached: s.chunked,
	}
	s.mu.Unlock()
	s.handler.streamEnded(s.context, sum)
}

// Next implements Sink.
func (s *eventStream) Next(data []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.opened {
		s.refused = true
		return false
	}
	buf := buffers.Get().(*bytes.Buffer) //nolint:forcetypeassert,errcheck // The pool holds nothing else.
	defer releaseBuffer(buf)
	buf.Grow(len(data) + maxFraming)
	if !s.conn.TrySend(s.appendChunk(buf.AvailableBuffer(), s.format.before, data, s.format.after)) {
		return false
	}
	s.results++
	return true
}

// End implements Sink.
func (s *eventStream) End(errs gqlerror.List) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended, s.reason = true, StreamComplete
	var last []byte
	if len(errs) > 0 {
		s.reason = StreamFailed
		var failed bytes.Buffer
		if _, err := (result{errors: errs}).encode(&failed); err == nil {
			last = s.appendChunk(last, s.format.before, failed.Bytes(), s.format.after)
		}
		s.codes = codesOf(errs)
	}
	last = s.appendEnd(last, s.format.complete)
	if !s.opened {
		s.last = last
		return
	}
	s.conn.Finish(last)
}

// Ready implements streamconn.Handler.
func (s *eventStream) Ready() { s.stream.Ready() }

// Ping implements streamconn.Handler. Clients don't answer it: the network finds out if they are gone.
func (s *eventStream) Ping(bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn.TrySend(s.appendChunk(nil, s.format.ping, nil, ""))
}

// Drain implements streamconn.Handler.
func (s *eventStream) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.ended, s.reason = true, StreamRestart
	}
	s.conn.Finish(s.appendEnd(nil, s.format.restart))
}

// appendChunk appends a part of the response: before, data and after. It counts the bytes.
func (s *eventStream) appendChunk(b []byte, before string, data []byte, after string) []byte {
	length := len(before) + len(data) + len(after)
	if length == 0 { // A chunk without data is the last one.
		return b
	}
	s.bytes += int64(length)
	if s.chunked {
		b = strconv.AppendInt(b, int64(length), 16)
		b = append(b, "\r\n"...)
	}
	b = append(append(append(b, before...), data...), after...)
	if s.chunked {
		b = append(b, "\r\n"...)
	}
	return b
}

// appendEnd appends the last part of the response.
func (s *eventStream) appendEnd(b []byte, text string) []byte {
	b = s.appendChunk(b, text, nil, "")
	if s.chunked {
		b = append(b, "0\r\n\r\n"...)
	}
	return b
}

// writeEvent sends the response as a stream that holds it alone.
func (r response) writeEvent(w http.ResponseWriter, s *eventStream) {
	var encoded bytes.Buffer
	offset, err := r.encode(&encoded)
	if err != nil { // The schema has set an extension that can't be encoded.
		r = response{result: result{errors: gqlerror.List{internalError()}}}
		encoded.Reset()
		offset, _ = r.encode(&encoded)
	}
	long := r.longData()
	s.setHeader(w.Header())
	w.WriteHeader(http.StatusOK)
	for _, part := range [...][]byte{
		[]byte(s.format.open + s.format.before), encoded.Bytes()[:offset], long, encoded.Bytes()[offset:],
		[]byte(s.format.after + s.format.complete),
	} {
		_, _ = w.Write(part) // If the client is gone, there is nobody to tell.
	}
}
