package betterauth

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Forget makes the sessions of a user be looked up again: what was cached of them before now doesn't count any more, and the
// answers to requests that are under way don't either. It has no effect on JWTs and trusted session_data, which are not looked up.
func (a *Authenticator) Forget(userID string) { a.sessions.forget(userID, a.now()) }

// forget ends the use of the user's sessions that were requested until now.
func (c *cache) forget(userID string, now time.Time) {
	c.forgotten.Set(userID, now)
	c.anyForgotten.Store(true)
}

// isForgotten reports whether a user was forgotten after a session of theirs was requested.
func (c *cache) isForgotten(userID string, requested time.Time) bool {
	if !c.anyForgotten.Load() {
		return false
	}
	at, ok := c.forgotten.GetIfPresent(userID)
	return ok && !requested.After(at)
}

// Credentials returns a copy of what Authenticate reads of a request's headers, for authenticating again later. It doesn't
// keep the headers in memory.
func (a *Authenticator) Credentials(h http.Header) http.Header {
	kept := http.Header{}
	for _, name := range []string{"Authorization", a.apiKeyHeader} {
		for _, value := range h[name] {
			kept[name] = append(kept[name], strings.Clone(value))
		}
	}
	var cookies []string
	for _, line := range h["Cookie"] {
		for part := range strings.SplitSeq(line, ";") {
			if key, _, ok := strings.Cut(part, "="); ok && a.readsCookie(trim(key)) {
				cookies = append(cookies, part)
			}
		}
	}
	if len(cookies) > 0 {
		kept["Cookie"] = []string{strings.Clone(strings.Join(cookies, ";"))}
	}
	return kept
}

// readsCookie reports whether Authenticate reads cookies of that name.
func (a *Authenticator) readsCookie(name string) bool {
	return slices.ContainsFunc(a.cookieNames[:], func(names cookieNames) bool {
		switch name {
		case names.session, names.dontRemember:
			return true
		case names.data:
			return a.trustData || a.stateless
		default:
			return (a.trustData || a.stateless) && chunkIndex(name, names.data) >= 0
		}
	})
}
