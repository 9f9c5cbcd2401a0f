package devauth_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/go-cmp/cmp"
	_ "github.com/lib/pq"

	"taskql/internal/betterauth"
	"taskql/internal/devauth"
	"taskql/internal/testkit"
)

// clock is a clock that stands still until it is moved.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.nanos.Store(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *clock) Advance(d time.Duration) { c.nanos.Add(int64(d)) }

// eachDatabase runs a test on an empty SQLite and an empty PostgreSQL database.
func eachDatabase(t *testing.T, test func(t *testing.T, cfg devauth.Config)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, devauth.Config{DB: testkit.OpenDatabase(t, testkit.SQLiteURL(t)).SQL, Dialect: dialect.SQLite})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, devauth.Config{DB: testkit.OpenDatabase(t, testkit.MigratedPostgresURL(t)).SQL, Dialect: dialect.Postgres})
	})
}

func newServer(t *testing.T, cfg devauth.Config) *devauth.Server {
	t.Helper()
	s, err := devauth.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// answer is a response.
type answer struct {
	*http.Response
	body string
}

// send sends a request. With a body it is a POST of JSON. Headers are pairs of name and value; a pair with an empty
// value is left out.
func send(t *testing.T, client *http.Client, base, method, path, body string, header ...string) answer {
	t.Helper()
	var reader io.Reader = http.NoBody
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, base+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			req.Header.Del(header[i])
		}
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res, string(data)}
}

// client sends requests to a server in process.
func client(s *devauth.Server) *http.Client { return &http.Client{Transport: s.Transport()} }

const (
	base   = "http://devauth.test/api/auth"
	signUp = `{"name":"Zoë","email":"zoe@example.com","password":"correct horse"}`
	signIn = `{"email":"zoe@example.com","password":"correct horse"}`
)

func post(t *testing.T, s *devauth.Server, path, body string, header ...string) answer {
	t.Helper()
	return send(t, client(s), base, http.MethodPost, path, body, header...)
}

