package graphqlhttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Codes in errors' extensions.code that this package gives or acts on.
const (
	// CodeBadRequest: the body is not a GraphQL request.
	CodeBadRequest = "BAD_REQUEST"
	// CodeMethodNotAllowed: the HTTP method is neither POST nor GET, or a mutation came by GET.
	CodeMethodNotAllowed = "METHOD_NOT_ALLOWED"
	// CodeNotAcceptable: the Accept header allows none of the media types of an answer.
	CodeNotAcceptable = "NOT_ACCEPTABLE"
	// CodeUnsupportedMediaType: the body is not application/json in UTF-8.
	CodeUnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE"
	// CodePayloadTooLarge: the body is longer than the limit.
	CodePayloadTooLarge = "PAYLOAD_TOO_LARGE"
	// CodeRequestTimeout: the body did not arrive in time.
	CodeRequestTimeout = "REQUEST_TIMEOUT"
	// CodeURITooLong: the URL of a GET is longer than the limit.
	CodeURITooLong = "URI_TOO_LONG"
	// CodePersistedQueryNotFound: no document is known by the id or hash. Apollo Client and urql then send the
	// document beside its hash.
	CodePersistedQueryNotFound = "PERSISTED_QUERY_NOT_FOUND"
	// CodePersistedQueryNotSupported: documents can't be named here at all. Apollo Client stops naming them.
	CodePersistedQueryNotSupported = "PERSISTED_QUERY_NOT_SUPPORTED"
	// CodePersistedQueryIDRequired: only trusted documents run here, and the request brought one of its own.
	CodePersistedQueryIDRequired = "PERSISTED_QUERY_ID_REQUIRED"
	// CodeSubscriptionNotSupported: a subscription came by plain POST or GET, which carries one answer only.
	CodeSubscriptionNotSupported = "SUBSCRIPTION_NOT_SUPPORTED"
	// CodeBadUserInput: a value that is none of its scalar's.
	CodeBadUserInput = "BAD_USER_INPUT"
	// CodeUnauthenticated: the schema's code for an operation that needs a session.
	CodeUnauthenticated = "UNAUTHENTICATED"
	// CodeForbidden: the schema's code for an operation that the session may not execute.
	CodeForbidden = "FORBIDDEN"
	// CodeServiceUnavailable: the schema's code for an outage. Its extension retryAfter, in seconds, becomes
	// the Retry-After header.
	CodeServiceUnavailable = "SERVICE_UNAVAILABLE"
	// CodeInternal: the schema's code for a bug.
	CodeInternal = "INTERNAL"
)

const (
	// defaultRetryAfter is what a client should wait after an outage that names no time, in seconds.
	defaultRetryAfter = 5
	// statusClientGone is nginx's status for a client that left before the answer. Only logs see it.
	statusClientGone = 499
)

// refusalStatus is the HTTP status of an operation that was refused or failed as a whole, by its error's
// code; 0 for codes that don't decide it.
func refusalStatus(code any) int {
	switch code {
	case CodeUnauthenticated:
		return http.StatusUnauthorized
	case CodeForbidden:
		return http.StatusForbidden
	case CodeServiceUnavailable:
		return http.StatusServiceUnavailable
	case CodeRateLimited:
		return http.StatusTooManyRequests
	case CodeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	default:
		return 0
	}
}

// answer is a response on its way out.
type answer struct {
	errors     gqlerror.List
	data       json.RawMessage // nil: no data key
	extensions map[string]any
	status     int // where it is fixed whatever the media type, else 0
	header     http.Header
}

// answerOf turns an executed operation's response into an answer. No response means that the context ended.
func answerOf(ctx context.Context, resp *graphql.Response) answer {
	if resp == nil {
		return abandoned(ctx)
	}
	a := answer{errors: resp.Errors, data: resp.Data, extensions: resp.Extensions}
	if ctx.Err() != nil && !a.hasData() {
		return abandoned(ctx) // Whatever error the schema made of its statement being cancelled.
	}
	if status := a.firstStatus(); !a.hasData() && (status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests) {
		a.status = status // for both media types: proxies and clients act on it
		a.header = http.Header{"Retry-After": {strconv.Itoa(a.retryAfter())}}
	}
	if !a.hasData() && a.firstStatus() == http.StatusMethodNotAllowed {
		a.status = http.StatusMethodNotAllowed // the specification asks for it whatever the media type
		a.header = http.Header{"Allow": {http.MethodPost}}
	}
	return a
}

// abandoned is the answer to an operation that was given up: its client left or its time was over.
func abandoned(ctx context.Context) answer {
	status := http.StatusServiceUnavailable
	if errors.Is(ctx.Err(), context.Canceled) {
		status = statusClientGone
	}
	err := gqlerror.Errorf("The operation was given up.")
	if requestOf(ctx).named().Type == string(ast.Mutation) {
		err.Message += " The change may have happened: try again in a moment with the same idempotencyKey, or look first if it had none."
	}
	err.Extensions = map[string]any{"code": CodeServiceUnavailable}
	return answer{errors: gqlerror.List{err}, status: status}
}

