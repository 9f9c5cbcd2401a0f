package betterauth

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"time"
)

// Reason says why a request has no session. The values are stable: logs and their readers rely on them.
type Reason string

// The reasons.
const (
	// ReasonNoCookie: neither session cookie is there, or it is empty, and there is no bearer token.
	ReasonNoCookie Reason = "no_cookie"
	// ReasonTooLong: the cookie or the bearer token is longer than 16 KB.
	ReasonTooLong Reason = "too_long"
	// ReasonBadEncoding: the percent-encoding is broken.
	ReasonBadEncoding Reason = "bad_encoding"
	// ReasonUnsigned: the cookie holds a bare token without a signature.
	ReasonUnsigned Reason = "unsigned"
	// ReasonBadSignature: the signature is malformed, or made with another secret or key, or for another token.
	ReasonBadSignature Reason = "bad_signature"
	// ReasonBadToken: it is no session token and no JWT for here: another shape, another algorithm, another purpose,
	// or without its user.
	ReasonBadToken Reason = "bad_token"
	// ReasonUnknownKey: the JWT names a key that the auth server does not publish.
	ReasonUnknownKey Reason = "unknown_key"
	// ReasonWrongIssuer: the JWT has an issuer or audience that Config does not list.
	ReasonWrongIssuer Reason = "wrong_issuer"
	// ReasonSessionNull: the auth server knows no such session, or it has ended.
	ReasonSessionNull Reason = "session_null"
	// ReasonExpired: the time of the session or the JWT is over by our clock.
	ReasonExpired Reason = "expired"
	// ReasonTooOld: the session was made and last refreshed longer ago than Config.MaxSessionAge.
	ReasonTooOld Reason = "too_old"
	// ReasonBanned: the user is banned.
	ReasonBanned Reason = "banned"
	// ReasonUserNotFound: the session has no user.
	ReasonUserNotFound Reason = "user_not_found"
	// ReasonAPIKeyUnknown: the auth server knows no such API key, or takes none.
	ReasonAPIKeyUnknown Reason = "api_key_unknown"
	// ReasonAPIKeyDisabled: the API key is disabled.
	ReasonAPIKeyDisabled Reason = "api_key_disabled"
	// ReasonAPIKeyExhausted: the API key has made as many requests as it may.
	ReasonAPIKeyExhausted Reason = "api_key_exhausted" //nolint:gosec // No credential.
	// ReasonAPIKeyRateLimited: the API key's own rate limit at the auth server is reached.
	ReasonAPIKeyRateLimited Reason = "api_key_rate_limited" //nolint:gosec // No credential.
	// ReasonAPIKeyPermissions: the API key is good, but the auth server doesn't tell its permissions.
	ReasonAPIKeyPermissions Reason = "api_key_permissions" //nolint:gosec // No credential.
	// ReasonSessionRefused: the auth server's own code refuses the session, with 401 or 403.
	ReasonSessionRefused Reason = "session_refused"
	// ReasonSessionUnusable: the auth server works, but not for this session: it fails, takes too long, or its answer
	// can't be used.
	ReasonSessionUnusable Reason = "session_unusable"
	// ReasonTooManyUnknown: too many bearer tokens or JWT keys that nobody knows arrived at once.
	ReasonTooManyUnknown Reason = "too_many_unknown"
	// ReasonUnavailable: the auth server could not be asked.
	ReasonUnavailable Reason = "auth_unavailable"
)

// The messages that clients see.
const (
	messageNotAuthenticated = "Not authenticated"
	messageInvalidSession   = "Invalid session"
	messageUserNotFound     = "User not found"
	messageKeyRateLimited   = "This API key has reached its own rate limit at the sign-in service, please try again later"
	messageUnavailable      = "The sign-in service can't be reached at the moment, please try again"
	messageUnusable         = "Your session can't be checked at the moment, please try again"
	messageTooManyUnknown   = "Too many unknown tokens have arrived, please try again in a moment"
)

// Refusal is why a request has no session. It never holds a token or a cookie's value.
type Refusal struct {
	Reason Reason
	// Message is safe to show: "Not authenticated", "Invalid session", "User not found", or a sentence where
	// Unavailable.
	Message string
	// Unavailable is true where the auth server could not say. That is never to be read as "signed out".
	Unavailable bool
	// RateLimited is true if, beside Unavailable, clients and not the auth server are the cause.
	RateLimited bool
	// RetryAfter is how long the auth server asks to be left alone; zero where it does not say.
	RetryAfter time.Duration
	// Scheme is how the request tried to authenticate: SchemeCookie, SchemeBearer, SchemeJWT, SchemeAPIKey; "" where it
	// did not.
	Scheme string
	// Cookie is the name of the cookie that was refused; "" where there was none.
	Cookie string
	// TokenHash is a short hash of the token or, where no token could be made out, of the cookie's value. It tells
	// sessions apart in a log without revealing them. "" where there was none.
	TokenHash string
	// Err is the cause, for the log; nil where the reason says it all.
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

// of says what was refused. The text is a token or, where none could be made out, what stood in its place.
func (r *Refusal) of(scheme, cookie, text string) *Refusal {
	r.Scheme, r.Cookie, r.TokenHash = scheme, cookie, shortHash(text)
	return r
}

// because adds the cause, for the log.
func (r *Refusal) because(cause error) *Refusal {
	r.Err = cause
	return r
}

// refuse makes a refusal of a session that is no good.
func refuse(reason Reason) *Refusal {
	message := messageInvalidSession
	if reason == ReasonUserNotFound {
		message = messageUserNotFound
	}
	if reason == ReasonAPIKeyUnknown { // Gateways add keys of their own to the requests of signed-out users, too.
		message = messageNotAuthenticated
	}
	return &Refusal{Reason: reason, Message: message}
}

// unavailable makes a refusal where nobody knows.
func unavailable(cause error, retryAfter time.Duration) *Refusal {
	return &Refusal{
		Reason: ReasonUnavailable, Message: messageUnavailable,
		Unavailable: true, RetryAfter: retryAfter, Err: cause,
	}
}

// unusable makes a refusal of a session for which the auth server, which works, has no answer that can be used.
func unusable(cause error, retryAfter time.Duration) *Refusal {
	r := unavailable(cause, retryAfter)
	r.Reason, r.Message = ReasonSessionUnusable, messageUnusable
	return r
}

// tooManyUnknown makes a refusal of what may be a token or key that somebody made up.
func tooManyUnknown(retryAfter time.Duration) *Refusal {
	return &Refusal{
		Reason: ReasonTooManyUnknown, Message: messageTooManyUnknown,
		Unavailable: true, RateLimited: true, RetryAfter: retryAfter,
	}
}

// shortHash is enough of a token's SHA-256 to tell sessions apart, and too little to look anything up with.
func shortHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:6])
}
