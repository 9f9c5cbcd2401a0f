package keyset

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A cursor is base64url of
//
//	version (1 byte) | order (4) | values | id (16) | checksum of all before it (4)
//
// with numbers big-endian. order is a checksum of the order's name, so that a cursor is only good in the order that
// made it; the last four bytes show damage. Neither is a secret: a cursor names a position, and what is read there is
// bounded by the viewer's workspace like everything else.
//
// A value of a nullable term begins with a byte that is 1, or 0 if it is null, and then ends there. A number is 8 bytes;
// bytes follow their length, which is 2.
const (
	cursorVersion = 1
	cursorHead    = 1 + 4
	cursorTail    = 16 + 4
)

// The times of the years 1 to 9999, in microseconds since 1970.
const (
	firstTime = -62_135_596_800_000_000
	lastTime  = 253_402_300_799_999_999
)

var (
	errCursorDamaged = errors.New("is not a cursor of this API: pass an endCursor, startCursor or edge's cursor unchanged")
	errCursorOrder   = errors.New("comes from a list in another order: start again without it")
)

// appendCursor appends a position's cursor before it is base64url.
func (o Order[T]) appendCursor(b []byte, p *Position) []byte {
	start := len(b)
	b = append(b, cursorVersion)
	b = binary.BigEndian.AppendUint32(b, o.sum)
	values := p.values
	for _, t := range o.terms {
		for i, c := range t.Columns {
			b = values[i].append(b, c.kind, c.nullable)
		}
		values = values[len(t.Columns):]
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
	b = binary.BigEndian.AppendUint16(b, uint16(len(v.bytes))) //nolint:gosec // Bytes requires that they are shorter.
	return append(b, v.bytes...)
}

// decode reads a cursor. The error's text is to follow the argument's name.
func (o Order[T]) decode(cursor string) (*Position, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	// The decoder ignores line breaks, so the text's length counts too.
	if err != nil || len(b) < cursorHead+cursorTail || len(cursor) != base64.RawURLEncoding.EncodedLen(len(b)) || b[0] != cursorVersion ||
		binary.BigEndian.Uint32(b[len(b)-4:]) != crc32.ChecksumIEEE(b[:len(b)-4]) {
		return nil, errCursorDamaged
	}
	if binary.BigEndian.Uint32(b[1:]) != o.sum {
		return nil, errCursorOrder
	}
	b = b[cursorHead : len(b)-4]
	p := &Position{}
	for _, t := range o.terms {
		start := len(p.values)
		for _, c := range t.Columns {
			v, rest, ok := readValue(b, c.kind, c.nullable)
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

// readValue reads a value from the beginning of b and returns what follows it.
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
		return v, b[8:], v.fits(k)
	}
	if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
		return value{}, nil, false
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	return value{bytes: b[2:n:n]}, b[n:], true
}

// fits reports whether a row can have the number. Anybody can compute a cursor's checksum, and the database would call a
// number that is out of range an error.
func (v value) fits(k kind) bool {
	switch k {
	case kindTime:
		return v.number >= firstTime && v.number <= lastTime
	case kindSmallInt:
		return int64(int16(v.number)) == v.number //nolint:gosec // That is the test.
	default:
		return true
	}
}
