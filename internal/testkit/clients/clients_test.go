// Package clients_test runs the GraphQL clients that people use against the running server.
package clients_test

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taskql/internal/config"
	"taskql/internal/server"
	"taskql/internal/testkit"
)

// TestClients extracts docs/clients.md, generates and compiles its types, and runs each client with the cookie and with
// the bearer token of a user who signed up. "vite" is the React app behind Vite's proxy.
func TestClients(t *testing.T) {
	t.Parallel()
	dir := build(t)
	auth := testkit.BetterAuth(t, testkit.BetterAuthOptions{Plugins: []string{"bearer"}})
	plain := "GRAPHQL_URL=" + startServer(t, auth, nil) + "/graphql"
	trusting := "GRAPHQL_URL=" + startServer(t, auth, map[string]string{
		"ENVIRONMENT": "production", "CORS_ORIGINS": "https://app.example.com", "DATABASE_URL": testkit.MigratedPostgresURL(t),
		"TRUSTED_DOCUMENTS": "only", "TRUSTED_DOCUMENTS_FILE": filepath.Join(dir, ".build", "apollo-manifest.json"),
	}) + "/graphql"
	development := "API_ORIGIN=" + startServer(t, nil, nil)
	outage := "DOWN_URL=" + startOutage(t)
	for client, claims := range map[string]int{
		"apollo": 10, "apollo-trusted": 7, "urql": 7, "graphql-request": 7, "relay": 11, "polling": 6, "server-side": 4, "vite": 14,
	} {
		// Each client has a user of its own: polling would see another client's changes.
		user := auth.SignUp(t, "Ada", client+"@example.com", "correct horse")
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			server := plain
			if client == "apollo-trusted" {
				server = trusting
			}
			runClient(t, dir, client, claims, user, outage, server, development)
		})
	}
}

// build writes the folder .build of the clients, once for all tests, and returns their folder.
func build(t *testing.T) string {
	t.Helper()
	dir := testkit.NodePackages(t, "clients")
	built.once.Do(func() { built.code, built.out = node(t, dir, "build.mjs") })
	if built.code != 0 {
		t.Fatalf("building the clients:\n%s", built.out)
	}
	t.Log(built.out)
	return dir
}

var built struct { //nolint:gochecknoglobals // The tests share what is built.
	once sync.Once
	code int
	out  string
}

// runClient runs the test of a client as a user. It fails unless the test makes that many claims, and all of them hold.
func runClient(t *testing.T, dir, client string, claims int, user *testkit.AuthClient, env ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	started := time.Now()
	cmd := exec.CommandContext(ctx, "node", ".build/dist/"+client+".test.mjs")
	cmd.Dir, cmd.Env = dir, append(append(cmd.Environ(), "COOKIE="+user.Header().Get("Cookie"), "TOKEN="+user.Token), env...)
	output, err := cmd.CombinedOutput()
	if got := strings.Count("\n"+string(output), "\nok "+client+" "); err != nil || got != claims || strings.Contains(string(output), "not ok") {
		t.Errorf("%d of %d claims, %v:\n%s", got, claims, err, output)
	}
	t.Logf("%v\n%s", time.Since(started), output)
}

// startServer serves the sessions of that auth server on a real listener, with more variables, and returns the address.
// Without an auth server, it is a development server with its own sign-in.
func startServer(t *testing.T, auth *testkit.AuthServer, more map[string]string) string {
	t.Helper()
	listener := httptest.NewServer(newServer(t, auth, more).Handler())
	t.Cleanup(listener.Close)
	return listener.URL
}

// newServer returns a server that is not served yet.
func newServer(t *testing.T, auth *testkit.AuthServer, more map[string]string) *server.Server {
	t.Helper()
	environ := map[string]string{}
	if auth != nil {
		environ["AUTH_SERVER_URL"], environ["JWT_SECRET"] = auth.URL, auth.Secret
	}
	maps.Copy(environ, more)
	if environ["DATABASE_URL"] == "" {
		environ["DATABASE_URL"] = testkit.SQLiteURL(t)
	}
	address := environ["DATABASE_URL"]
	cfg, err := config.Load(environ)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(t.Context(), server.Config{
		Config: cfg, DB: testkit.OpenDatabase(t, address), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// startOutage answers every request with 503 and no GraphQL, as a proxy does if its upstream is down. It expects the
// three attempts of Apollo's RetryLink.
func startOutage(t *testing.T) string {
	t.Helper()
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		http.Error(w, "no upstream", http.StatusServiceUnavailable)
	}))
	t.Cleanup(func() {
		proxy.Close()
		if asked.Load() != 3 {
			t.Errorf("the outage was asked %d times, want 3", asked.Load())
		}
	})
	return proxy.URL
}
