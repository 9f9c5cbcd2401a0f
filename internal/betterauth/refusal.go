package betterauth

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"time"
)

// Reason says why a request has no session. The values are stable, because they are logged.
type Reason string

// The reasons for refusals.
const (
	// ReasonNoCookie: the request has no session cookie, or an empty one, and no bearer token.
	ReasonNoCookie Reason = "no_cookie"
	// ReasonTooLong: the cookie or the bearer token is longer than 16 KB.
	ReasonTooLong Reason = "too_long"
	// ReasonBadEncoding: the cookie's percent-encoding is invalid.
	ReasonBadEncoding Reason = "bad_encoding"
	// ReasonUnsigned: the cookie contains a token without a signature.
	ReasonUnsigned Reason = "unsigned"
	// ReasonBadSignature: the signature is malformed, or was made with another secret or key, or for another token.
	ReasonBadSignature Reason = "bad_signature"
	// ReasonBadToken: the text is not a session token by its format, or it is a JWT with another algorithm, for another
	// purpose or without its user.
	ReasonBadToken Reason = "bad_token"
	// ReasonUnknownKey: the JWT names a key that the auth server does not publish.
	ReasonUnknownKey Reason = "unknown_key"
	// ReasonWrongIssuer: the JWT's issuer or audience is not in Config.Issuers or Config.Audiences.
	ReasonWrongIssuer Reason = "wrong_issuer"
	// ReasonSessionNull: the auth server answered null: it doesn't know the session, or the session has ended.
	ReasonSessionNull Reason = "session_null"
	// ReasonExpired: the session or the JWT has expired by our clock.
	ReasonExpired Reason = "expired"
	// ReasonTooOld: the session was created and last refreshed longer than Config.MaxSessionAge ago.
	ReasonTooOld Reason = "too_old"
	// ReasonBanned: the user is banned.
	ReasonBanned Reason = "banned"
	// ReasonUserNotFound: the session has no user.
	ReasonUserNotFound Reason = "user_not_found"
	// ReasonAPIKeyUnknown: the auth server doesn't know the API key, or doesn't accept any.
	ReasonAPIKeyUnknown Reason = "api_key_unknown"
	// ReasonAPIKeyDisabled: the API key is disabled.
	ReasonAPIKeyDisabled Reason = "api_key_disabled"
	// ReasonAPIKeyExhausted: the API key has used up its number of requests.
	ReasonAPIKeyExhausted Reason = "api_key_exhausted" //nolint:gosec // No credential.
	// ReasonAPIKeyRateLimited: the API key has reached its own rate limit at the auth server.
	ReasonAPIKeyRateLimited Reason = "api_key_rate_limited" //nolint:gosec // No credential.
	// ReasonAPIKeyPermissions: the API key is valid, but its permissions can't be read from the auth server.
	ReasonAPIKeyPermissions Reason = "api_key_permissions" //nolint:gosec // No credential.
	// ReasonSessionRefused: the auth server's own code refused the session, with 401 or 403.
	ReasonSessionRefused Reason = "session_refused"
	// ReasonSessionUnusable: the auth server works, but not for this session: it fails, times out, or its response is
	// unusable.
	ReasonSessionUnusable Reason = "session_unusable"
	// ReasonTooManyUnknown: too many unknown bearer tokens or JWT keys arrived at once.
	ReasonTooManyUnknown Reason = "too_many_unknown"
	// ReasonUnavailable: the auth server could not be asked.
	ReasonUnavailable Reason = "auth_unavailable"
)

// The messages for clients.
const (
	messageNotAuthenticated = "Not authenticated"
	messageInvalidSession   = "Invalid session"
	messageUserNotFound     = "User not found"
	messageKeyRateLimited   = "This API key has reached its own rate limit at the sign-in service, please try again later"
	messageUnavailable      = "The sign-in service can't be reached at the moment, please try again"
	messageUnusable         = "Your session can't be checked at the moment, please try again"
	messageTooManyUnknown   = "Too many unknown tokens have arrived, please try again in a moment"
)

