package server

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"net/http"
	"testing"

	"taskql/internal/testkit"
)

// TestImpersonation lets an administrator act as a user at a real Better Auth. The access log distinguishes the administrator's
// requests from the user's own, whatever the scheme of authentication.
func TestImpersonation(t *testing.T) {
	t.Parallel()
	database := testkit.PostgresURL(t)
	auth := testkit.BetterAuth(t, testkit.BetterAuthOptions{
		DatabaseURL: database, Config: "impersonation", Plugins: []string{"bearer"}, CookieCache: "compact",
	})
	ada := auth.SignUp(t, "Ada", "ada@example.com", "correct horse")
	admin := auth.SignUp(t, "Root", "root@example.com", "correct horse")
	makeAdmin(t, database, admin.UserID)
	own, adminID := ada.Header(), admin.UserID
	admin.Post(t, "/api/auth/admin/impersonate-user", map[string]any{"userId": ada.UserID})
	var session struct{ Session struct{ Token string } }
	_, body := admin.Get(t, "/api/auth/get-session")
	if err := json.Unmarshal(body, &session); err != nil {
		t.Fatal(err)
	}

	for name, trust := range map[string]string{"get-session": "off", "session_data": "on"} {
		s, log := newServer(t, against(auth.URL, auth.Secret, map[string]string{"LOG_FORMAT": "json", "TRUST_SESSION_DATA": trust}))
		for _, request := range []struct {
			name   string
			header http.Header
			by     string
		}{
			{"the impersonated cookie", admin.Header(), adminID},
			{"the user's own", own, ""}, // The user is known by now.
			{"the impersonated cookie again", admin.Header(), adminID},
			{"a bearer token", bearer(session.Session.Token), adminID},
			{"a JWT", bearer(admin.JWT(t)), adminID},
			{"the user's own bearer token", bearer(ada.Token), ""},
			{"the user's own JWT", bearer(ada.JWT(t)), ""},
		} {
			log.Reset()
			answer := ask(s.Handler(), http.MethodPost, graphqlPath, `{"query":"{ viewer { email } }"}`, pairs(request.header)...)
			if body := answer.Body.String(); body != `{"data":{"viewer":{"email":"ada@example.com"}}}` {
				t.Errorf("%s, %s: %s", name, request.name, body)
			}
			line := accessLine(t, log)
			if line.UserID != ada.UserID || line.ImpersonatedBy != request.by {
				t.Errorf("%s, %s: the log has %+v, want impersonated_by %q", name, request.name, line, request.by)
			}
		}
	}
}

// makeAdmin makes a user in a Better Auth database an administrator.
func makeAdmin(t *testing.T, database, userID string) {
	t.Helper()
	db, err := sql.Open("postgres", database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `UPDATE "user" SET role = 'admin' WHERE id = $1`, userID); err != nil {
		t.Fatal(err)
	}
}

// pairs returns a header's names and values, alternating.
func pairs(h http.Header) []string {
	var list []string
	for name := range h {
		list = append(list, name, h.Get(name))
	}
	return list
}

type accessed struct {
	Message        string
	UserID         string `json:"user_id"`
	ImpersonatedBy string `json:"impersonated_by"`
}

// accessLine returns the only line of the access log.
func accessLine(t *testing.T, log *safeBuffer) accessed {
	t.Helper()
	var found []accessed
	for line := range bytes.Lines(log.Bytes()) {
		var a accessed
		if err := json.Unmarshal(line, &a); err != nil {
			t.Fatal(err)
		}
		if a.Message == accessMessage {
			found = append(found, a)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d lines of requests: %s", len(found), log)
	}
	return found[0]
}
