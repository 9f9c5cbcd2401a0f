package pgcluster_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taskql/internal/testkit/pgcluster"
)

func start(t *testing.T) *pgcluster.Cluster {
	t.Helper()
	cluster, err := pgcluster.Start(t.Context(), pgcluster.Config{MaxConnections: 10})
	if errors.Is(err, pgcluster.ErrNoBinaries) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

func TestStopLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", worldReadable(t))
	cluster := start(t)
	for range 2 {
		if err := cluster.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	waitGone(t, cluster.Port())
}

// TestKilledProcessLeavesNothing checks that the watcher cleans up after a process that is killed.
func TestKilledProcessLeavesNothing(t *testing.T) {
	if os.Getenv("PGCLUSTER_CHILD") != "" {
		fmt.Printf("port=%d\n", start(t).Port())
		time.Sleep(time.Minute)
		return
	}
	t.Setenv("TMPDIR", worldReadable(t))
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledProcessLeavesNothing$")
	cmd.Env = append(os.Environ(), "PGCLUSTER_CHILD=1")
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	port, text := 0, ""
	for scanner := bufio.NewScanner(output); port == 0 && scanner.Scan(); {
		text += scanner.Text() + "\n"
		_, _ = fmt.Sscanf(scanner.Text(), "port=%d", &port)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // It was killed.
	if strings.Contains(text, "no PostgreSQL programs found") {
		t.Skip(text)
	}
	if port == 0 {
		t.Fatalf("no cluster: %s", text)
	}
	waitGone(t, port)
}

// worldReadable returns a temporary folder that PostgreSQL's user can access.
func worldReadable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "taskql-pgcluster-test-") //nolint:usetesting // Other users can't access TempDir.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil { // As /tmp is.
		t.Fatal(err)
	}
	return dir
}

// waitGone waits until nothing listens on the port and the folder is empty.
func waitGone(t *testing.T, port int) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = conn.Close()
		}
		left, globErr := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "taskql-postgres-*"))
		if globErr != nil {
			t.Fatal(globErr)
		}
		if err != nil && len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("listening: %t, left: %v", err == nil, left)
		}
	}
}
