package streamconn

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// recorder is a Handler that records its calls.
type recorder struct {
	conn  Conn
	ready chan struct{}
	pings chan bool
	drain func(*Conn)
	// answers makes Ping close the connection if the last ping was not answered, and quiet makes it send nothing.
	answers, quiet bool
	// received is how many bytes have come.
	received atomic.Int64
}

func newRecorder() *recorder {
	return &recorder{ready: make(chan struct{}, 100), pings: make(chan bool, 100), drain: func(c *Conn) { c.Finish([]byte("bye")) }}
}

func (r *recorder) Receive() bool {
	more := r.conn.Ignore()
	r.received.Store(int64(r.conn.unexpected))
	if !more {
		r.conn.Close()
	}
	return more
}

func (r *recorder) Ready() { r.ready <- struct{}{} }
func (r *recorder) Drain() { r.drain(&r.conn) }
func (r *recorder) Ping(answered bool) {
	r.pings <- answered
	if r.answers && !answered {
		r.conn.Close()
		return
	}
	if !r.quiet {
		r.conn.TrySend([]byte("ping"))
	}
}

// pair returns a connection of the registry over TCP, which has a reader as every stream has, and the client's end. No pings come
// in between, however slow the test is.
func pair(t *testing.T, r *Registry, h *recorder) (*Conn, *net.TCPConn) {
	t.Helper()
	c, client := pairUnread(t, r, h)
	c.Start(false)
	return c, client
}

// pairUnread is pair without a reader.
func pairUnread(t *testing.T, r *Registry, h *recorder) (*Conn, *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address, err := net.ResolveTCPAddr("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.DialTCP("tcp", nil, address)
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	h.quiet = true
	r.Add(&h.conn, accepted, h)
	t.Cleanup(func() { _ = client.Close(); h.conn.Close() })
	return &h.conn, client
}

// start adds a connection and starts its reader.
func start(r *Registry, conn net.Conn, h *recorder) *Conn {
	r.Add(&h.conn, conn, h)
	h.conn.Start(false)
	return &h.conn
}

// fill sends frames until the client has taken none of the last one, and returns what was sent.
func fill(t *testing.T, c *Conn) []byte {
	t.Helper()
	var sent []byte
	for i := byte(0); ; i++ {
		frame := bytes.Repeat([]byte{i}, 100_000)
		if !c.TrySend(frame) {
			return sent
		}
		sent = append(sent, frame...)
		if len(sent) > 1<<30 {
			t.Fatal("the connection never got slow")
		}
	}
}

// read reads n bytes from the client's end.
func read(t *testing.T, client io.Reader, n int) []byte {
	t.Helper()
	got := make([]byte, n)
	if _, err := io.ReadFull(client, got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestTrySend(t *testing.T) {
	t.Parallel()
	var r Registry
	h := newRecorder()
	c, client := pair(t, &r, h)
	if !c.TrySend([]byte("hello")) || string(read(t, client, 5)) != "hello" {
		t.Fatal("a frame was not sent")
	}
	if stats := r.Stats(); stats != (Stats{Open: 1}) {
		t.Errorf("stats: %+v", stats)
	}
	sent := fill(t, c)
	if stats := r.Stats(); stats != (Stats{Open: 1, Slow: 1}) {
		t.Errorf("stats with a slow client: %+v", stats)
	}
	if c.TrySend([]byte("too soon")) {
		t.Error("a frame was taken although the client is slow")
	}
	if got := read(t, client, len(sent)); !bytes.Equal(got, sent) {
		t.Error("the client got something else than what was sent")
	}
	<-h.ready
	if !c.TrySend([]byte("again")) || string(read(t, client, 5)) != "again" {
		t.Error("a frame was not sent after Ready")
	}
	if len(h.ready) != 0 {
		t.Error("Ready was called more than once")
	}
	if r.Stats().Slow != 0 {
		t.Error("the client still counts as slow")
	}
}

// TestNotRefused checks that Ready is called only after a refusal.
func TestNotRefused(t *testing.T) {
	t.Parallel()
	var r Registry
	h := newRecorder()
	c, client := pair(t, &r, h)
	sent := bytes.Repeat([]byte("x"), 64<<20) // More than any socket takes.
	if !c.TrySend(sent) {
		t.Fatal("refused")
	}
	if got := read(t, client, len(sent)); !bytes.Equal(got, sent) {
		t.Error("the client got something else")
	}
	if err := c.Send([]byte("!")); err != nil { // It waits for the rest of the first.
		t.Fatal(err)
	}
	read(t, client, 1)
	if len(h.ready) != 0 {
		t.Error("Ready was called although nothing was refused")
	}
}

func TestSendWaits(t *testing.T) {
	t.Parallel()
	var r Registry
	c, client := pair(t, &r, newRecorder())
	sent := fill(t, c)
	large := strings.Repeat("large", 10<<20) // More than the socket takes, so that Send itself has to wait.
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			if err := c.Send([]byte(large)); err != nil {
				t.Error(err)
			}
		})
	}
	want := string(sent) + large + large
	if got := read(t, client, len(want)); string(got) != want {
		t.Error("the client got something else than what was sent")
	}
	group.Wait()
}

