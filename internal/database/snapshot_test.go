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
	"github.com/lib/pq"

	"taskql/ent"
	_ "taskql/ent/runtime"
	entworkspace "taskql/ent/workspace"
	"taskql/internal/database"
	"taskql/internal/testkit"
	"taskql/internal/testkit/pgcluster"
	"taskql/internal/viewer"
)

// snapshotReaders are the ways to read the version of the workspace w.
func snapshotReaders(db *database.DB) map[string]func(context.Context) (int, error) {
	client := ent.NewClient(ent.Driver(db.Driver()))
	return map[string]func(context.Context) (int, error){
		"ent": func(ctx context.Context) (int, error) {
			return client.Workspace.Query().Where(entworkspace.ID("w")).Select(entworkspace.FieldVersion).Int(viewer.AsSystem(ctx))
		},
		"raw query": func(ctx context.Context) (int, error) {
			var version int64
			err := db.QueryRaw(ctx, "SELECT version FROM workspaces WHERE id = $1", []any{"w"}, func(row []driver.Value) error {
				version, _ = row[0].(int64)
				return nil
			})
			return int(version), err
		},
	}
}

// eachSnapshotDatabase runs a test on SQLite, on PostgreSQL, and on PostgreSQL behind PgBouncer in transaction mode, each with
// a workspace w.
func eachSnapshotDatabase(t *testing.T, test func(t *testing.T, db *database.DB)) {
	t.Helper()
	for name, address := range map[string]func(testing.TB) string{
		"sqlite": testkit.SQLiteURL, "postgres": testkit.MigratedPostgresURL,
		"pgbouncer": func(t testing.TB) string {
			t.Helper()
			return testkit.PgBouncer(t, testkit.MigratedPostgresURL(t))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := address(t)
			var db *database.DB
			if name == "pgbouncer" {
				db = open(t, database.Config{URL: url, Log: (&logBuffer{}).logger()})
			} else {
				db = testkit.OpenDatabase(t, url)
			}
			mustExec(t, db.SQL, "INSERT INTO workspaces (id, created_at, version) VALUES ('w', '2026-11-23', 0)")
			test(t, db)
		})
	}
}

// TestSnapshot: what is committed between two reads of a snapshot isn't seen, neither by ent's queries nor by raw ones.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	eachSnapshotDatabase(t, func(t *testing.T, db *database.DB) {
		readers := snapshotReaders(db)
		want := 0
		for first, read := range readers {
			err := db.Snapshot(t.Context(), func(ctx context.Context) error {
				if got, err := read(ctx); err != nil || got != want {
					t.Errorf("%s: %d, %v", first, got, err)
				}
				for range 3 {
					mustExec(t, db.SQL, "UPDATE workspaces SET version = version + 1")
				}
				for again, read := range readers {
					if got, err := read(ctx); err != nil || got != want {
						t.Errorf("%s first, then %s: %d, %v, want %d", first, again, got, err, want)
					}
				}
				return db.Snapshot(ctx, func(ctx context.Context) error { // The same one.
					if got, err := read(ctx); err != nil || got != want {
						t.Errorf("%s within: %d, %v", first, got, err)
					}
					return nil
				})
			})
			if err != nil {
				t.Fatal(err)
			}
			want += 3
			for after, read := range readers {
				if got, err := read(t.Context()); err != nil || got != want {
					t.Errorf("%s after it: %d, %v, want %d", after, got, err, want)
				}
			}
		}
		until(t, "all connections are back", func() bool { return db.SQL.Stats().InUse == 0 })
	})
}

