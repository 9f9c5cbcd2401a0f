package task

import (
	"bytes"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
)

// PostgreSQL's driver asks for most values as text and parses them. Here they come in PostgreSQL's binary form
// (https://www.postgresql.org/docs/current/protocol-message-formats.html, DataRow): a task's one by one, ids, times and days by
// the functions that send their types (see columnOfTask), and those of a tag, which is in many rows, as one record, for each value is an
// object. A record costs PostgreSQL more: record_send takes a kilobyte for each value before it knows how long that is, and its
// memory for a row begins with eight. A page of tasks took it a sixth longer.

// errRow says that a row is not what was asked for.
var errRow = errors.New("PostgreSQL sent a row that can't be read")

// cells reads values as the driver has them.
type cells struct{ bad bool }

// err is errRow where a value was not what was asked for.
func (c *cells) err() error {
	if c.bad {
		return errRow
	}
	return nil
}

// sized are the bytes of a value that has so many; false where it is null.
func (c *cells) sized(v driver.Value, n int) ([]byte, bool) {
	b, ok := v.([]byte)
	if len(b) != n || !ok && v != nil {
		c.bad = c.bad || v != nil
		return nil, false
	}
	return b, true
}

func (c *cells) id(v driver.Value, to *uuid.UUID) bool {
	b, ok := c.sized(v, len(to))
	copy(to[:], b)
	return ok
}

// time reads what timestamptz_send makes.
func (c *cells) time(v driver.Value, to *time.Time) bool {
	b, ok := c.sized(v, timeSize)
	if ok {
		*to = timeOf(b)
	}
	return ok
}

// date reads what date_send makes, which is days.
func (c *cells) date(v driver.Value, to *time.Time) bool {
	b, ok := c.sized(v, dateSize)
	if ok {
		days := int32(binary.BigEndian.Uint32(b)) //nolint:gosec // That is what it holds.
		*to = time.Unix(int64(days)*secondsOfDay+postgresEpoch, 0).UTC()
	}
	return ok
}

func (c *cells) text(v driver.Value, to *string) bool { return cell(c, v, to) }
func (c *cells) bool(v driver.Value, to *bool)        { cell(c, v, to) }

// int reads a number that is not null.
func (c *cells) int(v driver.Value, to *int) {
	var n int64
	c.bad = !cell(c, v, &n) || c.bad
	*to = int(n)
}

func (c *cells) bytes(v driver.Value, to *[]byte) {
	var b []byte
	if cell(c, v, &b) {
		*to = bytes.Clone(b)
	}
}

// cell reads a value that the driver has as it is; false where it is null.
func cell[T any](c *cells, v driver.Value, to *T) bool {
	value, ok := v.(T)
	c.bad = c.bad || !ok && v != nil
	*to = value
	return ok
}

// recordOf is the expression that makes one value of the columns.
func recordOf(columns ...string) string {
	return "record_send(ROW(" + strings.Join(columns, ", ") + "))"
}

// record is what is left to read of one.
type record struct {
	rest []byte
	bad  bool
}

// openRecord begins to read a row that is a record of so many columns.
func openRecord(row []driver.Value, columns int) record {
	if len(row) != 1 {
		return record{bad: true}
	}
	packed, _ := row[0].([]byte)
	r := record{rest: packed}
	if r.int32() != int32(columns) { //nolint:gosec // There are few.
		r.bad = true
	}
	return r
}

// err is errRow where anything that was read is not there, or something is left.
func (r *record) err() error {
	if r.bad || len(r.rest) > 0 {
		return errRow
	}
	return nil
}

// take reads so many bytes; none where they are not there.
func (r *record) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.bad, n = true, 0
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *record) int32() int32 { return int32(bigEndian(r.take(4))) } //nolint:gosec // That is what it holds.

// bigEndian reads an unsigned number of up to eight bytes.
func bigEndian(s []byte) uint64 {
	var b [8]byte
	copy(b[len(b)-len(s):], s)
	return binary.BigEndian.Uint64(b[:])
}

// value reads the next column; false where it is null.
func (r *record) value() ([]byte, bool) {
	r.take(4) // Its type.
	n := r.int32()
	if n == -1 {
		return nil, false
	}
	return r.take(int(n)), true
}

// sized is value of a column that has so many bytes.
func (r *record) sized(n int) ([]byte, bool) {
	s, ok := r.value()
	if ok && len(s) != n {
		r.bad, ok = true, false
	}
	return s, ok
}

// text reads a text: into the one that is there already where that is the same.
func (r *record) text(to *string) bool {
	s, ok := r.value()
	if string(s) != *to {
		*to = string(s)
	}
	return ok
}

func (r *record) bytes(to *[]byte) {
	if s, ok := r.value(); ok {
		*to = bytes.Clone(s)
	}
}

func (r *record) id(to *uuid.UUID) bool {
	s, ok := r.sized(len(to))
	copy(to[:], s)
	return ok
}

// int reads a smallint, an integer or a bigint that is not negative.
func (r *record) int(to *int) {
	s, _ := r.value()
	switch len(s) {
	case 2, 4, 8:
		*to = int(bigEndian(s)) //nolint:gosec // It is a bigint at most.
	default:
		r.bad = true
	}
}

// PostgreSQL's times count from the year 2000.
const (
	postgresEpoch = 946684800 // In seconds.
	secondsOfDay  = 24 * 60 * 60

	timeSize, dateSize = 8, 4
)

// timeOf is a timestamptz, which is microseconds.
func timeOf(b []byte) time.Time {
	return time.UnixMicro(int64(binary.BigEndian.Uint64(b)) + postgresEpoch*1e6).UTC() //nolint:gosec // That is what it holds.
}

func (r *record) time(to *time.Time) bool {
	b, ok := r.sized(timeSize)
	if ok {
		*to = timeOf(b)
	}
	return ok
}
