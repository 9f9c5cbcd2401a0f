package betterauth_test

import (
	"strings"
	"testing"

	"taskql/internal/betterauth"
)

// TestImpersonatedBy checks that a session is valid whatever impersonatedBy contains, and that the kept value fits into
// a log and a database.
func TestImpersonatedBy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, value, want string }{
		{"an id", `"admin1"`, "admin1"},
		{"nobody", `null`, ""},
		{"a serial id", `42`, "42"},
		{"a large serial id", `9007199254740993`, "9007199254740993"},
		{"a null character", `"ad\u0000min"`, "admin"},
		{"a long id", `"` + strings.Repeat("ä", 1000) + `"`, strings.Repeat("ä", 127)},
		{"a long number", "1" + strings.Repeat("0", 300), "1" + strings.Repeat("0", 254)},
		{"an object", `{"id":"admin1"}`, ""},
		{"a truth", `true`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			answer := strings.Replace(sessionJSON(), `"ipAddress"`, `"impersonatedBy":`+tt.value+`,"ipAddress"`, 1)
			a := newAuthenticator(t, betterauth.Config{BaseURL: newAuthServer(t, respondJSON(answer)).URL})
			session, err := a.Authenticate(t.Context(), signedIn())
			if err != nil {
				t.Fatal(err)
			}
			if session.ImpersonatedBy != tt.want {
				t.Errorf("%q, want %q", session.ImpersonatedBy, tt.want)
			}
		})
	}
}
