package keyset

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// toy is a row with a column of every kind.
type toy struct {
	ID      uuid.UUID  `sql:"id"`
	MadeAt  time.Time  `sql:"made_at"`
	DoneAt  *time.Time `sql:"done_at"`
	DueDate *time.Time `sql:"due_date"`
	DueAt   *time.Time `sql:"due_at"` // null together with DueDate
	Size    int        `sql:"size"`
	Version int        `sql:"version"`
	Weight  *int       `sql:"weight"`
	Name    []byte     `sql:"name"`
}

type toyField string

const (
	byMade    toyField = "MADE"
	byDone    toyField = "DONE"
	byDue     toyField = "DUE"
	bySize    toyField = "SIZE"
	byVersion toyField = "VERSION"
	byWeight  toyField = "WEIGHT"
	byName    toyField = "NAME"
)

var toyFields = []toyField{byMade, byDone, byDue, bySize, byVersion, byWeight, byName} //nolint:gochecknoglobals // A constant, if Go had constant slices.

var toyOrders = Orders[*toy, toyField]{ //nolint:gochecknoglobals // A table.
	Prefix:  "toys: ",
	ID:      func(t *toy) uuid.UUID { return t.ID },
	Default: OrderBy[toyField]{Field: byMade, Direction: Descending},
	Fields: map[toyField][]Column[*toy]{
		byMade: {Time("made_at", func(t *toy) time.Time { return t.MadeAt })},
		byDone: {NullTime("done_at", func(t *toy) *time.Time { return t.DoneAt })},
		byDue: {
			NullTime("due_date", func(t *toy) *time.Time { return t.DueDate }),
			NullTime("due_at", func(t *toy) *time.Time { return t.DueAt }),
		},
		bySize:    {SmallInt("size", func(t *toy) int { return t.Size })},
		byVersion: {BigInt("version", func(t *toy) int { return t.Version })},
		byWeight:  {NullBigInt("weight", func(t *toy) *int { return t.Weight })},
		byName:    {Bytes("name", func(t *toy) []byte { return t.Name })},
	},
}

// compareBy returns the comparison of rows by what a client asked for, in terms of Go.
func compareBy(orderBy []OrderBy[toyField]) func(a, b *toy) int {
	if len(orderBy) == 0 {
		orderBy = []OrderBy[toyField]{toyOrders.Default}
	}
	return func(a, b *toy) int {
		for _, by := range orderBy {
			n := 0
			switch by.Field {
			case byMade:
				n = a.MadeAt.Compare(b.MadeAt)
			case byDone:
				n = compareNull(by, a.DoneAt, b.DoneAt, time.Time.Compare)
			case byDue:
				n = cmp.Or(compareNull(by, a.DueDate, b.DueDate, time.Time.Compare), compareNull(by, a.DueAt, b.DueAt, time.Time.Compare))
			case bySize:
				n = cmp.Compare(a.Size, b.Size)
			case byVersion:
				n = cmp.Compare(a.Version, b.Version)
			case byWeight:
				n = compareNull(by, a.Weight, b.Weight, cmp.Compare)
			case byName:
				n = bytes.Compare(a.Name, b.Name)
			}
			if by.Direction == Descending {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		n := bytes.Compare(a.ID[:], b.ID[:])
		if orderBy[len(orderBy)-1].Direction == Descending {
			return -n
		}
		return n
	}
}

// compareNull compares values in the ascending direction, which its caller may reverse: that must not move the nulls.
func compareNull[V any](by OrderBy[toyField], a, b *V, compare func(a, b V) int) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a != nil && b != nil:
		return compare(*a, *b)
	}
	n := 1
	if (a == nil) == (by.Nulls == NullsFirst) {
		n = -1
	}
	if by.Direction == Descending {
		return -n
	}
	return n
}

// drawOrderBy draws what a client may ask for.
func drawOrderBy(t *rapid.T) []OrderBy[toyField] {
	fields := rapid.Permutation(slices.Clone(toyFields)).Draw(t, "fields")
	var by []OrderBy[toyField]
	for _, f := range fields[:rapid.IntRange(0, len(fields)).Draw(t, "terms")] {
		by = append(by, OrderBy[toyField]{
			Field:     f,
			Direction: rapid.SampledFrom([]Direction{Ascending, Descending}).Draw(t, "direction"),
			Nulls:     rapid.SampledFrom([]Nulls{NullsFirst, NullsLast}).Draw(t, "nulls"),
		})
	}
	return by
}
