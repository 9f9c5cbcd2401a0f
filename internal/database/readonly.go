package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"time"

	"taskql/internal/sqlstate"
)

// readOnlyPause is how old a connection must be for its being read-only to outdate the pool's connections. If the database
// itself is read-only, new connections don't help, and not every attempted change should make them.
const readOnlyPause = 5 * time.Second

// IsReadOnly reports whether the error says that the database accepts no changes. The statement has changed nothing then.
func IsReadOnly(err error) bool {
	return sqlstate.Of(err) == sqlstate.ReadOnly
}

// poolState is what the connections of a URL share. After a failover the server that they lead to is a standby, and the
// host's name may lead to the new primary by now. All connections lead to the same server, so if one of them is read-only,
// all are outdated.
type poolState struct {
	readOnlyPause time.Duration
	// generation is incremented when the connections are outdated. Connections of an earlier generation are closed before
	// their next use.
	generation atomic.Uint64
	// opened counts the connections that were opened.
	opened atomic.Uint64
	// host is the index of the host that was connected to last.
	host atomic.Int64
}

// stateOf returns the state of a connector's connections, nil if it is not PostgreSQL's.
func stateOf(c driver.Connector) *poolState {
	if c, ok := c.(connector); ok {
		return c.state
	}
	return nil
}

// outdated reports whether the connection has to be closed.
func (c *checkedConn) outdated() bool { return c.generation != c.pool.generation.Load() }

// checkReadOnly outdates the pool's connections if the error says that this one is read-only. It returns the error.
func (c *checkedConn) checkReadOnly(err error) error {
	if IsReadOnly(err) && time.Since(c.opened) >= c.pool.readOnlyPause {
		c.pool.generation.CompareAndSwap(c.generation, c.generation+1) // Unless another connection has just done so.
	}
	return err
}

// BeginTx implements driver.ConnBeginTx. lib/pq's BeginTx would begin a transaction READ WRITE, and so write to a database
// that is read-only by default, as a host makes it if the disk is full.
func (c *checkedConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	switch o {
	case driver.TxOptions{}:
		return c.pqConn.Begin()
	case snapshotOptions:
		return beginSnapshot(ctx, c.pqConn)
	default:
		return c.pqConn.BeginTx(ctx, o)
	}
}

// QueryContext implements driver.QueryerContext.
func (c *checkedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.pqConn.QueryContext(ctx, query, args)
	return rows, c.checkReadOnly(err)
}

// ExecContext implements driver.ExecerContext.
func (c *checkedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	result, err := c.pqConn.ExecContext(ctx, query, args)
	return result, c.checkReadOnly(err)
}

// PrepareContext implements driver.ConnPrepareContext.
func (c *checkedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.pqConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, c.checkReadOnly(err)
	}
	inner, ok := stmt.(pqStmt)
	if !ok {
		return nil, errors.Join(errNotPQ, stmt.Close())
	}
	return &checkedStmt{pqStmt: inner, conn: c}, nil
}

// checkedStmt is a prepared statement of a checkedConn.
type checkedStmt struct {
	pqStmt

	conn *checkedConn
}

// QueryContext implements driver.StmtQueryContext.
func (s *checkedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := s.pqStmt.QueryContext(ctx, args)
	return rows, s.conn.checkReadOnly(err)
}

// ExecContext implements driver.StmtExecContext.
func (s *checkedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	result, err := s.pqStmt.ExecContext(ctx, args)
	return result, s.conn.checkReadOnly(err)
}
