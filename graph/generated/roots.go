// Package generated is what gqlgen makes of the schema, and a way to its root fields.
package generated

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
)

// Root resolves and marshals one root field by the method that the generated code itself calls for it, without what that
// makes to run several beside each other. It is false, and nothing has happened, where the schema is none of
// NewExecutableSchema or has no such field. The context must have a response context.
func Root(ctx context.Context, schema graphql.ExecutableSchema, op *graphql.OperationContext, field graphql.CollectedField) (graphql.Marshaler, bool) {
	resolve := roots[field.ObjectDefinition.Name+"."+field.Name]
	executable, ok := schema.(*executableSchema)
	if resolve == nil || !ok {
		return nil, false
	}
	return resolve(newExecutionContext(op, executable, nil), ctx, field), true
}

// RootNames lists the fields that Root knows, each after its type and a dot.
func RootNames() []string {
	names := make([]string, 0, len(roots))
	for name := range roots {
		names = append(names, name)
	}
	return names
}

// roots are the root fields' methods. A test compares them with the schema.
var roots = map[string]func(*executionContext, context.Context, graphql.CollectedField) graphql.Marshaler{ //nolint:gochecknoglobals // A constant, if Go had constant maps.
	"Mutation.completeTask":  (*executionContext)._Mutation_completeTask,
	"Mutation.completeTasks": (*executionContext)._Mutation_completeTasks,
	"Mutation.createTag":     (*executionContext)._Mutation_createTag,
	"Mutation.createTask":    (*executionContext)._Mutation_createTask,
	"Mutation.deleteTag":     (*executionContext)._Mutation_deleteTag,
	"Mutation.deleteTask":    (*executionContext)._Mutation_deleteTask,
	"Mutation.deleteTasks":   (*executionContext)._Mutation_deleteTasks,
	"Mutation.moveTask":      (*executionContext)._Mutation_moveTask,
	"Mutation.purgeTask":     (*executionContext)._Mutation_purgeTask,
	"Mutation.reopenTask":    (*executionContext)._Mutation_reopenTask,
	"Mutation.reopenTasks":   (*executionContext)._Mutation_reopenTasks,
	"Mutation.restoreTask":   (*executionContext)._Mutation_restoreTask,
	"Mutation.restoreTasks":  (*executionContext)._Mutation_restoreTasks,
	"Mutation.updateTag":     (*executionContext)._Mutation_updateTag,
	"Mutation.updateTask":    (*executionContext)._Mutation_updateTask,
	"Mutation.updateTasks":   (*executionContext)._Mutation_updateTasks,
	"Mutation.updateViewer":  (*executionContext)._Mutation_updateViewer,
	"Query.node":             (*executionContext)._Query_node,
	"Query.nodes":            (*executionContext)._Query_nodes,
	"Query.tag":              (*executionContext)._Query_tag,
	"Query.tags":             (*executionContext)._Query_tags,
	"Query.task":             (*executionContext)._Query_task,
	"Query.tasks":            (*executionContext)._Query_tasks,
	"Query.viewer":           (*executionContext)._Query_viewer,
}
