package betterauth

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Better Auth's names of cookies. With secure cookies, each has securePrefix in front.
const (
	// SessionCookie contains the signed session token.
	SessionCookie = DefaultCookiePrefix + "." + sessionName
	// DontRememberCookie marks a session that ends when the browser is closed.
	DontRememberCookie = DefaultCookiePrefix + "." + dontRememberName

	securePrefix     = "__Secure-"
	hostPrefix       = "__Host-"
	sessionName      = "session_token"
	dataName         = "session_data"
	dontRememberName = "dont_remember"
)

// maxCookie is the maximum length of a session cookie or a bearer token, in bytes. Tokens have 32 characters by
// default; the auth server's hooks can make longer ones.
const maxCookie = 16 << 10

// maxChunks is the maximum number of chunks into which Better Auth splits session_data.
const maxChunks = 100

// cookieNames are the names of the cookies that one Better Auth server sets.
type cookieNames struct {
	session, data, dontRemember string
}

// newCookieNames returns the names to look for, in order of precedence. The __Secure- names come first, because only a
// secure origin can set them. But a __Host- name precedes the same name with __Secure- in front, which every host of
// the domain can set. A custom name applies to the session cookie only; the other cookies keep the prefix.
func newCookieNames(prefix, name string) [2]cookieNames {
	prefix = strings.TrimPrefix(prefix, securePrefix)
	name = strings.TrimPrefix(name, securePrefix)
	if prefix == "" {
		prefix = DefaultCookiePrefix
	}
	if name == "" {
		name = prefix + "." + sessionName
	}
	plain := cookieNames{session: name, data: prefix + "." + dataName, dontRemember: prefix + "." + dontRememberName}
	secure := cookieNames{session: securePrefix + plain.session, data: securePrefix + plain.data, dontRemember: securePrefix + plain.dontRemember}
	if strings.HasPrefix(name, hostPrefix) {
		return [2]cookieNames{plain, secure}
	}
	return [2]cookieNames{secure, plain}
}

// sessionCookie is a session cookie with a valid signature. The zero value is no cookie.
type sessionCookie struct {
	names cookieNames
	token string
}

// cookie returns the request's session cookie, or why there is none. The second of the names counts if the cookie under
// the first one is missing or invalid.
func (a *Authenticator) cookie(h http.Header) (sessionCookie, *Refusal) {
	var first *Refusal
	for _, names := range a.cookieNames {
		encoded, _ := ReadCookie(h, names.session)
		if encoded == "" {
			continue
		}
		token, reason := a.verifyToken(encoded)
		if reason == "" {
			return sessionCookie{names: names, token: token}, nil
		}
		if first == nil {
			first = refuseToken(reason).withCredential(SchemeCookie, names.session, token)
		}
	}
	if first == nil {
		first = &Refusal{Reason: ReasonNoCookie, Message: messageNotAuthenticated}
	}
	return sessionCookie{}, first
}

// otherCookie returns another session cookie with a valid signature, under a name of lower precedence than c's.
func (a *Authenticator) otherCookie(h http.Header, c sessionCookie) (sessionCookie, bool) {
	for i, names := range a.cookieNames {
		if i == 0 || c.names == names {
			continue
		}
		encoded, _ := ReadCookie(h, names.session)
		if token, reason := a.verifyToken(encoded); encoded != "" && reason == "" && token != c.token {
			return sessionCookie{names: names, token: token}, true
		}
	}
	return sessionCookie{}, false
}

// verifyToken verifies a signed token as it was received: its length, encoding, signature and format. It returns the
// token and no reason, or what could be decoded and the reason why it is invalid.
func (a *Authenticator) verifyToken(encoded string) (string, Reason) {
	if len(encoded) > maxCookie {
		return encoded, ReasonTooLong
	}
	token, reason := a.signer.verifyEncoded(encoded)
	if reason == "" && !a.isToken(token) {
		reason = ReasonBadToken
	}
	return token, reason
}

