package graphqlhttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// echoSchema answers each field with the arguments that it was called with, as JSON.
func echoSchema() *graphql.ExecutableSchemaMock {
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: `
		directive @note(text: Even, mood: Mood! = CALM) on FIELD | QUERY | FRAGMENT_DEFINITION | VARIABLE_DEFINITION
		"An even number."
		scalar Even
		enum Mood { CALM Calm GRAND }
		input Point { x: Int!, y: Int! = 7, mood: Mood = CALM, tags: [String!] = ["a"], next: Point }
		input One @oneOf { point: Point, even: Even, ids: [ID!] }
		type Query {
			int(a: Int): String
			required(a: Int!): String
			defaulted(a: Int! = 3): String
			mood(a: Mood): String
			moods(a: [Mood!]): String
			deep(a: [[Mood]]): String
			point(a: Point): String
			points(a: [Point!]): String
			one(a: One): String
			ids(a: [ID!]!): String
			id(a: ID): String
			even(a: Even): String
			text(a: String): String
			bool(a: Boolean): String
		}
	`})
	return &graphql.ExecutableSchemaMock{
		SchemaFunc: func() *ast.Schema { return schema },
		ExecFunc: func(ctx context.Context) graphql.ResponseHandler {
			op := graphql.GetOperationContext(ctx)
			return func(context.Context) *graphql.Response {
				data := map[string]any{}
				for _, field := range graphql.CollectFields(op, op.Operation.SelectionSet, []string{"Query"}) {
					data[field.Alias] = field.ArgumentMap(op.Variables)
				}
				encoded, err := json.Marshal(data)
				if err != nil {
					panic(err)
				}
				return &graphql.Response{Data: encoded}
			}
		},
	}
}

func echo(t *testing.T, changes ...func(*Config)) *Handler {
	t.Helper()
	is := func(what string, ok func(any) bool) CheckScalar {
		return func(value any) error {
			if !ok(value) {
				return errors.New("must be " + what)
			}
			return nil
		}
	}
	return newHandler(t, append([]func(*Config){func(cfg *Config) {
		cfg.Schema = echoSchema()
		cfg.Scalars = map[string]CheckScalar{
			"Int":     checkInt,
			"String":  is("a string", func(v any) bool { _, ok := v.(string); return ok }),
			"Boolean": is("true or false", func(v any) bool { _, ok := v.(bool); return ok }),
			"ID":      is("a string", func(v any) bool { _, ok := v.(map[string]any); return !ok }),
			"Even": is("even", func(v any) bool {
				number, _ := v.(json.Number)
				n, err := number.Int64()
				return err == nil && n%2 == 0
			}),
		}
	}}, changes...)...)
}

// outcome is an answer's data, or its first error with its code and place.
func answerTo(t *testing.T, h *Handler, document, variables string) string {
	t.Helper()
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	if variables == "" {
		variables = "{}"
	}
	w := send(t, h, request{body: `{"query":` + string(text) + `,"variables":` + variables + `}`})
	var answer struct {
		Data   json.RawMessage
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
			Locations  []struct{ Line, Column int }
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Errors) == 0 {
		return string(answer.Data)
	}
	first := answer.Errors[0]
	at := ""
	for _, l := range first.Locations {
		at += fmt.Sprintf("%d:%d ", l.Line, l.Column)
	}
	return at + first.Extensions.Code + " " + first.Message
}

