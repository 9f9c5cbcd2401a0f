package server

import (
	"bufio"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"
)

// middleware is a handler around another.
type middleware = func(http.Handler) http.Handler

// chain puts the middlewares around h, the first outermost.
func chain(h http.Handler, around ...middleware) http.Handler {
	for i := len(around) - 1; i >= 0; i-- {
		h = around[i](h)
	}
	return h
}

// closeWhileDraining tells clients to close their connection with the next answer, from the moment the
// server drains on. It looks when the header is sent, not when the request came: an answer that took long
// must carry it as well.
func closeWhileDraining(draining *atomic.Bool) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sent := watch(w)
			sent.draining = draining
			next.ServeHTTP(sent, r)
			sent.beforeHeader() // an answer without a body is sent after this
		})
	}
}

// withAccessLog writes one line for each answer, with the codes of its errors whatever the status: an answer to
// application/json is 200 even if the operation failed. It names neither cookies, tokens, the query string nor variables.
// A panic passes through after its line.
func withAccessLog(log *slog.Logger, now func() time.Time) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sent, start := watch(w), now()
			defer func() {
				level := levelOf(r, sent.status)
				if log.Enabled(r.Context(), level) {
					end := now()
					line := slog.NewRecord(end, level, accessMessage, 0) // Where in the code it was made is no help.
					line.AddAttrs(accessAttrs(r, sent, end.Sub(start))...)
					_ = log.Handler().Handle(r.Context(), line) // As slog has it: there is nobody to tell.
				}
			}()
			next.ServeHTTP(sent, r)
			sent.header(http.StatusOK) // what net/http sends for a handler that wrote nothing
		})
	}
}

// levelOf is the level of an answer's line. Health probes would drown the rest.
func levelOf(r *http.Request, status int) slog.Level {
	switch {
	case r.URL.Path == healthPath:
		return slog.LevelDebug
	case status >= http.StatusInternalServerError:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// maxLogged is the most bytes of a text that the client chose.
const maxLogged = 200

// accessAttrs are a line's attributes, those that don't apply left out.
func accessAttrs(r *http.Request, sent *sent, took time.Duration) []slog.Attr {
	trace := traceOf(r.Context())
	const most = 11
	attrs := append(make([]slog.Attr, 0, most),
		slog.String("method", shorten(r.Method)),
		slog.String("path", shorten(r.URL.Path)),
		slog.Int("status", sent.status),
		slog.Int64("bytes", sent.bytes),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000),
		slog.String("request_id", trace.requestID),
	)
	for _, optional := range [...]slog.Attr{
		slog.String("operation", shorten(trace.operationName)),
		slog.String("operation_type", trace.operationType),
		slog.String("error_code", trace.errorCodes),
		slog.String("user_id", trace.userID),
		slog.String("impersonated_by", trace.impersonatedBy),
	} {
		if optional.Value.String() != "" {
			attrs = append(attrs, optional)
		}
	}
	return attrs
}

// shorten cuts a text that the client chose.
func shorten(s string) string { return s[:min(len(s), maxLogged)] }

// sent passes an answer on and notes what went out. One serves all layers, which would otherwise wrap each other.
type sent struct {
	http.ResponseWriter

	draining *atomic.Bool // nil: the server never drains
	status   int          // 0 while no header is out
	bytes    int64
}

// watch returns w with an eye on it: the one that is there already, else a new one.
func watch(w http.ResponseWriter) *sent {
	if s, ok := w.(*sent); ok {
		return s
	}
	return &sent{ResponseWriter: w}
}

// WriteHeader implements http.ResponseWriter.
func (s *sent) WriteHeader(code int) {
	s.beforeHeader()
	s.header(code)
	s.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (s *sent) Write(b []byte) (int, error) {
	s.beforeHeader()
	s.header(http.StatusOK)
	n, err := s.ResponseWriter.Write(b)
	s.bytes += int64(n)
	return n, err //nolint:wrapcheck // An io.Writer's own error.
}

// Flush implements http.Flusher, as far as the connection does.
func (s *sent) Flush() {
	s.beforeHeader()
	s.header(http.StatusOK)
	_ = http.NewResponseController(s.ResponseWriter).Flush() // Who must know asks for it by a ResponseController.
}

// Hijack implements http.Hijacker, as far as the connection does.
func (s *sent) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(s.ResponseWriter).Hijack() //nolint:wrapcheck // The connection's own error.
}

// Unwrap lets an http.ResponseController reach the connection.
func (s *sent) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// beforeHeader tells the client to close its connection where the server drains.
func (s *sent) beforeHeader() {
	if s.draining != nil && s.status == 0 && s.draining.Load() {
		s.Header().Set("Connection", "close")
	}
}

// header notes the first final status.
func (s *sent) header(code int) {
	if s.status == 0 && code >= http.StatusOK {
		s.status = code
	}
}

// withRecover turns a panic into an answer with the request id, and logs its stack once. Where the answer
// had begun, the connection is cut, so that the client can't take half for whole.
func withRecover(log *slog.Logger) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sent := watch(w)
			defer func() {
				p := recover()
				if p == nil {
					return
				}
				if isAbort(p) {
					panic(p)
				}
				log.LogAttrs(r.Context(), slog.LevelError, "panic", slog.Any("panic", p),
					slog.String("request_id", RequestID(r.Context())), slog.String("stack", string(debug.Stack())))
				if sent.status != 0 {
					panic(http.ErrAbortHandler)
				}
				for _, name := range []string{"Content-Encoding", "Content-Length", "Etag", "Last-Modified"} {
					w.Header().Del(name)
				}
				writeInternal(w, r)
			}()
			next.ServeHTTP(sent, r)
		})
	}
}

// isAbort reports whether a panic's value is the way to cut a connection on purpose.
func isAbort(p any) bool {
	err, ok := p.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}

// hstsMaxAge is how long browsers shall use https alone.
const hstsMaxAge = 365 * 24 * time.Hour

// withSecurityHeaders sets what keeps browsers from misusing an answer. The playground's page replaces the
// policy with its own. Cross-Origin-Resource-Policy doesn't touch CORS requests, only embedding.
func withSecurityHeaders(production bool) middleware {
	fixed := http.Header{
		"X-Content-Type-Options":       {"nosniff"},
		"X-Frame-Options":              {"DENY"},
		"Referrer-Policy":              {"no-referrer"},
		"Content-Security-Policy":      {"default-src 'none'; frame-ancestors 'none'"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
	}
	if production {
		fixed["Strict-Transport-Security"] = []string{"max-age=" + strconv.Itoa(int(hstsMaxAge.Seconds()))}
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// All answers share the values. They are replaced or appended to, which copies them; never changed in place.
			maps.Copy(w.Header(), fixed)
			next.ServeHTTP(w, r)
		})
	}
}
