package task

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/predicate"
	enttask "taskql/ent/task"
	"taskql/internal/viewer"
)

// The sizes of a page, in rows.
const (
	MaxPageSize     = 100
	DefaultPageSize = 50
)

// PageInput says which page of a list is wanted. Nil is absent.
type PageInput struct {
	First, Last   *int
	After, Before *string
}

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

// Page is one page of a list. Its lazy parts read the database when they are asked for, and only then.
type Page struct {
	Edges    []*Edge
	PageInfo *PageInfo

	// Facets has what the selection asked for; nothing, but never nil, where that was none.
	Facets *Facets

	list *list
	// total is set where it was counted together with other pages'.
	total *int
}

// Edge is a task and its place in the list.
type Edge struct {
	Cursor string
	Node   *ent.Task
}

// Nodes returns the edges' tasks.
func (p *Page) Nodes() []*ent.Task {
	nodes := make([]*ent.Task, len(p.Edges))
	for i, e := range p.Edges {
		nodes[i] = e.Node
	}
	return nodes
}

// TotalCount returns how many tasks the whole list has.
func (p *Page) TotalCount(ctx context.Context) (int, error) {
	if p.total != nil {
		return *p.total, nil
	}
	n, err := p.list.query().Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("counting tasks: %w", err)
	}
	return n, nil
}

// PageInfo says where a page lies in its list.
type PageInfo struct {
	StartCursor, EndCursor *string

	next, previous beyond
}

// beyond says whether anything lies beyond one end of a page.
type beyond struct {
	known bool
	// look is asked where the page itself can't tell; nil where it can.
	look func(context.Context) (bool, error)
}

func (b beyond) exists(ctx context.Context) (bool, error) {
	if b.known || b.look == nil {
		return b.known, nil
	}
	exists, err := b.look(ctx)
	if err != nil {
		return false, fmt.Errorf("looking beyond a page: %w", err)
	}
	return exists, nil
}

// HasNextPage reports whether anything follows the page's last edge.
func (p *PageInfo) HasNextPage(ctx context.Context) (bool, error) { return p.next.exists(ctx) }

// HasPreviousPage reports whether anything stands before the page's first edge.
func (p *PageInfo) HasPreviousPage(ctx context.Context) (bool, error) { return p.previous.exists(ctx) }

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

// window is a validated PageInput: size rows from one end of what lies between two places.
type window struct {
	size          int
	backward      bool
	after, before *place
}

