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

// API keys are those of Better Auth's plugin @better-auth/api-key. At every endpoint the plugin reads the key from a
// header before any other credential, and counts the request against the key's own limits. With
// enableSessionForAPIKeys, get-session returns a session whose id is the key's id and whose token is the key. Only
// /api-key/get returns its permissions.

const (
	// maxAPIKey is the maximum length of an API key, in bytes. Better Auth makes 64 letters after a prefix of at most
	// 32.
	maxAPIKey = 1 << 10
	// unknownKeyTTL is how long an unknown key is ignored in requests with a cookie or a bearer token, without asking
	// the auth server. Gateways add keys of their own to requests, which should not wait.
	unknownKeyTTL = time.Minute
	// limitedKeyTTL is the longest that a key is cached as having reached its own limit. Then the auth server is asked
	// again: that costs the key nothing, and the limit may have been raised.
	limitedKeyTTL = time.Minute
	// maxTryAgain bounds how far in the future the end of a key's limit can be.
	maxTryAgain = 30 * 24 * time.Hour
)

// Better Auth's error codes for API keys.
const (
	codeInvalidKey     = "INVALID_API_KEY"
	codeKeyDisabled    = "KEY_DISABLED"
	codeKeyExpired     = "KEY_EXPIRED"
	codeUsageExceeded  = "USAGE_EXCEEDED"
	codeKeyRateLimited = "RATE_LIMITED"
	codeNoKeyUser      = "INVALID_REFERENCE_ID_FROM_API_KEY"
)

// errKeyIgnored is the cause of a refusal if get-session returns null for a key.
var errKeyIgnored = errors.New("the auth server accepts no API keys from this header, or enableSessionForAPIKeys is off")

// isUnknown reports whether the auth server doesn't know the session or key, which may therefore be made up.
func (r *Refusal) isUnknown() bool { return r.Reason == ReasonSessionNull || r.isUnknownAPIKey() }

// isUnknownAPIKey reports whether the auth server doesn't know the API key, which may therefore be meant for another
// server.
func (r *Refusal) isUnknownAPIKey() bool { return r.Reason == ReasonAPIKeyUnknown }

// apiKey returns the value of the API key header. Several lines of it are joined as Better Auth does.
func (a *Authenticator) apiKey(h http.Header) string {
	if a.apiKeyHeader == "" {
		return ""
	}
	return trim(strings.Join(h[a.apiKeyHeader], ", "))
}

