package betterauth_test

import (
	"context"
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

// faulty answers about the users from bad on with a fault, and about the others well.
func failFrom(bad int, fault http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if requestedToken(r) >= fmt.Sprintf("%032d", bad) {
			fault(w, r)
			return
		}
		respondHealthy(w, r)
	}
}

// breaks is the answer of a connection that breaks.
func breakConnection(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Broken", "1") }

// breakableTransport makes breaks an error of the transport.
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

// A user misbehaves for half a minute, with one session or with twenty, in every way there is. The others notice nothing, and
// the auth server is not asked about the user's sessions all the time.
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
						group.Go(func() { // until the test stops it
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
						wantSession(t, a, userCookie(1))    // known
						wantSession(t, a, userCookie(10+i)) // a newcomer
						time.Sleep(100 * time.Millisecond)
					}
					close(stop)
					group.Wait()
					// Each failure is remembered for 2, 4, 8 and then 15 s, each refusal for 5.
					if calls := int(server.calls.Load()); calls > 2*rounds+15*sessions {
						t.Errorf("%d calls", calls)
					}
				})
			})
		}
	}
}

func TestFailureTTLDoubles(t *testing.T) {
	t.Parallel()
	server, now := newAuthServer(t, respondStatus(500)), newClock()
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, Now: now.Now, CacheTTL: time.Minute})
	wantRefusal(t, a, signedIn(), betterauth.ReasonSessionUnusable, "Your session")
	for i, wait := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second, 15 * time.Second, 15 * time.Second} {
		if got := refusalOf(t, a, signedIn()).RetryAfter; got != wait {
			t.Errorf("failure %d: retry after %v, want %v", i+1, got, wait)
		}
		now.Advance(wait - 1)
		wantRefusal(t, a, signedIn(), betterauth.ReasonSessionUnusable, "Your session")
		wantCalls(t, server, int64(i+1))
		now.Advance(1)
		wantRefusal(t, a, signedIn(), betterauth.ReasonSessionUnusable, "Your session")
		wantCalls(t, server, int64(i+2))
	}
	now.Advance(2 * time.Minute) // The next failure counts as the first.
	wantRefusal(t, a, signedIn(), betterauth.ReasonSessionUnusable, "Your session")
	if got := refusalOf(t, a, signedIn()).RetryAfter; got != 2*time.Second {
		t.Errorf("retry after %v", got)
	}
}

