package betterauth_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"taskql/internal/betterauth"
	"taskql/internal/testkit"
)

// configuration is a configuration of Better Auth with the settings of this server for it.
type configuration struct {
	name string
	// option is Better Auth's option, as at the beginning of a row in docs/authentication.md.
	option string
	opts   testkit.BetterAuthOptions
	// settings changes a Config that has the server's address and secret. It may be nil.
	settings func(*betterauth.Config)
	// kinds are the kinds of credentials that work.
	kinds []credentialKind
}

func configurations() []configuration {
	plugins := []string{"bearer", "jwt"}
	all := credentialKinds()
	return []configuration{
		{"a base path", "`basePath`", testkit.BetterAuthOptions{BasePath: "/auth", Plugins: plugins}, func(c *betterauth.Config) { c.BaseURL += "/auth/" }, all},
		{"a base path in a setting", "`basePath`", testkit.BetterAuthOptions{BasePath: "/x/api/auth", Plugins: plugins}, func(c *betterauth.Config) { c.BasePath = "x/api/auth/" }, all},
		{"no base path", "`basePath`", testkit.BetterAuthOptions{BasePath: "/", Plugins: plugins}, func(c *betterauth.Config) { c.BasePath = "/" }, all},
		{"jwksPath", "`jwt({ jwks: { jwksPath } })`", testkit.BetterAuthOptions{Plugins: []string{"bearer"}, Config: "jwks-path"}, func(c *betterauth.Config) { c.JWKSPath = "/.well-known/jwks.json" }, all},
		{"redirects to a slash", "`advanced.skipTrailingSlashes`", testkit.BetterAuthOptions{Plugins: plugins, Env: []string{"TRAILING_SLASH=1"}}, nil, all},
		{"no database", "no `database`", testkit.BetterAuthOptions{Config: "stateless", Plugins: plugins}, func(c *betterauth.Config) { c.Stateless = true }, all},
		{"JWTs with the subject alone", "`jwt({ jwt: { definePayload } })`", testkit.BetterAuthOptions{Config: "jwt-subject", Plugins: []string{"bearer"}}, nil, all},
		{"JWTs with an issuer and audiences", "`jwt({ jwt: { issuer, audience } })`", testkit.BetterAuthOptions{Config: "jwt-claims", Plugins: []string{"bearer"}}, func(c *betterauth.Config) {
			c.Issuers, c.Audiences = []string{"https://other.example.com", "https://issuer.example.com/"}, []string{"tasks"}
		}, all},
		{"a base URL for each host", "`baseURL: { allowedHosts }`", testkit.BetterAuthOptions{Config: "dynamic-url", Plugins: plugins}, nil, all},
		{"customSession spreads the session", "`customSession()`", testkit.BetterAuthOptions{Config: "custom-session-spread", Plugins: plugins}, nil, all},
		{"customSession answers the user alone", "`customSession()`", testkit.BetterAuthOptions{Config: "custom-session-user-only", Plugins: plugins}, nil, all},
		{"customSession answers odd fields", "`customSession()`", testkit.BetterAuthOptions{Config: "custom-session-odd-fields", Plugins: plugins}, nil, all},
		{"a __Host- cookie", "`advanced.cookies.session_token.name`", testkit.BetterAuthOptions{Config: "host-cookie"}, func(c *betterauth.Config) { c.CookieName = "__Host-session" }, []credentialKind{kindCookie}},
		{"a __Host- cookie on an https server", "`advanced.cookies.session_token.name`", testkit.BetterAuthOptions{SecureCookies: true, Env: []string{"COOKIE_NAME=__Host-session"}}, func(c *betterauth.Config) { c.CookieName = "__Host-session" }, []credentialKind{kindCookie}},
		{"__Host- cookies", "`advanced.cookiePrefix`", testkit.BetterAuthOptions{Config: "host-prefix"}, func(c *betterauth.Config) { c.CookiePrefix = "__Host-acme" }, []credentialKind{kindCookie}},
		{"UUIDs for tokens", "`databaseHooks.session.create.before`", testkit.BetterAuthOptions{Config: "uuid-tokens", Plugins: plugins}, tokens("[0-9a-f-]{36}"), all},
		{"tokens with a prefix", "`databaseHooks.session.create.before`", testkit.BetterAuthOptions{Config: "prefixed-tokens", Plugins: plugins}, tokens("sess_[A-Za-z0-9]{32}"), all},
		// Better Auth's bearer plugin reads the token only up to the first dot.
		{"tokens with a dot", "`databaseHooks.session.create.before`", testkit.BetterAuthOptions{Config: "dotted-tokens", Plugins: plugins}, tokens(`ey\.[A-Za-z0-9]{32}`), []credentialKind{kindCookie, kindJWT}},
	}
}

// tokens returns settings with that pattern of session tokens.
func tokens(pattern string) func(*betterauth.Config) {
	return func(c *betterauth.Config) { c.TokenPattern = regexp.MustCompile(`\A(?:` + pattern + `)\z`) }
}

