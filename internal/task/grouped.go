package task

import (
	"context"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/predicate"
	enttask "taskql/ent/task"
	"taskql/internal/keyset"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// groupedLists are lists that are read or counted together: one for each value of the column groupBy. If groupBy is empty,
// there is one list, and its key is the zero UUID.
type groupedLists struct {
	list

	groupBy string
}

// grouped returns the lists of the tasks with each of the ids in the column that the predicates select.
func (s *Service) grouped(v viewer.Viewer, column string, ids []uuid.UUID, predicates ...predicate.Task) *groupedLists {
	predicates = append([]predicate.Task{idsAmong(column, ids)}, predicates...)
	return &groupedLists{list: list{service: s, viewer: v, predicates: predicates}, groupBy: column}
}

// groupedInput says which page of each list is wanted, and what of it.
type groupedInput struct {
	order  keyset.Order[*ent.Task]
	window keyset.Window
	Selection

	// total and previous have TotalCount and HasPreviousPage answered for all pages at once. Without them, each takes a
	// statement for each page.
	total, previous bool
}

// pages sets the pages of the lists with those ids.
func (l *groupedLists) pages(ctx context.Context, pages map[uuid.UUID]*Page, ids []uuid.UUID, in groupedInput) error {
	var rows map[uuid.UUID][]*ent.Task
	if !in.CountsOnly {
		var err error
		if rows, err = l.first(ctx, in.order, in.window, in.Columns); err != nil {
			return err
		}
	}
	for _, id := range ids {
		one := &list{service: l.service, viewer: l.viewer, predicates: append([]predicate.Task{idsAmong(l.groupBy, []uuid.UUID{id})}, l.predicates[1:]...)}
		k := keyset.List[*ent.Task]{Order: in.order, Read: one.read, Count: one.count}
		pages[id] = &Page{Page: *k.NewPage(in.window, rows[id]), Facets: new(Facets)}
	}
	if in.previous && in.window.After() != nil {
		if err := l.setHasPreviousPage(ctx, pages, in.order, in.window.After()); err != nil {
			return err
		}
	}
	if in.total {
		counts, err := l.counts(ctx, facetOpen, facetCompleted)
		if err != nil {
			return err
		}
		for id, page := range pages {
			page.SetTotalCount(counts[id].Open + counts[id].Completed)
		}
	}
	if len(in.Facets) > 0 {
		facets, err := l.facets(ctx, in.Facets, in.TagColumns)
		if err != nil {
			return err
		}
		for id, page := range pages {
			page.Facets = facets.of(id)
		}
	}
	return nil
}

// first reads the window's rows of each list, and one more, which tells whether the list goes on.
func (l *groupedLists) first(ctx context.Context, o keyset.Order[*ent.Task], w keyset.Window, columns []string) (map[uuid.UUID][]*ent.Task, error) {
	o, from, to := o.Read(w)
	numbered := func(s *sql.Selector) {
		t := sql.Dialect(s.Dialect()).Table(enttask.Table)
		inner := sql.Dialect(s.Dialect()).Select(t.C(enttask.FieldID)).From(t)
		l.narrow(inner)
		if from.Position != nil {
			inner.Where(o.After(inner, from))
		}
		if to.Position != nil {
			inner.Where(o.Reversed().After(inner, to))
		}
		inner.AppendSelectExprAs(o.Number(inner, l.groupBy), "number")
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
		list := t.ParentID
		if l.groupBy == enttask.FieldProjectID {
			list = t.ProjectID
		}
		byList[*list] = append(byList[*list], t)
	}
	return byList, nil
}

// setHasPreviousPage sets HasPreviousPage of the lists' pages after the position.
func (l *groupedLists) setHasPreviousPage(ctx context.Context, pages map[uuid.UUID]*Page, o keyset.Order[*ent.Task], after *keyset.Position) error {
	var rows []struct {
		ID uuid.UUID `sql:"list"`
	}
	err := l.query().Modify(func(s *sql.Selector) {
		s.Where(o.Reversed().After(s, keyset.Bound{Position: after, Inclusive: true})).Select(sql.As(s.C(l.groupBy), "list")).Distinct()
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
