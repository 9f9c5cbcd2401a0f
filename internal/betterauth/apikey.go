package betterauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// API keys are Better Auth's plugin @better-auth/api-key. At every endpoint it takes the key from a header before it
// looks at anything else, and counts the request against the key's own limits. With enableSessionForAPIKeys, get-session
// answers a session whose id is the key's and whose token is the key. Permissions are told by /api-key/get alone.

const (
	// maxAPIKey is the longest API key, in bytes. Better Auth makes 64 letters after a prefix of at most 32.
	maxAPIKey = 1 << 10
	// unknownKeyTTL is how long a key that the auth server doesn't know is ignored beside a cookie or a bearer token.
	// Gateways add keys of their own, and these requests shouldn't wait for the auth server.
	unknownKeyTTL = time.Minute
	// limitedKeyTTL is how long a key that has reached its own limit isn't asked about, unless its limit ends before.
	// Asking costs the key nothing then, and the limit may have been raised.
	limitedKeyTTL = time.Minute
	// maxTryAgain bounds what the auth server says about the end of a key's limit.
	maxTryAgain = 30 * 24 * time.Hour
)

// Better Auth's codes for refused keys.
const (
	codeInvalidKey     = "INVALID_API_KEY"
	codeKeyDisabled    = "KEY_DISABLED"
	codeKeyExpired     = "KEY_EXPIRED"
	codeUsageExceeded  = "USAGE_EXCEEDED"
	codeKeyRateLimited = "RATE_LIMITED"
	codeNoKeyUser      = "INVALID_REFERENCE_ID_FROM_API_KEY"
)

// errKeyIgnored is get-session's null for a key.
var errKeyIgnored = errors.New("the auth server takes no API keys from this header, or lacks enableSessionForAPIKeys")

// limit remembers that a key has reached its own limit. A known session of the key stays known.
func (c *cache) limit(key cacheKey, refusal Refusal, asked time.Time) {
	ttl := min(refusal.RetryAfter, limitedKeyTTL)
	c.remember(key, refusal, asked, ttl, ttl)
}

// unknownKey returns when the auth server was last asked about a key, if it didn't know that key then.
func (c *cache) unknownKey(key cacheKey) (time.Time, bool) {
	found, ok := c.refusals.GetIfPresent(key)
	return found.holds.from, ok && found.refusal.ignorable()
}

// isUnknown reports whether the auth server knows no such session or key: it may be made up.
func (r *Refusal) isUnknown() bool { return r.Reason == ReasonSessionNull || r.ignorable() }

// ignorable reports whether a key was refused as one that the auth server doesn't know. It may be none of its keys.
func (r *Refusal) ignorable() bool { return r.Reason == ReasonAPIKeyUnknown }

// apiKey returns what the API key's header holds, joined as Better Auth joins several lines of it.
func (a *Authenticator) apiKey(h http.Header) string {
	if a.apiKeyHeader == "" {
		return ""
	}
	return trim(strings.Join(h[a.apiKeyHeader], ", "))
}

