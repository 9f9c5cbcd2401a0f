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
)

// ListInput says which page of which list is wanted, and what of it.
type ListInput struct {
	First, Last   *int
	After, Before *string
	Scope         Scope
	// Filter is nil where there is none.
	Filter *Filter
	// OrderBy is newest first where it is empty.
	OrderBy []Order
	Selection
}

// Selection says what of a page is wanted. The zero value is its rows, whole.
type Selection struct {
	// Columns are those of the rows to read; all where there are none. The id and the order's are always read.
	Columns []string
	// CountsOnly leaves out the rows.
	CountsOnly bool
	// Facets are counted where there are any; their tags have TagColumns, all where there are none.
	Facets     []Facet
	TagColumns []string
}

// Page is one page of a list. Its counts read the database when they are asked for.
type Page struct {
	keyset.Page[*ent.Task]

	// Facets has what the selection asked for. It is never nil.
	Facets *Facets
}

// Edge is a task and its cursor.
type Edge = keyset.Edge[*ent.Task]

// list is what the pages of one list have in common.
type list struct {
	service *Service
	viewer  viewer.Viewer
	// where are the scope and the filter.
	where []predicate.Task
	// shape stands for them and the order, where they are among the usual ones; else it is empty.
	shape string
}

// query selects the whole list, without an order.
func (l *list) query() *ent.TaskQuery {
	return visible(l.service.client.Task.Query(), l.viewer).Where(l.where...)
}

func (l *list) count(ctx context.Context) (int, error) {
	n, err := l.query().Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("counting tasks: %w", err)
	}
	return n, nil
}

// List returns a page of the viewer's tasks. The error is an *InputError where in does not make a page.
func (s *Service) List(ctx context.Context, v viewer.Viewer, in ListInput) (*Page, error) {
	o, err := taskOrders.By(in.OrderBy)
	if err != nil {
		return nil, err
	}
	w, err := keyset.NewWindow(o, keyset.Args{First: in.First, Last: in.Last, After: in.After, Before: in.Before})
	if err != nil {
		return nil, err
	}
	l := &list{service: s, viewer: v, shape: in.shape()}
	if p := in.Scope.predicate(); p != nil {
		l.where = append(l.where, p)
	}
	if in.Filter != nil {
		p, err := in.Filter.predicate(s.days(v))
		if err != nil {
			return nil, err
		}
		l.where = append(l.where, p)
	}
	k := keyset.List[*ent.Task]{Order: o, Read: l.read, Count: l.count}
	if in.Scope == ScopeAll {
		k.Read = l.readBoth
	}
	page := &Page{Facets: new(Facets)}
	if in.CountsOnly {
		page.Page = *k.EmptyPage()
	} else {
		rows, err := k.Page(ctx, w, in.Columns)
		if err != nil {
			return nil, fmt.Errorf("listing tasks: %w", err)
		}
		page.Page = *rows
	}
	if len(in.Facets) > 0 {
		all := lists{service: s, viewer: v, where: l.where}
		facets, err := all.facets(ctx, in.Facets, in.TagColumns)
		if err != nil {
			return nil, err
		}
		page.Facets = facets.of(uuid.Nil)
	}
	return page, nil
}

// shape names the list where it is one of the few that most clients ask for; empty where it is not. What it names must be
// all that the list's statement depends on, but for the viewer's workspace.
func (in ListInput) shape() string {
	if len(in.OrderBy) > 1 {
		return ""
	}
	name := "list " + string(in.Scope)
	if len(in.OrderBy) == 1 {
		by := in.OrderBy[0]
		name += " by " + string(by.Field) + " " + string(by.Direction) + " " + string(by.Nulls)
	}
	if in.Filter == nil {
		return name
	}
	if f := in.Filter; len(f.All) > 0 || f.Any != nil || f.Not != nil || len(f.Comparisons) != 1 {
		return ""
	}
	c := in.Filter.Comparisons[0]
	yes, ok := c.Value.(bool)
	if !ok || c.Field != "completed" || c.Op != "" {
		return ""
	}
	if yes {
		return name + " completed"
	}
	return name + " open"
}

// read reads one part of the list.
func (l *list) read(ctx context.Context, segment keyset.Segment, limit int, columns []string) ([]*ent.Task, error) {
	if rows, ok, err := l.readByHand(ctx, segment, limit, columns); ok {
		return rows, err
	}
	q := l.query().Where(segment.Where).Order(segment.Sort).Limit(limit)
	if len(columns) > 0 {
		q.Select(columns...)
	}
	return q.All(ctx)
}

// readBoth reads a segment of a list of all tasks: the first active tasks, which an index has in the list's order, and the first
// in the trash, which are sorted. It is one statement: between two, a task could go to the trash or come back, and be read
// twice or not at all.
func (l *list) readBoth(ctx context.Context, segment keyset.Segment, limit int, columns []string) ([]*ent.Task, error) {
	first := func(d string, scope Scope) *sql.Selector {
		t := sql.Dialect(d).Table(enttask.Table)
		inner := sql.Dialect(d).Select(t.C(enttask.FieldID)).From(t).Limit(limit)
		for _, p := range append([]predicate.Task{enttask.WorkspaceID(l.viewer.WorkspaceID), scope.predicate()}, l.where...) {
			p(inner)
		}
		segment.Where(inner)
		segment.Sort(inner)
		ids := inner.As(string(scope)) // A LIMIT of its own needs a SELECT of its own.
		return sql.Dialect(d).Select(ids.C(enttask.FieldID)).From(ids)
	}
	q := visible(l.service.client.Task.Query(), l.viewer).Where(func(s *sql.Selector) {
		s.Where(sql.In(s.C(enttask.FieldID), first(s.Dialect(), ScopeActive).UnionAll(first(s.Dialect(), ScopeTrash))))
	}).Order(segment.Sort).Limit(limit)
	if len(columns) > 0 {
		q.Select(columns...)
	}
	return q.All(ctx)
}
