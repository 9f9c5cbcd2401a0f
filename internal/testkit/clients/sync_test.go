package clients_test

import (
	"os/exec"
	"strings"
	"testing"

	"taskql/internal/testkit"
)

// TestSyncStore compiles the reference store of examples/sync for pages and for workers, and runs its tests.
func TestSyncStore(t *testing.T) {
	t.Parallel()
	dir := testkit.NodePackages(t, "../../examples/sync")
	cmd := exec.CommandContext(t.Context(), "npm", "test", "--silent")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "\n# fail 0\n") || strings.Contains(string(out), "\n# pass 0\n") {
		t.Errorf("%v:\n%s", err, out)
	}
}
