package task

import (
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
)

// kind is how a column's values are written into a cursor and handed to the database.
type kind int

const (
	kindTime kind = iota
	kindInt
	kindBytes
)

// value is a row's value in one column of an order: bytes, or a number, which for a time is its microseconds since 1970.
type value struct {
	null   bool
	number int64
	bytes  []byte
}

// arg is the value as an argument of a statement.
func (v value) arg(k kind) any {
	switch k {
	case kindTime:
		return time.UnixMicro(v.number).UTC()
	case kindInt:
		return v.number
	default:
		return v.bytes
	}
}

func ofTime(t *time.Time) value {
	if t == nil {
		return value{null: true}
	}
	return value{number: t.UnixMicro()}
}

// column is a column that rows of the type T are sorted by.
type column[T any] struct {
	name string
	kind kind
	of   func(T) value
}

// term is one field of an order: columns that are compared one after the other, and that are null together.
type term[T any] struct {
	columns                []column[T]
	nullable               bool
	descending, nullsFirst bool
}

// order is a total order of rows of the type T: its terms, then the id in the last term's direction.
type order[T any] struct {
	terms []term[T]
	id    func(T) uuid.UUID
	// sum names the order in a cursor.
	sum uint32
}

// taskTerm is what a field of an order stands for in the database.
func taskTerm(f OrderField) (term[*ent.Task], bool) {
	type columns = []column[*ent.Task]
	switch f {
	case OrderCreatedAt:
		return term[*ent.Task]{columns: columns{{enttask.FieldCreatedAt, kindTime, func(t *ent.Task) value { return ofTime(&t.CreatedAt) }}}}, true
	case OrderUpdatedAt:
		return term[*ent.Task]{columns: columns{{enttask.FieldUpdatedAt, kindTime, func(t *ent.Task) value { return ofTime(&t.UpdatedAt) }}}}, true
	case OrderCompletedAt:
		return term[*ent.Task]{nullable: true, columns: columns{{enttask.FieldCompletedAt, kindTime, func(t *ent.Task) value { return ofTime(t.CompletedAt) }}}}, true
	case OrderDue:
		return term[*ent.Task]{nullable: true, columns: columns{
			{enttask.FieldDueDate, kindTime, func(t *ent.Task) value { return ofTime(t.DueDate) }},
			{enttask.FieldDueSort, kindTime, func(t *ent.Task) value { return ofTime(t.DueSort) }},
		}}, true
	case OrderPriority:
		return term[*ent.Task]{columns: columns{{enttask.FieldPriority, kindInt, func(t *ent.Task) value { return value{number: int64(t.Priority)} }}}}, true
	case OrderTitle:
		return term[*ent.Task]{columns: columns{{enttask.FieldTitleKey, kindBytes, func(t *ent.Task) value { return value{bytes: t.TitleKey} }}}}, true
	case OrderManual:
		return term[*ent.Task]{columns: columns{{enttask.FieldPosition, kindBytes, func(t *ent.Task) value { return value{bytes: t.Position} }}}}, true
	default:
		return term[*ent.Task]{}, false
	}
}

// taskOrder returns the order that orderBy asks for: newest first where it asks for none.
func taskOrder(orderBy []Order) (order[*ent.Task], error) {
	if len(orderBy) == 0 {
		orderBy = []Order{{Field: OrderCreatedAt, Direction: Descending}}
	}
	o := order[*ent.Task]{id: func(t *ent.Task) uuid.UUID { return t.ID }}
	names := make([]string, len(orderBy))
	for i, by := range orderBy {
		if slices.ContainsFunc(orderBy[:i], func(o Order) bool { return o.Field == by.Field }) {
			return o, inputError("orderBy", "names %s twice: leave out the second", by.Field)
		}
		t, ok := taskTerm(by.Field)
		if !ok {
			return o, inputError("orderBy", "can't sort by %q", by.Field)
		}
		t.descending, t.nullsFirst = by.Direction == Descending, by.Nulls == NullsFirst
		names[i] = string(by.Field) + " " + string(Ascending)
		if t.descending {
			names[i] = string(by.Field) + " " + string(Descending)
		}
		if t.nullable && t.nullsFirst {
			names[i] += " NULLS FIRST"
		}
		o.terms = append(o.terms, t)
	}
	o.sum = crc32.ChecksumIEEE([]byte(strings.Join(names, ", ")))
	return o, nil
}

// manualOrder is the order of subtasks.
func manualOrder() order[*ent.Task] {
	o, err := taskOrder([]Order{{Field: OrderManual, Direction: Ascending}})
	if err != nil {
		panic(err) // It is written here.
	}
	return o
}

