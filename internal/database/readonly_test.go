package database_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"testing"

	"taskql/ent"
	"taskql/internal/database"
	"taskql/internal/testkit"
)

const insertOne = "INSERT INTO t VALUES (1) RETURNING n"

// writers returns the ways to write a row.
func writers(db *database.DB) map[string]func(ctx context.Context) error {
	driven, client := db.Driver(), ent.NewClient(ent.Driver(db.Driver()))
	return map[string]func(ctx context.Context) error{
		"a statement": func(ctx context.Context) error {
			return driven.Exec(ctx, "INSERT INTO t VALUES (1)", []any{}, nil)
		},
		"a statement with rows": func(ctx context.Context) error {
			rows, err := client.QueryContext(ctx, insertOne)
			if err != nil {
				return err
			}
			defer rows.Close()
			return rows.Err()
		},
		"raw query": func(ctx context.Context) error {
			return db.QueryRaw(ctx, insertOne, nil, func([]driver.Value) error { return nil })
		},
		"a prepared statement": func(ctx context.Context) error {
			for range 3 { // From the second time on it is in the statement cache.
				if err := db.QueryRaw(ctx, "INSERT INTO t VALUES ($1) RETURNING n", []any{1}, func([]driver.Value) error { return nil }); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// readOnlyPool returns a pool after a failover: all of its connections are read-only, and new ones would not be.
func readOnlyPool(t *testing.T, connections int) *database.DB {
	t.Helper()
	address := testkit.DirectURL(t, testkit.PostgresURL(t)) // A pooler has sessions of its own.
	db := open(t, database.Config{URL: address, MaxOpenConns: connections})
	if _, err := db.SQL.ExecContext(t.Context(), "CREATE TABLE t (n int)"); err != nil {
		t.Fatal(err)
	}
	db.NoReadOnlyPause()
	makeReadOnly(t, db, connections)
	return db
}

// makeReadOnly makes the pool's connections read-only.
func makeReadOnly(t *testing.T, db *database.DB, connections int) {
	t.Helper()
	eachConnection(t, db, connections, func(conn *sql.Conn) {
		if _, err := conn.ExecContext(t.Context(), "SET default_transaction_read_only = on"); err != nil {
			t.Fatal(err)
		}
	})
}

// eachConnection calls do with each of the pool's connections.
func eachConnection(t *testing.T, db *database.DB, connections int, do func(*sql.Conn)) {
	t.Helper()
	for range connections {
		conn, err := db.SQL.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		do(conn)
	}
}

// TestReadOnlyConnections: after a failover a write succeeds on a new connection, whatever way it takes.
func TestReadOnlyConnections(t *testing.T) {
	t.Parallel()
	const connections = 4
	db := readOnlyPool(t, connections)
	for way, write := range writers(db) {
		makeReadOnly(t, db, connections)
		if err := write(t.Context()); err != nil {
			t.Errorf("%s: %v", way, err)
		}
		// One write was enough to replace all connections.
		eachConnection(t, db, connections, func(conn *sql.Conn) {
			if _, err := conn.ExecContext(t.Context(), "INSERT INTO t VALUES (1)"); err != nil {
				t.Errorf("another connection after %s: %v", way, err)
			}
		})
	}
}

func insertInTx(t *testing.T, db *database.DB) error {
	t.Helper()
	tx, err := db.Driver().Tx(t.Context())
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := tx.Exec(t.Context(), "INSERT INTO t VALUES (1)", []any{}, nil); err != nil {
		return err
	}
	return tx.Commit()
}

// TestReadOnlyDatabase: if the database is read-only, reads succeed, and writes don't make new connections each time.
func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	address := testkit.DirectURL(t, testkit.PostgresURL(t)) // A pooler's sessions are older.
	admin := open(t, database.Config{URL: address})
	var name string
	if err := admin.SQL.QueryRowContext(t.Context(), "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"CREATE TABLE t (n int)", `ALTER DATABASE "` + name + `" SET default_transaction_read_only = on`} {
		if _, err := admin.SQL.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	db := open(t, database.Config{URL: address, MaxOpenConns: 1})
	backend := func() int {
		var pid int
		if err := db.QueryRaw(t.Context(), "SELECT pg_backend_pid()::int8", nil, func(row []driver.Value) error {
			n, ok := row[0].(int64)
			if !ok {
				t.Errorf("it is a %T", row[0])
			}
			pid = int(n)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return pid
	}
	first := backend()
	for way, write := range writers(db) {
		err := write(t.Context())
		if !database.IsReadOnly(err) || !database.NothingDone(err) || !database.IsUnavailable(err) {
			t.Errorf("%s: %v", way, err)
		}
	}
	if err := insertInTx(t, db); !database.IsReadOnly(err) || !database.NothingDone(err) || !database.IsUnavailable(err) {
		t.Errorf("a transaction: %v", err)
	}
	if got := backend(); got != first {
		t.Errorf("it has connected again: %d, %d", first, got)
	}
	// The server recovers without a restart.
	if _, err := admin.SQL.ExecContext(t.Context(), `ALTER DATABASE "`+name+`" RESET default_transaction_read_only`); err != nil {
		t.Fatal(err)
	}
	db.NoReadOnlyPause()
	if err := db.Driver().Exec(t.Context(), "INSERT INTO t VALUES (1)", []any{}, nil); err != nil {
		t.Error(err)
	}
}
