package graph_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator/core"

	"taskql/graph"
	"taskql/internal/testkit"
	"taskql/internal/timezone"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

var etagCases = flag.Int("etag.cases", 400, "how many documents are asked about on each database") //nolint:gochecknoglobals // A flag.

// clockDependent are requests whose answers the clock changes.
var clockDependent = []conditionalRequest{ //nolint:gochecknoglobals // A table.
	{`{ tasks(scope: ALL) { nodes { id overdue } } }`, nil},
	{`{ tasks { ...C } } fragment C on TaskConnection { facets { overdue dueToday dueNext7Days } }`, nil},
	{`{ tasks(filter: {due: {within: OVERDUE}}) { nodes { id } } }`, nil},
	{`{ tasks(filter: {or: [{not: {due: {within: TODAY}}}]}) { totalCount } }`, nil},
	{`query($w: DueWindow) { tasks(filter: {and: [{due: {within: $w}}]}) { totalCount } }`, map[string]any{"w": "TOMORROW"}},
	{`query($f: TaskFilter) { tasks(filter: $f) { totalCount nodes { id } } }`, map[string]any{"f": map[string]any{"due": map[string]any{"within": "NEXT_7_DAYS"}}}},
	{`query($f: TaskFilter = {due: {within: OVERDUE}}) { tasks(filter: $f) { totalCount } }`, nil},
	{`query($a: [TaskFilter!]) { tasks(filter: {or: $a}) { totalCount } }`, map[string]any{"a": []any{map[string]any{"due": map[string]any{"within": "TODAY"}}}}},
}

type conditionalRequest struct {
	document  string
	variables map[string]any
}

// TestETag sends random documents, lets something happen or not, and sends them again with the entity tag: if the answer is 304,
// it would have been the same, byte for byte.
func TestETag(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		db := testkit.Database(&testkit.StatementRecorder{Driver: driver})
		client := db.Client
		a := newAPI(t, db, "alice", "bob")
		known := family(t, db, a.users["alice"], 4)
		// The family's places in the manual order are none that a new task could follow.
		if err := client.Task.Update().SetPosition([]byte("a0")).Exec(viewer.AsSystem(t.Context())); err != nil {
			t.Fatal(err)
		}
		seed := newSeed(t)
		held, changed := map[string]int{}, map[string]int{}
		for i := range *etagCases {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			q := clockDependent[r.IntN(len(clockDependent))]
			if r.IntN(2) == 0 {
				g := &documents{Rand: r, schema: schemaOf(t), known: known}
				for q.document = "mutation"; strings.HasPrefix(q.document, "mutation"); {
					q.document, q.variables = g.document()
				}
			}
			before := ask(t, a, "alice", q, "")
			tag := before.Header().Get("ETag")
			if errs := bytes.Contains(before.Body.Bytes(), []byte(`"errors"`)); errs == (tag != "") {
				t.Fatalf("%q for %s", tag, before.Body)
			} else if errs {
				continue
			}
			what := happen(t, a, r, known)
			again := ask(t, a, "alice", q, tag)
			now := answer(t, a, q.document, q.variables)
			same := bytes.Equal(now, before.Body.Bytes())
			switch {
			case again.Code == http.StatusNotModified && !same:
				t.Fatalf("-seed %d, case %d: after %s the answer to\n%s\n%v\nis said to hold:\n%s\nIt is\n%s", seed, i, what, q.document, q.variables, before.Body, now)
			case again.Code == http.StatusNotModified:
				held[what]++
			case again.Code != http.StatusOK || !bytes.Equal(again.Body.Bytes(), now):
				t.Fatalf("%d %s, want %s", again.Code, again.Body, now)
			case !same:
				changed[what]++
			}
		}
		t.Logf("-seed %d: held after %v, changed after %v", seed, held, changed)
		for what, seen := range map[string]map[string]int{"nothing": held, "another user's change": held, "seconds": held, "a change": changed, "a day": changed} {
			if seen[what] == 0 {
				t.Errorf("%s: held %d, changed %d: one of them has to be seen for the test to find anything", what, held[what], changed[what])
			}
		}
	})
}

