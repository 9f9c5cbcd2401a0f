package task

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"taskql/ent"
)

// anyOrder draws an order of tasks.
func anyOrder(t *rapid.T) order[*ent.Task] {
	fields := rapid.Permutation([]OrderField{
		OrderCreatedAt, OrderUpdatedAt, OrderCompletedAt, OrderDue, OrderPriority, OrderTitle, OrderManual,
	}).Draw(t, "fields")
	var by []Order
	for _, f := range fields[:rapid.IntRange(0, len(fields)).Draw(t, "n")] {
		by = append(by, Order{
			Field:     f,
			Direction: rapid.SampledFrom([]Direction{Ascending, Descending}).Draw(t, "direction"),
			Nulls:     rapid.SampledFrom([]Nulls{NullsFirst, NullsLast}).Draw(t, "nulls"),
		})
	}
	o, err := taskOrder(by)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// anyPlace draws a place in that order.
func anyPlace(t *rapid.T, o order[*ent.Task]) *place {
	p := &place{id: uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))}
	for _, term := range o.terms {
		null := term.nullable && rapid.Bool().Draw(t, "null")
		for _, c := range term.columns {
			v := value{null: null}
			switch {
			case null:
			case c.kind == kindTime:
				v.number = rapid.Int64Range(firstMoment, lastMoment).Draw(t, "moment")
			case c.kind == kindInt:
				v.number = rapid.Int64Range(0, 4).Draw(t, "number")
			default:
				v.bytes = rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "bytes")
			}
			p.values = append(p.values, v)
		}
	}
	return p
}

func TestCursorRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := anyOrder(t)
		want := anyPlace(t, o)
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
		made, other := anyOrder(t), anyOrder(t)
		_, err := other.decode(made.encode(anyPlace(t, made)))
		if same := made.sum == other.sum; same != (err == nil) || err != nil && !errors.Is(err, errCursorOrder) {
			t.Fatalf("same order: %t, got %v", same, err)
		}
	})
}

// Every field, direction and place of nulls, where there can be any, is another order.
func TestOrdersHaveSums(t *testing.T) {
	t.Parallel()
	sums := map[uint32]Order{tagOrder().sum: {}}
	for _, f := range []OrderField{OrderCreatedAt, OrderUpdatedAt, OrderCompletedAt, OrderDue, OrderPriority, OrderTitle, OrderManual} {
		for _, d := range []Direction{Ascending, Descending} {
			for _, n := range []Nulls{NullsFirst, NullsLast} {
				by := Order{Field: f, Direction: d, Nulls: n}
				o, err := taskOrder([]Order{by})
				if err != nil {
					t.Fatal(err)
				}
				if twin, ok := sums[o.sum]; ok && (twin.Field != f || twin.Direction != d || o.terms[0].nullable) {
					t.Errorf("%v and %v are one order", twin, by)
				}
				sums[o.sum] = by
			}
		}
	}
	newest, err := taskOrder(nil)
	if err != nil || sums[newest.sum].Field != OrderCreatedAt || sums[newest.sum].Direction != Descending {
		t.Errorf("the order where none is asked for: %v, %v", sums[newest.sum], err)
	}
}

// The default order's cursor is the first release's, bit for bit: pages that clients hold go on.
func TestCursorOfTheFirstRelease(t *testing.T) {
	t.Parallel()
	id := uuid.MustParse("0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c5d")
	b := []byte{1}
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE([]byte("CREATED_AT DESC")))
	b = binary.BigEndian.AppendUint64(b, 1795417182123456)
	b = append(b, id[:]...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	o, err := taskOrder(nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.decode(base64.RawURLEncoding.EncodeToString(b))
	if err != nil || p.id != id || p.values[0].number != 1795417182123456 {
		t.Errorf("got %+v, %v", p, err)
	}
}

func due(t testing.TB) order[*ent.Task] {
	t.Helper()
	o, err := taskOrder([]Order{{Field: OrderDue}, {Field: OrderTitle}, {Field: OrderPriority}})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func somewhere() *place {
	return &place{
		values: []value{{number: 1795417182123456}, {number: firstMoment}, {bytes: []byte("buy milk")}, {number: 3}},
		id:     uuid.MustParse("0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c5d"),
	}
}

// Every single bit that is wrong, and every byte too few or too many, is noticed.
func TestCursorDamaged(t *testing.T) {
	t.Parallel()
	o := due(t)
	good, err := base64.RawURLEncoding.DecodeString(o.encode(somewhere()))
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

// signed makes a cursor of a body that somebody wrote by hand: the checksum is no secret.
func signed(o order[*ent.Task], body []byte) string {
	b := binary.BigEndian.AppendUint32([]byte{cursorVersion}, o.sum)
	b = append(b, body...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.RawURLEncoding.EncodeToString(b)
}

// FuzzCursor tries texts as they are, and bodies with a good checksum: what is taken has one spelling, and holds nothing
// that a database would refuse.
func FuzzCursor(f *testing.F) {
	f.Add(due(f).encode(somewhere()), []byte{})
	f.Add("YXJyYXljb25uZWN0aW9uOjA=", []byte{0, 0, 0, 2, 65, 65})
	f.Add("", append([]byte{1, 255, 255, 255, 255, 255, 255, 255, 255}, make([]byte, 60)...))
	f.Fuzz(func(t *testing.T, cursor string, body []byte) {
		o := due(t)
		for _, cursor := range []string{cursor, signed(o, body)} {
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
		}
	})
}

// encode returns the cursor of p.
func (o order[T]) encode(p *place) string {
	return base64.RawURLEncoding.EncodeToString(o.appendBytes(nil, p))
}
