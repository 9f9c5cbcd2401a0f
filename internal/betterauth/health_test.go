package betterauth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"taskql/internal/betterauth"
)

// TestOutage checks an outage of a minute, of every kind: cached sessions remain valid, others get Retry-After, and
// everything works again within seconds after the outage.
func TestOutage(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"refuses connections": nil,
		"hangs":               hang,
		"500":                 respondStatus(500),
		"404":                 respondStatus(404),
		"HTML":                func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"429":                 respondStatus(429, "X-Retry-After", "10"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &fakeTransport{}
				server.set(respondHealthy)
				a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth", CacheTTL: 15 * time.Second, Transport: server})
				const known, unknown = 20, 20
				for i := range known {
					wantSession(t, a, userCookie(i))
				}
				server.set(handler)
				server.calls.Store(0)
				var slowest, unknownWait time.Duration
				waits := 0
				begin := time.Now()
				for time.Since(begin) < time.Minute {
					for i := range known {
						wait, refusal := authenticateTimed(t, a, userCookie(i))
						if refusal != nil {
							t.Fatalf("a signed-in user was refused after %v: %v", time.Since(begin), refusal)
						}
						slowest = max(slowest, wait)
					}
					wait, refusal := authenticateTimed(t, a, userCookie(1000+waits%unknown))
					if refusal == nil || !refusal.Unavailable {
						t.Fatalf("an unknown session got %v", refusal)
					}
					if refusal.RetryAfter > 10*time.Second {
						t.Errorf("retry after %v", refusal.RetryAfter)
					}
					unknownWait += wait
					waits++
					time.Sleep(100 * time.Millisecond)
				}
				calls := server.calls.Load()
				t.Logf("%s: %d calls in a minute; known users waited %v at most, unknown ones %v in all", name, calls, slowest, unknownWait)
				if slowest > time.Second {
					t.Errorf("a known user waited %v", slowest)
				}
				if calls > 75 { // One probe after each rest, with up to two requests.
					t.Errorf("%d calls", calls)
				}
				server.set(respondHealthy)
				recovery := 2 * time.Second // The breaker's rest.
				switch name {
				case "429":
					recovery = 10 * time.Second // The Retry-After.
				case "hangs":
					recovery += 5 * time.Second // The last request takes its whole timeout.
				}
				time.Sleep(recovery + time.Millisecond)
				for i := range known {
					wantSession(t, a, userCookie(i))
				}
				for i := range unknown {
					wantSession(t, a, userCookie(1000+i))
				}
				// Stale sessions are requested again, so that a sign-out takes effect.
				server.set(respondJSON("null"))
				time.Sleep(15 * time.Second)
				for i := range known {
					wantRefusal(t, a, userCookie(i), betterauth.ReasonSessionNull, "Invalid session")
				}
				time.Sleep(time.Minute)
			})
		})
	}
}

func TestStaleSessionsEnd(t *testing.T) {
	for _, test := range []struct {
		name           string
		stale, expires time.Duration
		last           time.Duration // how long the session remains valid
	}{
		{"after the default", 0, time.Hour, 15*time.Second + 2*time.Minute},
		{"after what is set", 30 * time.Second, time.Hour, 45 * time.Second},
		{"never past their own end", time.Hour, 20 * time.Second, 20 * time.Second},
		{"at once where it is off", -1, time.Hour, 15 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			now, server := newClock(), &fakeTransport{}
			server.set(respondJSON(sessionJSONUntil(start().Add(test.expires))))
			a := realAuthenticator(t, betterauth.Config{
				BaseURL: "http://auth", CacheTTL: 15 * time.Second, StaleTTL: test.stale, Transport: server, Now: now.Now,
			})
			wantSession(t, a, signedIn())
			server.set(nil)
			now.Advance(test.last - 1)
			wantSession(t, a, signedIn())
			now.Advance(1)
			wantRefusal(t, a, signedIn(), betterauth.ReasonUnavailable, "The sign-in service")
		})
	}
}