// tagOrder sorts tags by name.
func tagOrder() order[*ent.Tag] {
	name := column[*ent.Tag]{enttag.FieldNameKey, kindBytes, func(t *ent.Tag) value { return value{bytes: t.NameKey} }}
	return order[*ent.Tag]{
		terms: []term[*ent.Tag]{{columns: []column[*ent.Tag]{name}}},
		id:    func(t *ent.Tag) uuid.UUID { return t.ID },
		sum:   crc32.ChecksumIEEE([]byte("tags by name")),
	}
}

// columns are the names of the columns that a place in the order is made of.
func (o order[T]) columns() []string {
	var names []string
	for _, t := range o.terms {
		for _, c := range t.columns {
			names = append(names, c.name)
		}
	}
	return append(names, enttask.FieldID) // A tag's is called the same.
}

// descending is the direction of the ids, the last term's.
func (o order[T]) descending() bool { return o.terms[len(o.terms)-1].descending }

// reversed is the order read from its end.
func (o order[T]) reversed() order[T] {
	o.terms = slices.Clone(o.terms)
	for i := range o.terms {
		o.terms[i].descending, o.terms[i].nullsFirst = !o.terms[i].descending, !o.terms[i].nullsFirst
	}
	return o
}

// uniform reports whether the order has one direction and no nulls, so that one comparison of rows tells what follows.
func (o order[T]) uniform() bool {
	return !slices.ContainsFunc(o.terms, func(t term[T]) bool { return t.nullable || t.descending != o.descending() })
}

// bound is a place where reading begins or ends.
type bound struct {
	*place

	// inclusive says that a row at the place is read too.
	inclusive bool
}

// segment is a part of a list that is read with one statement.
type segment struct {
	where, sort func(*sql.Selector)
	// shape tells it from the order's other parts; its name is empty where they can't be told apart so. Its arguments are
	// those that the bounds add to the statement.
	shape shape
}

// segments cuts what lies from one bound to another into parts, which follow each other as the order does. No part
// relies on where a database puts nulls: an order of one field with nulls is cut into the rows with and without a value,
// so that each is a range of the field's index.
func (o order[T]) segments(from, to bound) []segment {
	if len(o.terms) > 1 || !o.terms[0].nullable {
		return []segment{{shape: o.shapeBetween(from, to, " whole "), where: func(s *sql.Selector) {
			if from.place != nil {
				s.Where(o.after(s, from))
			}
			if to.place != nil {
				s.Where(o.reversed().after(s, to))
			}
		}, sort: o.sort}}
	}
	var segments []segment
	for _, null := range []bool{o.terms[0].nullsFirst, !o.terms[0].nullsFirst} {
		if o.apart(from, null) < 0 || o.reversed().apart(to, null) < 0 {
			continue
		}
		name := " values "
		if null {
			name = " nulls "
		}
		segments = append(segments, segment{shape: o.shapeBetween(from, to, name), where: func(s *sql.Selector) {
			for _, c := range o.terms[0].columns {
				if null {
					s.Where(sql.IsNull(s.C(c.name)))
				} else {
					s.Where(sql.NotNull(s.C(c.name)))
				}
			}
			if o.apart(from, null) == 0 {
				s.Where(o.within(s, from))
			}
			if o.reversed().apart(to, null) == 0 {
				s.Where(o.reversed().within(s, to))
			}
		}, sort: o.sortColumns})
	}
	return segments
}

// shapeBetween names a part of the list that is read in this order, which is the list's own or the reverse of it. It may have
// one bound, where that is one comparison of rows.
func (o order[T]) shapeBetween(from, to bound, name string) shape {
	if o.descending() {
		name += "down "
	} else {
		name += "up "
	}
	at := from
	switch {
	case from.place == nil && to.place == nil:
		return shape{name: name}
	case from.place != nil && to.place != nil || !o.uniform():
		return shape{}
	case from.place == nil:
		at, name = to, name+"to "
	default:
		name += "from "
	}
	if at.inclusive {
		name += "and with "
	}
	args := o.args(at)
	if slices.ContainsFunc(args, func(a any) bool { _, bytes := a.([]byte); return bytes }) {
		return shape{} // Such arguments can't be compared with those of the statement.
	}
	return shape{name: name, args: args}
}

// apart says how the segment with or without nulls lies to a bound: before it (-1), around it (0) or after it (1).
func (o order[T]) apart(b bound, null bool) int {
	switch {
	case b.place == nil:
		return 1
	case b.values[0].null == null:
		return 0
	case b.values[0].null == o.terms[0].nullsFirst:
		return 1
	default:
		return -1
	}
}

// within selects what follows the bound in its own segment of an order of one field.
func (o order[T]) within(s *sql.Selector, b bound) *sql.Predicate {
	if b.values[0].null {
		return follows(s, []string{enttask.FieldID}, o.descending(), b.inclusive, b.id)
	}
	return o.rows(s, b)
}

