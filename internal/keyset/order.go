// Package keyset reads lists page by page. A page is a range of rows in a total order, from a row on, compared by the
// order's columns and then the id: never an offset, so that a page costs the same wherever it is, and rows that are
// inserted or deleted in the meantime move no others across its ends.
//
// A list needs an [Order] (made by [NewOrder], or by [Orders] from what a client asks for), a [Window] (the checked
// arguments first, last, after and before) and a function that reads part of it; [List.Page] does the rest. The rows
// may be of any type. Their table needs a column "id" of UUIDs that are unique in the list.
package keyset

import (
	"hash/crc32"
	"slices"
	"time"

	"github.com/google/uuid"
)

// idColumn is the last column of an order, unless another one is named.
const idColumn = "id"

// Column is a column that rows are sorted by. The constructors are [Time], [NullTime], [SmallInt], [BigInt] and [Bytes].
type Column[T any] struct {
	name     string
	kind     kind
	nullable bool
	value    func(T) value
}

// kind is how a column's values are encoded in a cursor and passed to the database.
type kind int

const (
	kindTime kind = iota
	kindSmallInt
	kindBigInt
	kindBytes
)

// Time returns a column of times or dates.
func Time[T any](name string, of func(T) time.Time) Column[T] {
	return Column[T]{name: name, kind: kindTime, value: func(row T) value { return value{number: of(row).UnixMicro()} }}
}

// NullTime returns a column of times or dates that may be null.
func NullTime[T any](name string, of func(T) *time.Time) Column[T] {
	return Column[T]{name: name, kind: kindTime, nullable: true, value: func(row T) value {
		t := of(row)
		if t == nil {
			return value{null: true}
		}
		return value{number: t.UnixMicro()}
	}}
}

// SmallInt returns a column of numbers of 16 bits.
func SmallInt[T any](name string, of func(T) int) Column[T] {
	return Column[T]{name: name, kind: kindSmallInt, value: func(row T) value { return value{number: int64(of(row))} }}
}

// BigInt returns a column of numbers of 64 bits.
func BigInt[T any](name string, of func(T) int) Column[T] {
	return Column[T]{name: name, kind: kindBigInt, value: func(row T) value { return value{number: int64(of(row))} }}
}

// NullBigInt returns a column of numbers of 64 bits that may be null.
func NullBigInt[T any](name string, of func(T) *int) Column[T] {
	return Column[T]{name: name, kind: kindBigInt, nullable: true, value: func(row T) value {
		n := of(row)
		if n == nil {
			return value{null: true}
		}
		return value{number: int64(*n)}
	}}
}

// Bytes returns a column of byte strings, each shorter than 64 KiB. Texts are not sorted as people expect: sort by a
// column that holds a key of the text.
func Bytes[T any](name string, of func(T) []byte) Column[T] {
	return Column[T]{name: name, kind: kindBytes, value: func(row T) value { return value{bytes: of(row)} }}
}

// value is a row's value in one column: bytes, or a number, which for a time is its microseconds since 1970.
type value struct {
	null   bool
	number int64
	bytes  []byte
}

// arg returns the value as an argument of a statement.
func (v value) arg(k kind) any {
	switch k {
	case kindTime:
		return time.UnixMicro(v.number).UTC()
	case kindSmallInt, kindBigInt:
		return v.number
	default:
		return v.bytes
	}
}

// Term is one term of an order: columns in one direction, compared one after the other. If one of them can be null, all
// can, and in each row either all are null or none is.
type Term[T any] struct {
	Columns    []Column[T]
	Descending bool
	// NullsFirst puts the rows without a value before the others; else they come last. The direction has no influence
	// on that, nor has the database's default.
	NullsFirst bool
}

func (t Term[T]) nullable() bool { return t.Columns[0].nullable }

// Order is a total order of rows: its terms, then the id in the last term's direction.
type Order[T any] struct {
	terms []Term[T]
	id    func(T) uuid.UUID
	// idColumn is the id's column.
	idColumn string
	// sum identifies the order in cursors.
	sum uint32
}

// NewOrder returns the order by the terms, of which there must be at least one. The name identifies the order in cursors:
// no two orders may share one, and when the terms change the name must too.
func NewOrder[T any](name string, id func(T) uuid.UUID, terms ...Term[T]) Order[T] {
	return Order[T]{terms: terms, id: id, idColumn: idColumn, sum: crc32.ChecksumIEEE([]byte(name))}
}

// WithIDColumn returns the order with another column of UUIDs than "id". Together with the terms it must be unique in the list.
func (o Order[T]) WithIDColumn(name string) Order[T] {
	o.idColumn = name
	return o
}

// Columns returns the names of the columns that rows are compared by, the id's included.
func (o Order[T]) Columns() []string {
	var names []string
	for _, t := range o.terms {
		for _, c := range t.Columns {
			names = append(names, c.name)
		}
	}
	return append(names, o.idColumn)
}

// Reversed returns the order read from its end.
func (o Order[T]) Reversed() Order[T] {
	o.terms = slices.Clone(o.terms)
	for i := range o.terms {
		o.terms[i].Descending, o.terms[i].NullsFirst = !o.terms[i].Descending, !o.terms[i].NullsFirst
	}
	return o
}

// descending is the direction of the ids, the last term's.
func (o Order[T]) descending() bool { return o.terms[len(o.terms)-1].Descending }

// uniform reports whether the order has one direction and no nulls, so that one comparison of rows decides.
func (o Order[T]) uniform() bool {
	return !slices.ContainsFunc(o.terms, func(t Term[T]) bool { return t.nullable() || t.Descending != o.descending() })
}

// Position is a place in a list: the values of the order's columns and the id. There may be no row at it.
type Position struct {
	values []value
	id     uuid.UUID
}

// set makes p the position of a row.
func (o Order[T]) set(p *Position, row T) {
	p.id, p.values = o.id(row), p.values[:0]
	for _, t := range o.terms {
		for _, c := range t.Columns {
			p.values = append(p.values, c.value(row))
		}
	}
}
