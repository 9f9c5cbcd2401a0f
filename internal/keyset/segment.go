package keyset

import (
	"slices"

	"entgo.io/ent/dialect/sql"
)

// Bound is an end of a range of rows. Without a position it is the list's own end.
type Bound struct {
	*Position

	// Inclusive says that a row at the position belongs to the range.
	Inclusive bool
}

// Segment is a part of a list that one statement reads.
type Segment struct {
	// Where selects the segment's rows, Sort sorts them.
	Where, Sort func(*sql.Selector)
	// Key tells the SQL that Where and Sort add from that of the list's other segments, so that it can be cached. It is
	// empty if the SQL must not be cached. Args are the arguments that Where adds.
	Key  string
	Args []any
}

// segments divides what lies between two bounds into segments, in the order's order. No segment depends on where a
// database puts nulls: an order by one nullable term is divided into the rows with and without a value, so that each is
// a range of the term's index.
func (o Order[T]) segments(from, to Bound) []Segment {
	if len(o.terms) > 1 || !o.terms[0].nullable() {
		key, args := o.segmentKey(from, to, " whole ")
		return []Segment{{Key: key, Args: args, Sort: o.Sort, Where: func(s *sql.Selector) {
			if from.Position != nil {
				s.Where(o.After(s, from))
			}
			if to.Position != nil {
				s.Where(o.Reversed().After(s, to))
			}
		}}}
	}
	var segments []Segment
	for _, null := range []bool{o.terms[0].NullsFirst, !o.terms[0].NullsFirst} {
		if o.compare(from, null) < 0 || o.Reversed().compare(to, null) < 0 {
			continue
		}
		name := " values "
		if null {
			name = " nulls "
		}
		key, args := o.segmentKey(from, to, name)
		segments = append(segments, Segment{Key: key, Args: args, Sort: o.sortColumns, Where: func(s *sql.Selector) {
			for _, c := range o.terms[0].Columns {
				if null {
					s.Where(sql.IsNull(s.C(c.name)))
				} else {
					s.Where(sql.NotNull(s.C(c.name)))
				}
			}
			if o.compare(from, null) == 0 {
				s.Where(o.afterInSegment(s, from))
			}
			if o.Reversed().compare(to, null) == 0 {
				s.Where(o.Reversed().afterInSegment(s, to))
			}
		}})
	}
	return segments
}

// segmentKey returns a segment's key and arguments. Only segments with at most one bound have a key, and only if that
// bound is one comparison of rows.
func (o Order[T]) segmentKey(from, to Bound, key string) (string, []any) {
	if o.descending() {
		key += "down "
	} else {
		key += "up "
	}
	bound := from
	switch {
	case from.Position == nil && to.Position == nil:
		return key, nil
	case from.Position != nil && to.Position != nil || !o.uniform():
		return "", nil
	case from.Position == nil:
		bound, key = to, key+"to "
	default:
		key += "from "
	}
	if bound.Inclusive {
		key += "inclusive "
	}
	args := o.args(bound)
	if slices.ContainsFunc(args, func(a any) bool { _, bytes := a.([]byte); return bytes }) {
		return "", nil // The cache compares arguments with ==, which panics for byte slices.
	}
	return key, args
}

// compare compares the segment with or without nulls to a bound, in an order by one nullable term: it is before the bound
// (-1), around it (0) or after it (1).
func (o Order[T]) compare(b Bound, null bool) int {
	switch {
	case b.Position == nil:
		return 1
	case b.values[0].null == null:
		return 0
	case b.values[0].null == o.terms[0].NullsFirst:
		return 1
	default:
		return -1
	}
}

// afterInSegment selects what follows the bound in the bound's own segment, in an order by one nullable term.
func (o Order[T]) afterInSegment(s *sql.Selector, b Bound) *sql.Predicate {
	if b.values[0].null {
		return CompareRows(s, []string{o.idColumn}, follows(o.descending(), b.Inclusive), b.id)
	}
	return o.afterRow(s, b)
}

// After selects what follows the bound, which must have a position.
func (o Order[T]) After(s *sql.Selector, b Bound) *sql.Predicate {
	if o.uniform() {
		return o.afterRow(s, b)
	}
	// A row follows if it is equal in some terms and follows in the next one; if it is equal in all, the id decides.
	var alternatives []*sql.Predicate
	values := b.values
	for i, t := range o.terms {
		if p := t.after(s, values[:len(t.Columns)]); p != nil {
			alternatives = append(alternatives, and(append(o.equal(s, b, i), p)...))
		}
		values = values[len(t.Columns):]
	}
	id := CompareRows(s, []string{o.idColumn}, follows(o.descending(), b.Inclusive), b.id)
	alternatives = append(alternatives, and(append(o.equal(s, b, len(o.terms)), id)...))
	if o.terms[0].nullable() {
		return or(alternatives...)
	}
	// This follows from the rest, and lets the scan of the first term's index begin at the bound.
	first := o.terms[0]
	return and(CompareRows(s, []string{first.Columns[0].name}, follows(first.Descending, true), b.values[0].arg(first.Columns[0].kind)), or(alternatives...))
}

