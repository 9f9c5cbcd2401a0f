package clients_test

import (
	"bytes"
	"os"
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

// TestSyncStoreIsCopied checks that the app of examples/nextjs has the reference store as it is.
func TestSyncStoreIsCopied(t *testing.T) {
	t.Parallel()
	var files [2][]byte
	for i, name := range []string{"../../../examples/sync/store.ts", "../../../examples/nextjs/lib/store.ts"} {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[i] = content
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Error("copy examples/sync/store.ts to examples/nextjs/lib/store.ts")
	}
}