// isAPIKey reports whether the text can be a key: visible ASCII characters.
func isAPIKey(text string) bool {
	return len(text) <= maxAPIKey && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// authenticateKey signs in by the request's API key if there is one, which comes before cookies and bearer tokens as at
// Better Auth. Unlike there, a key that the auth server doesn't know leaves them in force: it may be a gateway's. Other
// refusals don't, since the cookie might be another user's.
func (a *Authenticator) authenticateKey(ctx context.Context, h http.Header) (*Session, *Refusal) {
	key := a.apiKey(h)
	if key == "" {
		return a.authenticate(ctx, h)
	}
	session, refusal := a.keySession(ctx, h, key)
	if refusal == nil || !refusal.ignorable() {
		return session, refusal
	}
	session, other := a.authenticate(ctx, h)
	if other != nil && other.Reason == ReasonNoCookie {
		return nil, refusal
	}
	return session, other
}

// keySession finds the session of an API key.
func (a *Authenticator) keySession(ctx context.Context, h http.Header, text string) (*Session, *Refusal) {
	q := question{apiKey: text}
	if !isAPIKey(text) {
		return nil, q.about(refuse(ReasonAPIKeyUnknown))
	}
	asked, unknown := a.cache.unknownKey(q.key())
	recently := unknown && span{asked, asked.Add(unknownKeyTTL)}.holds(a.now())
	if recently && (len(h["Cookie"]) > 0 || len(h["Authorization"]) > 0) {
		a.observe(LookupRefused)
		return nil, q.about(refuse(ReasonAPIKeyUnknown))
	}
	session, refusal := a.lookUp(ctx, h, q)
	if unknown && refusal != nil && refusal.Unavailable {
		return nil, q.about(refuse(ReasonAPIKeyUnknown)) // Nobody makes a key of a text that was sent before.
	}
	return session, refusal
}

// getSession asks the auth server the question. For an API key, it asks for its permissions as well.
func (a *Authenticator) getSession(ctx context.Context, q question, header http.Header, again bool) (statement, *Refusal) {
	st, refusal := a.client.getSession(ctx, header, again)
	if q.apiKey == "" {
		return st, refusal
	}
	switch {
	case refusal == nil:
		st.key, refusal = a.readKey(ctx, header, st.session.ID)
		// For a key without an end, get-session names a moment that is only a thousandth of a session's life away: the plugin
		// takes seconds for milliseconds.
		st.session.ExpiresAt, st.session.Permissions = st.key.expiresAt, st.key.permissions
	case refusal.Reason == ReasonSessionNull:
		refusal = refuse(ReasonAPIKeyUnknown).because(errKeyIgnored)
	default:
		refusal = keyRefusal(refusal)
	}
	return st, refusal
}

// keyInfo is what /api-key/get says of a key, as far as it is of use.
type keyInfo struct {
	expiresAt time.Time // zero if never
	// permissions are nil if the key has none.
	permissions Permissions
	// limited, limit and window are the key's own rate limit; used says how much of it is used up.
	limited     bool
	limit, used int64
	window      time.Duration
	// remaining is how many requests the key may make in all, nil for any number.
	remaining *int64
}

// readKey asks for the key with that id. If the permissions can't be read, the key is refused: it might have been made to
// allow little.
func (a *Authenticator) readKey(ctx context.Context, header http.Header, id string) (keyInfo, *Refusal) {
	if wait := a.keyDetails.pause(); wait > 0 {
		return keyInfo{}, unavailable(errPaused, wait)
	}
	var info keyInfo
	address := a.keyDetails.url + "?" + url.Values{"id": {id}}.Encode()
	err := a.keyDetails.readAt(ctx, address, header, func(r io.Reader) error {
		body, err := readBody(r, a.keyDetails.limit)
		if err == nil {
			info, err = parseKeyInfo(body, id)
		}
		return err
	})
	if err != nil {
		return keyInfo{}, permissionsRefusal(err)
	}
	return info, nil
}

func parseKeyInfo(body []byte, id string) (keyInfo, error) {
	answer, err := parseObject(body)
	if err != nil {
		return keyInfo{}, err
	}
	r := reader{}
	if answer == nil || r.id(answer, "id") != id {
		return keyInfo{}, errors.New("it is about another key")
	}
	info := keyInfo{
		expiresAt:   date(answer, "expiresAt"),
		permissions: r.permissions(answer),
		limited:     value[bool](&r, answer, "rateLimitEnabled"),
		limit:       value[int64](&r, answer, "rateLimitMax"),
		used:        value[int64](&r, answer, "requestCount"),
		window:      time.Duration(value[int64](&r, answer, "rateLimitTimeWindow")) * time.Millisecond,
		remaining:   value[*int64](&r, answer, "remaining"),
	}
	return info, r.err
}

// permissions reads {"tasks":["read"]}, which older versions of the plugin tell as text. A key without permissions has
// null there; an answer without the field is another version's, and says nothing.
func (r *reader) permissions(answer fields) Permissions {
	raw, ok := answer["permissions"]
	if !ok {
		r.fail("permissions", "is missing")
	}
	var text string
	if json.Unmarshal(raw, &text) == nil && text != "" {
		raw = json.RawMessage(text)
	}
	return value[Permissions](r, fields{"permissions": raw}, "permissions")
}

// keyRefusal turns a refusal of the auth server's into one that says what is wrong with the key. What isn't about the key
// stays as it is.
func keyRefusal(refusal *Refusal) *Refusal {
	if own := troubleOf(refusal.Err).aboutKey(); own != nil {
		return own
	}
	return refusal
}

// aboutKey is what is wrong with the key that a question was about, nil if it is something else.
func (t *trouble) aboutKey() *Refusal {
	if t == nil || t.said == nil {
		return nil
	}
	switch t.said.Code {
	case codeKeyRateLimited:
		return rateLimited(tryAgainIn(t.said.Details))
	case codeUsageExceeded:
		return refuse(ReasonAPIKeyExhausted)
	case codeInvalidKey:
		return refuse(ReasonAPIKeyUnknown)
	case codeKeyDisabled:
		return refuse(ReasonAPIKeyDisabled)
	case codeKeyExpired:
		return refuse(ReasonExpired)
	case codeNoKeyUser:
		return refuse(ReasonUserNotFound)
	default:
		return nil
	}
}

// permissionsRefusal says why /api-key/get told nothing of use. The auth server works: it has just answered get-session.
func permissionsRefusal(err error) *Refusal {
	t := troubleOf(err)
	forbidden := t.status == http.StatusForbidden // By customAPIKeyValidator. Of a key that was deleted meanwhile it is 401.
	if own := t.aboutKey(); own != nil && (!own.ignorable() || !forbidden) {
		return own
	}
	if t.busy {
		return unavailable(t, t.retryAfter)
	}
	if t.status == 0 || t.status >= http.StatusInternalServerError {
		return unusable(t, t.retryAfter)
	}
	return refuse(ReasonAPIKeyPermissions).because(fmt.Errorf("/api-key/get: %w", t))
}

// tryAgainIn is when a key's limit ends, which the auth server tells in milliseconds.
func tryAgainIn(details json.RawMessage) time.Duration {
	var wait struct{ TryAgainIn float64 }
	if json.Unmarshal(details, &wait) != nil {
		return 0
	}
	return time.Duration(min(max(wait.TryAgainIn, 0), float64(maxTryAgain/time.Millisecond))) * time.Millisecond
}

// rateLimited is the refusal of a key whose own limit is reached. It is unavailable, because the key is as good as
// before: nobody is signed out, and a session of a moment ago goes on.
func rateLimited(wait time.Duration) *Refusal {
	return &Refusal{
		Reason: ReasonAPIKeyRateLimited, Message: messageKeyRateLimited,
		Unavailable: true, RateLimited: true, RetryAfter: max(wait, time.Second), Err: errKeyLimit,
	}
}

// errKeyLimit says in the log what to do.
var errKeyLimit = errors.New("the key's own limit at the auth server is reached: raise rateLimit in its apiKey plugin")
