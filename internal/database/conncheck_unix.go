//go:build unix

package database

import (
	"errors"
	"syscall"
)

// connReadable reports whether there is anything to read, the end of the stream included. On an idle connection there
// should be nothing. It leaves the data there. It uses Control, which unlike Read ignores that the connection's last read
// deadline has passed.
func connReadable(socket syscall.RawConn) bool {
	var err error
	if ended := socket.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	}); ended != nil {
		return true
	}
	return !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
}
