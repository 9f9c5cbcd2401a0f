package database_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lib/pq"

	"taskql/internal/database"
	"taskql/internal/testkit"
)

// openPool opens a pool, and returns it with its log.
func openPool(t *testing.T, c database.Config) (*sql.DB, *logBuffer) {
	t.Helper()
	log := &logBuffer{}
	c.Log = log.logger()
	db, err := database.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return db.SQL, log
}

// mustExec runs statements that must succeed.
func mustExec(t *testing.T, pool *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := pool.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// queryInt returns the result of a query for a number.
func queryInt(t *testing.T, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, query string, args ...any,
) int {
	t.Helper()
	var n int
	if err := q.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// preparedStatements selects how many prepared statements the session has. Because of the semicolon it is not cached itself.
const preparedStatements = "SELECT count(*) FROM pg_prepared_statements;"

// TestStatementCache: a statement that is repeated is prepared, PostgreSQL plans it once, and the cache is bounded.
func TestStatementCache(t *testing.T) {
	t.Parallel()
	const size = 4
	pool, log := openPool(t, database.Config{URL: testkit.DirectURL(t, testkit.MigratedPostgresURL(t)), MaxOpenConns: 1, StatementCacheSize: size})
	query := "SELECT count(*) FROM tasks WHERE workspace_id = $1"
	before := queryInt(t, pool, preparedStatements)
	if queryInt(t, pool, query, "w"); queryInt(t, pool, preparedStatements) != before {
		t.Error("a statement that was seen once is prepared")
	}
	for range 8 {
		queryInt(t, pool, query, "w")
	}
	plans := "SELECT generic_plans FROM pg_prepared_statements WHERE statement = '" + query + "';"
	if got := queryInt(t, pool, plans); got < 2 {
		t.Errorf("%d generic plans in 8 executions: the statement is planned anew", got)
	}
	for i := range 3 * size {
		for range 2 {
			queryInt(t, pool, fmt.Sprintf("SELECT $1::int + %d", i), 1)
		}
		if got := queryInt(t, pool, preparedStatements); got > size {
			t.Fatalf("%d prepared statements are kept, want at most %d", got, size)
		}
	}
	if got := queryInt(t, pool, preparedStatements); got != size {
		t.Errorf("%d prepared statements are kept, want %d", got, size)
	}
	if log.text() != "" {
		t.Errorf("the log says\n%s", log.text())
	}
}

// TestStatementCacheOff: nothing is cached.
func TestStatementCacheOff(t *testing.T) {
	t.Parallel()
	pool, _ := openPool(t, database.Config{URL: testkit.DirectURL(t, testkit.MigratedPostgresURL(t)), MaxOpenConns: 1, StatementCache: database.CacheOff})
	for range 3 {
		queryInt(t, pool, "SELECT $1::int", 1)
	}
	if got := queryInt(t, pool, preparedStatements); got != 0 {
		t.Errorf("%d prepared statements are kept", got)
	}
}

// TestStaleStatements: a statement whose columns changed (0A000) or that the session doesn't know (26000) is prepared again
// without an error. In a transaction the error is an outage.
func TestStaleStatements(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string][]string{
		"0A000": {"ALTER TABLE things ALTER COLUMN n TYPE bigint", "ALTER TABLE things ALTER COLUMN n TYPE int"},
		"26000": {"DEALLOCATE ALL", "DEALLOCATE ALL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, _ := openPool(t, database.Config{URL: testkit.DirectURL(t, testkit.PostgresURL(t)), MaxOpenConns: 1})
			mustExec(t, pool, "CREATE TABLE things (id int PRIMARY KEY, n int NOT NULL); INSERT INTO things VALUES (1, 7)")
			query := "SELECT n FROM things WHERE id = $1"
			insert := "INSERT INTO things VALUES ($1, $2) RETURNING n"
			for i := range 3 {
				queryInt(t, pool, query, 1)
				queryInt(t, pool, insert, 10+i, 1)
			}
			mustExec(t, pool, spoil[0])
			if got := queryInt(t, pool, query, 1); got != 7 {
				t.Errorf("got %d", got)
			}
			queryInt(t, pool, insert, 20, 1)
			if got := queryInt(t, pool, "SELECT count(*) FROM things WHERE id = 20"); got != 1 {
				t.Errorf("the insert ran %d times", got)
			}
			queryInt(t, pool, query, 1) // It was run unprepared the last time.
			mustExec(t, pool, spoil[1])
			tx, err := pool.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			var n int
			err = tx.QueryRowContext(t.Context(), query, 1).Scan(&n)
			if refused := new(pq.Error); !errors.As(err, &refused) || string(refused.Code) != name {
				t.Errorf("in a transaction: got %v, want %s", err, name)
			}
			if !database.IsUnavailable(err) {
				t.Errorf("%v is no outage", err)
			}
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
			if got := queryInt(t, pool, query, 1); got != 7 {
				t.Errorf("after the transaction: got %d", got)
			}
		})
	}
}

