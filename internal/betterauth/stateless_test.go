package betterauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"taskql/internal/betterauth"
	"taskql/internal/testkit"
)

// TestRealStateless checks an auth server without a database: after a restart, session_data keeps users signed in, at
// the auth server and here.
func TestRealStateless(t *testing.T) {
	t.Parallel()
	server := testkit.BetterAuth(t, testkit.BetterAuthOptions{
		Config: "stateless", OwnProcess: true, Env: []string{"FAT_FIELD=6000"}, Plugins: []string{"bearer"},
	})
	user := server.SignUp(t, "Zoë", "zoe@example.com", "correct horse")
	if _, chunked := user.Cookies()["better-auth.session_data.1"]; !chunked {
		t.Errorf("session_data is not chunked: %d cookies", len(user.Cookies()))
	}
	cfg := betterauth.Config{BaseURL: server.URL, Secret: server.Secret, StaleTTL: -1}
	stateful := realAuthenticator(t, cfg)
	cfg.Stateless = true
	stateless := realAuthenticator(t, cfg)
	wantSession(t, stateful, user.Header())
	wantSession(t, stateless, user.Header())

	server.Kill(t)
	server.Restart(t)
	wantRefusal(t, stateful, user.Header(), betterauth.ReasonSessionNull, "Invalid session")
	steps := stateful.Inspect(t.Context(), user.Header())
	if last := steps[len(steps)-1]; last.Name != "get-session" || !strings.Contains(last.Fix, "set AUTH_STATELESS=on") {
		t.Errorf("%+v", last)
	}
	session, err := stateless.Authenticate(t.Context(), user.Header())
	if err != nil || session.UserID != user.UserID {
		t.Fatalf("after the restart: %+v, %v; want user %s", session, err, user.UserID)
	}
	formatSteps(t, stateless.Inspect(t.Context(), user.Header()), user.Token)
	// A bearer token has no session_data.
	wantRefusal(t, stateless, withBearer(user.Token), betterauth.ReasonSessionNull, "Invalid session")
}

// TestStatelessRequest checks that a stateless auth server receives verified session_data of the same session, without
// disableCookieCache.
func TestStatelessRequest(t *testing.T) {
	t.Parallel()
	value := plain + "=" + betterauth.SignCookie(secret, token)
	good := compactSessionData(t, sessionDataClaims(token, "u1"))
	for _, test := range []struct {
		name, cookies string
		stateless     bool
		want, query   string
	}{
		{"verified", value + "; better-auth.session_data=" + good, true, value + "; better-auth.session_data=" + good, "disableRefresh=true"},
		{"in chunks", value + "; better-auth.session_data.1=" + good[100:] + "; better-auth.session_data.0=" + good[:100], true, value + "; better-auth.session_data=" + good, "disableRefresh=true"},
		{"none", value, true, value, "disableRefresh=true"},
		{"of another session", value + "; better-auth.session_data=" + compactSessionData(t, sessionDataClaims(strings.Repeat("x", 32), "u1")), true, value, "disableRefresh=true"},
		{"changed", value + "; better-auth.session_data=" + strings.Replace(good, "e", "f", 1), true, value, "disableRefresh=true"},
		{"over", value + "; better-auth.session_data=" + signJWS(t, jose.HS256, []byte(secret), withClaims(sessionDataClaims(token, "u1"), "exp", start().Unix()), ""), true, value, "disableRefresh=true"},
		{"another name's", value + "; __Secure-better-auth.session_data=" + good, true, value, "disableRefresh=true"},
		{"not stateless", value + "; better-auth.session_data=" + good, false, value, "disableCookieCache=true&disableRefresh=true"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := newAuthServer(t, respondJSON(sessionJSON()))
			a := realAuthenticator(t, betterauth.Config{BaseURL: server.URL, Now: newClock().Now, Stateless: test.stateless})
			wantSession(t, a, cookies(test.cookies))
			got := server.lastRequest()
			if got.Header.Get("Cookie") != test.want || got.URL.RawQuery != test.query {
				t.Errorf("cookies %q\nwant    %q\nquery %q, want %q", got.Header.Get("Cookie"), test.want, got.URL.RawQuery, test.query)
			}
		})
	}
}

// TestStatelessCacheKeys checks that the refusal of a session without session_data is not cached for the same session
// with it.
func TestStatelessCacheKeys(t *testing.T) {
	t.Parallel()
	server := newAuthServer(t, func(w http.ResponseWriter, r *http.Request) {
		answer := "null"
		if strings.Contains(r.Header.Get("Cookie"), "session_data") {
			answer = sessionJSON()
		}
		respondJSON(answer)(w, r)
	})
	a := realAuthenticator(t, betterauth.Config{BaseURL: server.URL, Now: newClock().Now, Stateless: true, CacheTTL: time.Minute})
	wantRefusal(t, a, signedIn(), betterauth.ReasonSessionNull, "Invalid session")
	wantSession(t, a, withSessionData(compactSessionData(t, sessionDataClaims(token, "u1"))))
	wantRefusal(t, a, signedIn(), betterauth.ReasonSessionNull, "Invalid session")
}
