package server

import (
	"net"

	"golang.org/x/sys/unix"
)

// refuseNew makes the kernel drop the first packet (SYN without ACK) of new connections, so that the
// backlog can run empty. Their clients repeat it after a second and then find the port closed or another
// replica behind it. Where the kernel doesn't allow the filter, draining works without, almost as well. On
// a Multipath TCP socket, Go's default, the filter has no effect: see Listen.
func refuseNew(l *net.TCPListener) {
	raw, err := l.SyscallConn()
	if err != nil {
		return
	}
	// A socket filter of a TCP listener sees packets from the TCP header on. Byte 13 holds the flags.
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

// waiting returns the number of connections in the kernel's backlog.
func waiting(l *net.TCPListener) int {
	raw, err := l.SyscallConn()
	if err != nil {
		return 0
	}
	n := 0
	_ = raw.Control(func(fd uintptr) {
		// For a listener, the kernel counts the backlog here (net/ipv4/tcp.c, tcp_get_info).
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = int(info.Unacked)
		}
	})
	return n
}
