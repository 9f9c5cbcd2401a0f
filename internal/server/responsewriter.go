package server

import (
	"bufio"
	"net"
	"net/http"
	"sync/atomic"
)

// responseWriter records the status and the length of an answer, and closes the connection after it if the server drains.
// All middlewares of a request share one, instead of wrapping each other's.
type responseWriter struct {
	http.ResponseWriter

	draining *atomic.Bool // nil if the server never drains
	status   int          // 0 until the header is sent
	hijacked bool         // the handler has taken over the connection
	bytes    int64
}

// wrapWriter returns w as a *responseWriter. If it isn't one yet, wrapWriter wraps it.
func wrapWriter(w http.ResponseWriter) *responseWriter {
	if w, ok := w.(*responseWriter); ok {
		return w
	}
	return &responseWriter{ResponseWriter: w}
}

// WriteHeader implements http.ResponseWriter.
func (w *responseWriter) WriteHeader(code int) {
	w.beforeHeader()
	w.recordStatus(code)
	w.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (w *responseWriter) Write(b []byte) (int, error) {
	w.beforeHeader()
	w.recordStatus(http.StatusOK)
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err //nolint:wrapcheck // An io.Writer's own error.
}

// Flush implements http.Flusher, if the connection does. A caller that needs the error uses an http.ResponseController.
func (w *responseWriter) Flush() {
	w.beforeHeader()
	w.recordStatus(http.StatusOK)
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker, if the connection does.
func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(w.ResponseWriter).Hijack()
	w.hijacked = err == nil
	return conn, buffers, err //nolint:wrapcheck // The connection's own error.
}

// Unwrap lets an http.ResponseController reach the connection.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// beforeHeader tells the client to close its connection if the server drains.
func (w *responseWriter) beforeHeader() {
	if w.draining != nil && w.status == 0 && w.draining.Load() {
		w.Header().Set("Connection", "close")
	}
}

// recordStatus records the first status that is final.
func (w *responseWriter) recordStatus(code int) {
	if w.status == 0 && (code >= http.StatusOK || code == http.StatusSwitchingProtocols) {
		w.status = code
	}
}
