//go:build !linux

package streamconn

import "syscall"

// poller is a way to wait for many connections with one goroutine. There is none on this platform.
type poller struct{}

func newPoller() *poller               { return nil }
func descriptor(syscall.RawConn) int32 { return 0 }
func (*poller) watch(*Conn) bool       { return false }
func (*poller) forget(*Conn)           {}
func (*poller) close()                 {}
