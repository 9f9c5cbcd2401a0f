package streamconn

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// PingInterval is how often a Handler's Ping is called. Proxies close connections that are idle for a minute. A client
	// that must answer a ping before the next one is found to be gone within 50 seconds.
	PingInterval = 25 * time.Second
	// slots is how many slots the wheel has. All connections of a slot are pinged together.
	slots = 100
)

// Registry holds the open connections. The zero value is ready to use, and has no goroutine as long as it is empty.
type Registry struct {
	slow, timedOut atomic.Int64

	mu       sync.Mutex
	wheel    [slots]slot
	count    int
	stop     chan struct{} // stops the wheel's goroutine; nil: there is none
	poller   *poller       // waits for the connections; nil: there is none
	draining bool          // no connections are added
	empty    chan struct{} // nil, or closed once the registry drains and is empty
}

// slot is a list of connections.
type slot struct{ first *Conn }

// Stats are counts of connections.
type Stats struct {
	// Open is how many are open.
	Open int
	// Slow is how many of them have not taken what was sent to them.
	Slow int
	// TimedOut is how many were closed so far because they took it too slowly.
	TimedOut int
}

// Stats returns the current counts.
func (r *Registry) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Stats{Open: r.count, Slow: int(r.slow.Load()), TimedOut: int(r.timedOut.Load())}
}

// Draining reports whether Drain was called. Streams that begin now should be refused before they take their connection.
func (r *Registry) Draining() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.draining
}

// Add makes c, a zero Conn, the connection that was taken over from the HTTP server, and clears its deadlines. If the registry
// drains, Add closes the connection and returns false. The caller's next step is to call Start or Serve.
func (r *Registry) Add(c *Conn, conn net.Conn, handler Handler) bool {
	_ = conn.SetDeadline(time.Time{})
	setUserTimeout(conn)
	c.conn, c.registry, c.handler = conn, r, handler
	c.heard.Store(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.draining {
		c.closed = true
		_ = conn.Close()
		return false
	}
	// A random slot, so that clients that connect at the same time are not pinged at the same time for ever.
	r.wheel[rand.IntN(slots)].add(c) //nolint:gosec // Nothing secret depends on it.
	r.count++
	if r.stop == nil {
		r.stop = make(chan struct{})
		go r.turn(r.stop)
	}
	tcp, ok := conn.(*net.TCPConn)
	if ok && r.poller == nil {
		r.poller = newPoller()
	}
	if ok && r.poller != nil {
		r.poller.take(c, tcp)
	}
	return true
}

// remove removes a connection, unless it has been removed before.
func (r *Registry) remove(c *Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.slot == nil {
		return
	}
	c.slot.remove(c)
	if r.count--; r.count > 0 {
		return
	}
	close(r.stop)
	r.stop = nil
	if r.poller != nil {
		r.poller.close()
		r.poller = nil
	}
	if r.empty != nil {
		close(r.empty)
		r.empty = nil
	}
}

func (s *slot) add(c *Conn) {
	c.slot, c.next = s, s.first
	if s.first != nil {
		s.first.prev = c
	}
	s.first = c
}

func (s *slot) remove(c *Conn) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		s.first = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.slot, c.next, c.prev = nil, nil, nil
}

// turn turns the wheel until stop is closed: at each step it pings the connections of one slot.
func (r *Registry) turn(stop <-chan struct{}) {
	ticker := time.NewTicker(PingInterval / slots)
	defer ticker.Stop()
	var due []*Conn
	for hand := 0; ; hand = (hand + 1) % slots {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		r.mu.Lock()
		for c := r.wheel[hand].first; c != nil; c = c.next {
			due = append(due, c)
		}
		r.mu.Unlock()
		for _, c := range due {
			c.ping()
		}
		clear(due)
		due = due[:0]
	}
}

// Drain refuses new connections, and calls the Drain of all open ones in a random order, spread evenly over the given time so
// that not all clients connect elsewhere at once. It returns when all are closed. When ctx ends, it closes those that are left,
// and returns how many these were.
func (r *Registry) Drain(ctx context.Context, spread time.Duration) int {
	conns, empty := r.beginDrain()
	rand.Shuffle(len(conns), func(i, j int) { conns[i], conns[j] = conns[j], conns[i] }) //nolint:gosec // As above.
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i, c := range conns {
		if wait := spread*time.Duration(i)/time.Duration(len(conns)) - time.Since(start); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		}
		c.handler.Drain()
	}
	select {
	case <-empty:
		return 0
	case <-ctx.Done():
		return r.closeAll()
	}
}

// beginDrain returns the open connections, and a channel that is closed when all are closed.
func (r *Registry) beginDrain() ([]*Conn, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.draining = true
	empty := make(chan struct{})
	if r.count == 0 {
		close(empty)
		return nil, empty
	}
	r.empty = empty
	return r.allLocked(), empty
}

// closeAll closes all connections, and returns how many these were.
func (r *Registry) closeAll() int {
	r.mu.Lock()
	left := r.allLocked()
	r.mu.Unlock()
	for _, c := range left {
		c.Close()
	}
	return len(left)
}

func (r *Registry) allLocked() []*Conn {
	all := make([]*Conn, 0, r.count)
	for i := range r.wheel {
		for c := r.wheel[i].first; c != nil; c = c.next {
			all = append(all, c)
		}
	}
	return all
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
