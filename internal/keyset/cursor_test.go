package keyset

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// drawOrder draws an order of toys.
func drawOrder(t *rapid.T) Order[*toy] {
	o, err := toyOrders.By(drawOrderBy(t))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// drawPosition draws a position in that order.
func drawPosition(t *rapid.T, o Order[*toy]) *Position {
	p := &Position{id: uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))}
	for _, term := range o.terms {
		null := term.nullable() && rapid.Bool().Draw(t, "null")
		for _, c := range term.Columns {
			v := value{null: null}
			switch {
			case null:
			case c.kind == kindTime:
				v.number = rapid.Int64Range(firstTime, lastTime).Draw(t, "time")
			case c.kind == kindSmallInt:
				v.number = rapid.Int64Range(math.MinInt16, math.MaxInt16).Draw(t, "number")
			case c.kind == kindBigInt:
				v.number = rapid.Int64().Draw(t, "large number")
			default:
				v.bytes = rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "bytes")
			}
			p.values = append(p.values, v)
		}
	}
	return p
}

// encode returns the cursor of p.
func (o Order[T]) encode(p *Position) string {
	return base64.RawURLEncoding.EncodeToString(o.appendCursor(nil, p))
}

func TestCursorRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := drawOrder(t)
		want := drawPosition(t, o)
		got, err := o.decode(o.encode(want))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v; want %+v", got, err, want)
		}
	})
}

// A cursor is good in the order that made it and in no other, however much the two have in common.
func TestCursorOfAnotherOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		made, other := drawOrder(t), drawOrder(t)
		_, err := other.decode(made.encode(drawPosition(t, made)))
		if same := made.sum == other.sum; same != (err == nil) || err != nil && !errors.Is(err, errCursorOrder) {
			t.Fatalf("same order: %t, got %v", same, err)
		}
	})
}

// dueOrder returns an order with values of all lengths.
func dueOrder(t testing.TB) Order[*toy] {
	t.Helper()
	o, err := toyOrders.By([]OrderBy[toyField]{{Field: byDue}, {Field: byName}, {Field: bySize}})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// position returns a position in dueOrder.
func position() *Position {
	return &Position{
		values: []value{{number: 1795417182123456}, {number: firstTime}, {bytes: []byte("buy milk")}, {number: 3}},
		id:     uuid.MustParse("0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c5d"),
	}
}

// The layout of a cursor never changes: clients hold cursors when a new release is deployed.
func TestCursorLayout(t *testing.T) {
	t.Parallel()
	p := position()
	b := []byte{1}
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE([]byte("toys: DUE ASC, NAME ASC, SIZE ASC")))
	b = binary.BigEndian.AppendUint64(append(b, 1), 1795417182123456)
	b = binary.BigEndian.AppendUint64(append(b, 1), uint64(p.values[1].number))
	b = append(b, "\x00\x08buy milk"...)
	b = binary.BigEndian.AppendUint64(b, 3)
	b = append(b, p.id[:]...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	if want, got := base64.RawURLEncoding.EncodeToString(b), dueOrder(t).encode(p); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Every wrong bit, and every byte too few or too many, is noticed.
func TestCursorDamaged(t *testing.T) {
	t.Parallel()
	o := dueOrder(t)
	good, err := base64.RawURLEncoding.DecodeString(o.encode(position()))
	if err != nil {
		t.Fatal(err)
	}
	damaged := map[string]string{
		"empty":          "",
		"not base64url":  strings.Repeat("*", 44),
		"offset":         "YXJyYXljb25uZWN0aW9uOjA=",
		"one byte less":  base64.RawURLEncoding.EncodeToString(good[:len(good)-1]),
		"one byte more":  base64.RawURLEncoding.EncodeToString(append(good[:len(good):len(good)], 0)),
		"padded":         base64.RawURLEncoding.EncodeToString(good) + "=",
		"with a newline": base64.RawURLEncoding.EncodeToString(good) + "\n",
	}
	for i := range len(good) * 8 {
		b := append([]byte(nil), good...)
		b[i/8] ^= 1 << (i % 8)
		damaged["bit "+time.Duration(i).String()] = base64.RawURLEncoding.EncodeToString(b)
	}
	for name, cursor := range damaged {
		if _, err := o.decode(cursor); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// forge makes a cursor of a body, with the right checksum, which is no secret.
func forge(o Order[*toy], body []byte) string {
	b := binary.BigEndian.AppendUint32([]byte{cursorVersion}, o.sum)
	b = append(b, body...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.RawURLEncoding.EncodeToString(b)
}

// FuzzCursor decodes texts, and bodies with a right checksum. What is accepted has one spelling, and no value that a
// database would refuse.
func FuzzCursor(f *testing.F) {
	f.Add(dueOrder(f).encode(position()), []byte{})
	f.Add("YXJyYXljb25uZWN0aW9uOjA=", []byte{0, 0, 0, 2, 65, 65})
	f.Add("", append([]byte{1, 255, 255, 255, 255, 255, 255, 255, 255}, make([]byte, 60)...))
	f.Fuzz(func(t *testing.T, cursor string, body []byte) {
		o := dueOrder(t)
		for _, cursor := range []string{cursor, forge(o, body)} {
			p, err := o.decode(cursor)
			if err != nil {
				continue
			}
			if o.encode(p) != cursor {
				t.Errorf("%q has a second spelling", cursor)
			}
			for i, v := range p.values[:2] {
				if year := time.UnixMicro(v.number).UTC().Year(); !v.null && (year < 1 || year > 9999) {
					t.Errorf("%q: value %d is in the year %d", cursor, i, year)
				}
			}
			if n := p.values[3].number; n < math.MinInt16 || n > math.MaxInt16 {
				t.Errorf("%q: %d is no smallint", cursor, n)
			}
		}
	})
}

// Each field, direction and place of nulls, if there can be any, is another order.
func TestOrderSums(t *testing.T) {
	t.Parallel()
	sums := map[uint32]OrderBy[toyField]{}
	for _, f := range toyFields {
		for _, d := range []Direction{Ascending, Descending} {
			for _, n := range []Nulls{NullsFirst, NullsLast} {
				by := OrderBy[toyField]{Field: f, Direction: d, Nulls: n}
				o, err := toyOrders.By([]OrderBy[toyField]{by})
				if err != nil {
					t.Fatal(err)
				}
				if twin, ok := sums[o.sum]; ok && (twin.Field != f || twin.Direction != d || o.terms[0].nullable()) {
					t.Errorf("%v and %v are one order", twin, by)
				}
				sums[o.sum] = by
			}
		}
	}
	none, err := toyOrders.By(nil)
	if err != nil || sums[none.sum].Field != byMade || sums[none.sum].Direction != Descending {
		t.Errorf("the default is %v, %v", sums[none.sum], err)
	}
}
