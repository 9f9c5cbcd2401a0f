package betterauth_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"taskql/internal/betterauth"
)

// A clock that is set back by a day keeps nothing for that day: no pause, no refusal, no session that may have been signed
// out meanwhile. One that is set forward only forgets.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"pause": respondStatus(http.StatusTooManyRequests, "Retry-After", "20"), "refusal": respondJSON("null"), "session": respondJSON(sessionJSON()),
	} {
		for _, jump := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
			server, now := newAuthServer(t, answer), newClock()
			a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, CacheTTL: time.Minute, Now: now.Now})
			ask := func() { _, _ = a.Authenticate(context.WithoutCancel(t.Context()), signedIn()) }
			ask()
			ask()
			if n := server.calls.Load(); n != 1 {
				t.Fatalf("%s: asked %d times, so nothing is remembered", name, n)
			}
			now.Advance(jump)
			ask()
			if n := server.calls.Load(); n != 2 {
				t.Errorf("%s, the clock moved by %s: asked %d times", name, jump, n)
			}
		}
	}
}
