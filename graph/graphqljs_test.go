package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"taskql/graph"
	"taskql/graph/scalar"
	"taskql/internal/graphqlhttp"
	"taskql/internal/testkit"
	"taskql/internal/timezone"
)

var (
	compared     = flag.Int("graphqljs.cases", 6000, "how many requests are compared with graphql-js") //nolint:gochecknoglobals // A flag.
	comparedSeed = flag.Uint64("graphqljs.seed", 1, "the seed of these requests; 0: a new one")        //nolint:gochecknoglobals // A flag.
)

// TestGraphQLJS: what graphql-js refuses as a document or as variables of this schema is refused, and nothing else, except
// for the differences in deliberate. What is accepted has the same variables and arguments. Nearly a third of the requests are valid
// as they are, the others were changed at random.
func TestGraphQLJS(t *testing.T) {
	t.Parallel()
	seed := *comparedSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	schema := graph.Schema()
	requests := make([]testkit.GraphQLRequest, *compared)
	for i := range requests {
		requests[i] = randomRequest(rand.New(rand.NewPCG(seed, uint64(i))), schema, i%3)
	}
	var sdl bytes.Buffer
	if err := graph.WriteSDL(&sdl); err != nil {
		t.Fatal(err)
	}
	theirs := testkit.RunGraphQLJS(t, sdl.String(), timezone.Names(), requests)
	h := withoutResolvers(t, schema)
	counts := map[string]int{}
	for i, request := range requests {
		ours := verdictOn(t, h, request)
		counts[map[bool]string{true: "accepted", false: "refused"}[ours.Error == ""]]++
		if (ours.Error == "") == (theirs[i].Error == "") && sameJSON(t, ours.Values, theirs[i].Values) {
			continue
		}
		if why := deliberate(request, ours.Error, theirs[i].Error); why != "" {
			counts[why]++
			continue
		}
		counts["different"]++
		if counts["different"] <= 10 {
			t.Errorf("seed %d, request %d:\n%s\n%s\nhere       %s %s\ngraphql-js %s %s", seed, i, request.Query, request.Variables,
				ours.Error, ours.Values, theirs[i].Error, theirs[i].Values)
		}
	}
	t.Logf("seed %d: %v", seed, counts)
	if counts["accepted"] < *compared/4 || counts["refused"] < *compared/4 {
		t.Error("too few are accepted or refused for the comparison to mean anything")
	}
}

var (
	describedVariable = regexp.MustCompile(`"[\s,]*\$\w+\s*:`) // with a description
	longNumber        = regexp.MustCompile(`[:\[,]-?\d{17}`)
)

// deliberate says why a request is judged otherwise than by graphql-js, "" if it should not be.
func deliberate(request testkit.GraphQLRequest, ours, theirs string) string {
	switch {
	case ours == "" && theirs == "" && longNumber.Match(request.Variables):
		return "JavaScript rounds whole numbers above 2^53: an ID keeps its digits here"
	case theirs == "" && strings.HasSuffix(ours, "must be a string or a whole number") && bytes.Contains(request.Variables, []byte("1e30")):
		return "an ID has the digits of its number, and 1e30 has none that all programs agree on: graphql-js makes 1e+30 of it"
	case theirs == "" && strings.Contains(ours, "half a surrogate pair") && bytes.Contains(request.Variables, []byte(`\ud83d"`)):
		return "half a surrogate pair in JSON is a string of JavaScript, and no text"
	case theirs == "" && strings.Contains(ours, `"\u0001"`) && strings.Contains(request.Query, "\x01"):
		return "the specification of October 2021 has no control characters in documents, a later one has"
	case ours == "" && describedVariable.MatchString(request.Query) && (strings.Contains(theirs, "cannot represent") || strings.HasPrefix(theirs, "Expected value of type")):
		return "graphql-js 16 takes a variable's description for a value of its type"
	case ours == "" && strings.Contains(theirs, "Invalid number, expected digit but got"):
		return "gqlparser takes a name that follows a number without a space, as older specifications do"
	case theirs == "" && strings.Contains(ours, "must be non-nullable to be used for OneOf Input Object"):
		return "graphql-js takes nullable variables with a default in inputs of exactly one field"
	default:
		return ""
	}
}

