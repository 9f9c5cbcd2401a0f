package task

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
)

// PostgreSQL's driver reads values one by one, most of them as text, and makes objects of each. Whole rows in PostgreSQL's
// binary form of a record come as one value, in which nothing needs to be parsed
// (https://www.postgresql.org/docs/current/protocol-message-formats.html, DataRow, has the forms of values;
// record_send puts the number of columns before them, and each one's type before its length).

// recordOf is the expression that makes one value of the columns.
func recordOf(columns ...string) string {
	return "record_send(ROW(" + strings.Join(columns, ", ") + "))"
}

// errRecord says that a row is not what was asked for.
var errRecord = errors.New("PostgreSQL sent a record that can't be read")

// bigint reads what int8send makes of a number that is not negative.
func bigint(b []byte) (int, error) {
	const size = 8
	if len(b) != size {
		return 0, errRecord
	}
	return int(binary.BigEndian.Uint64(b)), nil //nolint:gosec // It is a bigint.
}

// record is what is left to read of a row. It is text, so that the texts in it are no copies of their own.
type record struct {
	rest string
	bad  bool
}

// openRecord begins to read a row of so many columns.
func openRecord(row string, columns int) record {
	r := record{rest: row}
	if r.int32() != int32(columns) { //nolint:gosec // There are few.
		r.bad = true
	}
	return r
}

// err is errRecord where anything that was read is not there, or something is left.
func (r *record) err() error {
	if r.bad || r.rest != "" {
		return errRecord
	}
	return nil
}

// take reads so many bytes; none where they are not there.
func (r *record) take(n int) string {
	if n < 0 || n > len(r.rest) {
		r.bad, n = true, 0
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *record) int32() int32 { return int32(bigEndian(r.take(4))) } //nolint:gosec // That is what it holds.

// bigEndian reads an unsigned number of up to eight bytes.
func bigEndian(s string) uint64 {
	var b [8]byte
	copy(b[len(b)-len(s):], s)
	return binary.BigEndian.Uint64(b[:])
}

// value reads the next column; false where it is null.
func (r *record) value() (string, bool) {
	r.take(4) // Its type.
	n := r.int32()
	if n == -1 {
		return "", false
	}
	return r.take(int(n)), true
}

// sized is value of a column that has so many bytes.
func (r *record) sized(n int) (string, bool) {
	s, ok := r.value()
	if ok && len(s) != n {
		r.bad, ok = true, false
	}
	return s, ok
}

func (r *record) text(to *string) bool {
	s, ok := r.value()
	*to = s
	return ok
}

func (r *record) bytes(to *[]byte) {
	if s, ok := r.value(); ok {
		*to = []byte(s)
	}
}

func (r *record) id(to *uuid.UUID) bool {
	s, ok := r.sized(len(to))
	copy(to[:], s)
	return ok
}

func (r *record) bool(to *bool) {
	s, ok := r.sized(1)
	*to = ok && s[0] != 0
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
)

// time reads a timestamptz, which is microseconds.
func (r *record) time(to *time.Time) bool {
	s, ok := r.sized(8)
	if ok {
		*to = time.UnixMicro(int64(bigEndian(s)) + postgresEpoch*1e6).UTC() //nolint:gosec // That is what it holds.
	}
	return ok
}

// date reads a date, which is days.
func (r *record) date(to *time.Time) bool {
	s, ok := r.sized(4)
	if ok {
		*to = time.Unix(int64(int32(bigEndian(s)))*secondsOfDay+postgresEpoch, 0).UTC() //nolint:gosec // As above.
	}
	return ok
}
