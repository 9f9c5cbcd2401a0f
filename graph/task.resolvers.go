package graph

import (
	"context"
	"errors"

	"taskql/ent"
	"taskql/graph/generated"
	"taskql/graph/model"
	"taskql/internal/keyset"
	"taskql/internal/task"
	"taskql/internal/viewer"
)

func (r *bulkTaskPayloadResolver) Results(ctx context.Context, obj *task.BulkResult) ([]*task.ItemResult, error) {
	w, path, selected, err := r.walk(ctx)
	if err != nil {
		return nil, err
	}
	return obj.Results, w.loadResults(ctx, path, obj.Results, selected)
}

func (r *mutationResolver) CreateTask(ctx context.Context, input task.CreateInput) (*task.Result, error) {
	return mutate(ctx, input, r.tasks.Create)
}

func (r *mutationResolver) UpdateTask(ctx context.Context, input model.UpdateTaskInput) (*task.Result, error) {
	return mutate(ctx, updateTaskInput(input), r.tasks.Update)
}

func (r *mutationResolver) CompleteTask(ctx context.Context, input task.TargetInput) (*task.Result, error) {
	return mutate(ctx, input, r.tasks.Complete)
}

func (r *mutationResolver) ReopenTask(ctx context.Context, input task.TargetInput) (*task.Result, error) {
	return mutate(ctx, input, r.tasks.Reopen)
}

func (r *mutationResolver) MoveTask(ctx context.Context, input model.MoveTaskInput) (*task.Result, error) {
	return mutate(ctx, moveTaskInput(input), r.tasks.Move)
}

func (r *mutationResolver) DeleteTask(ctx context.Context, input task.TargetInput) (*task.Result, error) {
	return mutate(ctx, input, r.tasks.Delete)
}

func (r *mutationResolver) RestoreTask(ctx context.Context, input task.TargetInput) (*task.Result, error) {
	return mutate(ctx, input, r.tasks.Restore)
}

func (r *mutationResolver) PurgeTask(ctx context.Context, input task.TargetInput) (*task.PurgeResult, error) {
	return mutate(ctx, input, r.tasks.Purge)
}

func (r *mutationResolver) UpdateTasks(ctx context.Context, input model.UpdateTasksInput) (*task.BulkResult, error) {
	return mutate(ctx, updateTasksInput(input), r.tasks.UpdateMany)
}

func (r *mutationResolver) CompleteTasks(ctx context.Context, input task.BulkInput) (*task.BulkResult, error) {
	return mutate(ctx, input, r.tasks.CompleteMany)
}

func (r *mutationResolver) ReopenTasks(ctx context.Context, input task.BulkInput) (*task.BulkResult, error) {
	return mutate(ctx, input, r.tasks.ReopenMany)
}

func (r *mutationResolver) DeleteTasks(ctx context.Context, input task.BulkInput) (*task.BulkResult, error) {
	return mutate(ctx, input, r.tasks.DeleteMany)
}

func (r *mutationResolver) RestoreTasks(ctx context.Context, input task.BulkInput) (*task.BulkResult, error) {
	return mutate(ctx, input, r.tasks.RestoreMany)
}

func (r *queryResolver) Task(ctx context.Context, id string) (*ent.Task, error) {
	w, path, selected, err := r.walk(ctx)
	if err != nil {
		return nil, err
	}
	t, err := r.tasks.Get(ctx, w.viewer, id, w.wanted(selected, "Task").columns...)
	if errors.Is(err, task.ErrNotFound) {
		return nil, nil //nolint:nilnil // The contract's answer for what does not exist is null.
	}
	if err != nil {
		return nil, err
	}
	if w.needsNothing() {
		return t, nil
	}
	return t, w.loadTasks(ctx, path, []*ent.Task{t}, selected)
}

func (r *queryResolver) Tasks(ctx context.Context, first *int, after *string, last *int, before *string, filter *model.TaskFilter, orderBy []*keyset.OrderBy[task.OrderField], scope task.Scope) (*task.Page, error) {
	w, path, selected, err := r.walk(ctx)
	if err != nil {
		return nil, err
	}
	by, err := filterOf(filter)
	if err != nil {
		return nil, err
	}
	page, err := r.tasks.List(ctx, w.viewer, task.ListInput{
		First: first, After: after, Last: last, Before: before,
		Scope: scope, Filter: by, OrderBy: orders(orderBy), Selection: w.wanted(selected, "TaskConnection").page,
	})
	if err != nil {
		return nil, err
	}
	if w.needsNothing() {
		return page, nil
	}
	return page, w.loadPages(ctx, path, []*task.Page{page}, selected)
}

func (r *taskResolver) Due(ctx context.Context, obj *ent.Task) (*task.Due, error) {
	return task.DueOf(obj), nil
}

func (r *taskResolver) Overdue(ctx context.Context, obj *ent.Task) (bool, error) {
	v, err := viewer.FromContext(ctx)
	if err != nil {
		return false, err
	}
	return r.tasks.Overdue(v, obj), nil
}

func (r *taskResolver) Tags(ctx context.Context, obj *ent.Task) ([]*ent.Tag, error) {
	return ofTask[[]*ent.Tag](ctx, r.Resolver, obj)
}

func (r *taskResolver) Parent(ctx context.Context, obj *ent.Task) (*ent.Task, error) {
	return ofTask[*ent.Task](ctx, r.Resolver, obj)
}

func (r *taskResolver) Subtasks(ctx context.Context, obj *ent.Task, first *int, after *string) (*task.Page, error) {
	return ofTask[*task.Page](ctx, r.Resolver, obj)
}

func (r *taskResolver) SubtaskProgress(ctx context.Context, obj *ent.Task) (*task.Progress, error) {
	return ofTask[*task.Progress](ctx, r.Resolver, obj)
}

func (r *Resolver) BulkTaskPayload() generated.BulkTaskPayloadResolver {
	return &bulkTaskPayloadResolver{r}
}

func (r *Resolver) Task() generated.TaskResolver { return &taskResolver{r} }

type (
	bulkTaskPayloadResolver struct{ *Resolver }
	taskResolver            struct{ *Resolver }
)