// List returns a page of the viewer's tasks. The error is an *InputError where in does not make a page.
func (s *Service) List(ctx context.Context, v viewer.Viewer, in ListInput) (*Page, error) {
	o, err := taskOrder(in.OrderBy)
	if err != nil {
		return nil, err
	}
	w, err := newWindow(o, PageInput{First: in.First, Last: in.Last, After: in.After, Before: in.Before})
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
	page := &Page{PageInfo: &PageInfo{}, Facets: new(Facets), list: l}
	if !in.CountsOnly {
		k := keyset[*ent.Task]{order: o, read: l.read}
		if in.Scope == ScopeAll && o.columns()[0] != enttask.FieldCreatedAt {
			k.read = l.readBoth
		}
		rows, info, err := k.page(ctx, w, withColumns(in.Columns, o.columns()))
		if err != nil {
			return nil, fmt.Errorf("listing tasks: %w", err)
		}
		page = l.assemble(rows, info)
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

// withColumns adds columns to a choice of them; where none are chosen, all are.
func withColumns(chosen, more []string) []string {
	if len(chosen) == 0 {
		return nil
	}
	for _, c := range more {
		if !slices.Contains(chosen, c) {
			chosen = append(slices.Clip(chosen), c)
		}
	}
	return chosen
}

// read reads one part of the list.
func (l *list) read(ctx context.Context, part segment, limit int, columns []string) ([]*ent.Task, error) {
	if rows, ok, err := l.readByHand(ctx, part, limit, columns); ok {
		return rows, err
	}
	q := l.query().Where(part.where).Order(part.sort).Limit(limit)
	if len(columns) > 0 {
		q.Select(columns...)
	}
	return q.All(ctx)
}

// readBoth reads one part of a list of all tasks out of the first of those in the trash and the first of the others: each
// has an index for the order, where both together have one for the time of creation only. It is one statement, since
// between two a task could go to the trash or come back, and be read twice or not at all.
func (l *list) readBoth(ctx context.Context, part segment, limit int, columns []string) ([]*ent.Task, error) {
	first := func(d string, scope Scope) *sql.Selector {
		t := sql.Dialect(d).Table(enttask.Table)
		inner := sql.Dialect(d).Select(t.C(enttask.FieldID)).From(t).Limit(limit)
		for _, p := range append([]predicate.Task{enttask.WorkspaceID(l.viewer.WorkspaceID), scope.predicate()}, l.where...) {
			p(inner)
		}
		part.where(inner)
		part.sort(inner)
		ids := inner.As(string(scope)) // A LIMIT of its own needs a SELECT of its own.
		return sql.Dialect(d).Select(ids.C(enttask.FieldID)).From(ids)
	}
	q := visible(l.service.client.Task.Query(), l.viewer).Where(func(s *sql.Selector) {
		s.Where(sql.In(s.C(enttask.FieldID), first(s.Dialect(), ScopeActive).UnionAll(first(s.Dialect(), ScopeTrash))))
	}).Order(part.sort).Limit(limit)
	if len(columns) > 0 {
		q.Select(columns...)
	}
	return q.All(ctx)
}

// assemble makes a page of its rows.
func (l *list) assemble(rows placed[*ent.Task], info *PageInfo) *Page {
	page := &Page{Edges: make([]*Edge, len(rows.rows)), PageInfo: info, Facets: new(Facets), list: l}
	edges := make([]Edge, len(rows.rows)) // One allocation for all.
	for i, t := range rows.rows {
		edges[i] = Edge{Cursor: rows.cursors[i], Node: t}
		page.Edges[i] = &edges[i]
	}
	return page
}

// newWindow checks what page of a list in that order is wanted.
func newWindow[T any](o order[T], in PageInput) (window, error) {
	w := window{size: DefaultPageSize}
	if in.First != nil && in.Last != nil {
		return window{}, inputError("last", "can't go together with first: ask for one end of the list")
	}
	for _, end := range []struct {
		name string
		size *int
	}{{"first", in.First}, {"last", in.Last}} {
		if end.size == nil {
			continue
		}
		if *end.size < 1 || *end.size > MaxPageSize {
			return window{}, inputError(end.name, "must be 1 to %d, not %d", MaxPageSize, *end.size)
		}
		w.size, w.backward = *end.size, end.name == "last"
	}
	var err error
	if w.after, err = cursorArgument(o, "after", in.After); err != nil {
		return window{}, err
	}
	if w.before, err = cursorArgument(o, "before", in.Before); err != nil {
		return window{}, err
	}
	return w, nil
}

func cursorArgument[T any](o order[T], name string, cursor *string) (*place, error) {
	if cursor == nil {
		return nil, nil //nolint:nilnil // Absent is no error.
	}
	p, err := o.decode(*cursor)
	if err != nil {
		return nil, inputError(name, "%s", err)
	}
	return p, nil
}

// keyset reads pages of a list in one order.
type keyset[T any] struct {
	order order[T]
	// read reads up to limit rows of a part of the list: only those columns, all where there are none.
	read func(ctx context.Context, part segment, limit int, columns []string) ([]T, error)
}

// placed are rows with their cursors.
type placed[T any] struct {
	rows    []T
	cursors []string
}

// page reads the window's rows.
func (k keyset[T]) page(ctx context.Context, w window, columns []string) (placed[T], *PageInfo, error) {
	o, from, to := k.order, w.after, w.before
	if w.backward {
		o, from, to = k.order.reversed(), w.before, w.after
	}
	// One row more than the page tells whether the list goes on.
	rows, err := k.between(ctx, o, bound{place: from}, bound{place: to}, w.size+1, columns)
	if err != nil {
		return placed[T]{}, nil, err
	}
	more := len(rows) > w.size
	rows = rows[:min(len(rows), w.size)]
	if w.backward {
		slices.Reverse(rows)
	}
	p, info := k.order.place(rows)
	if w.backward {
		info.previous.known = more
	} else {
		info.next.known = more
	}
	// At a cursor that was given there was a row once; there may be none now.
	if w.after != nil {
		info.previous.look = k.anything(k.order.reversed(), w.after)
	}
	if w.before != nil {
		info.next.look = k.anything(k.order, w.before)
	}
	return p, info, nil
}

// place gives rows their cursors, and the page the first and the last.
func (o order[T]) place(rows []T) (placed[T], *PageInfo) {
	p, info := placed[T]{rows: rows, cursors: make([]string, len(rows))}, &PageInfo{}
	var at place
	var bytes, text []byte // One of each for all rows.
	for i, row := range rows {
		o.move(&at, row)
		bytes = o.appendBytes(bytes[:0], &at)
		text = base64.RawURLEncoding.AppendEncode(text[:0], bytes)
		p.cursors[i] = string(text)
	}
	if n := len(rows); n > 0 {
		info.StartCursor, info.EndCursor = &p.cursors[0], &p.cursors[n-1]
	}
	return p, info
}

// between reads up to limit rows from one bound towards the other.
func (k keyset[T]) between(ctx context.Context, o order[T], from, to bound, limit int, columns []string) ([]T, error) {
	var rows []T
	for _, part := range o.segments(from, to) {
		more, err := k.read(ctx, part, limit-len(rows), columns)
		if err != nil {
			return nil, err
		}
		if rows = append(rows, more...); len(rows) == limit {
			break
		}
	}
	return rows, nil
}

// anything returns a question: does a row stand at the place, or follow it?
func (k keyset[T]) anything(o order[T], at *place) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		rows, err := k.between(ctx, o, bound{place: at, inclusive: true}, bound{}, 1, []string{enttask.FieldID})
		return len(rows) > 0, err
	}
}
