package server

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// Values of extensions.code in the HTTP server's own answers.
const (
	codeNotFound         = "NOT_FOUND"
	codeMethodNotAllowed = "METHOD_NOT_ALLOWED"
	codeInternal         = "INTERNAL"
	codeCSRFRefused      = "CSRF_REFUSED"
)

// writeError answers as a GraphQL server does, so that clients read any answer of ours the same way. The code goes into
// the access log as well.
func writeError(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	traceOf(r.Context()).failed(code)
	extensions := map[string]string{"code": code}
	if code == codeInternal {
		extensions["requestId"] = RequestID(r.Context())
	}
	type failure struct {
		Message    string            `json:"message"`
		Extensions map[string]string `json:"extensions"`
	}
	body, _ := json.Marshal(map[string][]failure{"errors": {{message, extensions}}}) // Texts can always be encoded.
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}

func writeInternal(w http.ResponseWriter, r *http.Request) {
	message := "Something went wrong on our side. Quote request " + RequestID(r.Context()) + " when you report it."
	writeError(w, r, http.StatusInternalServerError, codeInternal, message)
}

// notFound answers unknown paths.
func notFound(w http.ResponseWriter, r *http.Request) {
	writeError(w, r, http.StatusNotFound, codeNotFound, "There is nothing here. The API is at POST "+graphqlPath+".")
}

// only lets the methods through and answers the others 405.
func only(next http.Handler, methods ...string) http.Handler {
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
