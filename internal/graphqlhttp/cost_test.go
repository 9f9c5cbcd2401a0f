package graphqlhttp

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"pgregory.net/rapid"
)

// pricedSchema is a schema with lists of every kind.
func pricedSchema() *ast.Schema {
	return gqlparser.MustLoadSchema(&ast.Source{Input: `
		type Query { me: Item items(first: Int, last: Int, filter: Filter): Items! byIds(ids: [ID!]!): [Item] sized(first: Int = 7): Items }
		type Mutation { bulk(input: BulkInput!): Bulk }
		input BulkInput { ids: [ID!]! }
		input Filter { and: [Filter!] search: String }
		type Bulk { results: [Item!]! count: Int }
		type Items { nodes: [Item!]! edges: [Edge!]! total: Int! }
		type Edge { cursor: ID! node: Item! }
		type Item { id: ID! name: String parent: Item tags: [Tag!]! children(first: Int): Items! }
		type Tag { id: ID! }
	`})
}

func testPrice(parent *ast.Definition, field *ast.FieldDefinition) FieldPrice {
	switch parent.Name + "." + field.Name {
	case "Query.items", "Item.children", "Query.sized":
		return FieldPrice{Sizes: []string{"first", "last"}, Default: 50, Max: 100, Inputs: map[string]int{"search": 100}}
	case "Query.byIds":
		return FieldPrice{Sizes: []string{"ids"}, Default: 100}
	case "Mutation.bulk":
		return FieldPrice{Own: 10, Each: 5, Sizes: []string{"input.ids"}, Default: 100, Max: 100}
	case "Items.total":
		return FieldPrice{Own: 20}
	case "Item.tags":
		return FieldPrice{Default: 3}
	}
	return FieldPrice{}
}

func costOf(t testing.TB, document string, variables map[string]any) operationCost {
	t.Helper()
	doc, err := parser.ParseQuery(&ast.Source{Input: document})
	if err != nil {
		t.Fatalf("%s: %v", document, err)
	}
	return newAnalysis(pricedSchema(), testPrice, doc, variables).operation(doc.Operations.ForName(""))
}

func TestCost(t *testing.T) {
	t.Parallel()
	numbers := map[string]any{"n": jsonOf(`10`), "f": jsonOf(`{"and":[{"search":"x"},{"and":[{"search":"y"}]}]}`), "ids": jsonOf(`["a","b"]`), "in": jsonOf(`{"ids":["a","b","c"]}`), "huge": jsonOf(`1e999`), "null": nil}
	for _, tt := range []struct {
		document string
		cost     int
	}{
		{"{ me { id name } }", 3},
		{"{ __typename }", 1},
		{"{ items(first: 10) { nodes { id name } } }", 1 + 10*3},
		{"{ items { nodes { id } } }", 1 + 50*2},
		{"{ items(first: null) { nodes { id } } }", 1 + 50*2},
		{"{ items(last: 3, first: 2) { nodes { id } total } }", 1 + 3*2 + 20},
		{"{ items(first: 10) { edges { cursor node { id } } } }", 1 + 10*(1+1+1+1)},
		{"query($n: Int) { items(first: $n) { nodes { id } } }", 1 + 10*2},
		{"query($m: Int = 4) { items(first: $m) { nodes { id } } }", 1 + 4*2},
		{"query($m: Int) { items(first: $m) { nodes { id } } }", 1 + 50*2},
		{"query($null: Int = 4) { items(first: $null) { nodes { id } } }", 1 + 50*2},
		{"query($huge: Int) { items(first: $huge) { nodes { id } } }", 1 + 100*2},
		{"{ items(first: 99999999999999999999) { nodes { id } } }", 1 + 100*2},
		{"{ items(first: -1) { nodes { id } } }", 1 + 2},
		{"{ items(first: 0) { nodes { id name } total } }", 1 + 3 + 20},
		{"{ byIds(ids: []) { id name } }", 1 + 2},
		{"{ sized { nodes { id } } }", 1 + 7*2},
		{`{ byIds(ids: ["a","b","c"]) { id name } }`, 1 + 3*2},
		{`{ byIds(ids: "a") { id } }`, 1 + 1},
		{`{ byIds(ids: 70) { id } }`, 1 + 1},
		{`query($n: [ID!]!) { byIds(ids: $n) { id } }`, 1 + 1},
		{`mutation { bulk(input: {ids: 0}) { results { id } } }`, 10 + (5 + 1 + 1)},
		{`mutation($n: [ID!]!) { bulk(input: {ids: $n}) { results { id } } }`, 10 + (5 + 1 + 1)},
		{`query($ids: [ID!]!) { byIds(ids: $ids) { id } }`, 1 + 2},
		{`mutation { bulk(input: {ids: ["a","b"]}) { count results { id } } }`, 10 + 1 + 2*(5+1+1)},
		{`mutation($in: BulkInput!) { bulk(input: $in) { results { id } } }`, 10 + 3*(5+1+1)},
		{`mutation($ids: [ID!]!) { bulk(input: {ids: $ids}) { results { id } } }`, 10 + 2*(5+1+1)},
		{"{ items(first: 2) { nodes { tags { id } } } }", 1 + 2*(1+1+3*1)},
		{"{ items(first: 5) { nodes { children(first: 4) { nodes { id } } } } }", 1 + 5*(1+1+4*2)},
		{`{ items(first: 1, filter: {search: "x", and: [{search: "y"}]}) { total } }`, 1 + 20 + 200},
		{`query($f: Filter) { items(first: 1, filter: $f) { total } }`, 1 + 20 + 200},
		{"{ items(first: 10) { ...P } } fragment P on Items { nodes { ...I } } fragment I on Item { id name }", 1 + 10*3},
		{"{ a: items(first: 2) { ...P } b: items(first: 3) { ...P } } fragment P on Items { nodes { id } }", 2 + 5*2},
		{"{ __schema { types { name } } }", 1000 + 5 + 5},
		{"{ me { ...A } } fragment A on Item { id ...B } fragment B on Item { name ...A }", 3},
	} {
		if got := costOf(t, tt.document, numbers).cost; got != tt.cost {
			t.Errorf("%s: cost %d, want %d", tt.document, got, tt.cost)
		}
	}
}