// cookiesOf returns the Cookie header with a response's cookies.
func cookiesOf(a answer) string {
	var pairs []string
	for _, c := range a.Cookies() {
		if c.MaxAge >= 0 {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return strings.Join(pairs, "; ")
}

func getSession(t *testing.T, s *devauth.Server, cookies, query string) answer {
	t.Helper()
	a := send(t, client(s), base, http.MethodGet, "/get-session"+query, "", "Cookie", cookies)
	if a.StatusCode != http.StatusOK {
		t.Fatalf("get-session answered %d: %s", a.StatusCode, a.body)
	}
	return a
}

// expiry returns when the session ends according to get-session, or zero if there is no session.
func expiry(t *testing.T, a answer) time.Time {
	t.Helper()
	var found *struct{ Session struct{ ExpiresAt time.Time } }
	if err := json.Unmarshal([]byte(a.body), &found); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	if found == nil {
		return time.Time{}
	}
	return found.Session.ExpiresAt
}

func TestNewRefusesBadConfig(t *testing.T) {
	for name, cfg := range map[string]devauth.Config{
		"no database":   {Dialect: dialect.SQLite},
		"other dialect": {DB: &sql.DB{}, Dialect: dialect.MySQL},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := devauth.New(t.Context(), cfg); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestSecret(t *testing.T) {
	eachDatabase(t, func(t *testing.T, cfg devauth.Config) {
		// Several processes start at the same time on an empty database.
		secrets := make([]string, 8)
		var group sync.WaitGroup
		for i := range secrets {
			group.Go(func() {
				s, err := devauth.New(t.Context(), cfg)
				if err != nil {
					t.Error(err)
					return
				}
				secrets[i] = s.Secret()
			})
		}
		group.Wait()
		for _, secret := range secrets {
			if secret != secrets[0] || len(secret) < 32 {
				t.Fatalf("secrets %q", secrets)
			}
		}
		cfg.Secret = "a secret that the operator chose"
		if got := newServer(t, cfg).Secret(); got != cfg.Secret {
			t.Errorf("the given secret was not used: %q", got)
		}
		cfg.Secret = ""
		if got := newServer(t, cfg).Secret(); got != secrets[0] {
			t.Errorf("the kept secret changed: %q", got)
		}
	})
}

// TestWithAuthenticator checks sessions with the betterauth package, as in production but without a network.
func TestWithAuthenticator(t *testing.T) {
	const ttl = 15 * time.Second
	eachDatabase(t, func(t *testing.T, cfg devauth.Config) {
		now := newClock()
		cfg.Now = now.Now
		s := newServer(t, cfg)
		a, err := betterauth.New(betterauth.Config{
			BaseURL: "http://devauth.test", Secret: s.Secret(), Transport: s.Transport(), Now: now.Now, CacheTTL: ttl,
		})
		if err != nil {
			t.Fatal(err)
		}
		up := post(t, s, "/sign-up/email", signUp)
		if up.StatusCode != http.StatusOK {
			t.Fatalf("sign-up answered %d: %s", up.StatusCode, up.body)
		}
		in := post(t, s, "/sign-in/email", signIn)
		for _, cookies := range []string{cookiesOf(up), cookiesOf(in)} {
			session, err := a.Authenticate(t.Context(), http.Header{"Cookie": {cookies}})
			if err != nil {
				t.Fatal(err)
			}
			if session.User.Name != "Zoë" || session.User.Email != "zoe@example.com" || session.UserID != session.User.ID {
				t.Errorf("session %+v", session)
			}
		}
		out := post(t, s, "/sign-out", "{}", "Cookie", cookiesOf(in), "Origin", "http://devauth.test")
		if out.StatusCode != http.StatusOK || len(out.Cookies()) != 3 {
			t.Errorf("sign-out answered %d: %s", out.StatusCode, out.body)
		}
		now.Advance(ttl)
		var refusal *betterauth.Refusal
		_, err = a.Authenticate(t.Context(), http.Header{"Cookie": {cookiesOf(in)}})
		if !errors.As(err, &refusal) || refusal.Reason != betterauth.ReasonSessionNull {
			t.Errorf("after sign-out: %v", err)
		}
		if _, err := a.Authenticate(t.Context(), http.Header{"Cookie": {cookiesOf(up)}}); err != nil {
			t.Errorf("the other session ended too: %v", err)
		}
	})
}

func TestSessionTTL(t *testing.T) {
	const day = 24 * time.Hour
	eachDatabase(t, func(t *testing.T, cfg devauth.Config) {
		now := newClock()
		begin := now.Now()
		cfg.Now = now.Now
		s := newServer(t, cfg)
		long := cookiesOf(post(t, s, "/sign-up/email", signUp))
		short := cookiesOf(post(t, s, "/sign-in/email", strings.Replace(signIn, "{", `{"rememberMe":false,`, 1)))
		check := func(name, cookies, query string, want time.Duration, extended bool) {
			t.Helper()
			a := getSession(t, s, cookies, query)
			if got := expiry(t, a); !got.Equal(begin.Add(want)) {
				t.Errorf("%s: ends after %v, want %v", name, got.Sub(begin), want)
			}
			if (len(a.Cookies()) > 0) != extended {
				t.Errorf("%s: cookies %v", name, a.Cookies())
			}
		}
		check("new", long, "", 7*day, false)
		check("short", short, "", day, false)
		now.Advance(day - time.Second)
		check("not due", long, "", 7*day, false)
		check("short, never due", short, "", day, false)
		now.Advance(time.Second)
		check("left alone", long, "?disableRefresh=true", 7*day, false)
		check("left alone by false", long, "?disableRefresh=false", 7*day, false)
		check("due", long, "?disableRefresh=", 8*day, true)
		check("extended", long, "", 8*day, false)
		now.Advance(time.Millisecond)
		if a := getSession(t, s, short, ""); a.body != "null\n" || len(a.Cookies()) != 3 {
			t.Errorf("expired: %s, %v", a.body, a.Cookies())
		}
		now.Advance(8 * day)
		newServer(t, cfg) // Starting deletes what has expired.
		var left int
		if err := cfg.DB.QueryRowContext(t.Context(), "SELECT count(*) FROM devauth_sessions").Scan(&left); err != nil || left != 0 {
			t.Errorf("%d sessions left, %v", left, err)
		}
	})
}

func TestOneUserPerAddress(t *testing.T) {
	eachDatabase(t, func(t *testing.T, cfg devauth.Config) {
		s := newServer(t, cfg)
		var created atomic.Int64
		var group sync.WaitGroup
		for range 6 {
			group.Go(func() {
				a := post(t, s, "/sign-up/email", signUp)
				switch {
				case a.StatusCode == http.StatusOK:
					created.Add(1)
				case a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, "USER_ALREADY_EXISTS"):
					t.Errorf("answered %d: %s", a.StatusCode, a.body)
				}
			})
		}
		group.Wait()
		if got := created.Load(); got != 1 {
			t.Errorf("%d users", got)
		}
	})
}

func TestNoTokenOrPasswordInTheDatabase(t *testing.T) {
	eachDatabase(t, func(t *testing.T, cfg devauth.Config) {
		s := newServer(t, cfg)
		a := post(t, s, "/sign-up/email", signUp)
		var signedUp struct{ Token string }
		if err := json.Unmarshal([]byte(a.body), &signedUp); err != nil || len(signedUp.Token) != 32 {
			t.Fatalf("%v: %s", err, a.body)
		}
		var hash, tokenHash string
		row := cfg.DB.QueryRowContext(t.Context(), `SELECT u.password_hash, s.token_hash FROM devauth_users u, devauth_sessions s`)
		if err := row.Scan(&hash, &tokenHash); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(hash, "$argon2id$") || strings.Contains(tokenHash, signedUp.Token) {
			t.Errorf("password %q, token %q", hash, tokenHash)
		}
	})
}

func TestOwnErrors(t *testing.T) {
	db := testkit.OpenDatabase(t, testkit.SQLiteURL(t)).SQL
	s := newServer(t, devauth.Config{
		DB: db, Dialect: dialect.SQLite,
		TrustedOrigins: func(origin string) bool { panic("no origin is known: " + origin) },
	})
	t.Run("huge body", func(t *testing.T) {
		a := post(t, s, "/sign-up/email", `{"name":"`+strings.Repeat("x", 2<<20)+`"}`)
		if a.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("answered %d", a.StatusCode)
		}
	})
	t.Run("a form", func(t *testing.T) {
		a := post(t, s, "/sign-in/email", "email=a", "Content-Type", "application/x-www-form-urlencoded")
		if a.StatusCode != http.StatusUnsupportedMediaType {
			t.Errorf("answered %d", a.StatusCode)
		}
	})
	t.Run("a panic in process is an error", func(t *testing.T) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/sign-out", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Cookie", "a=b")
		req.Header.Set("Origin", "http://elsewhere.test")
		if res, err := client(s).Do(req); err == nil {
			_ = res.Body.Close()
			t.Error("no error")
		}
	})
	t.Run("a caller that has gone", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/ok", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if res, err := client(s).Do(req); !errors.Is(err, context.Canceled) {
			_ = res.Body.Close()
			t.Errorf("got %v", err)
		}
	})
	t.Run("database gone", func(t *testing.T) {
		cookies := cookiesOf(post(t, s, "/sign-up/email", signUp))
		_ = db.Close()
		a := send(t, client(s), base, http.MethodGet, "/get-session", "", "Cookie", cookies)
		if a.StatusCode != http.StatusInternalServerError || !strings.Contains(a.body, "FAILED_TO_GET_SESSION") {
			t.Errorf("get-session answered %d: %s", a.StatusCode, a.body)
		}
		a = post(t, s, "/sign-in/email", signIn)
		if a.StatusCode != http.StatusInternalServerError || strings.Contains(a.body, "sql") {
			t.Errorf("sign-in answered %d: %s", a.StatusCode, a.body)
		}
	})
}