func TestSendControl(t *testing.T) {
	t.Parallel()
	var r Registry
	c, client := pair(t, &r, newRecorder())
	if !c.SendControl([]byte("now")) || string(read(t, client, 3)) != "now" {
		t.Fatal("not sent at once")
	}
	sent := fill(t, c)
	var queued []byte
	for i := byte('a'); c.SendControl(bytes.Repeat([]byte{i}, 1000)); i++ {
		queued = append(queued, bytes.Repeat([]byte{i}, 1000)...)
	}
	if len(queued) != maxQueued/1000*1000 {
		t.Errorf("%d bytes were queued, want nearly %d", len(queued), maxQueued)
	}
	if got := read(t, client, len(sent)+len(queued)); !bytes.Equal(got, append(sent, queued...)) {
		t.Error("the client got something else than what was sent")
	}
}

func TestFinish(t *testing.T) {
	t.Parallel()
	for _, slow := range []bool{false, true} {
		var r Registry
		c, client := pair(t, &r, newRecorder())
		var want []byte
		if slow {
			want = fill(t, c)
		}
		want = append(want, "last"...)
		c.Finish([]byte("last"))
		c.Finish([]byte("ignored"))
		if c.TrySend([]byte("x")) || c.SendControl([]byte("x")) || !errors.Is(c.Send([]byte("x")), ErrClosed) {
			t.Error("something was sent after Finish")
		}
		got, err := io.ReadAll(client)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("slow %v: the client got %d bytes and %v, want %d", slow, len(got), err, len(want))
		}
		if r.Stats().Open != 1 {
			t.Error("the connection was closed before the client's side was")
		}
		_ = client.Close()
		await(t, func() bool { return r.Stats() == Stats{} })
	}
}

// TestClientLeaves checks that a connection whose client left is removed, also while data are being sent.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	for _, slow := range []bool{false, true} {
		var r Registry
		c, client := pair(t, &r, newRecorder())
		if slow {
			fill(t, c)
		}
		waiting := make(chan error, 1)
		if slow {
			go func() { waiting <- c.Send([]byte("more")) }()
		}
		_ = client.Close()
		await(t, func() bool { return r.Stats() == Stats{} })
		if slow {
			if err := <-waiting; !errors.Is(err, ErrClosed) {
				t.Errorf("Send: %v", err)
			}
		}
		if c.TrySend([]byte("x")) {
			t.Error("sent to nobody")
		}
	}
}

// TestUnexpectedInput checks that a client that only listens can't keep the server busy with reading.
func TestUnexpectedInput(t *testing.T) {
	t.Parallel()
	var r Registry
	_, client := pair(t, &r, newRecorder())
	if _, err := client.Write(make([]byte, maxUnexpected+1)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still open")
	}
}

