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
	// preflightMaxAge is how long browsers may remember a preflight's answer. Chromium caps it at two hours.
	preflightMaxAge = 2 * time.Hour
	// maxRequestedHeaders is how long the list of headers may be that a preflight asks for, in bytes. Tools for tracing
	// and GraphQL clients together come to some hundreds.
	maxRequestedHeaders = 4 << 10

	headerOrigin           = "Origin"
	headerRequestedMethod  = "Access-Control-Request-Method"
	headerRequestedHeaders = "Access-Control-Request-Headers"
)

// withCORS lets browsers on the configured origins call the server with their cookies. It stands outermost,
// so that errors and panics carry its headers too: without them a browser hides what went wrong.
//
// An allowed origin may send any request header, because tools for tracing and monitoring add their own. Preflights that
// are refused are logged.
func withCORS(origins config.Origins, refusals *refusalLog) middleware {
	rules := corsRules{origins: origins}
	handler := cors.New(cors.Options{
		AllowOriginVaryRequestFunc: func(r *http.Request, _ string) (bool, []string) {
			reason, _ := rules.refusal(r)
			return reason == "", nil
		},
		AllowedMethods:   corsMethods(),
		AllowedHeaders:   []string{"*"}, // The answer names those that the browser asked for.
		ExposedHeaders:   []string{headerRequestID, "Retry-After", "ETag"},
		AllowCredentials: true,
		MaxAge:           int(preflightMaxAge.Seconds()),
	})
	return func(next http.Handler) http.Handler {
		next = handler.Handler(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isPreflight(r) {
				if reason, cure := rules.refusal(r); reason != "" {
					logPreflight(refusals, r, reason, cure)
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// corsMethods are the methods that pages of other origins may use.
func corsMethods() []string { return []string{http.MethodGet, http.MethodHead, http.MethodPost} }

// isPreflight reports whether a browser asks whether a page may send a request.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get(headerRequestedMethod) != ""
}

// corsRules decide which requests of other origins' pages get CORS headers.
type corsRules struct{ origins config.Origins }

// refusal returns the reason why r gets no CORS headers, and the cure; "" if it gets them. The reasons are few, since the
// log counts by them.
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

// requestedHeaders is the length of the list of headers that a preflight asks for. Some gateways split it into lines.
func requestedHeaders(r *http.Request) int {
	length := 0
	for _, line := range r.Header.Values(headerRequestedHeaders) {
		length += len(line)
	}
	return length
}

// logPreflight writes a line for a refused preflight.
func logPreflight(refusals *refusalLog, r *http.Request, reason, cure string) {
	refusals.write(r.Context(), reason,
		slog.String("origin", shorten(strings.Join(r.Header.Values(headerOrigin), ", "))),
		slog.String("method", shorten(r.Header.Get(headerRequestedMethod))),
		slog.String("headers", shorten(strings.Join(r.Header.Values(headerRequestedHeaders), ", "))),
		slog.String("cure", cure))
}

// refuseRepeated answers requests with 400 that repeat a header by which something is decided here, that of API keys
// included: one part could decide by the first and another by the second. No browser sends such a request.
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
