package graphqlhttp

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
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
		{"{ items(first: -1) { nodes { id } } }", 1},
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

// TestCostsDoNotOverflow: 12 levels of pages of 100 would be 10^24.
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

// naive counts by expanding every fragment where it is spread.
type naive struct {
	w   *analysis
	doc *ast.QueryDocument
}

func (n naive) cost(set ast.SelectionSet, on *ast.Definition, size int) int {
	sum := 0
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.InlineFragment:
			under := on
			if s.TypeCondition != "" {
				under = n.w.schema.Types[s.TypeCondition]
			}
			sum += n.cost(s.SelectionSet, under, size)
		case *ast.FragmentSpread:
			if f := n.doc.Fragments.ForName(s.Name); f != nil {
				sum += n.cost(f.SelectionSet, n.w.schema.Types[f.TypeCondition], size)
			}
		case *ast.Field:
			sum += n.field(s, on, size)
		}
	}
	return sum
}

func (n naive) field(s *ast.Field, on *ast.Definition, size int) int {
	var definition *ast.FieldDefinition
	if on != nil && s.Name != "__typename" {
		definition = on.Fields.ForName(s.Name)
	}
	if definition == nil {
		return 1 + n.cost(s.SelectionSet, nil, 1)
	}
	below := n.w.schema.Types[definition.Type.Name()]
	switch on.Name + "." + s.Name {
	case "Query.items", "Item.children":
		first := 50
		if a := s.Arguments.ForName("first"); a != nil {
			first, _ = parseSize(a.Value.Raw)
		}
		return 1 + n.cost(s.SelectionSet, below, min(first, 100))
	case "Items.total":
		return 20
	case "Item.tags":
		return 1 + 3*n.cost(s.SelectionSet, below, 1)
	case "Items.nodes", "Items.edges":
		return size * (1 + n.cost(s.SelectionSet, below, 1))
	}
	return 1 + n.cost(s.SelectionSet, below, 1)
}

