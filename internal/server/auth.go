package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"taskql/internal/account"
	"taskql/internal/betterauth"
	"taskql/internal/graphqlhttp"
	"taskql/internal/viewer"
)

// authenticator finds the viewer of each request: the auth server knows the session, and the account makes a viewer of it.
type authenticator struct {
	authenticate func(context.Context, http.Header) (*betterauth.Session, error)
	viewer       func(context.Context, *betterauth.Session) (viewer.Viewer, error)
	// organizations is nil if they are off.
	organizations *organizations
	csrf          csrf
	refusals      *refusalLog
	log           *slog.Logger

	// What follows is for streams (streamclient.go). credentials returns what authenticate reads of a request's headers.
	credentials func(http.Header) http.Header
	// sessionTTL is how long an answer of the auth server counts.
	sessionTTL time.Duration
	spend      graphqlhttp.Spend // nil: there are no budgets
	// reserve is what streams leave of a user's budget.
	reserve int
	now     func() time.Time
	tickets tickets
}

// middleware puts the viewer into the request's context, or the reason why there is none. What may be done without a viewer
// is the API's decision. The middleware itself refuses only requests of another site's page that use the session cookie, and
// those with a ticket that is not good.
//
// A ticket in the URL is the only credential that counts, whatever cookies and headers there are. It needs no check against
// cross-site requests, because a browser never adds one by itself.
//
// The request's context has no deadline here. betterauth and account limit their own work, and an operation's time starts
// when the body has been read.
func (a *authenticator) middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, credentials := r.Context(), r.Header
		ticket, r, problem := takeTicket(r)
		if problem != "" {
			writeError(w, r, http.StatusBadRequest, graphqlhttp.CodeBadRequest, problem)
			return
		}
		if ticket != "" {
			var refusal *viewer.Refusal
			if credentials, refusal = a.redeem(ctx, ticket); refusal != nil {
				writeRefusal(w, r, refusal)
				return
			}
		}
		session, err := a.authenticate(ctx, credentials)
		if err == nil && ticket == "" && session.Scheme == betterauth.SchemeCookie && a.csrf.refuses(r) {
			message, fix := explainCSRF(r)
			a.logCrossSite(r, session, fix)
			writeError(w, r, http.StatusForbidden, codeCSRFRefused, message+" "+fix)
			return
		}
		v, refusal := a.resolveViewer(ctx, session, err)
		switch {
		case refusal != nil && ticket != "":
			writeRefusal(w, r, refusal)
			return
		case refusal != nil:
			ctx = viewer.WithRefusal(ctx, refusal)
		default:
			infoOf(ctx).setViewer(v)
			ctx = a.withMemberships(viewer.NewContext(ctx, v), credentials, session)
			if mayOpenStream(r.Header) {
				ctx = a.withStreamSession(ctx, credentials, session, v)
			}
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// resolveViewer returns the viewer of a session, or the refusal for err. The refusal is nil if there is a viewer.
func (a *authenticator) resolveViewer(ctx context.Context, session *betterauth.Session, err error) (viewer.Viewer, *viewer.Refusal) {
	if err != nil {
		return viewer.Viewer{}, a.refuse(ctx, err)
	}
	v, err := a.viewer(ctx, session)
	switch {
	case errors.Is(err, account.ErrNotFound):
		reason := string(betterauth.ReasonUserNotFound)
		if errors.Is(err, account.ErrErased) {
			reason = reasonUserErased
		}
		a.refusals.write(ctx, reason,
			slog.String("scheme", session.Scheme), slog.String("token_hash", session.TokenHash), slog.String("user_id", truncate(session.UserID)))
		return viewer.Viewer{}, &viewer.Refusal{Message: messageUserNotFound}
	case err != nil:
		return viewer.Viewer{}, a.lookupFailed(ctx, err)
	}
	return v, nil
}

// refuse logs why a session was not accepted, and returns the refusal for the client.
func (a *authenticator) refuse(ctx context.Context, err error) *viewer.Refusal {
	var refusal *betterauth.Refusal
	if !errors.As(err, &refusal) {
		return a.lookupFailed(ctx, err)
	}
	if refusal.Unavailable && errors.Is(ctx.Err(), context.Canceled) { // The client left; the auth server may be well.
		return a.lookupFailed(ctx, err)
	}
	var attrs []slog.Attr
	for _, attr := range [...]slog.Attr{
		slog.String("scheme", refusal.Scheme), slog.String("cookie", refusal.Cookie), slog.String("token_hash", refusal.TokenHash),
	} {
		if attr.Value.String() != "" {
			attrs = append(attrs, attr)
		}
	}
	if refusal.Err != nil {
		attrs = append(attrs, slog.String("error", refusal.Err.Error()))
	}
	a.refusals.write(ctx, string(refusal.Reason), attrs...)
	return &viewer.Refusal{
		Message: refusal.Message, Unavailable: refusal.Unavailable, RateLimited: refusal.RateLimited, RetryAfter: refusal.RetryAfter,
	}
}

// logCrossSite logs a request of a page that may not use the session cookie.
func (a *authenticator) logCrossSite(r *http.Request, session *betterauth.Session, fix string) {
	a.refusals.write(r.Context(), reasonCSRF,
		slog.String("scheme", session.Scheme),
		slog.String("token_hash", session.TokenHash),
		slog.String("user_id", truncate(session.UserID)),
		slog.String("origin", truncate(r.Header.Get("Origin"))),
		slog.String("sec_fetch_site", truncate(r.Header.Get("Sec-Fetch-Site"))),
		slog.String("cure", fix))
}

// lookupFailed logs that the session or its user could not be looked up. The refusal must not read as signed out, since the
// session may be good.
func (a *authenticator) lookupFailed(ctx context.Context, err error) *viewer.Refusal {
	a.log.LogAttrs(ctx, failureLevel(ctx), "the user could not be looked up",
		slog.String("error", err.Error()), slog.String("request_id", RequestID(ctx)))
	return &viewer.Refusal{Message: "Your session can't be checked just now: try again in a moment.", Unavailable: true}
}

// failureLevel returns the level at which a failure is logged, which may be the client's having left.
func failureLevel(ctx context.Context) slog.Level {
	if errors.Is(ctx.Err(), context.Canceled) {
		return slog.LevelDebug
	}
	return slog.LevelError
}
