package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"taskql/graph"
	"taskql/internal/access"
	"taskql/internal/account"
	"taskql/internal/database"
	"taskql/internal/feed"
	"taskql/internal/graphqlhttp"
	"taskql/internal/history"
	"taskql/internal/live"
	"taskql/internal/project"
	"taskql/internal/recurrence"
	"taskql/internal/reminder"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

var update = flag.Bool("update", false, "write the answers into graph/testdata instead of comparing them") //nolint:gochecknoglobals // A flag.

// api is the API on one database, with a clock of its own and users instead of sessions.
type api struct {
	http.Handler

	graph    *graph.API
	services graph.Services
	hub      *live.Hub
	now      atomic.Int64
	// spent is what subscriptions have cost, beside what their operations have.
	spent atomic.Int64
	users map[string]viewer.Viewer
	// organizations are those that the users may belong to; nil: to no organization.
	organizations *testkit.Organizations
}

// newAPI serves the schema to the user that a request's header User names; to nobody if there is none. The user
// "unavailable" stands for an auth server in trouble, and "invalid" for a bad session.
func newAPI(t testing.TB, db workspace.Database, users ...string) *api {
	t.Helper()
	return newAPIWith(t, db, func(*graph.Config, func() time.Time) {}, users...)
}

// newAPIWith is newAPI with another configuration, which change makes of the usual one and the clock.
func newAPIWith(t testing.TB, db workspace.Database, change func(*graph.Config, func() time.Time), users ...string) *api {
	t.Helper()
	a := &api{users: map[string]viewer.Viewer{}}
	a.now.Store(time.Date(2026, 11, 23, 7, 0, 0, 123_456_789, time.UTC).UnixNano())
	for _, id := range users {
		a.users[id] = testkit.MakeViewer(t, db.Client, id)
	}
	now := func() time.Time { return time.Unix(0, a.now.Load()) }
	db.Now = now
	a.hub = live.New(live.Config{Now: now})
	t.Cleanup(a.hub.Close)
	config := graph.Config{
		Hub: a.hub, Services: newServices(t, db), Unavailable: database.IsUnavailable, Log: slog.New(slog.DiscardHandler),
		RequestID: func(context.Context) string { return "request-1" },
	}
	change(&config, now)
	g, err := graph.New(config)
	if err != nil {
		t.Fatal(err)
	}
	a.graph, a.services = g, config.Services
	h, err := graphqlhttp.New(graphqlhttp.Config{
		Schema: g.Schema, PresentError: g.PresentError, Recover: g.Recover, Release: g.Release, Introspection: true, MaxBodyBytes: 1 << 20, Scalars: g.Scalars,
		Rules: graph.Rules(), AroundOperations: []graphql.OperationMiddleware{g.Authorize},
		ConditionalRequests: graphqlhttp.ConditionalRequests{
			Validator: func(op *graphql.OperationContext) graphqlhttp.Validator { return g.Validator(op) }, Now: now,
		},
		// A file asks for many lists at once, and errors beyond a limit are cut in an order that is nobody's.
		Limits: graphqlhttp.Limits{RootFields: 100, Errors: 10_000},
	})
	if err != nil {
		t.Fatal(err)
	}
	a.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(a.signIn(r.Context(), r.Header.Get("User"))))
	})
	return a
}

// newServices returns the services of the API on a database.
func newServices(t testing.TB, db workspace.Database) graph.Services {
	t.Helper()
	workspaces := testkit.Workspaces(t, db)
	reminders, err := reminder.New(reminder.Config{Workspaces: workspaces})
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := task.New(task.Config{Workspaces: workspaces, Reminders: reminders})
	if err != nil {
		t.Fatal(err)
	}
	projects, err := project.New(project.Config{Workspaces: workspaces})
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := account.New(account.Config{Client: db.Client, Now: db.Now, ZoneSet: func(string) { reminders.ZoneSet() }})
	if err != nil {
		t.Fatal(err)
	}
	members, err := access.New(access.Config{Workspaces: workspaces})
	if err != nil {
		t.Fatal(err)
	}
	recurrences, err := recurrence.New(recurrence.Config{Workspaces: workspaces})
	if err != nil {
		t.Fatal(err)
	}
	changes, err := feed.New(feed.Config{Workspaces: workspaces})
	if err != nil {
		t.Fatal(err)
	}
	activities, err := history.New(history.Config{Workspaces: workspaces})
	if err != nil {
		t.Fatal(err)
	}
	return graph.Services{Access: members, Accounts: accounts, Tasks: tasks, Recurrences: recurrences, History: activities, Feed: changes, Reminders: reminders, Projects: projects}
}

func (a *api) signIn(ctx context.Context, user string) context.Context {
	switch user {
	case "":
		return ctx
	case "invalid":
		return viewer.WithRefusal(ctx, &viewer.Refusal{Message: "Invalid session"})
	case "unavailable":
		return viewer.WithRefusal(ctx, &viewer.Refusal{Message: "The auth server can't be reached.", Unavailable: true, RetryAfter: 7 * time.Second})
	default:
		ctx = viewer.NewContext(ctx, a.users[user])
		if a.organizations == nil {
			return ctx
		}
		return viewer.WithMemberships(ctx, a.organizations.Of(user))
	}
}

