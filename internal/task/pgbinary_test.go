package task

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"taskql/ent"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	"taskql/internal/database"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
)

// Rows are read as ent reads them, whatever is null, and columns are written to the database as ent names them.
func TestRowReader(t *testing.T) {
	t.Parallel()
	db := testkit.OpenDatabase(t, testkit.MigratedPostgresURL(t))
	client, ctx := ent.NewClient(ent.Driver(db.Driver())), viewer.AsSystem(t.Context())
	v := testkit.MakeViewer(t, client, "ada")
	for i, at := range []time.Time{ // at the ends of what a column holds, and between them
		time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2026, 2, 28, 12, 0, 0, 123_456_000, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		tick := func(n int) *time.Time { later := at.Add(time.Duration(n) * time.Microsecond); return &later }
		parent, trashed, day, description, zone := uuid.New(), uuid.New(), at.Truncate(24*time.Hour), fmt.Sprint("ü\x01\"雪", i), "Asia/Karachi"
		recurrence, number, project, section := uuid.New(), i+1, uuid.New(), uuid.New()
		task := &ent.Task{
			ID: uuid.New(), WorkspaceID: v.WorkspaceID, Version: math.MaxInt64, Title: "title", Description: &description,
			Completed: true, CompletedAt: tick(1), Priority: 4, DueDate: &day, DueAt: tick(2), DueTimeZone: &zone, DueSort: tick(3),
			ParentID: &parent, Position: []byte{0, 1}, TitleKey: []byte{0, 2}, SearchText: "search", CreatedAt: *tick(4), UpdatedAt: *tick(5),
			DeletedAt: tick(6), TrashedWith: &trashed, RecurrenceID: &recurrence, OccurrenceNumber: &number, HasReminders: true,
			ProjectID: &project, SectionID: &section, HiddenAt: tick(7), AssigneeID: &zone, CreatedBy: &description,
		}
		wantNoZero(t, *task)
		bare := &ent.Task{
			ID: parent, WorkspaceID: v.WorkspaceID, Version: 1, Title: "parent", Position: []byte{}, TitleKey: []byte{}, CreatedAt: at, UpdatedAt: at,
		}
		for _, want := range []*ent.Task{bare, task} {
			insertRow(ctx, t, taskColumns, want, client.Task.Create().SetID(want.ID))
			if diff := cmp.Diff(want, client.Task.GetX(ctx, want.ID), ignoreUnexported()); diff != "" {
				t.Error(diff)
			}
			readRow(t, db, taskColumns, enttask.Table, want.ID, want)
		}
		tag := &ent.Tag{
			ID: uuid.New(), WorkspaceID: v.WorkspaceID, Version: 7, Name: "name", NameKey: []byte{byte(i)}, Color: "#aabbcc", CreatedAt: *tick(1), UpdatedAt: *tick(2),
		}
		insertRow(ctx, t, tagColumns, tag, client.Tag.Create().SetID(tag.ID))
		if diff := cmp.Diff(tag, client.Tag.GetX(ctx, tag.ID), ignoreUnexported()); diff != "" {
			t.Error(diff)
		}
		readRow(t, db, tagColumns, enttag.Table, tag.ID, tag)
	}
}

func ignoreUnexported() cmp.Option {
	return cmpopts.IgnoreUnexported(ent.Task{}, ent.TaskEdges{}, ent.Tag{}, ent.TagEdges{})
}

// wantNoZero fails if a field of a table is zero, so that a test of all fields tests them all.
func wantNoZero(t *testing.T, row ent.Task) {
	t.Helper()
	for field, value := range reflect.ValueOf(row).Fields() {
		if field.IsExported() && field.Name != "Edges" && value.IsZero() {
			t.Errorf("the test's task has no %s: add a value", field.Name)
		}
	}
}

// insertRow inserts a row with the values that the table says it has.
func insertRow[E any, M ent.Mutation](ctx context.Context, t *testing.T, columns table[E], row *E, create interface {
	Mutation() M
	Exec(ctx context.Context) error
},
) {
	t.Helper()
	for _, c := range columns.columns {
		if v := c.value(row); v != nil && c.name != "id" {
			if err := create.Mutation().SetField(c.name, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := create.Exec(ctx); err != nil {
		t.Fatal(err)
	}
}

// readRow reads a row three times: it is sent as text the first time, and in its binary form once the statement is prepared.
func readRow[E any](t *testing.T, db *database.DB, columns table[E], name string, id uuid.UUID, want *E) {
	t.Helper()
	r, err := columns.newReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	statement, args := r.selectFrom(sql.Table(name)).Where(sql.EQ("id", id)).Query()
	var rows []*E // Compared when all have been read: what the driver passed is gone by then.
	for range 3 {
		if err := db.QueryRaw(t.Context(), statement, args, func(row []driver.Value) error {
			e, err := r.read(row)
			rows = append(rows, e)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]*E{want, want, want}, rows, ignoreUnexported()); diff != "" {
		t.Error(diff)
	}
}

// Values that are not of their columns' types are an error, never a panic or a wrong row.
func TestRowReaderRefusesOtherValues(t *testing.T) {
	t.Parallel()
	testWrongValues(t, taskColumns)
	testWrongValues(t, tagColumns)
}

func testWrongValues[E any](t *testing.T, columns table[E]) {
	t.Helper()
	right := map[string]driver.Value{
		"uuid": make([]byte, 16), "timestamptz": make([]byte, 8), "date": make([]byte, 4), "text": "text", "bytea": []byte{1, 2, 3},
		"bigint": int64(1), "smallint": int64(1), "boolean": true,
	}
	var good []driver.Value
	for _, c := range columns.columns {
		if right[c.pgType] == nil {
			t.Fatalf("%s is a %s: extend this test", c.name, c.pgType)
		}
		good = append(good, right[c.pgType])
	}
	read := func(row []driver.Value) error {
		r, err := columns.newReader(nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.read(row)
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
	for i, c := range columns.columns {
		for _, wrong := range []driver.Value{nil, 3.5, make([]byte, 3), make([]byte, 4), make([]byte, 8), make([]byte, 16), "text", int64(1), true} {
			row := append([]driver.Value{}, good...)
			row[i] = wrong
			is := reflect.DeepEqual(wrong, right[c.pgType]) || wrong == nil && c.nullable
			if b, ok := wrong.([]byte); ok && c.pgType == "bytea" && b != nil {
				is = true
			}
			if err := read(row); (err == nil) != is {
				t.Errorf("%s = %#v: %v", c.name, wrong, err)
			}
		}
	}
}

// No column of tasks is a nullable number yet.
func TestNullIntColumn(t *testing.T) {
	t.Parallel()
	type row struct{ number *int }
	column := nullIntColumn("number", "bigint", func(r *row) **int { return &r.number })
	for _, want := range []driver.Value{nil, int64(0), int64(math.MaxInt64)} {
		var r row
		var d decoder
		d.init()
		column.decode(&d, want, &r)
		if got := column.value(&r); d.err() != nil || (want == nil) != (got == nil) || got != nil && int64(got.(int)) != want { //nolint:errcheck // value returns an int.
			t.Errorf("%v was read as %v: %v", want, got, d.err())
		}
	}
}
