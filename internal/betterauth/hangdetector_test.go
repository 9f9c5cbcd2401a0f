package betterauth_test

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"taskql/internal/betterauth"
)

// answersAfter returns a handler that answers probes at once, and requests for sessions like respondHealthy after a
// delay.
func answersAfter(delay time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if requestedToken(r) != "" {
			select {
			case <-time.After(delay):
			case <-r.Context().Done():
			}
		}
		respondHealthy(w, r)
	}
}

// TestSlowAfterHang checks an auth server that hangs, and then is slow: requests get a second each, except for a trial
// every 10 seconds, and after the first trial that succeeds the whole timeout again.
func TestSlowAfterHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fakeTransport{}
		server.set(answersAfter(time.Hour))
		a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth", Transport: server})
		var group sync.WaitGroup
		for i := range 20 {
			group.Go(func() { wantRefusal(t, a, userCookie(i), betterauth.ReasonSessionUnusable, "") })
		}
		group.Wait()
		user := 100
		wantUnusable := func(want time.Duration) {
			t.Helper()
			user++
			wait, refusal := authenticateTimed(t, a, userCookie(user))
			if wait != want || refusal == nil || refusal.Reason != betterauth.ReasonSessionUnusable {
				t.Errorf("waited %v, want %v: %v", wait, want, refusal)
			}
		}
		wantUnusable(5 * time.Second) // The first trial.
		wantUnusable(time.Second)
		server.set(answersAfter(2 * time.Second))
		for range 4 { // Until 10 seconds after the trial began.
			wantUnusable(time.Second)
		}
		for range 3 { // The second trial, and requests after it.
			user++
			if wait, refusal := authenticateTimed(t, a, userCookie(user)); wait != 2*time.Second || refusal != nil {
				t.Errorf("waited %v, want 2s: %v", wait, refusal)
			}
		}
	})
}

// TestRetriesAreNoHang checks that a session that times out again and again doesn't shorten the timeout of others.
func TestRetriesAreNoHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fakeTransport{}
		server.set(answersAfter(time.Hour))
		a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth", Transport: server})
		for range 25 {
			time.Sleep(15 * time.Second) // The longest time for which the failure is cached.
			if wait, refusal := authenticateTimed(t, a, userCookie(1)); wait != 5*time.Second || refusal == nil {
				t.Errorf("waited %v, want 5s: %v", wait, refusal)
			}
		}
		server.set(answersAfter(2 * time.Second))
		wantSession(t, a, userCookie(2))
	})
}