// Refusal says why a request has no session. It never contains a token or a cookie's value.
type Refusal struct {
	Reason Reason
	// Message is safe to show: "Not authenticated", "Invalid session", "User not found", or a sentence if Unavailable
	// is true.
	Message string
	// Unavailable is true if the session could not be checked. The user must not be treated as signed out.
	Unavailable bool
	// RateLimited is true if Unavailable is true because of too many requests by clients, and not because of the auth
	// server.
	RateLimited bool
	// RetryAfter is how long clients should wait before the next request, zero if that is not known.
	RetryAfter time.Duration
	// Scheme is how the request tried to authenticate: SchemeCookie, SchemeBearer, SchemeJWT or SchemeAPIKey. It is
	// empty if the request had no credentials.
	Scheme string
	// Cookie is the name of the refused cookie, if there was one.
	Cookie string
	// TokenHash is a short hash of the token or, if there is no readable one, of the cookie's value. It distinguishes
	// sessions in the log without revealing them. It is empty if the request had no credentials.
	TokenHash string
	// Err is the cause, for the log. It may be nil.
	Err error
}

// Error implements error.
func (r *Refusal) Error() string {
	text := string(r.Reason) + ": " + r.Message
	if r.Err != nil {
		text += ": " + r.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// LogValue implements slog.LogValuer.
func (r *Refusal) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("reason", string(r.Reason))}
	if r.Scheme != "" {
		attrs = append(attrs, slog.String("scheme", r.Scheme))
	}
	if r.Cookie != "" {
		attrs = append(attrs, slog.String("cookie", r.Cookie))
	}
	if r.TokenHash != "" {
		attrs = append(attrs, slog.String("token_hash", r.TokenHash))
	}
	if r.RetryAfter > 0 {
		attrs = append(attrs, slog.Duration("retry_after", r.RetryAfter))
	}
	if r.Err != nil {
		attrs = append(attrs, slog.String("error", r.Err.Error()))
	}
	return slog.GroupValue(attrs...)
}

// withCredential sets which credential was refused, and returns r. The text is the token, or what the request has in
// its place.
func (r *Refusal) withCredential(scheme, cookie, text string) *Refusal {
	r.Scheme, r.Cookie, r.TokenHash = scheme, cookie, shortHash(text)
	return r
}

// withCause sets the cause, and returns r.
func (r *Refusal) withCause(cause error) *Refusal {
	r.Err = cause
	return r
}

// refuse returns a refusal of an invalid session.
func refuse(reason Reason) *Refusal {
	message := messageInvalidSession
	if reason == ReasonUserNotFound {
		message = messageUserNotFound
	}
	if reason == ReasonAPIKeyUnknown { // Gateways add keys of their own to all requests, including those of signed-out users.
		message = messageNotAuthenticated
	}
	return &Refusal{Reason: reason, Message: message}
}

// unavailable returns a refusal for when the auth server can't be asked.
func unavailable(cause error, retryAfter time.Duration) *Refusal {
	return &Refusal{
		Reason: ReasonUnavailable, Message: messageUnavailable,
		Unavailable: true, RetryAfter: retryAfter, Err: cause,
	}
}

// unusable returns a refusal of a session for which the auth server, although it works, has no usable response.
func unusable(cause error, retryAfter time.Duration) *Refusal {
	r := unavailable(cause, retryAfter)
	r.Reason, r.Message = ReasonSessionUnusable, messageUnusable
	return r
}

// tooManyUnknown returns a refusal of a token or key that may be made up, when there are too many of them.
func tooManyUnknown(retryAfter time.Duration) *Refusal {
	return &Refusal{
		Reason: ReasonTooManyUnknown, Message: messageTooManyUnknown,
		Unavailable: true, RateLimited: true, RetryAfter: retryAfter,
	}
}

// shortHash returns a part of a token's SHA-256, enough to distinguish sessions in the log. It is useless for a lookup.
func shortHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:6])
}
