package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"taskql/internal/semaphore"
	"taskql/internal/viewer"
)

// ErrUserBusy is returned if a statement waited too long for other statements of the same user. Nothing was sent.
var ErrUserBusy = errors.New("the user's other statements take too long")

// IsUserBusy reports whether the error is ErrUserBusy.
func IsUserBusy(err error) bool { return errors.Is(err, ErrUserBusy) }

// limitedPool is a pool of which each user may hold half of the connections at a time, so that whatever one user asks for,
// others find a connection. Further statements of the user wait in memory, first come first served. All requests without a
// user count as one user. The server's own work is not limited.
type limitedPool struct {
	pool  *pool
	users *semaphore.Keyed
}

func newLimitedPool(p *pool, maxOpenConns int) *limitedPool {
	return &limitedPool{pool: p, users: semaphore.New(maxOpenConns / 2)}
}

// slot is a user's right to hold one connection. The zero value is unlimited: it belongs to the server's own work.
type slot struct {
	users *semaphore.Keyed
	user  string
}

func (s slot) release() {
	if s.users != nil {
		s.users.Release(s.user)
	}
}

// acquireSlot waits for a slot of the user whose request ctx belongs to. The connection must be acquired with the returned
// context, so that the acquire timeout limits both waits together.
func (l *limitedPool) acquireSlot(ctx context.Context) (context.Context, slot, error) {
	user, ok := viewer.Requester(ctx)
	if !ok || ctx.Value(reservedSlot{}) != nil {
		return ctx, slot{}, nil
	}
	s := slot{users: l.users, user: user}
	if l.users.TryAcquire(user) {
		return ctx, s, nil
	}
	deadline := time.Now().Add(l.pool.acquireTimeout)
	waiting, stop := context.WithDeadlineCause(ctx, deadline, ErrUserBusy)
	defer stop()
	err := l.users.Acquire(waiting, user)
	switch {
	case err == nil:
		return context.WithValue(ctx, acquireDeadline{}, deadline), s, nil
	case errors.Is(err, ErrUserBusy):
		return nil, slot{}, fmt.Errorf("%w (%s)", ErrUserBusy, l.pool.acquireTimeout)
	default:
		return nil, slot{}, err
	}
}

// reservedSlot is the key of contexts for which a slot was reserved.
type reservedSlot struct{}

// Reserve reserves one of the connections that the user whose request ctx belongs to may hold, for one transaction or statement with the
// returned context. It waits for one until waiting ends; if waiting is nil, it doesn't wait. The error is ErrUserBusy or why ctx has
// ended. Without an error, the returned function releases the connection, and must be called once.
func (d *limitedDriver) Reserve(ctx, waiting context.Context) (context.Context, func(), error) {
	user, ok := viewer.Requester(ctx)
	if !ok {
		return ctx, func() {}, nil
	}
	if users := d.limited.users; !users.TryAcquire(user) {
		if waiting == nil {
			return nil, nil, ErrUserBusy
		}
		if err := users.Acquire(waiting, user); err != nil {
			if ctx.Err() == nil {
				return nil, nil, ErrUserBusy
			}
			return nil, nil, context.Cause(ctx)
		}
	}
	return context.WithValue(ctx, reservedSlot{}, true), slot{users: d.limited.users, user: user}.release, nil
}

// QueryContext runs a query that was not built by ent. Only SQLite has such queries; its connections don't get lost, so
// nothing is retried. The slot is released when the rows are closed, because closing their connection waits for that.
func (l *limitedPool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if l.pool.snapshotIn(ctx) != nil {
		return nil, errSnapshotReads
	}
	ctx, s, err := l.acquireSlot(ctx)
	if err != nil {
		return nil, err
	}
	if s.users == nil {
		return l.pool.QueryContext(ctx, query, args...) //nolint:sqlclosecheck // The caller closes them, here and below.
	}
	conn, err := l.pool.conn(ctx, query)
	if err != nil {
		s.release()
		return nil, err
	}
	defer func() {
		go func() {
			_ = conn.Close() // It goes back to the pool, which drops it if it is broken.
			s.release()
		}()
	}()
	return conn.QueryContext(ctx, query, args...) //nolint:sqlclosecheck // As above.
}

