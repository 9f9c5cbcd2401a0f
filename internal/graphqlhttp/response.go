package graphqlhttp

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

const (
	// defaultRetryAfter is how many seconds a client should wait after an outage whose error has no retryAfter.
	defaultRetryAfter = 5
	// statusClientGone is nginx's status for a client that left before the response. Only logs see it.
	statusClientGone = 499
)

// refusalStatus returns the HTTP status of an operation that was refused or failed as a whole, by its error's code. It
// returns 0 for codes that don't decide the status.
func refusalStatus(code any) int {
	switch code {
	case CodeUnauthenticated:
		return http.StatusUnauthorized
	case CodeForbidden:
		return http.StatusForbidden
	case CodeServiceUnavailable:
		return http.StatusServiceUnavailable
	case CodeRateLimited, CodeTooManyStreams:
		return http.StatusTooManyRequests
	case CodeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	default:
		return 0
	}
}

// response is a result as a response over HTTP.
type response struct {
	result
	status int // 0: the media type decides
	header http.Header
}

// responseTo returns the response to an operation. Without a result, its context has ended.
func responseTo(ctx context.Context, op *operation, executed *graphql.Response) response {
	if executed == nil {
		return abandoned(ctx, op)
	}
	r := response{result: result{errors: executed.Errors, data: executed.Data, extensions: executed.Extensions}}
	if r.hasData() {
		return r
	}
	if ctx.Err() != nil { // The error is then what the schema made of a cancelled statement.
		return abandoned(ctx, op)
	}
	switch status := r.firstStatus(); status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		r.status = status // for both media types: proxies and clients act on it
		r.header = http.Header{"Retry-After": {strconv.Itoa(r.retryAfter())}}
	case http.StatusMethodNotAllowed:
		r.status = status // The specification requires it for both media types.
		r.header = http.Header{"Allow": {http.MethodPost}}
	}
	return r
}

// abandoned returns the response to an operation that was not finished: its client left or its time was over.
func abandoned(ctx context.Context, op *operation) response {
	status := http.StatusServiceUnavailable
	if errors.Is(ctx.Err(), context.Canceled) {
		status = statusClientGone
	}
	err := gqlerror.Errorf("The operation was given up.")
	if op.info().Type == string(ast.Mutation) {
		err.Message += " The change may have happened: try again in a moment with the same idempotencyKey, or look first if it had none."
	}
	err.Extensions = map[string]any{"code": CodeServiceUnavailable}
	return response{result: result{errors: gqlerror.List{err}}, status: status}
}

// firstStatus returns the status of the first error whose code decides it, else 0.
func (r response) firstStatus() int {
	for _, err := range r.errors {
		if status := refusalStatus(err.Extensions["code"]); status != 0 {
			return status
		}
	}
	return 0
}

// statusAs returns the HTTP status for a media type (GraphQL over HTTP, section "Status Codes").
func (r response) statusAs(as mediaType) int {
	switch {
	case r.status != 0:
		return r.status
	case as == mediaJSON || r.hasData():
		return http.StatusOK
	case r.firstStatus() != 0:
		return r.firstStatus()
	case r.data != nil: // It was executed, and a null propagated to the root.
		return http.StatusOK
	case len(r.errors) > 0 && r.errors[0].Extensions["code"] == CodeInternal:
		return http.StatusInternalServerError
	default:
		return http.StatusBadRequest
	}
}

// retryAfter returns the first retryAfter extension, in seconds, at least 1.
func (r response) retryAfter() int {
	for _, err := range r.errors {
		switch seconds := err.Extensions["retryAfter"].(type) {
		case int:
			return max(seconds, 1)
		case int64:
			return max(int(seconds), 1)
		case float64:
			return max(int(seconds), 1)
		}
	}
	return defaultRetryAfter
}

// buffers keeps the buffers that responses are encoded into.
var buffers = sync.Pool{New: func() any { return &bytes.Buffer{} }} //nolint:gochecknoglobals // A pool lives as long as the process.

func releaseBuffer(b *bytes.Buffer) {
	if b.Cap() <= maxPooledBytes {
		b.Reset()
		buffers.Put(b)
	}
}

// Values of headers that most responses have. They are shared: nobody changes the elements of a header's values.
var (
	noStore    = []string{"no-store"} //nolint:gochecknoglobals // A constant, if Go had constant slices.
	varyAccept = []string{"Accept"}   //nolint:gochecknoglobals // A constant, if Go had constant slices.
)

// writeTo sends the response, as a stream of events if the client accepts nothing else. A status that proxies and clients act
// on needs an ordinary response.
func (r response) writeTo(w http.ResponseWriter, as mediaType, events *eventStream) {
	if events != nil && events.only && r.status == 0 {
		r.writeEvent(w, events)
		return
	}
	r.write(w, as)
}

// write sends the response. Its header replaces the usual values: a response with an ETag has its own Cache-Control.
func (r response) write(w http.ResponseWriter, as mediaType) {
	body := buffers.Get().(*bytes.Buffer) //nolint:forcetypeassert,errcheck // The pool holds nothing else.
	defer releaseBuffer(body)
	offset, err := r.encode(body)
	if err != nil { // The schema has set an extension that can't be encoded.
		r = response{result: result{errors: gqlerror.List{internalError()}}, status: http.StatusInternalServerError}
		body.Reset()
		offset, _ = r.encode(body)
	}
	long := r.longData()
	header := w.Header()
	header["Content-Type"] = as.contentType()
	header["Content-Length"] = []string{strconv.Itoa(body.Len() + len(long))}
	header["Cache-Control"] = noStore
	addVaryAccept(header)
	for name, values := range r.header {
		header[name] = values
	}
	w.WriteHeader(r.statusAs(as))
	// If the client is gone, there is nobody to tell.
	if long == nil {
		_, _ = w.Write(body.Bytes())
		return
	}
	for _, part := range [...][]byte{body.Bytes()[:offset], long, body.Bytes()[offset:]} {
		_, _ = w.Write(part)
	}
}

// addVaryAccept adds Accept to the header Vary.
func addVaryAccept(header http.Header) {
	if header["Vary"] == nil {
		header["Vary"] = varyAccept
		return
	}
	header.Add("Vary", "Accept")
}
