package task

import (
	"context"
	"fmt"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	"taskql/ent/tasktag"
	"taskql/internal/workspace"
)

// Facet is a field of Facets, as the API names it.
type Facet string

// The facets that have a count for each priority, tag, project or assignee.
const (
	facetByPriority Facet = "byPriority"
	facetByTag      Facet = "byTag"
	facetByProject  Facet = "byProject"
	facetByAssignee Facet = "byAssignee"
)

// The facets that are one count.
const (
	facetOpen         Facet = "open"
	facetCompleted    Facet = "completed"
	facetOverdue      Facet = "overdue"
	facetDueToday     Facet = "dueToday"
	facetDueNext7Days Facet = "dueNext7Days"
	facetNoDue        Facet = "noDue"
)

// condition returns the condition of the tasks that a facet of one count counts.
func (f Facet) condition(d days) condition {
	within := func(w DueWindow) condition { return func(s *sql.Selector) *sql.Predicate { return d.due(s, w) } }
	switch f {
	case facetOpen:
		return isTrue(enttask.FieldCompleted, false)
	case facetCompleted:
		return isTrue(enttask.FieldCompleted, true)
	case facetOverdue:
		return within(WindowOverdue)
	case facetDueToday:
		return within(WindowToday)
	case facetDueNext7Days:
		return within(WindowNext7Days)
	case facetNoDue:
		return isNull(enttask.FieldDueDate, true)
	default:
		return nil
	}
}

// group groups a statement by list. It must be called after the statement's other columns are selected.
func (l *groupedLists) group(s *sql.Selector) {
	if l.groupBy != "" {
		s.AppendSelectAs(s.C(l.groupBy), "list").GroupBy(s.C(l.groupBy))
	}
}

// counts has the facets of one count of a list.
type counts struct {
	List         uuid.UUID `sql:"list"`
	Open         int       `sql:"open"`
	Completed    int       `sql:"completed"`
	Overdue      int       `sql:"overdue"`
	DueToday     int       `sql:"dueToday"`
	DueNext7Days int       `sql:"dueNext7Days"`
	NoDue        int       `sql:"noDue"`
}

// counts counts the facets, which must be of one count, in one statement.
func (l *groupedLists) counts(ctx context.Context, wanted ...Facet) (map[uuid.UUID]counts, error) {
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
	byList := make(map[uuid.UUID]counts, len(rows))
	for _, r := range rows {
		byList[r.List] = r
	}
	return byList, nil
}

// facetsByList is the facets of lists that have any tasks.
type facetsByList map[uuid.UUID]*Facets

// of returns a list's facets.
func (m facetsByList) of(list uuid.UUID) *Facets {
	f := m[list]
	if f == nil {
		f = &Facets{ByTag: []*TagCount{}, ByProject: []*ProjectCount{}, ByAssignee: []*AssigneeCount{}}
		for p := PriorityNone; p <= PriorityUrgent; p++ {
			f.ByPriority = append(f.ByPriority, &PriorityCount{Priority: p})
		}
		m[list] = f
	}
	return f
}

// facets counts what is wanted: all facets of one count in one statement, each of the others in one of its own.
func (l *groupedLists) facets(ctx context.Context, wanted []Facet, tagColumns []string) (facetsByList, error) {
	found := facetsByList{}
	var single []Facet
	for _, f := range wanted {
		var err error
		switch f {
		case facetByPriority:
			err = l.countByPriority(ctx, found)
		case facetByTag:
			err = l.countByTag(ctx, found, tagColumns)
		case facetByAssignee:
			err = l.countByAssignee(ctx, found)
		case facetByProject:
			err = l.countByProject(ctx, found)
		default:
			single = append(single, f)
		}
		if err != nil {
			return nil, fmt.Errorf("counting %s: %w", f, err)
		}
	}
	if len(single) == 0 {
		return found, nil
	}
	rows, err := l.counts(ctx, single...)
	if err != nil {
		return nil, fmt.Errorf("counting facets: %w", err)
	}
	for list, c := range rows {
		f := found.of(list)
		f.Open, f.Completed, f.Overdue = c.Open, c.Completed, c.Overdue
		f.DueToday, f.DueNext7Days, f.NoDue = c.DueToday, c.DueNext7Days, c.NoDue
	}
	return found, nil
}

