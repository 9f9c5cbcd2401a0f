package task

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strconv"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/predicate"
	enttask "taskql/ent/task"
	"taskql/internal/keyset"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// ListInput says which page of which list is wanted, and what of it.
type ListInput struct {
	First, Last   *int
	After, Before *string
	Scope         Scope
	// Filter may be nil.
	Filter *Filter
	// OrderBy may be empty: then the newest tasks come first.
	OrderBy []Order
	Selection
}

// Selection says what of a page is wanted. The zero value is its rows with all columns.
type Selection struct {
	// Columns are the columns to read, besides the id and the order's. If it is empty, all are read.
	Columns []string
	// CountsOnly leaves out the rows.
	CountsOnly bool
	// Facets are counted, and TagColumns read of their tags. If TagColumns is empty, all are read.
	Facets     []Facet
	TagColumns []string
}

// Scope says which tasks a list is made of.
type Scope string

// The scopes of a list.
const (
	ScopeActive   Scope = "ACTIVE"   // neither in the trash nor in an archived project
	ScopeArchived Scope = "ARCHIVED" // in an archived project, and not in the trash
	ScopeTrash    Scope = "TRASH"    // in the trash
	ScopeAll      Scope = "ALL"
)

// predicate returns the scope's condition, or nil if it has none.
func (s Scope) predicate() predicate.Task {
	switch s {
	case ScopeArchived:
		return enttask.And(enttask.DeletedAtIsNil(), enttask.HiddenAtNotNil())
	case ScopeTrash:
		return enttask.DeletedAtNotNil()
	case ScopeAll:
		return nil
	default:
		return enttask.And(enttask.DeletedAtIsNil(), enttask.HiddenAtIsNil())
	}
}

// Page is one page of a list. Its counts read the database when they are asked for.
type Page struct {
	keyset.Page[*ent.Task]

	// Facets has what the selection asked for. It is never nil.
	Facets *Facets
}

// Edge is a task and its cursor.
type Edge = keyset.Edge[*ent.Task]

// list is a list of tasks.
type list struct {
	service *Service
	viewer  viewer.Viewer
	// predicates are those of the scope and the filter.
	predicates []predicate.Task
	// key identifies them and the order for the cache of SQL. It is empty if the list's statements are not cached.
	key string
	// queryRaw runs the list's statements on PostgreSQL. Nil: outside of a transaction.
	queryRaw workspace.QueryRaw
}

// query returns the query of the whole list, without an order.
func (l *list) query() *ent.TaskQuery { return l.service.client.Task.Query().Where(l.narrow) }

// narrow limits a statement on tasks to the list.
func (l *list) narrow(s *sql.Selector) {
	workspace.Scope(l.viewer)(s)
	for _, p := range l.predicates {
		p(s)
	}
}

func (l *list) count(ctx context.Context) (int, error) {
	n, err := l.query().Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("counting tasks: %w", err)
	}
	return n, nil
}

// List returns a page of the viewer's tasks. The error is an *InputError if the input is invalid.
func (s *Service) List(ctx context.Context, v viewer.Viewer, in ListInput) (*Page, error) {
	o, err := taskOrders.By(in.OrderBy)
	if err != nil {
		return nil, err
	}
	w, err := keyset.NewWindow(o, keyset.Args{First: in.First, Last: in.Last, After: in.After, Before: in.Before})
	if err != nil {
		return nil, err
	}
	l := &list{service: s, viewer: v, key: in.key()}
	if p := in.Scope.predicate(); p != nil {
		l.predicates = append(l.predicates, p)
	}
	if in.Filter != nil {
		p, err := in.Filter.predicate(s.days(v), v.UserID)
		if err != nil {
			return nil, err
		}
		l.predicates = append(l.predicates, p)
	}
	k := keyset.List[*ent.Task]{Order: o, Read: l.read, Count: l.count}
	if in.Scope == ScopeAll {
		k.Read = l.readAll
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
		facets, err := (&groupedLists{list: *l}).facets(ctx, in.Facets, in.TagColumns)
		if err != nil {
			return nil, err
		}
		page.Facets = facets.of(uuid.Nil)
	}
	return page, nil
}

