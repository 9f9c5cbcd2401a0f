package keyset

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
)

// The sizes of a page, in rows.
const (
	MaxPageSize     = 100
	DefaultPageSize = 50
)

// Args are the arguments that choose a page of a list. Nil is absent.
type Args struct {
	First, Last   *int
	After, Before *string
}

// Window is the checked arguments of a page: a number of rows at one end of what lies between two positions.
type Window struct {
	size          int
	backward      bool
	after, before *Position
}

// NewWindow checks the arguments of a page of a list in that order. The error is an [InputError].
func NewWindow[T any](o Order[T], a Args) (Window, error) {
	w := Window{size: DefaultPageSize}
	if a.First != nil && a.Last != nil {
		return Window{}, inputError("last", "can't go together with first: ask for one end of the list")
	}
	for _, end := range []struct {
		name string
		size *int
	}{{"first", a.First}, {"last", a.Last}} {
		if end.size == nil {
			continue
		}
		if *end.size < 1 || *end.size > MaxPageSize {
			return Window{}, inputError(end.name, "must be 1 to %d, not %d", MaxPageSize, *end.size)
		}
		w.size, w.backward = *end.size, end.name == "last"
	}
	var err error
	if w.after, err = decodeArgument(o, "after", a.After); err != nil {
		return Window{}, err
	}
	if w.before, err = decodeArgument(o, "before", a.Before); err != nil {
		return Window{}, err
	}
	return w, nil
}

func decodeArgument[T any](o Order[T], name string, cursor *string) (*Position, error) {
	if cursor == nil {
		return nil, nil //nolint:nilnil // Absent is no error.
	}
	p, err := o.decode(*cursor)
	if err != nil {
		return nil, inputError(name, "%s", err)
	}
	return p, nil
}

// Size returns how many rows the page has at most.
func (w Window) Size() int { return w.size }

// After returns the position that the page is to follow, or nil.
func (w Window) After() *Position { return w.after }

// PageInfo says where a page is in its list.
type PageInfo struct {
	// StartCursor and EndCursor are nil if the page is empty.
	StartCursor, EndCursor *string

	next, previous beyond
}

// beyond says whether there are rows beyond one end of a page.
type beyond struct {
	exist bool
	// look asks the database; nil if exist is the answer.
	look func(context.Context) (bool, error)
}

func (b beyond) exists(ctx context.Context) (bool, error) {
	if b.look == nil {
		return b.exist, nil
	}
	exist, err := b.look(ctx)
	if err != nil {
		return false, fmt.Errorf("looking beyond a page: %w", err)
	}
	return exist, nil
}

// HasNextPage reports whether there are rows after the page's last edge. It reads the database if the page can't tell.
func (p *PageInfo) HasNextPage(ctx context.Context) (bool, error) { return p.next.exists(ctx) }

// HasPreviousPage reports whether there are rows before the page's first edge. It reads the database if the page can't tell.
func (p *PageInfo) HasPreviousPage(ctx context.Context) (bool, error) { return p.previous.exists(ctx) }

// SetHasPreviousPage makes HasPreviousPage return has. It is for pages of many lists that are read together.
func (p *PageInfo) SetHasPreviousPage(has bool) { p.previous = beyond{exist: has} }

// Edge is a row and its cursor.
type Edge[T any] struct {
	Cursor string
	Node   T
}

// Page is one page of a list.
type Page[T any] struct {
	Edges    []*Edge[T]
	PageInfo *PageInfo

	count func(context.Context) (int, error)
}

// Nodes returns the edges' rows.
func (p *Page[T]) Nodes() []T {
	nodes := make([]T, len(p.Edges))
	for i, e := range p.Edges {
		nodes[i] = e.Node
	}
	return nodes
}

// TotalCount returns how many rows the whole list has. It reads the database.
func (p *Page[T]) TotalCount(ctx context.Context) (int, error) { return p.count(ctx) }

// SetTotalCount makes TotalCount return n. It is for lists that are counted together.
func (p *Page[T]) SetTotalCount(n int) {
	p.count = func(context.Context) (int, error) { return n, nil }
}