// TestRealConfigurations signs in at real Better Auth servers in each configuration, with each kind of credentials that
// works there. docs/authentication.md has a row for each.
func TestRealConfigurations(t *testing.T) {
	t.Parallel()
	for _, c := range configurations() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := testkit.BetterAuth(t, c.opts)
			user := server.SignUp(t, "Zoë", "zoe@example.com", "correct horse")
			cfg := betterauth.Config{BaseURL: server.URL, Secret: server.Secret}
			if c.settings != nil {
				c.settings(&cfg)
			}
			for _, how := range c.kinds {
				h, scheme := credentialHeader(t, user, how, server.Secret)
				session, err := realAuthenticator(t, cfg).Authenticate(t.Context(), h)
				if err != nil {
					t.Errorf("%s: %v", how, err)
					continue
				}
				if session.UserID != user.UserID || session.Scheme != scheme {
					t.Errorf("%s: user %s by %s, want %s by %s", how, session.UserID, session.Scheme, user.UserID, scheme)
				}
			}
		})
	}
}

// TestConfigurationsAreDocumented checks that the documentation has a row for each configuration.
func TestConfigurationsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/authentication.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configurations() {
		if !strings.Contains(string(page), "\n| "+c.option) {
			t.Errorf("%s: docs/authentication.md has no row for %s", c.name, c.option)
		}
	}
}

// credentialHeader returns the headers of a request with credentials of that kind for the user's session, and their
// scheme.
func credentialHeader(t *testing.T, user *testkit.AuthClient, how credentialKind, secret string) (http.Header, string) {
	t.Helper()
	switch how {
	case kindRaw:
		return withBearer(user.Token), betterauth.SchemeBearer
	case kindSigned:
		return withBearer(betterauth.SignCookie(secret, user.Token)), betterauth.SchemeBearer
	case kindJWT:
		return withBearer(user.JWT(t)), betterauth.SchemeJWT
	default:
		return user.Header(), betterauth.SchemeCookie
	}
}

// TestRealIssuers checks JWTs of a server with a base URL, and so an issuer, for each host. A refusal names the setting
// to change.
func TestRealIssuers(t *testing.T) {
	t.Parallel()
	dynamic := testkit.BetterAuth(t, testkit.BetterAuthOptions{Config: "dynamic-url", Plugins: []string{"jwt"}})
	ada := dynamic.SignUp(t, "Ada", "ada@example.com", "correct horse")
	const app, www = "http://app.example.com", "http://www.example.com"
	own := testkit.BetterAuth(t, testkit.BetterAuthOptions{Config: "jwt-claims"})
	zoe := own.SignUp(t, "Zoë", "zoe@example.com", "correct horse")
	const issuer = "https://issuer.example.com"
	for _, test := range []struct {
		name              string
		server            *testkit.AuthServer
		user              *testkit.AuthClient
		host              string
		issuers, audience []string
		says, fix         string // of the refusal; empty if there is none
	}{
		{"its own address", dynamic, ada, "", nil, nil, "", ""},
		{"one of two hosts", dynamic, ada, "app.example.com", []string{www, app}, nil, "", ""},
		{"the other of two hosts", dynamic, ada, "www.example.com", []string{www, app}, nil, "", ""},
		{"a third host", dynamic, ada, "new.example.com", []string{www, app}, nil, `iss is "http://new.example.com", and AUTH_ISSUER is "` + www + `", "` + app + `"`, "set AUTH_ISSUER to " + www + "," + app + ",http://new.example.com"},
		{"another host than the address", dynamic, ada, "new.example.com", nil, nil, `iss is "http://new.example.com", and AUTH_ISSUER is "` + dynamic.URL + `"`, "set AUTH_ISSUER to http://new.example.com"},
		{"no issuer set", own, zoe, "", nil, nil, `iss is "` + issuer + `", and AUTH_ISSUER is "` + own.URL + `"`, "set AUTH_ISSUER to " + issuer},
		{"no audience set", own, zoe, "", []string{issuer}, nil, `aud is "other", "tasks", and AUTH_AUDIENCE is "` + issuer + `"`, "set AUTH_AUDIENCE to other"},
		{"one of the audiences", own, zoe, "", []string{issuer}, []string{"x", "tasks"}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := withBearer(tokenAt(t, test.server, test.user, test.host))
			a := realAuthenticator(t, betterauth.Config{
				BaseURL: test.server.URL, Secret: test.server.Secret, Issuers: test.issuers, Audiences: test.audience,
			})
			refusal := refusalOf(t, a, h)
			switch {
			case test.says == "" && refusal != nil:
				t.Error(refusal)
			case test.says != "" && (refusal == nil || refusal.Reason != betterauth.ReasonWrongIssuer || !strings.HasSuffix(refusal.Error(), test.says)):
				t.Errorf("%v, want %s", refusal, test.says)
			}
			steps := a.Inspect(t.Context(), h)
			formatSteps(t, steps, strings.TrimPrefix(h.Get("Authorization"), "Bearer "))
			if last := steps[len(steps)-1]; test.fix != "" && last.Fix != "if that is this auth server, "+test.fix {
				t.Errorf("the fix is %q, want %q", last.Fix, test.fix)
			}
		})
	}
}

// tokenAt returns a JWT that the server issues under that host name, or under its own if the name is empty.
func tokenAt(t *testing.T, server *testkit.AuthServer, user *testkit.AuthClient, host string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/auth/token", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header, req.Host = user.Header(), host
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ Token string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Token == "" {
		t.Fatalf("%s: no token, %v", res.Status, err)
	}
	return answer.Token
}