// TestNoGoroutines checks that idle connections have none, and that everything that can happen to them starts their reader.
func TestNoGoroutines(t *testing.T) { //nolint:paralleltest // It counts goroutines.
	requirePoller(t)
	const each, ends = 50, 5
	before := runtime.NumGoroutine()
	var r Registry
	var conns [ends * each]*Conn
	var clients [ends * each]*net.TCPConn
	for i := range conns {
		conns[i], clients[i] = pair(t, &r, newRecorder())
		conns[i].heard.Store(false)
	}
	const perRegistry = 2 // The wheel and the poller.
	idle := func() bool { return runtime.NumGoroutine() <= before+perRegistry }
	await(t, idle)
	for _, client := range clients {
		if _, err := client.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range conns {
		await(t, c.heard.Load)
	}
	await(t, idle)
	for i, c := range conns {
		switch i % ends {
		case 0:
			c.Close()
		case 1:
			c.Finish(nil)
			_ = clients[i].Close()
		case 2:
			_ = clients[i].Close()
		case 3:
			_ = clients[i].SetLinger(0) // It resets the connection.
			_ = clients[i].Close()
		case 4: // The end may arrive together with data.
			_, _ = clients[i].Write([]byte("x"))
			_ = clients[i].Close()
		}
	}
	await(t, func() bool { return r.Stats() == Stats{} && runtime.NumGoroutine() <= before })
}

// TestBursts checks that nothing of what arrives at once is left unread.
func TestBursts(t *testing.T) {
	t.Parallel()
	var r Registry
	h := newRecorder()
	_, client := pair(t, &r, h)
	const bufferSize = 16 // Of Ignore.
	for _, n := range []int{1, bufferSize - 1, bufferSize, bufferSize + 1, 5 * bufferSize, 5*bufferSize + 1} {
		before := h.received.Load()
		if _, err := client.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		await(t, func() bool { return h.received.Load() == before+int64(n) })
	}
}

// TestDeadlines checks reading and writing that wait.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	var r Registry
	h := newRecorder()
	c, _ := pairUnread(t, &r, h)
	past := time.Now().Add(-time.Second)
	for _, deadline := range []time.Time{past, time.Now().Add(20 * time.Millisecond)} {
		c.SetReadDeadline(deadline)
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("reading until %s: %v", deadline, err)
		}
	}
	c.SetReadDeadline(time.Time{})
	read := make(chan error)
	go func() {
		_, err := c.Read(make([]byte, 1))
		read <- err
	}()
	c.SetReadDeadline(past) // Before Read waits, or while it does.
	if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading: %v", err)
	}
	much := make([]byte, 64<<20)
	_ = c.conn.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := c.conn.Write(much); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("writing until a deadline: %v", err)
	}
	wrote := make(chan error)
	_ = c.conn.SetWriteDeadline(time.Time{})
	go func() {
		_, err := c.conn.Write(much)
		wrote <- err
	}()
	c.Close()
	if err := <-wrote; err == nil {
		t.Error("something was written to a closed connection")
	}
}

func TestPings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r Registry
		server, client := net.Pipe()
		h := newRecorder()
		h.answers = true
		start(&r, server, h)
		began := time.Now()
		read(t, client, len("ping"))
		if wait := time.Since(began); wait > PingInterval {
			t.Errorf("the first ping came after %s", wait)
		}
		if answered := <-h.pings; !answered {
			t.Error("a new client counts as silent")
		}
		for range 3 {
			if _, err := client.Write([]byte("pong")); err != nil {
				t.Fatal(err)
			}
			before := time.Now()
			read(t, client, len("ping"))
			if wait := time.Since(before); wait != PingInterval {
				t.Errorf("the next ping came after %s", wait)
			}
			if answered := <-h.pings; !answered {
				t.Error("the answer was not heard")
			}
		}
		silent := time.Now()
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("reading from a server that gave up: %v", err)
		}
		if wait := time.Since(silent); wait > PingInterval {
			t.Errorf("a silent client was found out after %s", wait)
		}
		synctest.Wait()
		if stats := r.Stats(); stats != (Stats{}) {
			t.Errorf("stats: %+v", stats)
		}
	}) // It fails if the wheel's goroutine is left.
}

