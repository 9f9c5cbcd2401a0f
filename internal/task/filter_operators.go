package task

import (
	"fmt"
	"slices"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent/section"
	enttask "taskql/ent/task"
	"taskql/ent/tasktag"
	"taskql/internal/workspace"
)

// typed returns an operator that takes values of the type T.
func typed[T any](compare func(f filterField, value T) condition) func(filterField, any) (condition, error) {
	return func(f filterField, v any) (condition, error) {
		value, ok := v.(T)
		if !ok {
			return nil, fmt.Errorf("a filter of %s takes a %T, not a %T", f.column, value, v)
		}
		return compare(f, value), nil
	}
}

// known returns c as a condition that is false, not null, if the column is null.
func (f filterField) known(c condition) condition {
	if !f.nullable {
		return c
	}
	return func(s *sql.Selector) *sql.Predicate { return allOf(sql.NotNull(s.C(f.column)), c(s)) }
}

// compareWith returns an operator that compares the column with a value.
func compareWith[T any](op sql.Op) func(filterField, any) (condition, error) {
	return typed(func(f filterField, value T) condition {
		return f.known(func(s *sql.Selector) *sql.Predicate {
			name := s.C(f.column)
			return sql.P(func(b *sql.Builder) { b.Ident(name).WriteOp(op).Arg(value) })
		})
	})
}

func nullEquals(f filterField, null bool) condition { return isNull(f.column, null) }

func notNullEquals(f filterField, value bool) condition { return isNull(f.column, !value) }

func boolEquals(f filterField, value bool) condition { return isTrue(f.column, value) }

func intIn(f filterField, numbers []int) condition {
	if len(numbers) == 0 {
		return never
	}
	args := make([]any, len(numbers))
	for i, n := range numbers {
		args[i] = n
	}
	return func(s *sql.Selector) *sql.Predicate { return sql.In(s.C(f.column), args...) }
}

func idEquals(f filterField, id string) condition {
	u, ok := workspace.ParseID(id)
	if !ok {
		return never
	}
	return f.known(func(s *sql.Selector) *sql.Predicate { return sql.EQ(s.C(f.column), u) })
}

func idIn(f filterField, ids []string) condition {
	unique, _ := workspace.ParseIDs(ids)
	if len(unique) == 0 {
		return never
	}
	return f.known(func(s *sql.Selector) *sql.Predicate { return among(s, s.C(f.column), unique) })
}

// sectionIn selects the tasks that are in one of the sections. It also names their projects, because tasks have an index by
// project and none by section.
func sectionIn(f filterField, ids []string) condition {
	unique, _ := workspace.ParseIDs(ids)
	if len(unique) == 0 {
		return never
	}
	return f.known(func(s *sql.Selector) *sql.Predicate {
		t := sql.Dialect(s.Dialect()).Table(section.Table).As("chosen")
		projects := sql.Dialect(s.Dialect()).Select(t.C(section.FieldProjectID)).From(t)
		projects.Where(among(s, t.C(section.FieldID), unique))
		project := s.C(enttask.FieldProjectID)
		return allOf(sql.NotNull(project), sql.In(project, projects), among(s, s.C(f.column), unique))
	})
}

func idNotIn(f filterField, ids []string) condition { return negate(idIn(f, ids)) }

func personIn(f filterField, ids []string) condition {
	var users []any
	for _, id := range ids {
		if user, ok := workspace.UserOfPerson(id); ok && !slices.Contains(users, any(user)) {
			users = append(users, user)
		}
	}
	if len(users) == 0 {
		return never
	}
	return f.known(func(s *sql.Selector) *sql.Predicate { return sql.In(s.C(f.column), users...) })
}

// isMe selects the tasks whose person is the viewer, or the others if the value is false.
func isMe(f filterField, userID string, v any) (condition, error) {
	yes, ok := v.(bool)
	if !ok {
		return nil, fmt.Errorf("a filter of %s takes a bool, not a %T", f.column, v)
	}
	c := f.known(func(s *sql.Selector) *sql.Predicate { return sql.EQ(s.C(f.column), userID) })
	if !yes {
		c = negate(c)
	}
	return c, nil
}

func anyTag(f filterField, ids []string) condition {
	unique, _ := workspace.ParseIDs(ids)
	if len(unique) == 0 {
		return never
	}
	return hasTags(f.column, unique, 1)
}

func allTags(f filterField, ids []string) condition {
	unique, valid := workspace.ParseIDs(ids)
	switch {
	case !valid:
		return never
	case len(unique) == 0:
		return always
	default:
		return hasTags(f.column, unique, len(unique))
	}
}

func noTag(f filterField, ids []string) condition { return negate(anyTag(f, ids)) }

// hasTags selects the tasks that have at least n of the tags.
func hasTags(column string, tags []uuid.UUID, n int) condition {
	return func(s *sql.Selector) *sql.Predicate {
		t := sql.Dialect(s.Dialect()).Table(tasktag.Table).As("tagged")
		tasks := sql.Dialect(s.Dialect()).Select(t.C(tasktag.FieldTaskID)).From(t)
		tasks.Where(among(s, t.C(tasktag.FieldTagID), tags))
		if n > 1 {
			tasks.GroupBy(t.C(tasktag.FieldTaskID)).Having(sql.P(func(b *sql.Builder) { b.WriteString("COUNT(*) >= ").Arg(n) }))
		}
		return sql.In(s.C(column), tasks)
	}
}

// search selects the tasks whose search text contains every word of the value. It returns an *InputError if there are too
// many words or characters.
func search(f filterField, v any) (condition, error) {
	value, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("a search takes a string, not a %T", v)
	}
	words, err := searchWords("filter.search", value)
	if err != nil {
		return nil, err
	}
	all := make([]condition, len(words))
	for i, word := range words {
		all[i] = func(s *sql.Selector) *sql.Predicate { return contains(s.C(f.column), word) }
	}
	return join(allOf, always, all), nil
}

// within selects the tasks that are due in a window of days.
func within(d days, v any) (condition, error) {
	window, ok := v.(DueWindow)
	if !ok {
		return nil, fmt.Errorf("within takes a DueWindow, not a %T", v)
	}
	return func(s *sql.Selector) *sql.Predicate { return d.due(s, window) }, nil
}
