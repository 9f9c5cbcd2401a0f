package betterauth_test

import (
	"database/sql"
	"testing"
	"time"

	"taskql/internal/betterauth"
	"taskql/internal/testkit"
)

// TestRealCustomSession checks the responses of get-session that customSession changes. Each shape is a file of
// testkit's betterauth/configs.
func TestRealCustomSession(t *testing.T) {
	t.Parallel()
	const nobody = "-"
	type shape struct {
		config   string
		name     string // nobody if the session is refused
		verified bool
		expiry   bool // whether the response has the session's end
	}
	for _, test := range []shape{
		{"custom-session-nested", "Zoë", true, true},
		{"custom-session-spread", "Zoë", true, true},
		{"custom-session-user-only", "Zoë", true, false},
		{"custom-session-only-user-fields", "Zoë", true, false},
		{"custom-session-all-spread", "Zoë", true, true},
		{"custom-session-user-spread", "Zoë", true, true},
		{"custom-session-few-fields", "Zoë", false, false},
		{"custom-session-milliseconds", "Zoë", true, true},
		{"custom-session-seconds", "Zoë", true, true},
		{"custom-session-date-texts", "Zoë", false, true},
		{"custom-session-odd-fields", "", false, true},
		{"custom-session-two-users", nobody, false, false},
	} {
		t.Run(test.config, func(t *testing.T) {
			t.Parallel()
			database := testkit.PostgresURL(t)
			server := testkit.BetterAuth(t, testkit.BetterAuthOptions{
				DatabaseURL: database, Config: test.config, Plugins: []string{"bearer", "admin"}, IDFormat: "serial",
			})
			db, err := sql.Open("postgres", database)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			run := func(statement string) {
				t.Helper()
				if _, err := db.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			// Sessions and users have different ids, so that mistaking one for the other would be noticed.
			run(`ALTER SEQUENCE session_id_seq RESTART WITH 100`)
			user := server.SignUp(t, "Zoë", "zoe@example.com", "correct horse")
			run(`UPDATE "user" SET "emailVerified" = true`)
			now := &clock{}
			now.nanos.Store(time.Now().UnixNano())
			const ttl = 15 * time.Second
			a := realAuthenticator(t, patient(betterauth.Config{
				BaseURL: server.URL, Secret: server.Secret, Now: now.Now, CacheTTL: ttl, MaxSessionAge: 7 * 24 * time.Hour,
			}))
			if test.name == nobody {
				wantRefusal(t, a, user.Header(), betterauth.ReasonSessionUnusable, "Your session can't be checked")
				return
			}
			session, err := a.Authenticate(t.Context(), user.Header())
			if err != nil {
				t.Fatal(err)
			}
			if session.UserID != user.UserID || session.User.ID != user.UserID || session.User.Email != "zoe@example.com" {
				t.Errorf("%+v, want user %s", session, user.UserID)
			}
			if u := session.User; u.Name != test.name || u.EmailVerified != test.verified || u.Image != nil {
				t.Errorf("profile %+v", u)
			}
			left := session.ExpiresAt.Sub(now.Now())
			if told := !session.ExpiresAt.IsZero(); told != test.expiry || told && (left < 6*24*time.Hour || left > 8*24*time.Hour) {
				t.Errorf("the session ends %v", session.ExpiresAt)
			}
			wantSession(t, a, withBearer(user.Token))

			run(`UPDATE "user" SET banned = true`)
			now.Advance(ttl)
			wantRefusal(t, a, user.Header(), betterauth.ReasonBanned, "Invalid session")
			wantRefusal(t, a, withBearer(user.Token), betterauth.ReasonBanned, "Invalid session")
			run(`UPDATE "user" SET banned = false`)
			now.Advance(ttl)
			wantSession(t, a, user.Header())
			user.SignOut(t)
			now.Advance(ttl)
			wantRefusal(t, a, user.Header(), betterauth.ReasonSessionNull, "Invalid session")
		})
	}
}
