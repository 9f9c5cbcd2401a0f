package server

import (
	"strings"
	"testing"

	"taskql/internal/testkit"
)

// TestAuthServerSettings: users of a configured Better Auth are signed in with the variables that docs/authentication.md names for
// that configuration.
func TestAuthServerSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		opts testkit.BetterAuthOptions
		path string // appended to AUTH_SERVER_URL
		more map[string]string
	}{
		{"basePath", testkit.BetterAuthOptions{BasePath: "/auth"}, "/auth", nil},
		{"basePath and AUTH_BASE_PATH", testkit.BetterAuthOptions{BasePath: "/"}, "", map[string]string{"AUTH_BASE_PATH": "/"}},
		{"jwksPath", testkit.BetterAuthOptions{Config: "jwks-path"}, "", map[string]string{"AUTH_JWKS_PATH": "/.well-known/jwks.json"}},
		{"trailing slashes", testkit.BetterAuthOptions{Env: []string{"TRAILING_SLASH=1"}}, "", nil},
		{"no database", testkit.BetterAuthOptions{Config: "stateless"}, "", map[string]string{"AUTH_STATELESS": "on"}},
		{"issuer and audience", testkit.BetterAuthOptions{Config: "jwt-claims"}, "", map[string]string{"AUTH_ISSUER": "https://issuer.example.com", "AUTH_AUDIENCE": "tasks"}},
		{"a __Host- cookie", testkit.BetterAuthOptions{Config: "host-cookie"}, "", map[string]string{"AUTH_COOKIE_NAME": "__Host-session"}},
		{"UUIDs for tokens", testkit.BetterAuthOptions{Config: "uuid-tokens"}, "", map[string]string{"AUTH_TOKEN_PATTERN": "[0-9a-f-]{36}"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			auth := testkit.BetterAuth(t, tt.opts)
			ada := auth.SignUp(t, "Ada", "ada@example.com", "correct horse")
			s, log := newServer(t, against(auth.URL+tt.path, auth.Secret, tt.more))
			address := serve(t, s)
			if _, answer := mustCall(t, address, ada.Header(), whoAmI); !strings.Contains(answer, "ada@example.com") {
				t.Errorf("cookie: %s\n%s", answer, log)
			}
			if !strings.HasPrefix(tt.opts.Config, "jw") {
				return
			}
			if _, answer := mustCall(t, address, bearer(ada.JWT(t)), whoAmI); !strings.Contains(answer, "ada@example.com") {
				t.Errorf("JWT: %s\n%s", answer, log)
			}
		})
	}
}

// TestJWTKeepsProfile: a JWT with only the user's id doesn't remove anything from the profile.
func TestJWTKeepsProfile(t *testing.T) {
	t.Parallel()
	auth := testkit.BetterAuth(t, testkit.BetterAuthOptions{Config: "jwt-subject"})
	ada := auth.SignUp(t, "Ada", "ada@example.com", "correct horse")
	s, _ := newServer(t, against(auth.URL, auth.Secret, nil))
	address := serve(t, s)
	const document = "{ viewer { name email } }"
	empty, whole := `{"data":{"viewer":{"name":"","email":""}}}`, `{"data":{"viewer":{"name":"Ada","email":"ada@example.com"}}}`
	jwt := bearer(ada.JWT(t))
	for i, step := range []struct {
		cookie bool
		want   string
	}{{false, empty}, {true, whole}, {false, whole}, {true, whole}} {
		header := jwt
		if step.cookie {
			header = ada.Header()
		}
		if _, answer := mustCall(t, address, header, document); strings.TrimSpace(answer) != step.want {
			t.Errorf("step %d: %s, want %s", i, answer, step.want)
		}
	}
}
