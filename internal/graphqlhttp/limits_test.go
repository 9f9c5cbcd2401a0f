package graphqlhttp

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// TestLimits is the table of limits: a document within each, one over it, and the message.
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

func TestVariableLimits(t *testing.T) {
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
		p, _ := parseResponse(t, send(t, h, request{body: `{"query":"{hello}","variables":` + tt.variables + `}`}).Body.Bytes())
		code := ""
		if len(p.Errors) > 0 {
			code, _ = p.Errors[0].Extensions["code"].(string)
		}
		if code != tt.code {
			t.Errorf("%s: code %q, want %q: %+v", name, code, tt.code, p.Errors)
		}
	}
}

// A variable's values count once for each use.
func TestVariableUses(t *testing.T) {
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
			p, _ := parseResponse(t, send(t, h, request{body: body}).Body.Bytes())
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

// A cached document is decided like a new one: a fixed cost is reused, and one that depends on variables is computed and
// checked each time.
func TestAdmissionIsReused(t *testing.T) {
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
