package graph_test

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"taskql/ent"
	"taskql/graph"
	"taskql/internal/account"
	"taskql/internal/task"
	"taskql/internal/testkit"
)

var cases = flag.Int("encode.cases", 500, "how many random documents are compared on each database") //nolint:gochecknoglobals // A flag.

// TestEncodedAsExecuted asks random documents of two APIs on one database, of which one writes compiled selections and
// the other leaves everything to gqlgen: the answers are the same, byte for byte.
func TestEncodedAsExecuted(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		broken := &breakable{StatementRecorder: &testkit.StatementRecorder{Driver: driver}}
		client := ent.NewClient(ent.Driver(broken))
		written := newAPI(t, client, "alice")
		executed := newAPIWith(t, client, func(c *graph.Config, _ func() time.Time) { c.FieldByField = true })
		byHand := newAPIWith(t, client, readByHand(t, client, broken))
		executed.users, byHand.users = written.users, written.users
		known := family(t, client, written.users["alice"], 4)
		awkward(t, client, written)
		schema := schemaOf(t)
		seed := rand.Uint64()
		failed, plain := 0, 0
		for i := range *cases {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			g := &documents{Rand: r, schema: schema, known: known}
			document, variables := g.document()
			broken.in.Store("")
			if i%5 == 0 { // So that errors come from where no argument can make them.
				broken.in.Store([]string{"COUNT(", "LIMIT", "JOIN", "GROUP BY"}[r.IntN(4)])
			}
			want := answer(t, executed, document, variables)
			if bytes.Contains(want, []byte(`"errors"`)) {
				failed++
			} else {
				plain++
			}
			for _, a := range []*api{written, byHand} {
				if got := answer(t, a, document, variables); sorted(t, want) != sorted(t, got) {
					t.Fatalf("seed %d, case %d, broken in %q, by hand %t:\n%s\n%s\n(-executed +written)\n%s", seed, i, broken.in.Load(), a == byHand,
						document, variables, cmp.Diff(sorted(t, want), sorted(t, got)))
				}
			}
		}
		t.Logf("seed %d: %d documents answered without errors, %d with", seed, plain, failed)
		if plain < *cases/4 || failed < *cases/20 {
			t.Errorf("%d documents answered without errors and %d with: the test has lost its teeth", plain, failed)
		}
	})
}

// answer sends a document at a moment that is the same for all.
func answer(t *testing.T, a *api, document string, variables map[string]any) []byte {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User", "alice")
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	if bytes.Contains(w.Body.Bytes(), []byte("GRAPHQL_VALIDATION_FAILED")) || bytes.Contains(w.Body.Bytes(), []byte("GRAPHQL_PARSE_FAILED")) {
		t.Fatalf("the test's own document is invalid:\n%s\n%s", document, w.Body)
	}
	return w.Body.Bytes()
}

// sorted is an answer with its errors in an order: gqlgen's own depends on which goroutine was first.
func sorted(t *testing.T, body []byte) string {
	t.Helper()
	var parts struct{ Errors, Data, Extensions json.RawMessage }
	if err := json.Unmarshal(body, &parts); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if len(parts.Errors) == 0 {
		return string(body)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(parts.Errors, &list); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(list, func(a, b json.RawMessage) int { return bytes.Compare(a, b) })
	return fmt.Sprintf("%s\n%s", list, parts.Data)
}

// breakable is a driver whose queries fail where their text contains in.
type breakable struct {
	*testkit.StatementRecorder

	in atomic.Value
}

var errBroken = errors.New("broken for the test")

func (b *breakable) Query(ctx context.Context, statement string, args, v any) error {
	if in, _ := b.in.Load().(string); in != "" && strings.Contains(statement, in) {
		return errBroken
	}
	return b.StatementRecorder.Query(ctx, statement, args, v)
}

func (b *breakable) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	if in, _ := b.in.Load().(string); in != "" && strings.Contains(statement, in) {
		return nil, errBroken
	}
	return b.StatementRecorder.QueryContext(ctx, statement, args...)
}

func (b *breakable) QueryRaw(ctx context.Context, query string, args []any, each func(row []driver.Value) error) error {
	if in, _ := b.in.Load().(string); in != "" && strings.Contains(query, in) {
		return errBroken
	}
	return b.StatementRecorder.QueryRaw(ctx, query, args, each)
}

// readByHand lets lists be read without ent.
func readByHand(t testing.TB, client *ent.Client, driver dialect.Driver) func(*graph.Config, func() time.Time) {
	t.Helper()
	return func(c *graph.Config, now func() time.Time) {
		tasks, err := task.New(task.Config{Client: client, Now: now, Dialect: driver.Dialect(), QueryRaw: testkit.QueryRawOf(driver)})
		if err != nil {
			t.Fatal(err)
		}
		c.Tasks = tasks
	}
}

