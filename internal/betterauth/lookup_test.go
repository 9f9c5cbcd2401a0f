package betterauth_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"taskql/internal/betterauth"
)

func TestCache(t *testing.T) {
	const ttl = 15 * time.Second
	type step struct {
		wait  time.Duration
		calls int64
	}
	for _, test := range []struct {
		name    string
		ttl     time.Duration
		expires time.Duration
		steps   []step
	}{
		{"asks once per TTL", ttl, time.Hour, []step{{0, 1}, {ttl - 1, 1}, {1, 2}, {ttl - 1, 2}, {ttl, 3}}},
		{"never without a TTL", 0, time.Hour, []step{{0, 1}, {0, 2}}},
		{"no longer than the session", ttl, 5 * time.Second, []step{{0, 1}, {5*time.Second - 1, 1}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := newAuthServer(t, respondJSON(sessionJSONUntil(start().Add(test.expires))))
			now := newClock()
			a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, CacheTTL: test.ttl, Now: now.Now})
			for i, step := range test.steps {
				now.Advance(step.wait)
				wantSession(t, a, signedIn())
				if got := server.calls.Load(); got != step.calls {
					t.Errorf("step %d: %d calls, want %d", i, got, step.calls)
				}
			}
		})
	}
	t.Run("an expired session is refused to the moment", func(t *testing.T) {
		server := newAuthServer(t, respondJSON(sessionJSONUntil(start().Add(5*time.Second))))
		now := newClock()
		a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, CacheTTL: ttl, Now: now.Now})
		wantSession(t, a, signedIn())
		now.Advance(5 * time.Second)
		wantRefusal(t, a, signedIn(), betterauth.ReasonExpired, "Invalid session")
	})
	t.Run("a slow answer does not lengthen the TTL", func(t *testing.T) {
		now := newClock()
		server := newAuthServer(t, func(w http.ResponseWriter, r *http.Request) {
			now.Advance(4 * time.Second)
			respondJSON(sessionJSON())(w, r)
		})
		a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, CacheTTL: ttl, Now: now.Now})
		wantSession(t, a, signedIn())
		now.Advance(ttl - 4*time.Second)
		wantSession(t, a, signedIn())
		if got := server.calls.Load(); got != 2 {
			t.Errorf("%d calls, want 2", got)
		}
	})
	t.Run("a cached session needs its signature", func(t *testing.T) {
		server := newAuthServer(t, respondJSON(sessionJSON()))
		a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, CacheTTL: ttl, Now: newClock().Now})
		wantSession(t, a, signedIn())
		wantRefusal(t, a, cookies(plain+"="+betterauth.SignCookie("another", token)), betterauth.ReasonBadSignature, "Invalid session")
	})
}

func TestConcurrentRequestsShareOneFetch(t *testing.T) {
	const callers = 200
	release := make(chan struct{})
	server := newAuthServer(t, func(w http.ResponseWriter, r *http.Request) {
		<-release
		respondJSON(sessionJSON())(w, r)
	})
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, CacheTTL: time.Minute, Now: newClock().Now})
	var group sync.WaitGroup
	for range callers {
		group.Go(func() { wantSession(t, a, signedIn()) })
	}
	for server.calls.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	close(release)
	group.Wait()
	if got := server.calls.Load(); got != 1 {
		t.Errorf("%d calls, want 1", got)
	}
}

func TestRefusalsAreNotShared(t *testing.T) {
	release := make(chan struct{})
	server := newAuthServer(t, func(w http.ResponseWriter, r *http.Request) {
		<-release
		respondJSON("null")(w, r)
	})
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL})
	got := make([]*betterauth.Refusal, 2)
	var group sync.WaitGroup
	for i := range got {
		group.Go(func() { got[i] = refusalOf(t, a, signedIn()) })
	}
	close(release)
	group.Wait()
	if got[0] == got[1] {
		t.Error("two callers hold one refusal")
	}
}

func TestCanceledCallers(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	server := newAuthServer(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
		respondJSON(sessionJSON())(w, r)
	})
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, CacheTTL: time.Minute, Now: newClock().Now})
	leave := errors.New("the client has gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	first := make(chan error)
	go func() {
		_, err := a.Authenticate(ctx, signedIn())
		first <- err
	}()
	<-arrived
	second := make(chan error)
	go func() {
		_, err := a.Authenticate(t.Context(), signedIn())
		second <- err
	}()
	cancel(leave)
	err := <-first
	var refusal *betterauth.Refusal
	if !errors.Is(err, leave) || !errors.As(err, &refusal) || !refusal.Unavailable {
		t.Errorf("the first caller got %v", err)
	}
	if _, err := a.Authenticate(ctx, signedIn()); !errors.Is(err, leave) {
		t.Errorf("a caller that had gone before got %v", err)
	}
	close(release)
	if err := <-second; err != nil {
		t.Errorf("the second caller got %v", err)
	}
	if got := server.calls.Load(); got != 1 {
		t.Errorf("%d calls, want 1", got)
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

// TestUnknownTokenTTLDoubles checks that a signed-out device that keeps sending its token is cached for longer each
// time, so it doesn't occupy a slot all the time.
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

// TestClockJumps checks that a clock that is set back by a day extends nothing by a day: no pause, no refusal, and no
// session, which may have been signed out. If the clock is set forward, they end.
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
