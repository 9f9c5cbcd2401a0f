package task_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"taskql/internal/task"
	"taskql/internal/testkit"
)

// If the server has ended idle connections, as a restart does, no change fails, whether it has an idempotency key or not.
func TestEndedConnections(t *testing.T) {
	t.Parallel()
	address := testkit.MigratedPostgresURL(t)
	db, other := testkit.OpenDatabase(t, address), testkit.OpenDatabase(t, address)
	env := newTestEnv(t, db.Driver(), task.Limits{})
	ctx, v := env.newUser(t, "alice")
	for _, keyed := range []bool{false, true} {
		idle := make([]*sql.Conn, 10)
		for i := range idle {
			var err error
			if idle[i], err = db.SQL.Conn(ctx); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range idle {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if n := db.SQL.Stats().Idle; n != len(idle) {
			t.Fatalf("%d connections are idle, want %d", n, len(idle))
		}
		if _, err := other.SQL.ExecContext(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"); err != nil {
			t.Fatal(err)
		}
		// They end a moment later.
		const sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
		for n := 1; n > 0; time.Sleep(5 * time.Millisecond) {
			if err := other.SQL.QueryRowContext(ctx, sessions).Scan(&n); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(300 * time.Millisecond) // Only connections that were idle for a while are checked before use.
		for i := range 15 {
			in := task.CreateInput{Title: fmt.Sprint(keyed, i)}
			if keyed {
				in.IdempotencyKey = ptr(fmt.Sprint(i))
			}
			mustSucceed(t)(env.Create(ctx, v, in))
		}
	}
	env.checkInvariants(ctx, t, v)
}
