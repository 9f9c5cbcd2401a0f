package graph_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"
	"golang.org/x/tools/txtar"
)

// TestGoldenCoversTheSchema: every field, argument and input field is in a golden request, which shows what it does.
func TestGoldenCoversTheSchema(t *testing.T) {
	t.Parallel()
	schema := schemaOf(t)
	used := usage{schema: schema, names: map[string]bool{}}
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		variables := map[string]json.RawMessage{}
		for _, part := range archive.Files {
			if name, ok := strings.CutSuffix(part.Name, ": variables"); ok {
				variables[name] = part.Data
			}
		}
		for _, part := range archive.Files {
			name, user, _ := strings.Cut(part.Name, ": ")
			if user == "variables" || user == "answer" {
				continue
			}
			document, errs := gqlparser.LoadQueryWithRules(schema, string(part.Data), rules.NewDefaultRules())
			if errs != nil {
				continue // It is there to be refused.
			}
			used.document(document, variables[name])
		}
	}
	for _, definition := range schema.Types {
		if definition.BuiltIn || definition.Kind != ast.Object && definition.Kind != ast.InputObject {
			continue
		}
		if definition == schema.Subscription {
			continue // Subscriptions have more than one answer: their tests are in Go.
		}
		for _, field := range definition.Fields {
			if strings.HasPrefix(field.Name, "__") {
				continue
			}
			used.check(t, definition.Name+"."+field.Name)
			for _, argument := range field.Arguments {
				used.check(t, definition.Name+"."+field.Name+"("+argument.Name+":)")
			}
		}
	}
}

// usage is what documents use of a schema: Type.field, Type.field(argument:) and Input.field.
type usage struct {
	schema *ast.Schema
	names  map[string]bool
}

// notGolden are fields whose values differ from run to run.
var notGolden = []string{"User.createdAt"} //nolint:gochecknoglobals // A table.

func (u *usage) check(t *testing.T, name string) {
	t.Helper()
	if !u.names[name] && !slices.Contains(notGolden, name) {
		t.Errorf("%s is in no golden request: add one to graph/testdata that shows what it does", name)
	}
}

func (u *usage) document(document *ast.QueryDocument, variables json.RawMessage) {
	var values map[string]any
	if len(variables) > 0 {
		if err := json.Unmarshal(variables, &values); err != nil {
			return // It is there to be refused.
		}
	}
	for _, operation := range document.Operations {
		for _, variable := range operation.VariableDefinitions {
			u.value(variable.Type, values[variable.Variable])
		}
		u.selections(operation.SelectionSet)
	}
	for _, fragment := range document.Fragments {
		u.selections(fragment.SelectionSet)
	}
}

func (u *usage) selections(set ast.SelectionSet) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			name := s.ObjectDefinition.Name + "." + s.Name
			u.names[name] = true
			for _, argument := range s.Arguments {
				u.names[name+"("+argument.Name+":)"] = true
				u.literal(argument.Value)
			}
			u.selections(s.SelectionSet)
		case *ast.InlineFragment:
			u.selections(s.SelectionSet)
		}
	}
}

func (u *usage) literal(value *ast.Value) {
	for _, child := range value.Children {
		if value.Kind == ast.ObjectValue {
			u.names[value.Definition.Name+"."+child.Name] = true
		}
		u.literal(child.Value)
	}
}

// value notes the fields of a variable's value.
func (u *usage) value(of *ast.Type, value any) {
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			u.value(of.Elem, element)
		}
	case map[string]any:
		definition := u.schema.Types[of.Name()]
		for name, member := range v {
			if field := definition.Fields.ForName(name); field != nil {
				u.names[definition.Name+"."+name] = true
				u.value(field.Type, member)
			}
		}
	}
}
