package task

import (
	"encoding/hex"
	"fmt"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent/predicate"
	enttask "taskql/ent/task"
	"taskql/ent/tasktag"
)

// The limits of a filter.
const (
	MaxFilterDepth = 5
	MaxComparisons = 50
)

// Filter selects tasks: all of its parts must hold. The zero value selects every task.
type Filter struct {
	// All of these hold.
	All []*Filter
	// One of these holds, where it is not nil: where it is empty, none does.
	Any []*Filter
	// This does not hold.
	Not *Filter
	// Each of these holds.
	Comparisons []Comparison
}

// Comparison compares a field of a task with a value.
type Comparison struct {
	// Field and Op are names of the API, such as priority and gte. Op is "" where the field has but one.
	Field, Op string
	// Value is a bool, string, int (a Priority), time.Time or DueWindow, or a slice of strings or ints.
	Value any
}

// condition is a part of a filter on its way into a statement. It is true or false for every task and never null, which
// negation would leave null.
type condition func(*sql.Selector) *sql.Predicate

// operator makes a condition of a column and a value. The error is an *InputError where the value is not to be used.
type operator func(d days, column string, value any) (condition, error)

// filterFields is what can be compared: the field's column, and its operators.
var filterFields = map[string]struct { //nolint:gochecknoglobals // A constant, if Go had constant maps.
	column string
	ops    map[string]operator
}{
	"id":          {enttask.FieldID, map[string]operator{"eq": op(idIs), "in": op(idIn), "notIn": op(idNotIn)}},
	"search":      {enttask.FieldSearchText, map[string]operator{"": search}},
	"completed":   {enttask.FieldCompleted, map[string]operator{"": op(is)}},
	"priority":    {enttask.FieldPriority, map[string]operator{"eq": compare[int](sql.OpEQ), "in": op(oneOf), "gte": compare[int](sql.OpGTE), "lte": compare[int](sql.OpLTE)}},
	"due":         {enttask.FieldDueDate, map[string]operator{"isNull": op(isNull), "on": compare[time.Time](sql.OpEQ), "before": compare[time.Time](sql.OpLT), "after": compare[time.Time](sql.OpGT), "within": within}},
	"createdAt":   {enttask.FieldCreatedAt, moments()},
	"updatedAt":   {enttask.FieldUpdatedAt, moments()},
	"completedAt": {enttask.FieldCompletedAt, moments()},
	"tags":        {enttask.FieldID, map[string]operator{"any": op(anyTag), "all": op(allTags), "none": op(noTag)}},
	"parent":      {enttask.FieldParentID, map[string]operator{"isNull": op(isNull), "eq": op(idIs)}},
}

func moments() map[string]operator {
	return map[string]operator{
		"gt": compare[time.Time](sql.OpGT), "gte": compare[time.Time](sql.OpGTE),
		"lt": compare[time.Time](sql.OpLT), "lte": compare[time.Time](sql.OpLTE), "isNull": op(isNull),
	}
}

// predicate returns the filter for a statement. The error is an *InputError where the filter is too large.
func (f *Filter) predicate(d days) (predicate.Task, error) {
	comparisons := 0
	c, err := f.condition(d, 1, &comparisons)
	if err != nil {
		return nil, err
	}
	return func(s *sql.Selector) { s.Where(c(s)) }, nil
}

func (f *Filter) condition(d days, depth int, comparisons *int) (condition, error) {
	if depth > MaxFilterDepth {
		return nil, inputError("filter", "may be at most %d levels deep: write it flatter", MaxFilterDepth)
	}
	if *comparisons += f.weight(); *comparisons > MaxComparisons {
		return nil, inputError("filter", "may have at most %d comparisons, empty filters counted too: leave some out", MaxComparisons)
	}
	var all []condition
	for _, c := range f.Comparisons {
		made, err := c.condition(d)
		if err != nil {
			return nil, err
		}
		all = append(all, made)
	}
	for _, part := range f.All {
		made, err := part.condition(d, depth+1, comparisons)
		if err != nil {
			return nil, err
		}
		all = append(all, made)
	}
	if f.Any != nil {
		either := make([]condition, len(f.Any))
		for i, part := range f.Any {
			made, err := part.condition(d, depth+1, comparisons)
			if err != nil {
				return nil, err
			}
			either[i] = made
		}
		all = append(all, joined(anyOf, never, either))
	}
	if f.Not != nil {
		made, err := f.Not.condition(d, depth+1, comparisons)
		if err != nil {
			return nil, err
		}
		all = append(all, not(made))
	}
	return joined(allOf, always, all), nil
}

