package graph_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"taskql/graph"
)

// inheritsSize reports whether a list has as many elements as the page, or the bulk, that holds it.
func inheritsSize(parent *ast.Definition, field *ast.FieldDefinition) bool {
	return slices.Contains([]string{"ChangePage", "TaskListPatch"}, parent.Name) || (strings.HasSuffix(parent.Name, "Connection") && slices.Contains([]string{"edges", "nodes"}, field.Name)) ||
		(strings.HasPrefix(parent.Name, "Bulk") && field.Name == "results") || (parent.Name == "RecurrencePreview" && field.Name == "next")
}

// TestEveryListHasAPrice: a list that the price list doesn't know would cost as much as one element.
func TestEveryListHasAPrice(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("schema/*.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	connections, lists := 0, 0
	for _, parent := range loadSchema(t, files...).Types {
		if (parent.Kind != ast.Object && parent.Kind != ast.Interface) || strings.HasPrefix(parent.Name, "__") {
			continue
		}
		for _, field := range parent.Fields {
			if strings.HasPrefix(field.Name, "__") {
				continue
			}
			name, cost := parent.Name+"."+field.Name, graph.CostOf(parent, field)
			if strings.HasSuffix(field.Type.Name(), "Connection") {
				connections++
				if !slices.Contains(cost.Sizes, "first") || cost.Default != 50 || cost.Max != 100 {
					t.Errorf("%s is a connection and costs %+v", name, cost)
				}
			}
			if field.Type.Elem != nil && len(field.Type.Elem.NamedType) > 0 {
				lists++
				sized := len(cost.Sizes) > 0 || cost.Default > 0
				isText := field.Type.Name() == "String" // A path of a few words.
				if sized == (inheritsSize(parent, field) || isText) {
					t.Errorf("%s is a list and costs %+v", name, cost)
				}
			}
			for _, argument := range field.Arguments {
				if argument.Type.Elem != nil && argument.Name == "ids" && !slices.Contains(cost.Sizes, "ids") {
					t.Errorf("%s takes ids and costs %+v", name, cost)
				}
			}
			if parent.Name == "Mutation" && cost.Own < 10 {
				t.Errorf("%s writes and costs %+v", name, cost)
			}
			if slices.Contains([]string{"Recurrence.next", "Query.previewRecurrence"}, name) && cost.Own < 20 {
				t.Errorf("%s looks for days by a rule, which can take milliseconds, and costs %+v", name, cost)
			}
			if cost.Own < 0 {
				t.Errorf("%s costs less than nothing: %+v", name, cost)
			}
		}
	}
	if connections < 3 || lists < 10 {
		t.Errorf("found %d connections and %d lists", connections, lists)
	}
}
