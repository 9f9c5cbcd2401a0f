package betterauth

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// Forget makes the sessions and memberships of a user be looked up again: what was cached of them before now doesn't count any
// more, and the answers to requests that are under way don't either. It has no effect on JWTs and trusted session_data, which are
// not looked up.
func (a *Authenticator) Forget(userID string) { a.forgotten.add(userID, a.now()) }

// forgottenUsers has when users were forgotten.
type forgottenUsers struct {
	times *otter.Cache[string, time.Time]
	any   atomic.Bool // whether there are some
}

// newForgottenUsers returns a forgottenUsers for size users.
func newForgottenUsers(size int) (*forgottenUsers, error) {
	times, err := otter.New(&otter.Options[string, time.Time]{MaximumSize: size})
	if err != nil {
		return nil, err
	}
	return &forgottenUsers{times: times}, nil
}

// add ends the use of the user's answers that were requested until now.
func (f *forgottenUsers) add(userID string, now time.Time) {
	f.times.Set(userID, now)
	f.any.Store(true)
}

// has reports whether a user was forgotten after an answer about them was requested.
func (f *forgottenUsers) has(userID string, requested time.Time) bool {
	if !f.any.Load() {
		return false
	}
	at, ok := f.times.GetIfPresent(userID)
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