// TestMigrationUnderLoad: no query fails while a migration changes columns.
func TestMigrationUnderLoad(t *testing.T) {
	t.Parallel()
	pool, _ := openPool(t, database.Config{URL: testkit.DirectURL(t, testkit.PostgresURL(t)), MaxOpenConns: 4})
	mustExec(t, pool, "CREATE TABLE things (id int PRIMARY KEY, n int NOT NULL); INSERT INTO things SELECT i, i FROM generate_series(1, 100) i")
	ctx, stop := context.WithCancel(t.Context())
	var queries atomic.Int64
	var load sync.WaitGroup
	for range 8 {
		load.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				want := 1 + i%100
				var got int
				err := pool.QueryRowContext(ctx, "SELECT n FROM things WHERE id = $1", want).Scan(&got)
				if err != nil && ctx.Err() == nil || err == nil && got != want {
					t.Errorf("query %d: %d, %v", want, got, err)
					return
				}
				queries.Add(1)
			}
		})
	}
	for range 10 {
		awaitMore(t, &queries, 20)
		mustExec(t, pool, "ALTER TABLE things ALTER COLUMN n TYPE bigint", "ALTER TABLE things ALTER COLUMN n TYPE int")
	}
	stop()
	load.Wait()
}

// TestCancelCachedStatement: cancelling a cached statement stops it on the server and no other one.
func TestCancelCachedStatement(t *testing.T) {
	t.Parallel()
	const clients = 6
	address := testkit.DirectURL(t, testkit.PostgresURL(t))
	pool, _ := openPool(t, database.Config{URL: address, MaxOpenConns: clients})
	query := "SELECT 1 FROM pg_sleep($1)"
	for range 3 {
		queryInt(t, pool, query, 0)
	}
	// Another pool observes and cancels them, because they take all connections of theirs.
	watch, err := sql.Open("postgres", address)
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		var load sync.WaitGroup
		for range clients {
			load.Go(func() {
				var n int
				if err := pool.QueryRowContext(ctx, query, 3600).Scan(&n); err == nil {
					t.Error("the query was not cancelled")
				}
				if err := pool.QueryRowContext(t.Context(), query, 0).Scan(&n); err != nil {
					t.Errorf("the query after it: %v", err)
				}
			})
		}
		awaitSleeping(t, watch, clients)
		cancel()
		load.Wait()
	}
	if got := queryInt(t, pool, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE '%pg_sleep($1)%' AND pid <> pg_backend_pid();"); got != 0 {
		t.Errorf("%d cancelled queries still run", got)
	}
}

// TestConnectionLost: a connection that the server closed is replaced, and its statements are prepared again.
func TestConnectionLost(t *testing.T) {
	t.Parallel()
	address := testkit.DirectURL(t, testkit.PostgresURL(t))
	pool, _ := openPool(t, database.Config{URL: address, MaxOpenConns: 2})
	killer, _ := openPool(t, database.Config{URL: address, MaxOpenConns: 1})
	for range 5 {
		for range 3 {
			queryInt(t, pool, "SELECT $1::int", 1)
		}
		queryInt(t, killer, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();")
		var n int
		if err := pool.QueryRowContext(t.Context(), "SELECT $1::int", 1).Scan(&n); err != nil && !database.IsUnavailable(err) {
			t.Errorf("got %v, want an outage", err)
		}
		if got := queryInt(t, pool, "SELECT $1::int", 2); got != 2 {
			t.Errorf("got %d", got)
		}
	}
}

// TestRowsOpen: a statement on a connection with open rows fails, and the rows can still be read.
func TestRowsOpen(t *testing.T) {
	t.Parallel()
	pool, _ := openPool(t, database.Config{URL: testkit.DirectURL(t, testkit.PostgresURL(t))})
	for _, query := range []string{"SELECT i FROM generate_series(1, $1::int) i", "SELECT i FROM generate_series(1, $1::int) i;"} {
		tx, err := pool.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			queryInt(t, tx, "SELECT $1::int", 1)
			readThree(t, tx, query)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
}

// readThree reads three rows, and tries another statement in between.
func readThree(t *testing.T, tx *sql.Tx, query string) {
	t.Helper()
	rows, err := tx.QueryContext(t.Context(), query, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	rows.Next()
	if _, err := tx.ExecContext(t.Context(), "SELECT $1::int", 1); err == nil {
		t.Error("a second statement ran while rows were open")
	}
	n := 1
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil || n != 3 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// awaitMore waits until the counter has grown by n, or the test has failed.
func awaitMore(t *testing.T, counter *atomic.Int64, n int64) {
	t.Helper()
	for until := counter.Load() + n; counter.Load() < until && !t.Failed(); {
		time.Sleep(time.Millisecond)
	}
}

// awaitSleeping waits until n statements of the database run pg_sleep. PostgreSQL ignores requests to cancel that arrive before
// the statement.
func awaitSleeping(t *testing.T, db *sql.DB, n int) {
	t.Helper()
	for sleeping := 0; sleeping < n; time.Sleep(5 * time.Millisecond) {
		const query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND wait_event = 'PgSleep'"
		if err := db.QueryRowContext(t.Context(), query).Scan(&sleeping); err != nil {
			t.Fatal(err)
		}
	}
}