// weight is what the filter itself, without its parts, counts against MaxComparisons. An empty one counts too, so that the
// number of all filters is bounded: the others have comparisons or lead to some, and the depth is bounded.
func (f *Filter) weight() int {
	if len(f.All) == 0 && len(f.Any) == 0 && f.Not == nil {
		return max(1, len(f.Comparisons))
	}
	return len(f.Comparisons)
}

func (c Comparison) condition(d days) (condition, error) {
	field := filterFields[c.Field]
	operator, ok := field.ops[c.Op]
	if !ok {
		return nil, fmt.Errorf("there is no filter %s.%s", c.Field, c.Op)
	}
	return operator(d, field.column, c.Value)
}

// allOf, anyOf and no join conditions in parentheses of their own. (ent leaves some out, which it can do without for
// its own predicates.)
func allOf(predicates ...*sql.Predicate) *sql.Predicate { return inParentheses(" AND ", predicates) }

func anyOf(predicates ...*sql.Predicate) *sql.Predicate { return inParentheses(" OR ", predicates) }

func no(p *sql.Predicate) *sql.Predicate {
	return sql.P(func(b *sql.Builder) { b.WriteString("NOT (").Join(p).WriteByte(')') })
}

func inParentheses(join string, predicates []*sql.Predicate) *sql.Predicate {
	return sql.P(func(b *sql.Builder) {
		b.WriteByte('(')
		for i, p := range predicates {
			if i > 0 {
				b.WriteString(join)
			}
			b.Join(p)
		}
		b.WriteByte(')')
	})
}

func always(*sql.Selector) *sql.Predicate {
	return sql.P(func(b *sql.Builder) { b.WriteString("TRUE") })
}

func never(*sql.Selector) *sql.Predicate { return sql.False() }

func not(c condition) condition {
	return func(s *sql.Selector) *sql.Predicate { return no(c(s)) }
}

// joined is all of the conditions or any, and what that is where there are none.
func joined(join func(...*sql.Predicate) *sql.Predicate, empty condition, conditions []condition) condition {
	if len(conditions) == 0 {
		return empty
	}
	return func(s *sql.Selector) *sql.Predicate {
		predicates := make([]*sql.Predicate, len(conditions))
		for i, c := range conditions {
			predicates[i] = c(s)
		}
		return join(predicates...)
	}
}

// op builds an operator from a function that takes values of one type.
func op[T any](build func(column string, value T) condition) operator {
	return func(_ days, column string, v any) (condition, error) {
		value, ok := v.(T)
		if !ok {
			return nil, fmt.Errorf("a filter of %s takes no %T", column, v)
		}
		return build(column, value), nil
	}
}

// known keeps a condition on a column that may be null from being null itself.
func known(column string, c condition) condition {
	switch column {
	case enttask.FieldDueDate, enttask.FieldCompletedAt, enttask.FieldParentID:
		return func(s *sql.Selector) *sql.Predicate { return allOf(sql.NotNull(s.C(column)), c(s)) }
	default:
		return c
	}
}

func compare[T any](with sql.Op) operator {
	return op(func(column string, value T) condition {
		return known(column, func(s *sql.Selector) *sql.Predicate {
			name := s.C(column)
			return sql.P(func(b *sql.Builder) { b.Ident(name).WriteOp(with).Arg(value) })
		})
	})
}

func isNull(column string, null bool) condition {
	return func(s *sql.Selector) *sql.Predicate {
		if null {
			return sql.IsNull(s.C(column))
		}
		return sql.NotNull(s.C(column))
	}
}

// is is written as in the condition of the index of open tasks.
func is(column string, yes bool) condition {
	holds := func(s *sql.Selector) *sql.Predicate {
		name := s.C(column)
		return sql.P(func(b *sql.Builder) { b.Ident(name) })
	}
	if !yes {
		return not(holds)
	}
	return holds
}

func oneOf(column string, numbers []int) condition {
	if len(numbers) == 0 {
		return never
	}
	args := make([]any, len(numbers))
	for i, n := range numbers {
		args[i] = n
	}
	return func(s *sql.Selector) *sql.Predicate { return sql.In(s.C(column), args...) }
}

