package betterauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"taskql/internal/betterauth"
)

// TestManyMadeUpBearerTokens checks that made-up raw bearer tokens, which have no signature, reach the auth server a
// few at a time, and that valid ones are accepted as soon as the flood is over.
func TestManyMadeUpBearerTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fakeTransport{}
		server.set(respondToToken)
		a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth", Transport: server, CacheTTL: time.Minute})
		wantCount := func(want int64) {
			t.Helper()
			if got := server.calls.Load(); got != want {
				t.Errorf("%d calls, want %d", got, want)
			}
		}
		var group sync.WaitGroup
		for i := range 1_000 {
			group.Go(func() {
				if refusalOf(t, a, withBearer(fmt.Sprintf("%032d", i))) == nil {
					t.Error("signed in")
				}
			})
		}
		group.Wait()
		wantCount(32)
		wantSession(t, a, cookies(plain+"="+betterauth.SignCookie(secret, token)))
		wantCount(33)
		wantRefusal(t, a, withBearer(token), betterauth.ReasonTooManyUnknown, "Too many unknown")
		time.Sleep(10 * time.Second)
		wantSession(t, a, withBearer(token))
		wantCount(34)
		// A repeated one causes one request.
		for range 1000 {
			wantRefusal(t, a, withBearer(fmt.Sprintf("%032d", 0)), betterauth.ReasonSessionNull, "Invalid session")
		}
		wantCount(35)
		time.Sleep(10 * time.Second)
	})
}

// TestMadeUpTokensDoNotKeepARevokedOneValid checks that a flood of made-up tokens doesn't keep a revoked one valid: a
// token that was valid a moment ago needs no slot.
func TestMadeUpTokensDoNotKeepARevokedOneValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fakeTransport{}
		server.set(respondToToken)
		a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth", Transport: server, CacheTTL: time.Second})
		wantSession(t, a, withBearer(token))
		server.set(respondJSON("null")) // It is revoked.
		var group sync.WaitGroup
		for i := range 100 {
			group.Go(func() {
				if refusalOf(t, a, withBearer(fmt.Sprintf("%032d", i))) == nil {
					t.Error("signed in")
				}
			})
		}
		group.Wait()
		time.Sleep(time.Second)
		wantRefusal(t, a, withBearer(token), betterauth.ReasonSessionNull, "Invalid session")
		time.Sleep(10 * time.Second)
	})
}

// respondOnlyTo returns an auth server that knows one token.
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

// TestFloodFromOneAddress checks that a flood of made-up tokens from one address is limited, and that other addresses
// can still use raw tokens.
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
					t.Error("it is not marked as rate limited")
				}
			})
		}
		group.Wait()
		if reasons[betterauth.ReasonSessionNull] != 8 || reasons[betterauth.ReasonTooManyUnknown] != 1992 {
			t.Errorf("the flood got %v", reasons)
		}
		if refusal := from("2.2.2.2", withBearer(token)); refusal != nil {
			t.Errorf("a raw token from another address: %v", refusal)
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

// TestRetriesAreLimited checks that the retries of many failing sessions don't occupy all connections: 16 requests run
// at once, and the other sessions are refused without a request.
func TestRetriesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sessions, slots = 40, 16
		server := &fakeTransport{}
		server.set(failFrom(0, respondStatus(500)))
		a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth", Transport: server})
		for i := range sessions {
			wantRefusal(t, a, userCookie(i), betterauth.ReasonSessionUnusable, "")
		}
		time.Sleep(2 * time.Second)
		var requests atomic.Int64
		server.set(func(w http.ResponseWriter, r *http.Request) {
			if requestedToken(r) == "" {
				respondHealthy(w, r)
				return
			}
			requests.Add(1)
			hang(w, r)
		})
		var refused atomic.Int64
		var group sync.WaitGroup
		for i := range sessions {
			group.Go(func() {
				if wait, _ := authenticateTimed(t, a, userCookie(i)); wait == 0 {
					refused.Add(1)
				}
			})
		}
		group.Wait()
		if requests.Load() != slots || refused.Load() != sessions-slots {
			t.Errorf("%d requests and %d sessions refused at once, want %d and %d", requests.Load(), refused.Load(), slots, sessions-slots)
		}
		// The slots are free again.
		server.set(respondHealthy)
		time.Sleep(15 * time.Second)
		for i := range sessions {
			wantSession(t, a, userCookie(i))
		}
	})
}

// respondToToken responds as an auth server that knows only the session of token.
func respondToToken(w http.ResponseWriter, r *http.Request) {
	if requestedToken(r) == token {
		respondHealthy(w, r)
		return
	}
	respondJSON("null")(w, r)
}
