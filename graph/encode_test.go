package graph_test

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
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
	"taskql/internal/testkit"
	"taskql/internal/workspace"
)

var (
	seedFlag = flag.Uint64("seed", 0, "the seed of the random documents; 0: a random one")              //nolint:gochecknoglobals // A flag.
	cases    = flag.Int("encode.cases", 500, "how many random documents are compared on each database") //nolint:gochecknoglobals // A flag.
)

// newSeed returns the seed of the flag, or a random one, and logs it.
func newSeed(t *testing.T) uint64 {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d", seed)
	return seed
}

// TestEncodedAsExecuted sends random documents to APIs on one database, of which some execute compiled selections and one
// leaves everything to gqlgen: the answers are the same, byte for byte. The first documents select each field of the schema.
func TestEncodedAsExecuted(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		broken := &breakable{StatementRecorder: &testkit.StatementRecorder{Driver: driver}}
		db := testkit.Database(broken)
		client := db.Client
		encoded := newAPI(t, db, "alice")
		executed := newAPIWith(t, db, func(c *graph.Config, _ func() time.Time) { c.FieldByField = true })
		encoded.organizations = &testkit.Organizations{}
		executed.users, executed.organizations = encoded.users, encoded.organizations
		known := family(t, db, encoded.users["alice"], 4)
		organizationOf(t, db, encoded, "alice", 2)
		executed.now.Store(encoded.now.Load())
		awkward(t, client, encoded)
		schema := schemaOf(t)
		seed, targets, selected := newSeed(t), targetsOf(t, schema), usage{schema: schema, names: map[string]bool{}}
		failed, plain := 0, 0
		for i := range len(targets) + *cases {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			g := &documents{Rand: r, schema: schema, known: known}
			broken.in.Store("")
			switch {
			case i < len(targets):
				g.target = targets[i]
			case i%5 == 0: // So that errors come from statements, too, which no argument makes fail.
				broken.in.Store([]string{"COUNT(", "LIMIT", "JOIN"}[r.IntN(3)])
			}
			document, variables := g.document()
			if strings.HasPrefix(document, "subscription") {
				broken.in.Store("") // It would be tried again until it works.
			}
			want := answer(t, executed, document, variables)
			if bytes.Contains(want, []byte(`"errors"`)) {
				failed++
			} else {
				plain++
			}
			if bytes.Contains(want, []byte(`"data"`)) {
				selected.add(t, document)
			}
			if got := answer(t, encoded, document, variables); !bytes.Equal(want, got) {
				t.Fatalf("-seed %d, case %d, broken in %q:\n%s\n%s\n(-executed +encoded)\n%s", seed, i, broken.in.Load(),
					document, variables, cmp.Diff(string(want), string(got)))
			}
		}
		t.Logf("%d documents answered without errors, %d with", plain, failed)
		if plain < *cases/4 || failed < *cases/20 {
			t.Errorf("%d documents answered without errors and %d with: too few of one kind to find anything", plain, failed)
		}
		for _, target := range targets {
			if last := target[len(target)-1]; !selected.names[last] {
				t.Errorf("%s was never selected: a document that selects it must be answered", last)
			}
		}
	})
}

// answer sends a document at a moment that is the same for all.
func answer(t *testing.T, a *api, document string, variables map[string]any) []byte {
	t.Helper()
	if strings.HasPrefix(document, "subscription") {
		encoded, err := json.Marshal(variables)
		if err != nil {
			t.Fatal(err)
		}
		return a.first(t, "alice", document, encoded)
	}
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

// breakable is a driver whose queries fail if their text contains in.
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

func ids(i int) uuid.UUID { return uuid.UUID{6: 0x40, 8: 0x80, 15: byte(i)} }

func apiOf(t *testing.T, change func(*graph.Config)) *graph.API {
	t.Helper()
	unread := func(context.Context, func(context.Context) error) error { return errors.New("there is no database") }
	c := graph.Config{
		Services: newServices(t, workspace.Database{Client: ent.NewClient(), Dialect: dialect.SQLite, Snapshot: unread}), Unavailable: func(error) bool { return false },
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
