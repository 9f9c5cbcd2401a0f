package database_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"taskql/ent"
	"taskql/internal/database"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
)

// holders returns the ways to hold a connection of the pool: each holds one from the call of begun until hold is closed.
func holders(db *database.DB) map[string]func(ctx context.Context, begun func(), hold <-chan struct{}) error {
	entDriver, client := db.Driver(), ent.NewClient(ent.Driver(db.Driver()))
	return map[string]func(ctx context.Context, begun func(), hold <-chan struct{}) error{
		"ent's rows": func(ctx context.Context, begun func(), hold <-chan struct{}) error {
			var rows entsql.Rows
			if err := entDriver.Query(ctx, "SELECT 1", []any{}, &rows); err != nil {
				return err
			}
			begun()
			<-hold
			return errors.Join(rows.Close(), rows.Close())
		},
		"database/sql's rows": func(ctx context.Context, begun func(), hold <-chan struct{}) error {
			rows, err := client.QueryContext(ctx, "SELECT 1")
			if err != nil {
				return err
			}
			defer rows.Close()
			begun()
			<-hold
			return rows.Err()
		},
		"raw query": func(ctx context.Context, begun func(), hold <-chan struct{}) error {
			return db.QueryRaw(ctx, "SELECT 1", nil, func([]driver.Value) error {
				begun()
				<-hold
				return nil
			})
		},
		"a snapshot": func(ctx context.Context, begun func(), hold <-chan struct{}) error {
			return db.Snapshot(ctx, func(ctx context.Context) error {
				var rows entsql.Rows
				if err := entDriver.Query(ctx, "SELECT 1", []any{}, &rows); err != nil {
					return err
				}
				if err := rows.Close(); err != nil {
					return err
				}
				begun()
				<-hold
				return nil
			})
		},
		"a committed transaction": func(ctx context.Context, begun func(), hold <-chan struct{}) error {
			return transaction(ctx, entDriver, begun, hold, dialect.Tx.Commit)
		},
		"a rolled back transaction": func(ctx context.Context, begun func(), hold <-chan struct{}) error {
			return transaction(ctx, entDriver, begun, hold, dialect.Tx.Rollback)
		},
	}
}

func transaction(ctx context.Context, entDriver dialect.Driver, begun func(), hold <-chan struct{}, end func(dialect.Tx) error) error {
	tx, err := entDriver.Tx(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // Callers do the same. It must release the slot once only.
	begun()
	<-hold
	return end(tx)
}

// TestUserLimit: while one user holds as many connections as allowed, others and the server itself get connections.
func TestUserLimit(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(testing.TB) string{"sqlite": testkit.SQLiteURL, "postgres": testkit.PostgresURL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const connections, bound, calls = 4, 2, 12
			// SQLite allows one writing transaction at a time, and all transactions here may write.
			db := open(t, database.Config{URL: address(t), MaxOpenConns: connections, AcquireTimeout: time.Minute})
			for way, run := range holders(db) {
				if db.Dialect == dialect.SQLite && (way == "a committed transaction" || way == "a rolled back transaction") {
					continue
				}
				t.Run(way, func(t *testing.T) { testUserLimit(t, db, run, bound, calls) })
			}
		})
	}
}

func testUserLimit(t *testing.T, db *database.DB, run func(context.Context, func(), <-chan struct{}) error, bound, calls int) {
	t.Helper()
	requests := map[string]context.Context{
		"another user":        viewer.NewContext(t.Context(), viewer.Viewer{UserID: "bob"}),
		"nobody is signed in": viewer.WithRefusal(t.Context(), viewer.NotAuthenticated()),
		"the server itself":   viewer.AsSystem(t.Context()),
		"no request":          t.Context(),
	}
	alice := viewer.NewContext(t.Context(), viewer.Viewer{UserID: "alice"})
	hold, begun, ended := make(chan struct{}), make(chan struct{}, calls), make(chan error, calls)
	release := sync.OnceFunc(func() { close(hold) })
	defer release() // If the test fails before.
	for range calls {
		go func() { ended <- run(alice, func() { begun <- struct{}{} }, hold) }()
	}
	for range bound {
		<-begun
	}
	until(t, "the user's other statements wait", func() bool { return db.Waiting("alice") == calls-bound })
	if got := db.SQL.Stats().InUse; got != bound {
		t.Errorf("the user holds %d connections", got)
	}
	for who, ctx := range requests {
		if err := run(ctx, func() {}, closed()); err != nil {
			t.Errorf("%s: %v", who, err)
		}
	}
	// What the server does on behalf of the user waits as well.
	cancelled, cancel := context.WithCancelCause(viewer.AsSystemFor(t.Context(), "alice"))
	gone := errors.New("gone")
	go func() { ended <- run(cancelled, func() {}, closed()) }()
	until(t, "what the server does for the user waits", func() bool { return db.Waiting("alice") == calls-bound+1 })
	cancel(gone)
	if err := <-ended; !errors.Is(err, gone) {
		t.Errorf("a cancelled statement: %v", err)
	}
	release()
	for range calls {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	// All slots were released.
	until(t, "all connections are back", func() bool { return db.SQL.Stats().InUse == 0 })
	for range calls {
		if err := run(alice, func() {}, closed()); err != nil {
			t.Error(err)
		}
	}
}

// TestUserBusy: a statement that waits too long for others of the same user fails with ErrUserBusy, and doesn't count as an
// acquire timeout.
func TestUserBusy(t *testing.T) {
	t.Parallel()
	db := open(t, database.Config{URL: testkit.SQLiteURL(t), MaxOpenConns: 2, AcquireTimeout: time.Millisecond})
	alice := viewer.NewContext(t.Context(), viewer.Viewer{UserID: "alice"})
	hold, begun, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	run := holders(db)["raw query"]
	go func() { ended <- run(alice, func() { close(begun) }, hold) }()
	<-begun
	err := run(alice, func() {}, closed())
	if !errors.Is(err, database.ErrUserBusy) || !database.IsUnavailable(err) || !database.NothingDone(err) || db.AcquireTimeouts() != 0 {
		t.Errorf("got %v, %d calls gave up", err, db.AcquireTimeouts())
	}
	close(hold)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// until waits for a condition, for a minute at most.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not after a minute: %s", what)
		}
	}
}
