// Package streamconn keeps many long-lived connections, those of WebSockets and event streams, with little memory for each:
// no goroutine that writes, no buffer and no timer. It knows neither protocol.
//
// On Linux a connection has no goroutine while nothing arrives: the reader's begins when something has. Whoever has something
// to send writes it to the socket without waiting. If the client is slow, so that the socket takes only a part, a goroutine
// sends the rest and then ends. One goroutine per registry sends the pings, and another waits for all idle connections.
package streamconn

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// writeTimeout is how long a client may take for writeChunk bytes. A slower one is disconnected.
	writeTimeout = 30 * time.Second
	writeChunk   = 16 << 10
	// sendTimeout is how long Send may take in all. It is as long as an answer over HTTP may take. What TrySend sends may take a
	// second longer for each minRate bytes: it is in memory until then, for each slow client its own.
	sendTimeout = 60 * time.Second
	minRate     = 16 << 10
	// maxQueued is how many bytes of control data wait behind the data being sent.
	maxQueued = 16 << 10
	// lingerTimeout is how long a client has to close its side after Finish.
	lingerTimeout = 5 * time.Second
	// maxUnexpected is how many bytes Ignore ignores before it disconnects the client.
	maxUnexpected = 4 << 10
)

// ErrClosed is the error of sending on a connection that is closed or about to be.
var ErrClosed = errors.New("the connection is closed")

// Handler is what a stream does when something happens to its connection. The methods must not block, except for Receive.
// They are called by goroutines of this package, never while a method of the same Conn runs in the same goroutine, and perhaps
// once more after Close.
type Handler interface {
	// Receive is called by the reader when there is something to read, or before, if the connection can't tell. It calls Read,
	// and may block until the rest of a message arrives. It returns true if it expects more of the client and has used all
	// that Read has returned. If Read returns an error, it calls Close and returns false. It is not called again then.
	Receive() bool
	// Ping is called every PingInterval, unless data are being sent to a slow client, which then needs no ping. It should
	// send something. answered is whether the client has sent anything since the last Ping; if its protocol obliges it to
	// answer and it has not, Ping should call Close.
	Ping(answered bool)
	// Ready is called when the connection takes data again after TrySend returned false.
	Ready()
	// Drain is called when the server stops. It should call Finish, with a message that makes the client connect again.
	Drain()
}

// Conn is a connection in a Registry, which Registry.Add puts there. A stream has it as a field, so that both are one piece of
// memory. Its methods are safe for concurrent use, except for Read and Ignore, which belong to the reader.
//
// The reader is whoever calls the handler's Receive. Every way to end a connection, Close by somebody else included, makes
// Read return an error.
type Conn struct {
	// conn is the connection. It is socket if polled is set; else the reader waits in a goroutine, and another sends everything.
	conn     stream
	socket   socket
	polled   bool
	registry *Registry
	handler  Handler

	heard atomic.Bool // since the last ping
	// unexpected is how many bytes Ignore has ignored. It is the reader's.
	unexpected int32

	mu sync.Mutex // guards the fields below; the registry's is locked first, and the socket's last
	// parked is whether the poller starts the reader, instead of the reader waiting itself.
	parked bool
	// timed is whether there is a read deadline. The poller knows none.
	timed bool
	// sending is the state of a write that the socket has not taken whole, else nil.
	sending   *sending
	finishing bool // Finish was called
	closed    bool

	// The connection's place in the registry's wheel, which the registry's mutex guards.
	slot       *slot
	next, prev *Conn
}

// stream is what a Conn needs of a net.Conn.
type stream interface {
	io.ReadWriteCloser
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// sending is a write that the socket has not taken whole.
type sending struct {
	done    chan struct{} // closed once everything is sent, or the connection is closed
	queue   []byte        // control data to send next
	refused bool          // TrySend returned false
}

// TrySend sends data, whole or not at all, and never waits. It returns false if the client has not taken what was sent
// before, and the Handler's Ready will be called; or if the connection is closed. It doesn't keep data.
func (c *Conn) TrySend(data []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed || c.finishing:
		return false
	case c.sending != nil:
		c.sending.refused = true
		return false
	}
	c.sendLocked(data)
	return !c.closed
}

// Send sends data, and waits while the client is slow. It returns ErrClosed if the connection is closed before all is sent. If that
// takes longer than a minute, Send closes the connection: many large answers could wait in memory for hours otherwise.
func (c *Conn) Send(data []byte) error {
	c.mu.Lock()
	if c.sending != nil {
		defer time.AfterFunc(sendTimeout, c.timeOut).Stop()
	}
	for c.sending != nil && !c.closed && !c.finishing {
		done := c.sending.done
		c.mu.Unlock()
		<-done
		c.mu.Lock()
	}
	if c.closed || c.finishing {
		c.mu.Unlock()
		return ErrClosed
	}
	rest := c.attemptLocked(data)
	if len(rest) == 0 || c.closed {
		defer c.mu.Unlock()
		return c.errLocked()
	}
	c.beginLocked()
	c.mu.Unlock()
	defer time.AfterFunc(sendTimeout, c.timeOut).Stop()
	c.flush(rest)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.errLocked()
}

