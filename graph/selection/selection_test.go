package selection_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"pgregory.net/rapid"

	"taskql/graph/scalar"
	"taskql/graph/selection"
)

func written(m graphql.Marshaler) string {
	var b strings.Builder
	m.MarshalGQL(&b)
	return b.String()
}

func same(t *rapid.T, got []byte, want graphql.Marshaler) {
	t.Helper()
	if string(got) != written(want) {
		t.Fatalf("got %s, want %s", got, written(want))
	}
}

func TestValuesAreGqlgens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("\x00\x01\t\n\r\x1f\"\\/\x7f<&\u2028é😀"))),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		same(t, selection.AppendString(nil, text), scalar.MarshalString(text))
		id := uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		same(t, selection.AppendUUID(nil, id), scalar.MarshalUUID(id))
		at := time.Unix(rapid.Int64Range(-70_000_000_000, 260_000_000_000).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).
			In(time.FixedZone("", rapid.IntRange(-50_000, 50_000).Draw(t, "offset")))
		if rapid.Bool().Draw(t, "round") {
			at = at.Truncate(time.Duration(rapid.SampledFrom([]int{1000, 10_000, 1_000_000, 1_000_000_000}).Draw(t, "to")))
		}
		same(t, selection.AppendDateTime(nil, at), scalar.MarshalDateTime(at))
		same(t, selection.AppendDate(nil, at), scalar.MarshalDate(at))
	})
}

