//go:build unix

package streamconn

import (
	"errors"
	"net"
	"sync"
	"syscall"
)

// rawConn returns the connection's socket, or nil if it can't be written to directly, as with TLS.
func rawConn(conn net.Conn) syscall.RawConn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// attempt is one write to a socket that doesn't wait. It is kept for the next one, since its function would be allocated for
// each write otherwise.
type attempt struct {
	data []byte
	n    int
	err  error
	do   func(fd uintptr) bool
}

var attempts = sync.Pool{New: func() any { //nolint:gochecknoglobals // A pool lives as long as the process.
	a := &attempt{}
	a.do = func(fd uintptr) bool {
		for {
			a.n, a.err = syscall.Write(int(fd), a.data)
			if !errors.Is(a.err, syscall.EINTR) {
				return true
			}
		}
	}
	return a
}}

// writeNow writes what the socket takes without waiting, and returns how much that was.
func writeNow(raw syscall.RawConn, data []byte) (int, error) {
	a := attempts.Get().(*attempt) //nolint:forcetypeassert,errcheck // The pool holds nothing else.
	a.data = data
	err := raw.Write(a.do)
	n := max(a.n, 0)
	if err == nil && !errors.Is(a.err, syscall.EAGAIN) {
		err = a.err
	}
	*a = attempt{do: a.do}
	attempts.Put(a)
	return n, err //nolint:wrapcheck // The caller closes the connection.
}