// ask sends a conditionalRequest by GET, with an entity tag.
func ask(t *testing.T, a *api, user string, q conditionalRequest, tag string) *httptest.ResponseRecorder {
	t.Helper()
	variables, err := json.Marshal(q.variables)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/graphql?"+url.Values{"query": {q.document}, "variables": {string(variables)}}.Encode(), nil)
	r.Header.Set("User", user)
	if tag != "" {
		r.Header.Set("If-None-Match", tag)
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

// happen lets something happen, and says what.
func happen(t *testing.T, a *api, r *rand.Rand, known *strings.Replacer) string {
	t.Helper()
	tick := func(d time.Duration) { a.now.Add(int64(d)) }
	mutate := func(user, document string) {
		body, err := json.Marshal(map[string]any{"query": known.Replace(document)})
		if err != nil {
			t.Fatal(err)
		}
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", bytes.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("User", user)
		w := httptest.NewRecorder()
		if a.ServeHTTP(w, request); bytes.Contains(w.Body.Bytes(), []byte(`"errors"`)) || bytes.Contains(w.Body.Bytes(), []byte(`"code"`)) {
			t.Fatalf("%s: %s", document, w.Body)
		}
	}
	create := func(user string) {
		now := time.Unix(0, a.now.Load()).UTC()
		due := fmt.Sprintf(`{at: {at: %q, timeZone: %q}}`, now.Add(time.Duration(r.Int64N(int64(3*time.Hour)))).Format(time.RFC3339Nano), []string{"UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"}[r.IntN(3)])
		if r.IntN(3) == 0 {
			due = fmt.Sprintf(`{date: %q}`, now.AddDate(0, 0, r.IntN(4)-1).Format(time.DateOnly))
		}
		mutate(user, fmt.Sprintf(`mutation { createTask(input: {title: "t", due: %s}) { userErrors { code } } }`, due))
	}
	switch r.IntN(9) {
	case 0:
		return "nothing"
	case 1:
		create("bob")
		return "another user's change"
	case 2:
		tick(time.Duration(r.IntN(5_000)) * time.Millisecond)
		return "seconds"
	case 3:
		tick(time.Duration(r.IntN(90)) * time.Minute)
		return "minutes"
	case 4:
		tick(24 * time.Hour)
		return "a day"
	case 5:
		mutate("alice", fmt.Sprintf(`mutation { updateTag(input: {id: "<tag>", name: "tag %d"}) { userErrors { code } } }`, r.IntN(1_000)))
		return "a change"
	case 6:
		zone := []string{"UTC", "Asia/Karachi", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago"}[r.IntN(5)]
		mutate("alice", fmt.Sprintf(`mutation { updateViewer(input: {timeZone: %q}) { userErrors { code } } }`, zone))
		location, err := timezone.Load(zone)
		if err != nil {
			t.Fatal(err)
		}
		v := a.users["alice"]
		v.Location = location
		a.users["alice"] = v
		return "another time zone"
	default:
		create("alice")
		return "a change"
	}
}

// One user's entity tag says nothing of another's answer, and nobody gets one without a session.
func TestETagIsTheViewers(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		a := newAPI(t, db, "alice", "bob")
		for _, document := range []string{"{ tasks { totalCount } }", "{ viewer { id } }", "{ __typename }", "{ node(id: \"x\") { id } }"} {
			q := conditionalRequest{document: document}
			tag := ask(t, a, "alice", q, "").Header().Get("ETag")
			for user, want := range map[string]int{"alice": 304, "bob": 200} {
				if got := ask(t, a, user, q, tag); got.Code != want {
					t.Errorf("%s for %s: %d, want %d", document, user, got.Code, want)
				}
			}
			for _, user := range []string{"", "invalid", "unavailable"} {
				if got := ask(t, a, user, q, tag); got.Code == 304 || got.Header().Get("ETag") != "" || got.Header().Get("Cache-Control") != "no-store" {
					t.Errorf("%s for %q: %d %v", document, user, got.Code, got.Header())
				}
			}
		}
	})
}

// What the user's row says is no part of the workspace's version.
func TestETagOfTheUser(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		client := db.Client
		a := newAPI(t, db, "alice")
		ctx := viewer.AsSystem(t.Context())
		for i, document := range []string{"{ viewer { name } }", `{ node(id: "alice") { ... on User { name } } }`, `{ nodes(ids: ["alice"]) { ... { id } } }`} {
			q := conditionalRequest{document: document}
			tag := ask(t, a, "alice", q, "").Header().Get("ETag")
			if err := client.User.UpdateOneID("alice").SetName(fmt.Sprint("Alice ", i)).Exec(ctx); err != nil {
				t.Fatal(err)
			}
			if got := ask(t, a, "alice", q, tag); got.Code != 200 {
				t.Errorf("%s: %d", document, got.Code)
			}
		}
	})
}