// TestStuck checks the timeout of writes: a client that takes something in time stays, if all of it doesn't take too long.
func TestStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r Registry
		server, client := net.Pipe()
		h := newRecorder()
		c := start(&r, server, h)
		if !c.TrySend(make([]byte, 100*writeChunk)) {
			t.Fatal("refused")
		}
		for range 2 {
			time.Sleep(writeTimeout - time.Second)
			read(t, client, writeChunk)
		}
		if r.Stats().Slow != 1 {
			t.Fatal("the connection is not slow, or closed already")
		}
		if len(h.pings) != 0 {
			t.Error("a slow client was pinged")
		}
		time.Sleep(writeTimeout + time.Second)
		synctest.Wait()
		if stats := r.Stats(); stats != (Stats{TimedOut: 1}) {
			t.Errorf("stats: %+v", stats)
		}
	})
}

// TestTrySendTimeout checks that a client that keeps taking a little is disconnected in the end.
func TestTrySendTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r Registry
		server, client := net.Pipe()
		if !start(&r, server, newRecorder()).TrySend(make([]byte, 100*minRate)) {
			t.Fatal("refused")
		}
		begin, taken := time.Now(), 0
		for {
			time.Sleep(writeTimeout - time.Second)
			n, err := io.ReadFull(client, make([]byte, writeChunk))
			if taken += n; err != nil {
				break
			}
		}
		const limit = sendTimeout + 100*time.Second
		if took := time.Since(begin); took < limit || took > limit+writeTimeout || taken == 100*minRate {
			t.Errorf("it was disconnected after %s, want %s", took, limit)
		}
		if stats := r.Stats(); stats != (Stats{TimedOut: 1}) {
			t.Errorf("stats: %+v", stats)
		}
	})
}

// TestSendTimeout checks that what Send waits for is limited as a whole, and that what TrySend sends is by its length.
func TestSendTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r Registry
		server, client := net.Pipe()
		c := start(&r, server, newRecorder())
		data := make([]byte, 100*writeChunk)
		if !c.TrySend(data) {
			t.Fatal("refused")
		}
		for range 100 {
			time.Sleep(time.Second)
			read(t, client, writeChunk)
		}
		synctest.Wait()
		if stats := r.Stats(); stats != (Stats{Open: 1}) {
			t.Fatalf("after a slow write: %+v", stats)
		}
		begin, results, left := time.Now(), make(chan error, 2), make(chan struct{})
		for range 2 {
			go func() { results <- c.Send(data) }()
		}
		go func() {
			defer close(left)
			for {
				time.Sleep(writeTimeout - time.Second)
				if _, err := io.ReadFull(client, make([]byte, writeChunk)); err != nil {
					return
				}
			}
		}()
		for range 2 {
			if err := <-results; !errors.Is(err, ErrClosed) || time.Since(begin) != sendTimeout {
				t.Errorf("after %s: %v", time.Since(begin), err)
			}
		}
		<-left
		if stats := r.Stats(); stats != (Stats{TimedOut: 1}) {
			t.Errorf("stats: %+v", stats)
		}
	})
}

// TestLinger checks that a client that never closes its side after Finish is cut off.
func TestLinger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r Registry
		server, client := net.Pipe()
		defer client.Close()
		c := start(&r, halfCloser{server}, newRecorder())
		c.Finish(nil)
		time.Sleep(lingerTimeout - time.Second)
		if r.Stats().Open != 1 {
			t.Error("closed too early")
		}
		time.Sleep(2 * time.Second)
		if r.Stats().Open != 0 {
			t.Error("still open")
		}
	})
}

