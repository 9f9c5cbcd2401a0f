package task

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	enttask "taskql/ent/task"
	"taskql/internal/keyset"
	"taskql/internal/viewer"
)

// SubtasksInput says which page of each task's subtasks is wanted, and what of it.
type SubtasksInput struct {
	First *int
	After *string
	Selection

	// Total and Previous have TotalCount and HasPreviousPage answered for all pages at once. Without them, each takes a
	// statement for each page.
	Total, Previous bool
}

// Subtasks returns a page of the subtasks of each of the tasks, in the manual order and without those in the trash. The
// error is an *InputError if the input is invalid, even if there are no tasks.
func (s *Service) Subtasks(ctx context.Context, v viewer.Viewer, tasks []uuid.UUID, in SubtasksInput) (map[uuid.UUID]*Page, error) {
	o := manualOrder()
	w, err := keyset.NewWindow(o, keyset.Args{First: in.First, After: in.After})
	if err != nil {
		return nil, err
	}
	pages := make(map[uuid.UUID]*Page, len(tasks))
	if len(tasks) == 0 {
		return pages, nil
	}
	if err := s.subtasksOf(v, tasks).pages(ctx, pages, tasks, groupedInput{o, w, in.Selection, in.Total, in.Previous}); err != nil {
		return nil, fmt.Errorf("reading subtasks: %w", err)
	}
	return pages, nil
}

// subtasksOf returns the lists of the subtasks of those tasks.
func (s *Service) subtasksOf(v viewer.Viewer, tasks []uuid.UUID) *groupedLists {
	return s.grouped(v, enttask.FieldParentID, tasks, enttask.DeletedAtIsNil())
}

// ProgressOf returns how many subtasks each task has and how many of them are completed, without those in the trash. Tasks
// without subtasks are not in the map.
func (s *Service) ProgressOf(ctx context.Context, v viewer.Viewer, tasks []uuid.UUID) (map[uuid.UUID]Progress, error) {
	counts, err := s.subtasksOf(v, tasks).counts(ctx, facetOpen, facetCompleted)
	if err != nil {
		return nil, fmt.Errorf("counting subtasks: %w", err)
	}
	progress := make(map[uuid.UUID]Progress, len(counts))
	for id, c := range counts {
		progress[id] = Progress{Done: c.Completed, Total: c.Open + c.Completed}
	}
	return progress, nil
}
