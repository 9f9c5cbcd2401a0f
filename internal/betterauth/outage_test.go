package betterauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"taskql/internal/betterauth"
)

// fakeTransport is an auth server in this process, whose mood can be changed. Under synctest it needs no time.
type fakeTransport struct {
	mood  atomic.Value // of http.HandlerFunc; nil refuses connections
	calls atomic.Int64
}

func (m *fakeTransport) set(h http.HandlerFunc) { m.mood.Store(h) }

// RoundTrip implements http.RoundTripper.
func (m *fakeTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	m.calls.Add(1)
	h, _ := m.mood.Load().(http.HandlerFunc)
	if h == nil {
		return nil, errors.New("connection refused")
	}
	w := httptest.NewRecorder()
	h(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func respondStatus(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}
}

func respondHealthy(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/ok") {
		respondJSON(`{"ok":true}`)(w, nil)
		return
	}
	respondJSON(sessionJSONUntil(time.Now().Add(time.Hour)))(w, r)
}

func userCookie(i int) http.Header {
	return cookies(plain + "=" + betterauth.SignCookie(secret, fmt.Sprintf("%032d", i)))
}

// timed authenticates and returns how long that took.
func authenticateTimed(t *testing.T, a *betterauth.Authenticator, h http.Header) (time.Duration, *betterauth.Refusal) {
	t.Helper()
	begin := time.Now()
	refusal := refusalOf(t, a, h)
	return time.Since(begin), refusal
}

// An auth server that is away for a minute, in every way there is: who was signed in notices nothing, the others are
// told to come back, and all is well again within seconds of its return.
func TestOutage(t *testing.T) {
	for name, mood := range map[string]http.HandlerFunc{
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
				const known, strangers = 20, 20
				for i := range known {
					wantSession(t, a, userCookie(i))
				}
				server.set(mood)
				server.calls.Store(0)
				var slowest, strangersWait time.Duration
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
					wait, refusal := authenticateTimed(t, a, userCookie(1000+waits%strangers))
					if refusal == nil || !refusal.Unavailable {
						t.Fatalf("a stranger got %v", refusal)
					}
					if refusal.RetryAfter > 10*time.Second {
						t.Errorf("retry after %v", refusal.RetryAfter)
					}
					strangersWait += wait
					waits++
					time.Sleep(100 * time.Millisecond)
				}
				calls := server.calls.Load()
				t.Logf("%s: %d calls in a minute; known users waited %v at most, strangers %v in all", name, calls, slowest, strangersWait)
				if slowest > time.Second {
					t.Errorf("a known user waited %v", slowest)
				}
				if calls > 75 { // After each rest one probe, which may ask twice.
					t.Errorf("%d calls", calls)
				}
				server.set(respondHealthy)
				back := 2 * time.Second // The breaker's rest.
				switch name {
				case "429":
					back = 10 * time.Second // What was asked for.
				case "hangs":
					back += 5 * time.Second // The last try hangs its whole time.
				}
				time.Sleep(back + time.Millisecond)
				for i := range known {
					wantSession(t, a, userCookie(i))
				}
				for i := range strangers {
					wantSession(t, a, userCookie(1000+i))
				}
				// What was stale is asked anew, so that a sign-out counts again.
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
		last           time.Duration // the last moment at which the session passes
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

// A dead server costs its first requests the time-out, and then nobody anything: a request after each rest waits a second.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fakeTransport{}
		server.set(hang)
		a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth", Transport: server})
		// Everybody who comes within the first 5 s waits until these are over, not 5 s each.
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
		// After its rest there is one probe. Only who comes in its first second waits for it, until that is over.
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
		time.Sleep(6 * time.Second) // The probe's end, and a rest.
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

// With trust, a sign-out is seen when the session_data cookie's own time is over, or MaxTokenAge; without, within
// CacheTTL.
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
