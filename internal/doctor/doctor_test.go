package doctor_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	_ "github.com/lib/pq" // the test writes what a later release would have

	"taskql/internal/betterauth"
	"taskql/internal/config"
	"taskql/internal/doctor"
	"taskql/internal/testkit"
)

var update = flag.Bool("update", false, "rewrite the golden files") //nolint:gochecknoglobals // A flag.

// sessions returns what internal/server derives from the configuration, as far as it matters here.
func sessions(c config.Config) betterauth.Config {
	return betterauth.Config{
		BaseURL: c.AuthServerURL, BasePath: c.AuthBasePath, JWKSPath: c.AuthJWKSPath, Secret: c.JWTSecret.Reveal(), CookiePrefix: c.AuthCookiePrefix, CookieName: c.AuthCookieName,
		Issuers: c.AuthIssuers, Audiences: c.AuthAudiences, MaxSessionAge: 7 * 24 * time.Hour,
	}
}

// example is a deployment to check.
type example struct {
	name       string
	environ    map[string]string // on top of production's
	credential string
	ahead      time.Duration // of our clock
	timeout    time.Duration // zero: longer than any answer takes
	healthy    bool
}

// TestReports compares the reports on good and bad deployments, with real servers, with the golden files.
func TestReports(t *testing.T) {
	t.Parallel()
	auth := testkit.BetterAuth(t, testkit.BetterAuthOptions{Plugins: []string{"bearer", "jwt"}})
	organizations := testkit.BetterAuth(t, testkit.BetterAuthOptions{Plugins: []string{"organization"}})
	ada := auth.SignUp(t, "Ada", "ada@example.com", "correct horse")
	member := organizations.SignUp(t, "Mia", "mia@example.com", "correct horse")
	member.Post(t, "/api/auth/organization/create", map[string]any{"name": "Acme Inc", "slug": "acme"})
	header := ada.Header().Get("Cookie")
	wire := ada.Cookies()["better-auth.session_token"]
	database := testkit.MigratedPostgresURL(t)
	newer := testkit.MigratedPostgresURL(t)
	execute(t, newer, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99990101000000, true)")
	overdue := testkit.MigratedPostgresURL(t)
	execute(t, overdue, "WITH w AS (INSERT INTO workspaces (id, created_at) VALUES ('ada', now()) RETURNING id), "+
		"t AS (INSERT INTO tasks (id, workspace_id, version, title, position, created_at, updated_at) SELECT gen_random_uuid(), id, 0, 'late', 'a', now(), now() FROM w RETURNING id) "+
		"INSERT INTO reminders (id, workspace_id, task_id, user_id, version, state, fire_at, created_at, updated_at) SELECT gen_random_uuid(), 'ada', id, 'ada', 0, 'WAITING', '2026-11-01T09:00:00Z', now(), now() FROM t")
	foreign := testkit.PostgresURL(t)
	execute(t, foreign, "CREATE TABLE tasks (id integer)")
	restricted := asRestrictedUser(t, testkit.DirectURL(t, testkit.MigratedPostgresURL(t)))
	const dead = "http://127.0.0.1:1"

	tests := []example{
		{name: "good", credential: "Cookie: " + header, healthy: true},
		{name: "good-proxied", environ: map[string]string{"CORS_ORIGINS": "https://app.vercel.app", "PUBLIC_URL": "https://app.vercel.app"}, credential: "Set-Cookie: better-auth.session_token=" + wire + "; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax", healthy: true},
		{name: "good-bearer", credential: "Authorization: Bearer " + ada.Token, healthy: true},
		{name: "value-alone", credential: wire, healthy: true},
		{name: "no-session", healthy: true},
		{name: "local-origins", environ: map[string]string{"CORS_ORIGINS": "http://localhost:3000"}, healthy: true},
		{name: "wrong-secret", environ: map[string]string{"JWT_SECRET": "another-one-mQ0cXoV3r9pT1bZ7yH5kD2sJ8wE4"}, credential: header},
		{name: "tampered", credential: strings.Replace(header, "session_token=", "session_token=x", 1)},
		{name: "raw-token", credential: "better-auth.session_token=" + ada.Token},
		{name: "other-prefix", environ: map[string]string{"AUTH_COOKIE_PREFIX": "my-app"}, credential: header},
		{name: "dead-auth-server", environ: map[string]string{"AUTH_SERVER_URL": dead}, credential: header},
		{name: "dead-database", environ: map[string]string{"DATABASE_URL": "postgres://ada:hunter2-password@127.0.0.1:1/tasks"}, credential: header, timeout: 5 * time.Second},
		{name: "not-better-auth", environ: map[string]string{"AUTH_SERVER_URL": auth.URL + "/elsewhere"}, credential: header},
		{name: "fresh-database", environ: map[string]string{"DATABASE_URL": testkit.PostgresURL(t)}, credential: header, healthy: true},
		{name: "newer-database", environ: map[string]string{"DATABASE_URL": newer}, credential: header, healthy: true},
		{name: "overdue-reminders", environ: map[string]string{"DATABASE_URL": overdue}, credential: header, healthy: true},
		{name: "foreign-tables", environ: map[string]string{"DATABASE_URL": foreign}, credential: header},
		{name: "schema", environ: map[string]string{"DATABASE_URL": withParameter(testkit.DirectURL(t, foreign), "schema=taskql")}, credential: header, healthy: true},
		{name: "read-only-database", environ: map[string]string{"DATABASE_URL": withParameter(testkit.DirectURL(t, database), "default_transaction_read_only=on")}, credential: header},
		{name: "restricted-user", environ: map[string]string{"DATABASE_URL": restricted}, credential: header, healthy: true},
		{name: "pooler", environ: map[string]string{"DATABASE_URL": withParameter(testkit.PgBouncer(t, testkit.DirectURL(t, database)), "pgbouncer=true")}, credential: header, healthy: true},
		{name: "pooler-and-direct", environ: map[string]string{"DATABASE_URL": withParameter(database, "pgbouncer=true"), "DIRECT_DATABASE_URL": testkit.DirectURL(t, database), "PUBLIC_URL": ""}, credential: header, healthy: true},
		{name: "private-issuer", environ: map[string]string{"AUTH_ISSUER": ""}, credential: "Bearer " + jwt(t, auth, ada), healthy: true},
		{name: "clock-ahead", ahead: time.Minute, credential: header, healthy: true},
		{name: "vercel-and-railway", environ: map[string]string{"CORS_ORIGINS": "https://app.vercel.app", "AUTH_ISSUER": "https://auth.up.railway.app", "PUBLIC_URL": "", "RAILWAY_PUBLIC_DOMAIN": "api.up.railway.app", "RAILWAY_ENVIRONMENT": "production"}, credential: header, healthy: true},
		{name: "organizations", environ: map[string]string{"AUTH_SERVER_URL": organizations.URL, "ORGANIZATIONS": "on"}, healthy: true},
		{name: "organizations-session", environ: map[string]string{"AUTH_SERVER_URL": organizations.URL}, credential: "Cookie: " + member.Header().Get("Cookie"), healthy: true},
		{name: "organizations-missing", environ: map[string]string{"ORGANIZATIONS": "on"}, healthy: true},
		{name: "organizations-off", environ: map[string]string{"ORGANIZATIONS": "off"}, healthy: true},
		{name: "everything-missing", environ: map[string]string{"DATABASE_URL": "", "AUTH_SERVER_URL": "", "JWT_SECRET": "", "CORS_ORIGINS": "", "PUBLIC_URL": ""}, credential: header},
		{name: "half-broken", environ: map[string]string{"CORS_ORIGINS": "*", "JWT_SECRET": "", "SESSION_CACHE_TTL": "15", "DIRECT_DATABASE_URL": "mysql://ada:hunter2-password@db/x"}, credential: header},
		{name: "sqlite", environ: map[string]string{"ENVIRONMENT": "development", "DATABASE_URL": "sqlite:" + filepath.Join(t.TempDir(), "none.db"), "AUTH_SERVER_URL": "", "JWT_SECRET": "", "AUTH_ISSUER": "", "PUBLIC_URL": "", "CORS_ORIGINS": "http://localhost:3000"}, credential: header, healthy: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			environ := map[string]string{
				"ENVIRONMENT": "production", "DATABASE_URL": database, "AUTH_SERVER_URL": auth.URL, "JWT_SECRET": auth.Secret,
				"CORS_ORIGINS": "https://app.example.com", "PUBLIC_URL": "https://api.example.com", "AUTH_ISSUER": "https://auth.example.com",
			}
			maps.Copy(environ, tt.environ)
			if direct := testkit.DirectURL(t, environ["DATABASE_URL"]); direct != environ["DATABASE_URL"] && environ["DIRECT_DATABASE_URL"] == "" {
				environ["DIRECT_DATABASE_URL"] = direct // The tests run behind a pooler.
			}
			var out bytes.Buffer
			err := doctor.Run(t.Context(), doctor.Config{
				Environ: environ, Sessions: sessions, Credential: tt.credential, Out: &out, Timeout: cmp.Or(tt.timeout, time.Minute),
				Now: func() time.Time { return time.Now().Add(tt.ahead) },
			})
			if (err == nil) != tt.healthy || (err != nil && !errors.Is(err, doctor.ErrUnhealthy)) {
				t.Errorf("got %v, want healthy %v", err, tt.healthy)
			}
			for _, secret := range []string{auth.Secret, environ["JWT_SECRET"], ada.Token, wire, "hunter2"} {
				if secret != "" && strings.Contains(out.String(), secret) {
					t.Errorf("a secret is shown: %.6s…", secret)
				}
			}
			golden(t, tt.name, scrub(out.String(), ada.UserID, member.UserID))
		})
	}
}

