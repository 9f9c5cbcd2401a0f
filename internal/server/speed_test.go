package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"taskql/internal/config"
	"taskql/internal/database"
	"taskql/internal/testkit"
	"taskql/internal/testkit/bench"
)

// These tests and benchmarks measure the whole handler on PostgreSQL: session, limits, execution, statements and the access log.
// make bench runs the benchmarks. The tests bound what can be counted, because time depends on the machine.

const taskFields = "id title description completed completedAt priority due { date } version createdAt updatedAt"

// hot are the requests of the benchmarks. docs/performance-notes.md describes them.
var hot = []struct { //nolint:gochecknoglobals // A table.
	name, query string
	// variables are the request's variables. TASK is replaced by a task's id.
	variables string
	// statements is the number of statements of a request, without those that begin and end a transaction.
	statements int
	// planned is the number of statements that PostgreSQL plans at each execution.
	planned int
	// allocations is the number of objects that a request may allocate, with about a sixth of slack.
	allocations float64
	// poll makes it a GET request with the entity tag of the previous answer.
	poll bool
}{
	{"viewer", "{ viewer { id } }", "{}", 1, 0, 245, false},
	{"Q1", "query($id: ID!) { task(id: $id) { " + taskFields + " } }", `{"id":"TASK"}`, 1, 0, 160, false},
	{"Q2", "{ tasks(first: 20, filter: {completed: false}) { edges { cursor node { " + taskFields + " } } pageInfo { hasNextPage endCursor } } }", "{}", 1, 0, 405, false},
	{"Q3", "{ tasks(first: 20, filter: {completed: false}) { edges { cursor node { " + taskFields + " tags { id name color } } } pageInfo { hasNextPage endCursor } } }", "{}", 2, 0, 535, false},
	{"poll", "query($id: ID!) { task(id: $id) { " + taskFields + " } }", `{"id":"TASK"}`, 1, 0, 95, true},
	{"two", "{ viewer { id } tasks(first: 20, filter: {completed: false}) { edges { cursor node { " + taskFields + " } } pageInfo { hasNextPage endCursor } } }", "{}", 2, 0, 580, false},
	{"M1", "mutation($i: CreateTaskInput!) { createTask(input: $i) { task { " + taskFields + " } userErrors { code } } }", `{"i":{"title":"Buy milk","priority":"MEDIUM","due":{"date":"2026-12-24"}}}`, 1, 0, 235, false},
	{
		"M3", "mutation($r: ReopenTaskInput!, $c: CompleteTaskInput!) { reopenTask(input: $r) { task { " + taskFields + " } userErrors { code } } " +
			"completeTask(input: $c) { task { " + taskFields + " } userErrors { code } } }",
		`{"r":{"id":"TASK"},"c":{"id":"TASK"}}`, 6, 0, 910, false,
	},
}

// hotServer is a server with the benchmark's data and one connection to PostgreSQL.
type hotServer struct {
	handler http.Handler
	db      *database.DB
	cookie  string
	task    string
}