// TestUnknownPaths checks that the error for an unknown path lists the endpoints and says how to get the others.
func TestUnknownPaths(t *testing.T) {
	s := newServer(t, devauth.Config{DB: testkit.OpenDatabase(t, testkit.SQLiteURL(t)).SQL, Dialect: dialect.SQLite})
	for _, tt := range []struct{ method, path, body string }{
		{http.MethodPost, "/sign-in/social", `{"provider":"github"}`},
		{http.MethodPost, "/request-password-reset", `{"email":"zoe@example.com"}`},
		{http.MethodGet, "/token", ""},
		{http.MethodGet, "/ok/", ""},
		{http.MethodGet, "/sign-in/email", ""},
		{http.MethodGet, "", ""},
	} {
		a := send(t, client(s), base, tt.method, tt.path, tt.body)
		var refusal struct{ Code, Message string }
		if err := json.Unmarshal([]byte(a.body), &refusal); err != nil || a.StatusCode != http.StatusNotFound || refusal.Code != "NOT_FOUND" {
			t.Errorf("%s %s: %d, %v: %s", tt.method, tt.path, a.StatusCode, err, a.body)
		}
		for _, want := range append(devauth.Endpoints(), "AUTH_SERVER_URL", "JWT_SECRET", "docs/development.md") {
			if !strings.Contains(refusal.Message, want) {
				t.Errorf("%s %s: no %s in %s", tt.method, tt.path, want, refusal.Message)
			}
		}
	}
}