// Activities hold until the workspace is changed, and who made them until the user's row is.
func TestETagOfActivity(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		statements := &testkit.StatementRecorder{Driver: driver}
		db := testkit.Database(statements)
		a := newAPI(t, db, "alice", "bob")
		const id = "0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c5d"
		mutate := func(user, mutation string) func() {
			return func() { a.data(t, user, "mutation { "+mutation+" { userErrors { code } } }", nil, new(any)) }
		}
		mutate("alice", `createTask(input: {id: "`+id+`", title: "one"})`)()
		const person = "actor { person { name } via }"
		for document, known := range map[string]int{ // How many statements a 304 costs.
			`{ activity(first: 1) { nodes { id version action changes { ... on TextChange { toText } } } pageInfo { hasNextPage endCursor } } }`: 1,
			`{ activity(filter: {taskId: "` + id + `", since: "2020-01-01T00:00:00Z"}) { edges { cursor node { at task { title } } } } }`:        1,
			`{ task(id: "` + id + `") { activity(first: 2) { nodes { id action changes { ... on TextChange { fromText } } } } } }`:               1,
			`{ tasks { nodes { activity { nodes { ` + person + ` } } } } }`:                                                                      2,
		} {
			q := conditionalRequest{document: document}
			for _, step := range []struct {
				what string
				do   func()
				same bool
			}{
				{"nothing", func() {}, true},
				{"a day", func() { a.now.Add(int64(24 * time.Hour)) }, true},
				{"another user's change", mutate("bob", `createTask(input: {title: "b"})`), true},
				{"a change", mutate("alice", `updateTask(input: {id: "`+id+`", title: "two"})`), false},
				{"a change", mutate("alice", `updateTask(input: {id: "`+id+`", title: "one"})`), false},
				{"a new name", func() { db.Client.User.UpdateOneID("alice").SetName("new").ExecX(viewer.AsSystem(t.Context())) }, !strings.Contains(document, person)},
			} {
				before := ask(t, a, "alice", q, "")
				tag := before.Header().Get("ETag")
				if tag == "" {
					t.Fatalf("%s: no entity tag: %s", document, before.Body)
				}
				step.do()
				statements.Take()
				again := ask(t, a, "alice", q, tag)
				taken := statements.Take()
				if want := map[bool]int{true: http.StatusNotModified, false: http.StatusOK}[step.same]; again.Code != want {
					t.Errorf("%s after %s: %d, want %d", document, step.what, again.Code, want)
				}
				if step.same && len(taken) != known {
					t.Errorf("%s after %s: a 304 takes %d statements, want %d: %s", document, step.what, len(taken), known, taken)
				}
				if !step.same && bytes.Equal(again.Body.Bytes(), before.Body.Bytes()) {
					t.Errorf("%s after %s: the answer is the same", document, step.what)
				}
			}
			db.Client.User.UpdateOneID("alice").SetName("alice").ExecX(viewer.AsSystem(t.Context()))
		}
	})
}

// A 304 costs the statements that read the workspace's version or the user's row, if the answer depends on them.
func TestETagOfDocuments(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		statements := &testkit.StatementRecorder{Driver: driver}
		db := testkit.Database(statements)
		a := newAPI(t, db, "alice")
		for document, want := range map[string]int{
			`{ __typename }`: 0, `{ changes { tasks { id } token } }`: 1, `{ viewer { name } }`: 1, `{ tasks { nodes { title } } }`: 1, `{ viewer { name } tags { totalCount } }`: 2, `{ node(id: "x") { id } }`: 2,
			// The clock needs a statement of its own only for a new answer.
			clockDependent[0].document: 1,
		} {
			q := conditionalRequest{document: document}
			tag := ask(t, a, "alice", q, "").Header().Get("ETag")
			statements.Take()
			got := ask(t, a, "alice", q, tag)
			if taken := statements.Take(); got.Code != 304 || len(taken) != want {
				t.Errorf("%s: %d after %d statements, want %d: %s", document, got.Code, len(taken), want, taken)
			}
		}
	})
}

// A validator is made before the client has paid: it compiles nothing, which can cost as much as the operation is allowed to.
func TestValidatorCompilesNothing(t *testing.T) {
	t.Parallel()
	a := apiOf(t, func(*graph.Config) {})
	document := "{ tasks { nodes { ...F0 } } }"
	const levels = 40
	for i := range levels { // Expanded, these would have 2^40 fields.
		document += fmt.Sprintf(" fragment F%d on Task { parent { ...F%d } again: parent { ...F%d } }", i, i+1, i+1)
	}
	document += fmt.Sprintf(" fragment F%d on Task { overdue @skip(if: true) }", levels)
	parsed, err := parser.ParseQuery(&ast.Source{Input: document})
	if err != nil {
		t.Fatal(err)
	}
	schema := schemaOf(t)
	core.Walk(schema, parsed, &core.Events{})
	a.Validator(&graphql.OperationContext{Doc: parsed, Operation: parsed.Operations[0]})
	if n := a.Documents(); n != 0 {
		t.Errorf("%d documents were compiled", n)
	}
}