// The auth server answers /api/auth/ok, but its database is down: it fails for every session, or lets them wait. Known
// sessions go on, newcomers don't wait 5 s each, and nobody hammers it.
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
									t.Errorf("a known session waited %v: %v", wait, refusal)
								}
							}
						}
					})
				}
				long, begin := 0, time.Now()
				for i := 0; time.Since(begin) < lasts; i++ {
					wait, refusal := authenticateTimed(t, a, userCookie(1000+i%20))
					if refusal == nil || refusal.Reason != betterauth.ReasonSessionUnusable {
						t.Fatalf("a newcomer got %v", refusal)
					}
					if wait > time.Second {
						long++
					}
					time.Sleep(time.Second - min(wait, time.Second))
				}
				close(stop)
				group.Wait()
				t.Logf("%s: %d calls, %d newcomers waited over a second", name, server.calls.Load(), long)
				// As often as usual, every 15 s, and a little more often at first.
				if calls := server.calls.Load(); calls > (known+20)*int64(lasts/(10*time.Second)) {
					t.Errorf("%d calls", calls)
				}
				if long > 3+int(lasts/(10*time.Second)) {
					t.Errorf("%d newcomers waited for over a second", long)
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

// An auth server may have switched /api/auth/ok off.
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

// flooded counts what it says of made-up tokens, and knows one good one.
func respondOnlyTo(good string) *fakeTransport {
	server := &fakeTransport{}
	server.set(func(w http.ResponseWriter, r *http.Request) {
		if asked := requestedToken(r); asked == good || asked == "" {
			respondHealthy(w, r)
			return
		}
		respondJSON("null")(w, r)
	})
	return server
}

type addressKey struct{}

func fromAddress(ctx context.Context) string {
	address, _ := ctx.Value(addressKey{}).(string)
	return address
}

// One address sends made-up tokens all the time. Newcomers from other addresses sign in by a raw token, and the flood learns
// that there were too many.
func TestFloodFromOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := respondOnlyTo(token)
		a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth", Transport: server, CacheTTL: time.Minute, ClientAddress: fromAddress})
		from := func(address string, h http.Header) *betterauth.Refusal {
			_, err := a.Authenticate(context.WithValue(t.Context(), addressKey{}, address), h)
			var refusal *betterauth.Refusal
			errors.As(err, &refusal)
			return refusal
		}
		reasons := map[betterauth.Reason]int{}
		var mu sync.Mutex
		var group sync.WaitGroup
		for i := range 2000 {
			group.Go(func() {
				refusal := from("1.1.1.1", withBearer(fmt.Sprintf("%032d", i)))
				mu.Lock()
				defer mu.Unlock()
				reasons[refusal.Reason]++
				if refusal.Reason == betterauth.ReasonTooManyUnknown && !refusal.RateLimited {
					t.Error("it counts as an outage")
				}
			})
		}
		group.Wait()
		if reasons[betterauth.ReasonSessionNull] != 8 || reasons[betterauth.ReasonTooManyUnknown] != 1992 {
			t.Errorf("the flood got %v", reasons)
		}
		if refusal := from("2.2.2.2", withBearer(token)); refusal != nil {
			t.Errorf("a newcomer from another address: %v", refusal)
		}
		if refusal := from("1.1.1.1", withBearer(betterauth.SignCookie(secret, token))); refusal != nil {
			t.Errorf("a signed token from the same address: %v", refusal)
		}
		if refusal := from("1.1.1.1", signedIn()); refusal != nil {
			t.Errorf("a cookie from the same address: %v", refusal)
		}
		time.Sleep(20 * time.Second)
	})
}

// A device that was signed out and asks all the time is remembered for longer each time: it occupies no slot for good.
func TestUnknownTokenTTLDoubles(t *testing.T) {
	t.Parallel()
	server, now := newAuthServer(t, respondJSON("null")), newClock()
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, Now: now.Now, CacheTTL: time.Minute})
	for minute := range 10 {
		for range 60 {
			wantRefusal(t, a, withBearer(token), betterauth.ReasonSessionNull, "Invalid session")
			now.Advance(time.Second)
		}
		if calls, limit := server.calls.Load(), int64(4+minute); calls > limit {
			t.Errorf("%d calls after %d minutes, want %d at most", calls, minute+1, limit)
		}
	}
}

// A flood of JWTs with keys that nobody knows is not the server's error, and leaves the others alone.
func TestFloodOfUnknownKeys(t *testing.T) {
	t.Parallel()
	const iss = "https://auth.example.com"
	own, other := newIssuer(t, "k1"), newIssuer(t, "made up")
	for name, keys := range map[string]string{"with the jwt plugin": jwks(t, own), "without": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newFakeServer(t, respondJSON(sessionJSON()), keys)
			now := newClock()
			cfg := server.config(now.Now)
			cfg.Issuers = []string{iss}
			a := newAuthenticator(t, cfg)
			at := func(i *issuer) http.Header {
				return withBearer(i.sign(t, withClaims(pluginClaims(iss), "iat", now.Now().Unix(), "exp", now.Now().Add(time.Minute).Unix()), ""))
			}
			for range 30 {
				refusal := refusalOf(t, a, at(other))
				if refusal == nil || refusal.Unavailable && !refusal.RateLimited {
					t.Errorf("the flood got %v", refusal)
				}
				if keys != "" {
					wantSession(t, a, at(own))
				}
				wantSession(t, a, signedIn())
				now.Advance(time.Second)
			}
			if calls := server.keys.calls.Load(); calls > 16 {
				t.Errorf("%d questions for keys", calls)
			}
		})
	}
}
