package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"net"
	"syscall"
	"time"
)

// quietFor is how long a connection must have been unused to be looked at before it is used again. Between the requests of
// a busy server that costs nothing.
const quietFor = 200 * time.Millisecond

// livingConn is a connection that is looked at before it is used again: whether the server has ended it meanwhile, as a
// restart does, or something on the way that cuts what is idle. Found out only by sending, a write on it would have to be
// taken for one that may have happened.
type livingConn struct {
	pqConn

	socket syscall.RawConn
	used   time.Time

	opened time.Time
	pool   *replacement
	// generation is the pool's when the connection was opened.
	generation uint64
}

// living returns the connection made of what was dialled. Where that is no socket it can't be looked at.
func living(conn driver.Conn, dialled net.Conn, pool *replacement, generation uint64) (driver.Conn, error) {
	inner, ok := conn.(pqConn)
	if !ok {
		return nil, errors.Join(errNotPQ, conn.Close())
	}
	raw, ok := dialled.(syscall.Conn)
	if !ok {
		return conn, nil
	}
	socket, err := raw.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	now := time.Now()
	return &livingConn{pqConn: inner, socket: socket, used: now, opened: now, pool: pool, generation: generation}, nil
}

// ResetSession implements driver.SessionResetter.
func (c *livingConn) ResetSession(ctx context.Context) error {
	if c.replaced() {
		return driver.ErrBadConn
	}
	now := time.Now()
	if now.Sub(c.used) > quietFor && hasNews(c.socket) {
		return driver.ErrBadConn
	}
	c.used = now
	return c.pqConn.ResetSession(ctx)
}
