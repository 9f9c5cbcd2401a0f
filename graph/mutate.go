package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"taskql/graph/model"
	"taskql/internal/task"
	"taskql/internal/viewer"
)

// mutate is every mutation: who is asking, then the one call.
func mutate[In, Out any](
	ctx context.Context, in In, call func(context.Context, viewer.Viewer, In) (*Out, error),
) (*Out, error) {
	v, err := viewer.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	return call(ctx, v, in)
}

// optional turns gqlgen's omittable field into the domain's.
func optional[T any](o graphql.Omittable[T]) task.Optional[T] {
	v, set := o.ValueOK()
	return task.Optional[T]{Set: set, Value: v}
}

func updateTaskInput(in model.UpdateTaskInput) task.UpdateInput {
	return task.UpdateInput{
		ID:          in.ID,
		IfVersion:   in.IfVersion.Value(),
		Title:       optional(in.Title),
		Description: optional(in.Description),
		TagIDs:      optional(in.TagIds),
		Patch: task.Patch{
			Priority:     optional(in.Priority),
			Due:          optional(in.Due),
			AddTagIDs:    optional(in.AddTagIds),
			RemoveTagIDs: optional(in.RemoveTagIds),
		},
		IdempotencyKey: in.IdempotencyKey.Value(),
	}
}

func updateTasksInput(in model.UpdateTasksInput) task.UpdateManyInput {
	return task.UpdateManyInput{
		BulkInput: task.BulkInput{IDs: in.Ids, ErrorPolicy: in.ErrorPolicy, IdempotencyKey: in.IdempotencyKey.Value()},
		Patch: task.Patch{
			Priority:     optional(in.Patch.Priority),
			Due:          optional(in.Patch.Due),
			AddTagIDs:    optional(in.Patch.AddTagIds),
			RemoveTagIDs: optional(in.Patch.RemoveTagIds),
		},
	}
}

func moveTaskInput(in model.MoveTaskInput) task.MoveInput {
	return task.MoveInput{
		ID:             in.ID,
		IfVersion:      in.IfVersion.Value(),
		AfterID:        in.AfterID.Value(),
		BeforeID:       in.BeforeID.Value(),
		ParentID:       optional(in.ParentID),
		IdempotencyKey: in.IdempotencyKey.Value(),
	}
}

func updateTagInput(in model.UpdateTagInput) task.UpdateTagInput {
	return task.UpdateTagInput{
		ID:             in.ID,
		IfVersion:      in.IfVersion.Value(),
		Name:           optional(in.Name),
		Color:          optional(in.Color),
		IdempotencyKey: in.IdempotencyKey.Value(),
	}
}

// updateViewer sets what is asked for: absent keeps, and a null time zone is UTC.
func (r *Resolver) updateViewer(ctx context.Context, v viewer.Viewer, in model.UpdateViewerInput) (*model.UpdateViewerPayload, error) {
	zone, set := in.TimeZone.ValueOK()
	if !set {
		user, err := r.accounts.User(ctx, v, v.UserID)
		return &model.UpdateViewerPayload{Viewer: user}, err
	}
	name := "UTC"
	if zone != nil {
		name = *zone
	}
	user, err := r.accounts.SetTimeZone(ctx, v, name)
	return &model.UpdateViewerPayload{Viewer: user}, err
}