// refuseToken returns the refusal of an invalid token. For ReasonBadToken its cause names the setting that may be
// missing.
func refuseToken(reason Reason) *Refusal {
	r := refuse(reason)
	if reason == ReasonBadToken {
		return r.withCause(errTokenPattern)
	}
	return r
}

// isToken reports whether a text has the format of a session token.
func (a *Authenticator) isToken(text string) bool {
	if a.tokenPattern != nil {
		return a.tokenPattern.MatchString(text)
	}
	return isDefaultToken(text)
}

// cookieHeader returns the Cookie header of a request to the auth server: the session token under the name that it was
// received with and, if the request has it, the dont_remember cookie, without which the auth server could extend a
// short session. Both are encoded anew, so that nothing unverified of the client's is forwarded. It contains
// sessionData unless that is empty, see forwardedSessionData.
func (a *Authenticator) cookieHeader(h http.Header, c sessionCookie, sessionData string) string {
	header := c.names.session + "=" + a.signer.sign(c.token)
	if encoded, ok := ReadCookie(h, c.names.dontRemember); ok && len(encoded) <= maxCookie {
		if text, reason := a.signer.verifyEncoded(encoded); reason == "" {
			header += "; " + c.names.dontRemember + "=" + a.signer.sign(text)
		}
	}
	if sessionData != "" {
		header += "; " + c.names.data + "=" + url.QueryEscape(sessionData)
	}
	return header
}

// ReadCookie returns the value of the first cookie with that name, still percent-encoded but without quotes, and
// whether there is one. It parses as Better Auth does: a value may contain any bytes, which net/http would drop, and
// parts without "=" are skipped.
func ReadCookie(h http.Header, name string) (string, bool) {
	for _, line := range h["Cookie"] { // HTTP/2 allows several.
		for part := range strings.SplitSeq(line, ";") {
			key, value, ok := strings.Cut(part, "=")
			if ok && trim(key) == name {
				return unquote(trim(value)), true
			}
		}
	}
	return "", false
}

// readChunked returns the value of a cookie that may have been split into name.0, name.1, and so on. The whole cookie
// takes precedence over its chunks, and the first chunk with a number over others with the same. It returns "" if there
// is no such cookie or it is longer than limit bytes.
func readChunked(h http.Header, name string, limit int) string {
	if whole, _ := ReadCookie(h, name); whole != "" {
		return emptyIfLonger(whole, limit)
	}
	var chunks [maxChunks]string
	found := false
	for _, line := range h["Cookie"] {
		for part := range strings.SplitSeq(line, ";") {
			key, value, ok := strings.Cut(part, "=")
			if !ok {
				continue
			}
			if i := chunkIndex(trim(key), name); i >= 0 && chunks[i] == "" {
				chunks[i], found = unquote(trim(value)), true
			}
		}
	}
	if !found {
		return ""
	}
	return emptyIfLonger(strings.Join(chunks[:], ""), limit)
}

// chunkIndex returns the number of a chunk, given its cookie's name and that of the whole cookie. It returns -1 if the
// cookie is not a chunk; numbers such as "00" and "+1" are invalid.
func chunkIndex(key, name string) int {
	suffix, ok := strings.CutPrefix(key, name)
	if !ok || len(suffix) < 2 || len(suffix) > 3 || suffix[0] != '.' {
		return -1
	}
	i, err := strconv.Atoi(suffix[1:])
	if err != nil || i < 0 || i >= maxChunks || strconv.Itoa(i) != suffix[1:] {
		return -1
	}
	return i
}

// trim removes optional whitespace (RFC 9110, section 5.6.3) at both ends.
func trim(s string) string { return strings.Trim(s, " \t") }

// unquote removes the quotes around a value. Like Better Auth, it doesn't check that the last character is a quote.
func unquote(value string) string {
	switch {
	case !strings.HasPrefix(value, `"`):
		return value
	case len(value) < 2:
		return ""
	default:
		return value[1 : len(value)-1]
	}
}
