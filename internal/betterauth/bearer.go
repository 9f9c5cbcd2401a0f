package betterauth

import (
	"net/http"
	"net/url"
	"strings"
)

// bearerKind is what a bearer token turned out to be.
type bearerKind int

const (
	bearerNone   bearerKind = iota
	bearerRaw               // a session token without a signature, which only the auth server can check
	bearerSigned            // a session token with a good signature
	bearerJWT               // a JWT, not yet checked
	bearerBad               // nothing of use
)

// bearer is what stands in the Authorization header.
type bearer struct {
	kind   bearerKind
	token  string // the session token or the JWT
	reason Reason // where it is bad
}

// bearer reads the Authorization header as Better Auth's bearer plugin does: the scheme in any case, then one space.
// What has a dot is signed, and may be percent-encoded; what has none is a raw token. Unlike the plugin it takes a raw
// token only in the shape of one, because everything else would be asked for in vain, and it knows JWTs.
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
		return bearer{kind: bearerBad, token: token, reason: ReasonTooLong}
	case !strings.Contains(token, "."):
		if !a.isToken(token) {
			return bearer{kind: bearerBad, token: token, reason: ReasonBadToken}
		}
		return bearer{kind: bearerRaw, token: token}
	}
	text, reason := a.openBearer(token)
	switch {
	case reason == "": // Before the JWT: a hook's token may look like one.
		return bearer{kind: bearerSigned, token: text}
	case isJWT(token):
		return bearer{kind: bearerJWT, token: token}
	default:
		return bearer{kind: bearerBad, token: text, reason: reason}
	}
}

// openBearer checks a signed bearer token. Unlike a cookie it counts as it stands where it is not percent-encoded.
func (a *Authenticator) openBearer(token string) (string, Reason) {
	if strings.Contains(token, "%") {
		if decoded, err := url.PathUnescape(token); err == nil {
			token = decoded
		}
	}
	text, reason := a.signer.check(token)
	if reason == "" && !a.isToken(text) {
		reason = ReasonBadToken
	}
	return text, reason
}

// isJWT reports whether the text looks like a signed or unsigned JWT: three parts, the first an object in base64.
func isJWT(token string) bool {
	return strings.HasPrefix(token, "ey") && strings.Count(token, ".") == 2
}

// bearerHeader is the Authorization header for the auth server, written anew.
func (a *Authenticator) bearerHeader(b bearer) string {
	if b.kind == bearerSigned {
		return "Bearer " + a.signer.sign(b.token)
	}
	return "Bearer " + b.token
}
