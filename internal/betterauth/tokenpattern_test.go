package betterauth_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"taskql/internal/betterauth"
	"taskql/internal/testkit"
)

func TestTokenPattern(t *testing.T) {
	const custom = "sess_0123456789"
	server := newAuthServer(t, respondJSON(sessionJSON()))
	h := cookies(plain + "=" + betterauth.SignCookie(secret, custom))
	strict := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, Now: newClock().Now})
	wantRefusal(t, strict, h, betterauth.ReasonBadToken, "Invalid session")
	wide := newAuthenticator(t, betterauth.Config{
		BaseURL: server.URL, Now: newClock().Now, TokenPattern: regexp.MustCompile(`^sess_[0-9]{10}$`),
	})
	wantSession(t, wide, h)
}

// TestRealTokenPatterns checks that a token of another format is refused with the setting that is missing, and accepted
// with the pattern that Inspect suggests.
func TestRealTokenPatterns(t *testing.T) {
	t.Parallel()
	for config, pattern := range map[string]string{
		"uuid-tokens":     "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
		"prefixed-tokens": "sess_[A-Za-z0-9]{32}",
		"dotted-tokens":   "[A-Za-z0-9.]{35}",
	} {
		t.Run(config, func(t *testing.T) {
			t.Parallel()
			server := testkit.BetterAuth(t, testkit.BetterAuthOptions{Config: config, Plugins: []string{"bearer"}})
			user := server.SignUp(t, "Zoë", "zoe@example.com", "correct horse")
			suggested := pattern
			if !strings.ContainsAny(user.Token, "0123456789") { // About one random token in 300 has no digit.
				suggested = strings.Replace(pattern, "0-9", "", 1)
			}
			cfg := betterauth.Config{BaseURL: server.URL, Secret: server.Secret}
			a := realAuthenticator(t, cfg)
			signed := withBearer(betterauth.SignCookie(server.Secret, user.Token))
			for what, h := range map[string]http.Header{"cookie": user.Header(), "signed": signed, "raw": withBearer(user.Token)} {
				if what != "cookie" && config == "dotted-tokens" {
					continue // A bearer token with two dots looks like a JWT, one with a dot like a signed token.
				}
				refusal := refusalOf(t, a, h)
				if refusal == nil || refusal.Reason != betterauth.ReasonBadToken || !strings.Contains(refusal.Error(), "set AUTH_TOKEN_PATTERN") {
					t.Errorf("%s: %v", what, refusal)
				}
				steps := a.Inspect(t.Context(), h)
				formatSteps(t, steps, user.Token)
				if fix := steps[len(steps)-1].Fix; !strings.Contains(fix, "set AUTH_TOKEN_PATTERN to "+suggested+";") {
					t.Errorf("%s: %q, want %s", what, fix, suggested)
				}
			}
			tokens(pattern)(&cfg)
			wantSession(t, realAuthenticator(t, cfg), user.Header())
		})
	}
}

// TestInspectSuggestsNoPattern checks that no pattern is suggested for a signed text that is not a session token.
func TestInspectSuggestsNoPattern(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"true", "short", "sess_", "sess_short", "a b c d e f g h i j k l m n o p", "ééééééééééééééééé"} {
		a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth"})
		steps := a.Inspect(t.Context(), cookies(plain+"="+betterauth.SignCookie(secret, text)))
		if last := steps[len(steps)-1]; last.Name != "token" || strings.Contains(last.Fix, "AUTH_TOKEN_PATTERN") {
			t.Errorf("%q: %+v", text, last)
		}
	}
}

// TestInspectFindsTheCookieName checks that a session cookie under another name is recognized by its signature and
// format.
func TestInspectFindsTheCookieName(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, header, fix string }{
		{"another name", "a=b; sid=" + betterauth.SignCookie(secret, token), "set AUTH_COOKIE_NAME to sid"},
		{"a secure name", "__Secure-sid=" + betterauth.SignCookie(secret, token), "set AUTH_COOKIE_NAME to sid"},
		{"a host name", "__Host-sid=" + betterauth.SignCookie(secret, token), "set AUTH_COOKIE_NAME to __Host-sid"},
		{"a host prefix", "__Host-acme.session_token=" + betterauth.SignCookie(secret, token), "set AUTH_COOKIE_PREFIX to __Host-acme"},
		{"another session of multiSession", "better-auth.session_token_multi-x=" + betterauth.SignCookie(secret, token), "copy the Cookie header"},
		{"not signed", "sid=" + token, "copy the Cookie header"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth"})
			steps := a.Inspect(t.Context(), cookies(test.header))
			formatSteps(t, steps, token)
			if last := steps[len(steps)-1]; !strings.HasPrefix(last.Fix, test.fix) {
				t.Errorf("%+v, want %q", last, test.fix)
			}
		})
	}
}
