package keyset

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Direction is the direction of a term.
type Direction string

// The directions.
const (
	Ascending  Direction = "ASC"
	Descending Direction = "DESC"
)

// Nulls says where the rows without a value are.
type Nulls string

// Nulls before or after the values.
const (
	NullsFirst Nulls = "FIRST"
	NullsLast  Nulls = "LAST"
)

// OrderBy is one term of an order as a client asks for it: F is the type of the fields that can be sorted by. The zero
// Direction is ascending, the zero Nulls last.
type OrderBy[F ~string] struct {
	Field     F
	Direction Direction
	Nulls     Nulls
}

// Orders says which orders clients can ask for.
type Orders[T any, F ~string] struct {
	// Prefix tells cursors of these orders from those of other kinds of rows with fields of the same names.
	Prefix string
	ID     func(T) uuid.UUID
	// Fields has the columns of each field.
	Fields map[F][]Column[T]
	// Default is the order if the client asks for none.
	Default OrderBy[F]
}

// By returns the order that a client asks for, or an [InputError] of the argument orderBy.
func (o Orders[T, F]) By(orderBy []OrderBy[F]) (Order[T], error) {
	if len(orderBy) == 0 {
		orderBy = []OrderBy[F]{o.Default}
	}
	names, terms := make([]string, len(orderBy)), make([]Term[T], len(orderBy))
	for i, by := range orderBy {
		if slices.ContainsFunc(orderBy[:i], func(o OrderBy[F]) bool { return o.Field == by.Field }) {
			return Order[T]{}, inputError("orderBy", "names %s twice: leave out the second", by.Field)
		}
		columns, ok := o.Fields[by.Field]
		if !ok {
			return Order[T]{}, inputError("orderBy", "can't sort by %q", by.Field)
		}
		t := Term[T]{Columns: columns, Descending: by.Direction == Descending, NullsFirst: by.Nulls == NullsFirst}
		terms[i], names[i] = t, string(by.Field)+" "+string(Ascending)
		if t.Descending {
			names[i] = string(by.Field) + " " + string(Descending)
		}
		if t.nullable() && t.NullsFirst {
			names[i] += " NULLS FIRST"
		}
	}
	return NewOrder(o.Prefix+strings.Join(names, ", "), o.ID, terms...), nil
}

// InputError is an argument that no page can be made of. Its message names the argument and what would be right, and is
// safe to show.
type InputError struct {
	// Argument is the argument's name, as in "first".
	Argument string
	// Message is a sentence that begins with the argument's name.
	Message string
}

// Error implements error.
func (e *InputError) Error() string { return e.Message }

func inputError(argument, format string, args ...any) error {
	return &InputError{Argument: argument, Message: argument + " " + fmt.Sprintf(format, args...)}
}
