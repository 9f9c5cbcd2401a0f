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

// streamClient is who has opened a stream. Its memory counts: there may be many thousands.
type streamClient struct {
	users *authenticator
	// credentials are those by which the session is verified again while the stream lasts. jwt is set instead if the session is a
	// JWT, which nobody can end before it expires.
	credentials credentials
	jwt         *betterauth.Session
	// context is the stream's, and has the viewer.
	context *streamContext
}

// credentials are the headers of credentials, in less memory.
type credentials []struct{ name, value string }

func newCredentials(header http.Header) credentials {
	var c credentials
	for name, values := range header {
		for _, value := range values {
			c = append(c, struct{ name, value string }{name, value})
		}
	}
	return c
}

func (c credentials) header() http.Header {
	header := http.Header{}
	for _, line := range c {
		header[line.name] = append(header[line.name], line.value)
	}
	return header
}

// withStreamSession returns a context in which streams can be opened. headers have the credentials of the session, and ctx has
// the viewer.
func (a *authenticator) withStreamSession(ctx context.Context, headers http.Header, session *betterauth.Session, v viewer.Viewer) context.Context {
	return live.WithSession(ctx, live.SessionOf(a.newStream(*infoOf(ctx), headers, session, v)))
}

// newStream returns the context of a stream that a viewer may open.
func (a *authenticator) newStream(info requestInfo, headers http.Header, session *betterauth.Session, v viewer.Viewer) *streamContext {
	client := &streamClient{users: a}
	if session.Scheme == betterauth.SchemeJWT {
		client.jwt = session
	} else {
		client.credentials = newCredentials(a.credentials(headers))
	}
	opened := live.NewSession(client, a.verdict(session))
	client.context = &streamContext{Context: live.WithSession(viewer.NewContext(context.Background(), v), opened), info: info}
	return client.context
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
func (c *streamClient) UserID() string { return c.viewer().UserID }

// viewer returns whose results and budget it is.
func (c *streamClient) viewer() viewer.Viewer {
	v, _ := viewer.FromContext(c.context) // It has one.
	return v
}

// Verify returns live.Ended too if the viewer may do less: the client has to connect again. If the viewer has another time zone,
// the stream's results are about that one from now on.
func (c *streamClient) Verify(ctx context.Context) live.Verdict {
	session, v, refusal := c.authenticate(context.WithValue(ctx, requestInfoKey{}, &c.context.info))
	switch {
	case refusal == nil && sameViewer(v, c.viewer()):
		verdict := c.users.verdict(session)
		verdict.Changed = c.context.setZone(v)
		return verdict
	case refusal != nil && refusal.Unavailable:
		return live.Verdict{State: live.Unknown, RetryAfter: refusal.RetryAfter}
	default:
		return live.Verdict{State: live.Ended}
	}
}

// authenticate returns the session and the viewer if it is still the same user's, or why not.
func (c *streamClient) authenticate(ctx context.Context) (*betterauth.Session, viewer.Viewer, *viewer.Refusal) {
	session, err := c.jwt, error(nil)
	switch {
	case session == nil:
		session, err = c.users.authenticate(ctx, c.credentials.header())
	case !c.users.now().Before(session.ExpiresAt):
		return nil, viewer.Viewer{}, &viewer.Refusal{Message: messageExpired}
	}
	v, refusal := c.users.resolveViewer(ctx, session, err)
	if is := c.viewer(); refusal == nil && (v.UserID != is.UserID || v.WorkspaceID != is.WorkspaceID) {
		refusal = &viewer.Refusal{Message: messageSessionChanged}
	}
	return session, v, refusal
}

const messageExpired = "The token has expired: connect again with a new one."

// messageSessionChanged is for clients whose credentials are another user's now, who has registered meanwhile.
const messageSessionChanged = "The session is another user's now: connect again."

// sameViewer reports whether two viewers may see and do the same. Their time zones may differ.
func sameViewer(a, b viewer.Viewer) bool {
	a.Location, b.Location = nil, nil
	return a == b
}

// reserveShare divides a user's budget to give the part that streams leave to requests: results that wait are only late, but
// a request that the budget is too small for is refused.
const reserveShare = 10

// Spend implements live.Client.
func (c *streamClient) Spend(cost int) time.Duration {
	if c.users.spend == nil {
		return 0
	}
	if cost > 0 {
		c.users.spend(c.context, cost, true)
	}
	balance := c.users.spend(c.context, 0, false)
	if missing := c.users.reserve - balance.Remaining; missing > 0 {
		return max(time.Duration(missing)*time.Minute/time.Duration(reserveShare*c.users.reserve), balance.RetryAfter, time.Millisecond)
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
