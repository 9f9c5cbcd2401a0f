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
	// maxRequestID is the longest request id accepted from a client, in bytes.
	maxRequestID = 128
)

// requestInfo collects what is known of a request, for the inner handlers and for the access log. It is one value of the
// context for all of them, and is used by the request's own goroutine only.
type requestInfo struct {
	requestID string
	// address is the client's, for budgets. It is empty until withClientAddress has run.
	address string
	userID  string
	// impersonatedBy is the administrator who acts as the user, or empty.
	impersonatedBy string
	operationName  string
	operationType  string
	// errorCodes are the codes of the answer's errors, separated by commas.
	errorCodes string
}

func (i *requestInfo) setViewer(v viewer.Viewer) {
	i.userID, i.impersonatedBy = v.UserID, v.ImpersonatorID
}

// addErrorCode adds a code, unless it is there already. The server has few codes, so that the text stays short.
func (i *requestInfo) addErrorCode(code string) {
	switch {
	case code == "" || slices.Contains(strings.Split(i.errorCodes, ","), code):
	case i.errorCodes == "":
		i.errorCodes = code
	default:
		i.errorCodes += "," + code
	}
}

type requestInfoKey struct{}

// infoOf returns the request's info. Outside of a request it returns an empty one that nobody reads.
func infoOf(ctx context.Context) *requestInfo {
	if i, ok := ctx.Value(requestInfoKey{}).(*requestInfo); ok {
		return i
	}
	return &requestInfo{}
}

// RequestID returns the id of the request that ctx belongs to, or "" outside of a request.
func RequestID(ctx context.Context) string { return infoOf(ctx).requestID }

// withRequestInfo gives each request a requestInfo with an id, and sends the id in the answer. It keeps an incoming
// X-Request-Id that is safe to print, so that a proxy's log can be joined with the server's.
func withRequestInfo(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(headerRequestID)
		if !isValidRequestID(id) {
			id = rand.Text()
		}
		w.Header().Set(headerRequestID, id)
		ctx := context.WithValue(r.Context(), requestInfoKey{}, &requestInfo{requestID: id})
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// isValidRequestID reports whether an id is 1 to 128 letters, digits, dots, underscores and hyphens.
func isValidRequestID(id string) bool {
	const valid = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	return id != "" && len(id) <= maxRequestID && strings.Trim(id, valid) == ""
}
