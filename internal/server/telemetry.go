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

// sessionOK is the outcome of a session that is good. The others are betterauth's reasons.
const sessionOK = "ok"

// routeOf is the pattern that answers a request, empty for none: a path is a stranger's text.
func routeOf(r *http.Request) string {
	switch path := r.URL.Path; {
	case path == "/" || path == graphqlPath || path == healthPath || path == hookPath:
		return path
	case strings.HasPrefix(path, authPath):
		return authPath
	case strings.HasPrefix(path, playgroundPath):
		return playgroundPath
	default:
		return ""
	}
}

// isProbe reports whether a platform asks for the health: its spans would drown the rest.
func isProbe(r *http.Request) bool { return r.URL.Path == healthPath }

// measured are the operations' middlewares, those that measure outermost.
func measured(t *telemetry.Telemetry, within ...graphql.OperationMiddleware) []graphql.OperationMiddleware {
	if t == nil {
		return within
	}
	return append([]graphql.OperationMiddleware{t.Operations(signedIn)}, within...)
}

// answered returns what notes an answer's errors for the access log, and counts them if anything is measured.
func answered(t *telemetry.Telemetry) func(context.Context, graphqlhttp.Summary) {
	return func(ctx context.Context, sum graphqlhttp.Summary) {
		trace := traceOf(ctx)
		for _, code := range sum.Codes {
			trace.failed(code)
		}
		if trace.operationType == "" { // It was refused before it ran.
			trace.operationName, trace.operationType = sum.Operation.Name, sum.Operation.Type
		}
		if t != nil {
			t.Answered(ctx, sum.Codes, sum.Cost)
		}
	}
}

type authenticate = func(context.Context, http.Header) (*betterauth.Session, error)

// countSessions counts what becomes of sessions.
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

// measureSessions sets betterauth's hooks, where anything is measured.
func measureSessions(t *telemetry.Telemetry, settings *betterauth.Config) {
	if t == nil {
		return
	}
	settings.WrapTransport = t.Transport
	settings.ObserveLookup = func(result betterauth.Lookup) { t.CacheLookup(string(result)) }
}