// awkward makes tasks whose texts need every escape.
func awkward(t *testing.T, client *ent.Client, a *api) {
	t.Helper()
	v := a.users["alice"]
	if err := client.User.UpdateOneID(v.UserID).SetName("Zoë \"Z\" \u2028 \\ \x7f<&>").Exec(a.signIn(t.Context(), "alice")); err != nil {
		t.Fatal(err)
	}
	var control strings.Builder
	for c := rune(1); c < 0x20; c++ {
		control.WriteRune(c)
	}
	for i, text := range []string{control.String(), `quotes " and \ `, "日本 😀 \u2028\u2029 </script>", ""} {
		at := time.Date(2026, 1, 1, 0, 0, i, i*120_000, time.FixedZone("", 3600))
		c := client.Task.Create().SetID(ids(i)).SetWorkspaceID(v.WorkspaceID).SetVersion(i).SetTitle("x" + text).SetDescription(text).
			SetPosition([]byte{0xf0, byte(i)}).SetPriority(i + 1).SetCreatedAt(at)
		switch i {
		case 0:
			c.SetDueDate(at.Truncate(24 * time.Hour)).SetDueSort(at).SetDueAt(at).SetDueTimeZone("Asia/Karachi")
		case 1:
			c.SetCompleted(true).SetCompletedAt(at)
		case 2:
			c.SetDeletedAt(at)
		}
		if err := c.Exec(a.signIn(t.Context(), "alice")); err != nil {
			t.Fatal(err)
		}
	}
}

// documents makes random documents that are valid.
type documents struct {
	*rand.Rand

	schema    *ast.Schema
	known     *strings.Replacer
	fragments []string
	types     []string // of the fragments
	variables map[string]any
	budget    int
}

// document returns a random document and its variables.
func (g *documents) document() (string, map[string]any) {
	g.budget, g.variables = 60, map[string]any{"yes": g.IntN(2) == 0, "no": g.IntN(2) == 0}
	if g.IntN(3) == 0 {
		delete(g.variables, "no") // Its default, then.
	}
	// Fragments first, so that later ones and the operation can spread them; never in a circle.
	for range g.IntN(4) {
		on := []string{"Task", "Task", "Tag", "TaskConnection", "TaskEdge", "PageInfo", "Node", "User", "UserError"}[g.IntN(9)]
		body := g.selections(on, 2)
		g.fragments, g.types = append(g.fragments, fmt.Sprintf("fragment F%d on %s %s", len(g.fragments), on, body)), append(g.types, on)
	}
	var roots []string
	kind := "query"
	if g.IntN(6) == 0 {
		kind = "mutation"
		roots = append(roots, g.mutation())
	} else {
		for range 1 + g.IntN(3) {
			roots = append(roots, g.query())
		}
	}
	typenames := "u: __typename @skip(if: $yes) v: __typename @include(if: $no) "
	if g.IntN(2) == 0 { // Such an operation is executed otherwise.
		roots, typenames = roots[:1], ""
	}
	operation := fmt.Sprintf("%s R(VARIABLES) { %s%s }", kind, typenames, strings.Join(roots, " "))
	spread := []string{operation}
	for i := len(g.fragments) - 1; i >= 0; i-- { // Those that nobody spreads would be invalid.
		if strings.Contains(strings.Join(spread, " "), fmt.Sprintf("...F%d ", i)) {
			spread = append(spread, g.fragments[i])
		}
	}
	text := strings.Join(spread, "\n")
	var declared []string
	for name, declaration := range map[string]string{"$yes": "$yes: Boolean!", "$no": "$no: Boolean = true"} {
		if strings.Contains(text, name) {
			declared = append(declared, declaration)
		}
	}
	text = strings.Replace(text, "VARIABLES", strings.Join(declared, ", "), 1)
	return g.known.Replace(strings.Replace(text, "R()", "R", 1)), g.variables
}

func (g *documents) pick(of ...string) string { return of[g.IntN(len(of))] }

// query is a root field. Each has a key by what its arguments are, so that equal keys merge.
func (g *documents) query() string {
	switch g.IntN(9) {
	case 0:
		return "viewer" + g.directive() + g.selections("User", 4)
	case 1:
		n := g.IntN(5)
		id := []string{"<leaf>", "<root>", "<tag>", "<user>", "no id"}[n]
		return fmt.Sprintf("node%d: node(id: %q)%s%s", n, id, g.directive(), g.selections("Node", 4))
	case 2:
		return `nodes(ids: ["<leaf>", "<tag>", "gone", "<root>", "<user>", "<leaf>"])` + g.selections("Node", 4)
	case 3:
		return `tag(id: "<tag>")` + g.directive() + g.selections("Tag", 4)
	case 4:
		n := g.IntN(3)
		return fmt.Sprintf("tags%d: tags(first: %d)%s%s", n, n, g.directive(), g.selections("TagConnection", 5))
	case 5:
		n := g.IntN(3)
		id := []string{"<leaf>", "<root>", "00000000-0000-4000-8000-000000000009"}[n]
		return fmt.Sprintf("task%d: task(id: %q)%s%s", n, id, g.directive(), g.selections("Task", 5))
	default:
		n := g.IntN(7)
		args := []string{
			"", "(first: 3, scope: ALL)", `(first: 2, after: "<cursor>")`, "(last: 2)", "(filter: {completed: true}, scope: ALL)", "(orderBy: [{field: DUE}], first: 4)", "(first: 0)",
		}[n]
		return fmt.Sprintf("tasks%d: tasks%s%s%s", n, args, g.directive(), g.selections("TaskConnection", 5))
	}
}

