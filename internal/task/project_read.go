package task

import (
	"context"
	"fmt"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent/predicate"
	enttask "taskql/ent/task"
	"taskql/internal/keyset"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// ProjectTasksInput says which page of each project's tasks is wanted, and what of it.
type ProjectTasksInput struct {
	ListInput

	// Total and Previous are as in SubtasksInput.
	Total, Previous bool
}

// ProjectTasks returns a page of the tasks of each of the projects. In the scope ACTIVE are the tasks that are not in the trash, also
// if the project is archived. The error is an *InputError if the input is invalid, even if there are no projects.
func (s *Service) ProjectTasks(ctx context.Context, v viewer.Viewer, projects []uuid.UUID, in ProjectTasksInput) (map[uuid.UUID]*Page, error) {
	o, err := taskOrders.By(in.OrderBy)
	if err != nil {
		return nil, err
	}
	w, err := keyset.NewWindow(o, keyset.Args{First: in.First, Last: in.Last, After: in.After, Before: in.Before})
	if err != nil {
		return nil, err
	}
	scope := in.Scope.predicate()
	if in.Scope == ScopeActive {
		scope = enttask.DeletedAtIsNil()
	}
	var predicates []predicate.Task
	if scope != nil {
		predicates = append(predicates, scope)
	}
	if in.Filter != nil {
		p, err := in.Filter.predicate(s.days(v), v.UserID)
		if err != nil {
			return nil, err
		}
		predicates = append(predicates, p)
	}
	pages := make(map[uuid.UUID]*Page, len(projects))
	if len(projects) == 0 {
		return pages, nil
	}
	lists := s.grouped(v, enttask.FieldProjectID, projects, predicates...)
	if err := lists.pages(ctx, pages, projects, groupedInput{o, w, in.Selection, in.Total, in.Previous}); err != nil {
		return nil, fmt.Errorf("reading the tasks of projects: %w", err)
	}
	return pages, nil
}

// OpenTasksOfProjects returns for each project how many of its tasks are neither completed nor in the trash, also if it is archived.
// Projects without such tasks are not in the map.
func (s *Service) OpenTasksOfProjects(ctx context.Context, v viewer.Viewer, projects []uuid.UUID) (map[uuid.UUID]int, error) {
	return s.openTasksBy(ctx, v, enttask.FieldProjectID, idsAmong(enttask.FieldProjectID, projects), len(projects))
}

// OpenTasksOfSections is OpenTasksOfProjects for sections of those projects.
func (s *Service) OpenTasksOfSections(ctx context.Context, v viewer.Viewer, sections, projects []uuid.UUID) (map[uuid.UUID]int, error) {
	// The projects are named because they are what the index has.
	which := func(s *sql.Selector) {
		idsAmong(enttask.FieldProjectID, projects)(s)
		idsAmong(enttask.FieldSectionID, sections)(s)
	}
	return s.openTasksBy(ctx, v, enttask.FieldSectionID, which, len(sections))
}

func (s *Service) openTasksBy(ctx context.Context, v viewer.Viewer, column string, which predicate.Task, n int) (map[uuid.UUID]int, error) {
	if n == 0 {
		return map[uuid.UUID]int{}, nil
	}
	var rows []struct {
		ID    uuid.UUID `sql:"id"`
		Count int       `sql:"count"`
	}
	err := s.client.Task.Query().Where(workspace.Scope(v), enttask.DeletedAtIsNil(), which).Modify(func(s *sql.Selector) {
		s.Where(isTrue(enttask.FieldCompleted, false)(s)).
			Select(sql.As(s.C(column), "id"), sql.As(sql.Count("*"), "count")).GroupBy(s.C(column))
	}).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("counting open tasks: %w", err)
	}
	counts := make(map[uuid.UUID]int, len(rows))
	for _, r := range rows {
		counts[r.ID] = r.Count
	}
	return counts, nil
}
