package graph

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	entrecurrence "taskql/ent/recurrence"
	"taskql/graph/model"
	"taskql/graph/scalar"
	"taskql/graph/selection"
	"taskql/internal/recurrence"
	"taskql/internal/task"
)

func findRecurrences(ctx context.Context, r *rootField, ids, columns []string) (map[string]model.Node, error) {
	return asNodes(r.resolver.services.Recurrences.GetMany(ctx, r.viewer, ids, columns...))
}

func startOf(r *ent.Recurrence) *task.Due {
	due := task.Due(recurrence.StartOf(r))
	return &due
}

func dueOfOccurrence(o *ent.Occurrence) *task.Due {
	due := task.Due(recurrence.DueOf(o))
	return &due
}

const recurrenceType = "Recurrence"

func recurrenceTypes() []objectType {
	start := []string{entrecurrence.FieldStartDate, entrecurrence.FieldStartAt, entrecurrence.FieldTimeZone}
	left := []string{
		entrecurrence.FieldRule, entrecurrence.FieldFirstNumber, entrecurrence.FieldLastNumber, entrecurrence.FieldEndedAt,
	}
	types := []objectType{
		selection.Of[ent.Recurrence](recurrenceType, fields{
			"id":        leaf(func(b []byte, r *ent.Recurrence) []byte { return selection.AppendUUID(b, r.ID) }).From(entrecurrence.FieldID),
			"version":   integer(func(r *ent.Recurrence) int { return r.Version }).From(entrecurrence.FieldVersion),
			"rule":      text(func(r *ent.Recurrence) string { return r.Rule }).From(entrecurrence.FieldRule),
			"mode":      text(func(r *ent.Recurrence) string { return r.Mode }).From(entrecurrence.FieldMode),
			"catchUp":   text(func(r *ent.Recurrence) string { return r.CatchUp }).From(entrecurrence.FieldCatchUp),
			"start":     object(startOf).FromAll(start...),
			"endedAt":   nullable(func(r *ent.Recurrence) *time.Time { return r.EndedAt }, selection.AppendDateTime).From(entrecurrence.FieldEndedAt),
			"remaining": selection.LoadedLeaf(loadRemaining, appendNullInt).From(left...),
			"next": selection.LoadedList(loadNext).ChangesWithTime().
				From(slices.Concat(start, left, []string{entrecurrence.FieldMode, entrecurrence.FieldCatchUp})...),
			"occurrences": selection.LoadedObject(loadLogs),
		}).Row(entrecurrence.FieldID),
		// An occurrence is read whole.
		selection.Of[ent.Occurrence]("Occurrence", fields{
			"number":  integer(func(o *ent.Occurrence) int { return o.Number }),
			"due":     object(dueOfOccurrence),
			"outcome": text(func(o *ent.Occurrence) string { return o.Outcome }),
			"at":      nullable(func(o *ent.Occurrence) *time.Time { return o.At }, selection.AppendDateTime),
			"task":    selection.LoadedObject(loadTasksOfOccurrences),
		}),
	}
	return slices.Concat(types, connectionTypes[ent.Occurrence]("Occurrence"))
}

func appendNullInt(b []byte, n *int) []byte { return selection.AppendNull(b, n, appendInt) }

func loadRecurrences(ctx context.Context, r *rootField, f *selected, tasks []*ent.Task) (func(*ent.Task) *ent.Recurrence, error) {
	seen := map[uuid.UUID]bool{}
	var ids []uuid.UUID
	for _, t := range tasks {
		if t.RecurrenceID != nil && !seen[*t.RecurrenceID] {
			seen[*t.RecurrenceID], ids = true, append(ids, *t.RecurrenceID)
		}
	}
	found, err := r.resolver.services.Recurrences.ByID(ctx, r.viewer, ids, f.Set().Columns)
	return func(t *ent.Task) *ent.Recurrence {
		if t.RecurrenceID == nil {
			return nil
		}
		return found[*t.RecurrenceID]
	}, err
}

