package testkit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"taskql/internal/testkit/pgcluster"
)

// BetterAuthSecret is the default of BetterAuthOptions.Secret.
const BetterAuthSecret = "test-secret-k3J9mQ2vX8pL5wR7tZ4nB6yC1dF0gH"

// BetterAuthOptions configures a Better Auth server. The zero value is a server with Better Auth's defaults, with
// e-mail sign-in and without plugins.
type BetterAuthOptions struct {
	// DatabaseURL is the address of an empty PostgreSQL database. The default is a database of PostgresURL.
	DatabaseURL string
	// Secret is the server's secret. The default is BetterAuthSecret.
	Secret string
	// BaseURL is Better Auth's baseURL. The default is the server's real address.
	BaseURL string
	// BasePath is Better Auth's basePath. The default is /api/auth.
	BasePath string
	// SecureCookies makes the server use the __Secure- names, though it is reached by plain HTTP.
	SecureCookies bool
	// CookiePrefix is the prefix of the cookies' names. The default is better-auth.
	CookiePrefix string
	// IDFormat is "random" (or ""), "uuid" or "serial".
	IDFormat string
	// CookieCache is "off" (or ""), "compact", "jwt", "jwe" or "jwks".
	CookieCache string
	// Plugins are bearer, jwt, admin, organization, multiSession.
	Plugins []string
	// TrustedOrigins are origins that may call the server, besides its own.
	TrustedOrigins []string
	// ExpiresIn is how long a session lasts, UpdateAge how often it is extended. The defaults are 7 days and 1 day.
	ExpiresIn, UpdateAge time.Duration
	// RateLimit turns on Better Auth's rate limiter, which is on in production.
	RateLimit bool
	// Config is the name, without .mjs, of a file in betterauth/configs that changes Better Auth's options.
	Config string
	// Env has more variables for server.mjs, as NAME=value. They take precedence over the fields above.
	Env []string
	// OwnProcess runs the server in a process of its own, so that Kill can end it. Other servers share a process.
	OwnProcess bool
}

// AuthServer is a running Better Auth server.
type AuthServer struct {
	// URL is the server's address, without a trailing slash.
	URL string
	// Secret is the server's secret.
	Secret string

	process *os.Process // nil if it is shared
	options BetterAuthOptions
}

// BetterAuth starts a real Better Auth server and returns when it answers. The server stops when the test ends; if the
// test has failed, the server's output is in the test's log. It needs node, npm and PostgreSQL, see Require.
func BetterAuth(t testing.TB, opts BetterAuthOptions) *AuthServer {
	t.Helper()
	dir := betterAuthDir(t)
	if opts.DatabaseURL == "" {
		opts.DatabaseURL = DirectURL(t, PostgresURL(t)) // Direct, because the server migrates it.
	}
	if opts.Secret == "" {
		opts.Secret = BetterAuthSecret
	}
	server := &AuthServer{Secret: opts.Secret, options: opts}
	if opts.ownProcess() {
		port, err := pgcluster.FreePort(t.Context()) // It stays free while the server is down.
		if err != nil {
			t.Fatal(err)
		}
		opts.Env = append(slices.Clone(opts.Env), "PORT="+strconv.Itoa(port))
		server.options = opts
		server.URL, server.process = startNode(t, dir, opts.environment())
	} else {
		server.URL = startShared(t, dir, opts.environment())
	}
	server.await(t)
	return server
}

// ownProcess reports whether the server needs a process of its own. Better Auth's rate limiter counts for the whole
// process, and reads BETTER_AUTH_* variables from the process's environment.
func (o BetterAuthOptions) ownProcess() bool {
	global := func(variable string) bool { return strings.HasPrefix(variable, "BETTER_AUTH_") }
	return o.OwnProcess || o.RateLimit || slices.ContainsFunc(o.Env, global)
}

// Kill kills the server, like a crash. It needs BetterAuthOptions.OwnProcess.
func (s *AuthServer) Kill(t testing.TB) {
	t.Helper()
	if s.process == nil {
		t.Fatal("the auth server has no process of its own")
	}
	if err := s.process.Kill(); err != nil {
		t.Fatalf("killing Better Auth: %v", err)
	}
}

// Restart starts a killed server again, with the same address and database.
func (s *AuthServer) Restart(t testing.TB) {
	t.Helper()
	var url string
	if url, s.process = startNode(t, betterAuthDir(t), s.options.environment()); url != s.URL {
		t.Fatalf("Better Auth came back at %s instead of %s", url, s.URL)
	}
	s.await(t)
}

// RunBetterAuthClient signs up, out and in at baseURL with Better Auth's official client. The test fails if a step
// fails.
func RunBetterAuthClient(t testing.TB, baseURL string) {
	t.Helper()
	runClient(t, "client.mjs", baseURL)
}

