package graph

import (
	"taskql/graph/selection"
	"taskql/internal/task"
	"taskql/internal/workspace"
)

// previewTypes are the types of previewRecurrence. A preview has no row; it depends on the viewer's time zone.
func previewTypes() []objectType {
	return []objectType{
		selection.Of[task.Preview]("RecurrencePreview", fields{
			"rule":       nullable(func(p *task.Preview) *string { return p.Rule }, selection.AppendString),
			"next":       list(func(p *task.Preview) []*task.Due { return p.Next }),
			"userErrors": list(func(p *task.Preview) []*workspace.UserError { return p.UserErrors }),
		}).Unversioned(),
	}
}
