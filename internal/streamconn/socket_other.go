//go:build !linux

package streamconn

import (
	"errors"
	"net"
)

// poller is a way to wait for many connections with one goroutine. There is none on this platform, and so no socket.
type poller struct{}

func newPoller() *poller                 { return nil }
func (*poller) take(*Conn, *net.TCPConn) {}
func (*poller) close()                   {}

type socket struct{}

func (*socket) mayPark() bool                { return false }
func (*socket) tryWrite([]byte) (int, error) { return 0, errors.ErrUnsupported }