func withParameter(address, parameter string) string {
	if strings.Contains(address, "?") {
		return address + "&" + parameter
	}
	return address + "?" + parameter
}

// jwt returns a token of the auth server's jwt plugin.
func jwt(t *testing.T, auth *testkit.AuthServer, of *testkit.AuthClient) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, auth.URL+"/api/auth/token", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = of.Header()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var body struct{ Token string }
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil || body.Token == "" {
		t.Fatalf("%s: %v", answer.Status, err)
	}
	return body.Token
}

// scrub replaces what differs between runs.
func scrub(text string, userIDs ...string) string {
	for _, r := range [...][2]string{
		{`postgres:\S+/taskql_test_[a-z0-9]+`, "postgres://HOST/NAME"},
		{`PostgreSQL \d[\w.]*( \([^)]*\))?`, "PostgreSQL 16"},
		{`127\.0\.0\.1:\d{2,}`, "127.0.0.1:PORT"},
		{`/\S*/none\.db`, "/none.db"},
		{`all \d+ applied`, "all N applied"},
		{`0 applied, \d+ pending`, "0 applied, N pending"},
		{`good for \S+`, "good for 168h0m0s"},
		{`user (` + strings.Join(userIDs, "|") + `)`, "user USER"},
		{`organization/[A-Za-z0-9]{32}`, "organization/ID"},
	} {
		text = regexp.MustCompile(r[0]).ReplaceAllString(text, r[1])
	}
	return text
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestChangesNothing checks that an empty database remains empty, and that no SQLite file is created.
func TestChangesNothing(t *testing.T) {
	t.Parallel()
	fresh := testkit.PostgresURL(t)
	file := filepath.Join(t.TempDir(), "t.db")
	for _, address := range []string{fresh, "sqlite:" + file} {
		var out bytes.Buffer
		if err := doctor.Run(t.Context(), doctor.Config{Environ: map[string]string{"DATABASE_URL": address}, Sessions: sessions, Out: &out}); err != nil {
			t.Errorf("%v\n%s", err, out.String())
		}
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the file: %v", err)
	}
	db, err := sql.Open("postgres", testkit.DirectURL(t, fresh))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var tables int
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'").Scan(&tables); err != nil || tables != 0 {
		t.Errorf("%d tables, %v", tables, err)
	}
}

