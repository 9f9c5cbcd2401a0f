package server

import (
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"
)

// middleware wraps a handler.
type middleware = func(http.Handler) http.Handler

// chain wraps h in the middlewares. The first one is the outermost.
func chain(h http.Handler, middlewares ...middleware) http.Handler {
	for i := len(middlewares) - 1; i >= 0; i-- {
		h = middlewares[i](h)
	}
	return h
}

// closeWhileDraining tells clients to close their connection after the next answer if the server drains. It decides when the
// header is sent, so that answers that took long tell them too.
func closeWhileDraining(draining *atomic.Bool) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			response := wrapWriter(w)
			response.draining = draining
			next.ServeHTTP(response, r)
			response.beforeHeader() // An answer without a body is sent after this.
		})
	}
}

// withRecover answers a panic with the request id, and logs its stack once. If the answer had begun, withRecover closes the
// connection, so that the client doesn't take a part for the whole.
func withRecover(log *slog.Logger) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			response := wrapWriter(w)
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
				if response.status != 0 {
					panic(http.ErrAbortHandler)
				}
				for _, name := range []string{"Content-Encoding", "Content-Length", "Etag", "Last-Modified"} {
					w.Header().Del(name)
				}
				writeInternal(w, r)
			}()
			next.ServeHTTP(response, r)
		})
	}
}

// isAbort reports whether a handler panicked with http.ErrAbortHandler, to close the connection.
func isAbort(p any) bool {
	err, ok := p.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}

// hstsMaxAge is for how long browsers may use only https.
const hstsMaxAge = 365 * 24 * time.Hour

// withSecurityHeaders sets the headers that keep browsers from misusing an answer. The playground's page replaces the
// Content-Security-Policy. Cross-Origin-Resource-Policy concerns embedding, and not CORS requests.
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
			// All answers share the slices. Handlers replace them or append to them, which copies; nobody changes one in place.
			maps.Copy(w.Header(), fixed)
			next.ServeHTTP(w, r)
		})
	}
}
