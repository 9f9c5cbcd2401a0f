package server

import (
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// errDrained is what a drainListener's Accept returns when it has handed out every connection.
var errDrained = errors.New("the listener is drained")

const (
	// drainQuiet is how long no connection may come before the backlog counts as empty. It also lets
	// handshakes end that had begun.
	drainQuiet = 100 * time.Millisecond
	// drainLimit bounds draining where new connections can't be kept out: then it takes what is there.
	drainLimit = time.Second
	// drainPoll is the last look into the backlog after drainLimit.
	drainPoll = time.Millisecond
)

// drainListener is a listener that can stop without losing a connection. The kernel completes handshakes
// before Accept sees them: closing the socket resets those that still wait, although their clients count
// as connected and may have sent a request. So Drain first tells the kernel to take no more, where it can,
// and Accept goes on until the backlog is empty.
type drainListener struct {
	*net.TCPListener
	limit atomic.Pointer[time.Time] // nil until Drain
}

// Drain makes Accept return errDrained once the backlog is empty. It does not wait.
func (l *drainListener) Drain() {
	refuseNew(l.TCPListener)
	limit := time.Now().Add(drainLimit)
	l.limit.Store(&limit)
	_ = l.SetDeadline(time.Now()) // wakes an Accept that waits; on a closed listener there is none
}

// Accept waits for the next connection. The error is errDrained after Drain.
func (l *drainListener) Accept() (net.Conn, error) {
	for {
		limit := l.limit.Load()
		if limit != nil {
			_ = l.SetDeadline(time.Now().Add(patience(*limit)))
		}
		conn, err := l.AcceptTCP()
		switch {
		case err == nil:
			return conn, nil
		case !isTimeout(err):
			return nil, err
		case limit != nil && waiting(l.TCPListener) == 0: // a busy machine can be late for a connection
			return nil, errDrained
		}
	}
}

// patience is how long an Accept waits while draining.
func patience(limit time.Time) time.Duration {
	if time.Now().After(limit) {
		return drainPoll
	}
	return drainQuiet
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
