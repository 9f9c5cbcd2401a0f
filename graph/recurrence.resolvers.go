package graph

import (
	"context"

	"taskql/ent"
	"taskql/graph/generated"
	"taskql/internal/feed"
	"taskql/internal/keyset"
	"taskql/internal/recurrence"
	"taskql/internal/task"
)

func (r *changePageResolver) Recurrences(ctx context.Context, obj *feed.Page) ([]*ent.Recurrence, error) {
	return changedRecurrences(obj), nil
}

func (r *mutationResolver) SkipOccurrence(ctx context.Context, input task.SkipInput) (*task.Result, error) {
	return mutateAt(ctx, atTask(input.ID), input, r.services.Tasks.Skip)
}

func (r *occurrenceResolver) Due(ctx context.Context, obj *ent.Occurrence) (*task.Due, error) {
	return dueOfOccurrence(obj), nil
}

func (r *occurrenceResolver) Outcome(ctx context.Context, obj *ent.Occurrence) (recurrence.Outcome, error) {
	return recurrence.Outcome(obj.Outcome), nil
}

func (r *occurrenceResolver) Task(ctx context.Context, obj *ent.Occurrence) (*ent.Task, error) {
	return loaded[*ent.Task](ctx, obj)
}

func (r *queryResolver) PreviewRecurrence(ctx context.Context, input task.PreviewInput) (*task.Preview, error) {
	root, err := resolving(ctx)
	if err != nil {
		return nil, err
	}
	return r.services.Tasks.PreviewRecurrence(ctx, root.viewer, input)
}

func (r *recurrenceResolver) Mode(ctx context.Context, obj *ent.Recurrence) (recurrence.Mode, error) {
	return recurrence.Mode(obj.Mode), nil
}

func (r *recurrenceResolver) CatchUp(ctx context.Context, obj *ent.Recurrence) (recurrence.CatchUp, error) {
	return recurrence.CatchUp(obj.CatchUp), nil
}

func (r *recurrenceResolver) Start(ctx context.Context, obj *ent.Recurrence) (*task.Due, error) {
	return startOf(obj), nil
}

func (r *recurrenceResolver) Remaining(ctx context.Context, obj *ent.Recurrence) (*int, error) {
	return loaded[*int](ctx, obj)
}

func (r *recurrenceResolver) Next(ctx context.Context, obj *ent.Recurrence, first int) ([]*task.Due, error) {
	return loaded[[]*task.Due](ctx, obj)
}

func (r *recurrenceResolver) Occurrences(ctx context.Context, obj *ent.Recurrence, first *int, after *string) (*keyset.Page[*ent.Occurrence], error) {
	return loaded[*recurrence.OccurrencePage](ctx, obj)
}

func (r *taskResolver) Recurrence(ctx context.Context, obj *ent.Task) (*ent.Recurrence, error) {
	return loaded[*ent.Recurrence](ctx, obj)
}

func (r *taskResolver) Occurrence(ctx context.Context, obj *ent.Task) (*ent.Occurrence, error) {
	return loaded[*ent.Occurrence](ctx, obj)
}

func (r *Resolver) Occurrence() generated.OccurrenceResolver { return &occurrenceResolver{r} }

func (r *Resolver) Recurrence() generated.RecurrenceResolver { return &recurrenceResolver{r} }

type (
	occurrenceResolver struct{ *Resolver }
	recurrenceResolver struct{ *Resolver }
)
