package graph

import (
	"cmp"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"taskql/graph/generated"
	"taskql/graph/selection"
	"taskql/internal/live"
	"taskql/internal/viewer"
)

// Which failures end a subscription, and which pass.
func TestFailures(t *testing.T) {
	t.Parallel()
	response := func(data string) *graphql.Response { return &graphql.Response{Data: []byte(data)} }
	fail := func(code string, path ...ast.PathElement) gqlerror.List {
		err := coded(code, "no")
		err.Path = path
		return gqlerror.List{err}
	}
	below := []ast.PathElement{ast.PathName("changes"), ast.PathName("tasks")}
	for name, tt := range map[string]struct {
		at          any
		response    *graphql.Response
		errs        gqlerror.List
		end, faulty bool
	}{
		"no error":                     {start{}, response(`{"a":1}`), nil, false, false},
		"the workspace is gone":        {"x", response("null"), fail(CodeNotFound), true, false},
		"a bad token":                  {start{"x", true}, response("null"), fail(CodeBadUserInput), true, false},
		"an outage":                    {"x", response("null"), fail(CodeServiceUnavailable), false, true},
		"an outage at the start":       {start{}, response("null"), fail(CodeServiceUnavailable), false, true},
		"an outage below the field":    {"x", response(`{"a":1}`), fail(CodeServiceUnavailable, below...), false, true},
		"a bug at the start":           {start{}, response("null"), fail(CodeInternal), true, false},
		"a bug later":                  {"x", response("null"), fail(CodeInternal), false, true},
		"a bug below the field":        {"x", response(`{"a":1}`), fail(CodeInternal, below...), false, false},
		"a null at the root":           {start{}, response(`{"a":null}`), fail(CodeNotFound, below[0]), true, false},
		"a response that is too large": {"x", response("null"), fail(CodeResponseTooLarge), true, false},
		"a panic":                      {start{}, nil, fail(CodeInternal), true, false},
	} {
		got, failed := failure(tt.at, tt.response, append(tt.errs, tt.errs...), 1)
		var shown gqlerror.List
		if errors.As(got.End, &shown); tt.end && len(shown) != 1 {
			t.Errorf("%s: the client sees %v", name, got.End)
		}
		if (got.End != nil) != tt.end || (got.Fault != nil) != tt.faulty || failed != (tt.end || tt.faulty) {
			t.Errorf("%s: end %v, fault %v, failed %t", name, got.End, got.Fault, failed)
		}
	}
}

