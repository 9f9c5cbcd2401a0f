package server

import (
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// errDrained is returned by Accept after Drain, once no connection is left to accept.
var errDrained = errors.New("the listener is drained")

const (
	// drainQuiet is how long no connection may arrive before the backlog counts as empty. Meanwhile, handshakes that have
	// begun may end.
	drainQuiet = 100 * time.Millisecond
	// drainLimit bounds draining if new connections can't be refused. After it, Accept takes only what is in the backlog.
	drainLimit = time.Second
	// drainPoll replaces drainQuiet after drainLimit.
	drainPoll = time.Millisecond
)

// drainListener is a listener that can stop without losing a connection. The kernel completes handshakes before Accept
// returns the connections. Closing the socket would reset those in the backlog, although their clients are connected and may
// have sent a request. Therefore Drain makes the kernel refuse new connections, if it can, and Accept goes on until the
// backlog is empty.
type drainListener struct {
	*net.TCPListener
	limit atomic.Pointer[time.Time] // nil until Drain
}

// Drain makes Accept return errDrained once the backlog is empty. It doesn't wait for that.
func (l *drainListener) Drain() {
	refuseConnections(l.TCPListener)
	limit := time.Now().Add(drainLimit)
	l.limit.Store(&limit)
	_ = l.SetDeadline(time.Now()) // It wakes an Accept that waits. On a closed listener none does.
}

// Accept implements net.Listener. It returns errDrained after Drain, once the backlog is empty.
func (l *drainListener) Accept() (net.Conn, error) {
	for {
		limit := l.limit.Load()
		if limit != nil {
			_ = l.SetDeadline(time.Now().Add(drainTimeout(*limit)))
		}
		conn, err := l.AcceptTCP()
		switch {
		case err == nil:
			return conn, nil
		case !isTimeout(err):
			return nil, err
		case limit != nil && backlogLength(l.TCPListener) == 0: // On a busy machine a connection can arrive late.
			return nil, errDrained
		}
	}
}

// drainTimeout returns how long Accept waits for a connection while draining.
func drainTimeout(limit time.Time) time.Duration {
	if time.Now().After(limit) {
		return drainPoll
	}
	return drainQuiet
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