// TestEndpoints checks that the listed endpoints exist, and that docs/development.md lists the same.
func TestEndpoints(t *testing.T) {
	s := newServer(t, devauth.Config{DB: testkit.OpenDatabase(t, testkit.SQLiteURL(t)).SQL, Dialect: dialect.SQLite})
	page, err := os.ReadFile("../../docs/development.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+ /api/auth/[^`]*)` \\|").FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, row[1])
	}
	if diff := cmp.Diff(devauth.Endpoints(), documented); diff != "" {
		t.Errorf("docs/development.md (-code +page):\n%s", diff)
	}
	for _, end := range devauth.Endpoints() {
		method, path, _ := strings.Cut(end, " ")
		if a := send(t, client(s), "http://devauth.test", method, path, ""); a.StatusCode == http.StatusNotFound {
			t.Errorf("%s answers 404", end)
		}
	}
}

// TestUntrustedOrigin checks that the response and the log name the refused origin and the variable to add it to.
func TestUntrustedOrigin(t *testing.T) {
	var log bytes.Buffer
	s := newServer(t, devauth.Config{
		DB: testkit.OpenDatabase(t, testkit.SQLiteURL(t)).SQL, Dialect: dialect.SQLite,
		TrustedOrigins: func(origin string) bool { return origin == "http://localhost:3000" },
		Log:            slog.New(slog.NewTextHandler(&log, nil)),
	})
	long := "http://" + strings.Repeat("x", 500)
	for _, tt := range []struct{ name, header, value, origin, logged string }{
		{"a proxied page", "Origin", "http://localhost:4321", "http://localhost:4321", "origin=http://localhost:4321 "},
		{"a page by its referrer", "Referer", "http://localhost:4321/private?token=hunter2", "http://localhost:4321", "origin=http://localhost:4321 "},
		{"a long origin", "Origin", long, "the page's origin", "origin=" + long[:200] + " "},
		{"a long referrer", "Referer", long + "/hunter2", "the page's origin", "origin=" + long[:200] + " "},
		{"an app's origin", "Origin", "app:page", "the page's origin", "origin=app:page "},
		{"no URL, and a quote", "Origin", `a "b`, "the page's origin", `origin="a \"b" `},
		{"a referrer that is no URL", "Referer", "hunter2", "the page's origin", `origin="" `},
	} {
		log.Reset()
		a := post(t, s, "/sign-in/email", signIn, tt.header, tt.value)
		var refusal struct{ Code, Message string }
		if err := json.Unmarshal([]byte(a.body), &refusal); err != nil || a.StatusCode != http.StatusForbidden || refusal.Code != "INVALID_ORIGIN" {
			t.Errorf("%s: %d, %v: %s", tt.name, a.StatusCode, err, a.body)
		}
		if want := "Invalid origin: " + tt.origin + " is not in this server's CORS_ORIGINS. If it is your frontend, add it"; !strings.HasPrefix(refusal.Message, want) {
			t.Errorf("%s: %s\nwant %s", tt.name, refusal.Message, want)
		}
		for _, want := range []string{"level=WARN", tt.logged, "CORS_ORIGINS", "changeOrigin"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%s: no %s in the log: %s", tt.name, want, log.String())
			}
		}
		if strings.Contains(a.body+log.String(), "hunter2") || strings.Contains(a.body+log.String(), long) {
			t.Errorf("%s: too much is shown: %s%s", tt.name, a.body, log.String())
		}
	}
}