// List reads pages of one list.
type List[T any] struct {
	Order Order[T]
	// Read reads up to limit rows of a segment. If columns is empty, it reads all columns.
	Read func(ctx context.Context, segment Segment, limit int, columns []string) ([]T, error)
	// Count counts the rows of the whole list.
	Count func(context.Context) (int, error)
}

// Page reads the window's rows: the columns, the order's and the id, or all columns if columns is empty.
func (l List[T]) Page(ctx context.Context, w Window, columns []string) (*Page[T], error) {
	o, from, to := l.Order.Read(w)
	// One row more than the page has tells whether the list goes on.
	rows, err := l.between(ctx, o, from, to, w.size+1, WithColumns(columns, l.Order.Columns()...))
	if err != nil {
		return nil, err
	}
	return l.NewPage(w, rows), nil
}

// Read returns the order in which the rows of a window are read, and the bounds from which and up to which they are.
func (o Order[T]) Read(w Window) (Order[T], Bound, Bound) {
	if w.backward {
		return o.Reversed(), Bound{Position: w.before}, Bound{Position: w.after}
	}
	return o, Bound{Position: w.after}, Bound{Position: w.before}
}

// NewPage returns the page of a window of which up to Size()+1 rows have been read, from the end that it begins at.
func (l List[T]) NewPage(w Window, rows []T) *Page[T] {
	more := len(rows) > w.size
	rows = rows[:min(len(rows), w.size)]
	if w.backward {
		slices.Reverse(rows)
	}
	page := l.newPage(rows)
	if w.backward {
		page.PageInfo.previous.exist = more
	} else {
		page.PageInfo.next.exist = more
	}
	// There was a row at each cursor that was passed, but it may be gone.
	if w.after != nil && !page.PageInfo.previous.exist {
		page.PageInfo.previous.look = l.anyFrom(l.Order.Reversed(), w.after)
	}
	if w.before != nil && !page.PageInfo.next.exist {
		page.PageInfo.next.look = l.anyFrom(l.Order, w.before)
	}
	return page
}

// EmptyPage returns a page without rows, for clients that ask for nothing but counts.
func (l List[T]) EmptyPage() *Page[T] { return l.newPage(nil) }

func (l List[T]) newPage(rows []T) *Page[T] {
	page := &Page[T]{Edges: make([]*Edge[T], len(rows)), PageInfo: &PageInfo{}, count: l.Count}
	edges := make([]Edge[T], len(rows)) // One allocation for all.
	var at Position
	var binary, text []byte // One buffer each for all rows.
	for i, row := range rows {
		l.Order.set(&at, row)
		binary = l.Order.appendCursor(binary[:0], &at)
		text = base64.RawURLEncoding.AppendEncode(text[:0], binary)
		edges[i] = Edge[T]{Cursor: string(text), Node: row}
		page.Edges[i] = &edges[i]
	}
	if n := len(edges); n > 0 {
		page.PageInfo.StartCursor, page.PageInfo.EndCursor = &edges[0].Cursor, &edges[n-1].Cursor
	}
	return page
}

// between reads up to limit rows from one bound towards the other.
func (l List[T]) between(ctx context.Context, o Order[T], from, to Bound, limit int, columns []string) ([]T, error) {
	var rows []T
	for _, segment := range o.segments(from, to) {
		more, err := l.Read(ctx, segment, limit-len(rows), columns)
		if err != nil {
			return nil, err
		}
		if rows = append(rows, more...); len(rows) == limit {
			break
		}
	}
	return rows, nil
}

// anyFrom returns a function that reports whether there is a row at the position or after it.
func (l List[T]) anyFrom(o Order[T], at *Position) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		rows, err := l.between(ctx, o, Bound{Position: at, Inclusive: true}, Bound{}, 1, []string{o.idColumn})
		return len(rows) > 0, err
	}
}

// WithColumns adds columns to those that a client chose. If none are chosen, all are read: it returns nil.
func WithColumns(chosen []string, more ...string) []string {
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
