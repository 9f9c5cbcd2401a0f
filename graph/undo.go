package graph

import (
	"taskql/ent"
	"taskql/graph/selection"
	"taskql/internal/task"
	"taskql/internal/workspace"
)

func undoTypes() []objectType {
	return []objectType{
		selection.Of[task.UndoResult]("UndoChangePayload", fields{
			"tasks":      list(func(r *task.UndoResult) []*ent.Task { return r.Tasks }),
			"conflicts":  list(func(r *task.UndoResult) []*task.UndoConflict { return r.Conflicts }),
			"version":    nullable((*task.UndoResult).Version, appendInt),
			"userErrors": list(func(r *task.UndoResult) []*workspace.UserError { return r.UserErrors }),
		}),
		selection.Of[task.UndoConflict]("UndoConflict", fields{
			"task":             object(func(c *task.UndoConflict) *ent.Task { return c.Task }),
			"field":            text(func(c *task.UndoConflict) string { return c.Field }),
			"changedByVersion": integer(func(c *task.UndoConflict) int { return c.ChangedByVersion }),
		}),
	}
}
