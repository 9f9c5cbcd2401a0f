package task

import (
	"bytes"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
)

// PostgreSQL's driver asks for most values as text and parses them. The statements here make PostgreSQL convert UUIDs, times
// and dates to their binary form, with the functions that send these types to clients
// (https://www.postgresql.org/docs/current/protocol-message-formats.html, DataRow); the decoder reads that.

// errRow reports a row that does not have the columns that were selected.
var errRow = errors.New("PostgreSQL sent a row that can't be read")

// rowReader reads rows of PostgreSQL into values of the type E.
type rowReader[E any] struct {
	decoder

	columns []column[E]
	rows    slab[E]
}

// newReader returns a reader of rows with the columns of those names, or all if there are no names.
func (t table[E]) newReader(names []string) (*rowReader[E], error) {
	columns, err := t.choose(names)
	if err != nil {
		return nil, err
	}
	r := &rowReader[E]{columns: columns}
	r.init()
	return r, nil
}

// selectFrom returns a SELECT of the columns.
func (r *rowReader[E]) selectFrom(t *sql.SelectTable) *sql.Selector {
	s := sql.Dialect(dialect.Postgres).Select().From(t)
	for _, c := range r.columns {
		if send := c.send(); send != "" {
			s.AppendSelectExpr(sql.Raw(send + "(" + t.C(c.name) + ")"))
		} else {
			s.AppendSelect(t.C(c.name))
		}
	}
	return s
}

// read reads a row. Fields whose columns aren't selected are zero. The row has no client: its edges can't be queried, and it
// can't be updated.
func (r *rowReader[E]) read(row []driver.Value) (*E, error) {
	if len(row) != len(r.columns) {
		return nil, errRow
	}
	e := r.rows.next()
	for i := range r.columns {
		r.columns[i].decode(&r.decoder, row[i], e)
	}
	return e, r.err()
}

// decoder decodes values as the driver has them.
type decoder struct {
	invalid bool
	// What nullable fields point to.
	texts slab[string]
	times slab[time.Time]
	uuids slab[uuid.UUID]
	// The beginnings of the slabs are here: most rows are read alone and need no other memory.
	firstTexts [2]string
	firstTimes [4]time.Time
	firstUUIDs [1]uuid.UUID
}

func (d *decoder) init() {
	d.texts.free, d.times.free, d.uuids.free = d.firstTexts[:], d.firstTimes[:], d.firstUUIDs[:]
}

// err returns errRow if a value was not of its column's type.
func (d *decoder) err() error {
	if d.invalid {
		return errRow
	}
	return nil
}

// uuid decodes what uuid_send returns.
func (d *decoder) uuid(v driver.Value) uuid.UUID {
	var id uuid.UUID
	copy(id[:], d.sized(v, len(id)))
	return id
}

// PostgreSQL's times count from the year 2000.
const (
	postgresEpoch = 946684800 // in seconds
	secondsOfDay  = 24 * 60 * 60
)

// time decodes what timestamptz_send returns, which is microseconds.
func (d *decoder) time(v driver.Value) time.Time {
	n := int64(binary.BigEndian.Uint64(d.sized(v, 8))) //nolint:gosec // That is what it holds.
	return time.UnixMicro(n + postgresEpoch*1e6).UTC()
}

// date decodes what date_send returns, which is days.
func (d *decoder) date(v driver.Value) time.Time {
	n := int32(binary.BigEndian.Uint32(d.sized(v, 4))) //nolint:gosec // That is what it holds.
	return time.Unix(int64(n)*secondsOfDay+postgresEpoch, 0).UTC()
}

// zeros stand for the bytes of a value that is invalid.
var zeros [16]byte //nolint:gochecknoglobals // A constant, if Go had constant arrays.

// sized returns a value of n bytes.
func (d *decoder) sized(v driver.Value, n int) []byte {
	b, _ := v.([]byte)
	if len(b) != n {
		d.invalid = true
		return zeros[:n]
	}
	return b
}

func (d *decoder) text(v driver.Value) string  { return decodeAs[string](d, v) }
func (d *decoder) bool(v driver.Value) bool    { return decodeAs[bool](d, v) }
func (d *decoder) int(v driver.Value) int      { return int(decodeAs[int64](d, v)) }
func (d *decoder) bytes(v driver.Value) []byte { return bytes.Clone(decodeAs[[]byte](d, v)) }

// decodeAs returns a value that the driver has as it is.
func decodeAs[T any](d *decoder, v driver.Value) T {
	t, ok := v.(T)
	d.invalid = d.invalid || !ok
	return t
}

// slab allocates values in growing chunks.
type slab[T any] struct {
	free      []T
	allocated int
}

func (s *slab[T]) next() *T {
	if len(s.free) == 0 { // 1, 4, 16, which are the 21 rows that a page of 20 reads, then 32.
		s.free = make([]T, min(3*s.allocated+1, 32))
	}
	p := &s.free[0]
	s.free = s.free[1:]
	s.allocated++
	return p
}
