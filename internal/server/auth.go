package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"taskql/internal/account"
	"taskql/internal/betterauth"
	"taskql/internal/viewer"
)

// identify finds out who sends a request. The session is the auth server's word, the viewer is the user's
// row made of it.
type identify struct {
	authenticate func(context.Context, http.Header) (*betterauth.Session, error)
	viewer       func(context.Context, *betterauth.Session) (viewer.Viewer, error)
	csrf         csrf
	refusals     *refusalLog
	log          *slog.Logger
}

// around puts the viewer, or why there is none, into the request's context: what may be done without a viewer is the
// API's decision. It answers only if a page of a foreign site uses somebody's cookie.
//
// The request's context has no deadline here: betterauth and account bound what they do themselves, and the operation's
// time starts when the body has been read.
func (i *identify) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		session, err := i.authenticate(ctx, r.Header)
		if err == nil && session.Scheme == betterauth.SchemeCookie && i.csrf.refuses(r) {
			message, cure := explainCSRF(r)
			i.foreign(r, session, cure)
			writeError(w, r, http.StatusForbidden, codeCSRFRefused, message+" "+cure)
			return
		}
		v, refusal := i.who(ctx, session, err)
		if refusal != nil {
			ctx = viewer.WithRefusal(ctx, refusal)
		} else {
			traceOf(ctx).signedIn(v)
			ctx = viewer.NewContext(ctx, v)
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// who returns the viewer of a session, else the refusal. Exactly one counts.
func (i *identify) who(ctx context.Context, session *betterauth.Session, err error) (viewer.Viewer, *viewer.Refusal) {
	if err != nil {
		return viewer.Viewer{}, i.refused(ctx, err)
	}
	v, err := i.viewer(ctx, session)
	switch {
	case errors.Is(err, account.ErrNotFound):
		reason := string(betterauth.ReasonUserNotFound)
		if errors.Is(err, account.ErrErased) {
			reason = reasonUserErased
		}
		i.refusals.write(ctx, reason,
			slog.String("scheme", session.Scheme), slog.String("token_hash", session.TokenHash), slog.String("user_id", shorten(session.UserID)))
		return viewer.Viewer{}, &viewer.Refusal{Message: messageUserNotFound}
	case err != nil:
		return viewer.Viewer{}, i.unknown(ctx, err)
	}
	return v, nil
}

// refused logs why a session was not accepted and says it in the viewer's words.
func (i *identify) refused(ctx context.Context, err error) *viewer.Refusal {
	var refusal *betterauth.Refusal
	if !errors.As(err, &refusal) {
		return i.unknown(ctx, err)
	}
	if refusal.Unavailable && errors.Is(ctx.Err(), context.Canceled) { // the client left; the auth server is not at fault
		return i.unknown(ctx, err)
	}
	var attrs []slog.Attr
	for _, a := range [...]slog.Attr{
		slog.String("scheme", refusal.Scheme), slog.String("cookie", refusal.Cookie), slog.String("token_hash", refusal.TokenHash),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	if refusal.Err != nil {
		attrs = append(attrs, slog.String("error", refusal.Err.Error()))
	}
	i.refusals.write(ctx, string(refusal.Reason), attrs...)
	return &viewer.Refusal{
		Message: refusal.Message, Unavailable: refusal.Unavailable, RateLimited: refusal.RateLimited, RetryAfter: refusal.RetryAfter,
	}
}

// foreign logs a request of a page that may not use the cookie.
func (i *identify) foreign(r *http.Request, session *betterauth.Session, cure string) {
	i.refusals.write(r.Context(), reasonCSRF,
		slog.String("scheme", session.Scheme),
		slog.String("token_hash", session.TokenHash),
		slog.String("user_id", shorten(session.UserID)),
		slog.String("origin", shorten(r.Header.Get("Origin"))),
		slog.String("sec_fetch_site", shorten(r.Header.Get("Sec-Fetch-Site"))),
		slog.String("cure", cure))
}

// unknown is the refusal where the session is good but its user could not be looked up. That is no fault of
// the user's, so it must not read as signed out.
func (i *identify) unknown(ctx context.Context, err error) *viewer.Refusal {
	level := slog.LevelError
	if errors.Is(ctx.Err(), context.Canceled) { // the client left
		level = slog.LevelDebug
	}
	i.log.LogAttrs(ctx, level, "the user could not be looked up",
		slog.String("error", err.Error()), slog.String("request_id", RequestID(ctx)))
	return &viewer.Refusal{Message: "Your session can't be checked just now: try again in a moment.", Unavailable: true}
}
