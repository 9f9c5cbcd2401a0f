package betterauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"taskql/internal/betterauth"
	"taskql/internal/testkit"
)

// formatSteps formats steps as "name status, name status", and checks that they contain no secret.
func formatSteps(t testing.TB, steps []betterauth.Step, secrets ...string) string {
	t.Helper()
	var parts []string
	for i, step := range steps {
		parts = append(parts, step.Name+" "+step.Status)
		if step.Detail == "" || (step.Fix == "") != (step.Status == betterauth.StatusOK) {
			t.Errorf("step %+v", step)
		}
		if step.Status == betterauth.StatusFailure && i < len(steps)-1 {
			t.Errorf("it goes on after a failure: %+v", steps)
		}
		for _, s := range append(secrets, secret, token) {
			if strings.Contains(fmt.Sprintf("%+v", step), s) {
				t.Errorf("the step tells %q: %+v", s, step)
			}
		}
	}
	return strings.Join(parts, ", ")
}

func TestInspect(t *testing.T) {
	t.Parallel()
	const iss = "https://auth.example.com"
	own := newIssuer(t, "k1")
	value := betterauth.SignCookie(secret, token)
	withBan := strings.Replace(sessionJSON(), `"emailVerified":true`, `"emailVerified":true,"banned":true`, 1)
	old := strings.NewReplacer("2026-11-23T11", "2026-11-01T11").Replace(sessionJSON())
	const good = "cookie ok, encoding ok, signature ok, get-session ok, expiry ok, user ok"
	for _, test := range []struct {
		name   string
		header http.Header
		answer http.HandlerFunc
		want   string
		says   string // a part of the last step
	}{
		{"good", signedIn(), respondJSON(sessionJSON()), good, "u1"},
		{"not encoded", cookies(plain + "=" + decodeAll(value)), respondJSON(sessionJSON()), good, "u1"},
		{"nothing", http.Header{}, respondJSON("null"), "cookie failure", plain},
		{"another cookie", cookies("a=b"), respondJSON("null"), "cookie failure", plain},
		{"another prefix", cookies("acme.session_token=" + value), respondJSON("null"), "cookie failure", "acme.session_token"},
		{"the value alone", cookies(value), respondJSON("null"), "cookie failure", "without its name"},
		{"the raw token alone", cookies(token), respondJSON("null"), "cookie failure", "without its name"},
		{"multi-session's", cookies("better-auth.session_token_multi-" + token + "=" + value), respondJSON("null"), "cookie failure", plain},
		{"broken encoding", cookies(plain + "=" + value + "%ZZ"), respondJSON("null"), "cookie ok, encoding failure", "percent"},
		{"the raw token", cookies(plain + "=" + token), respondJSON("null"), "cookie ok, encoding ok, signature failure", "bare token"},
		{"another secret", cookies(plain + "=" + betterauth.SignCookie("x", token)), respondJSON("null"), "cookie ok, encoding ok, signature failure", "another secret"},
		{"dont_remember", cookies(plain + "=" + betterauth.SignCookie(secret, "true")), respondJSON("null"), "cookie ok, encoding ok, token failure", "dont_remember"},
		{"the secure one forged, the plain one good", cookies(secure + "=" + token + "; " + plain + "=" + value), respondJSON(sessionJSON()), good, "u1"},
		{"null", signedIn(), respondJSON("null"), "cookie ok, encoding ok, signature ok, get-session failure", "null"},
		{"down", signedIn(), respondStatus(500), "cookie ok, encoding ok, signature ok, get-session failure", "500"},
		{"expired", signedIn(), respondJSON(sessionJSONUntil(start())), "cookie ok, encoding ok, signature ok, get-session ok, expiry failure", "expired"},
		{"too old", signedIn(), respondJSON(old), "cookie ok, encoding ok, signature ok, get-session ok, expiry failure", "too long ago"},
		{"banned", signedIn(), respondJSON(withBan), "cookie ok, encoding ok, signature ok, get-session ok, expiry ok, user failure", "banned"},
		{"no user", signedIn(), respondJSON(strings.Replace(sessionJSON(), `"user":{`, `"x":{`, 1)), "cookie ok, encoding ok, signature ok, get-session ok, user failure", "no user"},
		{"raw bearer", withBearer(token), respondJSON(sessionJSON()), "bearer ok, get-session ok, expiry ok, user ok", "u1"},
		{"raw bearer, null", withBearer(token), respondJSON("null"), "bearer ok, get-session failure", "bearer"},
		{"signed bearer", withBearer(value), respondJSON(sessionJSON()), "bearer ok, signature ok, get-session ok, expiry ok, user ok", "u1"},
		{"forged bearer", withBearer(betterauth.SignCookie("x", token)), respondJSON(sessionJSON()), "signature failure", "another secret"},
		{"JWT", withBearer(own.sign(t, pluginClaims(iss), "")), respondJSON("null"), "bearer ok, JWT ok, expiry ok, user ok", "u1"},
		{"JWT of another issuer", withBearer(own.sign(t, withClaims(pluginClaims(iss), "iss", "x"), "")), respondJSON("null"), "bearer ok, JWT failure", "wrong_issuer"},
		{"JWT expired", withBearer(own.sign(t, withClaims(pluginClaims(iss), "exp", start().Unix()), "")), respondJSON("null"), "bearer ok, JWT failure", "expired"},
		{"JWT of another key", withBearer(newIssuer(t, "k1").sign(t, pluginClaims(iss), "")), respondJSON("null"), "bearer ok, JWT failure", "bad_signature"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := realAuthenticator(t, betterauth.Config{
				BaseURL: "http://auth", Issuers: []string{iss}, Now: newClock().Now, Transport: routes(jwks(t, own), test.answer),
				MaxSessionAge: 7 * 24 * time.Hour,
			})
			steps := a.Inspect(t.Context(), test.header)
			if got := formatSteps(t, steps); got != test.want {
				t.Errorf("%s\nwant %s\n%+v", got, test.want, steps)
			}
			if last := steps[len(steps)-1]; !strings.Contains(last.Detail, test.says) {
				t.Errorf("the last step says %q, want a word of %q", last.Detail, test.says)
			}
		})
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	own := newIssuer(t, "k1")
	path := func(ok, session, keys http.HandlerFunc) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("/api/auth/ok", ok)
		mux.HandleFunc("/api/auth/get-session", session)
		mux.HandleFunc("/api/auth/jwks", keys)
		return mux
	}
	alive, null, missing := respondJSON(`{"ok":true}`), respondJSON("null"), respondStatus(404)
	html := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }
	for _, test := range []struct {
		name    string
		handler http.Handler
		want    string
	}{
		{"good", path(alive, null, respondJSON(jwks(t, own))), "auth server ok, get-session ok, JWKS ok"},
		{"no jwt plugin", path(alive, null, missing), "auth server ok, get-session ok, JWKS ok"},
		{"jwt plugin down", path(alive, null, respondStatus(500)), "auth server ok, get-session ok, JWKS warning"},
		{"no key of use", path(alive, null, respondJSON(`{"keys":[]}`)), "auth server ok, get-session ok, JWKS warning"},
		{"limited", path(respondStatus(429), respondStatus(429), missing), "auth server warning, get-session warning, JWKS ok"},
		{"not Better Auth", path(html, html, html), "auth server failure"},
		{"another API", path(respondJSON(`{"status":"up"}`), null, missing), "auth server failure"},
		{"another path", http.NotFoundHandler(), "auth server failure"},
		{"nobody there", nil, "auth server failure"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(test.handler)
			defer server.Close()
			if test.handler == nil {
				server.Close()
			}
			a := realAuthenticator(t, betterauth.Config{BaseURL: server.URL})
			if got := formatSteps(t, a.Probe(t.Context())); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
	t.Run("its database down", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(path(alive, respondStatus(500), missing))
		defer server.Close()
		steps := realAuthenticator(t, betterauth.Config{BaseURL: server.URL}).Probe(t.Context())
		if len(steps) < 2 || steps[1].Status != betterauth.StatusFailure {
			t.Errorf("steps %+v", steps)
		}
	})
}

