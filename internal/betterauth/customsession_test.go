package betterauth_test

import (
	"testing"

	"taskql/internal/betterauth"
	"taskql/internal/testkit"
)

// customSession changes what get-session answers. Each shape is a file of testkit's betterauth/configs.
func TestRealCustomSession(t *testing.T) {
	t.Parallel()
	for _, config := range []string{"custom-session-nested"} {
		t.Run(config, func(t *testing.T) {
			t.Parallel()
			server := testkit.BetterAuth(t, testkit.BetterAuthOptions{Config: config})
			a := realAuthenticator(t, betterauth.Config{BaseURL: server.URL, Secret: server.Secret})
			user := server.SignUp(t, "Zoë", "zoe@example.com", "correct horse")
			session, err := a.Authenticate(t.Context(), user.Header())
			if err != nil {
				t.Fatal(err)
			}
			if session.UserID != user.UserID || session.User.Name != "Zoë" || session.User.Email != "zoe@example.com" {
				t.Errorf("%+v, want user %s", session, user.UserID)
			}
		})
	}
}
