package server

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// The values of extensions.code in errors of the HTTP server itself.
const (
	codeNotFound         = "NOT_FOUND"
	codeMethodNotAllowed = "METHOD_NOT_ALLOWED"
	codeInternal         = "INTERNAL"
	codeCSRFRefused      = "CSRF_REFUSED"
)

// writeError sends an error in the form of a GraphQL response, so that clients can read all errors in the same way. It adds
// the code to the access log.
func writeError(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	err := &gqlerror.Error{Message: message, Extensions: map[string]any{"code": code}}
	if code == codeInternal {
		err.Extensions["requestId"] = RequestID(r.Context())
	}
	sendError(w, r, status, err)
}

// sendError is writeError for an error that has been made already. Its extension retryAfter, in seconds, becomes the header
// Retry-After. The extensions must be strings and numbers.
func sendError(w http.ResponseWriter, r *http.Request, status int, err *gqlerror.Error) {
	code, _ := err.Extensions["code"].(string)
	infoOf(r.Context()).addErrorCode(code)
	if seconds, ok := err.Extensions["retryAfter"].(int); ok {
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
	}
	body, _ := json.Marshal(map[string]gqlerror.List{"errors": {err}}) //nolint:errchkjson // As said above.
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // The client may be gone.
}

// writeInternal sends the error of a bug.
func writeInternal(w http.ResponseWriter, r *http.Request) {
	message := "Something went wrong on our side. Quote request " + RequestID(r.Context()) + " when you report it."
	writeError(w, r, http.StatusInternalServerError, codeInternal, message)
}

// notFound answers unknown paths.
func notFound(w http.ResponseWriter, r *http.Request) {
	writeError(w, r, http.StatusNotFound, codeNotFound, "There is nothing here. The API is at POST "+graphqlPath+".")
}

// allowMethods calls next for the methods, and answers others with 405.
func allowMethods(next http.Handler, methods ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, method := range methods {
			if r.Method == method {
				next.ServeHTTP(w, r)
				return
			}
		}
		w.Header().Set("Allow", strings.Join(methods, ", "))
		writeError(w, r, http.StatusMethodNotAllowed, codeMethodNotAllowed, "Use "+strings.Join(methods, " or ")+".")
	})
}
