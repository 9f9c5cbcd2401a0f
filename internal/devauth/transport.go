package devauth

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
)

// Transport returns a transport that answers requests in process, so that sessions are checked as with a real auth
// server. The scheme and host of a request are ignored.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ server *Server }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	if err := t.serve(w, asServerRequest(req)); err != nil {
		return nil, err
	}
	return w.response(req), nil
}

// serve calls the server. It returns a panic as an error, because here nothing else would recover it.
func (t transport) serve(w http.ResponseWriter, r *http.Request) error {
	var failure error
	func() {
		defer func() {
			if value := recover(); value != nil {
				t.server.log.LogAttrs(r.Context(), slog.LevelError, "panic in the development sign-in",
					slog.Any("panic", value), slog.String("stack", string(debug.Stack())))
				failure = errors.New("the development sign-in panicked")
			}
		}()
		_ = t.server.serve(w, r) // The recorder has the error response too.
	}()
	return failure
}

// asServerRequest returns the request as a server would receive it.
func asServerRequest(req *http.Request) *http.Request {
	r := req.Clone(req.Context())
	r.RequestURI = r.URL.RequestURI()
	r.RemoteAddr = "127.0.0.1:0"
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	return r
}

// recorder records a response.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) { w.status = status }

// Write implements http.ResponseWriter.
func (w *recorder) Write(p []byte) (int, error) { return w.body.Write(p) }

// response returns the recorded response.
func (w *recorder) response(req *http.Request) *http.Response {
	return &http.Response{
		Status:        strconv.Itoa(w.status) + " " + http.StatusText(w.status),
		StatusCode:    w.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        w.header,
		Body:          io.NopCloser(&w.body),
		ContentLength: int64(w.body.Len()),
		Request:       req,
	}
}
