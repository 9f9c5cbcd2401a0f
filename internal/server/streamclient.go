package server

import (
	"context"
	"net/http"
	"strings"
	"time"

	"taskql/internal/betterauth"
	"taskql/internal/live"
	"taskql/internal/viewer"
)

// minVerified is how long a session counts as verified at least. It is what remains if the auth server can't be reached and
// the cached session is used, which is older than the cache's answers are otherwise.
const minVerified = time.Second

// streamClient is who has opened a stream: a viewer, with the credentials by which the session is verified again while the
// stream lasts.
type streamClient struct {
	users       *authenticator
	credentials http.Header
	viewer      viewer.Viewer
	// context has the viewer, whose budget it is, and the request that opened the stream, for the log.
	context context.Context //nolint:containedctx // As above.
}

// withStreamSession returns a context in which streams can be opened. headers have the credentials of the session, and ctx has
// the viewer.
func (a *authenticator) withStreamSession(ctx context.Context, headers http.Header, session *betterauth.Session, v viewer.Viewer) context.Context {
	info := *infoOf(ctx)
	client := &streamClient{users: a, credentials: a.credentials(headers), viewer: v}
	client.context = viewer.NewContext(context.WithValue(context.Background(), requestInfoKey{}, &info), v)
	return live.WithSession(ctx, live.NewSession(client, a.verdict(session)))
}

// mayOpenStream reports whether a request may open a stream. It is cheap, and may be true for others.
func mayOpenStream(h http.Header) bool {
	if h["Upgrade"] != nil {
		return true
	}
	for _, accepted := range h["Accept"] {
		if strings.Contains(accepted, "event-stream") || strings.Contains(accepted, "multipart/") {
			return true
		}
	}
	return false
}

// verdict returns until when a session that was found valid needs no other check.
func (a *authenticator) verdict(session *betterauth.Session) live.Verdict {
	verdict := live.Verdict{State: live.Valid, Expires: session.ExpiresAt}
	if session.Scheme == betterauth.SchemeJWT { // It can't end before, and is not asked for.
		verdict.Until = session.ExpiresAt
		return verdict
	}
	verdict.Until = session.AsOf.Add(a.sessionTTL)
	if least := a.now().Add(minVerified); verdict.Until.Before(least) {
		verdict.Until = least
	}
	return verdict
}

// UserID implements live.Client, as do the methods that follow.
func (c *streamClient) UserID() string { return c.viewer.UserID }

// Verify returns live.Ended too if the viewer may do less or has moved to another time zone: the client has to connect again,
// since results depend on that.
func (c *streamClient) Verify(ctx context.Context) live.Verdict {
	session, v, refusal := c.authenticate(context.WithValue(ctx, requestInfoKey{}, infoOf(c.context)))
	switch {
	case refusal == nil && sameViewer(v, c.viewer):
		return c.users.verdict(session)
	case refusal != nil && refusal.Unavailable:
		return live.Verdict{State: live.Unknown, RetryAfter: refusal.RetryAfter}
	default:
		return live.Verdict{State: live.Ended}
	}
}

// authenticate returns the session and the viewer if it is still the same user's, or why not.
func (c *streamClient) authenticate(ctx context.Context) (*betterauth.Session, viewer.Viewer, *viewer.Refusal) {
	session, err := c.users.authenticate(ctx, c.credentials)
	v, refusal := c.users.resolveViewer(ctx, session, err)
	if refusal == nil && (v.UserID != c.viewer.UserID || v.WorkspaceID != c.viewer.WorkspaceID) {
		refusal = &viewer.Refusal{Message: messageSessionChanged}
	}
	return session, v, refusal
}

// messageSessionChanged is for clients whose credentials are another user's now, who has registered meanwhile.
const messageSessionChanged = "The session is another user's now: connect again."

// sameViewer reports whether two viewers get the same results.
func sameViewer(a, b viewer.Viewer) bool {
	zoneA, zoneB := a.Location.String(), b.Location.String()
	a.Location, b.Location = nil, nil
	return a == b && zoneA == zoneB
}

// Spend implements live.Client.
func (c *streamClient) Spend(cost int) time.Duration {
	if c.users.spend == nil {
		return 0
	}
	if cost > 0 {
		c.users.spend(c.context, cost, true)
	}
	if balance := c.users.spend(c.context, 0, false); !balance.OK {
		return max(balance.RetryAfter, time.Millisecond)
	}
	return 0
}

// verified returns the context of an operation over a connection that was opened before: with the viewer as of now if the session
// is still good, else with the reason why there is none. (A known session costs a look into the cache.)
func verified(ctx context.Context) context.Context {
	session := live.SessionOf(ctx)
	if session == nil {
		return ctx
	}
	client, ok := session.Client().(*streamClient)
	if !ok {
		return ctx
	}
	_, v, refusal := client.authenticate(ctx)
	if refusal != nil {
		return viewer.WithRefusal(ctx, refusal)
	}
	return viewer.NewContext(ctx, v)
}
