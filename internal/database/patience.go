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

// ErrNoConnection is returned where no connection was to be had in time: all were in use, or none could be made. Nothing
// was sent.
var ErrNoConnection = errors.New("no connection to the database in time")

// patient is the pool as ent works with it. Nobody waits for a connection longer than the limit; a read whose connection
// turns out dead is repeated; a write is not, since it may have happened.
type patient struct {
	pool *sql.DB
	wait time.Duration
	// calling is how many calls have not come back yet. Together with the connections in use it says whether one of them
	// could have to wait.
	calling atomic.Int64
	// gaveUp counts the calls that ended with ErrNoConnection.
	gaveUp atomic.Int64
}

// reads is how often a read is tried.
const reads = 2

// QueryContext runs a query.
func (p *patient) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if !readsOnly(query) {
		return once(ctx, p, func(conn *sql.Conn) (*sql.Rows, error) { return conn.QueryContext(ctx, query, args...) })
	}
	for try := 1; ; try++ {
		rows, err := p.query(ctx, query, args)
		if err == nil || try == reads || ctx.Err() != nil || !isLostConnection(err) {
			return rows, err
		}
	}
}

// query runs a read. The way through the pool itself makes fewer objects, and takes a connection that is free.
func (p *patient) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	leave, crowded := p.enter()
	defer leave()
	if !crowded {
		return p.pool.QueryContext(ctx, query, args...) //nolint:sqlclosecheck // The caller closes them, here and below.
	}
	conn, err := p.connection(ctx)
	if err != nil {
		return nil, err
	}
	defer release(conn)
	return conn.QueryContext(ctx, query, args...) //nolint:sqlclosecheck // As above.
}

// once runs a statement that may write outside of a transaction. database/sql would repeat it where lib/pq reports a
// broken connection, which lib/pq does also where the statement was sent and the answer got lost: on one connection it
// does not. If PostgreSQL refuses it because the connection only reads, it has done nothing and is repeated.
func once[T any](ctx context.Context, p *patient, run func(*sql.Conn) (T, error)) (T, error) {
	result, err := tryOnce(ctx, p, run)
	if ctx.Err() != nil || !IsReadOnly(err) {
		return result, err
	}
	return tryOnce(ctx, p, run)
}

func tryOnce[T any](ctx context.Context, p *patient, run func(*sql.Conn) (T, error)) (T, error) {
	leave, _ := p.enter()
	defer leave()
	conn, err := p.connection(ctx)
	if err != nil {
		var none T
		return none, err
	}
	defer release(conn)
	return run(conn)
}

// ExecContext runs a statement.
func (p *patient) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return once(ctx, p, func(conn *sql.Conn) (sql.Result, error) { return conn.ExecContext(ctx, query, args...) })
}

// begin begins a transaction. Beginning changes nothing, so it is repeated like a read.
func (p *patient) begin(ctx context.Context, o *sql.TxOptions) (*sql.Tx, error) {
	for try := 1; ; try++ {
		tx, err := p.tryBegin(ctx, o)
		if err == nil || try == reads || ctx.Err() != nil || !isLostConnection(err) {
			return tx, err
		}
	}
}

func (p *patient) tryBegin(ctx context.Context, o *sql.TxOptions) (*sql.Tx, error) {
	leave, crowded := p.enter()
	defer leave()
	if !crowded {
		return p.pool.BeginTx(ctx, o)
	}
	conn, err := p.connection(ctx)
	if err != nil {
		return nil, err
	}
	defer release(conn)
	return conn.BeginTx(ctx, o)
}

// enter counts a call, and says whether it could have to wait for a connection.
func (p *patient) enter() (func(), bool) {
	calling := p.calling.Add(1)
	stats := p.pool.Stats()
	crowded := stats.MaxOpenConnections > 0 && int(calling)+stats.InUse > stats.MaxOpenConnections
	// Where a connection has to be made, that may take long, too.
	return func() { p.calling.Add(-1) }, crowded || stats.Idle < int(calling)
}

// waitEnd is a context's key for when the wait for a connection ends that began before.
type waitEnd struct{}

// connection waits for a connection, no longer than the limit.
func (p *patient) connection(ctx context.Context) (*sql.Conn, error) {
	end, begun := ctx.Value(waitEnd{}).(time.Time)
	if !begun {
		end = time.Now().Add(p.wait)
	}
	waiting, stop := context.WithDeadlineCause(ctx, end, ErrNoConnection)
	defer stop()
	conn, err := p.pool.Conn(waiting)
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(waiting), ErrNoConnection) {
		p.gaveUp.Add(1)
		return nil, fmt.Errorf("%w (%s)", ErrNoConnection, p.wait)
	}
	return conn, err
}

// release gives the connection back as soon as the rows or the transaction on it are done. It does not wait for that.
func release(conn *sql.Conn) { go func() { _ = conn.Close() }() }

// readsOnly says whether a statement can't write. A WITH may.
func readsOnly(query string) bool {
	return len(query) > 6 && strings.EqualFold(query[:6], "SELECT")
}

// isLostConnection says whether the connection broke, and not the statement: it may have been sent or not.
func isLostConnection(err error) bool {
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

// AcquireTimeouts is how many calls through Driver have ended with ErrNoConnection so far.
func (db *DB) AcquireTimeouts() int64 { return db.fair.pool.gaveUp.Load() }
