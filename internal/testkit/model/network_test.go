package model_test

import (
	"context"
	"net"
	"sync"
	"syscall"
	"testing"
)

// sendBuffer is how much a server's socket takes, and how much of it a link holds: little, so that a client that doesn't read is
// soon noticed.
const sendBuffer = 4 << 10

// listen returns a listener of a server.
func listen(t *testing.T) net.Listener {
	t.Helper()
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if failed := c.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, sendBuffer) // Its connections inherit it.
		}); failed != nil {
			return failed
		}
		return err
	}}
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// link is the way from one device to the servers: a proxy whose connections can be cut, and stopped.
type link struct {
	listener net.Listener

	mu      sync.Mutex
	changed *sync.Cond
	target  *replica
	conns   map[net.Conn]bool
	offline bool
	// stopped reports that nothing goes from the server to the client, whose connections stay open.
	stopped bool
}

func newLink(target *replica) (*link, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &link{listener: listener, target: target, conns: map[net.Conn]bool{}}
	l.changed = sync.NewCond(&l.mu)
	go l.accept()
	return l, nil
}

func (l *link) url() string { return "http://" + l.listener.Addr().String() + "/graphql" }

func (l *link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.mu.Lock()
		target := l.target
		l.mu.Unlock()
		server, err := net.Dial("tcp", target.address())
		if err != nil {
			_ = client.Close()
			continue
		}
		for _, c := range []net.Conn{client, server} {
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetReadBuffer(sendBuffer)
				_ = tcp.SetLinger(0) // Node's fetch waits for ever if a connection ends in order before the request is sent.
			}
		}
		if !l.add(client, server, target) {
			continue
		}
		go l.copy(server, client, false)
		go l.copy(client, server, true)
	}
}

// add notes a connection, unless the client is offline or was told to go elsewhere.
func (l *link) add(client, server net.Conn, target *replica) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.offline || l.target != target {
		_ = client.Close()
		_ = server.Close()
		return false
	}
	l.conns[client], l.conns[server] = true, true
	return true
}

// copy sends what comes from one side to the other, and closes both in the end.
func (l *link) copy(to, from net.Conn, stoppable bool) {
	b := make([]byte, sendBuffer)
	for {
		n, err := from.Read(b)
		l.mu.Lock()
		for stoppable && l.stopped && l.conns[from] {
			l.changed.Wait()
		}
		l.mu.Unlock()
		if n > 0 && err == nil {
			_, err = to.Write(b[:n])
		}
		if err != nil {
			break
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.close(to)
	l.close(from)
}

// close closes a connection. The lock must be held.
func (l *link) close(c net.Conn) {
	delete(l.conns, c)
	_ = c.Close()
	l.changed.Broadcast()
}

// set changes the link.
func (l *link) set(change func(l *link)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
	l.changed.Broadcast()
}

// cut closes all connections.
func (l *link) cut() {
	for c := range l.conns {
		l.close(c)
	}
}

// TestReusedLink: a device whose link another one had reaches its own server, over whatever connection.
func TestReusedLink(t *testing.T) {
	t.Parallel()
	e := &environment{}
	first, second := newNamingServer(t, "1"), newNamingServer(t, "2")
	l, err := e.link(first)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.listener.Close() })
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", l.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	e.putBack(l)
	before := dial()
	if name, err := ask(before); err != nil || name != "1" {
		t.Fatalf("the first device reaches %q, %v", name, err)
	}
	if again, err := e.link(second); err != nil || again != l {
		t.Fatalf("%v, %v", again, err)
	}
	if name, err := ask(before); err == nil {
		t.Errorf("a connection of the first device is still open, and reaches %q", name)
	}
	if name, err := ask(dial()); err != nil || name != "2" {
		t.Errorf("the second device reaches %q, %v", name, err)
	}
}

// newNamingServer returns a server that answers each byte with its name.
func newNamingServer(t *testing.T, name string) *replica {
	t.Helper()
	listener := listen(t)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				for b := make([]byte, 1); ; {
					if _, err := conn.Read(b); err != nil {
						_ = conn.Close()
						return
					}
					_, _ = conn.Write([]byte(name))
				}
			}()
		}
	}()
	return &replica{listens: listener.Addr()}
}

// ask asks a server with a name of one byte for it.
func ask(conn net.Conn) (string, error) {
	if _, err := conn.Write([]byte("?")); err != nil {
		return "", err
	}
	b := make([]byte, 1)
	_, err := conn.Read(b)
	return string(b), err
}
