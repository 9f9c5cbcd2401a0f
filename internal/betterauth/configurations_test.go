package betterauth_test

import (
	"net/http"
	"regexp"
	"testing"

	"taskql/internal/betterauth"
	"taskql/internal/testkit"
)

// configuration is a way in which people configure Better Auth, and what this server is configured to for it.
type configuration struct {
	name string
	opts testkit.BetterAuthOptions
	// settings changes a Config that has the server's address and secret. Nil: nothing needs to be set.
	settings func(*betterauth.Config)
	// shapes are the ways to carry a session that work.
	shapes []shape
}

func configurations() []configuration {
	plugins := []string{"bearer", "jwt"}
	all := shapes()
	return []configuration{
		{"a base path", testkit.BetterAuthOptions{BasePath: "/auth", Plugins: plugins}, func(c *betterauth.Config) { c.BaseURL += "/auth/" }, all},
		{"a base path in a setting", testkit.BetterAuthOptions{BasePath: "/x/api/auth", Plugins: plugins}, func(c *betterauth.Config) { c.BasePath = "x/api/auth/" }, all},
		{"no base path", testkit.BetterAuthOptions{BasePath: "/", Plugins: plugins}, func(c *betterauth.Config) { c.BasePath = "/" }, all},
		{"jwksPath", testkit.BetterAuthOptions{Plugins: []string{"bearer"}, Config: "jwks-path"}, func(c *betterauth.Config) { c.JWKSPath = "/.well-known/jwks.json" }, all},
		{"redirects to a slash", testkit.BetterAuthOptions{Plugins: plugins, Env: []string{"TRAILING_SLASH=1"}}, nil, all},
		{"a __Host- cookie", testkit.BetterAuthOptions{Config: "host-cookie"}, func(c *betterauth.Config) { c.CookieName = "__Host-session" }, []shape{shapeCookie}},
		{"a __Host- cookie on an https server", testkit.BetterAuthOptions{SecureCookies: true, Env: []string{"COOKIE_NAME=__Host-session"}}, func(c *betterauth.Config) { c.CookieName = "__Host-session" }, []shape{shapeCookie}},
		{"__Host- cookies", testkit.BetterAuthOptions{Config: "host-prefix"}, func(c *betterauth.Config) { c.CookiePrefix = "__Host-acme" }, []shape{shapeCookie}},
		{"UUIDs for tokens", testkit.BetterAuthOptions{Config: "uuid-tokens", Plugins: plugins}, tokens("[0-9a-f-]{36}"), all},
		{"tokens with a prefix", testkit.BetterAuthOptions{Config: "prefixed-tokens", Plugins: plugins}, tokens("sess_[A-Za-z0-9]{32}"), all},
		// Better Auth's bearer plugin takes what is before the first dot for the whole token.
		{"tokens with a dot", testkit.BetterAuthOptions{Config: "dotted-tokens", Plugins: plugins}, tokens(`ey\.[A-Za-z0-9]{32}`), []shape{shapeCookie, shapeJWT}},
	}
}

// tokens sets the shape of session tokens.
func tokens(pattern string) func(*betterauth.Config) {
	return func(c *betterauth.Config) { c.TokenShape = regexp.MustCompile(`\A(?:` + pattern + `)\z`) }
}

// TestRealConfigurations signs in at real Better Auth servers in each configuration, with every shape of a session that
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
			for _, how := range c.shapes {
				h, scheme := carrying(t, user, how, server.Secret)
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

// carrying returns the headers of a request with the user's session in that shape, and its scheme.
func carrying(t *testing.T, user *testkit.AuthClient, how shape, secret string) (http.Header, string) {
	t.Helper()
	switch how {
	case shapeRaw:
		return bearing(user.Token), betterauth.SchemeBearer
	case shapeSigned:
		return bearing(betterauth.SignCookie(secret, user.Token)), betterauth.SchemeBearer
	case shapeJWT:
		return bearing(user.JWT(t)), betterauth.SchemeJWT
	default:
		return user.Header(), betterauth.SchemeCookie
	}
}