// TestSilentServers checks that servers that accept connections and don't answer take one timeout each.
func TestSilentServers(t *testing.T) {
	t.Parallel()
	silent := silentServer(t)
	var out bytes.Buffer
	err := doctor.Run(t.Context(), doctor.Config{
		Environ: map[string]string{
			"DATABASE_URL": "postgres://ada:hunter2@" + silent + "/x?sslmode=disable", "AUTH_SERVER_URL": "http://" + silent,
			"JWT_SECRET": strings.Repeat("x", 32),
		},
		Sessions: sessions, Out: &out, Timeout: 300 * time.Millisecond,
	})
	if !errors.Is(err, doctor.ErrUnhealthy) {
		t.Errorf("%v\n%s", err, out.String())
	}
	if strings.Count(out.String(), "\n  failure  ") != 2 || strings.Contains(out.String(), "hunter2") {
		t.Errorf("got\n%s", out.String())
	}
}

// silentServer accepts connections and never answers.
func silentServer(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
	}()
	return listener.Addr().String()
}

func TestWriteError(t *testing.T) {
	t.Parallel()
	err := doctor.Run(t.Context(), doctor.Config{Environ: map[string]string{"DATABASE_URL": "sqlite::memory:"}, Sessions: sessions, Out: broken{}})
	if !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, os.ErrClosed }

// asRestrictedUser returns the database's URL with a user who may not see which cluster it is of.
func asRestrictedUser(t *testing.T, address string) string {
	t.Helper()
	user := "doctor_" + strings.ToLower(rand.Text())
	for _, statement := range []string{
		"REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC", "CREATE ROLE " + user + " LOGIN PASSWORD 'secret'",
		"GRANT SELECT ON ALL TABLES IN SCHEMA public TO " + user,
	} {
		execute(t, address, statement)
	}
	t.Cleanup(func() { execute(t, address, "DROP OWNED BY "+user+"; DROP ROLE "+user) })
	changed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	changed.User = url.UserPassword(user, "secret")
	return changed.String()
}

func execute(t *testing.T, address, statement string) {
	t.Helper()
	db, err := sql.Open("postgres", testkit.DirectURL(t, address))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(context.WithoutCancel(t.Context()), statement); err != nil { // Also while the test ends.
		t.Fatal(err)
	}
}
