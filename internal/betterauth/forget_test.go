package betterauth_test

import (
	"net/http"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"taskql/internal/betterauth"
)

func TestForget(t *testing.T) {
	t.Parallel()
	now := newClock()
	var ended atomic.Bool
	server := newAuthServer(t, func(w http.ResponseWriter, r *http.Request) {
		if ended.Load() {
			respondJSON("null")(w, r)
			return
		}
		respondJSON(sessionJSON())(w, r)
	})
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, CacheTTL: time.Minute, StaleTTL: time.Hour, Now: now.Now})
	wantSession(t, a, signedIn())
	now.Advance(time.Second)
	a.Forget("somebody else")
	wantSession(t, a, signedIn())
	if got := server.calls.Load(); got != 1 {
		t.Fatalf("%d calls, want 1", got)
	}
	a.Forget("u1")
	now.Advance(time.Second)
	wantSession(t, a, signedIn())
	wantSession(t, a, signedIn())
	if got := server.calls.Load(); got != 2 {
		t.Errorf("%d calls, want 2: the session is cached again", got)
	}
	ended.Store(true)
	a.Forget("u1")
	now.Advance(time.Second)
	wantRefusal(t, a, signedIn(), betterauth.ReasonSessionNull, "Invalid session")
}

// While the auth server is down, a forgotten session is not used either.
func TestForgetWithoutTheAuthServer(t *testing.T) {
	t.Parallel()
	now := newClock()
	server := newAuthServer(t, respondJSON(sessionJSON()))
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, CacheTTL: time.Minute, StaleTTL: time.Hour, Now: now.Now})
	wantSession(t, a, signedIn())
	server.Close()
	now.Advance(2 * time.Minute)
	wantSession(t, a, signedIn())
	a.Forget("u1")
	now.Advance(time.Second)
	if session, err := a.Authenticate(t.Context(), signedIn()); err == nil {
		t.Errorf("got %+v", session)
	}
}

// The answer to a request that was under way doesn't count: it may be older than the end of the session.
func TestForgetDuringARequest(t *testing.T) {
	t.Parallel()
	now := newClock()
	asked, answer := make(chan bool), make(chan string)
	server := newAuthServer(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- true
		respondJSON(<-answer)(w, r)
	})
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, CacheTTL: time.Minute, Now: now.Now})
	done := make(chan error)
	go func() {
		_, err := a.Authenticate(t.Context(), signedIn())
		done <- err
	}()
	<-asked
	now.Advance(time.Second)
	a.Forget("u1")
	now.Advance(time.Second)
	answer <- sessionJSON()
	<-asked
	answer <- "null"
	if err := <-done; err == nil {
		t.Error("the session was accepted")
	}
}

// Credentials are enough to authenticate, and have nothing else of the headers.
func TestCredentials(t *testing.T) {
	t.Parallel()
	cookie := plain + "=" + betterauth.SignCookie(secret, token)
	stateless := betterauth.Config{Stateless: true}
	for name, tt := range map[string]struct {
		config     betterauth.Config
		have, want http.Header
	}{
		"nothing": {have: http.Header{"Accept": {"x"}, "Cookie": {"theme=dark"}}, want: http.Header{}},
		"a cookie among others": {
			have: http.Header{"Cookie": {"a=b; " + cookie + "; c=d"}, "User-Agent": {"x"}},
			want: http.Header{"Cookie": {" " + cookie}},
		},
		"two lines of cookies": {
			have: http.Header{"Cookie": {secure + "=x;better-auth.dont_remember=y", cookie}},
			want: http.Header{"Cookie": {secure + "=x;better-auth.dont_remember=y;" + cookie}},
		},
		"a bearer token and a key": {
			have:   http.Header{"Authorization": {"Bearer x"}, "X-Api-Key": {"a", "b"}},
			want:   http.Header{"Authorization": {"Bearer x"}, "X-Api-Key": {"a", "b"}},
			config: betterauth.Config{APIKeyHeader: "x-api-key"},
		},
		"session_data that is not used": {have: http.Header{"Cookie": {"better-auth.session_data=x"}}, want: http.Header{}},
		"session_data": {
			config: stateless,
			have:   http.Header{"Cookie": {"better-auth.session_data.0=x;better-auth.session_data=y;better-auth.session_data.z=z"}},
			want:   http.Header{"Cookie": {"better-auth.session_data.0=x;better-auth.session_data=y"}},
		},
	} {
		tt.config.BaseURL = "http://127.0.0.1:1"
		a := newAuthenticator(t, tt.config)
		if got := a.Credentials(tt.have); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
	server := newAuthServer(t, respondJSON(sessionJSON()))
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL})
	wantSession(t, a, a.Credentials(signedIn()))
}