// afterRow compares all columns at once, for uniform orders. The order's index serves a comparison of rows as it is; the
// same written with OR costs many times as much.
func (o Order[T]) afterRow(s *sql.Selector, b Bound) *sql.Predicate {
	return CompareRows(s, o.Columns(), follows(o.descending(), b.Inclusive), o.args(b)...)
}

// args returns the bound's values of the order's columns.
func (o Order[T]) args(b Bound) []any {
	args := make([]any, 0, len(b.values)+1)
	for _, t := range o.terms {
		for _, c := range t.Columns {
			args = append(args, b.values[len(args)].arg(c.kind))
		}
	}
	return append(args, b.id)
}

// CompareRows compares columns with values as one row.
func CompareRows(s *sql.Selector, columns []string, op sql.Op, values ...any) *sql.Predicate {
	names := s.Columns(columns...) // Not in the function below: a selector that is joined has another name by then.
	return sql.P(func(b *sql.Builder) {
		b.Wrap(func(b *sql.Builder) { b.IdentComma(names...) })
		b.WriteOp(op)
		b.Wrap(func(b *sql.Builder) { b.Args(values...) })
	})
}

// follows returns the comparison of rows that follow others, or are equal to them if inclusive.
func follows(descending, inclusive bool) sql.Op {
	switch {
	case descending && inclusive:
		return sql.OpLTE
	case descending:
		return sql.OpLT
	case inclusive:
		return sql.OpGTE
	default:
		return sql.OpGT
	}
}

// equal selects the rows with the bound's values in the first n terms.
func (o Order[T]) equal(s *sql.Selector, b Bound, n int) []*sql.Predicate {
	var all []*sql.Predicate
	values := b.values
	for _, t := range o.terms[:n] {
		for i, c := range t.Columns {
			if values[i].null {
				all = append(all, sql.IsNull(s.C(c.name)))
			} else {
				all = append(all, sql.EQ(s.C(c.name), values[i].arg(c.kind)))
			}
		}
		values = values[len(t.Columns):]
	}
	return all
}

// after selects what follows the values in this term alone. It returns nil if nothing can.
func (t Term[T]) after(s *sql.Selector, values []value) *sql.Predicate {
	first := s.C(t.Columns[0].name)
	if values[0].null {
		if t.NullsFirst {
			return sql.NotNull(first)
		}
		return nil
	}
	columns, args := make([]string, len(t.Columns)), make([]any, len(t.Columns))
	for i, c := range t.Columns {
		columns[i], args[i] = c.name, values[i].arg(c.kind)
	}
	p := CompareRows(s, columns, follows(t.Descending, false), args...)
	if t.nullable() && !t.NullsFirst {
		return or(p, sql.IsNull(first))
	}
	return p
}

// Number numbers the rows of each group from 1 on, in the order. The group is a column.
func (o Order[T]) Number(s *sql.Selector, group string) sql.Querier {
	w := sql.RowNumber().PartitionBy(s.C(group))
	for _, t := range o.terms {
		if t.nullable() {
			w.OrderExpr(t.nulls(s))
		}
		for _, c := range t.Columns {
			w.OrderBy(directed(s.C(c.name), t.Descending))
		}
	}
	return w.OrderBy(directed(s.C(o.idColumn), o.descending()))
}

// nulls sorts by whether the term is null.
func (t Term[T]) nulls(s *sql.Selector) sql.Querier {
	first := s.C(t.Columns[0].name)
	return sql.ExprFunc(func(b *sql.Builder) {
		b.Ident(first).WriteString(" IS NULL")
		if t.NullsFirst {
			b.WriteString(" DESC")
		}
	})
}

// Sort sorts by the order, nulls included.
func (o Order[T]) Sort(s *sql.Selector) {
	for _, t := range o.terms {
		if t.nullable() {
			s.OrderExpr(t.nulls(s))
		}
		t.sort(s)
	}
	s.OrderBy(directed(s.C(o.idColumn), o.descending()))
}

// sortColumns sorts a segment in which all rows have a value, or none has. It names the columns in either case, because
// the database recognizes the index by them.
func (o Order[T]) sortColumns(s *sql.Selector) {
	o.terms[0].sort(s)
	s.OrderBy(directed(s.C(o.idColumn), o.descending()))
}

func (t Term[T]) sort(s *sql.Selector) {
	for _, c := range t.Columns {
		s.OrderBy(directed(s.C(c.name), t.Descending))
	}
}

func directed(column string, descending bool) string {
	if descending {
		return sql.Desc(column)
	}
	return sql.Asc(column)
}

// and and or join predicates in parentheses of their own, which ent omits if it believes that they aren't needed.
func and(predicates ...*sql.Predicate) *sql.Predicate { return join(" AND ", predicates) }

func or(predicates ...*sql.Predicate) *sql.Predicate { return join(" OR ", predicates) }

func join(operator string, predicates []*sql.Predicate) *sql.Predicate {
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
