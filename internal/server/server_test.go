package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskql/internal/betterauth"
	"taskql/internal/config"
	"taskql/internal/database"
	"taskql/internal/telemetry"
)

// newServer returns a server with a SQLite file of its own, and its log.
func newServer(t *testing.T, environ map[string]string) (*Server, *safeBuffer) {
	t.Helper()
	var out safeBuffer
	return newMeasuredServer(t, environ, nil, &out), &out
}

// newMeasuredServer is newServer with telemetry, which may be nil, and the log.
func newMeasuredServer(t *testing.T, environ map[string]string, watch *telemetry.Telemetry, out io.Writer) *Server {
	t.Helper()
	if environ["ENVIRONMENT"] == "" {
		environ["ENVIRONMENT"] = "test" // Development's, without the cost in each answer.
	}
	environ["DATABASE_URL"] = "sqlite:" + filepath.Join(t.TempDir(), "t.db")
	cfg, err := config.Load(environ)
	if err != nil {
		t.Fatal(err)
	}
	lines, _ := newLogger(out, cfg, 0)
	log := slog.New(watch.LogHandler(lines.Handler()))
	db, err := database.Open(t.Context(), database.Config{URL: cfg.DatabaseURL.Reveal(), OpenPool: watch.OpenPool, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	migrations, err := db.Migrate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), Config{Config: cfg, DB: db, Migrations: migrations, Version: Version{Version: "v1", Commit: "c1"}, Telemetry: watch, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// browser sends a page's requests, with cookies.
type browser struct {
	client *http.Client
	url    string
}

func newBrowser(t *testing.T, s *Server) *browser {
	t.Helper()
	web := httptest.NewServer(s.Handler())
	t.Cleanup(web.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{client: &http.Client{Jar: jar}, url: web.URL}
}

func (b *browser) post(t *testing.T, path string, body any) (int, string) {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+path, bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/graphql-response+json, application/json;q=0.9")
	response, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

func (b *browser) query(t *testing.T, document string) (int, string) {
	t.Helper()
	return b.post(t, graphqlPath, map[string]string{"query": document})
}

// TestDevelopment signs up and creates a task.
func TestDevelopment(t *testing.T) {
	t.Parallel()
	s, log := newServer(t, map[string]string{"JWT_SECRET": "short"})
	page := newBrowser(t, s)
	if status, answer := page.query(t, "{ viewer { id } }"); status != 200 || answer != `{"data":{"viewer":null}}` {
		t.Errorf("signed out: %d %s", status, answer)
	}
	if status, answer := page.query(t, "{ tasks { totalCount } }"); status != 401 || !strings.Contains(answer, `"Not authenticated"`) || strings.Contains(answer, "data") {
		t.Errorf("signed out: %d %s", status, answer)
	}
	if status, answer := page.post(t, "/api/auth/sign-up/email", map[string]string{"name": "Ada", "email": "ada@example.com", "password": "correct horse"}); status != 200 {
		t.Fatalf("signing up: %d %s", status, answer)
	}
	if status, answer := page.query(t, `mutation Make { createTask(input: {title: "Water"}) { task { title } userErrors { code } } }`); status != 200 || answer != `{"data":{"createTask":{"task":{"title":"Water"},"userErrors":[]}}}` {
		t.Errorf("creating: %d %s", status, answer)
	}
	if status, answer := page.query(t, "{ viewer { name } tasks { totalCount } }"); status != 200 || answer != `{"data":{"viewer":{"name":"Ada"},"tasks":{"totalCount":1}}}` {
		t.Errorf("listing: %d %s", status, answer)
	}
	for _, want := range []string{"starting taskql", "version=v1", "commit=c1", "database=sqlite:", "embedded development sign-in", "operation=Make operation_type=mutation user_id=", "reason=no_cookie"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	if strings.Contains(log.String(), "correct horse") || strings.Contains(log.String(), "ada@example.com") {
		t.Errorf("the log tells too much:\n%s", log)
	}
}

// TestProduction: with an auth server there is neither a sign-in nor a playground, and if it can't be
// reached, users are not signed out.
func TestProduction(t *testing.T) {
	t.Parallel()
	environ := production()
	environ["AUTH_SERVER_URL"] = "http://127.0.0.1:1"
	s, _ := newServer(t, environ)
	page := newBrowser(t, s)
	scripts, err := filepath.Glob("../playground/assets/dist/app-*.js.gz")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("the playground has no script: %v", err)
	}
	script := strings.TrimSuffix(filepath.Base(scripts[0]), ".gz")
	for _, path := range []string{"/", "/playground/assets/" + script, "/api/auth/ok"} {
		response, err := page.client.Get(page.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
	if _, answer := page.query(t, "{ __schema { types { name } } }"); strings.Contains(answer, "Task") {
		t.Errorf("introspection: %s", answer)
	}
	if _, answer := page.query(t, "{ viwer { id } }"); strings.Contains(answer, "Did you mean") {
		t.Errorf("suggestions: %s", answer)
	}
}

// TestPlaygroundOff: without the playground there is neither the page nor a redirect to it, also in development. The sign-in is
// there.
func TestPlaygroundOff(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("../playground/assets/dist/app-*.js.gz")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("the playground has no script: %v", err)
	}
	script := "/playground/assets/" + strings.TrimSuffix(filepath.Base(scripts[0]), ".gz")
	for _, tt := range []struct {
		playground string
		want       map[string]int
	}{
		{"on", map[string]int{"/": 200, script: 200, "/graphql": 303, "/api/auth/ok": 200}},
		{"off", map[string]int{"/": 404, script: 404, "/graphql": 406, "/api/auth/ok": 200}},
	} {
		s, _ := newServer(t, map[string]string{"ENVIRONMENT": "development", "PLAYGROUND": tt.playground})
		for path, want := range tt.want {
			r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
			r.Header.Set("Accept", "text/html")
			w := httptest.NewRecorder()
			if s.Handler().ServeHTTP(w, r); w.Code != want {
				t.Errorf("PLAYGROUND=%s: %s: %d, want %d", tt.playground, path, w.Code, want)
			}
		}
	}
}

// TestStartWarns: the start logs problems that can be found without a network.
func TestStartWarns(t *testing.T) {
	t.Parallel()
	environ := production()
	environ["CORS_ORIGINS"] = "https://app.vercel.app"
	environ["RAILWAY_PUBLIC_DOMAIN"] = "api.up.railway.app"
	_, log := newServer(t, environ)
	for _, want := range []string{
		`"message":"cookies can't work","origin":"https://app.vercel.app"`, "vercel.app and up.railway.app", "PUBLIC_URL", "crossSubDomainCookies", "bearer tokens",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	environ["PUBLIC_URL"] = "https://app.vercel.app"
	if _, log := newServer(t, environ); strings.Contains(log.String(), "cookies can't work") {
		t.Errorf("the frontend proxies, and is warned:\n%s", log)
	}
}

// TestStartWarnsOnce: origins that can't use the cookie for the same reason share a line.
func TestStartWarnsOnce(t *testing.T) {
	t.Parallel()
	const message = `msg="cookies can't work" `
	environ := against("http://127.0.0.1:3001", "mQ0cXoV3r9pT1bZ7yH5kD2sJ8wE4uA6f", nil)
	delete(environ, "CORS_ORIGINS")
	_, log := newServer(t, environ)
	if got := strings.Count(log.String(), message); got != 1 || !strings.Contains(log.String(), message+`origin="http://localhost:3000, http://localhost:5173" `) {
		t.Errorf("%d lines about cookies, want one for both origins:\n%s", got, log)
	}
	environ["CORS_ORIGINS"] = "http://localhost:3000,http://[::1]:3000,http://localhost:5173"
	if _, log := newServer(t, environ); strings.Count(log.String(), message) != 2 || !strings.Contains(log.String(), message+`origin=http://[::1]:3000 `) {
		t.Errorf("want a line for each of two reasons:\n%s", log)
	}
}

// TestSessionConfig: every variable about sessions is passed on to betterauth.
func TestSessionConfig(t *testing.T) {
	t.Parallel()
	environ := production()
	maps.Copy(environ, map[string]string{
		"AUTH_COOKIE_PREFIX": "app", "AUTH_COOKIE_NAME": "sid", "AUTH_ISSUER": "me,you", "AUTH_AUDIENCE": "us", "AUTH_BASE_PATH": "/b", "AUTH_JWKS_PATH": "/j", "AUTH_TOKEN_PATTERN": "s_.", "TRUST_SESSION_DATA": "on", "AUTH_STATELESS": "on", "JWT_ALGORITHM": "HS512",
		"ACCESS_TOKEN_EXPIRE_MINUTES": "3", "REFRESH_TOKEN_EXPIRE_DAYS": "2", "SESSION_CACHE_TTL": "4s", "SESSION_STALE_TTL": "5s", "AUTH_API_KEY_HEADER": "X-Key",
		"LIMIT_OPERATION_TIME": "3s",
	})
	cfg, err := config.Load(environ)
	if err != nil {
		t.Fatal(err)
	}
	want := betterauth.Config{
		BaseURL: "https://auth.example.com", Secret: environ["JWT_SECRET"], CookiePrefix: "app", CookieName: "sid", Issuers: []string{"me", "you"}, Audiences: []string{"us"},
		BasePath: "/b", JWKSPath: "/j", TokenPattern: regexp.MustCompile(`\A(?:s_.)\z`),
		TrustSessionData: true, Stateless: true, Algorithm: "HS512", MaxTokenAge: 3 * time.Minute, MaxSessionAge: 48 * time.Hour,
		CacheTTL: 4 * time.Second, StaleTTL: 5 * time.Second, Timeout: 3 * time.Second, APIKeyHeader: "x-key",
	}
	if diff := cmp.Diff(want, SessionConfig(cfg), cmp.Comparer(func(a, b *regexp.Regexp) bool { return a.String() == b.String() })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	cfg.SessionStaleTTL = 0
	if got := SessionConfig(cfg).StaleTTL; got >= 0 {
		t.Errorf("no stale sessions: got %s, which betterauth takes for its default", got)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	if _, err := New(context.Background(), Config{}); err == nil {
		t.Error("an empty Config was taken")
	}
}
