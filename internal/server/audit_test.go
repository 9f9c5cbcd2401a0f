package server

import (
	"testing"

	"taskql/internal/testkit"
)

// serverAudits is the number of audits that graphql-http 1.23 has.
const serverAudits = 61

// TestHTTPAudits: the whole server passes all audits of graphql-http, in development and in production. Four of them
// need introspection, because they pass a variable to __type.
func TestHTTPAudits(t *testing.T) {
	t.Parallel()
	live := production()
	live["INTROSPECTION"] = "on"
	for name, environ := range map[string]map[string]string{"development": {}, "production": live} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := newServer(t, environ)
			audits := testkit.RunHTTPAudits(t, newBrowser(t, s).url+graphqlPath)
			if len(audits) != serverAudits {
				t.Errorf("%d audits, want %d", len(audits), serverAudits)
			}
			for _, audit := range audits {
				t.Logf("%-6s %s %s", audit.Status, audit.ID, audit.Name)
				if audit.Status != "ok" {
					t.Errorf("%s %s: %s: %s", audit.ID, audit.Name, audit.Status, audit.Reason)
				}
			}
		})
	}
}