// isAPIKey reports whether the text can be a key: not too long, and only visible ASCII characters.
func isAPIKey(text string) bool {
	return len(text) <= maxAPIKey && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// authenticateAPIKey authenticates by an API key.
func (a *Authenticator) authenticateAPIKey(ctx context.Context, h http.Header, key string) (*Session, *Refusal) {
	c := credentials{apiKey: key}
	if !isAPIKey(key) {
		return nil, c.identify(refuse(ReasonAPIKeyUnknown))
	}
	since, unknown := a.sessions.unknownKeySince(c.cacheKey())
	recently := unknown && period{since, since.Add(unknownKeyTTL)}.contains(a.now())
	if recently && (len(h["Cookie"]) > 0 || len(h["Authorization"]) > 0) {
		a.observe(LookupRefused)
		return nil, c.identify(refuse(ReasonAPIKeyUnknown))
	}
	session, refusal := a.lookup(ctx, h, c)
	if unknown && refusal != nil && refusal.Unavailable {
		return nil, c.identify(refuse(ReasonAPIKeyUnknown)) // An unknown text doesn't become a key later.
	}
	return session, refusal
}

// requestSession asks the auth server for the session of the credentials, and for an API key also for the key's
// details.
func (a *Authenticator) requestSession(ctx context.Context, c credentials, header http.Header, retry bool) (sessionResponse, *Refusal) {
	resp, refusal := a.client.getSession(ctx, header, retry)
	if c.apiKey == "" {
		return resp, refusal
	}
	switch {
	case refusal == nil:
		resp.key, refusal = a.getKeyDetails(ctx, header, resp.session.ID)
		// get-session's expiresAt is wrong for a key without an end: the plugin mistakes seconds for milliseconds, and
		// names a time only a thousandth of a session's lifetime away.
		resp.session.ExpiresAt, resp.session.Permissions = resp.key.expiresAt, resp.key.permissions
	case refusal.Reason == ReasonSessionNull:
		refusal = refuse(ReasonAPIKeyUnknown).withCause(errKeyIgnored)
	default:
		if own := asUpstreamError(refusal.Err).keyRefusal(); own != nil {
			refusal = own
		}
	}
	return resp, refusal
}

// keyDetails is the used part of a response of /api-key/get.
type keyDetails struct {
	expiresAt   time.Time   // zero if the key has no end
	permissions Permissions // nil if the key has none
	// rateLimited, limit and window are the key's own rate limit, and used is how much of it is used up.
	rateLimited bool
	limit, used int64
	window      time.Duration
	// remaining is the number of requests that the key can still make, nil if that is unlimited.
	remaining *int64
}

// getKeyDetails returns the details of the key with that id. If the permissions can't be read, the key is refused,
// because it may be meant to allow little.
func (a *Authenticator) getKeyDetails(ctx context.Context, header http.Header, id string) (keyDetails, *Refusal) {
	if wait := a.keyDetails.pause(); wait > 0 {
		return keyDetails{}, unavailable(errPaused, wait)
	}
	var details keyDetails
	address := a.keyDetails.url + "?" + url.Values{"id": {id}}.Encode()
	err := a.keyDetails.readURL(ctx, address, header, func(r io.Reader) error {
		body, err := readBody(r, a.keyDetails.limit)
		if err == nil {
			details, err = parseKeyDetails(body, id)
		}
		return err
	})
	if err != nil {
		return keyDetails{}, keyDetailsRefusal(err)
	}
	return details, nil
}

// parseKeyDetails parses the details of the key with that id.
func parseKeyDetails(body []byte, id string) (keyDetails, error) {
	object, err := parseObject(body)
	if err != nil {
		return keyDetails{}, err
	}
	r := fieldReader{}
	if object == nil || r.id(object, "id") != id {
		return keyDetails{}, errors.New("it is about another key")
	}
	details := keyDetails{
		expiresAt:   lenientTime(object, "expiresAt"),
		permissions: r.permissions(object),
		rateLimited: value[bool](&r, object, "rateLimitEnabled"),
		limit:       value[int64](&r, object, "rateLimitMax"),
		used:        value[int64](&r, object, "requestCount"),
		window:      time.Duration(value[int64](&r, object, "rateLimitTimeWindow")) * time.Millisecond,
		remaining:   value[*int64](&r, object, "remaining"),
	}
	return details, r.err
}

// permissions reads permissions such as {"tasks":["read"]}; older versions of the plugin return them as text. They are
// null for a key without permissions. A response without the field is an error, because it is an unknown version's.
func (r *fieldReader) permissions(object fields) Permissions {
	raw, ok := object["permissions"]
	if !ok {
		r.fail("permissions", "is missing")
	}
	var text string
	if json.Unmarshal(raw, &text) == nil && text != "" {
		raw = json.RawMessage(text)
	}
	return value[Permissions](r, fields{"permissions": raw}, "permissions")
}

// keyRefusal returns the refusal that says what is wrong with the API key, or nil if the error, which may be nil, is
// not about the key.
func (e *upstreamError) keyRefusal() *Refusal {
	if e == nil || e.body == nil {
		return nil
	}
	switch e.body.Code {
	case codeKeyRateLimited:
		return keyRateLimited(tryAgainIn(e.body.Details))
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

// keyDetailsRefusal returns the refusal for a failed request to /api-key/get. The auth server works, since it has just
// answered get-session.
func keyDetailsRefusal(err error) *Refusal {
	failure := asUpstreamError(err)
	// customAPIKeyValidator's refusal has the code of an unknown key and the status 403. For a key that was deleted
	// after get-session, the status is 401.
	forbidden := failure.status == http.StatusForbidden
	if own := failure.keyRefusal(); own != nil && (!own.isUnknownAPIKey() || !forbidden) {
		return own
	}
	if failure.rateLimited {
		return unavailable(failure, failure.retryAfter)
	}
	if failure.status == 0 || failure.status >= http.StatusInternalServerError {
		return unusable(failure, failure.retryAfter)
	}
	return refuse(ReasonAPIKeyPermissions).withCause(fmt.Errorf("/api-key/get: %w", failure))
}

// tryAgainIn returns how long a key's limit lasts. The auth server sends that in milliseconds.
func tryAgainIn(details json.RawMessage) time.Duration {
	var wait struct{ TryAgainIn float64 }
	if json.Unmarshal(details, &wait) != nil {
		return 0
	}
	return time.Duration(min(max(wait.TryAgainIn, 0), float64(maxTryAgain/time.Millisecond))) * time.Millisecond
}

// keyRateLimited returns the refusal of a key that has reached its own limit. It is Unavailable, because the key is
// still valid: nobody is signed out, and a cached session remains usable.
func keyRateLimited(wait time.Duration) *Refusal {
	return &Refusal{
		Reason: ReasonAPIKeyRateLimited, Message: messageKeyRateLimited,
		Unavailable: true, RateLimited: true, RetryAfter: max(wait, time.Second), Err: errKeyLimit,
	}
}

// errKeyLimit is the cause of keyRateLimited's refusals, which tells what to do.
var errKeyLimit = errors.New("the key's own limit at the auth server is reached: raise rateLimit in its apiKey plugin")
