package server

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"taskql/internal/betterauth"
	"taskql/internal/graphqlhttp"
	"taskql/internal/telemetry"
)

// sessionOK is the outcome of a valid session. The others are betterauth's reasons.
const sessionOK = "ok"

// routeOf returns the route of a request, or "" if there is none. The path itself would let clients choose metric labels.
func routeOf(r *http.Request) string {
	switch path := r.URL.Path; {
	case path == "/" || path == graphqlPath || path == ticketPath || path == healthPath || path == hookPath:
		return path
	case strings.HasPrefix(path, authPath):
		return authPath
	case strings.HasPrefix(path, playgroundPath):
		return playgroundPath
	default:
		return ""
	}
}

// isProbe reports whether r is a health probe, whose spans would hide the others.
func isProbe(r *http.Request) bool { return r.URL.Path == healthPath }

// recordStatus returns w as a writer that records the status, and a function that returns it.
func recordStatus(w http.ResponseWriter) (http.ResponseWriter, func() int) {
	response := wrapWriter(w)
	return response, func() int { return response.status }
}

// withTelemetry returns the operations' middlewares, with the one that measures first.
func withTelemetry(t *telemetry.Telemetry, middlewares ...graphql.OperationMiddleware) []graphql.OperationMiddleware {
	if t == nil {
		return middlewares
	}
	return append([]graphql.OperationMiddleware{t.Operations(signedIn)}, middlewares...)
}

// recordAnswer returns a function that adds an answer's errors to the access log, and to the metrics unless t is nil.
func recordAnswer(t *telemetry.Telemetry) func(context.Context, graphqlhttp.Summary) {
	return func(ctx context.Context, sum graphqlhttp.Summary) {
		info := infoOf(ctx)
		for _, code := range sum.Codes {
			info.addErrorCode(code)
		}
		if info.operationType == "" { // The operation was refused before it ran.
			info.operationName, info.operationType = sum.Operation.Name, sum.Operation.Type
		}
		if t != nil {
			t.Answered(ctx, sum.Codes, sum.Cost)
		}
	}
}

type authenticate = func(context.Context, http.Header) (*betterauth.Session, error)

// countSessions counts the outcomes of next.
func countSessions(t *telemetry.Telemetry, next authenticate) authenticate {
	if t == nil {
		return next
	}
	return func(ctx context.Context, h http.Header) (*betterauth.Session, error) {
		session, err := next(ctx, h)
		var refusal *betterauth.Refusal
		switch {
		case err == nil:
			t.Session(ctx, sessionOK, session.Scheme)
		case errors.As(err, &refusal):
			t.Session(ctx, string(refusal.Reason), refusal.Scheme)
		}
		return session, err
	}
}

// measureSessions sets the fields of settings that measure, unless t is nil.
func measureSessions(t *telemetry.Telemetry, settings *betterauth.Config) {
	if t == nil {
		return
	}
	settings.WrapTransport = t.Transport
	settings.ObserveLookup = func(result betterauth.Lookup) { t.CacheLookup(string(result)) }
}
