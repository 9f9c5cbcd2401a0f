package server

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"strings"

	"taskql/internal/viewer"
)

const (
	headerRequestID = "X-Request-Id"
	// maxRequestID is the longest request id taken from outside, in bytes.
	maxRequestID = 128
)

// trace is what is learned of a request on its way in, for the layers within and for the access log on its way out. One
// value of the context serves all. It belongs to the request's own goroutine.
type trace struct {
	requestID string
	// address is the client's, for budgets; empty where nobody has asked.
	address string
	userID  string
	// impersonatedBy is the administrator who acts as that user, empty if nobody does.
	impersonatedBy string
	operationName  string
	operationType  string
	// errorCodes are the codes of the answer's errors, separated by commas.
	errorCodes string
}

// signedIn notes whose request it is.
func (t *trace) signedIn(v viewer.Viewer) { t.userID, t.impersonatedBy = v.UserID, v.ImpersonatorID }

// failed notes an error's code, once. There are few codes, and all are the server's own.
func (t *trace) failed(code string) {
	switch {
	case code == "" || slices.Contains(strings.Split(t.errorCodes, ","), code):
	case t.errorCodes == "":
		t.errorCodes = code
	default:
		t.errorCodes += "," + code
	}
}

type traceKey struct{}

// traceOf returns the request's trace; outside of a request, one that nobody reads.
func traceOf(ctx context.Context) *trace {
	if t, ok := ctx.Value(traceKey{}).(*trace); ok {
		return t
	}
	return &trace{}
}

// RequestID returns the id of the request that ctx belongs to, empty outside of one.
func RequestID(ctx context.Context) string { return traceOf(ctx).requestID }

// withRequestID gives each request an id and echoes it. An incoming X-Request-Id is kept where it is safe to
// print, so that a proxy's logs and ours can be joined.
func withRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(headerRequestID)
		if !isSaneRequestID(id) {
			id = rand.Text()
		}
		w.Header().Set(headerRequestID, id)
		ctx := context.WithValue(r.Context(), traceKey{}, &trace{requestID: id})
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// isSaneRequestID reports whether an id is 1 to 128 letters, digits, dots, underscores and hyphens.
func isSaneRequestID(id string) bool {
	const sane = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	return id != "" && len(id) <= maxRequestID && strings.Trim(id, sane) == ""
}