// What a variable holds is a value of its type, to the letter, or the request is refused and the message says why. The same
// holds when the document is known already.
func TestVariables(t *testing.T) {
	t.Parallel()
	const (
		invalid = "GRAPHQL_VALIDATION_FAILED "
		bad     = "BAD_USER_INPUT "
	)
	for _, tt := range []struct{ name, document, variables, want string }{
		{"an enum", "query($a: Mood) { mood(a: $a) }", `{"a":"Calm"}`, `{"mood":{"a":"Calm"}}`},
		{"an enum in the wrong case", "query($a: Mood) { mood(a: $a) }", `{"a":"grand"}`, "1:7 " + invalid + `$a must be a value of Mood (CALM, Calm, GRAND), not "grand"`},
		{"an enum that only folds to its case", "query($a: Mood) { mood(a: $a) }", `{"a":"GRAN\u010e"}`, "1:7 " + invalid + `$a must be a value of Mood (CALM, Calm, GRAND), not "GRANĎ"`},
		{"an enum as a number", "query($a: Mood) { mood(a: $a) }", `{"a":0}`, "1:7 " + invalid + `$a must be a value of Mood (CALM, Calm, GRAND)`},
		{"an enum in a list", "query($a: [Mood!]) { moods(a: $a) }", `{"a":["CALM","calm"]}`, "1:7 " + invalid + `$a[1] must be a value of Mood (CALM, Calm, GRAND), not "calm"`},
		{"an enum deep down", "query($a: Point) { point(a: $a) }", `{"a":{"x":1,"next":{"x":2,"mood":"calm"}}}`, "1:7 " + invalid + `$a.next.mood must be a value of Mood (CALM, Calm, GRAND), not "calm"`},
		{"a default that is no value of the enum", `query($a: Mood = calm) { mood(a: $a) }`, "", "1:18 " + invalid + `Value "calm" does not exist in "Mood" enum. Did you mean the enum value "CALM" or "Calm"?`},

		{"one value for a list", "query($a: [Mood!]) { moods(a: $a) }", `{"a":"CALM"}`, `{"moods":{"a":["CALM"]}}`},
		{"one value for a list of lists", "query($a: [[Mood]]) { deep(a: $a) }", `{"a":"CALM"}`, `{"deep":{"a":[["CALM"]]}}`},
		{"values for lists in a list", "query($a: [[Mood]]) { deep(a: $a) }", `{"a":["CALM",null,["GRAND",null]]}`, `{"deep":{"a":[["CALM"],null,["GRAND",null]]}}`},
		{"one value for a list in an object", "query($a: Point) { point(a: $a) }", `{"a":{"x":1,"y":2,"mood":null,"tags":"b"}}`, `{"point":{"a":{"mood":null,"tags":["b"],"x":1,"y":2}}}`},
		{"null in a list", "query($a: [ID!]!) { ids(a: $a) }", `{"a":["1",null]}`, "1:7 " + invalid + `$a[1] can't be null: it is of type ID!`},
		{"an empty list", "query($a: [ID!]!) { ids(a: $a) }", `{"a":[]}`, `{"ids":{"a":[]}}`},

		{"a required variable", "query($a: Int!) { required(a: $a) }", ``, "1:7 " + invalid + `$a is required: it is of type Int!`},
		{"null for a required variable", "query($a: Int!) { required(a: $a) }", `{"a":null}`, "1:7 " + invalid + `$a can't be null: it is of type Int!`},
		{"absent and null", "query($a: Int, $b: Int) { a: int(a: $a) b: int(a: $b) }", `{"b":null}`, `{"a":{},"b":{"a":null}}`},
		{"a default", "query($a: Int = 5, $b: Int! = 6) { a: int(a: $a) b: int(a: $b) }", ``, `{"a":{"a":5},"b":{"a":6}}`},
		{"null instead of a default", "query($a: Int = 5) { int(a: $a) }", `{"a":null}`, `{"int":{"a":null}}`},
		{"a default of an object gets its own", "query($a: Point = {x: 1}) { point(a: $a) }", ``, `{"point":{"a":{"mood":"CALM","tags":["a"],"x":1,"y":7}}}`},
		{"a default of one value for a list", `query($a: [Mood!] = GRAND) { moods(a: $a) }`, ``, `{"moods":{"a":["GRAND"]}}`},

		{
			"defaults of an object", "query($a: [Point!]) { points(a: $a) }", `{"a":[{"x":1,"next":{"x":2}}]}`,
			`{"points":{"a":[{"mood":"CALM","next":{"mood":"CALM","tags":["a"],"x":2,"y":7},"tags":["a"],"x":1,"y":7}]}}`,
		},
		{"no object", "query($a: Point) { point(a: $a) }", `{"a":"x"}`, "1:7 " + invalid + `$a must be an object of type Point`},
		{"a list for an object", "query($a: Point) { point(a: $a) }", `{"a":[]}`, "1:7 " + invalid + `$a must be an object of type Point`},
		{"a required field", "query($a: [Point!]) { points(a: $a) }", `{"a":[{"x":1},{"y":1}]}`, "1:7 " + invalid + `$a[1].x is required: it is of type Int!`},
		{"null for a field with a default", "query($a: Point) { point(a: $a) }", `{"a":{"x":1,"y":null}}`, "1:7 " + invalid + `$a.y can't be null: it is of type Int!`},
		{"unknown fields", "query($a: Point) { point(a: $a) }", `{"a":{"x":1,"z":1,"w":1,"tags":null}}`, "1:7 " + invalid + `$a.w is not a field of Point`},
		{"__typename", "query($a: Point) { point(a: $a) }", `{"a":{"x":1,"__typename":"Point"}}`, "1:7 " + invalid + `$a.__typename is not a field of Point`},

		{"one of", "query($a: One) { one(a: $a) }", `{"a":{"even":2}}`, `{"one":{"a":{"even":2}}}`},
		{"two of", "query($a: One) { one(a: $a) }", `{"a":{"even":2,"ids":null}}`, "1:7 " + invalid + `$a must have exactly one field of One, and has 2`},
		{"none of", "query($a: One) { one(a: $a) }", `{"a":{}}`, "1:7 " + invalid + `$a must have exactly one field of One, and has 0`},
		{"null of", "query($a: One) { one(a: $a) }", `{"a":{"ids":null}}`, "1:7 " + invalid + `$a.ids can't be null: it is the one field of One`},
		{
			"one of, as a literal with a variable", "query($a: Even) { one(a: {even: $a}) }", `{"a":2}`,
			"1:7 1:33 " + invalid + `Variable "$a" is of type "Even" but must be non-nullable to be used for OneOf Input Object "One".`,
		},

		{"a scalar", "query($a: Int) { int(a: $a) }", `{"a":1.5}`, "1:7 " + bad + `$a must be a whole number`},
		{"a number for a boolean", "query($a: Boolean) { bool(a: $a) }", `{"a":1}`, "1:7 " + invalid + `$a must be true or false`},
		{"a scalar deep down", "query($a: One) { one(a: $a) }", `{"a":{"even":3}}`, "1:7 " + bad + `$a.even must be even`},
		{"a scalar's default", "query($a: Even = 3) { even(a: $a) }", `{"a":2}`, "1:18 " + bad + `$a must be even`},
		{"a literal", "{ points(a: [{x: 1}, {x: 2}]) even(a: 4) }", "", `{"even":{"a":4},"points":{"a":[{"x":1},{"x":2}]}}`},
		{"a bad literal", "{ one(a: {even: 3}) }", "", "1:17 " + bad + `a.even must be even`},
		{"an object for a scalar", "{ int(a: {}) }", "", "1:10 " + invalid + `a must be a whole number`},
		{"an integer of 31 digits", "{ int(a: 1000000000000000000000000000000) }", "", "1:10 " + invalid + `Int must be a whole number between -2147483648 and 2147483647, not 1000000000000000000000000000000`},
		{"an object for a scalar of the schema's", "{ even(a: {b: 1}) }", "", "1:11 " + bad + `a must be even`},
		{"a list for a scalar of the schema's", "{ even(a: [2]) }", "", "1:11 " + bad + `a must be even`},
		{"an object for an enum", "{ moods(a: [CALM, {}]) }", "", "1:19 " + invalid + `a[1] must be a value of Mood (CALM, Calm, GRAND)`},
		{"an object in a default", "query($a: Int = {}) { int(a: $a) }", "", "1:17 " + invalid + `$a must be a whole number`},
		{"a bad literal of another operation's", "query A { ok: even(a: 3) } query B { __typename }", "", "1:23 " + bad + `a must be even`},
		{"a bad literal of a directive's", "{ text @note(text: 3) }", "", "1:20 " + bad + `text must be even`},
		{"a bad literal of an operation's directive", "query @note(text: 3) { text }", "", "1:19 " + bad + `text must be even`},
		{"an id of many digits", `{ id(a: 123456789012345678901234567890) ids(a: [7, "8"]) }`, "", `{"id":{"a":"123456789012345678901234567890"},"ids":{"a":["7","8"]}}`},

		{"null where nothing takes it", "query($a: Int = 5) { required(a: $a) }", `{"a":null}`, "1:34 " + bad + `$a can't be null: required(a) takes Int!`},
		{"its default", "query($a: Int = 5) { required(a: $a) }", ``, `{"required":{"a":5}}`},
		{"null for an argument with a default", "query($a: Int) { defaulted(a: $a) }", `{"a":null}`, "1:31 " + bad + `$a can't be null: defaulted(a) takes Int!`},
		{"absent for an argument with a default", "query($a: Int) { defaulted(a: $a) }", ``, `{"defaulted":{"a":3}}`},
		{"null for @include", "query($a: Boolean = true) { text @include(if: $a) }", `{"a":null}`, "1:47 " + bad + `$a can't be null: @include(if) takes Boolean!`},
		{"null for @skip on a fragment", "query($a: Boolean = true) { ...F @skip(if: $a) } fragment F on Query { text }", `{"a":null}`, "1:44 " + bad + `$a can't be null: @skip(if) takes Boolean!`},
		{"null in a fragment", "query($a: Boolean = true) { ...F } fragment F on Query { ... @include(if: $a) { text } }", `{"a":null}`, "1:75 " + bad + `$a can't be null: @include(if) takes Boolean!`},
		{"null in a literal list", `query($a: ID = "1") { ids(a: ["0", $a]) }`, `{"a":null}`, "1:36 " + bad + `$a can't be null: ids(a[1]) takes ID!`},
		{"null for a list", `query($a: [ID!] = ["1"]) { ids(a: $a) }`, `{"a":null}`, "1:35 " + bad + `$a can't be null: ids(a) takes [ID!]!`},
		{"null in a literal object", "query($a: Int) { points(a: [{x: 1, y: $a}]) }", `{"a":null}`, "1:39 " + bad + `$a can't be null: points(a[0].y) takes Int!`},
		{"absent in a literal object", "query($a: Int) { point(a: {x: 1, y: $a}) }", ``, `{"point":{"a":{"x":1}}}`},
		{"null for a directive", "query($a: Mood) { text @note(mood: $a) }", `{"a":null}`, "1:36 " + bad + `$a can't be null: @note(mood) takes Mood!`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := echo(t)
			for _, known := range []bool{false, true} {
				if got := answerTo(t, h, tt.document, tt.variables); got != tt.want {
					t.Errorf("known %t:\ngot  %s\nwant %s", known, got, tt.want)
				}
			}
		})
	}
}

