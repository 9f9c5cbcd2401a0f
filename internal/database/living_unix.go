//go:build unix

package database

import (
	"errors"
	"syscall"
)

// hasNews says whether anything has come, the end included, on a connection on which nothing is due. What it is stays
// there. (Control does not mind the deadline of the last read, which has long passed.)
func hasNews(socket syscall.RawConn) bool {
	var err error
	if ended := socket.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	}); ended != nil {
		return true
	}
	return !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
}