// TestRealProbeOfAnotherHost checks the advice if the host is not in Better Auth's allowedHosts.
func TestRealProbeOfAnotherHost(t *testing.T) {
	t.Parallel()
	server := testkit.BetterAuth(t, testkit.BetterAuthOptions{Config: "dynamic-url"})
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	step := realAuthenticator(t, betterauth.Config{BaseURL: "http://localhost:" + port}).Reachable(t.Context())
	if want := "if its baseURL has allowedHosts, add localhost:" + port + " to them"; step.Status != betterauth.StatusFailure || !strings.HasSuffix(step.Fix, want) {
		t.Errorf("%+v, want %q", step, want)
	}
}

func TestRealInspectAndProbe(t *testing.T) {
	t.Parallel()
	server := testkit.BetterAuth(t, testkit.BetterAuthOptions{Plugins: []string{"jwt"}, CookiePrefix: "acme"})
	user := server.SignUp(t, "Zoë", "zoe@example.com", "correct horse")
	cfg := betterauth.Config{BaseURL: server.URL, Secret: server.Secret}
	inspect := func(h http.Header) string {
		steps := realAuthenticator(t, cfg).Inspect(t.Context(), h)
		for _, step := range steps {
			t.Logf("%-12s %-8s %s %s", step.Name, step.Status, step.Detail, step.Fix)
		}
		return formatSteps(t, steps, server.Secret, user.Token)
	}
	want := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	want(formatSteps(t, realAuthenticator(t, cfg).Probe(t.Context())), "auth server ok, get-session ok, JWKS ok")
	want(inspect(user.Header()), "cookie failure") // It has another prefix.
	cfg.CookiePrefix = "acme"
	want(inspect(user.Header()), "cookie ok, encoding ok, signature ok, get-session ok, expiry ok, user ok")
	want(inspect(withBearer(user.JWT(t))), "bearer ok, JWT ok, expiry ok, user ok")
	user.SignOut(t)
	want(inspect(user.Header()), "cookie ok, encoding ok, signature ok, get-session failure")
	cfg.Secret = "another secret of at least 32 characters"
	want(inspect(user.Header()), "cookie ok, encoding ok, signature failure")
}
