package keyset

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"taskql/internal/testkit"
)

// toys is a table of toys.
type toys struct{ driver dialect.Driver }

func eachToys(t *testing.T, test func(t *testing.T, table toys)) {
	t.Helper()
	for name, database := range map[string]struct {
		address     func(testing.TB) string
		time, bytes string
	}{
		"sqlite":   {testkit.SQLiteURL, "datetime", "blob"},
		"postgres": {testkit.PostgresURL, "timestamptz", "bytea"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := toys{testkit.OpenDatabase(t, database.address(t)).Driver()}
			table.exec(t, "CREATE TABLE toys (id uuid PRIMARY KEY, made_at "+database.time+" NOT NULL, done_at "+database.time+
				", due_date date, due_at "+database.time+", size smallint NOT NULL, version bigint NOT NULL, weight bigint, name "+database.bytes+" NOT NULL)")
			test(t, table)
		})
	}
}

func (d toys) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	if err := d.driver.Exec(t.Context(), statement, args, nil); err != nil {
		t.Fatal(err)
	}
}

// fill inserts n rows with few different values, so that many are equal in some columns, and returns them.
func (d toys) fill(t *testing.T, n int) []*toy {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	when := func() time.Time {
		return time.Date(2026, 11, 28+random.IntN(4), 12, 0, 0, random.IntN(2)*1000, time.UTC)
	}
	rows := make([]*toy, n)
	for i := range rows {
		row := &toy{ID: uuid.New(), MadeAt: when(), Size: random.IntN(3), Version: random.IntN(4) << 33, Name: []byte("abc")[:random.IntN(4)]}
		if random.IntN(2) == 0 {
			at := when()
			row.DoneAt = &at
		}
		if random.IntN(2) == 0 {
			at := when()
			day := at.Truncate(24 * time.Hour)
			row.DueDate, row.DueAt = &day, &at
		}
		if random.IntN(2) == 0 {
			weight := random.IntN(4) << 33
			row.Weight = &weight
		}
		statement, args := sql.Dialect(d.driver.Dialect()).Insert("toys").
			Columns("id", "made_at", "done_at", "due_date", "due_at", "size", "version", "weight", "name").
			Values(row.ID, row.MadeAt, row.DoneAt, row.DueDate, row.DueAt, row.Size, row.Version, row.Weight, row.Name).Query()
		d.exec(t, statement, args...)
		rows[i] = row
	}
	return rows
}

// list returns the list of all toys.
func (d toys) list(o Order[*toy]) List[*toy] {
	query := func(ctx context.Context, to any, columns []string, narrow func(*sql.Selector)) error {
		s := sql.Dialect(d.driver.Dialect()).Select(columns...).From(sql.Table("toys"))
		narrow(s)
		statement, args := s.Query()
		var rows sql.Rows
		if err := d.driver.Query(ctx, statement, args, &rows); err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		return sql.ScanSlice(&rows, to)
	}
	return List[*toy]{
		Order: o,
		Read: func(ctx context.Context, segment Segment, limit int, columns []string) ([]*toy, error) {
			var rows []*toy
			err := query(ctx, &rows, columns, func(s *sql.Selector) {
				segment.Where(s)
				segment.Sort(s)
				s.Limit(limit)
			})
			return rows, err
		},
		Count: func(ctx context.Context) (int, error) {
			var counts []int
			err := query(ctx, &counts, []string{sql.Count("*")}, func(*sql.Selector) {})
			return counts[0], err
		},
	}
}

func idsOf(rows []*toy) []uuid.UUID {
	ids := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	return ids
}

// A page has the rows at one end of what is between two cursors, in whatever order.
func TestPages(t *testing.T) {
	t.Parallel()
	eachToys(t, func(t *testing.T, table toys) {
		rows := table.fill(t, 60)
		rapid.Check(t, func(rt *rapid.T) {
			orderBy := drawOrderBy(rt)
			slices.SortFunc(rows, compareBy(orderBy))
			o, err := toyOrders.By(orderBy)
			if err != nil {
				rt.Fatal(err)
			}
			list := table.list(o)
			cursors := list.newPage(rows).Edges
			from, to := -1, len(rows)
			size := rapid.IntRange(1, MaxPageSize).Draw(rt, "size")
			args, last := Args{First: &size}, rapid.Bool().Draw(rt, "last")
			if rapid.Bool().Draw(rt, "after") {
				from = rapid.IntRange(0, len(rows)-1).Draw(rt, "from")
				args.After = &cursors[from].Cursor
			}
			if rapid.Bool().Draw(rt, "before") {
				to = rapid.IntRange(0, len(rows)-1).Draw(rt, "to")
				args.Before = &cursors[to].Cursor
			}
			between := rows[from+1 : max(to, from+1)]
			want := between[:min(len(between), size)]
			if last {
				args.First, args.Last = nil, &size
				want = between[max(0, len(between)-size):]
			}
			w, err := NewWindow(o, args)
			if err != nil {
				rt.Fatal(err)
			}
			page, err := list.Page(t.Context(), w, []string{"name"})
			if err != nil {
				rt.Fatal(err)
			}
			if !slices.Equal(idsOf(page.Nodes()), idsOf(want)) {
				rt.Fatalf("got %v, want %v", idsOf(page.Nodes()), idsOf(want))
			}
			next, err1 := page.PageInfo.HasNextPage(t.Context())
			previous, err2 := page.PageInfo.HasPreviousPage(t.Context())
			n, err3 := page.TotalCount(t.Context())
			if err := errors.Join(err1, err2, err3); err != nil || n != len(rows) {
				rt.Fatalf("%d rows, %v", n, err)
			}
			if want := to < len(rows) || !last && len(between) > size; next != want {
				rt.Fatalf("hasNextPage is %t", next)
			}
			if want := from >= 0 || last && len(between) > size; previous != want {
				rt.Fatalf("hasPreviousPage is %t", previous)
			}
		})
	})
}

