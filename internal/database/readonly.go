package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"time"

	"taskql/internal/sqlstate"
)

// readOnlyPause is how old a connection must be for its being read-only to replace the pool's connections. If the database
// itself accepts no changes, new connections don't help, and are not made for every change that somebody tries.
const readOnlyPause = 5 * time.Second

// IsReadOnly reports whether the error says that the database accepts no changes. Nothing has happened then.
func IsReadOnly(err error) bool {
	return sqlstate.Of(err) == sqlstate.ReadOnly
}

// replacement replaces all connections of a pool after a failover: the server that they lead to has become a standby, and
// the host's name may lead to the new primary by now. They have one address, so if one of them only reads, all do.
type replacement struct {
	pause time.Duration
	// generation grows with each replacement. Connections of an older one are dropped when they are to be used next.
	generation atomic.Uint64
	// host is the number of the host that was connected to last.
	host atomic.Int64
}

// replaced reports whether the connection is to be dropped.
func (c *livingConn) replaced() bool { return c.generation != c.pool.generation.Load() }

// IsValid implements driver.Validator.
func (c *livingConn) IsValid() bool { return !c.replaced() && c.pqConn.IsValid() }

// watch replaces the pool's connections if the error says that this one only reads. It returns the error.
func (c *livingConn) watch(err error) error {
	if IsReadOnly(err) && time.Since(c.opened) >= c.pool.pause {
		c.pool.generation.CompareAndSwap(c.generation, c.generation+1) // Unless another connection just did.
	}
	return err
}

// BeginTx implements driver.ConnBeginTx. lib/pq's asks for READ WRITE, and so would write to a database that is
// read-only by default, as when a host has made it so because its disk is full.
func (c *livingConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if o != (driver.TxOptions{}) {
		return c.pqConn.BeginTx(ctx, o)
	}
	return c.pqConn.Begin()
}

// QueryContext implements driver.QueryerContext.
func (c *livingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.pqConn.QueryContext(ctx, query, args)
	return rows, c.watch(err)
}

// ExecContext implements driver.ExecerContext.
func (c *livingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	result, err := c.pqConn.ExecContext(ctx, query, args)
	return result, c.watch(err)
}

// PrepareContext implements driver.ConnPrepareContext.
func (c *livingConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.pqConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, c.watch(err)
	}
	inner, ok := stmt.(pqStmt)
	if !ok {
		return nil, errors.Join(errNotPQ, stmt.Close())
	}
	return &livingStmt{pqStmt: inner, conn: c}, nil
}

// livingStmt is a prepared statement of a livingConn.
type livingStmt struct {
	pqStmt

	conn *livingConn
}

// QueryContext implements driver.StmtQueryContext.
func (s *livingStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := s.pqStmt.QueryContext(ctx, args)
	return rows, s.conn.watch(err)
}

// ExecContext implements driver.StmtExecContext.
func (s *livingStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	result, err := s.pqStmt.ExecContext(ctx, args)
	return result, s.conn.watch(err)
}
