package streamconn

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a TCP connection in a poller. It takes a tenth of the memory of a net.TCPConn, which has addresses, timers, and what
// Go's poller keeps of it.
type socket struct {
	poller *poller

	mu sync.Mutex // held while the descriptor is used, so that it is not another socket's by then
	fd int32      // -1: closed
	// unread is whether something may have arrived that was not read, and ended whether the connection's end has arrived.
	unread, ended bool
	// readDeadline and writeDeadline are by elapsed; 0: none.
	readDeadline, writeDeadline int64
	// reader and writer are closed to wake a Read and a Write that wait; nil if none does.
	reader, writer chan struct{}
}

var started = time.Now() //nolint:gochecknoglobals // A constant, if there were constant times.

// elapsed returns a moment in nanoseconds; 0 for the zero time.
func elapsed(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(int64(t.Sub(started)), 1)
}

// notify notes what the poller has found, and wakes who waits for it.
func (s *socket) notify(events uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if events&readable != 0 {
		s.unread = true
		s.ended = s.ended || events&ended != 0
		wake(&s.reader)
	}
	if events&writable != 0 {
		wake(&s.writer)
	}
}

// wake wakes who waits for the channel, if anybody does.
func wake(waits *chan struct{}) {
	if *waits != nil {
		close(*waits)
		*waits = nil
	}
}

// mayPark reports whether the poller tells of all that is not read yet.
func (s *socket) mayPark() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.fd < 0 || s.ended:
		return false
	case s.unread:
		s.unread = false
		return s.poller.repeat(s.fd)
	default:
		return true
	}
}

// tryWrite writes what the socket takes without waiting, and returns how much that was.
func (s *socket) tryWrite(data []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.tryWriteLocked(data)
	if errors.Is(err, unix.EAGAIN) {
		return 0, nil
	}
	return n, err
}

func (s *socket) tryWriteLocked(data []byte) (int, error) {
	if s.fd < 0 {
		return 0, net.ErrClosed
	}
	for {
		n, err := unix.Write(int(s.fd), data)
		if err == nil {
			return n, nil
		}
		if !errors.Is(err, unix.EINTR) {
			return 0, err //nolint:wrapcheck // The caller closes the connection.
		}
	}
}

// Read implements io.Reader.
func (s *socket) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if s.fd < 0 {
			return 0, net.ErrClosed
		}
		if s.readDeadline != 0 && elapsed(time.Now()) >= s.readDeadline {
			return 0, os.ErrDeadlineExceeded
		}
		n, err := unix.Read(int(s.fd), p)
		switch {
		case err == nil && n == 0 && len(p) > 0:
			return 0, io.EOF
		case err == nil:
			s.unread = n == len(p) // If it is less, there was no more.
			return n, nil
		case errors.Is(err, unix.EAGAIN):
			s.unread = false
			s.wait(&s.reader, s.readDeadline)
		case !errors.Is(err, unix.EINTR):
			return 0, err //nolint:wrapcheck // The reader only needs to know that there is one.
		}
	}
}

// Write writes all data. It is called by one goroutine at a time.
func (s *socket) Write(data []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for written := 0; ; {
		if s.writeDeadline != 0 && elapsed(time.Now()) >= s.writeDeadline {
			return written, os.ErrDeadlineExceeded
		}
		n, err := s.tryWriteLocked(data[written:])
		written += n
		switch {
		case errors.Is(err, unix.EAGAIN):
			s.wait(&s.writer, s.writeDeadline)
		case err != nil || written == len(data):
			return written, err
		}
	}
}

// wait waits until somebody wakes the channel, or the deadline. The lock is held, except while it waits.
func (s *socket) wait(waits *chan struct{}, deadline int64) {
	if *waits == nil {
		*waits = make(chan struct{})
	}
	woken := *waits
	s.mu.Unlock()
	defer s.mu.Lock()
	if deadline == 0 {
		<-woken
		return
	}
	timer := time.NewTimer(time.Until(started.Add(time.Duration(deadline))))
	defer timer.Stop()
	select {
	case <-woken:
	case <-timer.C:
	}
}

// SetReadDeadline is net.Conn's.
func (s *socket) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readDeadline = elapsed(t)
	wake(&s.reader)
	return nil
}

// SetWriteDeadline is net.Conn's, but has no effect on a Write that waits.
func (s *socket) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writeDeadline = elapsed(t)
	return nil
}

// CloseWrite is net.TCPConn's.
func (s *socket) CloseWrite() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return net.ErrClosed
	}
	return unix.Shutdown(int(s.fd), unix.SHUT_WR) //nolint:wrapcheck // The caller closes the connection.
}

// Close is net.Conn's.
func (s *socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return net.ErrClosed
	}
	s.poller.forget(s.fd)
	err := unix.Close(int(s.fd))
	s.fd = -1
	wake(&s.reader)
	wake(&s.writer)
	return err //nolint:wrapcheck // Nobody looks at it.
}
