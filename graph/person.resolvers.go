package graph

import (
	"context"

	"taskql/ent"
	"taskql/graph/generated"
	"taskql/internal/account"
	"taskql/internal/task"
)

func (r *assigneeCountResolver) Assignee(ctx context.Context, obj *task.AssigneeCount) (*account.Person, error) {
	return loaded[*account.Person](ctx, obj)
}

func (r *taskResolver) Assignee(ctx context.Context, obj *ent.Task) (*account.Person, error) {
	return loaded[*account.Person](ctx, obj)
}

func (r *taskResolver) CreatedBy(ctx context.Context, obj *ent.Task) (*account.Person, error) {
	return loaded[*account.Person](ctx, obj)
}

func (r *Resolver) AssigneeCount() generated.AssigneeCountResolver { return &assigneeCountResolver{r} }

type assigneeCountResolver struct{ *Resolver }
