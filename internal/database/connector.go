package database

import (
	"context"
	"database/sql/driver"
	"maps"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/lib/pq"
)

// The I/O timeouts of connections: how long a server that owes an answer may send nothing. After a failover, or behind a
// router that forgot the connection, lib/pq would wait forever, whatever the context says, and the pool would fill with
// such connections. The pool's timeout is longer than any statement should take.
const (
	poolIOTimeout = 8 * time.Second
	pingIOTimeout = 2 * time.Second
	// cancelTimeout is for the request to cancel a statement.
	cancelTimeout = 2 * time.Second
)

// connector makes lib/pq's connections within the context's deadline. lib/pq's own connector heeds the context while it
// dials only, and waits forever for a server that accepts the connection and then sends nothing.
type connector struct {
	config pq.Config
	// ioTimeout is the I/O timeout of connections. It may elapse up to an eighth early; see timeoutConn. 0 means none, for
	// migrations.
	ioTimeout time.Duration
	// timeoutAdded reports that config's statement_timeout is the server's own, and not the URL's.
	timeoutAdded bool
	// state is shared by all connections to the URL's hosts.
	state *poolState
}

// withIOTimeout returns c with an I/O timeout, if it is PostgreSQL's.
func withIOTimeout(c driver.Connector, timeout time.Duration) driver.Connector {
	if c, ok := c.(connector); ok {
		c.ioTimeout = timeout
		return c
	}
	return c
}

// statementTimeout is PostgreSQL's parameter.
const statementTimeout = "statement_timeout"

// withStatementTimeout returns c with a statement timeout, if it is PostgreSQL's and the URL doesn't set one.
func withStatementTimeout(c driver.Connector, timeout time.Duration) driver.Connector {
	own, ok := c.(connector)
	if !ok || timeout <= 0 {
		return c
	}
	if _, set := own.config.Runtime[statementTimeout]; set {
		return c
	}
	own.config.Runtime = maps.Clone(own.config.Runtime) // The connector of migrations shares the map.
	own.config.Runtime[statementTimeout] = strconv.FormatInt(timeout.Milliseconds(), 10)
	own.timeoutAdded = true
	return own
}

// Connect opens a connection. It returns when the context ends at the latest. If the server refuses the statement timeout
// that withStatementTimeout added, as an unknown pooler may, the connection has none: operations have their own deadline.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.connect(ctx)
	if !c.timeoutAdded || !refusesParameter(err) {
		return conn, err
	}
	c.config.Runtime = maps.Clone(c.config.Runtime)
	delete(c.config.Runtime, statementTimeout)
	return c.connect(ctx)
}

// connectTo tries to connect to one host.
func (c connector) connectTo(ctx context.Context, config pq.Config) (driver.Conn, error) {
	inner, err := pq.NewConnectorConfig(config)
	if err != nil {
		return nil, err
	}
	generation := c.state.generation.Load()
	dialer := &dialer{ioTimeout: c.ioTimeout}
	inner.Dialer(dialer)
	stop := context.AfterFunc(ctx, dialer.close)
	conn, err := inner.Connect(ctx)
	if !stop() { // The context ended, and dialer.close closed the connection.
		if err == nil {
			_ = conn.Close()
		}
		return nil, context.Cause(ctx)
	}
	dialled := dialer.handOver()
	if err != nil {
		return nil, err
	}
	c.state.opened.Add(1)
	return newCheckedConn(conn, dialled, c.state, generation)
}

// Driver returns lib/pq's driver.
func (connector) Driver() driver.Driver { return &pq.Driver{} }

// dialer dials for one attempt to connect and can close what it dialled, to cut the attempt short. After the attempt
// lib/pq uses it to send requests to cancel statements.
type dialer struct {
	ioTimeout time.Duration

	mu     sync.Mutex
	conns  []net.Conn
	closed bool
	// handedOver reports that the attempt has succeeded.
	handedOver bool
}

// DialContext connects to the address.
func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if d.isHandedOver() {
		return dialCancel(ctx, network, address)
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	d.conns = append(d.conns, conn)
	if d.ioTimeout > 0 {
		return &timeoutConn{Conn: conn, timeout: d.ioTimeout}, nil
	}
	return conn, nil
}

// Dial implements pq.Dialer. lib/pq prefers DialContext.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialTimeout implements pq.Dialer. lib/pq prefers DialContext.
func (d *dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

// dialCancel dials for a request to cancel a statement. The statement's caller waits for it, so it has a timeout of its
// own.
func dialCancel(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, stop := context.WithTimeout(ctx, cancelTimeout)
	defer stop()
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &timeoutConn{Conn: conn, timeout: cancelTimeout}, nil
}

// handOver ends the dialer's ownership of what it dialled, and returns the last connection.
func (d *dialer) handOver() net.Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	var last net.Conn
	if n := len(d.conns); n > 0 {
		last = d.conns[n-1]
	}
	d.conns, d.handedOver = nil, true
	return last
}

func (d *dialer) isHandedOver() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.handedOver
}

// close closes what was dialled and makes later dials fail.
func (d *dialer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for _, conn := range d.conns {
		_ = conn.Close()
	}
}

// timeoutConn is a connection whose reads and writes fail if no byte moves for too long. lib/pq reads only while an answer
// is due, so idle connections don't time out.
type timeoutConn struct {
	net.Conn

	timeout time.Duration
	// readSet and writeSet are the times at which the deadlines were set last. Setting one costs more than reading the
	// clock, so a deadline is kept for an eighth of the timeout. Each is used by one goroutine at a time.
	readSet, writeSet time.Time
}

// Read implements net.Conn.
func (c *timeoutConn) Read(b []byte) (int, error) {
	if err := c.renew(&c.readSet, c.Conn.SetReadDeadline); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// Write implements net.Conn.
func (c *timeoutConn) Write(b []byte) (int, error) {
	if err := c.renew(&c.writeSet, c.Conn.SetWriteDeadline); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// SetDeadline implements net.Conn. lib/pq removes its deadline for connecting with it, which removes ours too, so both are
// set again before the next use.
func (c *timeoutConn) SetDeadline(t time.Time) error {
	c.readSet, c.writeSet = time.Time{}, time.Time{}
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *timeoutConn) SetReadDeadline(t time.Time) error {
	c.readSet = time.Time{}
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (c *timeoutConn) SetWriteDeadline(t time.Time) error {
	c.writeSet = time.Time{}
	return c.Conn.SetWriteDeadline(t)
}

// renew sets a deadline, unless that was done a moment ago.
func (c *timeoutConn) renew(last *time.Time, set func(time.Time) error) error {
	now := time.Now()
	if now.Sub(*last) < c.timeout/8 {
		return nil
	}
	*last = now
	return set(now.Add(c.timeout))
}
