package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
)

// errSnapshotReads is returned for whatever is not a read in a snapshot.
var errSnapshotReads = errors.New("a snapshot only reads, through ent's queries and QueryRaw")

// Snapshot runs fn with a context whose reads, through Driver and QueryRaw, all see the database as it was at the first of
// them, whatever is committed meanwhile. Goroutines may share the context: their statements wait for each other. They must
// not use it after fn has returned. Anything but a SELECT fails.
//
// A snapshot is one connection, which counts as one of its user's. If the connection is lost, fn is called once more, so it
// must keep nothing of its first call. A snapshot within a snapshot is the same one.
func (db *DB) Snapshot(ctx context.Context, fn func(ctx context.Context) error) error {
	return db.limited.inSnapshot(ctx, db.Dialect, fn)
}

// Snapshot is DB.Snapshot, for code that has only the driver.
func (d *limitedDriver) Snapshot(ctx context.Context, fn func(ctx context.Context) error) error {
	return d.limited.inSnapshot(ctx, d.Dialect(), fn)
}

// snapshot is a transaction that only reads, and the connection that it is on.
type snapshot struct {
	of   *pool
	conn *sql.Conn
	// free holds a value while no statement runs and no rows are open. It is not a mutex so that waiting ends with the context.
	free chan struct{}
}

type snapshotKey struct{}

// snapshotIn returns the context's snapshot, nil if it has none of this pool.
func (p *pool) snapshotIn(ctx context.Context) *snapshot {
	if s, ok := ctx.Value(snapshotKey{}).(*snapshot); ok && s.of == p {
		return s
	}
	return nil
}

// inSnapshot implements DB.Snapshot.
func (l *limitedPool) inSnapshot(ctx context.Context, dialectName string, fn func(context.Context) error) error {
	if l.pool.snapshotIn(ctx) != nil {
		return fn(ctx)
	}
	acquired, s, err := l.acquireSlot(ctx)
	if err != nil {
		return err
	}
	defer s.release()
	options := driver.TxOptions{ReadOnly: true} // On SQLite, a transaction that reads needs no write lock.
	if dialectName == dialect.Postgres {
		options = snapshotOptions
	}
	for attempt := 1; ; attempt++ {
		err := l.pool.trySnapshot(acquired, options, fn)
		if err == nil || attempt == readAttempts || ctx.Err() != nil || !isConnectionLost(err) && !isStale(err) && !isSharedSession(err) {
			return err
		}
	}
}

// trySnapshot runs fn in a snapshot, once.
func (p *pool) trySnapshot(ctx context.Context, o driver.TxOptions, fn func(context.Context) error) error {
	conn, tx, err := p.beginOnConn(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		_ = conn.Raw(func(any) error {
			if tx.Rollback() != nil { // There is nothing to commit.
				return driver.ErrBadConn // So that the pool drops the connection.
			}
			return nil
		})
		_ = conn.Close()
	}()
	s := &snapshot{of: p, conn: conn, free: make(chan struct{}, 1)}
	s.free <- struct{}{}
	return fn(context.WithValue(ctx, snapshotKey{}, s))
}

// beginOnConn begins a transaction on a connection, which runs the transaction's statements. It tries the pool's connections
// until one answers. It calls the driver itself: with database/sql's transaction, the error of a broken connection would wait
// for the transaction's end, and that for the error.
func (p *pool) beginOnConn(ctx context.Context, o driver.TxOptions) (*sql.Conn, driver.Tx, error) {
	leave, _ := p.enter()
	defer leave()
	for tries := p.db.Stats().MaxOpenConnections; ; tries-- {
		conn, err := p.acquire(ctx)
		if err != nil {
			return nil, nil, err
		}
		var tx driver.Tx
		err = conn.Raw(func(raw any) error {
			beginner, ok := raw.(driver.ConnBeginTx)
			if !ok {
				return errNotPQ
			}
			var err error
			tx, err = beginner.BeginTx(ctx, o)
			return err
		})
		if err == nil {
			return conn, tx, nil
		}
		_ = conn.Close()
		if tries <= 0 || ctx.Err() != nil || !isConnectionLost(err) {
			return nil, nil, fmt.Errorf("beginning a snapshot: %w", err)
		}
	}
}

// snapshotOptions are those of a snapshot on PostgreSQL.
var snapshotOptions = driver.TxOptions{Isolation: driver.IsolationLevel(sql.LevelRepeatableRead), ReadOnly: true} //nolint:gochecknoglobals // A constant.

// beginSnapshot begins a snapshot on a connection of lib/pq. lib/pq's BeginTx watches the context, and goes on doing so in the
// connection's later transactions, which then panic.
func beginSnapshot(ctx context.Context, conn driver.ExecerContext) (driver.Tx, error) {
	if _, err := conn.ExecContext(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", nil); err != nil {
		return nil, err
	}
	return snapshotTx{conn}, nil
}

// snapshotTx is the transaction of a snapshot.
type snapshotTx struct{ conn driver.ExecerContext }

// Commit implements driver.Tx.
func (t snapshotTx) Commit() error { return t.Rollback() }

// Rollback implements driver.Tx. The context may have ended.
func (t snapshotTx) Rollback() error {
	_, err := t.conn.ExecContext(context.Background(), "ROLLBACK", nil)
	return err
}

// lock waits until no other statement of the snapshot runs. If it returns nil, the caller must call unlock.
func (s *snapshot) lock(ctx context.Context) error {
	select {
	case <-s.free:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *snapshot) unlock() { s.free <- struct{}{} }

// query runs a query that ent has built. The next statement waits until its rows are closed.
func (s *snapshot) query(ctx context.Context, query string, args, v any) error {
	rows, ok := v.(*entsql.Rows)
	if !ok || !isSelect(query) {
		return errSnapshotReads
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	if err := (entsql.Conn{ExecQuerier: s.conn}).Query(ctx, query, args, v); err != nil {
		s.unlock()
		return err
	}
	rows.ColumnScanner = &snapshotRows{ColumnScanner: rows.ColumnScanner, unlock: sync.OnceFunc(s.unlock)}
	return nil
}

// snapshotRows let the next statement run when they are closed.
type snapshotRows struct {
	entsql.ColumnScanner

	unlock func()
}

// Close implements entsql.ColumnScanner. Rows may be closed twice.
func (r *snapshotRows) Close() error {
	defer r.unlock()
	return r.ColumnScanner.Close()
}

// queryRaw is DB.QueryRaw in the snapshot. It doesn't retry: Snapshot does.
func (s *snapshot) queryRaw(ctx context.Context, query string, args []any, fn func([]driver.Value) error) error {
	if !isSelect(query) {
		return errSnapshotReads
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	return queryRawOn(ctx, s.conn, query, args, fn)
}
