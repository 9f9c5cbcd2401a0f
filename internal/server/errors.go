package server

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// Values of extensions.code in the HTTP face's own answers.
const (
	codeNotFound         = "NOT_FOUND"
	codeMethodNotAllowed = "METHOD_NOT_ALLOWED"
	codeInternal         = "INTERNAL"
	codeCSRFRefused      = "CSRF_REFUSED"
)

// writeError answers as a GraphQL server does, so that clients read any answer of ours the same way.
func writeError(w http.ResponseWriter, status int, message string, extensions map[string]any) {
	type failure struct {
		Message    string         `json:"message"`
		Extensions map[string]any `json:"extensions"`
	}
	body, err := json.Marshal(map[string][]failure{"errors": {{message, extensions}}})
	if err != nil { // the extensions are texts
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}

func writeInternal(w http.ResponseWriter, requestID string) {
	message := "Something went wrong on our side. Quote request " + requestID + " when you report it."
	writeError(w, http.StatusInternalServerError, message, map[string]any{"code": codeInternal, "requestId": requestID})
}

// notFound answers every path that is none.
func notFound(w http.ResponseWriter, _ *http.Request) {
	writeError(w, http.StatusNotFound, "There is nothing here. The API is at POST "+graphqlPath+".", map[string]any{"code": codeNotFound})
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
		writeError(w, http.StatusMethodNotAllowed, "Use "+strings.Join(methods, " or ")+".", map[string]any{"code": codeMethodNotAllowed})
	})
}