// key names the cached statement of the list, which is the same for all workspaces. It is empty if the list is none of the few
// that most clients ask for: their statements are not cached.
func (in ListInput) key() string {
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

// read reads one segment of the list.
func (l *list) read(ctx context.Context, segment keyset.Segment, limit int, columns []string) ([]*ent.Task, error) {
	var key queryKey
	if l.key != "" && segment.Key != "" {
		key = queryKey{name: l.key + segment.Key + strconv.Itoa(limit), args: segment.Args}
	}
	return l.rows(ctx, columns, key, limit, func(s *sql.Selector) {
		segment.Where(s)
		segment.Sort(s)
		s.Limit(limit)
	})
}

// readAll reads a segment of a list of all tasks: the first active tasks, which an index has in the list's order, and the
// first of archived projects and in the trash, which are sorted. It is one statement, because between two a task could move from one to
// another, and be read twice or not at all.
func (l *list) readAll(ctx context.Context, segment keyset.Segment, limit int, columns []string) ([]*ent.Task, error) {
	first := func(d string, scope Scope) *sql.Selector {
		t := sql.Dialect(d).Table(enttask.Table)
		inner := sql.Dialect(d).Select(t.C(enttask.FieldID)).From(t).Limit(limit)
		l.narrow(inner)
		scope.predicate()(inner)
		segment.Where(inner)
		segment.Sort(inner)
		ids := inner.As(string(scope)) // Each SELECT with a LIMIT needs one around it.
		return sql.Dialect(d).Select(ids.C(enttask.FieldID)).From(ids)
	}
	chosen := &list{service: l.service, viewer: l.viewer} // The filter has been applied to the ids already.
	return chosen.rows(ctx, columns, queryKey{}, limit, func(s *sql.Selector) {
		d := s.Dialect()
		s.Where(sql.In(s.C(enttask.FieldID), first(d, ScopeActive).UnionAll(first(d, ScopeArchived)).UnionAll(first(d, ScopeTrash))))
		segment.Sort(s)
		s.Limit(limit)
	})
}

// rows reads the rows of the list that restrict selects, which are about as many as expected. The key identifies the
// statement in the cache; its zero value is for one that isn't cached. If the quota of text is used up, the rows before that are
// returned with the error.
func (l *list) rows(ctx context.Context, columns []string, key queryKey, expected int, restrict func(*sql.Selector)) ([]*ent.Task, error) {
	quota := textQuotaOf(ctx)
	if !l.service.usesRowReader(ctx) {
		q := l.query().Where(restrict)
		if len(columns) > 0 {
			q.Select(columns...)
		}
		tasks, err := q.All(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading tasks: %w", err)
		}
		for i, e := range tasks {
			if err := quota.charge(e); err != nil {
				return tasks[:i], fmt.Errorf("reading tasks: %w", err)
			}
		}
		return tasks, nil
	}
	r, err := taskColumns.newReader(columns)
	if err != nil {
		return nil, err
	}
	statement, args := l.service.sql.query(key, columns, l.viewer.WorkspaceID, func() (string, []any) {
		t := sql.Dialect(dialect.Postgres).Table(enttask.Table)
		s := r.selectFrom(t)
		l.narrow(s)
		restrict(s)
		return s.Query()
	})
	tasks := make([]*ent.Task, 0, expected)
	queryRaw := l.queryRaw
	if queryRaw == nil {
		queryRaw = l.service.queryRaw
	}
	err = queryRaw(ctx, statement, args, func(row []driver.Value) error {
		e, err := r.read(row)
		if err == nil {
			err = quota.charge(e)
		}
		if err == nil {
			tasks = append(tasks, e)
		}
		return err
	})
	if err != nil {
		return tasks, fmt.Errorf("reading tasks: %w", err)
	}
	return tasks, nil
}

// usesRowReader reports whether hot reads use a rowReader: on PostgreSQL, if ent's privacy policy, which isn't consulted then,
// would allow the query.
func (s *Service) usesRowReader(ctx context.Context) bool {
	return s.dialect == dialect.Postgres && viewer.MayRead(ctx)
}