func FuzzString(f *testing.F) {
	f.Add("plain \t\n\r\x00\x1f\"\\ \x7f\xff\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := string(selection.AppendString(nil, s)), written(scalar.MarshalString(s)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

type thing struct {
	name string
	list []*thing
	next *thing
}

const schema = `
	interface Named { name: String! }
	type Thing implements Named { name: String! list: [Thing!]! next: Thing must: Thing! load: Thing other: String }
	type Stranger { name: String! }
	type Query { thing: Thing named: Named required: Thing! list: [Named] stranger: Stranger }`

// state is a selection.State that counts what is loaded.
type state struct {
	values selection.Values
	loads  int
	broken error
}

func (s *state) Values() *selection.Values { return &s.values }

func newCompiler(s *ast.Schema) *selection.Compiler[*state] {
	load := func(_ context.Context, s *state, _ *selection.Selected[*state], things []*thing) (func(*thing) *thing, error) {
		s.loads++
		if s.broken != nil || len(things) == 0 {
			return nil, s.broken
		}
		return func(t *thing) *thing { return t.next }, nil
	}
	return selection.NewCompiler(s, nil, selection.Of[thing]("Thing", selection.Fields[*state]{
		"name": selection.Leaf[*state](func(b []byte, t *thing) []byte { return selection.AppendString(b, t.name) }).From("name"),
		"list": selection.List[*state](func(t *thing) []*thing { return t.list }),
		"next": selection.Object[*state](func(t *thing) *thing { return t.next }).From("next"),
		"must": selection.Object[*state](func(t *thing) *thing { return t.next }),
		"load": selection.LoadedObject(load).From("load"),
	}).Row("id"))
}

func operation(t testing.TB, s *ast.Schema, document string, variables map[string]any) *graphql.OperationContext {
	t.Helper()
	doc, err := gqlparser.LoadQueryWithRules(s, document, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &graphql.OperationContext{Doc: doc, Operation: doc.Operations[0], Variables: variables}
}

func root(op *graphql.OperationContext) graphql.CollectedField {
	return graphql.CollectFields(op, op.Operation.SelectionSet, []string{"Query"})[0]
}

func TestPlans(t *testing.T) {
	t.Parallel()
	s := gqlparser.MustLoadSchema(&ast.Source{Input: schema})
	value := &thing{name: "a", list: []*thing{{name: "b"}, {name: `c"`}}, next: &thing{name: "d"}}
	tests := map[string]struct {
		document, want string
		variables      map[string]any
		value          any
	}{
		"scalars":              {document: `{ thing { name kind: __typename } }`, want: `{"name":"a","kind":"Thing"}`},
		"lists and objects":    {document: `{ thing { list { name } next { next { name } } } }`, want: `{"list":[{"name":"b"},{"name":"c\""}],"next":{"next":null}}`},
		"merged":               {document: `{ thing { next { name } list { name } } ...f } fragment f on Query { thing { next { __typename } } }`, want: `{"next":{"name":"d","__typename":"Thing"},"list":[{"name":"b"},{"name":"c\""}]}`},
		"an interface":         {document: `{ named { ... on Thing { x: name } ... on Named { name } } }`, want: `{"x":"a","name":"a"}`},
		"skipped":              {document: `query($v: Boolean!) { thing { name @skip(if: $v) x: name @include(if: $v) } }`, variables: map[string]any{"v": true}, want: `{"x":"a"}`},
		"included":             {document: `query($v: Boolean!) { thing { name @skip(if: $v) x: name @include(if: $v) } }`, variables: map[string]any{"v": false}, want: `{"name":"a"}`},
		"an unknown field":     {document: `{ thing { name other } }`},
		"an unknown type":      {document: `{ stranger { name } }`},
		"null where none is":   {document: `{ thing { list { must { name } } } }`},
		"null in a list":       {document: `{ thing { list { name } } }`, value: &thing{list: []*thing{nil}}},
		"no value":             {document: `{ thing { name } }`, value: (*thing)(nil), want: `null`},
		"no required value":    {document: `{ required { name } }`, value: (*thing)(nil)},
		"loaded":               {document: `{ thing { load { name load { name } } } }`, want: `{"load":{"name":"d","load":null}}`},
		"another Go type":      {document: `{ thing { name } }`, value: "a string"},
		"deferred":             {document: `{ thing { ... @defer { name } } }`},
		"an empty list is one": {document: `{ thing { list { name } } }`, value: &thing{}, want: `{"list":[]}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			op := operation(t, s, tt.document, tt.variables)
			plan := newCompiler(s).Compile(op, root(op))
			if tt.value == nil {
				tt.value = value
			}
			got, state := "", &state{}
			if plan.Encodable {
				if err := plan.Load(t.Context(), state, tt.value); err != nil {
					t.Fatal(err)
				}
				if b, err := plan.Append(t.Context(), state, nil, tt.value); err == nil {
					got = string(b)
				}
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// Two operations may select a field first in the same fragment, and more of it later.
func TestPlansOfOperationsThatShareAFragment(t *testing.T) {
	t.Parallel()
	s := gqlparser.MustLoadSchema(&ast.Source{Input: schema})
	p := newCache(s)
	op := operation(t, s, `query A { ...f thing { x: name } } query B { ...f thing { y: name } } fragment f on Query { thing { name } }`, nil)
	for i, want := range []string{`{"name":"a","x":"a"}`, `{"name":"a","y":"a"}`, `{"name":"a","x":"a"}`} {
		got, err := p.Get(&graphql.OperationContext{Doc: op.Doc, Operation: op.Doc.Operations[i%2]}).Append(t.Context(), &state{}, nil, &thing{name: "a"})
		if err != nil || string(got) != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
}

// newCache keeps the plans of operations' first root fields.
func newCache(s *ast.Schema) *selection.Cache[*selection.Plan[*state]] {
	c := newCompiler(s)
	return selection.NewCache(func(op *graphql.OperationContext) *selection.Plan[*state] { return c.Compile(op, root(op)) })
}

// Each level is loaded at once, each object once, and only if it has fields that are loaded.
func TestLoad(t *testing.T) {
	t.Parallel()
	s := gqlparser.MustLoadSchema(&ast.Source{Input: schema})
	shared := &thing{name: "shared"}
	value := &thing{list: []*thing{{next: shared}, {next: shared}, nil}, next: &thing{}}
	for document, want := range map[string]int{
		`{ thing { name list { name } } }`:                         0,
		`{ thing { list { load { name } } } }`:                     1,
		`{ thing { list { load { load { name } } } } }`:            2,
		`{ thing { list { load { load { load { name } } } } } }`:   2, // There is nothing on the third level.
		`{ thing { list { a: load { name } b: load { name } } } }`: 2,
		`{ named { ... on Thing { next { load { name } } } } }`:    1,
	} {
		op := operation(t, s, document, nil)
		state := &state{}
		if err := newCompiler(s).Compile(op, root(op)).Load(t.Context(), state, value); err != nil || state.loads != want {
			t.Errorf("%s: %d loads, want %d: %v", document, state.loads, want, err)
		}
	}
}

// A loader's error is Load's, unless it leaves the field to gqlgen.
func TestLoadFails(t *testing.T) {
	t.Parallel()
	s := gqlparser.MustLoadSchema(&ast.Source{Input: schema})
	op := operation(t, s, `{ thing { load { name } } }`, nil)
	plan := newCompiler(s).Compile(op, root(op))
	broken := errors.New("broken")
	if err := plan.Load(t.Context(), &state{broken: broken}, &thing{}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	state := &state{broken: selection.ErrFallback}
	if err := plan.Load(t.Context(), state, &thing{}); err != nil {
		t.Errorf("got %v", err)
	}
	if _, err := plan.Append(t.Context(), state, nil, &thing{}); !errors.Is(err, selection.ErrFallback) {
		t.Errorf("got %v", err)
	}
}

// The columns are those of the row: of the object itself and of the objects that are made from it.
func TestColumns(t *testing.T) {
	t.Parallel()
	s := gqlparser.MustLoadSchema(&ast.Source{Input: schema})
	for document, want := range map[string][]string{
		`{ thing { __typename } }`:                          {"id"},
		`{ thing { name a: name next { next { name } } } }`: {"id", "name", "next"},
		`{ thing { load { name } } }`:                       {"id", "load"},
		`{ thing { name other } }`:                          nil,
	} {
		op := operation(t, s, document, nil)
		if got := newCompiler(s).Compile(op, root(op)).Set("Thing").Columns; !slices.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%s: %q, want %q", document, got, want)
		}
	}
}

// Plans go with their documents: memory stays flat whatever clients send.
func TestPlansLeaveWithTheirDocuments(t *testing.T) { //nolint:paralleltest // It reads the heap's size.
	s := gqlparser.MustLoadSchema(&ast.Source{Input: schema})
	p := newCache(s)
	const kept = 10
	heap := func() uint64 {
		runtime.GC()
		for deadline := time.Now().Add(time.Minute); p.Documents() > kept && time.Now().Before(deadline); { // Cleanups run on their own.
			time.Sleep(20 * time.Millisecond)
			runtime.GC()
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	valid := operation(t, s, `{ thing { name list { name next { name } } } }`, nil)
	send := func(i int) {
		// Validating each anew would take most of a minute: a document like another, with a root field of its own.
		op := &graphql.OperationContext{Doc: &ast.QueryDocument{}, Operation: &ast.OperationDefinition{Operation: ast.Query}}
		field := *root(valid).Field
		field.Alias = fmt.Sprint("a", i)
		op.Operation.SelectionSet = ast.SelectionSet{&field}
		op.Doc.Operations = ast.OperationList{op.Operation}
		if !p.Get(op).Encodable {
			t.Fatal("not compiled")
		}
	}
	const n = 100_000
	const warm = 1000
	var before uint64
	for i := range n {
		if i == warm {
			before = heap()
		}
		send(i)
	}
	after := heap()
	t.Logf("%d documents: heap %d KiB, %d KiB after the first %d; %d documents kept", n, after>>10, before>>10, warm, p.Documents())
	if after > before+2<<20 || p.Documents() > kept {
		t.Errorf("the heap grew from %d to %d bytes, and %d documents are kept", before, after, p.Documents())
	}
}

// One document with every combination of many variables keeps few plans.
func TestPlansOfOneDocumentAreBounded(t *testing.T) {
	t.Parallel()
	s := gqlparser.MustLoadSchema(&ast.Source{Input: schema})
	p := newCache(s)
	op := operation(t, s, `query($a: Boolean!, $b: Boolean!, $c: Boolean!, $d: Boolean!, $e: Boolean!, $f: Boolean!) { thing {
		a: name @skip(if: $a) b: name @skip(if: $b) c: name @skip(if: $c) d: name @skip(if: $d) e: name @skip(if: $e) f: name @skip(if: $f) __typename } }`, nil)
	kept := 0
	for i := range 64 {
		variables := map[string]any{}
		for bit, name := range []string{"a", "b", "c", "d", "e", "f"} {
			variables[name] = i>>bit&1 == 1
		}
		asked := &graphql.OperationContext{Doc: op.Doc, Operation: op.Operation, Variables: variables}
		if p.Get(asked) == p.Get(asked) { //nolint:staticcheck // The same plan again is one that is kept.
			kept++
		}
	}
	if kept != 32 {
		t.Errorf("%d plans of 64 combinations are kept, want 32", kept)
	}
}
