package server

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"entgo.io/ent/dialect"

	"taskql/internal/config"
	"taskql/internal/database"
	"taskql/internal/testkit"
)

const hookSecret = "events-Zq8vN3xT6yB1mK4pW7rC0dG5hJ2sL9fA+/="

// erasureFixture is a server and a real Better Auth with the code of docs/erasure.md, which call each other.
type erasureFixture struct {
	auth *testkit.AuthServer
	db   *database.DB
	url  string
	// down makes the server answer the auth server's events with 503.
	down atomic.Bool
}

// newErasureFixture starts both servers.
func newErasureFixture(t *testing.T, databaseURL string) *erasureFixture {
	t.Helper()
	c := &erasureFixture{}
	var handler atomic.Pointer[http.Handler]
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.down.Load() && r.URL.Path == hookPath {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		(*handler.Load()).ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	c.url = web.URL
	c.auth = testkit.BetterAuth(t, testkit.BetterAuthOptions{
		Config: "erasure", Plugins: []string{"bearer", "jwt"},
		OwnProcess: true, // The code of docs/erasure.md reads the process's environment.
		Env:        []string{"AUTH_HOOK_URL=" + web.URL + hookPath, "AUTH_HOOK_SECRET=" + hookSecret},
	})
	cfg, err := config.Load(against(c.auth.URL, c.auth.Secret, map[string]string{
		"ENVIRONMENT": "test", "DATABASE_URL": databaseURL, "AUTH_HOOK_SECRET": hookSecret,
	}))
	if err != nil {
		t.Fatal(err)
	}
	c.db = testkit.OpenDatabase(t, databaseURL)
	s, err := New(t.Context(), Config{Config: cfg, DB: c.db, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.live.hub.Close)
	h := s.Handler()
	handler.Store(&h)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.removals(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return c
}

// columnsWith returns the columns of all tables that contain a text.
func columnsWith(t *testing.T, db *database.DB, text string) []string {
	t.Helper()
	columns, holds := `SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = current_schema()`,
		`SELECT count(*) FROM %q WHERE position(lower($1) IN lower(%q::text)) > 0`
	if db.Dialect == dialect.SQLite {
		columns = `SELECT m.name, p.name, p.type FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table'`
		holds = `SELECT count(*) FROM %q WHERE instr(lower(CAST(%q AS text)), lower($1)) > 0`
	}
	rows, err := db.SQL.QueryContext(t.Context(), columns)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all [][3]string
	for rows.Next() {
		var c [3]string
		if err := rows.Scan(&c[0], &c[1], &c[2]); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	if err := rows.Err(); err != nil || len(all) < 40 {
		t.Fatalf("%d columns, %v", len(all), err)
	}
	var found []string
	for _, c := range all {
		query := fmt.Sprintf(holds, c[0], c[1])
		if c[2] == "bytea" {
			query = fmt.Sprintf(`SELECT count(*) FROM %q WHERE position(lower($1) IN lower(encode(%q, 'escape'))) > 0`, c[0], c[1])
		}
		var n int
		if err := db.SQL.QueryRowContext(t.Context(), query, text).Scan(&n); err != nil {
			t.Fatalf("%v: %v", c, err)
		}
		if n > 0 {
			found = append(found, c[0]+"."+c[1])
		}
	}
	return found
}

// awaitErased waits until no table contains the texts.
func (c *erasureFixture) awaitErased(t *testing.T, texts ...string) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for _, text := range texts {
		for {
			found := columnsWith(t, c.db, text)
			if len(found) == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%q is still in %q", text, found)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// fillIn creates rows with a user's id, name and e-mail address.
func (c *erasureFixture) fillIn(t *testing.T, header http.Header, name string) {
	t.Helper()
	for _, document := range []string{
		`mutation { updateViewer(input: {timeZone: "Asia/Karachi"}) { userErrors { code } } }`,
		`mutation { createTag(input: {name: "of ` + name + `"}) { tag { id } userErrors { code } } }`,
		`mutation { createTask(input: {title: "call ` + name + `", description: "or write to ` + name + `@example.com", idempotencyKey: "k"}) { task { id } userErrors { code } } }`,
	} {
		if response, answer := mustCall(t, c.url, header, document); response.StatusCode != http.StatusOK || !strings.Contains(answer, `"userErrors":[]`) {
			t.Fatalf("%s: %d %s", document, response.StatusCode, answer)
		}
	}
}

// TestErasureWithBetterAuth: users are deleted at a real Better Auth, or register there after they were anonymous.
func TestErasureWithBetterAuth(t *testing.T) {
	t.Parallel()
	for name, address := range testkit.Databases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newErasureFixture(t, address(t))
			boss := c.auth.SignUp(t, "Boss", "boss@example.com", "correct horse")
			c.testDeleted(t, "Zebulon", func(user *testkit.AuthClient) {
				user.Post(t, "/api/auth/delete-user", map[string]any{"password": "correct horse"})
			})
			c.testDeleted(t, "Marigold", func(user *testkit.AuthClient) {
				boss.Post(t, "/api/auth/admin/remove-user", map[string]any{"userId": user.UserID})
			})
			c.testLinked(t, "Philomena", false)
			c.testLinked(t, "Bartholomew", true)
			if _, answer := mustCall(t, c.url, boss.Header(), whoAmI); !strings.Contains(answer, "boss@example.com") {
				t.Errorf("another user got %s", answer)
			}
		})
	}
}

// testDeleted checks that after a user was deleted no table contains the id, the name or the e-mail address, and that neither a
// JWT nor a cached session creates them again.
func (c *erasureFixture) testDeleted(t *testing.T, name string, remove func(*testkit.AuthClient)) {
	t.Helper()
	user := c.auth.SignUp(t, name, name+"@example.com", "correct horse")
	cookie, jwt := user.Header(), bearer(user.JWT(t))
	c.fillIn(t, cookie, name)
	if found := columnsWith(t, c.db, name); len(found) < 6 || len(columnsWith(t, c.db, user.UserID)) < 6 {
		t.Fatalf("%s is in %q alone", name, found)
	}
	remove(user)
	c.awaitErased(t, user.UserID, name)
	for scheme, header := range map[string]http.Header{"cookie": cookie, "JWT": jwt} {
		for _, document := range []string{whoAmI, `mutation { createTask(input: {title: "again"}) { task { id } userErrors { code } } }`} {
			if response, answer := mustCall(t, c.url, header, document); response.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: %d %s", scheme, response.StatusCode, answer)
			}
		}
	}
	c.awaitErased(t, user.UserID, name)
}

// testLinked checks that an anonymous user who registers keeps the tasks. If the event can't be delivered, the registration fails,
// and signing in later moves the tasks.
func (c *erasureFixture) testLinked(t *testing.T, name string, down bool) {
	t.Helper()
	guest := c.auth.SignInAnonymously(t)
	id := guest.UserID
	c.fillIn(t, guest.Header(), name)
	body := map[string]any{"name": name, "email": name + "@example.com", "password": "correct horse"}
	path := "/api/auth/sign-up/email"
	if down {
		c.down.Store(true)
		mustRefuse(t, c.auth.URL+path, guest.Header(), body)
		c.down.Store(false)
		if _, answer := mustCall(t, c.url, guest.Header(), "{ tasks { nodes { title } } }"); !strings.Contains(answer, "call "+name) {
			t.Errorf("the guest has %s", answer)
		}
		path = "/api/auth/sign-in/email"
	}
	guest.Post(t, path, body)
	c.awaitErased(t, id)
	_, answer := mustCall(t, c.url, guest.Header(), `{ viewer { name timeZone } tasks { nodes { title } } tags { nodes { name } } }`)
	const want = `{"data":{"viewer":{"name":"%[1]s","timeZone":"Asia/Karachi"},"tasks":{"nodes":[{"title":"call %[1]s"}]},"tags":{"nodes":[{"name":"of %[1]s"}]}}}`
	if answer != fmt.Sprintf(want, name) {
		t.Errorf("got %s", answer)
	}
}

// mustRefuse sends a request that the auth server must refuse.
func mustRefuse(t *testing.T, url string, header http.Header, body any) {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(string(encoded)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = with(header, "Content-Type", mediaJSON, "Origin", url[:strings.Index(url, "/api/")])
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusInternalServerError {
		t.Errorf("%s answered %s", url, response.Status)
	}
}

// TestErasureDocs: docs/erasure.md shows the code that these tests run.
func TestErasureDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/erasure.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("../testkit/betterauth/configs/task-events.mjs")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```js\n"+string(code)+"```\n") {
		t.Error("docs/erasure.md doesn't show internal/testkit/betterauth/configs/task-events.mjs as it is")
	}
	for _, line := range []string{"user: { deleteUser: { enabled: true } },", "user: { delete: { after: onUserDeleted }, update: { after: onUserUpdated } },", "session: { delete: { after: onSessionEnded } },", "anonymous({ onLinkAccount })"} {
		if !strings.Contains(string(page), line) {
			t.Errorf("docs/erasure.md lacks %s", line)
		}
	}
}
