package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"taskql/internal/testkit"
	"taskql/internal/testkit/pgcluster"
)

// binary returns the path of the server's binary: TEST_SERVER, which make test builds, or one that is built for this process.
var binary = sync.OnceValues(func() (string, error) { //nolint:gochecknoglobals // It lives as long as the process.
	path := filepath.Join(binaryDir, "server")
	if built := os.Getenv("TEST_SERVER"); built != "" {
		return path, os.Symlink(built, path)
	}
	build := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-ldflags", "-X main.version=v0.0.0-test -X main.commit=test", "-o", path, "taskql/cmd/server")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "taskql-server-")
	if err != nil {
		panic(err)
	}
	binaryDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// binaryDir is the folder of the binary. It is removed at the end.
var binaryDir string //nolint:gochecknoglobals // It lives as long as the process.

// process is a running server.
type process struct {
	URL, Dir string

	cmd  *exec.Cmd
	log  *lockedBuffer
	done chan struct{}
	err  error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs the binary in a folder of its own, with only those variables, on a free port of 127.0.0.1, until the test ends.
func start(t *testing.T, env ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return startRelease(t, path, env...)
}

// startRelease is start with another binary.
func startRelease(t *testing.T, path string, env ...string) *process {
	t.Helper()
	port := freePort(t)
	p := &process{URL: "http://127.0.0.1:" + port, Dir: t.TempDir(), log: &lockedBuffer{}, done: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), path)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.Dir, p.log, p.log
	p.cmd.Env = append([]string{"HOST=127.0.0.1", "PORT=" + port, "HOME=" + p.Dir}, env...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("the server said:\n%s", p.log)
		}
	})
	return p
}

func freePort(t *testing.T) string {
	t.Helper()
	port, err := pgcluster.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}

// healthy waits until /health answers that the server is healthy.
func (p *process) healthy(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-p.done:
			t.Fatalf("the server ended: %v\n%s", p.err, p.log)
		default:
		}
		if status, body, err := get(t, p.URL+"/health"); err == nil && status == http.StatusOK && body == `{"status":"healthy"}` {
			return
		}
	}
	t.Fatalf("not healthy within five minutes:\n%s", p.log)
}

// logs waits until the log holds the text.
func (p *process) logs(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(p.log.String(), text); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %q in the log within a minute:\n%s", text, p.log)
		}
	}
}

func get(t *testing.T, url string) (int, string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// terminate sends SIGTERM and expects the process to end with code 0.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-time.After(5 * time.Minute):
		t.Fatal("still running 5 minutes after SIGTERM")
	}
	if p.err != nil {
		t.Errorf("ended with %v, want exit code 0", p.err)
	}
}

// TestMemoryUnderAttack sends 1,000 distinct documents of 60 KB, and then bodies that are large, or are when decoded. The shipped
// server with its rate limit stays below 150 MB.
func TestMemoryUnderAttack(t *testing.T) {
	t.Parallel()
	p := start(t, "LOG_LEVEL=error")
	p.healthy(t)
	post := func(body string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+"/graphql", strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		r.Header.Set("Content-Type", "application/json")
		if resp, err := http.DefaultClient.Do(r); err == nil { // A body that is too long is not read to its end.
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}
	repeat := strings.Repeat
	for i := range 1_000 {
		post(fmt.Sprintf(`{"query":"{ viewer { id } } # %d %s"}`, i, repeat("padding ", 7_490)))
	}
	for range 5 {
		post(`{"query":"query($t: String!) { tasks(after: $t) { totalCount } }","variables":{"t":"` + repeat("x", 1<<20-200) + `"}}`)
		post(`{"query":"{viewer{id}}","variables":{"v":[` + repeat(`{"a":1},`, 49_000) + `1]}}`)
		post(`{"query":"{viewer{id}}","extensions":{"v":[` + repeat(`{"a":1},`, 49_000) + `1]}}`)
		post(`{"query":"{ viewer {` + repeat(" id", 10_000) + `} }"}`)
		post(repeat(" ", 50_000_000))
	}
	mb := p.resident(t, "VmHWM")
	if t.Logf("%d MB resident at the most", mb); mb > 150 {
		t.Errorf("%d MB resident, 150 are allowed", mb)
	}
}

// runToEnd runs the binary to its end and returns its exit code and what it printed.
func runToEnd(t *testing.T, env []string, args ...string) (int, string, string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = env, t.TempDir(), &stdout, &stderr
	_ = cmd.Run() // The exit code is checked below.
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

// production is the environment of a deployment on that database and auth server.
func production(t *testing.T, database string, auth *testkit.AuthServer) []string {
	t.Helper()
	env := []string{
		"ENVIRONMENT=production", "DATABASE_URL=" + database, "AUTH_SERVER_URL=" + auth.URL, "JWT_SECRET=" + auth.Secret,
		"CORS_ORIGINS=https://app.example.com",
	}
	if direct := testkit.DirectURL(t, database); direct != database {
		env = append(env, "DIRECT_DATABASE_URL="+direct)
	}
	return env
}

// secrets must not be in any log.
func (p *process) checkLog(t *testing.T, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		if secret != "" && strings.Contains(p.log.String(), secret) {
			t.Errorf("the log holds a secret: %.4s…", secret)
		}
	}
}
