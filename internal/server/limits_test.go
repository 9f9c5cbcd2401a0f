package server

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taskql/internal/config"
	"taskql/internal/testkit"
)

// TestIntrospectionFits: the queries that GraphiQL, Apollo and code generators send (those of graphql-js 16) pass the
// limits, also signed out.
func TestIntrospectionFits(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, map[string]string{"ENVIRONMENT": "development"})
	b := newBrowser(t, s)
	files, err := filepath.Glob("testdata/introspection/*.graphql")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		document, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		status, answer := b.query(t, string(document))
		if status != http.StatusOK || strings.Contains(answer, `"errors"`) || !strings.Contains(answer, `"TaskConnection"`) {
			t.Errorf("%s: %d %.300s", file, status, answer)
		}
		_, cost, _ := strings.Cut(answer, `"extensions":`)
		t.Logf("%s: %d bytes of answer, %s", file, len(answer), cost)
	}
}

// TestOrdinaryOperationsFit: what a frontend asks for fits the default limits, at the largest page.
func TestOrdinaryOperationsFit(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, map[string]string{"ENVIRONMENT": "development"})
	b := newBrowser(t, s)
	signUp(t, b)
	const task = "id version title description completed completedAt priority due { date at timeZone } overdue createdAt updatedAt deletedAt"
	for _, document := range []string{
		"{ tasks(first: 100) { nodes { " + task + " tags { id name color } subtaskProgress { done total } parent { id title } } pageInfo { hasNextPage endCursor } totalCount } }",
		"{ tasks(first: 100) { edges { cursor node { " + task + " } } pageInfo { hasNextPage endCursor } } }",
		"{ viewer { id name email timeZone } tasks { nodes { " + task + " tags { id name } subtasks(first: 10) { nodes { id title completed } } } totalCount facets { open completed overdue dueToday dueNext7Days noDue byPriority { priority count } byTag { tag { id name color } count } } } tags(first: 100) { nodes { id name color openTaskCount } } }",
		"{ changes { reset gone { kind id version } tags { id version name color createdAt updatedAt } tasks { " + strings.ReplaceAll(task, "overdue ", "") + " tags { id } parent { id } } token version complete } }",
		"{ changes(first: 1000) { reset gone { kind id version } tags { id version name color } tasks { " + strings.ReplaceAll(task, "overdue ", "") + " tags { id } parent { id } } token version complete } }",
		`{ tasks(first: 20, filter: {search: "milk"}) { nodes { ` + task + ` } totalCount } }`,
		`mutation { completeTasks(input: {ids: ["0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c5d"]}) { changedCount results { id task { ` + task + ` } userErrors { code } } userErrors { code } } }`,
	} {
		status, answer := b.query(t, document)
		if status != http.StatusOK || strings.Contains(answer, `"errors"`) {
			t.Errorf("%s: %d %.400s", document, status, answer)
		}
		_, cost, _ := strings.Cut(answer, `"extensions":`)
		t.Logf("%.60s…: %s", document, cost)
	}
}

// TestLongTextsHaveAPrice: many aliases of a long text on each element of a page cost too much, also in fragments.
func TestLongTextsHaveAPrice(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, map[string]string{"ENVIRONMENT": "development"})
	b := newBrowser(t, s)
	signUp(t, b)
	aliases := func(n int, field string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, " f%d: %s", i, field)
		}
		return b.String()
	}
	ids := strings.Repeat(`"u", `, 100)
	for document, fits := range map[string]bool{
		"{ tasks(first: 100) { nodes { " + aliases(11, "description") + " } } }":                           true,
		"{ tasks(first: 100) { nodes { " + aliases(29, "description") + " } } }":                           false,
		"{ tasks(first: 100) { nodes { ...f } } } fragment f on Task {" + aliases(29, "description") + "}": false,
		"{ nodes(ids: [" + ids + "]) { ... on User { name image } } }":                                     true,
		"{ nodes(ids: [" + ids + "]) { ... on User {" + aliases(29, "image") + "} } }":                     false,
	} {
		if _, answer := b.query(t, document); strings.Contains(answer, `"TOO_EXPENSIVE"`) == fits {
			t.Errorf("%s: %.300s", document, answer)
		}
	}
}

