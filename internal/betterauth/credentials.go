package betterauth

import (
	"crypto/sha256"
	"net/http"
)

// credentials are what the auth server is asked about: an API key alone, or a bearer token, a session cookie, or both.
type credentials struct {
	apiKey      string
	bearer      bearer
	cookie      sessionCookie
	sessionData string // the session_data to forward, for a stateless auth server
}

// cacheKey is the SHA-256 of credentials: tokens can't leak from the cache, because it contains none.
type cacheKey = [sha256.Size]byte

// newCacheKey returns the key of a list of texts.
func newCacheKey(parts ...string) cacheKey {
	var buffer [192]byte
	text := buffer[:0]
	for _, part := range parts {
		text = append(text, part...)
		text = append(text, 0)
	}
	return sha256.Sum256(text)
}

// cacheKey returns the cache key of the credentials. It depends on the cookie's name, because the auth server finds no
// session under the wrong name.
func (c credentials) cacheKey() cacheKey {
	if c.apiKey != "" {
		return newCacheKey(SchemeAPIKey, c.apiKey)
	}
	if c.bearer.kind == bearerNone {
		return newCacheKey(c.cookie.names.session, c.cookie.token, c.sessionData)
	}
	kind := "raw"
	if c.bearer.kind == bearerSigned {
		kind = "signed"
	}
	return newCacheKey(c.cookie.names.session, c.cookie.token, kind, c.bearer.token)
}

// mayBeMadeUp reports whether anybody can make up such credentials, because they have no signature.
func (c credentials) mayBeMadeUp() bool { return c.bearer.kind == bearerRaw || c.apiKey != "" }

// identify sets in a refusal which credentials were refused, and returns the refusal.
func (c credentials) identify(r *Refusal) *Refusal {
	switch {
	case c.apiKey != "":
		return r.withCredential(SchemeAPIKey, "", c.apiKey)
	case c.bearer.kind != bearerNone:
		return r.withCredential(SchemeBearer, "", c.bearer.token)
	default:
		return r.withCredential(SchemeCookie, c.cookie.names.session, c.cookie.token)
	}
}

// match returns which of the credentials a response is about, given its token, as the scheme and the credential's
// token. The auth server may ignore the bearer token and answer about the cookie. It returns "" if the response is
// about another session.
func (c credentials) match(token string) (string, string) {
	switch {
	case c.apiKey != "" && (token == c.apiKey || token == ""):
		return SchemeAPIKey, c.apiKey
	case c.bearer.kind != bearerNone && (token == c.bearer.token || token == "" && c.cookie.token == ""):
		return SchemeBearer, c.bearer.token
	case c.cookie.token != "" && (token == c.cookie.token || token == ""):
		return SchemeCookie, c.cookie.token
	default:
		return "", ""
	}
}

// requestHeader returns the headers of a request to the auth server about the credentials, the only part of the
// client's request that is forwarded. If there are a bearer token and a cookie, it contains both: the auth server
// decides which of them counts.
func (a *Authenticator) requestHeader(h http.Header, c credentials) http.Header {
	header := http.Header{}
	if c.apiKey != "" {
		header.Set(a.apiKeyHeader, c.apiKey)
	}
	if c.cookie.token != "" {
		header.Set("Cookie", a.cookieHeader(h, c.cookie, c.sessionData))
	}
	if c.bearer.kind != bearerNone {
		header.Set("Authorization", a.authorizationHeader(c.bearer))
	}
	return header
}
