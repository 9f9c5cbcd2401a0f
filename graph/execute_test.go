package graph_test

import (
	"slices"
	"strings"
	"testing"

	"taskql/graph"
)

// Every root field of the schema has a generated method, or operations with it are left to gqlgen.
func TestRootFieldsAreTheSchemas(t *testing.T) {
	t.Parallel()
	schema := schemaOf(t)
	var want []string
	for _, root := range []string{"Query", "Mutation"} {
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
		t.Errorf("graph/node.go has\n%v, the schema\n%v", got, want)
	}
}