// TestSizesInVariables: a size that comes in a variable is priced as what it becomes, or refused before anything runs.
func TestSizesInVariables(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, map[string]string{"ENVIRONMENT": "development"})
	b := newBrowser(t, s)
	signUp(t, b)
	const page = "query($v: Int) { tasks(first: $v) { nodes { id } } }"
	const nodes = "query($v: [ID!]!) { nodes(ids: $v) { id } }"
	const id = `"0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c5d"`
	const reminders = "mutation($v: [ReminderInput!]!) { setReminders(input: {taskId: " + id + ", reminders: $v}) { version } }"
	for _, tt := range []struct {
		document, value string
		cost            int
		code            string
	}{
		{page, `100`, 201, ""},
		{page, `null`, 101, ""},
		{page, `"100"`, 0, "BAD_USER_INPUT"},
		{page, `"1e2"`, 0, "GRAPHQL_VALIDATION_FAILED"},
		{page, `1e2`, 201, ""}, // As JavaScript's servers take it: JSON has one kind of number.
		{page, `100.0`, 201, ""},
		{page, `100.5`, 0, "BAD_USER_INPUT"},
		{page, `[100]`, 0, "GRAPHQL_VALIDATION_FAILED"},
		{page, `true`, 0, "GRAPHQL_VALIDATION_FAILED"},
		{page, `2147483648`, 0, "BAD_USER_INPUT"},
		{nodes, `[` + id + `,` + id + `]`, 3, ""},
		{nodes, id, 2, ""},  // One value stands for a list of it (section 3.11).
		{nodes, `7`, 2, ""}, // An id may be a number; this one is nobody's.
		{nodes, `7.5`, 0, "BAD_USER_INPUT"},
		{"mutation($v: [ID!]!) { completeTasks(input: {ids: $v}) { changedCount } }", id, 16, ""},
		{"mutation($v: BulkTaskInput!) { completeTasks(input: $v) { changedCount } }", `{"ids":` + id + `}`, 16, ""},
		{reminders, `[]`, 16, ""},
		{"mutation($v: DateTime!) { createReminder(input: {taskId: " + id + ", reminder: {at: $v}}) { version } }", `"2026-12-20T00:00:00Z"`, 16, ""},
		{reminders, `[{"at":"2026-12-20T00:00:00Z"},{"at":"2026-12-21T00:00:00Z"}]`, 21, ""},
		{reminders, "[" + strings.Repeat(`{"at":"2026-12-20T00:00:00Z"},`, 20) + `{"at":"2026-12-20T00:00:00Z"}]`, 111, ""},
	} {
		query, err := json.Marshal(tt.document)
		if err != nil {
			t.Fatal(err)
		}
		_, answer := b.post(t, graphqlPath, json.RawMessage(`{"query":`+string(query)+`,"variables":{"v":`+tt.value+`}}`))
		code, _ := firstError(t, []byte(answer))
		var got struct {
			Extensions struct{ Cost struct{ Requested int } }
		}
		if err := json.Unmarshal([]byte(answer), &got); err != nil || got.Extensions.Cost.Requested != tt.cost || code != tt.code {
			t.Errorf("%s with %s: want %d, %s: %s", tt.document, tt.value, tt.cost, tt.code, answer)
		}
	}
}

// TestRateLimit: users and addresses have budgets of their own, and an address is what the trusted proxy says.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	address := testkit.SQLiteURL(t)
	cfg, err := config.Load(map[string]string{"DATABASE_URL": address, "ENVIRONMENT": "test", "RATE_LIMIT": "1000", "TRUSTED_PROXIES": "1"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now() // It stands, or a slow machine's budgets would be filled again meanwhile.
	s, err := New(t.Context(), Config{Config: cfg, DB: testkit.OpenDatabase(t, address), Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, s)
	cookie := signUp(t, b)
	ask := func(cookie, forwarded string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/graphql", strings.NewReader(`{"query":"{ viewer { id name } __type(name: \"Task\") { name } }"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Forwarded-For", forwarded)
		if cookie != "" {
			r.Header.Set("Cookie", cookie)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		return response
	}
	until := func(cookie, forwarded string) int {
		for n := range 200 {
			if response := ask(cookie, forwarded); response.StatusCode == http.StatusTooManyRequests {
				if response.Header.Get("Retry-After") == "" {
					t.Error("429 without Retry-After")
				}
				return n
			}
		}
		return 200
	}
	if n := until("", "198.51.100.1"); n < 5 || n > 12 {
		t.Errorf("an address was refused after %d requests", n)
	}
	if response := ask("", "1.1.1.1, 198.51.100.1"); response.StatusCode != http.StatusTooManyRequests {
		t.Errorf("an address of the client's choosing: %d", response.StatusCode)
	}
	if response := ask("", "198.51.100.2"); response.StatusCode != http.StatusOK {
		t.Errorf("another address: %d", response.StatusCode)
	}
	if response := ask(cookie, "198.51.100.1"); response.StatusCode != http.StatusOK {
		t.Errorf("a user at the same address: %d", response.StatusCode)
	}
	if n := until(cookie, "198.51.100.3"); n < 50 || n > 150 {
		t.Errorf("a user was refused after %d requests", n)
	}
}