func loadOccurrences(ctx context.Context, r *rootField, _ *selected, tasks []*ent.Task) (func(*ent.Task) *ent.Occurrence, error) {
	var keys []recurrence.Key
	for _, t := range tasks {
		if t.RecurrenceID != nil && t.OccurrenceNumber != nil {
			keys = append(keys, recurrence.Key{RecurrenceID: *t.RecurrenceID, Number: *t.OccurrenceNumber})
		}
	}
	found, err := r.resolver.services.Recurrences.Occurrences(ctx, r.viewer, keys)
	return func(t *ent.Task) *ent.Occurrence {
		if t.RecurrenceID == nil || t.OccurrenceNumber == nil {
			return nil
		}
		return found[recurrence.Key{RecurrenceID: *t.RecurrenceID, Number: *t.OccurrenceNumber}]
	}, err
}

func loadTasksOfOccurrences(ctx context.Context, r *rootField, f *selected, occurrences []*ent.Occurrence) (func(*ent.Occurrence) *ent.Task, error) {
	var ids []uuid.UUID
	for _, o := range occurrences {
		if o.Outcome == string(recurrence.Open) || o.Outcome == string(recurrence.Completed) {
			ids = append(ids, o.ID)
		}
	}
	found, err := r.resolver.services.Tasks.OfOccurrences(ctx, r.viewer, ids, f.Set().Columns)
	return func(o *ent.Occurrence) *ent.Task {
		return found[recurrence.Key{RecurrenceID: o.RecurrenceID, Number: o.Number}]
	}, err
}

func loadRemaining(_ context.Context, _ *rootField, _ *selected, series []*ent.Recurrence) (func(*ent.Recurrence) *int, error) {
	left := make(map[*ent.Recurrence]*int, len(series))
	for _, s := range series {
		var err error
		if left[s], err = recurrence.Remaining(s); err != nil {
			return nil, err
		}
	}
	return func(s *ent.Recurrence) *int { return left[s] }, nil
}

// maxNext is how many of the next occurrences can be asked for.
const maxNext = 50

func loadNext(ctx context.Context, r *rootField, f *selected, series []*ent.Recurrence) (func(*ent.Recurrence) []*task.Due, error) {
	first, err := scalar.UnmarshalInt(f.ArgumentMap(r.operation.Variables)["first"])
	if err != nil {
		return nil, selection.ErrFallback
	}
	if first < 1 || first > maxNext {
		return nil, located(f.Path, &task.InputError{Argument: "first", Message: fmt.Sprintf("first must be 1 to %d, not %d", maxNext, first)})
	}
	services := r.resolver.services
	found, err := services.Recurrences.Next(ctx, r.viewer, services.Tasks.Now(), series, first)
	if err != nil {
		return nil, err
	}
	next := make(map[uuid.UUID][]*task.Due, len(found))
	for id, dues := range found {
		for _, due := range dues {
			converted := task.Due(*due)
			next[id] = append(next[id], &converted)
		}
	}
	return func(s *ent.Recurrence) []*task.Due { return next[s.ID] }, nil
}

func loadLogs(ctx context.Context, r *rootField, f *selected, series []*ent.Recurrence) (func(*ent.Recurrence) *recurrence.OccurrencePage, error) {
	p := pageSelected(f.Set())
	args, err := pageArguments(r.operation.Variables, f)
	if err != nil {
		return nil, err
	}
	ids := make([]uuid.UUID, len(series))
	for i, s := range series {
		ids[i] = s.ID
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	pages, err := r.resolver.services.Recurrences.Logs(ctx, r.viewer, slices.Compact(ids), recurrence.LogInput{
		First: args.First, After: args.After, CountsOnly: p.CountsOnly, Total: p.total, Previous: p.previous,
	})
	return func(s *ent.Recurrence) *recurrence.OccurrencePage { return pages[s.ID] }, located(f.Path, err)
}
