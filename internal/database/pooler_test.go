package database_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taskql/internal/database"
	"taskql/internal/testkit"
)

// TestPgBouncer: behind PgBouncer in transaction mode, connections share sessions. The statement cache detects that, and every
// query gets its own answer, also during a migration. PgBouncer either refuses or drops parameters that it doesn't know.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string][]string{
		"refuses parameters": nil,
		"drops parameters":   {"ignore_startup_parameters = taskql.session"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := testkit.PgBouncer(t, testkit.PostgresURL(t), settings...)
			pool, log := openPool(t, database.Config{URL: address, MaxOpenConns: 8, StatementTimeout: time.Minute})
			if !strings.Contains(log.text(), "prepared statements are not kept") {
				t.Errorf("the log says\n%s", log.text())
			}
			mustExec(t, pool, "CREATE TABLE things (id int PRIMARY KEY, n int NOT NULL)", "INSERT INTO things SELECT i, i FROM generate_series(1, 100) i")
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var load sync.WaitGroup
			var queries atomic.Int64
			for worker := range 16 {
				load.Go(func() {
					for i := 0; ctx.Err() == nil; i++ {
						want, factor := 1+i%100, 1+(worker+i)%5
						var got int
						err := pool.QueryRowContext(ctx, fmt.Sprintf("SELECT n * %d FROM things WHERE id = $1", factor), want).Scan(&got)
						if err != nil && ctx.Err() == nil || err == nil && got != want*factor {
							t.Errorf("%d times %d: %d, %v", want, factor, got, err)
							return
						}
						queries.Add(1)
					}
				})
			}
			for range 5 {
				awaitMore(t, &queries, 50)
				mustExec(t, pool, "ALTER TABLE things ALTER COLUMN n TYPE bigint", "ALTER TABLE things ALTER COLUMN n TYPE int")
			}
			awaitMore(t, &queries, 200)
			stop()
			load.Wait()
			if got := queryInt(t, pool, preparedStatements); got != 0 {
				t.Errorf("the session has %d prepared statements", got)
			}
		})
	}
}

// TestPgBouncerRefusesParameter: if a pooler refuses a parameter, Open returns at once and says what to do.
func TestPgBouncerRefusesParameter(t *testing.T) {
	t.Parallel()
	log := &logBuffer{}
	address := testkit.PgBouncer(t, testkit.PostgresURL(t))
	_, err := database.Open(t.Context(), database.Config{URL: address + "&search_path=app", Log: log.logger()})
	if err == nil || !strings.Contains(err.Error(), "leave it out") || !strings.Contains(err.Error(), "search_path") {
		t.Errorf("got %v", err)
	}
	if strings.Contains(log.text(), "not reachable yet") {
		t.Errorf("it tried again:\n%s", log.text())
	}
}