// countBy counts the tasks with each value of a column into rows, which have the columns list, count and that one: the value with most
// tasks first, and null last.
func (l *groupedLists) countBy(ctx context.Context, column string, rows any) error {
	return l.query().Modify(func(s *sql.Selector) {
		value := s.C(column)
		s.Select(value, sql.As(sql.Count("*"), "count")).GroupBy(value).
			OrderExpr(sql.Expr(value+" IS NULL"), sql.Expr("COUNT(*) DESC"), sql.Expr(value))
		l.group(s)
	}).Scan(ctx, rows)
}

func (l *groupedLists) countByPriority(ctx context.Context, found facetsByList) error {
	var rows []struct {
		List     uuid.UUID `sql:"list"`
		Priority int       `sql:"priority"`
		Count    int       `sql:"count"`
	}
	if err := l.countBy(ctx, enttask.FieldPriority, &rows); err != nil {
		return err
	}
	for _, r := range rows {
		found.of(r.List).ByPriority[r.Priority].Count = r.Count
	}
	return nil
}

// countByProject counts the tasks of each project, those with most tasks first, and those in none last.
func (l *groupedLists) countByProject(ctx context.Context, found facetsByList) error {
	var rows []struct {
		List      uuid.UUID  `sql:"list"`
		ProjectID *uuid.UUID `sql:"project_id"`
		Count     int        `sql:"count"`
	}
	if err := l.countBy(ctx, enttask.FieldProjectID, &rows); err != nil {
		return err
	}
	for _, r := range rows {
		f := found.of(r.List)
		f.ByProject = append(f.ByProject, &ProjectCount{ProjectID: r.ProjectID, Count: r.Count})
	}
	return nil
}

func (l *groupedLists) countByTag(ctx context.Context, found facetsByList, columns []string) error {
	q := l.service.client.Tag.Query().Where(workspace.Scope(l.viewer))
	if len(columns) > 0 {
		q.Select(columns...)
	}
	rows, err := q.Modify(func(s *sql.Selector) {
		counted := l.tagCounts(s.Dialect()).As("counted")
		s.Join(counted).On(s.C(enttag.FieldID), counted.C(tasktag.FieldTagID)).
			AppendSelect(counted.C("count")).
			OrderBy(sql.Desc(counted.C("count")), s.C(enttag.FieldNameKey))
		if l.groupBy != "" {
			s.AppendSelect(counted.C("list"))
		}
	}).All(ctx)
	if err != nil {
		return err
	}
	tags := map[uuid.UUID]*ent.Tag{} // A tag of several lists is one value.
	for _, row := range rows {
		n, err := row.Value("count")
		if err != nil {
			return err
		}
		count, ok := n.(int64)
		if !ok {
			return fmt.Errorf("a count is a %T", n)
		}
		var list uuid.UUID
		if l.groupBy != "" {
			if list, err = idValue(row, "list"); err != nil {
				return err
			}
		}
		if tags[row.ID] == nil {
			tags[row.ID] = row
		}
		f := found.of(list)
		f.ByTag = append(f.ByTag, &TagCount{Tag: tags[row.ID], Count: int(count)})
	}
	return nil
}

// countByAssignee counts the tasks of each assignee, those with most tasks first, and those of nobody last.
func (l *groupedLists) countByAssignee(ctx context.Context, found facetsByList) error {
	var rows []struct {
		List     uuid.UUID `sql:"list"`
		Assignee *string   `sql:"assignee_id"`
		Count    int       `sql:"count"`
	}
	if err := l.countBy(ctx, enttask.FieldAssigneeID, &rows); err != nil {
		return err
	}
	for _, r := range rows {
		f := found.of(r.List)
		f.ByAssignee = append(f.ByAssignee, &AssigneeCount{UserID: r.Assignee, Count: r.Count})
	}
	return nil
}

// tagCounts selects the number of tasks with each tag, by list.
func (l *groupedLists) tagCounts(dialect string) *sql.Selector {
	t, tagged := sql.Dialect(dialect).Table(enttask.Table), sql.Dialect(dialect).Table(tasktag.Table).As("tagged")
	s := sql.Dialect(dialect).Select(tagged.C(tasktag.FieldTagID), sql.As(sql.Count("*"), "count")).From(t)
	s.Join(tagged).On(t.C(enttask.FieldID), tagged.C(tasktag.FieldTaskID)).GroupBy(tagged.C(tasktag.FieldTagID))
	l.narrow(s)
	l.group(s)
	return s
}