// RunBetterAuthOrganizationClient shares an organization at baseURL with the organization plugin of Better Auth's official
// client. The test fails if a step fails.
func RunBetterAuthOrganizationClient(t testing.TB, baseURL string) {
	t.Helper()
	runClient(t, "organization-client.mjs", baseURL)
}

// runClient runs a script of the folder betterauth.
func runClient(t testing.TB, script, baseURL string) {
	t.Helper()
	dir := betterAuthDir(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", script, baseURL)
	cmd.Dir, cmd.Env = dir, nodeEnvironment()
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("Better Auth's client, %s at %s: %v\n%s", script, baseURL, err, output)
	}
}

func (o BetterAuthOptions) environment() []string {
	env := append(nodeEnvironment(),
		"EXIT_WITH_STDIN=1", "PORT=0",
		"DATABASE_URL="+o.DatabaseURL,
		"BETTER_AUTH_SECRET="+o.Secret,
		"BASE_URL="+o.BaseURL,
		"BASE_PATH="+o.BasePath,
		"COOKIE_PREFIX="+o.CookiePrefix,
		"ID_FORMAT="+o.IDFormat,
		"COOKIE_CACHE="+o.CookieCache,
		"PLUGINS="+strings.Join(o.Plugins, ","),
		"CONFIG="+o.Config,
		"TRUSTED_ORIGINS="+strings.Join(o.TrustedOrigins, ","),
	)
	if o.SecureCookies {
		env = append(env, "SECURE_COOKIES=1")
	}
	if o.RateLimit {
		env = append(env, "RATE_LIMIT=1")
	}
	if o.ExpiresIn > 0 {
		env = append(env, "EXPIRES_IN="+wholeSeconds(o.ExpiresIn))
	}
	if o.UpdateAge > 0 {
		env = append(env, "UPDATE_AGE="+wholeSeconds(o.UpdateAge))
	}
	return append(env, o.Env...)
}

func wholeSeconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// nodeEnvironment returns the environment variables that node and npm need. Others are left out, because BETTER_AUTH_*
// and NODE_ENV would change what the server does.
func nodeEnvironment() []string {
	var env []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		proxy := strings.HasSuffix(strings.ToUpper(name), "_PROXY")
		config := strings.HasPrefix(strings.ToLower(name), "npm_config_")
		if proxy || config || slices.Contains([]string{"PATH", "HOME", "TMPDIR", "NODE_EXTRA_CA_CERTS"}, name) {
			env = append(env, entry)
		}
	}
	return env
}

// betterAuthDir returns the folder of the Better Auth server, with its packages installed.
func betterAuthDir(t testing.TB) string {
	t.Helper()
	return NodePackages(t, "betterauth")
}

// NodePackages returns the absolute path of one of testkit's folders with a package.json, with its packages installed.
// It needs node and npm, see Require.
func NodePackages(t testing.TB, name string) string {
	t.Helper()
	RequirePrograms(t, "node", "npm")
	dir := filepath.Join(moduleRoot(t), "internal", "testkit", name)
	if err := installPackages(t.Context(), dir); err != nil {
		t.Fatalf("installing the packages of %s: %v", name, err)
	}
	return dir
}

// moduleRoot returns the folder with go.mod above the test's folder. With -trimpath, the binary doesn't contain the
// path of the sources.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("finding the module: %v", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("the test does not run inside the module")
		}
		dir = parent
	}
}

// installPackages runs npm ci if node_modules is missing or older than the lock file. The tests of several packages run
// in processes that may call this at once, so it locks the lock file.
func installPackages(ctx context.Context, dir string) error {
	lock, err := os.Open(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return fmt.Errorf("opening the lock file: %w", err)
	}
	defer lock.Close() // This also unlocks it.
	if err := flock(lock); err != nil {
		return fmt.Errorf("waiting for other tests to install: %w", err)
	}
	fresh, err := installed(dir, lock)
	if err != nil || fresh {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci")
	cmd.Dir, cmd.Env = dir, nodeEnvironment()
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running npm ci: %w\n%s", err, output)
	}
	return nil
}

// flock waits until this process has an exclusive lock on the file.
func flock(f *os.File) error {
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// installed reports whether the installed packages are as new as the lock file. npm records what it installed in a file
// of its own, which it writes last.
func installed(dir string, lock *os.File) (bool, error) {
	locked, err := lock.Stat()
	if err != nil {
		return false, fmt.Errorf("reading the lock file's age: %w", err)
	}
	record, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the installation's age: %w", err)
	}
	return !record.ModTime().Before(locked.ModTime()), nil
}

