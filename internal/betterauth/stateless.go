package betterauth

import (
	"context"
	"io"
	"net/http"
	"time"
)

// The queries of get-session. It must not extend the session, which is between the browser and the auth server. It must
// not answer from session_data, which remains valid after a sign-out, unless the auth server has no database. For
// Better Auth any value means true, even "false".
const (
	sessionQuery   = "?disableCookieCache=true&disableRefresh=true"
	statelessQuery = "?disableRefresh=true"
)

// forwardedSessionData returns the session_data to forward to the auth server. It is empty unless the auth server is
// stateless and there is valid session_data for the cookie. The auth server wouldn't accept an invalid one either.
func (a *Authenticator) forwardedSessionData(ctx context.Context, h http.Header, c credentials, now time.Time) string {
	if !a.stateless || c.cookie.token == "" || c.bearer.kind != bearerNone {
		return ""
	}
	return a.verifiedSessionData(ctx, h, c.cookie, now)
}

// verifiedSessionData returns the request's session_data, or "" if there is none that is valid and belongs to the
// cookie.
func (a *Authenticator) verifiedSessionData(ctx context.Context, h http.Header, c sessionCookie, now time.Time) string {
	text := readSessionDataCookie(h, c.names)
	if text == "" {
		return ""
	}
	if _, _, ok := a.openSessionData(ctx, text, c, now); !ok {
		return ""
	}
	return text
}

// needsSessionData reports whether the auth server knows the session only if its session_data is forwarded.
func (a *Authenticator) needsSessionData(ctx context.Context, h http.Header, c credentials) bool {
	if a.stateless {
		return false
	}
	c.sessionData = a.verifiedSessionData(ctx, h, c.cookie, a.now())
	if c.sessionData == "" {
		return false
	}
	known := false
	getSession := a.endpointAt(a.Address("get-session")+statelessQuery, maxSmallResponse)
	err := getSession.read(ctx, a.requestHeader(h, c), func(r io.Reader) error {
		body, err := decodeResponse(r)
		known = body.top != nil
		return err
	})
	return err == nil && known
}