// TestCostEqualsExpansion: with fragments memoised the cost is that of the document with each spread written out.
func TestCostEqualsExpansion(t *testing.T) {
	t.Parallel()
	schema := pricedSchema()
	rapid.Check(t, func(t *rapid.T) {
		document := randomDocument(t)
		doc, err := parser.ParseQuery(&ast.Source{Input: document})
		if err != nil {
			t.Fatalf("%s: %v", document, err)
		}
		w := newAnalysis(schema, testPrice, doc, nil)
		got := w.operation(doc.Operations[0]).cost
		want := naive{w, doc}.cost(doc.Operations[0].SelectionSet, schema.Query, 1)
		if got != min(want, maxSum) {
			t.Fatalf("%s: walk %d, expansion %d", document, got, want)
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

// FuzzWalk: no document brings the walk down, makes it negative, or keeps it.
func FuzzWalk(f *testing.F) {
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
			w := newAnalysis(schema, testPrice, doc, map[string]any{"a": value, "n": value, "x": value})
			found := w.operation(op)
			w.countText()
			_, most, pairs := w.repeats()
			for _, n := range []int{found.cost, found.depth, found.introspection, found.rootFields, w.aliases, w.directives, most, pairs} {
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

// TestLimits is the table of limits: what passes each, and what it says.
func TestLimits(t *testing.T) {
	t.Parallel()
	nested := func(n int) string {
		return "{ me {" + strings.Repeat("parent {", n-2) + "id" + strings.Repeat("}", n-2) + "} }"
	}
	aliases := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, " a%d: id", i)
		}
		return "{ me {" + b.String() + "} }"
	}
	list := strings.Repeat("[", 33) + strings.Repeat("]", 33)
	for _, tt := range []struct {
		name, pass, fail, code, message string
	}{
		{"bytes", "{ me { id } }" + strings.Repeat(" ", 64<<10-13), "{ me { id } }" + strings.Repeat(" ", 64<<10-12), CodeDocumentTooLarge, "The document has 65,537 bytes, at most 65,536 are allowed."},
		{"tokens", "{ me { id } }" + strings.Repeat("#\n", 1994), "{ me { id } }" + strings.Repeat("#\n", 1995), CodeTooManyTokens, "The document has 2,001 tokens, at most 2,000 are allowed."},
		{"depth", nested(12), nested(13), CodeTooDeep, "Fields nest 13 deep, at most 12 are allowed."},
		{"aliases", aliases(30), aliases(31), CodeTooManyAliases, "The document has 31 aliases, and at most 30 are allowed."},
		{"root fields", "{" + strings.Repeat(" __typename", 20) + "}", "{" + strings.Repeat(" ...{__typename}", 21) + "}", CodeTooManyRootFields, "The operation has 21 root fields, at most 20 are allowed"},
		{"directives", "{ me {" + strings.Repeat(" id @skip(if: false)", 50) + "} }", "{ me {" + strings.Repeat(" id @skip(if: false)", 51) + "} }", CodeTooManyDirectives, "The document has 51 directives, at most 50 are allowed."},
		{"directives in a place", "{ __typename }", "{ me { id @a @a @a @a @a } }", CodeTooManyDirectives, "One place of the document has 5 directives, at most 4 are allowed."},
		{"cost", "{ items(first: 61) { nodes { id" + strings.Repeat(" name", 80) + " } } }", "{ items(first: 99) { nodes { id" + strings.Repeat(" name", 80) + " } } }", CodeTooExpensive, "Cost is 8,119, at most 5,000 are allowed; items(first: 60) would fit."},
		{"repeats", "{ me {" + strings.Repeat(" id", 440) + "} }", "{ me {" + strings.Repeat(" id", 500) + "} }", CodeTooRepetitive, `"id" alone 500 times`},
		{"literals", "{ __typename }", "{ items(filter: " + list + ") { total } }", CodeInputTooComplex, "Values nest 33 deep, at most 32 are allowed."},
		{"unknown fields", "{ __typename }", "{ me { id " + strings.Repeat(" nope", 51) + "} }", "GRAPHQL_VALIDATION_FAILED", `the first is "Item.nope"`},
	} {
		l := &limiter{limits: Limits{}.withDefaults(), schema: pricedSchema(), price: testPrice, signedIn: func(context.Context) bool { return true }, cache: newDocumentCache()}
		if tt.name != "cost" {
			if err := l.check(t.Context(), &operation{query: tt.pass}); err != nil {
				t.Errorf("%s: refused: %v", tt.name, err)
			}
		}
		err := l.check(t.Context(), &operation{query: tt.fail})
		if err == nil || err.Extensions["code"] != tt.code || !strings.Contains(err.Message, tt.message) {
			t.Errorf("%s: got %v %v, want %s %s", tt.name, err, err.Extensions, tt.code, tt.message)
		}
		tree, _ := parseDocument(tt.fail)
		trusted := &operation{query: tt.fail, trusted: &trustedDocument{text: tt.fail, document: &document{tree: tree}}}
		if err := l.check(t.Context(), trusted); err != nil {
			t.Errorf("%s: a trusted document is refused: %v", tt.name, err)
		}
	}
}

func TestSignedOutTokens(t *testing.T) {
	t.Parallel()
	h := newHandler(t, func(cfg *Config) { cfg.SignedIn = func(context.Context) bool { return false } })
	w := send(t, h, query("{ hello }"+strings.Repeat("#\n", 998)))
	if !strings.Contains(w.Body.String(), "The document has 1,001 tokens, at most 1,000 are allowed without signing in (signed in: 2,000).") {
		t.Error(w.Body)
	}
}

func TestInputs(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	h := newHandler(t)
	for name, tt := range map[string]struct{ variables, code string }{
		"32 deep":                 {`{"v":` + deep(32) + `}`, ""},
		"33 deep":                 {`{"v":` + deep(33) + `}`, CodeInputTooComplex},
		"100 deep":                {`{"v":` + deep(100) + `}`, CodeInputTooComplex},
		"10,000 deep":             {`{"v":` + deep(9999) + `}`, CodeBadRequest},
		"10,001 values":           {`{"v":[` + strings.Repeat("1,", 9999) + `1]}`, CodeInputTooComplex},
		"10,000 objects, and one": {`{"v":[` + strings.Repeat(`{},`, 9999) + `{}]}`, CodeInputTooComplex},
		"9,999 objects":           {`{"v":[` + strings.Repeat(`{},`, 9998) + `{}]}`, ""},
		"half a million":          {`{"v":[` + strings.Repeat("1,", 500_000) + `1]}`, CodeBadRequest},
		"a megabyte":              {`{"v":"` + strings.Repeat("x", 1<<20-200) + `"}`, ""},
		"brackets in text":        {`{"v":"` + strings.Repeat(`\"[{,`, 60_000) + `"}`, ""},
	} {
		p, _ := parse(t, send(t, h, request{body: `{"query":"{hello}","variables":` + tt.variables + `}`}).Body.Bytes())
		code := ""
		if len(p.Errors) > 0 {
			code, _ = p.Errors[0].Extensions["code"].(string)
		}
		if code != tt.code {
			t.Errorf("%s: code %q, want %q: %+v", name, code, tt.code, p.Errors)
		}
	}
}

// TestInputUses: a variable's values count as often as it is used.
func TestInputUses(t *testing.T) {
	t.Parallel()
	values := func(n int) string { return `{"and":[{}` + strings.Repeat(",{}", n-3) + `]}` } // n of them
	uses := func(n int) string { return "many(of: [" + strings.Repeat("$v ", n) + "])" }
	const with = "query($v: ManyInput) "
	h := newHandler(t)
	for name, tt := range map[string]struct {
		document, variables string
		actual              string // "": allowed
	}{
		"50 uses of 200":            {with + "{" + uses(50) + "}", `{"v":` + values(200) + `}`, ""},
		"51 uses of 200":            {with + "{" + uses(51) + "}", `{"v":` + values(200) + `}`, "10,200"},
		"one use of 10,000":         {with + "{" + uses(1) + "}", `{"v":` + values(10_000) + `}`, ""},
		"two uses of 5,001":         {"query($v: ManyInput!) { a: many(of: [$v]) b: many(of: [{and: [$v]}]) }", `{"v":` + values(5_001) + `}`, "10,002"},
		"a fragment twice":          {with + "{ ...F ... { ...F } } fragment F on Query {" + uses(25) + "}", `{"v":` + values(200) + `}`, ""},
		"a fragment three times":    {with + "{ ...F ...G } fragment G on Query { ...F ...F } fragment F on Query {" + uses(25) + "}", `{"v":` + values(200) + `}`, "15,000"},
		"a default":                 {"query($v: ManyInput = {and: [" + strings.Repeat("{}", 198) + "]}) {" + uses(51) + "}", `{}`, "10,200"},
		"another in place of it":    {"query($v: ManyInput = {and: [" + strings.Repeat("{}", 198) + "]}) {" + uses(51) + "}", `{"v":null}`, ""},
		"one used once beside it":   {"query($v: ManyInput, $w: ManyInput) { a: many(of: [$v, $v]) b: many(of: [$w]) }", `{"v":` + values(3_000) + `,"w":` + values(5_000) + `}`, "11,000"},
		"a text used often beside":  {"query($s: String, $v: ManyInput) { a: many(of: [" + strings.Repeat("{text: $s}", 100) + "]) b: many(of: [$v]) }", `{"s":"x","v":` + values(9_990) + `}`, ""},
		"another operation's use":   {with + "{ many(of: [$v]) } query Other($v: ManyInput) {" + uses(51) + "}", `{"v":` + values(200) + `}`, ""},
		"of two, the one that runs": {"query Other($v: ManyInput) { many(of: [$v]) } " + with + "{" + uses(51) + "}", `{"v":` + values(200) + `}`, "10,200"},
	} {
		tt.document = strings.Replace(tt.document, "query(", "query Runs(", 1)
		body := fmt.Sprintf(`{"query":%q,"operationName":"Runs","variables":%s}`, tt.document, tt.variables)
		for range 2 { // The second time the document is known.
			p, _ := parse(t, send(t, h, request{body: body}).Body.Bytes())
			want := "The variables hold " + tt.actual + " values, counted for each use of a variable, at most 10,000 are allowed."
			switch {
			case tt.actual == "" && len(p.Errors) > 0:
				t.Errorf("%s: %+v", name, p.Errors)
			case tt.actual != "" && (len(p.Errors) != 1 || p.Errors[0].Message != want || p.Errors[0].Extensions["code"] != CodeInputTooComplex):
				t.Errorf("%s: %+v, want %s", name, p.Errors, want)
			}
		}
	}
}

// TestManyValues: what is refused is counted to its end, but not kept: forty thousand small objects would take 14 MB.
func TestManyValues(t *testing.T) { //nolint:paralleltest // It measures the whole process's memory.
	many := strings.Repeat(`{"a":1},`, 40_000)
	h := newHandler(t)
	for body, want := range map[string]string{
		`{"query":"{hello}","variables":{"v":[` + many + `1]}}`:  "The variables hold 80,002 values, at most 10,000 are allowed.",
		`{"query":"{hello}","extensions":{"v":[` + many + `1]}}`: "extensions holds more than 10000 values.",
	} {
		if p, _ := parse(t, send(t, h, request{body: body}).Body.Bytes()); len(p.Errors) != 1 || p.Errors[0].Message != want {
			t.Errorf("%+v, want %s", p.Errors, want)
		}
	}
	before := heap()
	op := &operation{}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"query":"{hello}","variables":{"v":[`+many+`1]}}`))
	r.Header.Set("Content-Type", "application/json")
	if err := h.decodePOST(nil, r, op); err != nil {
		t.Error(err)
	}
	if kept := heap() - before; kept > 6<<20 {
		t.Errorf("%d bytes are kept", kept)
	}
	runtime.KeepAlive(op)
}

// TestBudget: what is spent for what, and what a client without a budget sees.
func TestBudget(t *testing.T) {
	t.Parallel()
	budget, spent := 1000, []int{}
	h := newHandler(t, func(cfg *Config) {
		cfg.Spend = func(_ context.Context, cost int, force bool) Balance {
			if !force && budget < max(cost, 1) {
				return Balance{Remaining: max(budget, 0), RetryAfter: 1500 * time.Millisecond}
			}
			if cost > 0 {
				spent = append(spent, cost)
			}
			budget -= cost
			return Balance{OK: true, Remaining: max(budget, 0)}
		}
	})
	costly := query("{ hello }")
	costly.header = http.Header{http.CanonicalHeaderKey(HeaderCost): {"report"}}
	if w := send(t, h, costly); !strings.Contains(w.Body.String(), `"extensions":{"cost":{"remaining":999,"requested":1}}`) {
		t.Error(w.Body)
	}
	if w := send(t, h, query("{ hello }")); strings.Contains(w.Body.String(), "cost") {
		t.Error(w.Body)
	}
	send(t, h, query("{ nope }"))
	send(t, h, query("{"+strings.Repeat(" hello", 2000)+"}"))
	send(t, h, request{body: "nonsense"})
	if got, want := fmt.Sprint(spent), "[1 1 11 197 10]"; got != want {
		t.Errorf("spent %s, want %s", got, want)
	}
	for _, left := range []int{0, 1} {
		budget = left
		for _, accept := range []string{acceptJSON, acceptGraphQL} {
			w := send(t, h, query("{ hello a: hello }").as(accept))
			p, hasData := parse(t, w.Body.Bytes())
			if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "2" || hasData || len(p.Errors) != 1 ||
				p.Errors[0].Extensions["code"] != CodeRateLimited || p.Errors[0].Extensions["retryAfter"] != 2.0 {
				t.Errorf("%d left as %s: %d %v %s", left, accept, w.Code, w.Header(), w.Body)
			}
		}
	}
}

// TestTooPoor: an operation that the budget is too small for was parsed and validated, which costs; the client is told
// when there is enough for both. What a client that has nothing sends is not even read.
func TestTooPoor(t *testing.T) {
	t.Parallel()
	left, spent := 2, []int{}
	h := newHandler(t, func(cfg *Config) {
		cfg.Spend = func(_ context.Context, cost int, force bool) Balance {
			if wanted := max(cost, 1); !force && left < wanted {
				return Balance{Remaining: max(left, 0), RetryAfter: time.Duration(wanted-left) * time.Second}
			}
			if cost > 0 {
				spent = append(spent, cost)
			}
			left -= cost
			return Balance{OK: true, Remaining: max(left, 0)}
		}
	})
	poor := query("{ hello a: hello b: hello }")
	if w := send(t, h, poor); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "12" || !strings.Contains(w.Body.String(), "costs 3 and 0 are left: wait 12 seconds") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := send(t, h, poor); w.Code != http.StatusTooManyRequests || !strings.Contains(w.Body.String(), "used up") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	left += 12
	if w := send(t, h, poor); w.Code != http.StatusOK {
		t.Errorf("after the wait: %d %s", w.Code, w.Body)
	}
	if got, want := fmt.Sprint(spent), "[11 3]"; got != want {
		t.Errorf("spent %s, want %s", got, want)
	}
}

// TestBytesCost: what was read is paid for, whatever it holds, whatever its header says and whatever became of it.
func TestBytesCost(t *testing.T) {
	t.Parallel()
	const long = 512 << 10
	padding := strings.Repeat("x", long)
	unknown := http.Header{"Unknown-Length": {"1"}}
	for name, tt := range map[string]struct {
		q    request
		cost int
	}{
		"an ignored extension":             {request{body: `{"query":"{hello}","extensions":{"x":"` + padding + `"}}`}, 512},
		"an ignored member":                {request{body: `{"query":"{hello}","x":"` + padding + `"}`, header: unknown}, 512},
		"an ignored variable, refused":     {request{body: `{"query":"{nope}","variables":{"x":"` + padding + `"}}`}, 10 + 512},
		"no JSON":                          {request{body: padding}, 10 + 512},
		"no JSON, of unknown length":       {request{body: padding, header: unknown}, 10 + 512},
		"too long, as it says":             {request{body: padding + padding + padding}, 10},
		"too long, without saying so":      {request{body: padding + padding + padding, header: unknown}, 10 + 1024},
		"not read, as its type is another": {request{body: padding, contentType: "text/plain"}, 10},
		"a plain one":                      {query("{ hello }"), 1},
	} {
		spent := 0
		h := newHandler(t, func(cfg *Config) {
			cfg.Spend = func(_ context.Context, cost int, _ bool) Balance { spent += cost; return Balance{OK: true} }
		})
		if send(t, unknownLength(h), tt.q); spent != tt.cost {
			t.Errorf("%s: spent %d, want %d", name, spent, tt.cost)
		}
	}
}

// TestBudgetEndsTheReading: a body that the client's budget is too small for is not read to its end.
func TestBudgetEndsTheReading(t *testing.T) {
	t.Parallel()
	left := 100 // of which 1 is for each kB
	h := newHandler(t, func(cfg *Config) {
		cfg.Spend = func(_ context.Context, cost int, _ bool) Balance {
			if left < max(cost, 1) {
				return Balance{Remaining: left, RetryAfter: 7 * time.Second}
			}
			left -= cost
			return Balance{OK: true, Remaining: left}
		}
	})
	body := strings.NewReader(`{"query":"{hello}","x":"` + strings.Repeat("x", 512<<10) + `"}`)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", body)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "7" || !strings.Contains(w.Body.String(), CodeRateLimited) {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if read := 512<<10 - body.Len(); read > 200<<10 || left > 50 {
		t.Errorf("%d bytes were read, and %d of the budget are left", read, left)
	}
}

func TestReportCost(t *testing.T) {
	t.Parallel()
	h := newHandler(t, func(cfg *Config) { cfg.ReportCost = true })
	if w := send(t, h, query("{ hello }")); !strings.Contains(w.Body.String(), `"extensions":{"cost":{"requested":1}}`) {
		t.Error(w.Body)
	}
}

func jsonOf(text string) any {
	var holder map[string]any
	if fault := decodeParameter(`{"v":`+text+`}`, "variables", &holder); fault != nil {
		return nil
	}
	return holder["v"]
}

// BenchmarkWalk is the walk over the longest document there may be.
func BenchmarkWalk(b *testing.B) {
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
		w := newAnalysis(schema, testPrice, doc, nil)
		w.operation(doc.Operations[0])
		w.countText()
	}
}

// What is kept of a document changes no decision: a fixed cost is the same again, and one that the variables decide is
// counted each time, with its limit.
func TestAdmittedAgain(t *testing.T) {
	t.Parallel()
	cfg := Config{Price: testPrice, Limits: Limits{Cost: 300}}
	schema := pricedSchema()
	cfg.Schema = &graphql.ExecutableSchemaMock{SchemaFunc: func() *ast.Schema { return schema }}
	tests := []struct {
		document  string
		variables []string
		fixed     bool
	}{
		{`query($id: ID!) { byIds(ids: ["a", "b"]) { id } other: byIds(ids: [$id]) { name } }`, []string{`{"id":"c"}`, `{"id":"d"}`}, true},
		{`query($n: Int) { items(first: $n) { nodes { id name } } }`, []string{`{"n":1}`, `{"n":100}`, `{"n":200}`, `{}`, `{"n":2}`}, false},
		{`query($n: Int = 90) { items(first: $n) { nodes { id name tags { id } } } }`, []string{`{"n":1}`, `{}`, `{"n":null}`, `{"n":3}`}, false},
		{`query($f: Filter) { items(first: 1, filter: $f) { total } }`, []string{`{}`, `{"f":{"search":"x"}}`, `{"f":{"and":[{"search":"x"},{"search":"y"},{"search":"z"}]}}`, `{"f":null}`}, false},
		{`query($s: String) { items(first: 1, filter: {search: $s}) { total } }`, []string{`{}`, `{"s":"x"}`}, false},
		{`query A($ids: [ID!]!) { ...f } fragment f on Query { byIds(ids: $ids) { id name tags { id } } }`, []string{`{"ids":["a"]}`, `{"ids":["a","b","c"]}`}, false},
	}
	for _, tt := range tests {
		tree := gqlparser.MustLoadQueryWithRules(schema, tt.document, nil)
		kept, fresh := newLimiter(cfg, newDocumentCache()), newLimiter(cfg, newDocumentCache())
		kept.cache.add(tt.document, &document{tree: tree, valid: true})
		for range 3 {
			for _, variables := range tt.variables {
				given, _ := jsonOf(variables).(map[string]any)
				op, want := &operation{query: tt.document, variables: given}, &operation{query: tt.document, variables: given}
				err, wantErr := kept.check(t.Context(), op), fresh.check(t.Context(), want)
				if op.cost != want.cost || fmt.Sprint(err) != fmt.Sprint(wantErr) {
					t.Errorf("%s with %s: %d, %v; want %d, %v", tt.document, variables, op.cost, err, want.cost, wantErr)
				}
			}
		}
		if a, ok := kept.cache.get(&operation{query: tt.document}).admission(tree.Operations[0]); !ok || a.fixed != tt.fixed {
			t.Errorf("%s: fixed %v, want %v", tt.document, a.fixed, tt.fixed)
		}
	}
}
