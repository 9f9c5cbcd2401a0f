// Package generated is what gqlgen makes of the schema.
package generated

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
)

// Execution is what the root fields of one operation are resolved with.
type Execution = executionContext

// NewExecution returns the execution of an operation. The schema must be one of NewExecutableSchema.
func NewExecution(operation *graphql.OperationContext, schema graphql.ExecutableSchema) *Execution {
	return newExecutionContext(operation, schema.(*executableSchema), nil) //nolint:forcetypeassert // As documented.
}

// RootField resolves and marshals one root field. The context must have a response context.
type RootField func(e *Execution, ctx context.Context, field graphql.CollectedField) graphql.Marshaler

// RootFields are the root fields of queries and mutations, by their types' names and their own.
var RootFields = map[string]map[string]RootField{ //nolint:gochecknoglobals // A constant, if Go had constant maps.
	"Query": {
		"node":   (*executionContext)._Query_node,
		"nodes":  (*executionContext)._Query_nodes,
		"tag":    (*executionContext)._Query_tag,
		"tags":   (*executionContext)._Query_tags,
		"task":   (*executionContext)._Query_task,
		"tasks":  (*executionContext)._Query_tasks,
		"viewer": (*executionContext)._Query_viewer,
	},
	"Mutation": {
		"completeTask":  (*executionContext)._Mutation_completeTask,
		"completeTasks": (*executionContext)._Mutation_completeTasks,
		"createTag":     (*executionContext)._Mutation_createTag,
		"createTask":    (*executionContext)._Mutation_createTask,
		"deleteTag":     (*executionContext)._Mutation_deleteTag,
		"deleteTask":    (*executionContext)._Mutation_deleteTask,
		"deleteTasks":   (*executionContext)._Mutation_deleteTasks,
		"moveTask":      (*executionContext)._Mutation_moveTask,
		"purgeTask":     (*executionContext)._Mutation_purgeTask,
		"reopenTask":    (*executionContext)._Mutation_reopenTask,
		"reopenTasks":   (*executionContext)._Mutation_reopenTasks,
		"restoreTask":   (*executionContext)._Mutation_restoreTask,
		"restoreTasks":  (*executionContext)._Mutation_restoreTasks,
		"updateTag":     (*executionContext)._Mutation_updateTag,
		"updateTask":    (*executionContext)._Mutation_updateTask,
		"updateTasks":   (*executionContext)._Mutation_updateTasks,
		"updateViewer":  (*executionContext)._Mutation_updateViewer,
	},
}
