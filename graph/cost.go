package graph

import (
	"strings"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2/ast"

	"taskql/internal/account"
	"taskql/internal/feed"
	"taskql/internal/project"
	"taskql/internal/reminder"
	"taskql/internal/task"
)

// Cost is what a field of the schema costs. A field that reads a column costs 1. What is selected below a field is paid
// for once for each of the field's elements.
type Cost struct {
	// Own is what the field costs by itself; 0 means 1.
	Own int
	// Each is what each element costs, in addition to what is selected of it.
	Each int
	// Sizes are the arguments that say how many elements there are, as paths such as first and input.ids.
	Sizes []string
	// Default is how many elements there are if no argument says it. A list with neither has the size of the field that
	// it is in, as edges have.
	Default int
	// Max is the largest size that the field takes.
	Max int
	// Batch is how many elements cost as much as one; 0 means 1.
	Batch int
	// Inputs are what fields of the arguments cost, by name.
	Inputs map[string]int
}

const (
	// defaultPage and maxPage are the sizes of a page of any connection.
	defaultPage = 50
	maxPage     = 100
	// defaultPreview is how many occurrences a preview shows.
	defaultPreview = 10
	// defaultNext is how many of the next occurrences of a series are shown.
	defaultNext = 5
	// feedBatch is how many rows of a page of the feed cost as much as one. A page has as many rows of all kinds together as each of
	// its lists is charged for, and once a copy is complete, it has few.
	feedBatch = 10
	// countCost is what counting a list costs, which reads all of it.
	countCost = 20
	// groupedCost is what a count costs if one statement finds it for all elements of a page.
	groupedCost = 3
	// facetCost is what each facet costs: it counts the list under another condition.
	facetCost = 10
	// textUnit is how many bytes of text cost 1. No short text costs more than any other field.
	textUnit = 10_000
	// writeCost is what a mutation costs, and bulkCost what each of its tasks does.
	writeCost = 10
	bulkCost  = 5
)

// listSizes are the typical lengths of lists that no argument bounds.
var listSizes = map[string]int{ //nolint:gochecknoglobals // A constant, if Go had constant maps.
	"Task.tags":             3,
	"Task.reminders":        2,
	"TaskFacets.byPriority": 5,
	"TaskFacets.byTag":      20,
	"TaskFacets.byAssignee": 20,
	"TaskFacets.byProject":  20,
	"Project.sections":      5,
	"Activity.changes":      2,
	"Query.workspaces":      10,
	"Workspace.members":     20,

	"UndoChangePayload.tasks":     defaultPage,
	"UndoChangePayload.conflicts": 10,
}

// longTexts are the largest sizes, in bytes, of fields that may be longer than a textUnit. Each alias repeats the text.
var longTexts = map[string]int{ //nolint:gochecknoglobals // A constant, if Go had constant maps.
	"Task.description":    utf8.UTFMax * task.MaxDescription,
	"Project.description": utf8.UTFMax * project.MaxDescription,
	"User.image":          account.MaxImage,
	"Person.image":        account.MaxImage,
	"TextChange.fromText": utf8.UTFMax * task.MaxDescription,
	"TextChange.toText":   utf8.UTFMax * task.MaxDescription,
}

// CostOf returns the cost of a field. It goes by the shape of the schema, so that a new connection, mutation or facet has
// a cost at once. A test finds lists without one.
func CostOf(parent *ast.Definition, field *ast.FieldDefinition) Cost {
	switch {
	case field.Type.Name() == changePage:
		return Cost{Own: countCost, Sizes: []string{"first"}, Default: feed.DefaultFirst, Max: feed.MaxFirst, Batch: feedBatch}
	case parent.Name == recurrenceType && field.Name == "next": // A rule can take some milliseconds.
		return Cost{Own: countCost, Sizes: []string{"first"}, Default: defaultNext, Max: maxNext}
	case isConnection(field):
		return Cost{Sizes: []string{"first", "last"}, Default: defaultPage, Max: maxPage, Inputs: filterCosts}
	case isListOf(field.Arguments.ForName("ids")): // nodes
		return Cost{Sizes: []string{"ids"}, Default: maxNodes, Max: maxNodes}
	case parent.Name == "Mutation" && field.Arguments.ForName("input") != nil:
		return mutationCost(field)
	case parent.Name == "TaskFacets":
		return Cost{Own: facetCost, Default: listSizes[fieldPath(parent, field)]}
	case field.Name == "previewRecurrence":
		return Cost{Own: countCost, Sizes: []string{"input.first"}, Default: defaultPreview, Max: task.MaxPreview}
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

// mutationCost returns the cost of a mutation. A bulk mutation costs something for each of its tasks, and so does each reminder that is
// set, which pays for deleting it, too. Emptying the trash costs as much as
// the largest one, and so do an undo, which can be that of a bulk mutation, and what changes all tasks of a project.
func mutationCost(field *ast.FieldDefinition) Cost {
	switch field.Name {
	case "emptyTrash", "undoChange", "archiveProject", "unarchiveProject", "deleteProject", "restoreProject", "deleteSection":
		return Cost{Own: writeCost + maxNodes*bulkCost}
	case "setReminders":
		return Cost{Own: writeCost, Each: bulkCost, Sizes: []string{"input.reminders"}, Default: reminder.MaxPerTask, Max: reminder.MaxPerTask}
	case "createReminder":
		return Cost{Own: writeCost + bulkCost}
	}
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