// TestBreaker checks that only the first requests to a server that is down wait for the timeout. After that, one
// request after each rest waits for a second.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fakeTransport{}
		server.set(hang)
		a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth", Transport: server})
		// The requests in the first 5 s wait until these are over, not 5 s each.
		begin := time.Now()
		var group sync.WaitGroup
		for i := range 40 {
			group.Go(func() {
				if refusal := refusalOf(t, a, userCookie(i)); refusal == nil || refusal.Reason != betterauth.ReasonUnavailable {
					t.Errorf("user %d: %v", i, refusal)
				}
				if waited := time.Since(begin); waited > 5*time.Second {
					t.Errorf("user %d waited until %v", i, waited)
				}
			})
			time.Sleep(100 * time.Millisecond)
		}
		group.Wait()
		server.calls.Store(0)
		for i := range 1000 {
			if wait, refusal := authenticateTimed(t, a, userCookie(i)); wait != 0 || refusal.RetryAfter != 2*time.Second {
				t.Fatalf("user %d waited %v, retry after %v", i, wait, refusal.RetryAfter)
			}
		}
		// After the rest there is one probe. Only requests in its first second wait for it, until that second is over.
		time.Sleep(2*time.Second + time.Millisecond)
		for i := range 100 {
			wait, _ := authenticateTimed(t, a, userCookie(i))
			if limit := map[bool]time.Duration{true: time.Second}[i == 0]; wait != limit {
				t.Errorf("user %d waited %v, want %v", i, wait, limit)
			}
		}
		if got := server.calls.Load(); got != 1 {
			t.Errorf("%d calls", got)
		}
		server.set(respondHealthy)
		time.Sleep(6 * time.Second) // The rest of the probe, and a rest of the breaker.
		for i := range 100 {
			wantSession(t, a, userCookie(i))
		}
	})
}

func TestRateLimitIsObeyed(t *testing.T) {
	t.Parallel()
	now, server := newClock(), &fakeTransport{}
	server.set(respondStatus(429, "X-Retry-After", "7"))
	a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth", Transport: server, Now: now.Now})
	for i := range 100 {
		refusal := refusalOf(t, a, userCookie(i))
		if refusal == nil || refusal.Reason != betterauth.ReasonUnavailable || refusal.RetryAfter != 7*time.Second {
			t.Fatalf("refusal %v", refusal)
		}
	}
	now.Advance(3 * time.Second)
	if got := refusalOf(t, a, userCookie(0)).RetryAfter; got != 4*time.Second {
		t.Errorf("retry after %v", got)
	}
	if got := server.calls.Load(); got != 1 {
		t.Errorf("%d calls", got)
	}
	server.set(respondJSON(sessionJSON()))
	now.Advance(4 * time.Second)
	wantSession(t, a, userCookie(0))
}

// TestSignOutIsSeen checks that a sign-out takes effect within CacheTTL or, with TrustSessionData, when the
// session_data cookie expires or reaches MaxTokenAge.
func TestSignOutIsSeen(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		trust bool
		age   time.Duration
		last  time.Duration
	}{
		"without trust":                       {false, 0, 15 * time.Second},
		"with trust, the cookie's own end":    {true, 0, 5 * time.Minute},
		"with trust, the age that is allowed": {true, time.Minute, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now, server := newClock(), &fakeTransport{}
			server.set(respondJSON(sessionJSON()))
			a := realAuthenticator(t, betterauth.Config{
				BaseURL: "http://auth", Transport: server, Now: now.Now, CacheTTL: 15 * time.Second,
				TrustSessionData: test.trust, MaxTokenAge: test.age,
			})
			h := withSessionData(compactSessionData(t, sessionDataClaims(token, "u1")))
			wantSession(t, a, h)
			server.set(respondJSON("null"))
			now.Advance(test.last - 1)
			wantSession(t, a, h)
			now.Advance(1)
			wantRefusal(t, a, h, betterauth.ReasonSessionNull, "Invalid session")
		})
	}
}

// TestProbesDoNotWaitForRequests checks that a probe is sent even if hanging requests occupy all connections, so that
// the auth server doesn't count as down.
func TestProbesDoNotWaitForRequests(t *testing.T) {
	t.Parallel()
	probed, end := make(chan struct{}), make(chan struct{})
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/ok") {
			once.Do(func() { close(probed) })
			respondHealthy(w, r)
			return
		}
		<-end
		respondHealthy(w, r)
	}))
	t.Cleanup(server.Close)
	a := realAuthenticator(t, betterauth.Config{BaseURL: server.URL, Timeout: 2 * time.Minute})
	var requests sync.WaitGroup
	const more = 160 // than the connections for requests
	for i := range more {
		requests.Go(func() { wantSession(t, a, userCookie(i)) })
	}
	select {
	case <-probed:
	case <-time.After(time.Minute):
		t.Error("no probe in a minute")
	}
	close(end)
	requests.Wait()
}
