package betterauth_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"taskql/internal/betterauth"
	"taskql/internal/testkit"
)

func TestRealInspectAPIKey(t *testing.T) {
	t.Parallel()
	server := newKeyServer(t, testkit.BetterAuthOptions{Plugins: []string{"admin"}})
	user := server.SignUp(t, "Zoë", "zoe@example.com", "correct horse")
	open := newKeyServer(t, testkit.BetterAuthOptions{Config: "api-key-configurations"})
	const all = "API key ok, get-session ok, expiry ok, user ok, limits ok, permissions ok"
	const good = all + ", auth server ok"
	for _, tt := range []struct{ name, update, want, detail string }{
		{"without permissions", ``, all, "none: the key may do whatever its user may"},
		{"that may read", `permissions = '{"tasks":["read"]}'`, good, "read for tasks: queries only"},
		{"that may write", `permissions = '{"tasks":["write"]}'`, good, "write for tasks"},
		{"for something else", `permissions = '{"files":["read"]}'`, strings.TrimSuffix(all, "ok") + "failure", "but for files"},
		{"with the limit that keys have by default", `"rateLimitTimeWindow" = 86400000, "rateLimitMax" = 10`, strings.Replace(all, "limits ok", "limits warning", 1), "2 of 10 requests in 24h0m0s used; in constant use, each replica of this server makes 11520"},
		{"that will be used up", `remaining = 10`, strings.Replace(all, "limits ok", "limits warning, limits ok", 1), "8 more times"},
		{"without a limit", `"rateLimitEnabled" = false`, all, "no rate limit"},
		{"that expires", `"expiresAt" = now() + interval '2 hours 30 seconds'`, all, "good for 2h0m0s"},
		{"that is disabled", `enabled = false`, "API key ok, get-session failure", "enable the key"},
		{"that is limited", `"rateLimitMax" = 0, "lastRequest" = now()`, "API key ok, get-session failure", "rateLimitMax"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := realAuthenticator(t, betterauth.Config{BaseURL: server.URL, Secret: server.Secret, APIKeyHeader: keyHeader, CacheTTL: 15 * time.Second})
			key := server.key(t, user, tt.update)
			steps := a.Inspect(t.Context(), withAPIKey(key))
			if got := formatSteps(t, steps, key); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if text := fmt.Sprintf("%+v", steps); !strings.Contains(text, tt.detail) {
				t.Errorf("%s lacks %q", text, tt.detail)
			}
		})
	}
	t.Run("that the auth server accepts everywhere", func(t *testing.T) {
		t.Parallel()
		a := realAuthenticator(t, betterauth.Config{BaseURL: open.URL, Secret: open.Secret, APIKeyHeader: keyHeader, CacheTTL: 15 * time.Second})
		key := open.key(t, open.SignUp(t, "Zoë", "zoe@example.com", "correct horse"), `permissions = '{"tasks":["read"]}', "rateLimitEnabled" = false`)
		steps := a.Inspect(t.Context(), withAPIKey(key))
		if got := formatSteps(t, steps, key); got != all+", auth server warning" {
			t.Error(got)
		}
		if text := fmt.Sprintf("%+v", steps); !strings.Contains(text, "customAPIKeyValidator") {
			t.Error(text)
		}
	})
}
