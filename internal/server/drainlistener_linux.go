package server

import (
	"net"

	"golang.org/x/sys/unix"
)

// refuseConnections makes the kernel drop the first packet (SYN without ACK) of new connections, so that the backlog can run
// empty. Clients repeat the packet after a second, and by then find the port closed or another replica behind it. If the
// kernel doesn't allow the filter, draining works without it, almost as well. The filter has no effect on a Multipath TCP
// socket: see listen.
func refuseConnections(l *net.TCPListener) {
	raw, err := l.SyscallConn()
	if err != nil {
		return
	}
	// The socket filter of a TCP listener sees packets from the TCP header on. Byte 13 holds the flags.
	const flags, syn, ack = 13, 0x02, 0x10
	program := [...]unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: syn | ack},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: syn, Jt: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0xffffffff},
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &filter)
	})
}

// backlogLength returns the number of connections that wait for Accept.
func backlogLength(l *net.TCPListener) int {
	raw, err := l.SyscallConn()
	if err != nil {
		return 0
	}
	n := 0
	_ = raw.Control(func(fd uintptr) {
		// For a listener, this field is the backlog (net/ipv4/tcp.c, tcp_get_info).
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = int(info.Unacked)
		}
	})
	return n
}