// Costs stop at maxSum: 12 levels of pages of 100 would cost 10^24.
func TestCostsDoNotOverflow(t *testing.T) {
	t.Parallel()
	document := "{ items(first: 100) { nodes { " + strings.Repeat("children(first: 100) { nodes { ", 400) + "id" + strings.Repeat("} }", 400) + "} } }"
	if got := costOf(t, document, nil); got.cost != maxSum || got.depth != 803 {
		t.Errorf("got %+v", got)
	}
	var b strings.Builder
	b.WriteString("{ me { ...F0 } }")
	for i := range 200 {
		fmt.Fprintf(&b, "fragment F%d on Item { ...F%d ...F%d }", i, i+1, i+1)
	}
	b.WriteString("fragment F200 on Item { id }")
	if got := costOf(t, b.String(), nil); got.cost != maxSum {
		t.Errorf("doubling fragments: %+v", got)
	}
}

// expansion computes costs by expanding every fragment each time it is spread.
type expansion struct {
	analysis *analysis
	document *ast.QueryDocument
}

func (e expansion) cost(set ast.SelectionSet, on *ast.Definition, size int) int {
	sum := 0
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.InlineFragment:
			under := on
			if s.TypeCondition != "" {
				under = e.analysis.schema.Types[s.TypeCondition]
			}
			sum += e.cost(s.SelectionSet, under, size)
		case *ast.FragmentSpread:
			if f := e.document.Fragments.ForName(s.Name); f != nil {
				sum += e.cost(f.SelectionSet, e.analysis.schema.Types[f.TypeCondition], size)
			}
		case *ast.Field:
			sum += e.field(s, on, size)
		}
	}
	return sum
}

func (e expansion) field(s *ast.Field, on *ast.Definition, size int) int {
	var definition *ast.FieldDefinition
	if on != nil && s.Name != "__typename" {
		definition = on.Fields.ForName(s.Name)
	}
	if definition == nil {
		return 1 + e.cost(s.SelectionSet, nil, 1)
	}
	below := e.analysis.schema.Types[definition.Type.Name()]
	switch on.Name + "." + s.Name {
	case "Query.items", "Item.children":
		first := 50
		if a := s.Arguments.ForName("first"); a != nil {
			first, _ = parseSize(a.Value.Raw)
		}
		return 1 + e.cost(s.SelectionSet, below, max(min(first, 100), 1))
	case "Items.total":
		return 20
	case "Item.tags":
		return 1 + 3*e.cost(s.SelectionSet, below, 1)
	case "Items.nodes", "Items.edges":
		return size * (1 + e.cost(s.SelectionSet, below, 1))
	}
	return 1 + e.cost(s.SelectionSet, below, 1)
}

// The cost with memoized fragments equals that of the document with all spreads expanded.
func TestCostEqualsExpansion(t *testing.T) {
	t.Parallel()
	schema := pricedSchema()
	rapid.Check(t, func(t *rapid.T) {
		document := randomDocument(t)
		doc, err := parser.ParseQuery(&ast.Source{Input: document})
		if err != nil {
			t.Fatalf("%s: %v", document, err)
		}
		a := newAnalysis(schema, testPrice, doc, nil)
		got := a.operation(doc.Operations[0]).cost
		want := expansion{a, doc}.cost(doc.Operations[0].SelectionSet, schema.Query, 1)
		if got != min(want, maxSum) {
			t.Fatalf("%s: analysis %d, expansion %d", document, got, want)
		}
	})
}

