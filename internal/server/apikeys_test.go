package server

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"taskql/internal/testkit"
)

// keys makes API keys at a real Better Auth.
type keys struct {
	*testkit.AuthServer
	database *sql.DB
}

func newKeys(t *testing.T) keys {
	t.Helper()
	address := testkit.PostgresURL(t)
	auth := testkit.BetterAuth(t, testkit.BetterAuthOptions{DatabaseURL: address, Config: "api-key"})
	db, err := sql.Open("postgres", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return keys{auth, db}
}

// of creates a key for a user with the permissions in JSON, or with none if that is "".
func (k keys) of(t *testing.T, user *testkit.AuthClient, permissions string) string {
	t.Helper()
	var made struct{ ID, Key string }
	if err := json.Unmarshal(user.Post(t, "/api/auth/api-key/create", map[string]any{}), &made); err != nil {
		t.Fatal(err)
	}
	if permissions != "" {
		k.update(t, `permissions = $2 WHERE id = $1`, made.ID, permissions)
	}
	return made.Key
}

func (k keys) update(t *testing.T, set string, args ...any) {
	t.Helper()
	if _, err := k.database.ExecContext(t.Context(), `UPDATE apikey SET `+set, args...); err != nil {
		t.Fatal(err)
	}
}

// codeOf returns the code of the answer's only error, or "".
func codeOf(t *testing.T, answer *httptest.ResponseRecorder) string {
	t.Helper()
	var body struct {
		Errors []struct{ Extensions struct{ Code string } }
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil || len(body.Errors) > 1 {
		t.Fatalf("%v: %s", err, answer.Body)
	}
	if len(body.Errors) == 0 {
		return ""
	}
	return body.Errors[0].Extensions.Code
}

// TestAPIKeyPermissions: a key's permissions apply to whole operations.
func TestAPIKeyPermissions(t *testing.T) {
	t.Parallel()
	auth := newKeys(t)
	ada := auth.SignUp(t, "Ada", "ada@example.com", "correct horse")
	s, log := newServer(t, against(auth.URL, auth.Secret, map[string]string{"LOG_FORMAT": "json", "INTROSPECTION": "on"}))
	const ok, forbidden = "", "FORBIDDEN"
	for _, tt := range []struct{ name, permissions, read, write string }{
		{"none", "", ok, ok},
		{"write", `{"tasks":["write"]}`, ok, ok},
		{"read", `{"tasks":["read"],"files":["write"]}`, ok, forbidden},
		{"other actions", `{"tasks":["delete"]}`, forbidden, forbidden},
		{"something else", `{"files":["read","write"]}`, forbidden, forbidden},
		{"nothing", `{}`, forbidden, forbidden},
	} {
		key := auth.of(t, ada, tt.permissions)
		for _, operation := range []struct{ document, want, message string }{
			{`{ tasks { totalCount } }`, tt.read, `This API key may not read anything: it lacks the permission \"read\" for \"tasks\".`},
			{`{ viewer { email } }`, tt.read, ``},
			{`query { ...q } fragment q on Query { __typename tags { totalCount } }`, tt.read, ``},
			{`mutation { createTask(input: {title: "x"}) { task { title } } }`, tt.write, `This API key may not change anything: it lacks the permission \"write\" for \"tasks\".`},
			{`mutation { updateViewer(input: {}) { viewer { email } } }`, tt.write, ``},
			{`{ __typename __schema { queryType { name } } }`, ok, ``},
		} {
			body := fmt.Sprintf(`{"query":%q}`, operation.document)
			answer := ask(s.Handler(), http.MethodPost, graphqlPath, body, "X-Api-Key", key, "Origin", "https://evil.example")
			status := map[string]int{ok: http.StatusOK, forbidden: http.StatusForbidden}[operation.want]
			if got := codeOf(t, answer); got != operation.want || answer.Code != status {
				t.Errorf("%s, %s: %d %s", tt.name, operation.document, answer.Code, answer.Body)
			}
			if operation.want == forbidden && !strings.Contains(answer.Body.String(), operation.message) {
				t.Errorf("%s, %s: %s", tt.name, operation.document, answer.Body)
			}
			if answer := ask(s.Handler(), http.MethodPost, graphqlPath, body, "X-Api-Key", key, "Accept", mediaJSON); answer.Code != http.StatusOK || codeOf(t, answer) != operation.want {
				t.Errorf("%s, %s: %d %s", tt.name, operation.document, answer.Code, answer.Body)
			}
		}
	}
	if !strings.Contains(log.String(), `"error_code":"FORBIDDEN"`) {
		t.Error("the access log has no refusal")
	}
}

// TestAPIKeyGetsNoNotModified: a key without the permission to read gets no 304.
func TestAPIKeyGetsNoNotModified(t *testing.T) {
	t.Parallel()
	auth := newKeys(t)
	ada := auth.SignUp(t, "Ada", "ada@example.com", "correct horse")
	s, _ := newServer(t, against(auth.URL, auth.Secret, nil))
	const poll = graphqlPath + "?query=%7Btasks%7BtotalCount%7D%7D"
	reader, nobody := auth.of(t, ada, `{"tasks":["read"]}`), auth.of(t, ada, `{}`)
	first := ask(s.Handler(), http.MethodGet, poll, "", "X-Api-Key", reader)
	tag := first.Header().Get("ETag")
	if tag == "" {
		t.Fatalf("%d %s", first.Code, first.Body)
	}
	for key, want := range map[string]int{reader: http.StatusNotModified, nobody: http.StatusForbidden} {
		if got := ask(s.Handler(), http.MethodGet, poll, "", "X-Api-Key", key, "If-None-Match", tag); got.Code != want {
			t.Errorf("%d, want %d: %s", got.Code, want, got.Body)
		}
	}
}

// TestAPIKeyLimit: a key that has reached its limit at the auth server gets 429, and others don't.
func TestAPIKeyLimit(t *testing.T) {
	t.Parallel()
	auth := newKeys(t)
	ada := auth.SignUp(t, "Ada", "ada@example.com", "correct horse")
	bob := auth.SignUp(t, "Bob", "bob@example.com", "correct horse")
	key, bobs := auth.of(t, ada, ""), auth.of(t, bob, "")
	auth.update(t, `"rateLimitMax" = 0, "rateLimitTimeWindow" = 600000, "lastRequest" = now() WHERE start = $1`, key[:6])
	s, log := newServer(t, against(auth.URL, auth.Secret, map[string]string{"LOG_FORMAT": "json"}))
	for _, document := range []string{`{ tasks { totalCount } }`, `{ viewer { email } }`} {
		for _, accept := range []string{mediaGraphQL, mediaJSON} {
			answer := ask(s.Handler(), http.MethodPost, graphqlPath, fmt.Sprintf(`{"query":%q}`, document), "X-Api-Key", key, "Accept", accept)
			var seconds int
			if _, err := fmt.Sscan(answer.Header().Get("Retry-After"), &seconds); err != nil || seconds < 60 || seconds > 600 {
				t.Errorf("%s: Retry-After %q", document, answer.Header().Get("Retry-After"))
			}
			if answer.Code != http.StatusTooManyRequests || codeOf(t, answer) != "RATE_LIMITED" {
				t.Errorf("%s: %d %s", document, answer.Code, answer.Body)
			}
		}
		for name, header := range map[string]http.Header{"another key": {"X-Api-Key": {bobs}}, "the user's cookie": ada.Header(), "another's cookie": bob.Header()} {
			if answer := ask(s.Handler(), http.MethodPost, graphqlPath, fmt.Sprintf(`{"query":%q}`, document), pairs(header)...); answer.Code != http.StatusOK || codeOf(t, answer) != "" {
				t.Errorf("%s: %d %s", name, answer.Code, answer.Body)
			}
		}
	}
	for _, want := range []string{`"reason":"api_key_rate_limited","scheme":"api_key","token_hash":"` + hashOf(key) + `"`, `raise rateLimit in its apiKey plugin`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s: %s", want, log)
		}
	}
	if bytes.Contains(log.Bytes(), []byte(key)) || bytes.Contains(log.Bytes(), []byte(bobs)) {
		t.Errorf("the log tells a key: %s", log)
	}
}

// TestGatewayKeyAndCookie: a gateway's key beside a cookie changes neither the session nor the check of the origin.
func TestGatewayKeyAndCookie(t *testing.T) {
	t.Parallel()
	auth := newKeys(t)
	ada := auth.SignUp(t, "Ada", "ada@example.com", "correct horse")
	s, _ := newServer(t, against(auth.URL, auth.Secret, nil))
	const document = `{"query":"{ viewer { email } }"}`
	for _, gateway := range []string{"gateway", strings.Repeat("A", 64)} {
		header := with(ada.Header(), "X-Api-Key", gateway)
		answer := ask(s.Handler(), http.MethodPost, graphqlPath, document, pairs(header)...)
		if answer.Code != http.StatusOK || answer.Body.String() != `{"data":{"viewer":{"email":"ada@example.com"}}}` {
			t.Errorf("%d %s", answer.Code, answer.Body)
		}
		answer = ask(s.Handler(), http.MethodPost, graphqlPath, document, pairs(with(header, "Origin", "https://evil.example"))...)
		if answer.Code != http.StatusForbidden || codeOf(t, answer) != codeCSRFRefused {
			t.Errorf("%d %s", answer.Code, answer.Body)
		}
		answer = ask(s.Handler(), http.MethodPost, graphqlPath, document, "X-Api-Key", gateway)
		if answer.Code != http.StatusOK || answer.Body.String() != `{"data":{"viewer":null}}` {
			t.Errorf("signed out: %d %s", answer.Code, answer.Body)
		}
	}
}

// TestInventedAPIKeys: invented keys get 401 or 429, and other users can still sign in.
func TestInventedAPIKeys(t *testing.T) {
	t.Parallel()
	auth := newKeys(t)
	s, _ := newServer(t, against(auth.URL, auth.Secret, nil))
	send := func(address string, header http.Header) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, graphqlPath, strings.NewReader(`{"query":"{ tasks { totalCount } }"}`))
		r.Header = header
		r.Header.Set("Content-Type", mediaJSON)
		r.Header.Set("Accept", mediaGraphQL)
		r.RemoteAddr = address + ":1234"
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		return w
	}
	var newcomers []http.Header
	for i := range 3 {
		user := auth.SignUp(t, "New", fmt.Sprintf("new%d@example.com", i), "correct horse")
		newcomers = append(newcomers, user.Header(), http.Header{"X-Api-Key": {auth.of(t, user, "")}})
	}
	var flood sync.WaitGroup
	for i := range 200 {
		flood.Go(func() {
			answer := send("192.0.2.1", http.Header{"X-Api-Key": {fmt.Sprintf("%064d", i)}})
			if answer.Code != http.StatusUnauthorized && answer.Code != http.StatusTooManyRequests {
				t.Errorf("an invented key: %d %s", answer.Code, answer.Body)
			}
		})
	}
	for _, header := range newcomers {
		if answer := send("192.0.2.2", header); answer.Code != http.StatusOK {
			t.Errorf("a newcomer: %d %s", answer.Code, answer.Body)
		}
	}
	flood.Wait()
}

// TestRepeatedAPIKeyHeader: a request with two API keys is refused, whatever their header is called. With API keys off, the
// header has no meaning.
func TestRepeatedAPIKeyHeader(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		setting, header string
		status          int
	}{
		{"x-api-key", "X-Api-Key", http.StatusBadRequest},
		{"x-partner-key", "X-Partner-Key", http.StatusBadRequest},
		{"x-partner-key", "X-Api-Key", http.StatusOK},
		{"off", "X-Api-Key", http.StatusOK},
	} {
		s, _ := newServer(t, map[string]string{"AUTH_API_KEY_HEADER": tt.setting, "AUTH_SERVER_URL": "http://127.0.0.1:9", "JWT_SECRET": testkit.BetterAuthSecret})
		r := httptest.NewRequest(http.MethodPost, graphqlPath, strings.NewReader(`{"query":"{ __typename }"}`))
		r.Header = http.Header{tt.header: {"a", "b"}, "Content-Type": {mediaJSON}}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code != tt.status {
			t.Errorf("AUTH_API_KEY_HEADER=%s, %s twice: %d %s", tt.setting, tt.header, w.Code, w.Body)
		}
	}
}