func newHotServer(t testing.TB) *hotServer {
	t.Helper()
	const secret = "a secret of more than thirty-two characters"
	auth := httptest.NewServer(http.HandlerFunc(bench.GetSession))
	t.Cleanup(auth.Close)
	cfg, err := config.Load(against(auth.URL, secret, map[string]string{
		"DATABASE_URL": testkit.DirectURL(t, testkit.MigratedPostgresURL(t)), "SESSION_CACHE_TTL": "10m", "LIMIT_TASKS": "10000000",
		// As in production, but one user sends all requests.
		"ENVIRONMENT": "production", "RATE_LIMIT": "1000000000",
	}))
	if err != nil {
		t.Fatal(err)
	}
	address, log := cfg.DatabaseURL.Reveal(), slog.New(slog.DiscardHandler)
	if err := bench.Seed(t.Context(), address, 20, 250); err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(t.Context(), database.Config{URL: address, MaxOpenConns: 1, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s, err := New(t.Context(), Config{Config: cfg, DB: db, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	h := &hotServer{handler: s.Handler(), db: db, cookie: bench.Cookie("w00007", secret)}
	if err := db.SQL.QueryRowContext(t.Context(), "SELECT min(id::text) FROM tasks WHERE workspace_id = 'w00007'").Scan(&h.task); err != nil {
		t.Fatal(err)
	}
	return h
}

// request returns a function that sends one of the hot requests.
func (h *hotServer) request(t testing.TB, query, variables string, poll bool) func() *httptest.ResponseRecorder {
	t.Helper()
	variables = strings.ReplaceAll(variables, "TASK", h.task)
	if poll {
		target := graphqlPath + "?" + url.Values{"query": {query}, "variables": {variables}}.Encode()
		tag := h.send(http.MethodGet, target, nil, "").Header().Get("ETag")
		return func() *httptest.ResponseRecorder { return h.send(http.MethodGet, target, nil, tag) }
	}
	body, err := json.Marshal(map[string]any{"query": query, "variables": json.RawMessage(variables)})
	if err != nil {
		t.Fatal(err)
	}
	return func() *httptest.ResponseRecorder {
		return h.send(http.MethodPost, graphqlPath, bytes.NewReader(body), "")
	}
}

// send sends a request through the handler.
func (h *hotServer) send(method, target string, body io.Reader, tag string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), method, target, body)
	r.Header.Set("Accept", mediaGraphQL)
	r.Header.Set("Cookie", h.cookie)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", mediaJSON)
	}
	if tag != "" {
		r.Header.Set("If-None-Match", tag)
	}
	answer := httptest.NewRecorder()
	h.handler.ServeHTTP(answer, r)
	return answer
}

// must fails the test if the answer is not a hot request's.
func must(t testing.TB, poll bool, answer *httptest.ResponseRecorder) {
	t.Helper()
	want := http.StatusOK
	if poll {
		want = http.StatusNotModified
	}
	if answer.Code != want || bytes.Contains(answer.Body.Bytes(), []byte(`"errors"`)) {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
}

// plans counts the executions of the connection's prepared statements, by a generic plan and by a custom one.
func (h *hotServer) plans(t testing.TB) map[string][2]int {
	t.Helper()
	rows, err := h.db.SQL.QueryContext(t.Context(), "SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements;")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	plans := map[string][2]int{}
	for rows.Next() {
		var text string
		var generic, custom int
		if err := rows.Scan(&text, &generic, &custom); err != nil {
			t.Fatal(err)
		}
		plans[text] = [2]int{generic, custom}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plans
}

// TestHotStatements: the number of each operation's statements, each of them a round trip of a prepared statement, and the number of
// those that PostgreSQL plans again.
func TestHotStatements(t *testing.T) {
	t.Parallel()
	h := newHotServer(t)
	for _, op := range hot {
		ask := h.request(t, op.query, op.variables, op.poll)
		const warm, rounds = 12, 10
		for range warm {
			must(t, op.poll, ask())
		}
		before := h.plans(t)
		for range rounds {
			must(t, op.poll, ask())
		}
		after := h.plans(t)
		ran, planned := 0, 0
		for text, a := range after {
			b := before[text]
			n := a[0] + a[1] - b[0] - b[1]
			ran += n
			if a[1] > b[1] {
				planned++
				t.Logf("%s: planned at each execution: %s", op.name, text)
			} else if n > 0 {
				t.Logf("%s: planned once: %s", op.name, text)
			}
		}
		if ran != op.statements*rounds {
			t.Errorf("%s: %d executions of prepared statements in %d requests, want %d", op.name, ran, rounds, op.statements*rounds)
		}
		if planned > op.planned {
			t.Errorf("%s: %d statements are planned at each execution, want at most %d", op.name, planned, op.planned)
		}
	}
}

// TestHotAllocations bounds the allocations of each request.
func TestHotAllocations(t *testing.T) { //nolint:paralleltest // testing.AllocsPerRun counts the whole process.
	if raceEnabled {
		t.Skip("the race detector allocates too")
	}
	h := newHotServer(t)
	for _, op := range hot {
		ask := h.request(t, op.query, op.variables, op.poll)
		for range 5 {
			must(t, op.poll, ask())
		}
		got := testing.AllocsPerRun(50, func() { must(t, op.poll, ask()) })
		t.Logf("%s: %.0f allocations", op.name, got)
		if got > op.allocations {
			t.Errorf("%s: %.0f allocations, want at most %.0f", op.name, got, op.allocations)
		}
	}
}

// BenchmarkHot measures the hot requests. viewer is mostly the check of a session.
func BenchmarkHot(b *testing.B) {
	h := newHotServer(b)
	for _, op := range hot {
		ask := h.request(b, op.query, op.variables, op.poll)
		must(b, op.poll, ask())
		b.Run(op.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				must(b, op.poll, ask())
			}
		})
	}
}
