package streamconn

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// poller waits for many idle connections with one goroutine, by an epoll of its own. (Go's own wakes goroutines, of which each
// connection would need one, with a stack.)
type poller struct {
	file *os.File // the epoll

	mu     sync.Mutex
	fd     int
	closed bool
	conns  []*Conn // by their descriptors
}

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

// descriptor returns the number of a socket.
func descriptor(raw syscall.RawConn) int32 {
	var number int32
	_ = raw.Control(func(fd uintptr) { number = int32(fd) }) //nolint:gosec // Descriptors are small.
	return number
}

// watch has the connection's unpark called once it can be read from. It returns false if it can't. The connection's mutex is
// held, so that the descriptor is open, as in forget.
func (p *poller) watch(c *Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: c.fd}
	operation := unix.EPOLL_CTL_MOD
	if !c.polled {
		operation = unix.EPOLL_CTL_ADD
		for int(c.fd) >= len(p.conns) {
			p.conns = append(p.conns, nil)
		}
		p.conns[c.fd] = c
		c.polled = true
	}
	return unix.EpollCtl(p.fd, operation, int(c.fd), &event) == nil
}

// forget forgets a connection that is about to be closed, which removes it from the epoll.
func (p *poller) forget(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c.fd] = nil
}

// find returns the connection with the descriptor; nil if it has been closed.
func (p *poller) find(fd int32) *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conns[fd]
}

// run starts the readers of connections that can be read from, until the poller is closed.
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
			if c := p.find(event.Fd); c != nil {
				c.unpark() // If it is another connection by now that has the descriptor, its reader waits itself once.
			}
		}
	}
}

// close ends the poller.
func (p *poller) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.file.Close()
}