// timeOut closes the connection of a client that is too slow.
func (c *Conn) timeOut() {
	c.mu.Lock()
	if !c.closed {
		c.registry.timedOut.Add(1)
		c.closeLocked()
	}
	c.mu.Unlock()
	c.Close()
}

func (c *Conn) errLocked() error {
	if c.closed {
		return ErrClosed
	}
	return nil
}

// SendControl sends short data that can't be left out, and never waits: if the client is slow, the data wait behind what is
// being sent. It returns false if too much waits already, or the connection is closed. It doesn't keep data.
func (c *Conn) SendControl(data []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.finishing {
		return false
	}
	return c.controlLocked(data)
}

func (c *Conn) controlLocked(data []byte) bool {
	if c.sending == nil {
		c.sendLocked(data)
		return !c.closed
	}
	if len(c.sending.queue)+len(data) > maxQueued {
		return false
	}
	c.sending.queue = append(c.sending.queue, data...)
	return true
}

// Finish sends last, after what is being sent, and then closes the connection: nothing else is sent. The reader can read for
// a few seconds more, until the client closes its side, since closing at once could destroy what is on the way to the
// client.
func (c *Conn) Finish(last []byte) {
	c.mu.Lock()
	if c.closed || c.finishing {
		c.mu.Unlock()
		return
	}
	c.controlLocked(last)
	c.finishing = true
	c.unparkLocked()                                         // The poller knows no deadlines.
	_ = c.conn.SetReadDeadline(time.Now().Add(writeTimeout)) // The reader's own one may be over.
	idle := c.sending == nil && !c.closed
	c.mu.Unlock()
	if idle {
		c.halfClose()
	}
}

// halfClose ends the connection's sending half. If it can't, it closes the connection.
func (c *Conn) halfClose() {
	_ = c.conn.SetReadDeadline(time.Now().Add(lingerTimeout))
	half, ok := c.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		c.Close()
	}
}

// Close closes the connection at once, and removes it from the registry. Further calls do nothing.
func (c *Conn) Close() {
	c.registry.remove(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeLocked()
}

// closeLocked closes the connection, which stays in the registry until the reader calls Close.
func (c *Conn) closeLocked() {
	if !c.closed {
		c.closed = true
		_ = c.conn.Close()
		c.unparkLocked() // The reader calls Close.
	}
}

// Start starts the reader: at once if something has been read from the connection before, else once there is something to
// read. While nothing arrives, the reader has no goroutine, unless there is a read deadline or the platform or the connection
// has no way to wait without one.
func (c *Conn) Start(pending bool) {
	if pending || !c.park() {
		go c.read()
	}
}

// Serve is Start, but returns when the connection has ended. It is for connections that have a goroutine anyway.
func (c *Conn) Serve() {
	for c.handler.Receive() {
	}
}

// read is the reader's goroutine.
func (c *Conn) read() {
	for c.handler.Receive() {
		if c.park() {
			return
		}
	}
}

// park lets the poller start the reader when there is something to read. It returns false if the reader has to wait itself.
func (c *Conn) park() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parked = c.polled && !c.timed && !c.finishing && !c.closed && c.socket.mayPark()
	return c.parked
}

// unpark starts the reader.
func (c *Conn) unpark() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unparkLocked()
}

func (c *Conn) unparkLocked() {
	if c.parked {
		c.parked = false
		go c.read()
	}
}

// Read implements io.Reader.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.conn.Read(p)
	if n > 0 {
		c.heard.Store(true)
	}
	return n, err //nolint:wrapcheck // An io.Reader's own error.
}

// SetReadDeadline sets when Read returns os.ErrDeadlineExceeded; the zero time means never. After Finish it does nothing.
func (c *Conn) SetReadDeadline(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.finishing {
		c.timed = !t.IsZero()
		_ = c.conn.SetReadDeadline(t) // If the connection is closed, Read says so.
	}
}

// Ignore is Receive for protocols in which the client sends nothing. It returns false if the connection has ended, or the client
// has sent too much.
func (c *Conn) Ignore() bool {
	var buf [16]byte
	n, err := c.Read(buf[:])
	c.unexpected += int32(n) //nolint:gosec // It is at most 16.
	return err == nil && c.unexpected < maxUnexpected
}

// ping calls the handler's Ping, unless data are being sent: their own timeout finds out whether the client is still there.
func (c *Conn) ping() {
	c.mu.Lock()
	idle := c.sending == nil && !c.closed && !c.finishing
	c.mu.Unlock()
	if idle {
		c.handler.Ping(c.heard.Swap(false))
	}
}