// A cursor whose row is gone still says where the page begins, and doesn't count as a row before it.
func TestCursorOfADeletedRow(t *testing.T) {
	t.Parallel()
	eachToys(t, func(t *testing.T, table toys) {
		rows := table.fill(t, 5)
		slices.SortFunc(rows, compareBy(nil))
		o, err := toyOrders.By(nil)
		if err != nil {
			t.Fatal(err)
		}
		list := table.list(o)
		cursors := list.newPage(rows).Edges
		page := func(after, before *string) *Page[*toy] {
			t.Helper()
			w, err := NewWindow(o, Args{After: after, Before: before})
			if err != nil {
				t.Fatal(err)
			}
			page, err := list.Page(t.Context(), w, nil)
			if err != nil {
				t.Fatal(err)
			}
			return page
		}
		gone := sql.Dialect(table.driver.Dialect()).Delete("toys").Where(sql.In("id", rows[0].ID, rows[4].ID))
		statement, args := gone.Query()
		table.exec(t, statement, args...)
		p := page(&cursors[0].Cursor, &cursors[4].Cursor)
		next, err1 := p.PageInfo.HasNextPage(t.Context())
		previous, err2 := p.PageInfo.HasPreviousPage(t.Context())
		if !slices.Equal(idsOf(p.Nodes()), idsOf(rows[1:4])) || next || previous || err1 != nil || err2 != nil {
			t.Errorf("%v, next %t %v, previous %t %v", idsOf(p.Nodes()), next, err1, previous, err2)
		}
	})
}

// An error of the database is the caller's, whichever part it comes from.
func TestErrorsOfReading(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	o, err := toyOrders.By(nil)
	if err != nil {
		t.Fatal(err)
	}
	list := List[*toy]{Order: o, Read: func(context.Context, Segment, int, []string) ([]*toy, error) { return nil, broken }}
	w, err := NewWindow(o, Args{After: &list.newPage([]*toy{{}}).Edges[0].Cursor})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := list.Page(t.Context(), w, nil); !errors.Is(err, broken) {
		t.Errorf("Page: %v", err)
	}
	if _, err := list.NewPage(w, nil).PageInfo.HasPreviousPage(t.Context()); !errors.Is(err, broken) {
		t.Errorf("HasPreviousPage: %v", err)
	}
}

func TestWrongArguments(t *testing.T) {
	t.Parallel()
	number := func(n int) *int { return &n }
	text := func(s string) *string { return &s }
	for name, tt := range map[string]struct {
		args     Args
		orderBy  []OrderBy[toyField]
		argument string
	}{
		"first 0":                   {args: Args{First: number(0)}, argument: "first"},
		"first 101":                 {args: Args{First: number(101)}, argument: "first"},
		"last -1":                   {args: Args{Last: number(-1)}, argument: "last"},
		"both":                      {args: Args{First: number(1), Last: number(1)}, argument: "last"},
		"a damaged cursor":          {args: Args{After: text("abc")}, argument: "after"},
		"an offset":                 {args: Args{Before: text("10")}, argument: "before"},
		"an order by a field twice": {orderBy: []OrderBy[toyField]{{Field: byName}, {Field: byName, Direction: Descending}}, argument: "orderBy"},
		"an unknown field":          {orderBy: []OrderBy[toyField]{{Field: "COLOR"}}, argument: "orderBy"},
	} {
		var bad *InputError
		o, err := toyOrders.By(tt.orderBy)
		if err == nil {
			_, err = NewWindow(o, tt.args)
		}
		if !errors.As(err, &bad) || bad.Argument != tt.argument {
			t.Errorf("%s: got %v, want an error of %s", name, err, tt.argument)
		}
	}
}
