package task

import (
	"context"
	"fmt"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/predicate"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	"taskql/ent/tasktag"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// Facet is a field of Facets, as the API names it.
type Facet string

// The facets that are groups; the others are single counts.
const (
	byPriority Facet = "byPriority"
	byTag      Facet = "byTag"
)

// The facets that are single counts.
const (
	open         Facet = "open"
	completed    Facet = "completed"
	overdue      Facet = "overdue"
	dueToday     Facet = "dueToday"
	dueNext7Days Facet = "dueNext7Days"
	noDue        Facet = "noDue"
)

// condition says which tasks a single count counts; it is nil for a facet that is none.
func (f Facet) condition(d days) condition {
	within := func(w DueWindow) condition { return func(s *sql.Selector) *sql.Predicate { return d.due(s, w) } }
	switch f {
	case open:
		return isTrue(enttask.FieldCompleted, false)
	case completed:
		return isTrue(enttask.FieldCompleted, true)
	case overdue:
		return within(WindowOverdue)
	case dueToday:
		return within(WindowToday)
	case dueNext7Days:
		return within(WindowNext7Days)
	case noDue:
		return isNull(enttask.FieldDueDate, true)
	default:
		return nil
	}
}

// lists are lists of one kind that are counted together: the tasks of each value of the column by. Where by is empty it
// is one list, whose key is the zero UUID.
type lists struct {
	service *Service
	viewer  viewer.Viewer
	where   []predicate.Task
	by      string
}

func (l lists) query() *ent.TaskQuery {
	return l.service.client.Task.Query().Where(workspace.Scope(l.viewer)).Where(l.where...)
}

// group groups a statement by list, after what it selects otherwise.
func (l lists) group(s *sql.Selector) {
	if l.by != "" {
		s.AppendSelectAs(s.C(l.by), "list").GroupBy(s.C(l.by))
	}
}

// counts are the single counts of a list.
type counts struct {
	List         uuid.UUID `sql:"list"`
	Open         int       `sql:"open"`
	Completed    int       `sql:"completed"`
	Overdue      int       `sql:"overdue"`
	DueToday     int       `sql:"dueToday"`
	DueNext7Days int       `sql:"dueNext7Days"`
	NoDue        int       `sql:"noDue"`
}

// count counts in one statement.
func (l lists) count(ctx context.Context, wanted ...Facet) (map[uuid.UUID]counts, error) {
	d := l.service.days(l.viewer)
	var rows []counts
	err := l.query().Modify(func(s *sql.Selector) {
		s.Select()
		for _, f := range wanted {
			s.AppendSelectExprAs(sql.ExprFunc(func(b *sql.Builder) {
				b.WriteString("COUNT(*) FILTER (WHERE ").Join(f.condition(d)(s)).WriteByte(')')
			}), string(f))
		}
		l.group(s)
	}).Scan(ctx, &rows)
	if err != nil {
		return nil, err
	}
	of := make(map[uuid.UUID]counts, len(rows))
	for _, r := range rows {
		of[r.List] = r
	}
	return of, nil
}

// counted is the facets of lists that have any tasks.
type counted map[uuid.UUID]*Facets

// of returns a list's facets.
func (c counted) of(list uuid.UUID) *Facets {
	f := c[list]
	if f == nil {
		f = &Facets{ByTag: []*TagCount{}}
		for p := PriorityNone; p <= PriorityUrgent; p++ {
			f.ByPriority = append(f.ByPriority, &PriorityCount{Priority: p})
		}
		c[list] = f
	}
	return f
}

// facets counts what is wanted: in one statement for all single counts and one for each group.
func (l lists) facets(ctx context.Context, wanted []Facet, tagColumns []string) (counted, error) {
	of := counted{}
	var single []Facet
	for _, f := range wanted {
		var err error
		switch f {
		case byPriority:
			err = l.byPriority(ctx, of)
		case byTag:
			err = l.byTag(ctx, of, tagColumns)
		default:
			single = append(single, f)
		}
		if err != nil {
			return nil, fmt.Errorf("counting %s: %w", f, err)
		}
	}
	if len(single) == 0 {
		return of, nil
	}
	rows, err := l.count(ctx, single...)
	if err != nil {
		return nil, fmt.Errorf("counting facets: %w", err)
	}
	for list, c := range rows {
		f := of.of(list)
		f.Open, f.Completed, f.Overdue = c.Open, c.Completed, c.Overdue
		f.DueToday, f.DueNext7Days, f.NoDue = c.DueToday, c.DueNext7Days, c.NoDue
	}
	return of, nil
}

func (l lists) byPriority(ctx context.Context, of counted) error {
	var rows []struct {
		List     uuid.UUID `sql:"list"`
		Priority int       `sql:"priority"`
		Count    int       `sql:"count"`
	}
	err := l.query().Modify(func(s *sql.Selector) {
		s.Select(s.C(enttask.FieldPriority), sql.As(sql.Count("*"), "count")).GroupBy(s.C(enttask.FieldPriority))
		l.group(s)
	}).Scan(ctx, &rows)
	if err != nil {
		return err
	}
	for _, r := range rows {
		of.of(r.List).ByPriority[r.Priority].Count = r.Count
	}
	return nil
}

func (l lists) byTag(ctx context.Context, of counted, columns []string) error {
	q := l.service.client.Tag.Query().Where(workspace.Scope(l.viewer))
	if len(columns) > 0 {
		q.Select(columns...)
	}
	tags, err := q.Modify(func(s *sql.Selector) {
		t, carried := sql.Dialect(s.Dialect()).Table(enttask.Table), sql.Dialect(s.Dialect()).Table(tasktag.Table).As("carried")
		inner := sql.Dialect(s.Dialect()).Select(carried.C(tasktag.FieldTagID), sql.As(sql.Count("*"), "count")).From(t)
		inner.Join(carried).On(t.C(enttask.FieldID), carried.C(tasktag.FieldTaskID)).GroupBy(carried.C(tasktag.FieldTagID))
		workspace.Scope(l.viewer)(inner)
		for _, p := range l.where {
			p(inner)
		}
		l.group(inner)
		counted := inner.As("counted")
		s.Join(counted).On(s.C(enttag.FieldID), counted.C(tasktag.FieldTagID)).
			AppendSelect(counted.C("count")).
			OrderBy(sql.Desc(counted.C("count")), s.C(enttag.FieldNameKey))
		if l.by != "" {
			s.AppendSelect(counted.C("list"))
		}
	}).All(ctx)
	if err != nil {
		return err
	}
	one := map[uuid.UUID]*ent.Tag{}
	for _, t := range tags {
		n, err := t.Value("count")
		if err != nil {
			return err
		}
		count, ok := n.(int64)
		if !ok {
			return fmt.Errorf("a count is a %T", n)
		}
		var list uuid.UUID
		if l.by != "" {
			if list, err = idValue(t, "list"); err != nil {
				return err
			}
		}
		if one[t.ID] == nil {
			one[t.ID] = t
		}
		f := of.of(list)
		f.ByTag = append(f.ByTag, &TagCount{Tag: one[t.ID], Count: int(count)})
	}
	return nil
}
