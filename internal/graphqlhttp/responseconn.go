package graphqlhttp

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// responseConn is a response as a connection, for streams that can't take over the connection itself: with HTTP/2, whose
// connections carry other requests too. Reading waits until the client has left. The handler must call end before it returns.
type responseConn struct {
	net.Conn // nil: the other methods aren't called

	w          http.ResponseWriter
	controller *http.ResponseController
	ctx        context.Context //nolint:containedctx // It is the request's.
	closed     chan struct{}
	once       sync.Once
	ended      atomic.Bool
	writing    sync.Mutex // held while something is written
}

func newResponseConn(ctx context.Context, w http.ResponseWriter) *responseConn {
	return &responseConn{w: w, controller: http.NewResponseController(w), ctx: ctx, closed: make(chan struct{})}
}

// Read implements net.Conn. It reads nothing.
func (c *responseConn) Read([]byte) (int, error) {
	select {
	case <-c.closed:
	case <-c.ctx.Done():
	}
	return 0, io.EOF
}

// Write implements net.Conn. It sends the data at once.
func (c *responseConn) Write(data []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.ended.Load() {
		return 0, net.ErrClosed
	}
	n, err := c.w.Write(data)
	if err != nil {
		return n, err //nolint:wrapcheck // The response's own error.
	}
	return n, c.controller.Flush() //nolint:wrapcheck // As above.
}

// Close implements net.Conn. It ends Read, and a Write that waits for the client.
func (c *responseConn) Close() error {
	c.once.Do(func() {
		c.ended.Store(true)
		close(c.closed)
		if c.writing.TryLock() {
			c.writing.Unlock() // The response's end can still be sent.
			return
		}
		_ = c.controller.SetWriteDeadline(time.Now())
	})
	return nil
}

// end waits until nothing is written any more.
func (c *responseConn) end() {
	_ = c.Close()
	c.writing.Lock()
	defer c.writing.Unlock()
}

// SetDeadline implements net.Conn. Not every response has deadlines, as in tests.
func (c *responseConn) SetDeadline(t time.Time) error {
	_ = c.controller.SetReadDeadline(t)
	_ = c.controller.SetWriteDeadline(t)
	return nil
}

// SetReadDeadline implements net.Conn. Reading needs none.
func (c *responseConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (c *responseConn) SetWriteDeadline(t time.Time) error {
	_ = c.controller.SetWriteDeadline(t)
	return nil
}
