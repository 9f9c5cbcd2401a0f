package graph_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// The schema keeps every name, argument, default and nullability of the contract.
func TestContract(t *testing.T) {
	t.Parallel()
	contract := loadSchema(t, "testdata/contract.graphqls")
	schema := loadSchema(t, schemaFiles(t)...)
	for name, want := range contract.Types {
		if want.BuiltIn {
			continue
		}
		got := schema.Types[name]
		if got == nil {
			t.Errorf("%s %s is missing", want.Kind, name)
			continue
		}
		compareTypes(t, want, got)
	}
}

func schemaFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("schema/*.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func loadSchema(t *testing.T, files ...string) *ast.Schema {
	t.Helper()
	var sources []*ast.Source
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, &ast.Source{Name: file, Input: string(text)})
	}
	schema, err := gqlparser.LoadSchema(sources...)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func compareTypes(t *testing.T, want, got *ast.Definition) {
	t.Helper()
	if got.Kind != want.Kind {
		t.Errorf("%s is %s, not %s", want.Name, got.Kind, want.Kind)
	}
	for _, i := range want.Interfaces {
		if !slices.Contains(got.Interfaces, i) {
			t.Errorf("%s does not implement %s", want.Name, i)
		}
	}
	for _, v := range want.EnumValues {
		if got.EnumValues.ForName(v.Name) == nil {
			t.Errorf("%s.%s is missing", want.Name, v.Name)
		}
	}
	for _, d := range want.Directives {
		if got.Directives.ForName(d.Name) == nil {
			t.Errorf("%s is not @%s", want.Name, d.Name)
		}
	}
	for _, f := range want.Fields {
		if f.Name == "__schema" || f.Name == "__type" {
			continue
		}
		compareFields(t, want.Name+"."+f.Name, f, got.Fields.ForName(f.Name))
	}
	// An input that must be given breaks the clients that don't know it.
	for _, f := range got.Fields {
		if got.Kind == ast.InputObject && want.Fields.ForName(f.Name) == nil && f.Type.NonNull && f.DefaultValue == nil {
			t.Errorf("%s.%s is required and not in the contract", want.Name, f.Name)
		}
	}
}

func compareFields(t *testing.T, path string, want, got *ast.FieldDefinition) {
	t.Helper()
	if got == nil {
		t.Errorf("%s is missing", path)
		return
	}
	if got.Type.String() != want.Type.String() {
		t.Errorf("%s is %s, not %s", path, got.Type, want.Type)
	}
	compareDefaults(t, path, want.DefaultValue, got.DefaultValue)
	for _, a := range want.Arguments {
		other := got.Arguments.ForName(a.Name)
		if other == nil || other.Type.String() != a.Type.String() {
			t.Errorf("%s(%s: %s) is missing or of another type", path, a.Name, a.Type)
			continue
		}
		compareDefaults(t, path+"("+a.Name+")", a.DefaultValue, other.DefaultValue)
	}
	for _, a := range got.Arguments {
		if want.Arguments.ForName(a.Name) == nil && a.Type.NonNull && a.DefaultValue == nil {
			t.Errorf("%s(%s) is required and not in the contract", path, a.Name)
		}
	}
}

func compareDefaults(t *testing.T, path string, want, got *ast.Value) {
	t.Helper()
	if (want == nil) != (got == nil) || want != nil && want.String() != got.String() {
		t.Errorf("%s has the default %v, not %v", path, got, want)
	}
}