// mutation is a root field that changes nothing, and says so in many ways.
func (g *documents) mutation() string {
	switch g.IntN(7) {
	case 0:
		return `createTask(input: {title: " "})` + g.selections("CreateTaskPayload", 4)
	case 1:
		return `updateTask(input: {id: "<root>", ifVersion: 9999, title: "new"})` + g.selections("UpdateTaskPayload", 5)
	case 2:
		return `reopenTask(input: {id: "<root>"})` + g.selections("ReopenTaskPayload", 5)
	case 3:
		return `reopenTasks(input: {ids: ["<root>", "<leaf>", "no id"], errorPolicy: SKIP_FAILED})` + g.selections("BulkTaskPayload", 5)
	case 4:
		return `updateTag(input: {id: "<tag>", ifVersion: 9999, name: "new"})` + g.selections("UpdateTagPayload", 4)
	case 5:
		return `purgeTask(input: {id: "<root>"})` + g.selections("PurgeTaskPayload", 4)
	default:
		return `deleteTag(input: {id: "gone"})` + g.selections("DeleteTagPayload", 4)
	}
}

func (g *documents) directive() string {
	if g.IntN(8) > 0 {
		return ""
	}
	return g.pick(" @skip(if: $yes)", " @include(if: $yes)", " @skip(if: $no)", " @include(if: $no)", " @skip(if: false)", " @include(if: true)", " @include(if: $yes) @skip(if: $no)")
}

// selections selects some fields of a type.
func (g *documents) selections(name string, depth int) string {
	def := g.schema.Types[name]
	var parts []string
	for range 1 + g.IntN(5) {
		g.budget--
		switch n := g.IntN(10); {
		case n == 0:
			parts = append(parts, g.pick("__typename", "kind: __typename")+g.directive())
		case n == 1 && depth > 0:
			on := name
			if possible := g.related(def); len(possible) > 0 {
				on = g.pick(possible...)
			}
			condition := " on " + on
			if g.IntN(4) == 0 {
				condition, on = "", name
			}
			parts = append(parts, "..."+condition+g.directive()+g.selections(on, depth-1))
		case n == 2 && len(g.fragments) > 0:
			i := g.IntN(len(g.fragments))
			if g.types[i] == name || slices.Contains(g.related(def), g.types[i]) {
				parts = append(parts, fmt.Sprintf("...F%d %s", i, g.directive()))
			}
		default:
			if f := g.field(def, depth); f != "" {
				parts = append(parts, f)
			}
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "__typename")
	}
	return " { " + strings.Join(parts, " ") + " }"
}

// related are the types and interfaces that a fragment inside of the type may be on.
func (g *documents) related(def *ast.Definition) []string {
	var names []string
	for _, d := range append(slices.Clone(g.schema.GetImplements(def)), g.schema.GetPossibleTypes(def)...) {
		names = append(names, d.Name)
	}
	return names
}

func (g *documents) field(def *ast.Definition, depth int) string {
	var choice ast.FieldList
	for _, f := range def.Fields {
		composite := g.schema.Types[f.Type.Name()].IsCompositeType()
		if !strings.HasPrefix(f.Name, "__") && (!composite || depth > 0 && g.budget > 0) {
			choice = append(choice, f)
		}
	}
	if len(choice) == 0 {
		return "__typename"
	}
	f := choice[g.IntN(len(choice))]
	key, args := "", ""
	if f.Name == "subtasks" { // A key stands for its arguments: equal ones must be mergeable.
		n := g.IntN(12)
		if n < 9 {
			n %= 4
		}
		key, args = fmt.Sprintf("subtasks%d: ", n), []string{
			"", "(first: 1)", `(first: 2, after: "<manual>")`, "(first: 2)", "", "", "", "", "", "(first: 0)", `(after: "<cursor>")`, "(first: null)",
		}[n]
	} else if g.IntN(4) == 0 {
		key = f.Name + g.pick("A", "B") + ": "
	}
	out := key + f.Name + args + g.directive()
	if g.schema.Types[f.Type.Name()].IsCompositeType() {
		out += g.selections(f.Type.Name(), depth-1)
	}
	return out
}

func ids(i int) uuid.UUID { return uuid.UUID{6: 0x40, 8: 0x80, 15: byte(i)} }

func apiOf(t *testing.T, change func(*graph.Config)) *graph.API {
	t.Helper()
	c := graph.Config{
		Tasks: &task.Service{}, Accounts: &account.Service{}, Unavailable: func(error) bool { return false },
		Log: slog.New(slog.DiscardHandler), RequestID: func(context.Context) string { return "" },
	}
	change(&c)
	a, err := graph.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func schemaOf(t *testing.T) *ast.Schema {
	t.Helper()
	return apiOf(t, func(*graph.Config) {}).Schema.Schema()
}
