package graph_test

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2"

	"taskql/graph"
	"taskql/internal/testkit"
	"taskql/internal/workspace"
)

// Every root field of the schema has a generated method, or operations with it are left to gqlgen.
func TestRootFieldsAreTheSchemas(t *testing.T) {
	t.Parallel()
	schema := schemaOf(t)
	var want []string
	for _, root := range []string{"Query", "Mutation", "Subscription"} {
		for _, f := range schema.Types[root].Fields {
			if !strings.HasPrefix(f.Name, "__") {
				want = append(want, root+"."+f.Name)
			}
		}
	}
	got := graph.RootFields()
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("graph/generated/roots.go has\n%v, the schema\n%v", got, want)
	}
}

// Every type that implements Node is found by node and nodes.
func TestNodeTypesAreTheSchemas(t *testing.T) {
	t.Parallel()
	schema := schemaOf(t)
	var want []string
	for _, def := range schema.GetPossibleTypes(schema.Types["Node"]) {
		want = append(want, def.Name)
	}
	got := graph.NodeTypes()
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("graph/entities.go has\n%v, the schema\n%v", got, want)
	}
}

// The root fields of a mutation are executed one after the other: so are their errors, with paths and locations, in the order
// of the fields, as gqlgen has them.
func TestErrorsOfMutationsAreInOrder(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		broken := &breakable{StatementRecorder: &testkit.StatementRecorder{Driver: driver}}
		db := testkit.Database(broken)
		encoded := newAPI(t, db, "alice")
		executed := newAPIWith(t, db, func(c *graph.Config, _ func() time.Time) { c.FieldByField = true })
		executed.users = encoded.users
		known := family(t, db, encoded.users["alice"], 1)
		broken.in.Store("JOIN")
		reopen := func(alias, id string) string {
			return alias + `: reopenTask(input: {id: "` + id + `"}) { task { id tags { id } } userErrors { code } } `
		}
		document := known.Replace("mutation { " + reopen("b", "<root>") + reopen("a", "<leaf>") + reopen("c", "no id") + reopen("d", "<root>") + "}")
		want, got := string(answer(t, executed, document, nil)), string(answer(t, encoded, document, nil))
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		for _, alias := range []string{"b", "a", "d"} {
			at := strings.Index(want, `"path":["`+alias+`"`)
			if want = want[max(at, 0):]; at < 0 {
				t.Errorf("no error of %s after those before it: %s", alias, got)
			}
		}
	})
}

// panicking is a driver whose queries panic if they count.
type panicking struct{ *testkit.StatementRecorder }

func (p panicking) Query(ctx context.Context, statement string, args, v any) error {
	if strings.Contains(statement, "COUNT(") {
		panic("a bug")
	}
	return p.StatementRecorder.Query(ctx, statement, args, v)
}

func (p panicking) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	if strings.Contains(statement, "COUNT(") {
		panic("a bug")
	}
	return p.StatementRecorder.QueryContext(ctx, statement, args...)
}

// The panic of a root field is its error alone, although others are executed beside it in goroutines of their own.
func TestPanicsOfRootFields(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		db := testkit.Database(panicking{&testkit.StatementRecorder{Driver: driver}})
		a := newAPI(t, db, "alice")
		known := family(t, db, a.users["alice"], 1)
		for document, data := range map[string]string{
			`{ a: task(id: "<root>") { subtaskProgress { total } } viewer { id } b: task(id: "<leaf>") { subtaskProgress { total } } }`: `{"a":null,"viewer":{"id":"alice"},"b":null}`,
			`{ viewer { id } tags { totalCount } a: task(id: "<root>") { subtaskProgress { total } } }`:                                 `null`,
		} {
			document = known.Replace(document)
			got := string(answer(t, a, document, nil))
			if !strings.HasSuffix(got, `"data":`+data+"}") || strings.Count(got, `"INTERNAL"`) != 2 {
				t.Errorf("%s: %s", document, got)
			}
		}
	})
}

// What is selected below a field can be encoded of an object that no resolver has returned, by the viewer's context alone.
func TestEncodeWithoutOperation(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		client := db.Client
		var schema *graph.API
		a := newAPIWith(t, db, func(c *graph.Config, _ func() time.Time) {
			var err error
			if schema, err = graph.New(*c); err != nil {
				t.Fatal(err)
			}
		}, "alice")
		known := family(t, db, a.users["alice"], 2)
		document := known.Replace(`{ tasks(filter: {id: {eq: "<leaf>"}}) { nodes { title tags { name openTaskCount } parent { subtasks(first: 1) { nodes { id } } } } } }`)
		parsed, errs := gqlparser.LoadQueryWithRules(schemaOf(t), document, nil)
		if errs != nil {
			t.Fatal(errs)
		}
		operation := &graphql.OperationContext{Doc: parsed, Operation: parsed.Operations[0]}
		tasks := graphql.CollectFields(operation, operation.Operation.SelectionSet, []string{"Query"})[0]
		nodes := graphql.CollectFields(operation, tasks.Selections, []string{"TaskConnection"})[0]
		ctx := a.signIn(t.Context(), "alice")
		leaf := client.Task.GetX(ctx, uuid.MustParse(known.Replace("<leaf>")))
		got, err := schema.Encode(ctx, operation, nodes, leaf)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := `{"data":{"tasks":{"nodes":[`+string(got)+`]}}}`, string(answer(t, a, document, nil)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}