// after selects what follows the bound.
func (o order[T]) after(s *sql.Selector, b bound) *sql.Predicate {
	if o.uniform() {
		return o.rows(s, b)
	}
	// Equal in the terms so far, and beyond in the next one; the id settles what is equal in all.
	var either []*sql.Predicate
	values := b.values
	for i, t := range o.terms {
		if p := t.after(s, values[:len(t.columns)]); p != nil {
			either = append(either, allOf(append(o.equal(s, b, i), p)...))
		}
		values = values[len(t.columns):]
	}
	id := follows(s, []string{enttask.FieldID}, o.descending(), b.inclusive, b.id)
	either = append(either, allOf(append(o.equal(s, b, len(o.terms)), id)...))
	if o.terms[0].nullable {
		return anyOf(either...)
	}
	// It follows from the rest, and lets the first field's index begin where the page does.
	first := o.terms[0]
	return allOf(follows(s, []string{first.columns[0].name}, first.descending, true, b.values[0].arg(first.columns[0].kind)), anyOf(either...))
}

// rows compares all columns at once: the order's index serves that as it stands, where the same written with OR costs
// many times as much.
func (o order[T]) rows(s *sql.Selector, b bound) *sql.Predicate {
	return follows(s, o.columns(), o.descending(), b.inclusive, o.args(b)...)
}

// args are the bound's values of the order's columns.
func (o order[T]) args(b bound) []any {
	args := make([]any, 0, len(b.values)+1)
	for _, t := range o.terms {
		for _, c := range t.columns {
			args = append(args, b.values[len(args)].arg(c.kind))
		}
	}
	return append(args, b.id)
}

// follows compares columns with values, in one direction.
func follows(s *sql.Selector, columns []string, descending, inclusive bool, values ...any) *sql.Predicate {
	op := sql.OpGT
	switch {
	case descending && inclusive:
		op = sql.OpLTE
	case descending:
		op = sql.OpLT
	case inclusive:
		op = sql.OpGTE
	}
	names := s.Columns(columns...) // Now: a selector that becomes a table of another is called otherwise later.
	return sql.P(func(b *sql.Builder) {
		b.Wrap(func(b *sql.Builder) { b.IdentComma(names...) })
		b.WriteOp(op)
		b.Wrap(func(b *sql.Builder) { b.Args(values...) })
	})
}

// equal selects what has the bound's values in the first n terms.
func (o order[T]) equal(s *sql.Selector, b bound, n int) []*sql.Predicate {
	var all []*sql.Predicate
	values := b.values
	for _, t := range o.terms[:n] {
		for i, c := range t.columns {
			if values[i].null {
				all = append(all, sql.IsNull(s.C(c.name)))
			} else {
				all = append(all, sql.EQ(s.C(c.name), values[i].arg(c.kind)))
			}
		}
		values = values[len(t.columns):]
	}
	return all
}

// after selects what follows the values in this term alone; nil where nothing does.
func (t term[T]) after(s *sql.Selector, values []value) *sql.Predicate {
	first := s.C(t.columns[0].name)
	if values[0].null {
		if t.nullsFirst {
			return sql.NotNull(first)
		}
		return nil
	}
	columns, args := make([]string, len(t.columns)), make([]any, len(t.columns))
	for i, c := range t.columns {
		columns[i], args[i] = c.name, values[i].arg(c.kind)
	}
	p := follows(s, columns, t.descending, false, args...)
	if t.nullable && !t.nullsFirst {
		return anyOf(p, sql.IsNull(first))
	}
	return p
}

// sort sorts by the order, nulls included.
func (o order[T]) sort(s *sql.Selector) {
	for _, t := range o.terms {
		if t.nullable {
			first := s.C(t.columns[0].name)
			s.OrderExprFunc(func(b *sql.Builder) {
				b.Ident(first).WriteString(" IS NULL")
				if t.nullsFirst {
					b.WriteString(" DESC")
				}
			})
		}
		t.sort(s)
	}
	s.OrderBy(directed(s.C(enttask.FieldID), o.descending()))
}

// sortColumns sorts a segment in which all rows have a value, or none has: by the index's columns in either case, for
// that is how the database knows the index.
func (o order[T]) sortColumns(s *sql.Selector) {
	o.terms[0].sort(s)
	s.OrderBy(directed(s.C(enttask.FieldID), o.descending()))
}

func (t term[T]) sort(s *sql.Selector) {
	for _, c := range t.columns {
		s.OrderBy(directed(s.C(c.name), t.descending))
	}
}

func directed(column string, descending bool) string {
	if descending {
		return sql.Desc(column)
	}
	return sql.Asc(column)
}