// ExecContext runs a statement.
func (l *limitedPool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if l.pool.snapshotIn(ctx) != nil {
		return nil, errSnapshotReads
	}
	ctx, s, err := l.acquireSlot(ctx)
	if err != nil {
		return nil, err
	}
	defer s.release()
	return l.pool.ExecContext(ctx, query, args...)
}

// queryRaw implements DB.QueryRaw.
func (l *limitedPool) queryRaw(ctx context.Context, query string, args []any, fn func([]driver.Value) error) error {
	if s := l.pool.snapshotIn(ctx); s != nil {
		return s.queryRaw(ctx, query, args, fn)
	}
	ctx, s, err := l.acquireSlot(ctx)
	if err != nil {
		return err
	}
	defer s.release()
	return l.pool.queryRaw(ctx, query, args, fn)
}

// limitedDriver is ent's driver on a limitedPool.
type limitedDriver struct {
	*entsql.Driver

	limited *limitedPool
	// unlimited is the same pool without the users' limits.
	unlimited entsql.Conn
}

// Driver returns ent's driver for the database. Closing the driver closes the pool.
func (db *DB) Driver() dialect.Driver {
	return &limitedDriver{
		Driver:    entsql.NewDriver(db.Dialect, entsql.Conn{ExecQuerier: db.limited}),
		limited:   db.limited,
		unlimited: entsql.Conn{ExecQuerier: db.limited.pool},
	}
}

// Query implements dialect.Driver.
func (d *limitedDriver) Query(ctx context.Context, query string, args, v any) error {
	if s := d.limited.pool.snapshotIn(ctx); s != nil {
		return s.query(ctx, query, args, v)
	}
	ctx, s, err := d.limited.acquireSlot(ctx)
	if err != nil {
		return err
	}
	if err := d.unlimited.Query(ctx, query, args, v); err != nil {
		s.release()
		return err
	}
	if rows, ok := v.(*entsql.Rows); ok && s.users != nil {
		rows.ColumnScanner = &limitedRows{ColumnScanner: rows.ColumnScanner, slot: s}
	}
	return nil
}

// limitedRows release the slot when they are closed.
type limitedRows struct {
	entsql.ColumnScanner

	slot slot
}

// Close implements entsql.ColumnScanner.
func (r *limitedRows) Close() error {
	err := r.ColumnScanner.Close()
	r.slot.release()
	r.slot = slot{} // Rows may be closed twice.
	return err
}

// Tx implements dialect.Driver.
func (d *limitedDriver) Tx(ctx context.Context) (dialect.Tx, error) { return d.BeginTx(ctx, nil) }

// BeginTx begins a transaction with options. ent calls it if it is there.
func (d *limitedDriver) BeginTx(ctx context.Context, o *sql.TxOptions) (dialect.Tx, error) {
	if d.limited.pool.snapshotIn(ctx) != nil {
		return nil, errSnapshotReads
	}
	ctx, s, err := d.limited.acquireSlot(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := d.limited.pool.begin(ctx, o)
	if err != nil {
		s.release()
		return nil, err
	}
	return &entsql.Tx{Conn: entsql.Conn{ExecQuerier: tx}, Tx: &limitedTx{Tx: tx, slot: s}}, nil
}

// limitedTx releases the slot when it ends.
type limitedTx struct {
	driver.Tx

	slot slot
}

// Commit implements driver.Tx.
func (t *limitedTx) Commit() error {
	defer t.release()
	return t.Tx.Commit()
}

// Rollback implements driver.Tx.
func (t *limitedTx) Rollback() error {
	defer t.release()
	return t.Tx.Rollback()
}

// release releases the slot once: a rollback often follows a commit.
func (t *limitedTx) release() {
	t.slot.release()
	t.slot = slot{}
}

// Close implements dialect.Driver.
func (d *limitedDriver) Close() error { return d.limited.pool.db.Close() }

// QueryRaw is DB.QueryRaw, for code that has only the driver.
func (d *limitedDriver) QueryRaw(ctx context.Context, query string, args []any, fn func(row []driver.Value) error) error {
	return d.limited.queryRaw(ctx, query, args, fn)
}