// hasData reports whether the operation delivered anything.
func (a answer) hasData() bool { return len(a.data) > 0 && !bytes.Equal(a.data, []byte("null")) }

// firstStatus is the status of the first error whose code decides one, else 0.
func (a answer) firstStatus() int {
	for _, err := range a.errors {
		if status := refusalStatus(err.Extensions["code"]); status != 0 {
			return status
		}
	}
	return 0
}

// statusAs is the HTTP status for a media type (GraphQL over HTTP, section "Status Codes").
func (a answer) statusAs(as mediaType) int {
	switch {
	case a.status != 0:
		return a.status
	case as == mediaJSON || a.hasData():
		return http.StatusOK
	case a.firstStatus() != 0:
		return a.firstStatus()
	case a.data != nil: // executed, and a null came up to the root
		return http.StatusOK
	case len(a.errors) > 0 && a.errors[0].Extensions["code"] == CodeInternal:
		return http.StatusInternalServerError
	default:
		return http.StatusBadRequest
	}
}

// retryAfter is the first retryAfter extension, in seconds, at least 1.
func (a answer) retryAfter() int {
	for _, err := range a.errors {
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

// maxPooledBytes is the longest buffer kept for the next answer: a rare long one must not stay.
const maxPooledBytes = 64 << 10

// bodies keeps the buffers that answers are written into.
var bodies = sync.Pool{New: func() any { return &bytes.Buffer{} }} //nolint:gochecknoglobals // A pool's life is the process's.

// write sends the answer. What a.header says wins: an answer that may be kept brings its own
// Cache-Control and ETag.
func (a answer) write(w http.ResponseWriter, as mediaType) {
	body := bodies.Get().(*bytes.Buffer) //nolint:forcetypeassert,errcheck // The pool holds nothing else.
	defer func() {
		if body.Cap() <= maxPooledBytes {
			body.Reset()
			bodies.Put(body)
		}
	}()
	dataAt, err := a.encode(body)
	if err != nil { // an extension that JSON can't hold: a bug of the schema's
		a = answer{errors: gqlerror.List{internalError()}, status: http.StatusInternalServerError}
		body.Reset()
		dataAt, _ = a.encode(body)
	}
	long := a.longData()
	header := w.Header()
	header["Content-Type"] = as.contentType()
	header["Content-Length"] = []string{strconv.Itoa(body.Len() + len(long))}
	header["Cache-Control"] = []string{"no-store"}
	header.Add("Vary", "Accept")
	for name, values := range a.header {
		header[name] = values
	}
	w.WriteHeader(a.statusAs(as))
	// The client may be gone, and there is nobody else to tell.
	if long == nil {
		_, _ = w.Write(body.Bytes())
		return
	}
	for _, part := range [...][]byte{body.Bytes()[:dataAt], long, body.Bytes()[dataAt:]} {
		_, _ = w.Write(part)
	}
}

// longData is the data if it is too long to be copied into the buffer of the rest.
func (a answer) longData() []byte {
	if len(a.data) <= maxPooledBytes {
		return nil
	}
	return a.data
}

// encode writes the response as JSON: errors first, so that readers see them, then data as the executor
// encoded it, without a second pass. Long data is left out, and the result is where it belongs.
func (a answer) encode(buf *bytes.Buffer) (int, error) {
	data, dataAt := a.data, 0
	if a.longData() != nil {
		data = nil
	}
	buf.Grow(len(data) + 64)
	separator := byte('{')
	member := func(name string, value any) error {
		encoded, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("encoding %s: %w", name, err)
		}
		writeMember(buf, separator, name, encoded)
		separator = ','
		return nil
	}
	if len(a.errors) > 0 {
		if err := member("errors", a.errors); err != nil {
			return 0, err
		}
	}
	if a.data != nil {
		writeMember(buf, separator, "data", data)
		dataAt, separator = buf.Len(), ','
	}
	if len(a.extensions) > 0 {
		if err := member("extensions", a.extensions); err != nil {
			return 0, err
		}
	}
	if separator == '{' {
		buf.WriteByte('{')
	}
	buf.WriteByte('}')
	return dataAt, nil
}

// writeMember writes one member of the response's object.
func writeMember(buf *bytes.Buffer, separator byte, name string, value []byte) {
	buf.WriteByte(separator)
	buf.WriteByte('"')
	buf.WriteString(name)
	buf.WriteString(`":`)
	buf.Write(value)
}

// internalError is shown where even the presenter could not be asked.
func internalError() *gqlerror.Error {
	err := gqlerror.Errorf("Internal error")
	err.Extensions = map[string]any{"code": CodeInternal}
	return err
}
