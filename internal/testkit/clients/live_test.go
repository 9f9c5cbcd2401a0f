package clients_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"taskql/internal/testkit"
)

// TestLiveClients runs the clients of docs/live.md: their subscriptions over each transport, with each way to sign in, and
// through a deployment.
func TestLiveClients(t *testing.T) {
	t.Parallel()
	dir := build(t)
	auth := testkit.BetterAuth(t, testkit.BetterAuthOptions{Plugins: []string{"bearer"}})
	plain := "GRAPHQL_URL=" + startServer(t, auth, nil) + "/graphql"
	for client, claims := range map[string]int{
		"live-graphql-ws": 18, "live-signed-out": 8, "live-list": 7, "live-events": 32, "live-apollo": 54, "live-urql": 38, "live-relay": 36,
	} {
		user := auth.SignUp(t, "Ada", client+"@example.com", "correct horse")
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			runClient(t, dir, client, claims, user, plain)
		})
	}
	t.Run("live-deploy", func(t *testing.T) {
		t.Parallel()
		user := auth.SignUp(t, "Ada", "live-deploy@example.com", "correct horse")
		runClient(t, dir, "live-deploy", 6, user, startDeployment(t, auth)...)
	})
}

// startDeployment starts two servers with one database: an old one, which drains when something is sent to STOP_URL, and a
// new one. It returns their addresses as variables.
func startDeployment(t *testing.T, auth *testkit.AuthServer) []string {
	t.Helper()
	more := map[string]string{"DATABASE_URL": testkit.MigratedPostgresURL(t), "SHUTDOWN_TIMEOUT": "6s"}
	successor := startServer(t, auth, more) + "/graphql"
	old := newServer(t, auth, more)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- old.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("draining: %v", err)
		}
	})
	control := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stop() }))
	t.Cleanup(control.Close)
	return []string{
		"OLD_URL=http://" + listener.Addr().String() + "/graphql", "NEW_URL=" + successor, "GRAPHQL_URL=" + successor, "STOP_URL=" + control.URL,
	}
}

// TestLiveQuickStart runs the program at the top of docs/live.md as written, but for the server's address, and creates tasks
// as its user.
func TestLiveQuickStart(t *testing.T) {
	t.Parallel()
	testkit.RequirePrograms(t, "node")
	page, err := os.ReadFile("../../../docs/live.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```js\n// live.mjs\n(.*?)\n```").FindStringSubmatch(string(page))
	if block == nil {
		t.Fatal("docs/live.md has no live.mjs")
	}
	const documented = `"http://localhost:8000"`
	if strings.Count(block[1], documented) != 1 {
		t.Fatalf("live.mjs has the server's address not once:\n%s", block[1])
	}
	address := startServer(t, nil, nil)
	file := filepath.Join(t.TempDir(), "live.mjs")
	// The program creates a task after each line that it prints, with its own means.
	more := `
const log = console.log;
console.log = (line) => {
  log(JSON.stringify(line));
  void post("/graphql", { query: "mutation { createTask(input: {title: \"Buy milk\"}) { task { id } } }" }, { cookie });
};
`
	program := strings.Replace(block[1], documented, `"`+address+`"`, 1)
	program = strings.Replace(program, "// Subscribe", more+"// Subscribe", 1)
	if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for _, want := range []string{`[]`, `["Buy milk"]`, `["Buy milk","Buy milk"]`} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("the program printed %q, want %s", lines.Text(), want)
		}
	}
}