func idIs(column, id string) condition {
	u, ok := parseID(id)
	if !ok {
		return never
	}
	return known(column, func(s *sql.Selector) *sql.Predicate { return sql.EQ(s.C(column), u) })
}

func idIn(column string, ids []string) condition {
	set, _ := idSet(ids)
	if len(set) == 0 {
		return never
	}
	return func(s *sql.Selector) *sql.Predicate { return among(s, s.C(column), set) }
}

func idNotIn(column string, ids []string) condition { return not(idIn(column, ids)) }

func anyTag(column string, ids []string) condition {
	set, _ := idSet(ids)
	if len(set) == 0 {
		return never
	}
	return carrying(column, set, 1)
}

func allTags(column string, ids []string) condition {
	set, all := idSet(ids)
	switch {
	case !all:
		return never
	case len(set) == 0:
		return always
	default:
		return carrying(column, set, len(set))
	}
}

func noTag(column string, ids []string) condition { return not(anyTag(column, ids)) }

// carrying selects the tasks that carry at least so many of the tags.
func carrying(column string, tags []uuid.UUID, least int) condition {
	return func(s *sql.Selector) *sql.Predicate {
		t := sql.Dialect(s.Dialect()).Table(tasktag.Table).As("carried")
		of := sql.Dialect(s.Dialect()).Select(t.C(tasktag.FieldTaskID)).From(t)
		of.Where(among(s, t.C(tasktag.FieldTagID), tags))
		if least > 1 {
			of.GroupBy(t.C(tasktag.FieldTaskID)).Having(sql.P(func(b *sql.Builder) { b.WriteString("COUNT(*) >= ").Arg(least) }))
		}
		return sql.In(s.C(column), of)
	}
}

func search(_ days, column string, v any) (condition, error) {
	text, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("a search takes no %T", v)
	}
	found, err := words("filter.search", text)
	if err != nil {
		return nil, err
	}
	all := make([]condition, len(found))
	for i, word := range found {
		all[i] = func(s *sql.Selector) *sql.Predicate { return contains(s.C(column), word) }
	}
	return joined(allOf, always, all), nil
}

func within(d days, _ string, v any) (condition, error) {
	w, ok := v.(DueWindow)
	if !ok {
		return nil, fmt.Errorf("a window takes no %T", v)
	}
	return func(s *sql.Selector) *sql.Predicate { return d.due(s, w) }, nil
}

// idSet returns each id once, and whether all of them could be some thing's.
func idSet(ids []string) ([]uuid.UUID, bool) {
	seen, set, all := make(map[uuid.UUID]bool, len(ids)), make([]uuid.UUID, 0, len(ids)), true
	for _, id := range ids {
		u, ok := parseID(id)
		if !ok {
			all = false
		} else if !seen[u] {
			seen[u], set = true, append(set, u)
		}
	}
	return set, all
}

// idList writes ids as the one argument that among takes: an array of PostgreSQL's, or JSON.
func idList(d string, ids []uuid.UUID) string {
	quote, left, right := `"`, byte('['), byte(']')
	if d == dialect.Postgres {
		quote, left, right = "", '{', '}'
	}
	list := make([]byte, 0, len(ids)*(idText+len(`"",`))+1)
	list = append(list, left)
	for i, id := range ids {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, quote...)
		for at, part := range [...][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
			if at > 0 {
				list = append(list, '-')
			}
			list = hex.AppendEncode(list, part)
		}
		list = append(list, quote...)
	}
	return string(append(list, right))
}

// among says that a column of ids is one of these. They are one argument, so that the statement stays the same whatever
// their number.
//
// A single id is compared as it is: PostgreSQL takes a list for ten ids long, and would plan for the true one each time.
func among(s *sql.Selector, column string, ids []uuid.UUID) *sql.Predicate {
	if len(ids) == 1 {
		return sql.EQ(column, ids[0])
	}
	list := idList(s.Dialect(), ids)
	return sql.P(func(b *sql.Builder) {
		b.Ident(column)
		if s.Dialect() == dialect.Postgres {
			b.WriteString(" = ANY(").Arg(list).WriteString("::uuid[])")
		} else {
			b.WriteString(" IN (SELECT value FROM json_each(").Arg(list).WriteString("))")
		}
	})
}