// TestAppOrigin checks that an app's origin is trusted if it is listed, whatever its host.
func TestAppOrigin(t *testing.T) {
	s := newServer(t, devauth.Config{
		DB: testkit.OpenDatabase(t, testkit.SQLiteURL(t)).SQL, Dialect: dialect.SQLite,
		TrustedOrigins: func(origin string) bool { return origin == "capacitor://localhost" },
		Log:            slog.New(slog.DiscardHandler),
	})
	for origin, trusted := range map[string]bool{"capacitor://localhost": true, "ionic://localhost": false, "ionic://devauth.test": false, "http://devauth.test": true} {
		if a := post(t, s, "/sign-up/email", signUp, "Origin", origin); (a.StatusCode == http.StatusForbidden) == trusted {
			t.Errorf("%s: %d %s", origin, a.StatusCode, a.body)
		}
	}
}

// TestMissingOrigin checks that the error for a program such as Node's fetch, which sends Sec-Fetch-Mode without an
// origin, says what to send, and that this works.
func TestMissingOrigin(t *testing.T) {
	s := newServer(t, devauth.Config{DB: testkit.OpenDatabase(t, testkit.SQLiteURL(t)).SQL, Dialect: dialect.SQLite})
	const own = "http://devauth.test"
	for _, tt := range []struct {
		name, path, body string
		header           []string
	}{
		{"Node's fetch signs up", "/sign-up/email", signUp, []string{"Sec-Fetch-Mode", "cors"}},
		{"a program with a cookie signs out", "/sign-out", "{}", []string{"Cookie", "a=b"}},
		{"a page without an origin", "/sign-up/email", signUp, []string{"Origin", "null"}},
	} {
		a := post(t, s, tt.path, tt.body, tt.header...)
		var refusal struct{ Code, Message string }
		if err := json.Unmarshal([]byte(a.body), &refusal); err != nil || a.StatusCode != http.StatusForbidden || refusal.Code != "MISSING_OR_NULL_ORIGIN" {
			t.Errorf("%s: %d, %v: %s", tt.name, a.StatusCode, err, a.body)
		}
		if want := "Missing or null Origin: a program must send the header Origin with this server's own address, " + own + "."; !strings.HasPrefix(refusal.Message, want) {
			t.Errorf("%s: %s\nwant %s", tt.name, refusal.Message, want)
		}
		if a := post(t, s, tt.path, tt.body, append(tt.header, "Origin", own)...); a.StatusCode == http.StatusForbidden {
			t.Errorf("%s, as told: %d %s", tt.name, a.StatusCode, a.body)
		}
	}
}

func TestOfficialClient(t *testing.T) {
	t.Run("Better Auth", func(t *testing.T) {
		t.Parallel()
		testkit.RunBetterAuthOrganizationClient(t, testkit.BetterAuth(t, testkit.BetterAuthOptions{Plugins: []string{"organization"}}).URL)
	})
	eachDatabase(t, func(t *testing.T, cfg devauth.Config) {
		server := httptest.NewServer(newServer(t, cfg))
		t.Cleanup(server.Close)
		testkit.RunBetterAuthClient(t, server.URL)
		testkit.RunBetterAuthOrganizationClient(t, server.URL)
	})
}
