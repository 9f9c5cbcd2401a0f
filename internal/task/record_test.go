package task

import (
	"database/sql/driver"
	"errors"
	"math"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/testkit"
)

// ends are moments at the ends of what a column holds, and between them.
func ends() []time.Time {
	return []time.Time{
		time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2026, 2, 28, 12, 0, 0, 123_456_000, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
	}
}

// one reads the only row of a query, three times: sent as text the first time, in its binary form once it is prepared.
func one(t *testing.T, queryRaw QueryRaw, query string, args []any, read func(row []driver.Value) error) {
	t.Helper()
	for range 3 {
		rows := 0
		err := queryRaw(t.Context(), query, args, func(row []driver.Value) error {
			rows++
			return read(row)
		})
		if err != nil || rows != 1 {
			t.Errorf("%d rows of %s: %v", rows, query, err)
		}
	}
}

// What PostgreSQL sends is what was written.
func TestRecord(t *testing.T) {
	t.Parallel()
	db := testkit.OpenDatabase(t, testkit.PostgresURL(t))
	id := uuid.MustParse("00ff10ab-7c2d-7e3f-8a4b-ffffffffffff")
	const text = "ü\x01\"雪"
	for _, at := range ends() {
		statement := "SELECT " + recordOf("$1::uuid", "$2::text", "''::text", "NULL::text", "32767::smallint", "2147483647", "9223372036854775807",
			"$3::timestamptz", "NULL::timestamptz", `'\x00ff'::bytea`)
		one(t, db.QueryRaw, statement, []any{id, text, at}, func(row []driver.Value) error {
			type values struct {
				ID                 uuid.UUID
				Text, Empty, Null  string
				Small, Middle, Big int
				Moment, Never      time.Time
				Bytes              string
				There              [5]bool
			}
			r := openRecord(row, 10)
			var got values
			var bytes []byte
			got.There = [...]bool{r.id(&got.ID), r.text(&got.Text), r.text(&got.Empty), r.text(&got.Null), false}
			r.int(&got.Small)
			r.int(&got.Middle)
			r.int(&got.Big)
			moment, never := r.time(&got.Moment), r.time(&got.Never)
			r.bytes(&bytes)
			got.There[4], got.Bytes = moment && !never, string(bytes)
			want := values{
				ID: id, Text: text, Small: math.MaxInt16, Middle: math.MaxInt32, Big: math.MaxInt64, Moment: at, Bytes: "\x00\xff",
				There: [...]bool{true, true, true, false, true},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			return r.err()
		})
	}
}

// A task's values are read as they were written, whatever is null.
func TestTaskColumns(t *testing.T) {
	t.Parallel()
	db := testkit.OpenDatabase(t, testkit.PostgresURL(t))
	id, parent := uuid.MustParse("00ff10ab-7c2d-7e3f-8a4b-ffffffffffff"), uuid.MustParse("019bac4c-f712-75ab-942a-41a94ef61ae4")
	const all = `SELECT $1::uuid AS id, 9223372036854775807 AS version, $2::text AS title, $3::text AS description, $4::bool AS completed,
		$5::timestamptz AS completed_at, 4::smallint AS priority, $6::date AS due_date, $5::timestamptz AS due_at, $7::text AS due_time_zone,
		$5::timestamptz AS due_sort, $8::uuid AS parent_id, decode('000' || g, 'hex') AS position, ''::bytea AS title_key,
		$9::timestamptz AS created_at, $9::timestamptz AS updated_at, $5::timestamptz AS deleted_at FROM generate_series(1, 2) g`
	columns := []string{
		"id", "version", "title", "description", "completed", "completed_at", "priority", "due_date", "due_at", "due_time_zone", "due_sort",
		"parent_id", "position", "title_key", "created_at", "updated_at", "deleted_at",
	}
	for _, at := range ends() {
		for _, null := range []bool{false, true} {
			day := at.Truncate(24 * time.Hour)
			want := &ent.Task{
				ID: id, Version: math.MaxInt64, Title: "ü\x01\"雪", Priority: 4, Position: []byte{0, 1}, TitleKey: []byte{}, CreatedAt: at, UpdatedAt: at,
			}
			args := []any{id, want.Title, nil, false, nil, nil, nil, nil, at}
			if !null {
				empty, zone := "", "Asia/Karachi"
				want.Description, want.Completed, want.CompletedAt, want.DueDate, want.DueAt, want.DueTimeZone = &empty, true, &at, &day, &at, &zone
				want.DueSort, want.ParentID, want.DeletedAt = &at, &parent, &at
				args = []any{id, want.Title, "", true, at, day, zone, parent, at}
			}
			read, ok := newTaskReader(columns, dialect.Postgres)
			if !ok {
				t.Fatal("no such column")
			}
			statement, _ := read.selectFrom(sql.Dialect(dialect.Postgres).Table("tasks")).Query()
			for range 3 { // Sent as text the first time, in their binary forms once the statement is prepared.
				var got []*ent.Task // Compared when all have been read: what the driver gave is gone by then.
				err := db.QueryRaw(t.Context(), "WITH tasks AS ("+all+") "+statement, args, func(row []driver.Value) error {
					e, err := read.task(row)
					got = append(got, e)
					return err
				})
				second := *want
				second.Position = []byte{0, 2}
				if diff := cmp.Diff([]*ent.Task{want, &second}, got, cmpopts.IgnoreUnexported(ent.Task{}, ent.TaskEdges{})); err != nil || diff != "" {
					t.Errorf("%v, %s", err, diff)
				}
			}
		}
	}
	for _, completed := range []bool{true, false} { // Without the moment.
		read, ok := newTaskReader([]string{"completed", "id"}, dialect.Postgres)
		if !ok {
			t.Fatal("no such column")
		}
		statement, _ := read.selectFrom(sql.Dialect(dialect.Postgres).Table("tasks")).Query()
		one(t, db.QueryRaw, "WITH tasks AS (SELECT $1::uuid AS id, $2::bool AS completed) "+statement, []any{id, completed}, func(row []driver.Value) error {
			e, err := read.task(row)
			if err == nil && (e.ID != id || e.Completed != completed) {
				t.Errorf("got %s, %t", e.ID, e.Completed)
			}
			return err
		})
	}
}

// Values that are not what was asked for are an error, never a panic or a wrong task.
func TestWrongRow(t *testing.T) {
	t.Parallel()
	columns := []string{"id", "title", "description", "version", "completed", "created_at", "due_date", "position"}
	good := []driver.Value{make([]byte, 16), "title", nil, int64(1), true, make([]byte, 8), nil, []byte{}}
	read := func(row []driver.Value) error {
		r, ok := newTaskReader(columns, dialect.Postgres)
		if !ok {
			t.Fatal("no such column")
		}
		_, err := r.task(row)
		return err
	}
	if err := read(good); err != nil {
		t.Fatal(err)
	}
	for _, row := range [][]driver.Value{{}, good[1:], append(good[:len(good):len(good)], nil)} {
		if err := read(row); !errors.Is(err, errRow) {
			t.Errorf("%d values: %v", len(row), err)
		}
	}
	for i := range good {
		for _, wrong := range []driver.Value{3.5, make([]byte, 3), "text", int64(1), true} {
			row := append([]driver.Value{}, good...)
			row[i] = wrong
			_, text := wrong.(string)
			_, number := wrong.(int64)
			_, yes := wrong.(bool)
			b, _ := wrong.([]byte)
			right := text && (i == 1 || i == 2) || number && i == 3 || yes && i == 4 || b != nil && i == 7
			if err := read(row); (err == nil) != right {
				t.Errorf("%s = %#v: %v", columns[i], wrong, err)
			}
		}
	}
	row := append([]driver.Value{}, good...)
	if row[3] = nil; read(row) == nil {
		t.Error("no error of a version that is null")
	}
}

// A record that is cut, too long or of another width is an error, never a panic or a wrong tag.
func FuzzRecord(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01\x00\x00\x0b\x86\x00\x00\x00\x01"))
	f.Add([]byte("\x00\x00\x00\x01\x00\x00\x0b\x86\x00\x00\x00\x10................"))
	f.Add([]byte("\x00\x00\x00\x02\x00\x00\x00\x14\x00\x00\x00\x08\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x0b\x86\x00\x00\x00\x10................"))
	columns := []string{"version", "name", "id", "name_key", "created_at", "color"}
	f.Fuzz(func(t *testing.T, packed []byte) {
		for n := range len(columns) + 1 {
			read, ok := newTagReader(columns[:n])
			if !ok {
				t.Fatal("no such column")
			}
			if err := read.row([]driver.Value{packed}); err == nil && (len(packed) < 4 || packed[3] != byte(n+1)) {
				t.Errorf("%d columns of %x", n, packed)
			}
		}
	})
}

// A row that is no record is an error.
func TestNoRecord(t *testing.T) {
	t.Parallel()
	for _, row := range [][]driver.Value{{}, {nil}, {"text"}, {int64(1)}, {[]byte{0, 0, 0, 0}, nil}} {
		r := openRecord(row, 0)
		if err := r.err(); !errors.Is(err, errRow) {
			t.Errorf("%#v is read as a record", row)
		}
	}
}
