package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"net"
	"syscall"
	"time"
)

// idleCheckAfter is how long a connection must have been unused to be checked before it is used again. The connections of
// a busy server are never checked.
const idleCheckAfter = 200 * time.Millisecond

// checkedConn is a connection that is checked before it is reused: the server may have closed it, as a restart does, or
// a router may have dropped it. If the first statement found that out, nobody would know whether the statement was
// executed. The check also drops connections that became read-only; see poolState.
type checkedConn struct {
	pqConn

	socket   syscall.RawConn
	lastUsed time.Time

	opened time.Time
	pool   *poolState
	// generation is the pool's at the time the connection was opened.
	generation uint64
}

// newCheckedConn returns conn with checks on dialled, the network connection beneath it. If that is not a socket, it can't
// be checked, and newCheckedConn returns conn itself.
func newCheckedConn(conn driver.Conn, dialled net.Conn, pool *poolState, generation uint64) (driver.Conn, error) {
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
	return &checkedConn{pqConn: inner, socket: socket, lastUsed: now, opened: now, pool: pool, generation: generation}, nil
}

// ResetSession implements driver.SessionResetter. database/sql calls it before it reuses a connection.
func (c *checkedConn) ResetSession(ctx context.Context) error {
	if c.outdated() {
		return driver.ErrBadConn
	}
	now := time.Now()
	if now.Sub(c.lastUsed) > idleCheckAfter && connReadable(c.socket) {
		return driver.ErrBadConn
	}
	c.lastUsed = now
	return c.pqConn.ResetSession(ctx)
}

// IsValid implements driver.Validator.
func (c *checkedConn) IsValid() bool { return !c.outdated() && c.pqConn.IsValid() }
