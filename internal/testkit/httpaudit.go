package testkit

import (
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"testing"
	"time"
)

// HTTPAudit is the result of one GraphQL-over-HTTP audit.
type HTTPAudit struct {
	ID, Name string
	// Status is ok, notice, warn or error; Reason says why it is not ok.
	Status, Reason string
}

// RunHTTPAudits runs the server audits of the npm package graphql-http against a GraphQL endpoint. It needs node and
// npm, see Require.
func RunHTTPAudits(t testing.TB, endpoint string) []HTTPAudit {
	t.Helper()
	dir := NodePackages(t, "httpaudit")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "audit.mjs", endpoint)
	cmd.Dir, cmd.Env = dir, nodeEnvironment()
	output, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Logf("node said:\n%s", exit.Stderr)
		}
		t.Fatalf("auditing %s: %v", endpoint, err)
	}
	var audits []HTTPAudit
	if err := json.Unmarshal(output, &audits); err != nil {
		t.Fatalf("reading the audits: %v", err)
	}
	return audits
}
