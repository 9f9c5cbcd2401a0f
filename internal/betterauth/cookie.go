package betterauth

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Better Auth's names. With secure cookies each has securePrefix in front.
const (
	// SessionCookie holds the signed session token.
	SessionCookie = DefaultCookiePrefix + "." + sessionName
	// DontRememberCookie marks a session that is to end with the browser.
	DontRememberCookie = DefaultCookiePrefix + "." + markName

	securePrefix = "__Secure-"
	hostPrefix   = "__Host-"
	sessionName  = "session_token"
	dataName     = "session_data"
	markName     = "dont_remember"
)

// maxCookie bounds a session cookie and a bearer token, in bytes. Tokens are 32 characters by default; hooks can make
// them longer.
const maxCookie = 16 << 10

// maxChunks is the number of chunks that Better Auth splits session_data into at most.
const maxChunks = 100

// jar is a set of names that belong together: what one Better Auth server sets.
type jar struct {
	session, data, mark string
}

// newJars returns the names to look for, in the order in which they count: the __Secure- names first, because only a
// secure origin can set them. But a __Host- name comes before the same with __Secure- in front, which every host of the
// domain can set. A full custom name is the session cookie's alone; the others keep the prefix.
func newJars(prefix, name string) [2]jar {
	prefix = strings.TrimPrefix(prefix, securePrefix)
	name = strings.TrimPrefix(name, securePrefix)
	if prefix == "" {
		prefix = DefaultCookiePrefix
	}
	if name == "" {
		name = prefix + "." + sessionName
	}
	plain := jar{session: name, data: prefix + "." + dataName, mark: prefix + "." + markName}
	secure := jar{session: securePrefix + plain.session, data: securePrefix + plain.data, mark: securePrefix + plain.mark}
	if strings.HasPrefix(name, hostPrefix) {
		return [2]jar{plain, secure}
	}
	return [2]jar{secure, plain}
}

// cookie is a session cookie whose signature is good. The zero value is none.
type cookie struct {
	jar   jar
	token string
}

// cookie finds the request's session cookie. The second name counts if the first one's cookie is missing or not good.
func (a *Authenticator) cookie(h http.Header) (cookie, *Refusal) {
	var first *Refusal
	for _, names := range a.jars {
		wire, _ := ReadCookie(h, names.session)
		if wire == "" {
			continue
		}
		token, reason := a.openToken(wire)
		if reason == "" {
			return cookie{jar: names, token: token}, nil
		}
		if first == nil {
			first = refuseToken(reason).of(SchemeCookie, names.session, token)
		}
	}
	if first == nil {
		first = &Refusal{Reason: ReasonNoCookie, Message: messageNotAuthenticated}
	}
	return cookie{}, first
}

// otherCookie finds another good session cookie, under a name that comes after c's.
func (a *Authenticator) otherCookie(h http.Header, c cookie) (cookie, bool) {
	for i, names := range a.jars {
		if i == 0 || c.jar == names {
			continue
		}
		wire, _ := ReadCookie(h, names.session)
		if token, reason := a.openToken(wire); wire != "" && reason == "" && token != c.token {
			return cookie{jar: names, token: token}, true
		}
	}
	return cookie{}, false
}

// openToken checks a signed token as it came: length, encoding, signature, and that it is a token.
func (a *Authenticator) openToken(wire string) (string, Reason) {
	if len(wire) > maxCookie {
		return wire, ReasonTooLong
	}
	token, reason := a.signer.open(wire)
	if reason == "" && !a.isToken(token) {
		reason = ReasonBadToken
	}
	return token, reason
}

// refuseToken makes a refusal of what isn't a signed token, and adds the setting that may be missing.
func refuseToken(reason Reason) *Refusal {
	r := refuse(reason)
	if reason == ReasonBadToken {
		return r.because(errTokenShape)
	}
	return r
}

func (a *Authenticator) isToken(text string) bool {
	if a.tokenShape != nil {
		return a.tokenShape.MatchString(text)
	}
	return isDefaultToken(text)
}

// forward is the Cookie header for the auth server: the session token under the name that it came by and, where the
// request has it, the dont_remember mark, without which the auth server could stretch a short session. Both are
// encoded again, so that nothing of the client's reaches the header unchecked. A cached session in session_data is passed on
// only with Config.Stateless: it would answer for a session that has ended.
func (a *Authenticator) forward(h http.Header, c cookie, data string) string {
	header := c.jar.session + "=" + a.signer.sign(c.token)
	if wire, ok := ReadCookie(h, c.jar.mark); ok && len(wire) <= maxCookie {
		if text, reason := a.signer.open(wire); reason == "" {
			header += "; " + c.jar.mark + "=" + a.signer.sign(text)
		}
	}
	if data != "" {
		header += "; " + c.jar.data + "=" + url.QueryEscape(data)
	}
	return header
}

// ReadCookie returns the value of the first cookie of that name, still percent-encoded but without quotes, and whether
// there is one. It reads as Better Auth does: any bytes may stand in a value, which net/http would drop, and parts
// without "=" are skipped.
func ReadCookie(h http.Header, name string) (string, bool) {
	for _, line := range h["Cookie"] { // HTTP/2 may bring several.
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
// wins over its chunks, and of chunks with one number the first. "" where there is none or it is longer than limit.
func readChunked(h http.Header, name string, limit int) string {
	if whole, _ := ReadCookie(h, name); whole != "" {
		return bounded(whole, limit)
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
	return bounded(strings.Join(chunks[:], ""), limit)
}

// chunkIndex returns the number of a chunk of that cookie, or -1 where the key is not one. "00" and "+1" are not.
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

func bounded(s string, limit int) string {
	if len(s) > limit {
		return ""
	}
	return s
}

// trim cuts off what RFC 9110 calls optional whitespace.
func trim(s string) string { return strings.Trim(s, " \t") }

// unquote takes off the quotes. Like Better Auth it does not look whether the last character is one.
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