// await waits until the server answers.
func (s *AuthServer) await(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for {
		err := s.probe(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("Better Auth does not answer: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// address returns the URL of a path. The path begins with /api/auth, which is replaced by the server's base path.
func (s *AuthServer) address(path string) string {
	if rest, ok := strings.CutPrefix(path, "/api/auth"); ok && s.options.BasePath != "" {
		path = strings.TrimSuffix(s.options.BasePath, "/") + rest
	}
	return s.URL + path
}

// probe returns nil if the server answers.
func (s *AuthServer) probe(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.address("/api/auth/ok"), http.NoBody)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

// AuthClient is a user who is signed in at a Better Auth server, with the cookies of the user's browser.
type AuthClient struct {
	// UserID is the user's id, as text.
	UserID string
	// Token is the raw session token.
	Token string

	server  *AuthServer
	cookies map[string]string // by name, percent-encoded
}

// SignUp creates a user and signs the user in.
func (s *AuthServer) SignUp(t testing.TB, name, email, password string) *AuthClient {
	t.Helper()
	return s.authenticate(t, "/api/auth/sign-up/email", map[string]any{"name": name, "email": email, "password": password})
}

// SignIn signs a user in.
func (s *AuthServer) SignIn(t testing.TB, email, password string) *AuthClient {
	t.Helper()
	return s.authenticate(t, "/api/auth/sign-in/email", map[string]any{"email": email, "password": password})
}

// SignInAnonymously creates an anonymous user and signs the user in. The server needs the anonymous plugin.
func (s *AuthServer) SignInAnonymously(t testing.TB) *AuthClient {
	t.Helper()
	return s.authenticate(t, "/api/auth/sign-in/anonymous", map[string]any{})
}

// authenticate posts to an endpoint that signs in, and returns the client.
func (s *AuthServer) authenticate(t testing.TB, path string, body map[string]any) *AuthClient {
	t.Helper()
	c := &AuthClient{server: s, cookies: map[string]string{}}
	var answer struct {
		Token string
		User  struct{ ID any }
	}
	if err := json.Unmarshal(c.Post(t, path, body), &answer); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	c.Token, c.UserID = answer.Token, fmt.Sprint(answer.User.ID)
	return c
}

// SignOut ends the session. c keeps its cookies, so that a test can try them.
func (c *AuthClient) SignOut(t testing.TB) {
	t.Helper()
	kept := maps.Clone(c.cookies)
	c.Post(t, "/api/auth/sign-out", map[string]any{})
	c.cookies = kept
}

// Header returns the headers of a request with c's cookies.
func (c *AuthClient) Header() http.Header {
	pairs := make([]string, 0, len(c.cookies))
	for _, name := range slices.Sorted(maps.Keys(c.cookies)) {
		pairs = append(pairs, name+"="+c.cookies[name])
	}
	return http.Header{"Cookie": {strings.Join(pairs, "; ")}}
}

// Cookies returns c's cookies by name, with percent-encoded values.
func (c *AuthClient) Cookies() map[string]string { return maps.Clone(c.cookies) }

// Get sends a GET request with c's cookies to a path of the auth server, which begins with /api/auth whatever the
// server's base path is. It stores the response's cookies and returns its header and body. The test ends if the status
// is not 200.
func (c *AuthClient) Get(t testing.TB, path string) (http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.server.address(path), http.NoBody)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return c.send(t, req)
}

// JWT returns a JWT of the jwt plugin for c.
func (c *AuthClient) JWT(t testing.TB) string {
	t.Helper()
	_, body := c.Get(t, "/api/auth/token")
	var answer struct{ Token string }
	if err := json.Unmarshal(body, &answer); err != nil || answer.Token == "" {
		t.Fatalf("/api/auth/token has no token: %v", err)
	}
	return answer.Token
}

// Post is like Get, for a POST request with a JSON body from a page of the auth server's own origin. It returns the
// response's body.
func (c *AuthClient) Post(t testing.TB, path string, body any) []byte {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.server.address(path), bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	_, answer := c.send(t, req)
	return answer
}

func (c *AuthClient) send(t testing.TB, req *http.Request) (http.Header, []byte) {
	t.Helper()
	path := req.URL.Path
	if len(c.cookies) > 0 {
		req.Header["Cookie"] = c.Header()["Cookie"]
	}
	req.Header.Set("Origin", c.server.URL)
	req.Close = true // Node closes connections that were idle for five seconds, which a POST on its way would not survive.
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s answered %s: %s", path, res.Status, answer)
	}
	c.store(res.Cookies())
	return res.Header, answer
}

// store stores a response's cookies as a browser does.
func (c *AuthClient) store(cookies []*http.Cookie) {
	for _, cookie := range cookies {
		if cookie.MaxAge < 0 {
			delete(c.cookies, cookie.Name)
			continue
		}
		c.cookies[cookie.Name] = cookie.Value
	}
}

// lockedBuffer is a bytes.Buffer that is safe for concurrent use.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

// Write implements io.Writer.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

// String returns what has been written so far.
func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