// halfCloser is a connection whose sending half can be closed.
type halfCloser struct{ net.Conn }

func (halfCloser) CloseWrite() error { return nil }

func TestDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const clients, spread = 50, 10 * time.Second
		var r Registry
		began := time.Now()
		ends := make(chan time.Duration, clients)
		for range clients {
			server, client := net.Pipe()
			start(&r, server, newRecorder())
			go func() {
				got, _ := io.ReadAll(client)
				if !bytes.HasSuffix(got, []byte("bye")) {
					t.Errorf("the client got %q", got)
				}
				ends <- time.Since(began)
			}()
		}
		if cut := r.Drain(t.Context(), spread); cut != 0 {
			t.Errorf("%d were cut off", cut)
		}
		var late int
		for range clients {
			if end := <-ends; end > spread/2 {
				late++
			}
		}
		if late < clients/3 || late > 2*clients/3 {
			t.Errorf("%d of %d were closed in the second half", late, clients)
		}
		server, _ := net.Pipe()
		h := newRecorder()
		if r.Add(&h.conn, server, h) || !r.Draining() {
			t.Error("a connection was added while draining")
		}
		if _, err := server.Write([]byte("x")); err == nil {
			t.Error("the refused connection is open")
		}
	})
}

func TestDrainCuts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r Registry
		for _, drain := range []func(*Conn){func(*Conn) {}, func(c *Conn) { c.Finish(nil) }} {
			server, client := net.Pipe()
			defer client.Close()
			h := newRecorder()
			h.drain = drain
			start(&r, server, h)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if cut := r.Drain(ctx, 0); cut != 1 {
			t.Errorf("%d were cut off, want 1", cut)
		}
		if cut := new(Registry).Drain(t.Context(), time.Second); cut != 0 {
			t.Error("an empty registry does not drain")
		}
	})
}

// TestConcurrentUse checks frames of many senders at once: they come whole.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	var r Registry
	h := newRecorder()
	c, client := pair(t, &r, h)
	const size, senders = 10_000, 8
	var taken atomic.Int64
	var group sync.WaitGroup
	for sender := range senders {
		group.Go(func() {
			frame := bytes.Repeat([]byte{byte(sender)}, size)
			for i := range 300 {
				switch {
				case i%3 == 0 && c.Send(frame) == nil, i%3 == 1 && c.TrySend(frame), i%3 == 2 && c.SendControl(frame):
					taken.Add(1)
				}
			}
		})
	}
	go func() {
		group.Wait()
		c.Finish(nil)
	}()
	go func() {
		for range h.ready {
		}
	}()
	got, err := io.ReadAll(client)
	if err != nil || len(got) != int(taken.Load())*size {
		t.Fatalf("%d bytes and %v, want %d", len(got), err, taken.Load()*size)
	}
	for i := 0; i < len(got); i += size {
		if frame := got[i : i+size]; !bytes.Equal(frame, bytes.Repeat(frame[:1], size)) {
			t.Fatal("two frames are mixed")
		}
	}
}

// requirePoller skips the test if the platform has no poller.
func requirePoller(t *testing.T) {
	t.Helper()
	p := newPoller()
	if p == nil {
		t.Skip("this platform has no poller")
	}
	p.close()
}

func TestAllocations(t *testing.T) { //nolint:paralleltest // It measures.
	requirePoller(t)
	var r Registry
	c, client := pair(t, &r, newRecorder())
	go func() { _, _ = io.Copy(io.Discard, client) }()
	frame := make([]byte, 340)
	if n := testing.AllocsPerRun(1000, func() { c.TrySend(frame) }); n > 0.1 && !raceEnabled {
		t.Errorf("%v allocations a frame", n)
	}
}

// await waits for a condition.
func await(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}
