package task

import (
	"context"
	"fmt"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/predicate"
	enttask "taskql/ent/task"
	"taskql/internal/keyset"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
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
	all := s.subtasksOf(v, tasks)
	var rows map[uuid.UUID][]*ent.Task
	if !in.CountsOnly {
		if rows, err = all.first(ctx, o, w, in.Columns); err != nil {
			return nil, fmt.Errorf("reading subtasks: %w", err)
		}
	}
	for _, id := range tasks {
		l := &list{service: s, viewer: v, predicates: []predicate.Task{enttask.ParentID(id), enttask.DeletedAtIsNil()}}
		k := keyset.List[*ent.Task]{Order: o, Read: l.read, Count: l.count}
		pages[id] = &Page{Page: *k.NewPage(w, rows[id]), Facets: new(Facets)}
	}
	if in.Previous && w.After() != nil {
		if err := all.setHasPreviousPage(ctx, pages, o, w.After()); err != nil {
			return nil, fmt.Errorf("looking beyond pages of subtasks: %w", err)
		}
	}
	if in.Total {
		counts, err := all.counts(ctx, facetOpen, facetCompleted)
		if err != nil {
			return nil, fmt.Errorf("counting subtasks: %w", err)
		}
		for id, page := range pages {
			page.SetTotalCount(counts[id].Open + counts[id].Completed)
		}
	}
	if len(in.Facets) > 0 {
		facets, err := all.facets(ctx, in.Facets, in.TagColumns)
		if err != nil {
			return nil, err
		}
		for id, page := range pages {
			page.Facets = facets.of(id)
		}
	}
	return pages, nil
}

// subtasksOf returns the lists of the subtasks of those tasks.
func (s *Service) subtasksOf(v viewer.Viewer, tasks []uuid.UUID) *groupedLists {
	predicates := []predicate.Task{idsAmong(enttask.FieldParentID, tasks), enttask.DeletedAtIsNil()}
	return &groupedLists{list: list{service: s, viewer: v, predicates: predicates}, groupBy: enttask.FieldParentID}
}

// first reads the window's rows of each list, and one more, which tells whether the list goes on.
func (l *groupedLists) first(ctx context.Context, o keyset.Order[*ent.Task], w keyset.Window, columns []string) (map[uuid.UUID][]*ent.Task, error) {
	numbered := func(s *sql.Selector) {
		t := sql.Dialect(s.Dialect()).Table(enttask.Table)
		inner := sql.Dialect(s.Dialect()).Select(t.C(enttask.FieldID)).From(t)
		l.narrow(inner)
		if w.After() != nil {
			inner.Where(o.After(inner, keyset.Bound{Position: w.After()}))
		}
		inner.AppendSelectExprAs(sql.RowNumber().PartitionBy(t.C(l.groupBy)).OrderBy(t.C(enttask.FieldPosition), t.C(enttask.FieldID)), "number")
		outer := inner.As("numbered")
		ids := sql.Dialect(s.Dialect()).Select(outer.C(enttask.FieldID)).From(outer).Where(sql.LTE(outer.C("number"), w.Size()+1))
		s.Where(sql.In(s.C(enttask.FieldID), ids))
	}
	q := l.service.client.Task.Query().Where(workspace.Scope(l.viewer), numbered).Order(o.Sort)
	if columns := keyset.WithColumns(columns, append(o.Columns(), l.groupBy)...); len(columns) > 0 {
		q.Select(columns...)
	}
	rows, err := q.All(ctx)
	if err != nil {
		return nil, err
	}
	byList := make(map[uuid.UUID][]*ent.Task, len(rows))
	for _, t := range rows {
		byList[*t.ParentID] = append(byList[*t.ParentID], t)
	}
	return byList, nil
}

// setHasPreviousPage sets HasPreviousPage of the lists' pages after the position.
func (l *groupedLists) setHasPreviousPage(ctx context.Context, pages map[uuid.UUID]*Page, o keyset.Order[*ent.Task], after *keyset.Position) error {
	var rows []struct {
		ID uuid.UUID `sql:"parent_id"`
	}
	err := l.query().Modify(func(s *sql.Selector) {
		s.Where(o.Reversed().After(s, keyset.Bound{Position: after, Inclusive: true})).Select(s.C(l.groupBy)).Distinct()
	}).Scan(ctx, &rows)
	if err != nil {
		return err
	}
	for _, page := range pages {
		page.PageInfo.SetHasPreviousPage(false)
	}
	for _, r := range rows {
		pages[r.ID].PageInfo.SetHasPreviousPage(true)
	}
	return nil
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