// randomDocument makes a document whose fragments spread those after them.
func randomDocument(t *rapid.T) string {
	types := []string{"Item", "Items", "Edge", "Query"}
	fields := map[string][]string{
		"Query": {"me{Item}", "items(first: N){Items}", "items{Items}", "nope"},
		"Items": {"nodes{Item}", "edges{Edge}", "total"},
		"Edge":  {"cursor", "node{Item}"},
		"Item":  {"id", "name", "parent{Item}", "tags{id}", "children(first: N){Items}"},
	}
	count := rapid.IntRange(0, 4).Draw(t, "fragments")
	on := make([]string, count)
	for i := range on {
		on[i] = rapid.SampledFrom(types).Draw(t, "type")
	}
	var set func(of string, from, depth int) string
	set = func(of string, from, depth int) string {
		parts := []string{"__typename"}
		for range rapid.IntRange(0, 3).Draw(t, "selections") {
			if from < count && rapid.IntRange(0, 2).Draw(t, "spread") == 0 {
				parts = append(parts, fmt.Sprintf("...F%d", rapid.IntRange(from, count-1).Draw(t, "which")))
				continue
			}
			field := rapid.SampledFrom(fields[of]).Draw(t, "field")
			field = strings.ReplaceAll(field, "N", fmt.Sprint(rapid.IntRange(0, 120).Draw(t, "size")))
			head, below, nested := strings.Cut(strings.TrimSuffix(field, "}"), "{")
			switch {
			case nested && below == "id":
				parts = append(parts, head+"{ id }")
			case nested && depth == 0:
				parts = append(parts, head+"{ __typename }")
			case nested:
				parts = append(parts, head+"{ "+set(below, from, depth-1)+" }")
			default:
				parts = append(parts, head)
			}
		}
		if rapid.IntRange(0, 3).Draw(t, "inline") == 0 && depth > 0 {
			parts = append(parts, "... on "+of+" { "+set(of, from, depth-1)+" }")
		}
		return strings.Join(parts, " ")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "{ %s }", set("Query", 0, 3))
	for i, of := range on {
		fmt.Fprintf(&b, " fragment F%d on %s { %s }", i, of, set(of, i+1, 2))
	}
	return b.String()
}

// FuzzAnalysis checks that for any document the analysis ends soon, without a panic or an overflow.
func FuzzAnalysis(f *testing.F) {
	for _, seed := range []string{
		"{ items(first: 100) { nodes { id children { edges { node { ...F } } } } } } fragment F on Item { ...F id }",
		`query($a: Filter = {search: $a}, $n: [Int] = [$n]) { x: items(filter: $a, first: $n) @skip(if: true) { total } }`,
		`mutation { bulk(input: {ids: [1, $x]}) { results { id } } }`, "{ __schema { types { fields { type { ofType { name } } } } } }",
		`subscription { a } query A { b } { c(x: [[[{y: {z: []}}]]]) }`, "fragment A on B { c }",
	} {
		f.Add(seed, "10")
	}
	schema := pricedSchema()
	f.Fuzz(func(t *testing.T, document, variable string) {
		doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: document}, 2000)
		if err != nil {
			return
		}
		start := time.Now()
		value := jsonOf(variable)
		for _, op := range append(doc.Operations, nil) {
			a := newAnalysis(schema, testPrice, doc, map[string]any{"a": value, "n": value, "x": value})
			found := a.operation(op)
			a.countText()
			_, most, pairs := a.repeats()
			for _, n := range []int{found.cost, found.depth, found.introspection, found.rootFields, a.aliases, a.directives, most, pairs} {
				if n < 0 || n > maxSum {
					t.Fatalf("%q: %+v", document, found)
				}
			}
			_ = found.fitting(100)
			if time.Since(start) > time.Minute {
				t.Fatalf("%q takes too long", document)
			}
		}
	})
}

func jsonOf(text string) any {
	var holder map[string]any
	if err := decodeParameter(`{"v":`+text+`}`, "variables", &holder); err != nil {
		return nil
	}
	return holder["v"]
}

// BenchmarkAnalysis analyses the longest document that is allowed.
func BenchmarkAnalysis(b *testing.B) {
	var text strings.Builder
	text.WriteString("{ me {")
	for text.Len() < 60_000 {
		fmt.Fprintf(&text, " %s", strings.Repeat("x", 1+rand.IntN(60)))
	}
	text.WriteString("} }")
	doc, err := parser.ParseQuery(&ast.Source{Input: text.String()})
	if err != nil {
		b.Fatal(err)
	}
	schema := pricedSchema()
	for b.Loop() {
		a := newAnalysis(schema, testPrice, doc, nil)
		a.operation(doc.Operations[0])
		a.countText()
	}
}
