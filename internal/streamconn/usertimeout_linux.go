package streamconn

import (
	"net"

	"golang.org/x/sys/unix"
)

// setUserTimeout makes the kernel close the connection if the client's side doesn't acknowledge data for writeTimeout. That
// is how a client is detected that is gone and that never sends anything.
func setUserTimeout(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(writeTimeout.Milliseconds()))
	})
}
