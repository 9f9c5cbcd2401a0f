package streamconn

import (
	"bytes"
	"time"
)

// sendLocked sends data without waiting. A goroutine sends what the socket does not take.
func (c *Conn) sendLocked(data []byte) {
	rest := c.attemptLocked(data)
	if len(rest) == 0 || c.closed {
		return
	}
	c.beginLocked()
	rest = bytes.Clone(rest)
	go func() {
		limit := sendTimeout + time.Duration(len(rest)/minRate)*time.Second
		defer time.AfterFunc(limit, c.timeOut).Stop()
		c.flush(rest)
	}()
}

// attemptLocked writes to the socket without waiting, and returns what the socket did not take. If writing fails, it closes
// the connection.
func (c *Conn) attemptLocked(data []byte) []byte {
	if !c.polled {
		return data
	}
	n, err := c.socket.tryWrite(data)
	if err != nil {
		c.closeLocked()
	}
	return data[n:]
}

// beginLocked begins a write that takes time. The caller sends the rest by calling flush.
func (c *Conn) beginLocked() {
	c.sending = &sending{done: make(chan struct{})}
	c.registry.slow.Add(1)
}

// flush sends data, and the control data that arrive meanwhile.
func (c *Conn) flush(data []byte) {
	for {
		err := c.write(data)
		c.mu.Lock()
		if err != nil {
			c.closeLocked()
		}
		if !c.closed && len(c.sending.queue) > 0 {
			data, c.sending.queue = c.sending.queue, nil
			c.mu.Unlock()
			continue
		}
		ended := c.sending
		c.sending = nil
		finish, ready := c.finishing && !c.closed, ended.refused && !c.closed && !c.finishing
		c.mu.Unlock()
		c.registry.slow.Add(-1)
		close(ended.done)
		switch {
		case finish:
			c.halfClose()
		case ready:
			c.handler.Ready()
		}
		return
	}
}

// write writes all data, chunk by chunk, and waits for the client as long as each may take.
func (c *Conn) write(data []byte) error {
	for len(data) > 0 {
		if err := c.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err //nolint:wrapcheck // The caller closes the connection.
		}
		n, err := c.conn.Write(data[:min(len(data), writeChunk)])
		if err != nil {
			if isTimeout(err) {
				c.registry.timedOut.Add(1)
			}
			return err //nolint:wrapcheck // As above.
		}
		data = data[n:]
	}
	return c.conn.SetWriteDeadline(time.Time{}) //nolint:wrapcheck // As above.
}
