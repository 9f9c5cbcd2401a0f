package database_test

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"taskql/internal/database"
	"taskql/internal/testkit"
	"taskql/internal/testkit/pgcluster"
)

// queryRaw returns the rows of a query, each as its values separated by commas.
func queryRaw(t *testing.T, db *database.DB, query string, args ...any) ([]string, error) {
	t.Helper()
	var rows []string
	err := db.QueryRaw(t.Context(), query, args, func(row []driver.Value) error {
		values := make([]string, len(row))
		for i, v := range row {
			values[i] = fmt.Sprintf("%s", v) // Of bytes and of a text; what else there may be shows its type.
			if v == nil {
				values[i] = "null"
			}
		}
		rows = append(rows, strings.Join(values, ", "))
		return nil
	})
	return rows, err
}

func TestQueryRaw(t *testing.T) {
	t.Parallel()
	db := testkit.OpenDatabase(t, testkit.MigratedPostgresURL(t))
	t.Run("rows", func(t *testing.T) {
		rows, err := queryRaw(t, db, `SELECT CASE WHEN g <> 2 THEN convert_to('row ' || g, 'UTF8') END FROM generate_series(1, $1::int) g`, 3)
		if want := []string{"row 1", "null", "row 3"}; err != nil || !slices.Equal(rows, want) {
			t.Errorf("got %q, %v", rows, err)
		}
		if rows, err := queryRaw(t, db, `SELECT ''::bytea WHERE false`); err != nil || rows != nil {
			t.Errorf("got %q, %v", rows, err)
		}
		for range 3 { // Unprepared, then prepared, then from the cache.
			rows, err := queryRaw(t, db, `SELECT '\x616263'::bytea, 'a text', NULL::text, ''`)
			if want := []string{"abc, a text, null, "}; err != nil || !slices.Equal(rows, want) {
				t.Errorf("got %q, %v", rows, err)
			}
		}
	})
	t.Run("arguments", func(t *testing.T) { // As database/sql converts them.
		id, at := uuid.New(), time.Date(2026, 11, 28, 7, 30, 0, 123456000, time.UTC)
		text := "a text"
		args := []any{id, at, &text, true, int64(-7), []byte{0, 255}, nil, uint8(9), 2.5}
		const query = `SELECT convert_to(concat_ws('|', $1::uuid, ($2::timestamptz at time zone 'UTC'), $3::text, $4::bool, $5::bigint, encode($6::bytea, 'hex'), coalesce($7::text, 'none'), $8::int, $9::float8), 'UTF8')`
		rows, err := queryRaw(t, db, query, args...)
		var want []byte
		if err := db.SQL.QueryRowContext(t.Context(), query, args...).Scan(&want); err != nil {
			t.Fatal(err)
		}
		if err != nil || !slices.Equal(rows, []string{string(want)}) {
			t.Errorf("got %q, %v, want %q", rows, err, want)
		}
		if _, err := queryRaw(t, db, query, struct{}{}); err == nil {
			t.Error("no error for an argument that is none")
		}
	})
	t.Run("errors", func(t *testing.T) {
		if _, err := queryRaw(t, db, `SELECT nothing`); err == nil {
			t.Error("no error of a wrong query")
		}
		if _, err := queryRaw(t, db, `SELECT convert_to((1 / (2 - g))::text, 'UTF8') FROM generate_series(1, 3) g`); err == nil {
			t.Error("no error of a row")
		}
		refusal := errors.New("enough")
		seen := 0
		err := db.QueryRaw(t.Context(), `SELECT convert_to(g::text, 'UTF8') FROM generate_series(1, 1000) g`, nil, func([]driver.Value) error {
			seen++
			return refusal
		})
		if !errors.Is(err, refusal) || seen != 1 {
			t.Errorf("%v after %d rows", err, seen)
		}
		if rows, err := queryRaw(t, db, `SELECT 'well'::bytea`); err != nil || !slices.Equal(rows, []string{"well"}) {
			t.Errorf("after all that: %q, %v", rows, err)
		}
		if stats := db.SQL.Stats(); stats.InUse != 0 {
			t.Errorf("%d connections in use", stats.InUse)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- db.QueryRaw(ctx, `SELECT pg_sleep(3600)::text::bytea`, nil, func([]driver.Value) error { return nil })
		}()
		awaitSleeping(t, db.SQL, 1)
		stop()
		if err := <-ended; err == nil {
			t.Error("the query was not cancelled")
		}
		if rows, err := queryRaw(t, db, `SELECT 'well'::bytea`); err != nil || !slices.Equal(rows, []string{"well"}) {
			t.Errorf("after it: %q, %v", rows, err)
		}
	})
}

// TestQueryRawConcurrently: concurrent queries get their own rows.
func TestQueryRawConcurrently(t *testing.T) {
	t.Parallel()
	db := testkit.OpenDatabase(t, testkit.MigratedPostgresURL(t))
	done := make(chan error)
	const clients, times = 30, 40
	for c := range clients {
		go func() {
			var err error
			for range times {
				sum := 0
				err = errors.Join(err, db.QueryRaw(t.Context(), `SELECT convert_to($1::int::text, 'UTF8') FROM generate_series(1, 50)`, []any{c}, func(row []driver.Value) error {
					packed, _ := row[0].([]byte)
					sum += len(packed)
					return nil
				}))
				if want := 50 * len(strconv.Itoa(c)); sum != want {
					err = errors.Join(err, errors.New("rows of another query"))
				}
			}
			done <- err
		}()
	}
	for range clients {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if stats := db.SQL.Stats(); stats.InUse != 0 {
		t.Errorf("%d connections in use", stats.InUse)
	}
}

// TestQueryRawRetried: a retried read returns the same values.
func TestQueryRawRetried(t *testing.T) {
	t.Parallel()
	db := testkit.OpenDatabase(t, testkit.MigratedPostgresURL(t))
	const query = `SELECT '\x00ff'::bytea, NULL::bytea, 'a text', NULL::text, 7::bigint, NULL::bigint, 3::smallint, true, NULL::bool FROM generate_series(1, 2)`
	for range 3 {
		var rows [2][]driver.Value
		for i, read := range []func(context.Context, string, []any, func([]driver.Value) error) error{db.QueryRaw, db.QueryScanned} {
			err := read(t.Context(), query, nil, func(row []driver.Value) error {
				for _, v := range row {
					if b, ok := v.([]byte); ok {
						v = bytes.Clone(b)
					}
					rows[i] = append(rows[i], v)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(rows[0], rows[1]); diff != "" || len(rows[0]) != 18 {
			t.Errorf("%d values; %s", len(rows[0]), diff)
		}
	}
}

// TestQueryRawAfterRestart: a read after a restart of PostgreSQL succeeds.
func TestQueryRawAfterRestart(t *testing.T) {
	t.Parallel()
	server := cluster(t, pgcluster.Config{})
	db, err := database.Open(t.Context(), database.Config{URL: server.URL(), MaxOpenConns: 4, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	const query = `SELECT 'well'::bytea, NULL::bytea, 'a text', NULL::text, 7::bigint, true, NULL::bool`
	for range 4 {
		if rows, err := queryRaw(t, db, query); err != nil || len(rows) != 1 {
			t.Fatal(rows, err)
		}
	}
	mustExec(t, db.SQL, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`)
	for range 8 {
		rows, err := queryRaw(t, db, query)
		if want := []string{"well, null, a text, null, %!s(int64=7), %!s(bool=true), null"}; err != nil || !slices.Equal(rows, want) {
			t.Fatalf("%q, %v", rows, err)
		}
	}
}
