package graph_test

import (
	"slices"
	"strings"
	"testing"

	"taskql/graph"
	"taskql/graph/generated"
)

// The fields that are executed without gqlgen's frame are all that the schema has.
func TestRootsAreTheSchemas(t *testing.T) {
	t.Parallel()
	schema := schemaOf(t)
	var want []string
	for _, f := range slices.Concat(schema.Query.Fields, schema.Mutation.Fields) {
		if strings.HasPrefix(f.Name, "__") {
			continue
		}
		typ := "Query"
		if schema.Mutation.Fields.ForName(f.Name) == f {
			typ = "Mutation"
		}
		want = append(want, typ+"."+f.Name)
	}
	got := generated.RootNames()
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("graph/generated/roots.go has\n%v, the schema\n%v", got, want)
	}
}

// What has to be loaded beside the rows is named: a field that is not would be loaded row by row.
func TestLoadedFieldsAreTheTables(t *testing.T) {
	t.Parallel()
	want, got := graph.LoadedByTables(), graph.LoadedFields()
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("graph/single.go names %v, the tables of columns %v", got, want)
	}
}
