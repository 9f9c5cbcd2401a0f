package graph

import (
	"context"

	"taskql/ent"
	"taskql/graph/generated"
	"taskql/graph/model"
	"taskql/internal/keyset"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

func (r *bulkTaskPayloadResolver) Results(ctx context.Context, obj *task.BulkResult) ([]*task.ItemResult, error) {
	return obj.Results, loadBelow(ctx, obj.Results)
}

func (r *mutationResolver) CreateTask(ctx context.Context, input task.CreateInput) (*task.Result, error) {
	return mutateAt(ctx, ofNewTask(input), input, r.services.Tasks.Create)
}

func (r *mutationResolver) UpdateTask(ctx context.Context, input model.UpdateTaskInput) (*task.Result, error) {
	return mutateAt(ctx, atTask(input.ID), convert[task.UpdateInput](input), r.services.Tasks.Update)
}

func (r *mutationResolver) CompleteTask(ctx context.Context, input workspace.TargetInput) (*task.Result, error) {
	return mutateAt(ctx, atTask(input.ID), input, r.services.Tasks.Complete)
}

func (r *mutationResolver) ReopenTask(ctx context.Context, input workspace.TargetInput) (*task.Result, error) {
	return mutateAt(ctx, atTask(input.ID), input, r.services.Tasks.Reopen)
}

func (r *mutationResolver) MoveTask(ctx context.Context, input model.MoveTaskInput) (*task.Result, error) {
	return mutateAt(ctx, atTask(input.ID), convert[task.MoveInput](input), r.services.Tasks.Move)
}

func (r *mutationResolver) DeleteTask(ctx context.Context, input workspace.TargetInput) (*task.Result, error) {
	return mutateAt(ctx, atTask(input.ID), input, r.services.Tasks.Delete)
}

func (r *mutationResolver) RestoreTask(ctx context.Context, input workspace.TargetInput) (*task.Result, error) {
	return mutateAt(ctx, atTask(input.ID), input, r.services.Tasks.Restore)
}

func (r *mutationResolver) PurgeTask(ctx context.Context, input workspace.TargetInput) (*task.PurgeResult, error) {
	return mutateAt(ctx, atTask(input.ID), input, r.services.Tasks.Purge)
}

func (r *mutationResolver) EmptyTrash(ctx context.Context, input task.EmptyTrashInput) (*task.EmptyTrashResult, error) {
	return mutateAt(ctx, inWorkspace(input.WorkspaceID), input, r.services.Tasks.EmptyTrash)
}

func (r *mutationResolver) UpdateTasks(ctx context.Context, input model.UpdateTasksInput) (*task.BulkResult, error) {
	return mutateAt(ctx, atTasks(input.Ids), convert[task.UpdateManyInput](input), r.services.Tasks.UpdateMany)
}

func (r *mutationResolver) CompleteTasks(ctx context.Context, input task.BulkInput) (*task.BulkResult, error) {
	return mutateAt(ctx, atTasks(input.IDs), input, r.services.Tasks.CompleteMany)
}

func (r *mutationResolver) ReopenTasks(ctx context.Context, input task.BulkInput) (*task.BulkResult, error) {
	return mutateAt(ctx, atTasks(input.IDs), input, r.services.Tasks.ReopenMany)
}

func (r *mutationResolver) DeleteTasks(ctx context.Context, input task.BulkInput) (*task.BulkResult, error) {
	return mutateAt(ctx, atTasks(input.IDs), input, r.services.Tasks.DeleteMany)
}

func (r *mutationResolver) RestoreTasks(ctx context.Context, input task.BulkInput) (*task.BulkResult, error) {
	return mutateAt(ctx, atTasks(input.IDs), input, r.services.Tasks.RestoreMany)
}

func (r *queryResolver) Task(ctx context.Context, id string) (*ent.Task, error) {
	root, err := resolving(ctx)
	if err != nil {
		return nil, err
	}
	return get(ctx, root, id, workspace.TableTasks, func(v viewer.Viewer) (*ent.Task, error) {
		return r.services.Tasks.Get(ctx, v, id, root.selectedOf("Task").Columns...)
	})
}

func (r *queryResolver) Tasks(ctx context.Context, first *int, after *string, last *int, before *string, filter *model.TaskFilter, orderBy []*keyset.OrderBy[task.OrderField], scope task.Scope) (*task.Page, error) {
	root, err := resolving(ctx)
	if err != nil {
		return nil, err
	}
	by, err := filterOf(filter)
	if err != nil {
		return nil, err
	}
	return r.services.Tasks.List(ctx, root.viewer, task.ListInput{
		First: first, After: after, Last: last, Before: before,
		Scope: scope, Filter: by, OrderBy: orders(orderBy), Selection: root.page("TaskConnection"),
	})
}

func (r *taskResolver) Due(ctx context.Context, obj *ent.Task) (*task.Due, error) {
	return task.DueOf(obj), nil
}

func (r *taskResolver) Overdue(ctx context.Context, obj *ent.Task) (bool, error) {
	root, err := resolving(ctx)
	if err != nil {
		return false, err
	}
	return root.resolver.services.Tasks.Overdue(root.viewer, obj), nil
}

func (r *taskResolver) Tags(ctx context.Context, obj *ent.Task) ([]*ent.Tag, error) {
	return loaded[[]*ent.Tag](ctx, obj)
}

func (r *taskResolver) Parent(ctx context.Context, obj *ent.Task) (*ent.Task, error) {
	return loaded[*ent.Task](ctx, obj)
}

func (r *taskResolver) Subtasks(ctx context.Context, obj *ent.Task, first *int, after *string) (*task.Page, error) {
	return loaded[*task.Page](ctx, obj)
}

func (r *taskResolver) SubtaskProgress(ctx context.Context, obj *ent.Task) (*task.Progress, error) {
	return loaded[*task.Progress](ctx, obj)
}

func (r *taskResolver) Position(ctx context.Context, obj *ent.Task) (string, error) {
	return string(obj.Position), nil
}

func (r *Resolver) BulkTaskPayload() generated.BulkTaskPayloadResolver {
	return &bulkTaskPayloadResolver{r}
}

func (r *Resolver) Task() generated.TaskResolver { return &taskResolver{r} }

type (
	bulkTaskPayloadResolver struct{ *Resolver }
	taskResolver            struct{ *Resolver }
)
