package graph

import (
	"strings"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2/ast"

	"taskql/internal/account"
	"taskql/internal/task"
)

// Cost is what a field of the schema costs, where one that reads a column costs 1. What is selected below a field is
// paid for as often as the field has elements.
type Cost struct {
	// Own is what the field costs, once. 0 is 1.
	Own int
	// Each is what each element costs, beside what is selected on it.
	Each int
	// Sizes are the arguments that say how many elements there are, as paths such as first and input.ids.
	Sizes []string
	// Default is how many elements there are where no argument says it. With neither, a list takes the size of the
	// field that holds it, as edges do.
	Default int
	// Max is the largest size that the field takes.
	Max int
	// Inputs are the prices of what may stand in the arguments, by name.
	Inputs map[string]int
}

const (
	// defaultPage and maxPage are the sizes of a page of any connection.
	defaultPage = 50
	maxPage     = 100
	// countCost is what counting a list costs, which reads all of it.
	countCost = 20
	// groupedCost is what a count costs that one statement finds for all elements of a page.
	groupedCost = 3
	// facetCost is what each facet costs, which counts the list under a further condition.
	facetCost = 10
	// textUnit is how many bytes of text cost 1. No short text costs more than any other field.
	textUnit = 10_000
	// writeCost is what a mutation costs, and bulkCost what each of its tasks does.
	writeCost = 10
	bulkCost  = 5
)

// listSizes are how long the lists typically are whose length no argument bounds.
var listSizes = map[string]int{ //nolint:gochecknoglobals // A constant, if Go had constant maps.
	"Task.tags":             3,
	"TaskFacets.byPriority": 5,
	"TaskFacets.byTag":      20,
}

// longTexts are how many bytes the fields hold that may hold more than a textUnit: an alias more is as much text more.
var longTexts = map[string]int{ //nolint:gochecknoglobals // A constant, if Go had constant maps.
	"Task.description": utf8.UTFMax * task.MaxDescription,
	"User.image":       account.MaxImage,
}

// CostOf is the API's price list. It knows the schema by its shapes, so that a new connection, mutation or facet has
// its price when it is written; a list that has none is found by a test.
func CostOf(parent *ast.Definition, field *ast.FieldDefinition) Cost {
	switch {
	case isConnection(field):
		return Cost{Sizes: []string{"first", "last"}, Default: defaultPage, Max: maxPage, Inputs: filterCosts}
	case isListOf(field.Arguments.ForName("ids")): // nodes
		return Cost{Sizes: []string{"ids"}, Default: maxNodes, Max: maxNodes}
	case parent.Name == "Mutation" && field.Arguments.ForName("input") != nil:
		return ofMutation(field)
	case parent.Name == "TaskFacets":
		return Cost{Own: facetCost, Default: listSizes[fieldPath(parent, field)]}
	case field.Name == "totalCount":
		return Cost{Own: countCost}
	case field.Name == "openTaskCount", field.Name == "subtaskProgress":
		return Cost{Own: groupedCost}
	case field.Type.Name() == "UserError":
		return Cost{Default: 1}
	default:
		path := fieldPath(parent, field)
		return Cost{Own: (longTexts[path] + textUnit - 1) / textUnit, Default: listSizes[path]}
	}
}

// ofMutation is the price of a mutation: each of many tasks has its own, and so has what is selected of each result.
func ofMutation(field *ast.FieldDefinition) Cost {
	if strings.HasPrefix(field.Type.Name(), "Bulk") {
		return Cost{Own: writeCost, Each: bulkCost, Sizes: []string{"input.ids"}, Default: maxNodes, Max: maxNodes}
	}
	return Cost{Own: writeCost}
}

func isConnection(field *ast.FieldDefinition) bool { return field.Arguments.ForName("first") != nil }

func isListOf(argument *ast.ArgumentDefinition) bool {
	return argument != nil && argument.Type.Elem != nil
}

// fieldPath names a field as Type.field.
func fieldPath(parent *ast.Definition, field *ast.FieldDefinition) string {
	return parent.Name + "." + field.Name
}
