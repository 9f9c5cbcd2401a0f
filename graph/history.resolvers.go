package graph

import (
	"context"

	"taskql/internal/task"
)

func (r *mutationResolver) UndoChange(ctx context.Context, input task.UndoInput) (*task.UndoResult, error) {
	return mutate(ctx, input, r.services.Tasks.Undo)
}
