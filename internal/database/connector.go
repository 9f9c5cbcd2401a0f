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

// How long a server may say nothing while it owes an answer. A connection that goes silent, as after a failover or
// behind a router that forgot it, is then given up: lib/pq itself would wait for good, whatever the context says, and
// the pool would fill with such connections. The pool's is longer than any statement should take.
const (
	poolSilence = 8 * time.Second
	pingSilence = 2 * time.Second
	// cancelSilence is for the request to cancel a statement.
	cancelSilence = 2 * time.Second
)

// connector is lib/pq's, made to heed the context while it connects: lib/pq heeds it for the dialling only, and waits
// without end for a server that accepts a connection and then says nothing.
type connector struct {
	config pq.Config
	// silence is how long the server may say nothing, or an eighth less; 0 is without end, for migrations.
	silence time.Duration
	// hurried says that the limit on statements is ours, and not the URL's.
	hurried bool
	// pool replaces connections that became read-only.
	pool *replacement
}

// impatient returns the connector with a limit on silence. SQLite's needs none.
func impatient(c driver.Connector, silence time.Duration) driver.Connector {
	if c, ok := c.(connector); ok {
		c.silence = silence
		return c
	}
	return c
}

// hurried returns the connector with a limit on each statement, unless the URL has one. SQLite has none.
func hurried(c driver.Connector, timeout time.Duration) driver.Connector {
	own, ok := c.(connector)
	if !ok || timeout <= 0 {
		return c
	}
	if _, set := own.config.Runtime[statementTimeout]; set {
		return c
	}
	own.config.Runtime = maps.Clone(own.config.Runtime) // The connector of migrations has the same.
	own.config.Runtime[statementTimeout] = strconv.FormatInt(timeout.Milliseconds(), 10)
	own.hurried = true
	return own
}

// statementTimeout is PostgreSQL's parameter.
const statementTimeout = "statement_timeout"

// Connect opens one connection. When the context ends first, so does the attempt. Where the server refuses our limit on
// statements, as a pooler does that nobody knew of, it goes without: the operation's own deadline holds.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.connect(ctx)
	if !c.hurried || !refusesParameter(err) {
		return conn, err
	}
	c.config.Runtime = maps.Clone(c.config.Runtime)
	delete(c.config.Runtime, statementTimeout)
	return c.connect(ctx)
}

// connectTo tries one host once.
func (c connector) connectTo(ctx context.Context, config pq.Config) (driver.Conn, error) {
	inner, err := pq.NewConnectorConfig(config)
	if err != nil {
		return nil, err
	}
	generation := c.pool.generation.Load()
	dialer := &dialer{silence: c.silence}
	inner.Dialer(dialer)
	stop := context.AfterFunc(ctx, dialer.close)
	conn, err := inner.Connect(ctx)
	if !stop() { // The context ended, and the connection with it.
		if err == nil {
			_ = conn.Close()
		}
		return nil, context.Cause(ctx)
	}
	dialled := dialer.connected()
	if err != nil {
		return nil, err
	}
	return living(conn, dialled, c.pool, generation)
}

// Driver is lib/pq's.
func (connector) Driver() driver.Driver { return &pq.Driver{} }

// dialer keeps hold of what it dialled for one attempt to connect, so that this can be cut short. Once connected, lib/pq
// dials with it to have a statement cancelled.
type dialer struct {
	silence time.Duration

	mu     sync.Mutex
	conns  []net.Conn
	closed bool
	done   bool
}

// DialContext connects.
func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if d.isDone() {
		return cancelling(ctx, network, address)
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
	if d.silence > 0 {
		return &impatientConn{Conn: conn, silence: d.silence}, nil
	}
	return conn, nil
}

// Dial is part of lib/pq's interface, which prefers DialContext.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialTimeout is part of lib/pq's interface, which prefers DialContext.
func (d *dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

// impatientConn is a connection whose reads and writes fail when nothing moves for too long. lib/pq reads only while
// an answer is due, so that an idle connection is not concerned.
type impatientConn struct {
	net.Conn

	silence time.Duration
	// reading and writing are when the deadlines were set last. Setting one costs more than a look at the clock, so that
	// they are left for an eighth of the silence. Each is used by one goroutine at a time.
	reading, writing time.Time
}

// Read waits for the server.
func (c *impatientConn) Read(b []byte) (int, error) {
	if err := c.renew(&c.reading, c.Conn.SetReadDeadline); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// Write waits for the network.
func (c *impatientConn) Write(b []byte) (int, error) {
	if err := c.renew(&c.writing, c.Conn.SetWriteDeadline); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// SetDeadline implements net.Conn. lib/pq takes its own deadline for connecting away with it, and so ours.
func (c *impatientConn) SetDeadline(t time.Time) error {
	c.reading, c.writing = time.Time{}, time.Time{}
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *impatientConn) SetReadDeadline(t time.Time) error {
	c.reading = time.Time{}
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (c *impatientConn) SetWriteDeadline(t time.Time) error {
	c.writing = time.Time{}
	return c.Conn.SetWriteDeadline(t)
}

// renew sets a deadline where it was not set a moment ago.
func (c *impatientConn) renew(last *time.Time, set func(time.Time) error) error {
	now := time.Now()
	if now.Sub(*last) < c.silence/8 {
		return nil
	}
	*last = now
	return set(now.Add(c.silence))
}

// cancelling dials to have a statement cancelled, which the statement's caller waits for: a server that does not answer
// that at once is no better for a longer wait.
func cancelling(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, stop := context.WithTimeout(ctx, cancelSilence)
	defer stop()
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &impatientConn{Conn: conn, silence: cancelSilence}, nil
}

// connected lets go of what was dialled: the connection is its owner's. It returns what was dialled last.
func (d *dialer) connected() net.Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	var last net.Conn
	if n := len(d.conns); n > 0 {
		last = d.conns[n-1]
	}
	d.conns, d.done = nil, true
	return last
}

func (d *dialer) isDone() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done
}

func (d *dialer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for _, conn := range d.conns {
		_ = conn.Close()
	}
}
