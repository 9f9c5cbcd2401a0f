// Package betterauth authenticates requests by the sessions of a Better Auth server. It implements the receiving side
// of Better Auth 1.7's protocol and imports none of our packages.
//
// Authenticate takes these steps, in Better Auth's order of precedence:
//
//  1. API key (apikey.go), if Config.APIKeyHeader is set and the request has that header. A key that the auth server
//     doesn't know is ignored if the request has other credentials.
//  2. Bearer token (bearer.go). A JWT is verified with the auth server's published keys (jwt.go, jwks.go, issuer.go),
//     without asking for the session. An invalid JWT or signature is ignored if the request has a good cookie. A raw
//     session token can't be verified here.
//  3. Session cookie (cookie.go). The signature must be valid (signature.go), so a forged cookie never costs a request
//     to the auth server.
//  4. The session of the API key, token or cookie is looked up (lookup.go): in the cache of sessions and recent refusals
//     (cache.go), then in the signed session_data cookie if it is trusted (sessiondata.go), and last at the auth
//     server.
//
// Concurrent requests for one session share one request to the auth server. How many requests for possibly made-up tokens and for failing sessions run at once is limited (slots.go).
// organization.go finds a user's organizations and roles in the same way.
//
// client.go sends the request, endpoint.go reads the response, and health.go decides whether the auth server is down or
// fails for one session only; while it is down, sessions from the cache remain valid for Config.StaleTTL.
//
// A session that the auth server returns is checked by sessionResponse.refusalReason (sessionresponse.go). refusal.go
// lists all reasons of refusals.
package betterauth

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// The ways in which a request can authenticate.
const (
	SchemeCookie = "cookie"
	SchemeBearer = "bearer"
	SchemeJWT    = "jwt"
	SchemeAPIKey = "api_key"
)

// Session is an authenticated session. It may be shared by several requests and must not be modified.
type Session struct {
	// ID is the session's own id, which is neither the token nor a secret. It is empty for a JWT.
	ID string
	// UserID is the auth server's id of the user: opaque text, which must not be parsed.
	UserID string
	// ExpiresAt is when the session ends unless the auth server extends it. It is zero for an API key without an end,
	// and if customSession leaves it out.
	ExpiresAt time.Time
	// CreatedAt and UpdatedAt are zero if the auth server leaves them out.
	CreatedAt, UpdatedAt time.Time
	// ImpersonatedBy is the id of the administrator who acts as the user (Better Auth's admin plugin), at most
	// maxImpersonator bytes of it. It is empty if nobody does.
	ImpersonatedBy string
	// User is the session's user; User.ID equals UserID.
	User User
	// AsOf is a time at which the session was valid and the user's data current. For a JWT it may be minutes ago.
	AsOf time.Time
	// Permissions are those of an API key. It is nil for other sessions, and for a key without permissions.
	Permissions Permissions
	// Roles are the user's roles by organization, from a JWT's claim "orgs". It is nil for other sessions, whose roles the
	// auth server is asked for; see Role.
	Roles map[string]string
	// Scheme is how the request authenticated: SchemeCookie, SchemeBearer, SchemeJWT or SchemeAPIKey. Only cookies are
	// sent by browsers without the page's help. For a request with several credentials it names the one that was used.
	Scheme string
	// TokenHash is a short hash of the token, for the log. It equals Refusal.TokenHash of the same token.
	TokenHash string
}

// User is the auth server's user. CreatedAt and UpdatedAt are zero if the auth server leaves them out. Image is nil if
// there is none or it is longer than 64 kB. Name is truncated to 1 kB. Email is empty if it is longer than that.
type User struct {
	ID, Name, Email      string
	EmailVerified        bool
	Image                *string
	CreatedAt, UpdatedAt time.Time
	// Missing are the fields that the auth server left out, as a JWT may. They are empty here, but may have a value
	// there.
	Missing ProfileFields
}

// Authenticate returns the session of a request with the headers h.
//
// The error is a *Refusal; use errors.As. If ctx ends first, it is a refusal that is Unavailable and wraps ctx's error.
func (a *Authenticator) Authenticate(ctx context.Context, h http.Header) (*Session, error) {
	session, refusal := a.authenticate(ctx, h)
	if refusal != nil {
		return nil, refusal
	}
	return session, nil
}

// authenticate authenticates by the API key, or by the other credentials if there is no key or it is ignored.
func (a *Authenticator) authenticate(ctx context.Context, h http.Header) (*Session, *Refusal) {
	key := a.apiKey(h)
	if key == "" {
		return a.authenticateUser(ctx, h)
	}
	session, keyRefusal := a.authenticateAPIKey(ctx, h, key)
	if keyRefusal == nil || !keyRefusal.isUnknownAPIKey() {
		// Any other refusal is final, because the cookie may belong to another user.
		return session, keyRefusal
	}
	// Unlike Better Auth, ignore an unknown key: gateways add keys of their own to requests.
	session, refusal := a.authenticateUser(ctx, h)
	if refusal != nil && refusal.Reason == ReasonNoCookie {
		return nil, keyRefusal
	}
	return session, refusal
}

// authenticateUser authenticates by the bearer token or the session cookie. A bearer token takes precedence, as at
// Better Auth: the cookie counts only if the token is invalid by itself. A raw token that turns out to be unknown is
// refused.
func (a *Authenticator) authenticateUser(ctx context.Context, h http.Header) (*Session, *Refusal) {
	b := a.bearer(h)
	switch b.kind {
	case bearerJWT:
		session, refusal := a.authenticateJWT(ctx, b.token)
		// If the JWT can't be verified at the moment, the cookie doesn't count: it may belong to another user.
		if refusal == nil || refusal.Unavailable && !errors.Is(refusal.Err, errNoKeys) {
			return session, refusal
		}
		return a.authenticateCookie(ctx, h, refusal)
	case bearerInvalid:
		return a.authenticateCookie(ctx, h, refuseToken(b.reason).withCredential(SchemeBearer, "", b.token))
	case bearerNone:
		return a.authenticateCookie(ctx, h, nil)
	case bearerRaw, bearerSigned:
	}
	// The auth server decides whether the token or the cookie counts, since it may not accept bearer tokens.
	cookie, _ := a.cookie(h)
	return a.lookup(ctx, h, credentials{bearer: b, cookie: cookie})
}

// authenticateCookie authenticates by the session cookie. If there is no good one, it returns bearerRefusal, which is
// why the bearer token was refused, or the cookie's own refusal if bearerRefusal is nil.
func (a *Authenticator) authenticateCookie(ctx context.Context, h http.Header, bearerRefusal *Refusal) (*Session, *Refusal) {
	cookie, refusal := a.cookie(h)
	switch {
	case refusal != nil && bearerRefusal != nil:
		return nil, bearerRefusal
	case refusal != nil:
		return nil, refusal
	}
	session, refusal := a.lookup(ctx, h, credentials{cookie: cookie})
	if refusal == nil || refusal.Unavailable {
		return session, refusal
	}
	// A browser that has moved from https to http on one host still sends the old __Secure- cookie beside the current
	// one.
	if other, ok := a.otherCookie(h, cookie); ok {
		if session, otherRefusal := a.lookup(ctx, h, credentials{cookie: other}); otherRefusal == nil {
			return session, nil
		}
	}
	return nil, refusal
}
