package task

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/google/uuid"
)

// place is a place in a list: the values of its order's columns and the id that settles ties.
type place struct {
	values []value
	id     uuid.UUID
}

// move makes p the place of a row.
func (o order[T]) move(p *place, row T) {
	p.id, p.values = o.id(row), p.values[:0]
	for _, t := range o.terms {
		for _, c := range t.columns {
			p.values = append(p.values, c.of(row))
		}
	}
}

// A cursor is base64url of
//
//	version (1 byte) | order (4) | values | id (16) | checksum of all before it (4)
//
// with numbers big-endian. order is a checksum of the list's order, so that a cursor is only good in the order that
// made it; the last four bytes show damage. Neither is a secret: a cursor names a place, and what lies there is
// bounded by the viewer's workspace like everything else.
//
// A value is, where its term may be null, a byte that is 1 where there is one (else 0, and no more); then a number as 8
// bytes, or bytes after their length as 2.
const (
	cursorVersion = 1
	cursorHead    = 1 + 4
	cursorTail    = 16 + 4
)

// The moments of the years 1 to 9999, in microseconds since 1970.
const (
	firstMoment = -62_135_596_800_000_000
	lastMoment  = 253_402_300_799_999_999
)

var (
	errCursorDamaged = errors.New("is not a cursor of this API: pass an endCursor, startCursor or edge's cursor unchanged")
	errCursorOrder   = errors.New("comes from a list in another order: start again without it")
)

// appendBytes appends what a cursor is the base64url of.
func (o order[T]) appendBytes(b []byte, p *place) []byte {
	start := len(b)
	b = append(b, cursorVersion)
	b = binary.BigEndian.AppendUint32(b, o.sum)
	values := p.values
	for _, t := range o.terms {
		for i, c := range t.columns {
			b = values[i].append(b, c.kind, t.nullable)
		}
		values = values[len(t.columns):]
	}
	b = append(b, p.id[:]...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[start:]))
}

func (v value) append(b []byte, k kind, nullable bool) []byte {
	if nullable {
		if v.null {
			return append(b, 0)
		}
		b = append(b, 1)
	}
	if k != kindBytes {
		return binary.BigEndian.AppendUint64(b, uint64(v.number)) //nolint:gosec // The sign comes back.
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(v.bytes))) //nolint:gosec // Titles, names and positions are shorter by far.
	return append(b, v.bytes...)
}

// decode reads a cursor. The error's text goes on after the argument's name.
func (o order[T]) decode(cursor string) (*place, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	// The decoder passes over line breaks, so the text's length counts too.
	if err != nil || len(b) < cursorHead+cursorTail || len(cursor) != base64.RawURLEncoding.EncodedLen(len(b)) || b[0] != cursorVersion ||
		binary.BigEndian.Uint32(b[len(b)-4:]) != crc32.ChecksumIEEE(b[:len(b)-4]) {
		return nil, errCursorDamaged
	}
	if binary.BigEndian.Uint32(b[1:]) != o.sum {
		return nil, errCursorOrder
	}
	b = b[cursorHead : len(b)-4]
	p := &place{}
	for _, t := range o.terms {
		start := len(p.values)
		for _, c := range t.columns {
			v, rest, ok := readValue(b, c.kind, t.nullable)
			if !ok || len(p.values) > start && p.values[start].null != v.null {
				return nil, errCursorDamaged
			}
			p.values, b = append(p.values, v), rest
		}
	}
	if len(b) != len(p.id) {
		return nil, errCursorDamaged
	}
	copy(p.id[:], b)
	return p, nil
}

// readValue takes a value off b.
func readValue(b []byte, k kind, nullable bool) (value, []byte, bool) {
	if nullable {
		if len(b) == 0 || b[0] > 1 {
			return value{}, nil, false
		}
		if b[0] == 0 {
			return value{null: true}, b[1:], true
		}
		b = b[1:]
	}
	if k != kindBytes {
		if len(b) < 8 {
			return value{}, nil, false
		}
		v := value{number: int64(binary.BigEndian.Uint64(b))} //nolint:gosec // The sign comes back.
		// The checksum is no secret: what no row can have must not reach the database, which would call it an error.
		if k == kindTime && (v.number < firstMoment || v.number > lastMoment) || k == kindInt && int64(int16(v.number)) != v.number { //nolint:gosec // That is the test.
			return value{}, nil, false
		}
		return v, b[8:], true
	}
	if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
		return value{}, nil, false
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	return value{bytes: b[2:n:n]}, b[n:], true
}
