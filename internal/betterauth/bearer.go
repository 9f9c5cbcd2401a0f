package betterauth

import (
	"net/http"
	"net/url"
	"strings"
)

// bearerKind is the kind of a bearer token.
type bearerKind int

const (
	bearerNone    bearerKind = iota
	bearerRaw                // a session token without a signature, which only the auth server can verify
	bearerSigned             // a session token with a valid signature
	bearerJWT                // a JWT, not yet verified
	bearerInvalid            // none of these
)

// bearer is the bearer token in the Authorization header.
type bearer struct {
	kind   bearerKind
	token  string // the session token or the JWT
	reason Reason // why it is invalid
}

// bearer reads the Authorization header as Better Auth's bearer plugin does: the scheme in any case, then one space. A
// text with a dot is signed, and may be percent-encoded; one without is a raw token. Unlike the plugin, it accepts a
// raw token only in the format of one, because the auth server can't know any other, and it accepts JWTs.
func (a *Authenticator) bearer(h http.Header) bearer {
	const scheme = "bearer "
	value := h.Get("Authorization")
	if len(value) <= len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) {
		return bearer{}
	}
	token := strings.TrimSpace(value[len(scheme):])
	switch {
	case token == "":
		return bearer{}
	case len(token) > maxCookie:
		return bearer{kind: bearerInvalid, token: token, reason: ReasonTooLong}
	case !strings.Contains(token, "."):
		if !a.isToken(token) {
			return bearer{kind: bearerInvalid, token: token, reason: ReasonBadToken}
		}
		return bearer{kind: bearerRaw, token: token}
	}
	text, reason := a.verifyBearer(token)
	switch {
	case reason == "": // First, because a token made by a hook may look like a JWT.
		return bearer{kind: bearerSigned, token: text}
	case isJWT(token):
		return bearer{kind: bearerJWT, token: token}
	default:
		return bearer{kind: bearerInvalid, token: text, reason: reason}
	}
}

// verifyBearer verifies a signed bearer token. Unlike a cookie, it is used as it is if it is not valid
// percent-encoding.
func (a *Authenticator) verifyBearer(token string) (string, Reason) {
	if strings.Contains(token, "%") {
		if decoded, err := url.PathUnescape(token); err == nil {
			token = decoded
		}
	}
	text, reason := a.signer.verify(token)
	if reason == "" && !a.isToken(text) {
		reason = ReasonBadToken
	}
	return text, reason
}

// isJWT reports whether the text looks like a JWT: three parts, of which the first is an object in base64.
func isJWT(token string) bool {
	return strings.HasPrefix(token, "ey") && strings.Count(token, ".") == 2
}

// authorizationHeader returns the Authorization header of a request to the auth server. A signed token gets its signature again.
func (a *Authenticator) authorizationHeader(b bearer) string {
	if b.kind == bearerSigned {
		return "Bearer " + a.signer.sign(b.token)
	}
	return "Bearer " + b.token
}