// A variable in a fragment has the default of the operation that runs, not of another one.
func TestVariablesOfSharedFragments(t *testing.T) {
	t.Parallel()
	const document = `query A($x: Int) { ...F } query B($x: Int = 5) { ...F } fragment F on Query { point(a: {x: 1, y: $x}) }`
	h := echo(t)
	for name, want := range map[string]string{"A": `{"x":1}`, "B": `{"x":1,"y":5}`} {
		w := send(t, h, request{body: fmt.Sprintf(`{"query":%q,"operationName":%q}`, document, name)})
		if !strings.Contains(w.Body.String(), `"a":`+want) {
			t.Errorf("%s: want %s: %s", name, want, w.Body)
		}
	}
}

// FuzzVariables checks that a coerced value is one of its type: coercing it again changes nothing.
func FuzzVariables(f *testing.F) {
	for _, seed := range []string{
		`{"x":1}`, `{"x":1,"y":null}`, `{"x":1,"next":{"x":2,"tags":"a","mood":"CALM"}}`, `{"x":1,"tags":["a",null]}`, `[]`, `{"x":1e0,"z":[{}]}`, `null`,
	} {
		f.Add([]byte(seed))
	}
	schema := echoSchema().Schema()
	c := &coercer{schema: schema, scalars: map[string]CheckScalar{"Int": checkInt}}
	types := map[string]*ast.Type{
		"point": ast.NamedType("Point", nil), "points": ast.ListType(ast.NonNullNamedType("Point", nil), nil), "one": ast.NamedType("One", nil),
		"moods": ast.NonNullListType(ast.ListType(ast.NamedType("Mood", nil), nil), nil),
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for name, of := range types {
			d := &decoder{maxValues: maxURLBytes}
			d.json.Reset(bytes.NewReader(text))
			given, err := d.value()
			if err != nil {
				return
			}
			value, wrong := c.value(of, given)
			if wrong != nil {
				if wrong.message == "" || wrong.code == "" {
					t.Errorf("%s: %+v", name, wrong)
				}
				continue
			}
			before := fmt.Sprint(value)
			again, wrong := c.value(of, value)
			if wrong != nil || fmt.Sprint(again) != before {
				t.Errorf("%s: %s became %s, %v", name, before, again, wrong)
			}
		}
	})
}

// Without introspection, messages name nothing that the client didn't.
func TestVariablesWithoutNames(t *testing.T) {
	t.Parallel()
	h := echo(t, func(cfg *Config) { cfg.Introspection = false })
	if got, want := answerTo(t, h, "query($a: Mood) { mood(a: $a) }", `{"a":"calm"}`), `1:7 GRAPHQL_VALIDATION_FAILED $a must be a value of Mood, not "calm"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