// withoutResolvers serves a schema without limits, and answers operations with their values.
func withoutResolvers(t *testing.T, schema *ast.Schema) http.Handler {
	t.Helper()
	const many = 1 << 20
	h, err := graphqlhttp.New(graphqlhttp.Config{
		Schema: &graphql.ExecutableSchemaMock{
			SchemaFunc: func() *ast.Schema { return schema },
			ExecFunc: func(ctx context.Context) graphql.ResponseHandler {
				data, err := json.Marshal(valuesOf(schema, graphql.GetOperationContext(ctx)))
				if err != nil {
					panic(err)
				}
				return graphql.OneShot(&graphql.Response{Data: data})
			},
		},
		PresentError: func(_ context.Context, err error) *gqlerror.Error { return gqlerror.WrapPath(nil, err) },
		Recover:      func(_ context.Context, p any) error { return fmt.Errorf("panic: %v", p) },
		Scalars:      scalar.Checks(), Introspection: true, MaxBodyBytes: many,
		Limits: graphqlhttp.Limits{Tokens: many, Depth: many, Aliases: many, RootFields: many, Directives: many, DirectivesPerPlace: many, Cost: many, InputDepth: 150},
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// valuesOf returns the values that an operation is executed with, as testkit.GraphQLResult has them.
func valuesOf(schema *ast.Schema, op *graphql.OperationContext) any {
	variables, arguments, seen := map[string]any{}, []any{}, map[string]bool{}
	for _, variable := range op.Operation.VariableDefinitions {
		if value, ok := op.Variables[variable.Variable]; ok {
			variables[variable.Variable] = asJavaScript(schema, variable.Type, value)
		}
	}
	var walk func(ast.SelectionSet)
	walk = func(set ast.SelectionSet) {
		for _, selection := range set {
			switch s := selection.(type) {
			case *ast.Field:
				if len(s.Definition.Arguments) > 0 {
					values := s.ArgumentMap(op.Variables)
					for name, value := range values {
						values[name] = asJavaScript(schema, s.Definition.Arguments.ForName(name).Type, value)
					}
					arguments = append(arguments, values)
				}
				walk(s.SelectionSet)
			case *ast.InlineFragment:
				walk(s.SelectionSet)
			case *ast.FragmentSpread:
				if !seen[s.Name] {
					seen[s.Name] = true
					walk(s.Definition.SelectionSet)
				}
			}
		}
	}
	walk(op.Operation.SelectionSet)
	return map[string]any{"variables": variables, "arguments": arguments}
}

// asJavaScript is a value as graphql-js has it. It does what the generated code does when an argument is used: scalars are
// read, single values become lists, and objects get their defaults.
func asJavaScript(schema *ast.Schema, t *ast.Type, value any) any {
	if value == nil {
		return nil
	}
	if t.Elem != nil {
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		out := make([]any, len(list))
		for i, element := range list {
			out[i] = asJavaScript(schema, t.Elem, element)
		}
		return out
	}
	if definition := schema.Types[t.NamedType]; definition.Kind == ast.InputObject {
		object, _ := value.(map[string]any)
		out := map[string]any{}
		for _, field := range definition.Fields {
			value, ok := object[field.Name]
			if !ok && field.DefaultValue != nil {
				standard, err := field.DefaultValue.Value(nil)
				if err != nil {
					panic(err)
				}
				value, ok = standard, true
			}
			if ok {
				out[field.Name] = asJavaScript(schema, field.Type, value)
			}
		}
		return out
	}
	var err error
	switch t.NamedType {
	case "ID":
		value, err = scalar.UnmarshalID(value)
	case "Int":
		value, err = scalar.UnmarshalInt(value)
	}
	if err != nil {
		panic(err)
	}
	return value
}

// sameJSON reports whether two texts of JSON are of the same value, or both missing.
func sameJSON(t *testing.T, a, b json.RawMessage) bool {
	t.Helper()
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	var values [2]any
	for i, text := range [][]byte{a, b} {
		if err := json.Unmarshal(text, &values[i]); err != nil {
			t.Fatal(err)
		}
	}
	return reflect.DeepEqual(values[0], values[1])
}

// verdictOn sends a request.
func verdictOn(t *testing.T, h http.Handler, request testkit.GraphQLRequest) testkit.GraphQLResult {
	t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var answer struct {
		Errors []struct{ Message string }
		Data   json.RawMessage
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if len(answer.Errors) > 0 {
		return testkit.GraphQLResult{Error: answer.Errors[0].Message}
	}
	return testkit.GraphQLResult{Values: answer.Data}
}

// randomRequest makes a request that is valid, and changes its document if change is 1, its variables if it is 2.
func randomRequest(r *rand.Rand, schema *ast.Schema, change int) testkit.GraphQLRequest {
	g := &requests{Rand: r, schema: schema, variables: map[string]any{}, budget: 25}
	document := g.document()
	switch {
	case change == 1:
		document = g.mutate(document)
	case change == 2 && len(g.variables) > 0:
		g.variables = g.mutateObject(g.variables)
	}
	variables, err := json.Marshal(g.variables)
	if err != nil {
		panic(err)
	}
	return testkit.GraphQLRequest{Query: document, Variables: variables}
}

// requests makes random requests from a schema.
type requests struct {
	*rand.Rand

	schema    *ast.Schema
	declared  []string
	variables map[string]any
	fragments []string
	types     []string // of the fragments
	aliases   int
	budget    int
}

func (g *requests) oneIn(n int) bool { return g.IntN(n) == 0 }

func (g *requests) pick(of ...string) string { return of[g.IntN(len(of))] }

// document makes a valid document of one operation.
func (g *requests) document() string {
	root, kind := g.schema.Query, "query"
	if g.oneIn(3) {
		root, kind = g.schema.Mutation, "mutation"
	}
	set := g.set(root, 3)
	head := kind + g.pick("", " Q")
	if len(g.declared) > 0 {
		head += "(" + strings.Join(g.declared, g.pick(", ", " ")) + ")"
	}
	if head == "query" && g.oneIn(2) {
		head = ""
	}
	parts := append([]string{head + set}, g.fragments...)
	g.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return strings.Join(parts, g.pick("\n", " ", " # a comment\n"))
}

// set makes a selection set of a type.
func (g *requests) set(on *ast.Definition, depth int) string {
	var parts []string
	for range 1 + g.IntN(3) {
		g.budget--
		switch n := g.IntN(12); {
		case n == 0:
			parts = append(parts, "__typename"+g.directives())
		case n == 1 && depth > 0:
			parts = append(parts, "..."+g.directives()+g.set(on, depth-1))
		case n == 2 && depth > 0:
			under := g.related(on)
			parts = append(parts, "... on "+under.Name+g.directives()+g.set(under, depth-1))
		case n == 3 && depth > 0:
			parts = append(parts, "..."+g.fragment(on, depth-1)+g.directives())
		default:
			parts = append(parts, g.field(on, depth))
		}
	}
	return " { " + strings.Join(parts, g.pick(" ", ", ", "\n")) + " }"
}

// fragment returns the name of a fragment on the type, or on one related to it.
func (g *requests) fragment(on *ast.Definition, depth int) string {
	for i, name := range g.types {
		if name == on.Name && g.oneIn(2) {
			return fmt.Sprintf("F%d", i)
		}
	}
	under := g.related(on)
	set := g.set(under, depth) // Before the name is known: no fragment spreads itself.
	name := fmt.Sprintf("F%d", len(g.fragments))
	g.fragments = append(g.fragments, "fragment "+name+" on "+under.Name+set)
	g.types = append(g.types, under.Name)
	return name
}

// related is a type that a fragment inside of the type may be on.
func (g *requests) related(to *ast.Definition) *ast.Definition {
	others := append(slices.Clone(g.schema.GetImplements(to)), g.schema.GetPossibleTypes(to)...)
	if len(others) == 0 || g.oneIn(3) {
		return to
	}
	return others[g.IntN(len(others))]
}

// field makes a field of a type, with a name in the answer that no other has, as a rule.
func (g *requests) field(on *ast.Definition, depth int) string {
	var choice ast.FieldList
	for _, f := range on.Fields {
		composite := g.schema.Types[f.Type.Name()].IsCompositeType()
		if (on != g.schema.Query || !strings.HasPrefix(f.Name, "__") || g.oneIn(4)) && (!composite || depth > 0 && g.budget > 0) {
			choice = append(choice, f)
		}
	}
	if len(choice) == 0 {
		return "__typename"
	}
	f := choice[g.IntN(len(choice))]
	text := f.Name
	if len(f.Arguments) > 0 || g.oneIn(4) {
		g.aliases++
		alias := g.aliases
		if g.oneIn(30) { // One that may be there already, of something else.
			alias = 1 + g.IntN(g.aliases)
		}
		text = fmt.Sprintf("a%d: %s", alias, f.Name)
	}
	var arguments []string
	for _, a := range f.Arguments {
		if a.Type.NonNull && a.DefaultValue == nil || g.oneIn(3) {
			arguments = append(arguments, a.Name+": "+g.literal(a.Type, a.DefaultValue != nil, 3))
		}
	}
	if len(arguments) > 0 {
		g.Shuffle(len(arguments), func(i, j int) { arguments[i], arguments[j] = arguments[j], arguments[i] })
		text += "(" + strings.Join(arguments, ", ") + ")"
	}
	text += g.directives()
	if under := g.schema.Types[f.Type.Name()]; under.IsCompositeType() {
		text += g.set(under, depth-1)
	}
	return text
}

func (g *requests) directives() string {
	text := ""
	for _, name := range []string{"skip", "include"} {
		if g.oneIn(12) {
			text += " @" + name + "(if: " + g.literal(ast.NonNullNamedType("Boolean", nil), false, 0) + ")"
		}
	}
	return text
}

// literal makes a value of a type for a document, with variables.
func (g *requests) literal(t *ast.Type, hasDefault bool, depth int) string {
	switch {
	case g.oneIn(4):
		return g.variable(t, hasDefault)
	case !t.NonNull && g.oneIn(8):
		return "null"
	}
	return g.plainLiteral(t, depth, func(t *ast.Type, hasDefault bool) string { return g.literal(t, hasDefault, depth-1) })
}

// constant makes a value of a type without variables.
func (g *requests) constant(t *ast.Type, depth int) string {
	if !t.NonNull && g.oneIn(8) {
		return "null"
	}
	return g.plainLiteral(t, depth, func(t *ast.Type, _ bool) string { return g.constant(t, depth-1) })
}

// plainLiteral makes a value that is not null, with parts of another function.
func (g *requests) plainLiteral(t *ast.Type, depth int, part func(*ast.Type, bool) string) string {
	if t.Elem != nil {
		if g.oneIn(5) { // One value for a list of it. It must not be a variable, or null for the list.
			of := *t.Elem
			of.NonNull = true
			return g.plainLiteral(&of, depth, part)
		}
		var elements []string
		for range g.IntN(3) {
			elements = append(elements, part(t.Elem, false))
		}
		return "[" + strings.Join(elements, g.pick(", ", " ")) + "]"
	}
	definition := g.schema.Types[t.NamedType]
	if definition.Kind != ast.InputObject {
		return g.scalarLiteral(definition)
	}
	var fields []string
	for _, f := range g.inputFields(definition, depth) {
		of := *f.Type
		of.NonNull = of.NonNull || definition.Directives.ForName("oneOf") != nil
		fields = append(fields, f.Name+": "+part(&of, f.DefaultValue != nil))
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

// inputFields chooses the fields that a value of an input type has.
func (g *requests) inputFields(definition *ast.Definition, depth int) ast.FieldList {
	if definition.Directives.ForName("oneOf") != nil {
		return ast.FieldList{definition.Fields[g.IntN(len(definition.Fields))]}
	}
	var chosen ast.FieldList
	for _, f := range definition.Fields {
		if f.Type.NonNull && f.DefaultValue == nil || depth > 0 && g.oneIn(3) {
			chosen = append(chosen, f)
		}
	}
	return chosen
}

// texts are values of scalars as JSON strings. GraphQL writes these in the same way.
var texts = map[string][]string{ //nolint:gochecknoglobals // A table.
	"String":   {`"x"`, `""`, `"two words"`, `"é\n\ud83d\ude00"`, `"\u0041\"\\"`},
	"ID":       {`"0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c5d"`, `"x"`, `7`, `""`, `-12345678901234567890`},
	"Int":      {`0`, `1`, `-7`, `100`, `2147483647`, `-2147483648`},
	"Boolean":  {`true`, `false`},
	"DateTime": {`"2026-11-23T07:00:00Z"`, `"2026-11-23t12:00:00.123456789+05:00"`, `"0001-01-01T00:00:00z"`},
	"Date":     {`"2026-11-23"`, `"2028-02-29"`},
	"TimeZone": {`"Asia/Karachi"`, `"utc"`, `"EUROPE/berlin"`},
	"Color":    {`"#16a34a"`, `"#FFFFFF"`},

	"LocalTime": {`"09:00"`, `"23:59"`},
	"SyncToken": {`"AQ"`, `""`},
	"ListState": {`"AQ"`, `""`},
}

// scalarLiteral makes a value of a scalar or an enum.
func (g *requests) scalarLiteral(definition *ast.Definition) string {
	if definition.Kind == ast.Enum {
		return definition.EnumValues[g.IntN(len(definition.EnumValues))].Name
	}
	text := g.pick(texts[definition.Name]...)
	if definition.Name == "String" && g.oneIn(4) {
		return `"""` + g.pick("", "x", " x\n  y ", `\"""`, `"x`, "x\n    y\n      z\n  ", "\r\n\t x\r\t y\n\n", " \n \t", "x\n \n    y") + `"""`
	}
	return text
}

// variable declares a variable for a place of a type.
func (g *requests) variable(place *ast.Type, hasDefault bool) string {
	for i, declaration := range g.declared { // Sometimes one that is there already.
		if strings.HasSuffix(declaration, ": "+place.String()) && g.oneIn(2) {
			return fmt.Sprintf("$v%d", i)
		}
	}
	name, of := fmt.Sprintf("v%d", len(g.declared)), *place
	declaration := ""
	switch {
	case of.NonNull && (hasDefault || g.oneIn(3)):
		of.NonNull = false
		if !hasDefault {
			constant := *place
			declaration = " = " + g.constant(&constant, 2)
		}
	case !of.NonNull && g.oneIn(3):
		of.NonNull = true
	}
	if declaration == "" && g.oneIn(4) {
		declaration = " = " + g.constant(&of, 2)
	}
	g.declared = append(g.declared, "$"+name+": "+of.String()+declaration)
	switch {
	case (!of.NonNull || declaration != "") && g.oneIn(3): // absent
	case !of.NonNull && !place.NonNull && g.oneIn(5):
		g.variables[name] = nil
	default:
		of.NonNull = true
		g.variables[name] = g.json(&of, 3)
	}
	return "$" + name
}

// json makes a value of a type as JSON.
func (g *requests) json(t *ast.Type, depth int) any {
	if !t.NonNull && g.oneIn(6) {
		return nil
	}
	if t.Elem != nil {
		if g.oneIn(5) {
			of := *t.Elem
			of.NonNull = true
			return g.json(&of, depth)
		}
		list := []any{}
		for range g.IntN(3) {
			list = append(list, g.json(t.Elem, depth))
		}
		return list
	}
	definition := g.schema.Types[t.NamedType]
	switch definition.Kind {
	case ast.Enum:
		return g.scalarLiteral(definition)
	case ast.InputObject:
		object := map[string]any{}
		for _, f := range g.inputFields(definition, depth) {
			of := *f.Type
			of.NonNull = of.NonNull || definition.Directives.ForName("oneOf") != nil
			object[f.Name] = g.json(&of, depth-1)
		}
		return object
	default:
		if definition.Name == "Int" && g.oneIn(4) {
			return json.RawMessage(g.pick("1.0", "1e2", "-0", "20E-1"))
		}
		text := g.pick(texts[definition.Name]...)
		if longNumber.MatchString(":"+text) && !g.oneIn(30) {
			text = "7"
		}
		return json.RawMessage(text)
	}
}

var tokens = regexp.MustCompile(`"""(?s:.*?)"""|"(?:[^"\\\n]|\\.)*"|#[^\n]*|\.\.\.|[A-Za-z_]\w*|-?\d[\w.+-]*|\s+|.`)

// mutate changes a document's tokens.
func (g *requests) mutate(document string) string {
	parts := tokens.FindAllString(document, -1)
	var words []int // what isn't space
	for i, part := range parts {
		if strings.TrimSpace(part) != "" {
			words = append(words, i)
		}
	}
	for range 1 + g.IntN(3) {
		at, other := words[g.IntN(len(words))], words[g.IntN(len(words))]
		switch g.IntN(8) {
		case 0:
			parts[at] = ""
		case 1:
			parts[at] += " " + parts[at]
		case 2:
			parts[at], parts[other] = parts[other], parts[at]
		case 3:
			parts[at] = parts[other]
		case 4:
			parts[at] += " " + g.token()
		default: // something of its kind
			parts[at] = g.like(parts[at])
		}
	}
	return strings.Join(parts, "")
}

// like returns a token of the same kind as another, or nearly.
func (g *requests) like(token string) string {
	if token == "" { // deleted before
		return g.token()
	}
	switch c := token[0]; {
	case c == '"' || c == '-' || '0' <= c && c <= '9' || token == "true" || token == "false" || token == "null":
		return g.value()
	case g.oneIn(6):
		return strings.ToLower(token)
	case c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z':
		return g.name()
	default:
		return g.token()
	}
}

// token returns any token.
func (g *requests) token() string {
	switch g.IntN(4) {
	case 0:
		return g.value()
	case 1:
		return g.name()
	default:
		return g.pick("{", "}", "(", ")", "[", "]", ":", "=", "!", "$", "@", "|", "&", "...", "$v0", "$v1", "$v", "@skip(if: true)", "@include(if: $v0)", "@defer", "@oneOf",
			"@deprecated", "(x: 1)", "(if: true)", "{ id }", "{ }", "[]", ", ,", "#", "...F0", "... on Task { id }", ": Int", ": [ID!]", "= 1", "= null", "= $v0",
			"fragment F9 on Task { id }", "query X { viewer { id } }", "subscription { a }", "fragment F8($x: Int) on Task { id }", `"a description"`, "\uFEFF", "é", ";", "'")
	}
}

// value returns any value.
func (g *requests) value() string {
	return g.pick("1", "0", "-1", "1.5", "1.0", "1e3", "01", "-", "1.", ".5", "1a", "2147483648", "-2147483649", "12345678901234567890", "1e400", "0x1", "true", "false", "null",
		"NONE", "high", "HIGH", "ASC", "asc", "$v0", "$v1", "[]", "{}", "[null]", "[$v0]", "{id: $v0}", `"x"`, `""`, `"2026-11-23"`, `"2026-11-23T07:00:00Z"`, `"2026-11-23T7:00:00Z"`,
		`"2026-02-30T07:00:00+24:00"`, `"Asia//Karachi"`, `"localtime"`, `"#16a34"`, `"HIGH"`, `"""x"""`, `"""x""""`, `"""`, `"`, `"\q"`, `"\u00e9"`, `"\ud83d\ude00"`, `"\ud83d"`,
		`"\u{1F600}"`, `"\u{d83d}"`, `"\u{110000}"`, `"\u{}"`, `"\u12"`, "\"a\tb\"", "\"a\nb\"", "\"a\x01b\"", `{date: "2026-11-23"}`, `{date: "2026-11-23", at: null}`, `{title: "x"}`)
}

// name returns a name that the schema has, as a rule.
func (g *requests) name() string {
	if g.oneIn(4) {
		return g.pick("on", "fragment", "query", "mutation", "subscription", "type", "true", "null", "__typename", "__schema", "__type", "nope", "F0", "F1", "v0", "Q", "skip", "if", "Int", "String", "Float", "extend")
	}
	var names []string
	for name, definition := range g.schema.Types {
		names = append(names, name)
		for _, f := range definition.Fields {
			names = append(names, f.Name)
			for _, a := range f.Arguments {
				names = append(names, a.Name)
			}
		}
		for _, v := range definition.EnumValues {
			names = append(names, v.Name)
		}
	}
	slices.Sort(names) // The schema's types have no order.
	return names[g.IntN(len(names))]
}

// mutateObject changes one thing in an object of JSON.
func (g *requests) mutateObject(object map[string]any) map[string]any {
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) == 0 || g.oneIn(8) {
		object[g.name()] = g.otherJSON(nil)
		return object
	}
	name := names[g.IntN(len(names))]
	if g.oneIn(8) {
		delete(object, name)
		return object
	}
	object[name] = g.mutateJSON(object[name])
	return object
}

// mutateJSON changes one thing in a value of JSON.
func (g *requests) mutateJSON(value any) any {
	switch value := value.(type) {
	case map[string]any:
		if !g.oneIn(4) {
			return g.mutateObject(value)
		}
	case []any:
		if len(value) > 0 && !g.oneIn(4) {
			i := g.IntN(len(value))
			value[i] = g.mutateJSON(value[i])
			return value
		}
	}
	return g.otherJSON(value)
}

// otherJSON returns another value than the one given.
func (g *requests) otherJSON(value any) any {
	switch g.IntN(6) {
	case 0:
		return nil
	case 1:
		return []any{value}
	case 2:
		if name, ok := value.(string); ok {
			return strings.ToLower(name)
		}
		return map[string]any{"date": value}
	default:
		return json.RawMessage(g.pick("1", "1.0", "1.5", "-1", "1e2", "2147483648", "1e30", "1000000000000000000000000000000", "true", `"true"`, `"1"`, `"x"`, `""`, "[]", "{}", "[null]", "[[]]",
			`"HIGH"`, `"high"`, `"2026-11-23"`, `"2026-11-23T07:00:00Z"`, `"2026-11-23 07:00:00Z"`, `"2026-11-23T07:00:00+24:00"`, `"Asia//Karachi"`, `"utc"`, `"#16a34a"`, `"#+1+1+1"`,
			`{"date":"2026-11-23","at":null}`, `{"at":{"at":"2026-11-23T07:00:00Z"}}`, `{"__typename":"DueInput","date":"2026-11-23"}`, `{"field":"TITLE","direction":null}`, `"trip \ud83d"`))
	}
}
