package betterauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"taskql/internal/betterauth"
	"taskql/internal/testkit"
)

// imageOfSize returns a profile image of that many bytes, as some frontends store it.
func imageOfSize(size int) string {
	const kind = "data:image/png;base64,"
	return kind + strings.Repeat("A", size-len(kind))
}

// signUpWith signs up a user with an image.
func signUpWith(t *testing.T, server *testkit.AuthServer, email, image string) *testkit.AuthClient {
	t.Helper()
	server.SignUp(t, "Zoë", email, "correct horse").Post(t, "/api/auth/update-user", map[string]any{"image": image})
	return server.SignIn(t, email, "correct horse")
}

// TestRealImages checks users with images of all sizes, which the jwt plugin may repeat in a header. Only an image that
// is too long for a header of a megabyte keeps its user from signing in, and nobody else.
func TestRealImages(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		size    int
		plugins []string
		reason  betterauth.Reason
		kept    bool
	}{
		{"60 kB", 60_000, nil, "", true},
		{"60 kB, jwt", 60_000, []string{"jwt"}, "", true},
		{"500 kB, jwt", 500_000, []string{"jwt"}, "", false},
		{"9 MB", 9_000_000, nil, "", false},
		{"2 MB, jwt", 2_000_000, []string{"jwt"}, betterauth.ReasonSessionUnusable, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := testkit.BetterAuth(t, testkit.BetterAuthOptions{Plugins: test.plugins})
			a := realAuthenticator(t, betterauth.Config{BaseURL: server.URL, Secret: server.Secret, Timeout: time.Minute})
			image := imageOfSize(test.size)
			user := signUpWith(t, server, "zoe@example.com", image)
			session, err := a.Authenticate(t.Context(), user.Header())
			if test.reason != "" {
				wantRefusal(t, a, user.Header(), test.reason, "Your session can't be checked")
			} else if err != nil {
				t.Error(err)
			} else if got := session.User.Image; test.kept != (got != nil && *got == image) || !test.kept && got != nil {
				t.Errorf("the picture is not what it should be")
			}
			wantSession(t, a, server.SignUp(t, "B", "b@example.com", "correct horse").Header())
		})
	}
}

// TestRealFailureOfOneUser checks that a customSession that fails for one user with several sessions affects only that
// user.
func TestRealFailureOfOneUser(t *testing.T) {
	t.Parallel()
	server := testkit.BetterAuth(t, testkit.BetterAuthOptions{Config: "custom-session-faults"})
	known := server.SignUp(t, "K", "k@example.com", "correct horse")
	for _, test := range []struct {
		name    string // see custom-session-faults.mjs
		reason  betterauth.Reason
		message string
		cause   string
	}{
		{"throws", betterauth.ReasonSessionUnusable, "Your session can't be checked", "the auth server answered 500"},
		{"nothing", betterauth.ReasonSessionUnusable, "Your session can't be checked", "it is empty"},
		{"unauthorized", betterauth.ReasonSessionRefused, "Invalid session", "the auth server answered 401 NO_SUBSCRIPTION"},
		{"forbidden", betterauth.ReasonSessionRefused, "Invalid session", "the auth server answered 403"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			now := &clock{}
			now.nanos.Store(time.Now().UnixNano())
			a := realAuthenticator(t, patient(betterauth.Config{BaseURL: server.URL, Secret: server.Secret, Now: now.Now, CacheTTL: time.Second}))
			email := test.name + "@example.com"
			sessions := []http.Header{server.SignUp(t, test.name, email, "correct horse").Header()}
			for range 2 {
				sessions = append(sessions, server.SignIn(t, email, "correct horse").Header())
			}
			wantSession(t, a, known.Header())
			for i := range 4 {
				for _, h := range sessions {
					refusal := refusalOf(t, a, h)
					if refusal == nil || refusal.Reason != test.reason || !strings.HasPrefix(refusal.Message, test.message) {
						t.Fatalf("the user got %v", refusal)
					}
					if i == 0 && !strings.Contains(refusal.Error(), test.cause) {
						t.Errorf("%v, want the cause %q", refusal, test.cause)
					}
				}
				wantSession(t, a, known.Header())
				now.Advance(20 * time.Second) // All cached failures have expired.
			}
			wantSession(t, a, server.SignUp(t, "N", "new-"+email, "correct horse").Header())
		})
	}
}