// ask sends a request as that user and returns the status and the body, or the first result of a subscription. Each request is a minute after the one before.
func (a *api) ask(t *testing.T, user, query string, variables json.RawMessage) (int, []byte) {
	t.Helper()
	a.now.Add(int64(time.Minute))
	if strings.HasPrefix(strings.TrimSpace(query), "subscription") {
		return http.StatusOK, a.first(t, user, query, variables)
	}
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/graphql-response+json")
	r.Header.Set("User", user)
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w.Code, w.Body.Bytes()
}

// TestGolden runs the requests of each file in order and compares the answers, on both databases. In a file,
//
//	-- name: user --          is a document, sent by that user ("-" is nobody)
//	-- name: variables --     its variables, if any
//	-- name: answer --        the status and the answer
//
// Half a minute before each request, the reminders fire that are due.
//
// What differs from run to run is written as <id 1>, <cursor 1> and so on, in the order of appearance, and a request
// may use it. The versions of the rows that each request has changed are checked, too.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	schema, seen := schemaOf(t), &mutationsSeen{}
	t.Cleanup(func() {
		if seen.files == 2*len(files) { // On both databases, without a -run that leaves files out.
			seen.check(t, schema)
		}
	})
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
				before := readState(t, db.Client, "alice", "bob", "organization/team")
				golden(t, newAPI(t, db, "alice", "bob"), file, func(document string) {
					after := readState(t, db.Client, "alice", "bob", "organization/team")
					seen.add(schema, document, checkVersions(t, before, after))
					before = after
				})
				seen.mu.Lock()
				seen.files++
				seen.mu.Unlock()
			})
		})
	}
}

// golden runs the requests of a file, and calls then after each with its document.
func golden(t *testing.T, a *api, file string, then func(document string)) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for _, f := range archive.Files {
		parts[f.Name] = string(f.Data)
	}
	if filepath.Base(file) == "workspaces.txtar" {
		a.organizations = &testkit.Organizations{}
		a.organizations.Name("team", "The team")
		a.organizations.Set("team", "alice", viewer.RoleAdmin)
		a.organizations.Set("team", "bob", viewer.RoleRead)
		a.organizations.Set("other", "carol", viewer.RoleAdmin)
	}
	out := &txtar.Archive{Comment: archive.Comment}
	names := &placeholders{}
	for _, f := range archive.Files {
		name, user, ok := strings.Cut(f.Name, ": ")
		if !ok || user == "variables" || user == "answer" {
			continue
		}
		out.Files = append(out.Files, f)
		var variables json.RawMessage
		if v, ok := parts[name+": variables"]; ok {
			out.Files = append(out.Files, txtar.File{Name: name + ": variables", Data: []byte(v)})
			variables = json.RawMessage(names.expand(v))
		}
		a.fireReminders(t)
		status, body := a.ask(t, strings.TrimPrefix(user, "-"), names.expand(string(f.Data)), variables)
		then(string(f.Data))
		var indented bytes.Buffer
		if err := json.Indent(&indented, body, "", "  "); err != nil {
			t.Fatalf("%s: not JSON: %q", name, body)
		}
		got := fmt.Sprintf("%d\n%s\n", status, names.replace(indented.String()))
		out.Files = append(out.Files, txtar.File{Name: name + ": answer", Data: []byte(got)})
		if want := parts[name+": answer"]; !*update && got != want {
			t.Errorf("%s (-want +got):\n%s", name, cmp.Diff(want, got))
		}
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(out), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// fireReminders fires what is due half a minute before the next request.
func (a *api) fireReminders(t *testing.T) {
	t.Helper()
	a.now.Add(int64(30 * time.Second))
	defer a.now.Add(-int64(30 * time.Second))
	if err := a.services.Reminders.Fire(viewer.AsSystem(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// placeholders stand for what differs from run to run.
type placeholders struct{ values, names []string }

var varying = regexp.MustCompile(`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|"A[Q-Za-f][A-Za-z0-9_-]{30,}"`)

func (p *placeholders) replace(s string) string {
	return varying.ReplaceAllStringFunc(s, func(value string) string {
		kind, quote := "id", ""
		if strings.HasPrefix(value, `"`) {
			kind, quote, value = "cursor", `"`, strings.Trim(value, `"`)
		}
		for i, known := range p.values {
			if known == value {
				return quote + p.names[i] + quote
			}
		}
		n := 1
		for _, name := range p.names {
			if strings.HasPrefix(name, "<"+kind+" ") {
				n++
			}
		}
		p.values, p.names = append(p.values, value), append(p.names, fmt.Sprintf("<%s %d>", kind, n))
		return quote + p.names[len(p.names)-1] + quote
	})
}

func (p *placeholders) expand(s string) string {
	for i, name := range p.names {
		s = strings.ReplaceAll(s, name, p.values[i])
	}
	return s
}
