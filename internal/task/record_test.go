package task

import (
	"math"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/internal/testkit"
)

// What PostgreSQL sends is what was written, at the ends of what its types hold too.
func TestRecords(t *testing.T) {
	t.Parallel()
	db := testkit.OpenDatabase(t, testkit.PostgresURL(t))
	id := uuid.MustParse("00ff10ab-7c2d-7e3f-8a4b-ffffffffffff")
	for _, at := range []time.Time{
		time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2026, 2, 28, 12, 0, 0, 123_456_000, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
	} {
		statement := "SELECT " + recordOf("$1::uuid", "$2::text", "''::text", "NULL::text", "true", "false", "32767::smallint",
			"2147483647", "9223372036854775807", "$3::timestamptz", "$3::date", "NULL::timestamptz", `'\x00ff'::bytea`)
		for _, kept := range []bool{false, false, true} { // As text the first time, in its binary form once it is prepared.
			var row []byte
			if err := db.SQL.QueryRowContext(t.Context(), statement, id, "ü\x01\"雪", at).Scan(&row); err != nil {
				t.Fatal(err)
			}
			r := openRecord(string(row), 13)
			var (
				gotID              uuid.UUID
				text, empty, null  string
				yes, no            bool
				small, middle, big int
				moment, day, never time.Time
				bytes              []byte
			)
			ok := []bool{
				r.id(&gotID), r.text(&text), r.text(&empty), !r.text(&null),
				func() bool {
					r.bool(&yes)
					r.bool(&no)
					r.int(&small)
					r.int(&middle)
					r.int(&big)
					return true
				}(),
				r.time(&moment), r.date(&day), !r.time(&never),
			}
			r.bytes(&bytes)
			for i, ok := range ok {
				if !ok {
					t.Errorf("%s, prepared %t: value %d is null, or is not", at, kept, i)
				}
			}
			if err := r.err(); err != nil || gotID != id || text != "ü\x01\"雪" || empty != "" || !yes || no || small != math.MaxInt16 ||
				middle != math.MaxInt32 || big != math.MaxInt64 || string(bytes) != "\x00\xff" {
				t.Errorf("%s, prepared %t: got %v %q %q %t %t %d %d %d %x, %v", at, kept, gotID, text, empty, yes, no, small, middle, big, bytes, err)
			}
			if want := at.Truncate(24 * time.Hour); moment != at || day != want {
				t.Errorf("%s, prepared %t: got %s, the day %s", at, kept, moment, day)
			}
		}
	}
}

// A record that is cut, too long or of another width is an error, never a panic or a wrong task.
func FuzzRecord(f *testing.F) {
	f.Add("\x00\x00\x00\x01\x00\x00\x0b\x86\x00\x00\x00\x01")
	f.Add("\x00\x00\x00\x02\x00\x00\x00\x19\xff\xff\xff\xff\x00\x00\x00\x14\x00\x00\x00\x08\x7f\xff\xff\xff\xff\xff\xff\xff")
	columns := []string{"title", "version", "id", "created_at", "due_date", "completed", "position"}
	f.Fuzz(func(t *testing.T, row string) {
		for n := range len(columns) + 1 {
			read, ok := newTaskReader(columns[:n], true)
			if !ok {
				t.Fatal("no such column")
			}
			if row == "" {
				continue
			}
			if e, err := read.task(row); err == nil && (n == 0) != (len(row) == 4) || e == nil {
				t.Errorf("%d columns of %x: %v", n, row, err)
			}
		}
	})
}
