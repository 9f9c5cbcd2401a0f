package betterauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"taskql/internal/betterauth"
)

// failFrom returns a handler that handles sessions from number bad on with fault, and the others like a healthy auth
// server.
func failFrom(bad int, fault http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if requestedToken(r) >= fmt.Sprintf("%032d", bad) {
			fault(w, r)
			return
		}
		respondHealthy(w, r)
	}
}

// breakConnection makes breakableTransport fail.
func breakConnection(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Broken", "1") }

// breakableTransport is a fakeTransport that fails if the handler is breakConnection.
type breakableTransport struct{ fakeTransport }

// RoundTrip implements http.RoundTripper.
func (b *breakableTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.fakeTransport.RoundTrip(r)
	if err == nil && res.Header.Get("X-Broken") != "" {
		return nil, errors.New("connection reset by peer")
	}
	return res, err
}

func apiError(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"code":"NOT_TODAY"}`))
	}
}

// TestFailureOfOneUser checks that failures for one user's sessions, of every kind and for half a minute, don't affect
// other users, and that the auth server is not asked for those sessions all the time.
func TestFailureOfOneUser(t *testing.T) {
	const bad = 1_000_000
	for _, test := range []struct {
		name   string
		fault  http.HandlerFunc
		reason betterauth.Reason
	}{
		{"500", respondStatus(500), betterauth.ReasonSessionUnusable},
		{"401", apiError(401), betterauth.ReasonSessionRefused},
		{"403", apiError(403), betterauth.ReasonSessionRefused},
		{"404", respondStatus(404), betterauth.ReasonSessionUnusable},
		{"HTML", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, betterauth.ReasonSessionUnusable},
		{"an answer of no use", respondJSON(`{"session":{}}`), betterauth.ReasonSessionUnusable},
		{"429 of an API key", apiError(429), betterauth.ReasonSessionUnusable},
		{"breaks the connection", breakConnection, betterauth.ReasonSessionUnusable},
		{"no answer in time", hang, betterauth.ReasonSessionUnusable},
	} {
		for _, sessions := range []int{1, 20} {
			t.Run(fmt.Sprintf("%s, %d sessions", test.name, sessions), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := &breakableTransport{}
					server.set(failFrom(bad, test.fault))
					a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth", CacheTTL: 15 * time.Second, Transport: server})
					stop := make(chan struct{})
					var group sync.WaitGroup
					for i := range sessions {
						group.Go(func() { // Until the test stops it.
							for {
								select {
								case <-stop:
									return
								case <-time.After(100 * time.Millisecond):
									wantRefusal(t, a, userCookie(bad+i), test.reason, "")
								}
							}
						})
					}
					const rounds = 300
					for i := range rounds {
						wantSession(t, a, userCookie(1))    // cached
						wantSession(t, a, userCookie(10+i)) // new
						time.Sleep(100 * time.Millisecond)
					}
					close(stop)
					group.Wait()
					// Failures are cached for 2, 4, 8 and then 15 s, refusals for 5.
					if calls := int(server.calls.Load()); calls > 2*rounds+15*sessions {
						t.Errorf("%d calls", calls)
					}
				})
			})
		}
	}
}

// TestAuthServerDatabaseDown checks an auth server that answers /api/auth/ok, but fails or hangs for every session
// because its database is down. Cached sessions remain valid, new ones don't wait 5 s each, and the number of requests
// stays low.
func TestAuthServerDatabaseDown(t *testing.T) {
	for name, fault := range map[string]http.HandlerFunc{"500": respondStatus(500), "hangs": hang} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &fakeTransport{}
				server.set(respondHealthy)
				a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth", CacheTTL: 15 * time.Second, Transport: server})
				const known, lasts = 50, 100 * time.Second
				for i := range known {
					wantSession(t, a, userCookie(i))
				}
				server.set(func(w http.ResponseWriter, r *http.Request) {
					if requestedToken(r) == "" {
						respondHealthy(w, r)
						return
					}
					fault(w, r)
				})
				time.Sleep(15 * time.Second)
				server.calls.Store(0)
				stop := make(chan struct{})
				var group sync.WaitGroup
				for i := range known {
					group.Go(func() {
						for {
							select {
							case <-stop:
								return
							case <-time.After(time.Second):
								if wait, refusal := authenticateTimed(t, a, userCookie(i)); refusal != nil || wait > time.Second {
									t.Errorf("a cached session waited %v: %v", wait, refusal)
								}
							}
						}
					})
				}
				long, begin := 0, time.Now()
				for i := 0; time.Since(begin) < lasts; i++ {
					wait, refusal := authenticateTimed(t, a, userCookie(1000+i%20))
					if refusal == nil || refusal.Reason != betterauth.ReasonSessionUnusable {
						t.Fatalf("a new session got %v", refusal)
					}
					if wait > time.Second {
						long++
					}
					time.Sleep(time.Second - min(wait, time.Second))
				}
				close(stop)
				group.Wait()
				t.Logf("%s: %d calls, %d new sessions waited over a second", name, server.calls.Load(), long)
				// As usual every 15 s, and more often at first.
				if calls := server.calls.Load(); calls > (known+20)*int64(lasts/(10*time.Second)) {
					t.Errorf("%d calls", calls)
				}
				if long > 3+int(lasts/(10*time.Second)) {
					t.Errorf("%d new sessions waited for over a second", long)
				}
				server.set(respondHealthy)
				time.Sleep(15 * time.Second)
				for i := range 20 {
					wantSession(t, a, userCookie(i))
					wantSession(t, a, userCookie(1000+i))
				}
				time.Sleep(10 * time.Second)
			})
		})
	}
}

// TestProbesAreSpared checks when a failure for one session causes a probe: not if the auth server has answered within
// the last second, except if there is no response.
func TestProbesAreSpared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &breakableTransport{}
		server.set(failFrom(100, respondStatus(500)))
		a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth", Transport: server})
		user := 100
		wantFailure := func(after time.Duration, probes int64) {
			t.Helper()
			time.Sleep(after)
			server.calls.Store(0)
			user++
			wantRefusal(t, a, userCookie(user), betterauth.ReasonSessionUnusable, "")
			if got := server.calls.Load(); got != 1+probes {
				t.Errorf("%d requests, want %d", got, 1+probes)
			}
		}
		wantSession(t, a, userCookie(1))
		wantFailure(time.Second, 0)
		wantFailure(time.Millisecond, 1)
		wantFailure(time.Second, 0) // The probe's response counts as well.
		server.set(failFrom(100, breakConnection))
		wantSession(t, a, userCookie(2))
		wantFailure(time.Millisecond, 1)
	})
}

// TestFailureOfOneUserWithoutOK checks an auth server in which /api/auth/ok is switched off.
func TestFailureOfOneUserWithoutOK(t *testing.T) {
	t.Parallel()
	server := &fakeTransport{}
	server.set(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/ok"):
			w.WriteHeader(http.StatusNotFound)
		case requestedToken(r) == "":
			respondJSON("null")(w, nil)
		default:
			failFrom(13, respondStatus(500))(w, r)
		}
	})
	a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth", Transport: server})
	for i := range 20 {
		wantRefusal(t, a, userCookie(13+i), betterauth.ReasonSessionUnusable, "Your session")
	}
	wantSession(t, a, userCookie(1))
}