// TestSnapshotConcurrently: goroutines read in one snapshot, on its one connection.
func TestSnapshotConcurrently(t *testing.T) {
	t.Parallel()
	eachSnapshotDatabase(t, func(t *testing.T, db *database.DB) {
		readers := snapshotReaders(db)
		err := db.Snapshot(t.Context(), func(ctx context.Context) error {
			if _, err := readers["ent"](ctx); err != nil {
				return err
			}
			mustExec(t, db.SQL, "UPDATE workspaces SET version = 7")
			var load sync.WaitGroup
			for way, read := range readers {
				for range 5 {
					load.Go(func() {
						for range 20 {
							if got, err := read(ctx); err != nil || got != 0 {
								t.Errorf("%s: %d, %v", way, got, err)
							}
						}
					})
				}
			}
			load.Wait()
			if n := db.SQL.Stats().InUse; n != 1 {
				t.Errorf("%d connections in use", n)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestSnapshotOnlyReads: what could write is refused before it is sent: PostgreSQL's refusal would look like a failover.
func TestSnapshotOnlyReads(t *testing.T) {
	t.Parallel()
	eachSnapshotDatabase(t, func(t *testing.T, db *database.DB) {
		const write = "UPDATE workspaces SET version = 9"
		driven, client := db.Driver(), ent.NewClient(ent.Driver(db.Driver()))
		err := db.Snapshot(t.Context(), func(ctx context.Context) error {
			for way, run := range map[string]func() error{
				"exec":      func() error { return driven.Exec(ctx, write, []any{}, nil) },
				"ent":       func() error { return client.Workspace.Update().SetVersion(9).Exec(viewer.AsSystem(ctx)) },
				"query":     func() error { return driven.Query(ctx, write+" RETURNING id", []any{}, &entsql.Rows{}) },
				"raw query": func() error { return db.QueryRaw(ctx, write+" RETURNING id", nil, nil) },
				"transaction": func() error {
					_, err := driven.Tx(ctx)
					return err
				},
			} {
				if err := run(); err == nil || database.IsReadOnly(err) || database.IsUnavailable(err) {
					t.Errorf("%s: %v", way, err)
				}
			}
			got, err := snapshotReaders(db)["ent"](ctx)
			if got != 0 {
				t.Errorf("version %d", got)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestSnapshotErrors: the error of fn is returned, and the connection can be used afterwards, also if a statement failed, if
// rows stayed open, and if the context ended.
func TestSnapshotErrors(t *testing.T) {
	t.Parallel()
	eachSnapshotDatabase(t, func(t *testing.T, db *database.DB) {
		refusal := errors.New("enough")
		if err := db.Snapshot(t.Context(), func(context.Context) error { return refusal }); !errors.Is(err, refusal) {
			t.Errorf("got %v", err)
		}
		err := db.Snapshot(t.Context(), func(ctx context.Context) error {
			return db.QueryRaw(ctx, "SELECT nothing", nil, func([]driver.Value) error { return nil })
		})
		if err == nil {
			t.Error("no error of a wrong statement")
		}
		err = db.Snapshot(t.Context(), func(ctx context.Context) error {
			var rows entsql.Rows
			if err := db.Driver().Query(ctx, "SELECT 1", []any{}, &rows); err != nil {
				return err
			}
			defer func() { _ = rows.Close() }()
			ctx, stop := context.WithTimeout(ctx, time.Millisecond)
			defer stop()
			_, err := snapshotReaders(db)["ent"](ctx) // It waits for the rows.
			return err
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with open rows: %v", err)
		}
		ctx, stop := context.WithCancel(t.Context())
		err = db.Snapshot(ctx, func(ctx context.Context) error {
			stop()
			_, err := snapshotReaders(db)["raw query"](ctx)
			return err
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		err = db.Snapshot(t.Context(), func(ctx context.Context) error {
			_, err := snapshotReaders(db)["ent"](ctx)
			return err
		})
		if err != nil {
			t.Errorf("after it: %v", err)
		}
		until(t, "all connections are back", func() bool { return db.SQL.Stats().InUse == 0 })
	})
}

// TestSnapshotAfterConnectionLoss: if the connection is lost before or in a snapshot, it is begun again, once.
func TestSnapshotAfterConnectionLoss(t *testing.T) {
	t.Parallel()
	server := cluster(t, pgcluster.Config{})
	db := open(t, database.Config{URL: server.URL(), MaxOpenConns: 4})
	const others = `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`
	killer := open(t, database.Config{URL: server.URL(), MaxOpenConns: 1})
	kill := func() {
		if _, err := killer.SQL.ExecContext(t.Context(), others); err != nil {
			t.Fatal(err)
		}
	}
	one := func(ctx context.Context) error {
		return db.QueryRaw(ctx, "SELECT 1", nil, func([]driver.Value) error { return nil })
	}
	for _, lost := range []struct {
		when  string
		calls int
		fn    func(call int) func(ctx context.Context) error
	}{
		{"before it", 1, func(int) func(context.Context) error { return one }},
		{"within, once", 2, func(call int) func(context.Context) error {
			return func(ctx context.Context) error {
				if err := one(ctx); err != nil {
					return err
				}
				if call == 1 {
					kill()
				}
				return one(ctx)
			}
		}},
	} {
		var hold sync.WaitGroup // All connections of the pool are open, and then killed.
		for range 4 {
			hold.Go(func() {
				if _, err := db.SQL.ExecContext(t.Context(), "SELECT pg_sleep(0.05)"); err != nil {
					t.Error(err)
				}
			})
		}
		hold.Wait()
		kill()
		calls := 0
		err := db.Snapshot(t.Context(), func(ctx context.Context) error {
			calls++
			return lost.fn(calls)(ctx)
		})
		if err != nil || calls != lost.calls {
			t.Errorf("%s: %d calls, %v", lost.when, calls, err)
		}
	}
	calls := 0
	err := db.Snapshot(t.Context(), func(ctx context.Context) error {
		calls++
		kill()
		return one(ctx)
	})
	if calls != 2 || !database.IsUnavailable(err) {
		t.Errorf("lost each time: %d calls, %v", calls, err)
	}
}

// TestTransactionsAfterSnapshot: a connection that had a snapshot can have transactions.
func TestTransactionsAfterSnapshot(t *testing.T) {
	t.Parallel()
	db := open(t, database.Config{URL: testkit.PostgresURL(t), MaxOpenConns: 1})
	for range 5 {
		ctx, stop := context.WithCancel(t.Context())
		if err := db.Snapshot(ctx, func(context.Context) error { return nil }); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			tx, err := db.Driver().Tx(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		stop()
	}
}

// TestSnapshotStatementTimeout: statements of a snapshot have the pool's time limit.
func TestSnapshotStatementTimeout(t *testing.T) {
	t.Parallel()
	db := open(t, database.Config{URL: testkit.DirectURL(t, testkit.PostgresURL(t)), StatementTimeout: 100 * time.Millisecond})
	err := db.Snapshot(t.Context(), func(ctx context.Context) error {
		return db.QueryRaw(ctx, "SELECT pg_sleep(3600)::text", nil, func([]driver.Value) error { return nil })
	})
	var ended *pq.Error
	if !errors.As(err, &ended) || ended.Code != "57014" {
		t.Errorf("got %v", err)
	}
}

// TestSnapshotOfAnotherDatabase: a context with one database's snapshot reads another database as usual.
func TestSnapshotOfAnotherDatabase(t *testing.T) {
	t.Parallel()
	var dbs [2]*database.DB
	for i := range dbs {
		dbs[i] = testkit.OpenDatabase(t, testkit.SQLiteURL(t))
		mustExec(t, dbs[i].SQL, "INSERT INTO workspaces (id, created_at, version) VALUES ('w', '2026-11-23', 0)")
	}
	err := dbs[0].Snapshot(t.Context(), func(ctx context.Context) error {
		if _, err := snapshotReaders(dbs[0])["ent"](ctx); err != nil {
			return err
		}
		mustExec(t, dbs[1].SQL, "UPDATE workspaces SET version = 5")
		got, err := snapshotReaders(dbs[1])["ent"](ctx)
		if got != 5 {
			t.Errorf("version %d", got)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if dbs[0].Dialect != dialect.SQLite {
		t.Error("not SQLite")
	}
}
