package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rs/cors"

	"taskql/internal/config"
	"taskql/internal/graphqlhttp"
)

const (
	// preflightMaxAge is how long browsers may cache the answer to a preflight. Chromium allows two hours at most.
	preflightMaxAge = 2 * time.Hour
	// maxRequestedHeaders is the length in bytes of the longest list of headers that a preflight may ask for. Tracing tools
	// and GraphQL clients together ask for some hundred bytes.
	maxRequestedHeaders = 4 << 10

	headerOrigin           = "Origin"
	headerRequestedMethod  = "Access-Control-Request-Method"
	headerRequestedHeaders = "Access-Control-Request-Headers"
)

// withCORS lets pages of the configured origins call the server with their cookies. It is an outer middleware, so that errors
// have its headers too: without them a browser hides the error.
//
// An allowed origin may send any request header, because tools for tracing and monitoring add their own. withCORS logs
// refused preflights.
func withCORS(origins config.Origins, refusals *refusalLog) middleware {
	rules := corsRules{origins: origins}
	handler := cors.New(cors.Options{
		AllowOriginVaryRequestFunc: func(r *http.Request, _ string) (bool, []string) {
			reason, _ := rules.refusal(r)
			return reason == "", nil
		},
		AllowedMethods:   corsMethods(),
		AllowedHeaders:   []string{"*"}, // The answer lists those that the browser asked for.
		ExposedHeaders:   []string{headerRequestID, "Retry-After", "ETag"},
		AllowCredentials: true,
		MaxAge:           int(preflightMaxAge.Seconds()),
	})
	return func(next http.Handler) http.Handler {
		next = handler.Handler(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isPreflight(r) {
				if reason, fix := rules.refusal(r); reason != "" {
					logPreflight(refusals, r, reason, fix)
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// corsMethods returns the methods that pages of other origins may use.
func corsMethods() []string { return []string{http.MethodGet, http.MethodHead, http.MethodPost} }

// isPreflight reports whether r is a browser's CORS preflight.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get(headerRequestedMethod) != ""
}

// corsRules decide which requests of other origins' pages get CORS headers.
type corsRules struct{ origins config.Origins }

// refusal returns why r gets no CORS headers, and what to do about it, or "" if it gets them. There are few reasons, because
// the log keeps a counter for each.
func (c corsRules) refusal(r *http.Request) (string, string) {
	origins := r.Header.Values(headerOrigin)
	switch {
	case len(origins) != 1:
		return "origin_not_single", "No browser sends this: find the program or proxy that repeats or drops the Origin header."
	case origins[0] == "null":
		return "origin_null", "Serve the page from a web server: a local file and a sandboxed frame have no origin."
	case !c.origins.Allows(origins[0]):
		return "origin_not_listed", "If it is your frontend, add its origin to CORS_ORIGINS and restart the server."
	case !isPreflight(r):
		return "", ""
	}
	methods := r.Header.Values(headerRequestedMethod)
	switch {
	case len(methods) != 1 || !slices.Contains(corsMethods(), methods[0]):
		return "method_not_allowed", "Send GraphQL by POST. " + strings.Join(corsMethods(), ", ") + " are allowed."
	case requestedHeaders(r) > maxRequestedHeaders:
		return "too_many_headers", fmt.Sprintf("Send fewer request headers: their names may have %d bytes together.", maxRequestedHeaders)
	default:
		return "", ""
	}
}

// requestedHeaders returns the length of the list of headers that a preflight asks for. Some gateways split it into several
// headers.
func requestedHeaders(r *http.Request) int {
	length := 0
	for _, line := range r.Header.Values(headerRequestedHeaders) {
		length += len(line)
	}
	return length
}

// logPreflight logs a refused preflight.
func logPreflight(refusals *refusalLog, r *http.Request, reason, fix string) {
	refusals.write(r.Context(), reason,
		slog.String("origin", truncate(strings.Join(r.Header.Values(headerOrigin), ", "))),
		slog.String("method", truncate(r.Header.Get(headerRequestedMethod))),
		slog.String("headers", truncate(strings.Join(r.Header.Values(headerRequestedHeaders), ", "))),
		slog.String("cure", fix))
}

// refuseRepeated answers a request with 400 if it repeats a header that matters for security, apiKeyHeader included: one part
// of the server could read the first and another part the second. No browser sends such a request.
func refuseRepeated(apiKeyHeader string) func(http.Handler) http.Handler {
	once := []string{
		headerOrigin, "Authorization", "Referer", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", http.CanonicalHeaderKey(apiKeyHeader),
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for _, name := range once {
				if len(r.Header[name]) > 1 {
					writeError(w, r, http.StatusBadRequest, graphqlhttp.CodeBadRequest, "The request has more than one "+name+" header: send it once.")
					return
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}
