package graph

import (
	"context"

	"taskql/internal/task"
)

func (r *queryResolver) PreviewRecurrence(ctx context.Context, input task.PreviewInput) (*task.Preview, error) {
	return mutate(ctx, input, r.services.Tasks.PreviewRecurrence)
}