func TestAppendResponse(t *testing.T) {
	t.Parallel()
	if got, want := string(appendResponse([]byte(`{"a":1}`), nil, 2)), `{"data":{"a":1}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	errs := gqlerror.List{{Message: "one"}, {Message: "two", Extensions: map[string]any{"bad": func() {}}}, {Message: "one too many"}}
	if got, want := string(appendResponse([]byte("null"), errs, 2)), `{"errors":[{"message":"one"},{"message":"two"}],"data":null}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The key has what the results depend on, and nothing else, or subscriptions share too much or too little.
func TestKeys(t *testing.T) {
	t.Parallel()
	s := &schema{ExecutableSchema: generated.NewExecutableSchema(generated.Config{Schema: Schema(), Resolvers: &Resolver{}})}
	s.compiler = selection.NewCompiler(s.Schema(), nil, objectTypes()...)
	api := &API{schema: s}
	ann := viewer.Viewer{UserID: "ann", WorkspaceID: "w", Role: viewer.RoleAdmin, Location: time.UTC}
	bob := viewer.Viewer{UserID: "bob", WorkspaceID: "w", Role: viewer.RoleAdmin, Location: time.UTC}
	abroad := viewer.Viewer{UserID: "ann", WorkspaceID: "w", Role: viewer.RoleAdmin, Location: time.FixedZone("X", 3600)}
	elsewhere := viewer.Viewer{UserID: "ann", WorkspaceID: "v", Role: viewer.RoleAdmin, Location: time.UTC}
	type asked struct {
		v         viewer.Viewer
		document  string
		variables map[string]any
		workspace string
		session   *live.Session
	}
	one, two := live.NewSession(nil, live.Verdict{}), live.NewSession(nil, live.Verdict{})
	const tasks = `query($after: String, $first: Int) { tasks(after: $after, first: $first) { nodes { title } } }`
	const overdue = `query($after: String) { tasks(after: $after) { nodes { overdue } } }`
	for name, tt := range map[string]struct {
		a, b asked
		same bool
	}{
		"a viewer's two":     {asked{v: ann, document: tasks}, asked{v: ann, document: tasks}, true},
		"two viewers":        {asked{v: ann, document: tasks}, asked{v: bob, document: tasks}, false},
		"two positions":      {asked{v: ann, document: tasks, variables: map[string]any{"after": "x"}}, asked{v: ann, document: tasks, variables: map[string]any{"after": "y"}}, true},
		"without a position": {asked{v: ann, document: tasks, variables: map[string]any{"first": 1}}, asked{v: ann, document: tasks, variables: map[string]any{"first": 1, "after": "y"}}, true},
		"only a position":    {asked{v: ann, document: tasks}, asked{v: ann, document: tasks, variables: map[string]any{"after": "y"}}, true},
		"another variable":   {asked{v: ann, document: tasks, variables: map[string]any{"first": 1}}, asked{v: ann, document: tasks, variables: map[string]any{"first": 2}}, false},
		"another workspace":  {asked{v: ann, document: tasks}, asked{v: elsewhere, document: tasks}, false},
		"an organization's":  {asked{v: ann, document: tasks, workspace: "o"}, asked{v: ann, document: tasks, workspace: "o"}, true},
		"two sessions":       {asked{v: ann, document: tasks, session: one}, asked{v: ann, document: tasks, session: two}, true},
		"two sessions there": {asked{v: ann, document: tasks, workspace: "o", session: one}, asked{v: ann, document: tasks, workspace: "o", session: two}, false},
		"two members":        {asked{v: ann, document: tasks, workspace: "o"}, asked{v: bob, document: tasks, workspace: "o"}, false},
		"another document":   {asked{v: ann, document: tasks}, asked{v: ann, document: overdue}, false},
		"another zone":       {asked{v: ann, document: tasks}, asked{v: abroad, document: tasks}, true},
		"the viewer's zone":  {asked{v: ann, document: overdue}, asked{v: abroad, document: overdue}, false},
	} {
		key := func(q asked) any {
			doc, errs := gqlparser.LoadQueryWithRules(s.Schema(), q.document, rules.NewDefaultRules())
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			operation := &graphql.OperationContext{RawQuery: q.document, Doc: doc, Operation: doc.Operations[0], Variables: q.variables}
			field, _ := doc.Operations[0].SelectionSet[0].(*ast.Field)
			key, err := keyOf(q.v, q.session, cmp.Or(q.workspace, q.v.WorkspaceID), operation, withoutPosition(operation.Variables, field.Arguments.ForName("after")))
			if err != nil {
				t.Fatal(err)
			}
			s := &subscription{ctx: viewer.NewContext(t.Context(), q.v), key: key, clock: api.Validator(operation).clock}
			return s.Key()
		}
		if same := key(tt.a) == key(tt.b); same != tt.same {
			t.Errorf("%s: same key %t, want %t", name, same, tt.same)
		}
	}
}

// A resolver of a subscription needs the context that Run makes.
func TestOneResultOutsideOfASubscription(t *testing.T) {
	t.Parallel()
	for _, ctx := range []context.Context{t.Context(), (&rootField{Context: t.Context()}).begin(viewer.NewContext(t.Context(), viewer.Viewer{UserID: "ann"}))} {
		stream, err := oneResult(ctx, func(*rootField, *turn) (int, error) { return 1, nil })
		if err == nil || stream != nil {
			t.Errorf("got %v, %v", stream, err)
		}
	}
}
