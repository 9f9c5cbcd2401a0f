package task

import (
	"encoding/hex"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
)

// condition makes a predicate for a statement. The predicate is true or false for every row and never null, because the
// negation of null is null, so that neither it nor its negation would select the row.
type condition func(*sql.Selector) *sql.Predicate

// allOf and anyOf join predicates in parentheses of their own. (ent leaves parentheses out, which is right only for ent's own
// predicates.)
func allOf(predicates ...*sql.Predicate) *sql.Predicate { return joinPredicates(" AND ", predicates) }

func anyOf(predicates ...*sql.Predicate) *sql.Predicate { return joinPredicates(" OR ", predicates) }

func joinPredicates(operator string, predicates []*sql.Predicate) *sql.Predicate {
	return sql.P(func(b *sql.Builder) {
		b.WriteByte('(')
		for i, p := range predicates {
			if i > 0 {
				b.WriteString(operator)
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

func negate(c condition) condition {
	return func(s *sql.Selector) *sql.Predicate {
		p := c(s)
		return sql.P(func(b *sql.Builder) { b.WriteString("NOT (").Join(p).WriteByte(')') })
	}
}

// join joins conditions with allOf or anyOf. It returns empty if there are none.
func join(with func(...*sql.Predicate) *sql.Predicate, empty condition, conditions []condition) condition {
	if len(conditions) == 0 {
		return empty
	}
	return func(s *sql.Selector) *sql.Predicate {
		predicates := make([]*sql.Predicate, len(conditions))
		for i, c := range conditions {
			predicates[i] = c(s)
		}
		return with(predicates...)
	}
}

// isTrue compares a column of booleans as the condition of the index of open tasks does, so that PostgreSQL uses the index.
func isTrue(column string, want bool) condition {
	c := func(s *sql.Selector) *sql.Predicate {
		name := s.C(column)
		return sql.P(func(b *sql.Builder) { b.Ident(name) })
	}
	if !want {
		return negate(c)
	}
	return c
}

func isNull(column string, null bool) condition {
	return func(s *sql.Selector) *sql.Predicate {
		if null {
			return sql.IsNull(s.C(column))
		}
		return sql.NotNull(s.C(column))
	}
}

// among compares a column with a list of ids. The list is one argument, so that the statement's text does not depend on its
// length. A single id is compared with =: PostgreSQL estimates that a list has ten ids, and would plan each execution anew
// for the actual one.
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

// idText is the length of an id as text.
const idText = 36

// idList returns ids as the argument that among takes: an array of PostgreSQL, or JSON for SQLite.
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
