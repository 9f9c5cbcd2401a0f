package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lib/pq"
)

// ErrNoConnection is returned if all connections are in use, or none can be made, for the acquire timeout. Nothing was
// sent.
var ErrNoConnection = errors.New("no connection to the database in time")

// pool is database/sql's pool with an acquire timeout. It retries a read whose connection turns out to be lost. It doesn't
// retry a write, because the write may have been executed.
type pool struct {
	db             *sql.DB
	acquireTimeout time.Duration
	// calls is the number of calls in progress. With the number of connections in use it tells whether a call could have
	// to wait.
	calls atomic.Int64
	// acquireTimeouts counts the calls that ended with ErrNoConnection.
	acquireTimeouts atomic.Int64
}

// readAttempts is how often a read is tried.
const readAttempts = 2

// QueryContext runs a query.
func (p *pool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if !isSelect(query) {
		return runWrite(ctx, p, func(conn *sql.Conn) (*sql.Rows, error) { return conn.QueryContext(ctx, query, args...) })
	}
	for attempt := 1; ; attempt++ {
		rows, err := p.query(ctx, query, args)
		if err == nil || attempt == readAttempts || ctx.Err() != nil || !isConnectionLost(err) {
			return rows, err
		}
	}
}

// query runs a SELECT once. Without acquire it allocates less, and database/sql picks a free connection.
func (p *pool) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	leave, saturated := p.enter()
	defer leave()
	if !saturated {
		return p.db.QueryContext(ctx, query, args...) //nolint:sqlclosecheck // The caller closes them, here and below.
	}
	conn, err := p.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer closeWhenDone(conn)
	return conn.QueryContext(ctx, query, args...) //nolint:sqlclosecheck // As above.
}

// ExecContext runs a statement.
func (p *pool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return runWrite(ctx, p, func(conn *sql.Conn) (sql.Result, error) { return conn.ExecContext(ctx, query, args...) })
}

// runWrite runs a statement that may write outside of a transaction. It runs it on a single connection: sql.DB would retry
// whenever lib/pq reports a broken connection, which lib/pq also does if the statement was sent and the answer got lost.
// Only a statement that PostgreSQL refuses because the connection is read-only is retried, since it has changed nothing.
func runWrite[T any](ctx context.Context, p *pool, run func(*sql.Conn) (T, error)) (T, error) {
	result, err := runOnce(ctx, p, run)
	if ctx.Err() != nil || !IsReadOnly(err) {
		return result, err
	}
	return runOnce(ctx, p, run)
}

func runOnce[T any](ctx context.Context, p *pool, run func(*sql.Conn) (T, error)) (T, error) {
	leave, _ := p.enter()
	defer leave()
	conn, err := p.acquire(ctx)
	if err != nil {
		var zero T
		return zero, err
	}
	defer closeWhenDone(conn)
	return run(conn)
}

// begin begins a transaction. It retries like a read, because beginning changes nothing.
func (p *pool) begin(ctx context.Context, o *sql.TxOptions) (*sql.Tx, error) {
	for attempt := 1; ; attempt++ {
		tx, err := p.tryBegin(ctx, o)
		if err == nil || attempt == readAttempts || ctx.Err() != nil || !isConnectionLost(err) {
			return tx, err
		}
	}
}

func (p *pool) tryBegin(ctx context.Context, o *sql.TxOptions) (*sql.Tx, error) {
	leave, saturated := p.enter()
	defer leave()
	if !saturated {
		return p.db.BeginTx(ctx, o)
	}
	conn, err := p.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer closeWhenDone(conn)
	return conn.BeginTx(ctx, o)
}

// enter counts a call until leave is called. saturated reports whether the call might have to wait for a connection: for
// one in use, or for a new one.
func (p *pool) enter() (func(), bool) {
	calls := p.calls.Add(1)
	stats := p.db.Stats()
	inUse := stats.MaxOpenConnections > 0 && int(calls)+stats.InUse > stats.MaxOpenConnections
	return func() { p.calls.Add(-1) }, inUse || stats.Idle < int(calls)
}

// acquireDeadline is the context key of a time.Time: the end of an acquire timeout that began before acquire was called.
type acquireDeadline struct{}

// acquire waits for a connection, for the acquire timeout at most.
func (p *pool) acquire(ctx context.Context) (*sql.Conn, error) {
	deadline, ok := ctx.Value(acquireDeadline{}).(time.Time)
	if !ok {
		deadline = time.Now().Add(p.acquireTimeout)
	}
	waiting, stop := context.WithDeadlineCause(ctx, deadline, ErrNoConnection)
	defer stop()
	conn, err := p.db.Conn(waiting)
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(waiting), ErrNoConnection) {
		p.acquireTimeouts.Add(1)
		return nil, fmt.Errorf("%w (%s)", ErrNoConnection, p.acquireTimeout)
	}
	return conn, err
}

// closeWhenDone returns the connection to the pool once the rows or the transaction on it are closed. It doesn't wait for
// that.
func closeWhenDone(conn *sql.Conn) { go func() { _ = conn.Close() }() }

// isSelect reports whether the statement is a SELECT, which can't write. A WITH can.
func isSelect(query string) bool {
	return len(query) > 6 && strings.EqualFold(query[:6], "SELECT")
}

// isConnectionLost reports whether the error is the connection's and not the statement's. The statement may have been
// executed.
func isConnectionLost(err error) bool {
	var refused *pq.Error
	if errors.As(err, &refused) {
		switch refused.Code {
		case "57P01", "57P02", "57P05": // The server ends this connection.
			return true
		}
		return false
	}
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		return false // It has taken long enough.
	}
	return !errors.Is(err, ErrNoConnection) && !errors.Is(err, context.DeadlineExceeded) && IsUnavailable(err)
}

// AcquireTimeouts returns how many calls through Driver have ended with ErrNoConnection so far.
func (db *DB) AcquireTimeouts() int64 { return db.limited.pool.acquireTimeouts.Load() }
