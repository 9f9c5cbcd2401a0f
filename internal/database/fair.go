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

// ErrUserBusy is returned if a statement waited too long for the other statements of the same user. Nothing was sent.
var ErrUserBusy = errors.New("the user's other statements take too long")

// IsUserBusy reports whether the error is ErrUserBusy.
func IsUserBusy(err error) bool { return errors.Is(err, ErrUserBusy) }

// fairPool is the pool with a bound on how many of its connections each user holds at a time: whatever one user asks for,
// others find a connection. Statements beyond the bound wait in memory, in the order in which they came. Everybody who is
// not signed in counts as one user. The server's own work is not bounded.
type fairPool struct {
	pool  *patient
	users *semaphore.Keyed
}

// newFairPool bounds each user to half of the connections.
func newFairPool(pool *patient, maxOpenConns int) *fairPool {
	return &fairPool{pool: pool, users: semaphore.New(maxOpenConns / 2)}
}

// share is the right to hold one connection. The zero value is that of the server's own work.
type share struct {
	users *semaphore.Keyed
	user  string
}

// release gives the share back.
func (s share) release() {
	if s.users != nil {
		s.users.Release(s.user)
	}
}

// acquire waits for a share of the user whose request ctx belongs to. The context that it returns is for what the share is
// for: all waiting together, for the share and for a connection, is limited.
func (f *fairPool) acquire(ctx context.Context) (context.Context, share, error) {
	user, ok := viewer.Requester(ctx)
	if !ok {
		return ctx, share{}, nil
	}
	s := share{users: f.users, user: user}
	if f.users.TryAcquire(user) {
		return ctx, s, nil
	}
	end := time.Now().Add(f.pool.wait)
	waiting, stop := context.WithDeadlineCause(ctx, end, ErrUserBusy)
	defer stop()
	err := f.users.Acquire(waiting, user)
	switch {
	case err == nil:
		return context.WithValue(ctx, waitEnd{}, end), s, nil
	case errors.Is(err, ErrUserBusy):
		return nil, share{}, fmt.Errorf("%w (%s)", ErrUserBusy, f.pool.wait)
	default:
		return nil, share{}, err
	}
}

// QueryContext is what ent's clients use for statements of ours. They do so on SQLite, whose connections don't break, so
// nothing is repeated here. The share is given back when the rows are closed: closing their connection waits for that.
func (f *fairPool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	ctx, s, err := f.acquire(ctx)
	if err != nil {
		return nil, err
	}
	if s.users == nil {
		return f.pool.QueryContext(ctx, query, args...) //nolint:sqlclosecheck // The caller closes them, here and below.
	}
	conn, err := f.pool.take(ctx, query)
	if err != nil {
		s.release()
		return nil, err
	}
	defer func() {
		go func() {
			_ = conn.Close() // It goes back to the pool, or is dropped there.
			s.release()
		}()
	}()
	return conn.QueryContext(ctx, query, args...) //nolint:sqlclosecheck // As above.
}

// ExecContext runs a statement.
func (f *fairPool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	ctx, s, err := f.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer s.release()
	return f.pool.ExecContext(ctx, query, args...)
}

// queryRaw is DB.QueryRaw.
func (f *fairPool) queryRaw(ctx context.Context, query string, args []any, each func([]driver.Value) error) error {
	ctx, s, err := f.acquire(ctx)
	if err != nil {
		return err
	}
	defer s.release()
	return f.pool.queryRaw(ctx, query, args, each)
}

// fairDriver is ent's driver on a fair pool.
type fairDriver struct {
	*entsql.Driver

	fair *fairPool
	// pool is ent's way to the pool without the bound.
	pool entsql.Conn
}

// Driver returns the database as ent takes it. Closing it closes the pool.
func (db *DB) Driver() dialect.Driver {
	return &fairDriver{
		Driver: entsql.NewDriver(db.Dialect, entsql.Conn{ExecQuerier: db.fair}),
		fair:   db.fair,
		pool:   entsql.Conn{ExecQuerier: db.fair.pool},
	}
}

// Query implements dialect.Driver.
func (d *fairDriver) Query(ctx context.Context, query string, args, v any) error {
	ctx, s, err := d.fair.acquire(ctx)
	if err != nil {
		return err
	}
	if err := d.pool.Query(ctx, query, args, v); err != nil {
		s.release()
		return err
	}
	if rows, ok := v.(*entsql.Rows); ok && s.users != nil {
		rows.ColumnScanner = &fairRows{ColumnScanner: rows.ColumnScanner, share: s}
	}
	return nil
}

// fairRows gives the share back when they are closed.
type fairRows struct {
	entsql.ColumnScanner

	share share
}

// Close implements entsql.ColumnScanner.
func (r *fairRows) Close() error {
	err := r.ColumnScanner.Close()
	r.share.release()
	r.share = share{} // Rows may be closed twice.
	return err
}

// Tx implements dialect.Driver.
func (d *fairDriver) Tx(ctx context.Context) (dialect.Tx, error) { return d.BeginTx(ctx, nil) }

// BeginTx is what ent asks for with options.
func (d *fairDriver) BeginTx(ctx context.Context, o *sql.TxOptions) (dialect.Tx, error) {
	ctx, s, err := d.fair.acquire(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := d.fair.pool.begin(ctx, o)
	if err != nil {
		s.release()
		return nil, err
	}
	return &entsql.Tx{Conn: entsql.Conn{ExecQuerier: tx}, Tx: &fairTx{Tx: tx, share: s}}, nil
}

// fairTx gives the share back when it ends.
type fairTx struct {
	driver.Tx

	share share
}

// Commit implements driver.Tx.
func (t *fairTx) Commit() error {
	defer t.end()
	return t.Tx.Commit()
}

// Rollback implements driver.Tx.
func (t *fairTx) Rollback() error {
	defer t.end()
	return t.Tx.Rollback()
}

// end gives the share back, once: a rollback often follows a commit.
func (t *fairTx) end() {
	t.share.release()
	t.share = share{}
}

// Close implements dialect.Driver.
func (d *fairDriver) Close() error { return d.fair.pool.pool.Close() }

// QueryRaw is DB.QueryRaw, for who has the driver alone.
func (d *fairDriver) QueryRaw(ctx context.Context, query string, args []any, each func(row []driver.Value) error) error {
	return d.fair.queryRaw(ctx, query, args, each)
}
