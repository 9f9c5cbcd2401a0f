package streamconn

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// poller waits for the sockets of many connections with one goroutine, by an epoll of its own. (Go's own wakes goroutines, of
// which each connection would need one, with a stack.) The epoll is edge-triggered: it tells once of what has arrived.
type poller struct {
	file *os.File // the epoll

	mu    sync.Mutex
	fd    int
	conns []*Conn // by their descriptors
}

const (
	// ended are the events after which reading finds the end of the connection.
	ended    = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	readable = unix.EPOLLIN | ended
	writable = unix.EPOLLOUT | unix.EPOLLHUP | unix.EPOLLERR
	watched  = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff
)

// newPoller returns a poller, or nil if there can't be one.
func newPoller() *poller {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	_ = unix.SetNonblock(fd, true) // Then Go's poller waits for it, and not a thread.
	p := &poller{file: os.NewFile(uintptr(fd), "epoll"), fd: fd}
	raw, err := p.file.SyscallConn()
	if err != nil {
		_ = p.file.Close()
		return nil
	}
	go p.run(raw)
	return p
}

// take makes the socket of conn that of c, and closes conn, which frees what Go has beside the socket. If that fails, because there
// are too many open files, c keeps conn.
func (p *poller) take(c *Conn, conn *net.TCPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	fd := -1
	_ = raw.Control(func(old uintptr) {
		if fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0); err != nil {
			fd = -1
		}
	})
	if fd < 0 {
		return
	}
	c.socket.poller, c.socket.fd = p, int32(fd)
	if !p.add(c) {
		_ = unix.Close(fd)
		return
	}
	c.conn, c.polled = &c.socket, true
	_ = conn.Close() // The socket remains, since it has another descriptor.
}

// add has the connection told of what happens to its socket. It returns false if that is not possible.
func (p *poller) add(c *Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	fd := c.socket.fd
	for int(fd) >= len(p.conns) {
		p.conns = append(p.conns, nil)
	}
	p.conns[fd] = c
	if unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: watched, Fd: fd}) != nil {
		p.conns[fd] = nil
		return false
	}
	return true
}

// repeat has the connection told again of what has arrived, if it has not been read. The socket's lock is held, so that its
// descriptor is open, as in forget.
func (p *poller) repeat(fd int32) bool {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, int(fd), &unix.EpollEvent{Events: watched, Fd: fd}) == nil
}

// forget forgets a socket that is about to be closed, which removes it from the epoll.
func (p *poller) forget(fd int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[fd] = nil
}

// find returns the connection with the descriptor; nil if it has been closed.
func (p *poller) find(fd int32) *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conns[fd]
}

// run tells connections of what happens to their sockets, until the poller is closed.
func (p *poller) run(raw syscall.RawConn) {
	events := make([]unix.EpollEvent, 128)
	n := 0
	wait := func(fd uintptr) bool {
		var err error
		for {
			n, err = unix.EpollWait(int(fd), events, 0)
			if !errors.Is(err, unix.EINTR) {
				return n != 0
			}
		}
	}
	for raw.Read(wait) == nil {
		for _, event := range events[:max(n, 0)] {
			c := p.find(event.Fd) // If it is another one by now that has the descriptor, it finds that there is nothing.
			if c == nil {
				continue
			}
			c.socket.notify(event.Events)
			if event.Events&readable != 0 {
				c.unpark()
			}
		}
	}
}

// close ends the poller.
func (p *poller) close() { _ = p.file.Close() }
