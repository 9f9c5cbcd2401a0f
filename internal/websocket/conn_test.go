package websocket

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"taskql/internal/streamconn"
)

// TestHandshakeRefused checks what each wrong handshake is answered with.
func TestHandshakeRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tests := []struct {
		name, from, to string
		status         int
	}{
		{"another version", "Version: 13", "Version: 8", http.StatusUpgradeRequired},
		{"no version", "Sec-WebSocket-Version: 13\r\n", "", http.StatusUpgradeRequired},
		{"two versions", "Version: 13\r\n", "Version: 13\r\nSec-WebSocket-Version: 8\r\n", http.StatusUpgradeRequired},
		{"no key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", http.StatusBadRequest},
		{"a short key", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ==", http.StatusBadRequest},
		{"a key that is not base64", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZ!==", http.StatusBadRequest},
		{"two keys", "Sec-WebSocket-Version", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version", http.StatusBadRequest},
		{"no Connection: Upgrade", "keep-alive, Upgrade", "keep-alive", http.StatusBadRequest},
		{"HTTP/1.0", "HTTP/1.1", "HTTP/1.0", http.StatusHTTPVersionNotSupported},
		{"another upgrade", "Upgrade: websocket", "Upgrade: h2c", http.StatusTeapot},
		{"POST", "GET", "POST", http.StatusTeapot},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(handshake, tt.from) {
				t.Fatalf("the handshake has no %q", tt.from)
			}
			conn, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			write(t, conn, []byte(strings.Replace(handshake, tt.from, tt.to, 1)))
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != tt.status {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.status)
			}
			if got := resp.Header.Get("Sec-Websocket-Version"); (got == version) != (tt.status == http.StatusUpgradeRequired) {
				t.Errorf("Sec-WebSocket-Version: %q", got)
			}
		})
	}
}

// TestEarlyFrames checks that what comes in one packet with the handshake is not lost.
func TestEarlyFrames(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	long := strings.Repeat("x", 3000)
	_, r := dial(t, s, join(in(fin|text, "early"), in(text, long), in(fin|continuation, long)))
	for _, want := range []string{"early", long + long} {
		if got, err := readFrame(t, r); err != nil || got != echoed(want) {
			t.Errorf("got %.40q and %v", got.payload, err)
		}
	}
}

// TestCloseByServer checks that the server's close frame is read by a client that is still sending, and which status Serve
// returns.
func TestCloseByServer(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	conn, r := dial(t, s, nil)
	go func() {
		_, _ = conn.Write(join(in(fin|text, "close"), bytes.Repeat(in(fin|text, strings.Repeat("x", 100)), 10_000)))
	}()
	got, err := readFrame(t, r)
	if err != nil || got.op != closing || !strings.HasPrefix(got.payload, closePayload(4400, "éé")) {
		t.Fatalf("got %v and %v", got, err)
	}
	if reason := got.payload[2:]; len(reason) < 120 || len(reason) > 123 || !utf8.ValidString(reason) {
		t.Errorf("the reason has %d bytes", len(reason))
	}
	if _, err := readFrame(t, r); !errors.Is(err, io.EOF) {
		t.Errorf("after the close frame: %v", err)
	}
	_ = conn.Close()
	if status := <-(<-s.conns).status; status != 4400 {
		t.Errorf("Serve returned %d", status)
	}
}

// TestStatus checks which status Serve returns.
func TestStatus(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		input []byte
		want  Status
	}{
		{"closed", goodbye, StatusNormal},
		{"closed without a status", in(fin|closing, ""), StatusNone},
		{"closed with its own status", in(fin|closing, closePayload(4999, "")), 4999},
		{"left", nil, StatusAbnormal},
		{"left within a frame", in(fin|text, "hello")[:5], StatusAbnormal},
		{"left within a message", in(text, "hello"), StatusAbnormal},
		{"broke the protocol", in(fin|15, ""), StatusProtocolError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			conn, _ := dial(t, s, tt.input)
			_ = conn.CloseWrite()
			if got := <-(<-s.conns).status; got != tt.want {
				t.Errorf("Serve returned %d, want %d", got, tt.want)
			}
			if open := s.registry.Stats().Open; open != 0 {
				t.Errorf("%d connections are open", open)
			}
		})
	}
}

// TestTimeouts checks what happens to clients that don't finish what they begin.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	const initTimeout = 10 * time.Second
	tests := []struct {
		name  string
		input []byte
		want  []outFrame
		after time.Duration
	}{
		{"nothing", nil, []outFrame{broken(4408)}, initTimeout},
		{"pongs only", in(fin|pong, ""), []outFrame{broken(4408)}, initTimeout},
		{"other messages only", in(fin|text, "other"), []outFrame{echoed("other"), broken(4408)}, initTimeout},
		{"half of the first message", in(fin|text, "hello")[:7], []outFrame{broken(4408)}, initTimeout},
		{"half of a later message", join(in(fin|text, "hello"), in(text, "x")), []outFrame{echoed("hello"), broken(StatusPolicy)}, messageTimeout},
		{
			"a frame that never ends", join(in(fin|text, "hello"), []byte{fin | text, 0x80 | 100, 0, 0, 0, 0, 'x'}),
			[]outFrame{echoed("hello"), broken(StatusPolicy)},
			messageTimeout,
		},
		{
			"a message that never ends", join(in(fin|text, "hello"), in(text, "x"), in(fin|ping, "")),
			[]outFrame{echoed("hello"), {pong, ""}, broken(StatusPolicy)},
			messageTimeout,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var registry streamconn.Registry
				conn, client := net.Pipe()
				e := &echo{status: make(chan Status, 1)}
				began := time.Now()
				e.Open(&registry, conn, nil, e, &Config{MaxMessage: maxMessage, InitTimeout: initTimeout, InitStatus: 4408})
				e.Start()
				more := in(fin|pong, "") // Pings are answered.
				if bytes.HasSuffix(tt.input, []byte{'x'}) {
					more = []byte("xxxx") // The frame goes on.
				}
				go func() {
					_, _ = client.Write(tt.input)
					for tt.after > initTimeout {
						time.Sleep(streamconn.PingInterval / 2)
						if _, err := client.Write(more); err != nil {
							return
						}
					}
				}()
				for _, want := range tt.want {
					got, err := readFrame(t, client)
					for got.op == ping && err == nil {
						got, err = readFrame(t, client)
					}
					if err == nil && got.op == closing {
						got.payload = got.payload[:2]
					}
					if err != nil || got != want {
						t.Fatalf("got %v and %v, want %v", got, err, want)
					}
				}
				if took := time.Since(began); took < tt.after || took > tt.after+time.Second {
					t.Errorf("closed after %s, want %s", took, tt.after)
				}
				<-e.status
				_ = client.Close()
				time.Sleep(streamconn.PingInterval)
			})
		})
	}
}

// TestIdle checks that a client that answers pings stays connected for ever, with no buffer, and that one that doesn't is found
// out.
func TestIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var registry streamconn.Registry
		conn, client := net.Pipe()
		e := &echo{status: make(chan Status, 1)}
		e.Open(&registry, conn, nil, e, &Config{MaxMessage: maxMessage})
		e.Start()
		for range 1000 {
			got, err := readFrame(t, client)
			if err != nil || got != (outFrame{ping, ""}) {
				t.Fatalf("got %v and %v", got, err)
			}
			write(t, client, in(fin|pong, ""))
		}
		synctest.Wait()
		if e.input != nil {
			t.Error("an idle connection has a buffer")
		}
		silent := time.Now()
		if _, err := readFrame(t, client); err != nil {
			t.Fatal(err)
		}
		if _, err := readFrame(t, client); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		if took := time.Since(silent); took > time.Minute {
			t.Errorf("a silent client was found out after %s", took)
		}
		if status := <-e.status; status != StatusAbnormal {
			t.Errorf("status %d", status)
		}
	})
}

// TestOpenWhileDraining checks that no connection begins while the server stops.
func TestOpenWhileDraining(t *testing.T) {
	t.Parallel()
	var registry streamconn.Registry
	registry.Drain(t.Context(), 0)
	conn, client := net.Pipe()
	e := &echo{}
	if e.Open(&registry, conn, nil, e, &Config{}) {
		t.Error("opened")
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// FuzzRead checks with any input that reading ends, that every message is valid, and that memory is bounded.
func FuzzRead(f *testing.F) {
	for _, e := range exchanges() {
		if len(e.in) < 2000 {
			f.Add(e.in, 3)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, step int) {
		var registry streamconn.Registry
		conn := &script{in: data, step: max(step, 1)}
		var got int
		h := &checker{message: func(message []byte) {
			if got += len(message); !utf8.Valid(message) || len(message) > 100 || got > len(data) {
				t.Errorf("a message: %q", message)
			}
		}}
		var c Conn
		c.Open(&registry, conn, nil, h, &Config{MaxMessage: 100})
		c.conn.Serve()
		if registry.Stats().Open != 0 || c.input != nil {
			t.Error("something is left")
		}
	})
}

type checker struct{ message func([]byte) }

func (c *checker) Message(data []byte) { c.message(data) }
func (*checker) Arriving(int) bool     { return true }
func (*checker) Ready()                {}
func (*checker) Closed(Status)         {}
func (*checker) Drain()                {}

// script is a connection whose client sends in, in steps, and leaves.
type script struct {
	net.Conn

	in   []byte
	step int
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.in[:min(s.step, len(s.in))])
	s.in = s.in[n:]
	return n, nil
}
func (*script) Write(p []byte) (int, error)      { return len(p), nil }
func (*script) Close() error                     { return nil }
func (*script) SetDeadline(time.Time) error      { return nil }
func (*script) SetReadDeadline(time.Time) error  { return nil }
func (*script) SetWriteDeadline(time.Time) error { return nil }

// TestFrameLimit checks that a client can't keep the server busy with frames that cost nothing, of any kind, and that they are
// counted from 0 after each ping.
func TestFrameLimit(t *testing.T) {
	t.Parallel()
	for name, flood := range map[string][]byte{"pings": in(fin|ping, "x"), "pongs": in(fin|pong, ""), "messages": in(fin|text, "x"), "fragments": in(continuation, "")} {
		synctest.Test(t, func(t *testing.T) {
			var registry streamconn.Registry
			conn, client := net.Pipe()
			e := &echo{status: make(chan Status, 1)}
			e.Open(&registry, conn, nil, e, &Config{MaxMessage: maxMessage})
			e.Start()
			pings := make(chan struct{}, 10)
			go func() {
				for {
					got, err := readFrame(t, client)
					if err != nil {
						return
					}
					if got == (outFrame{ping, ""}) {
						pings <- struct{}{}
					}
				}
			}()
			if name == "fragments" {
				write(t, client, in(text, ""))
			}
			send := func(n int) {
				for range n {
					if _, err := client.Write(flood); err != nil {
						return
					}
				}
				synctest.Wait()
			}
			send(maxFrames - 1)
			<-pings
			send(maxFrames)
			if status := e.Conn.status.Load(); status != 0 {
				t.Errorf("%s: closed with %d too early", name, status)
			}
			e.Paid(10)
			send(10)
			if status := e.Conn.status.Load(); status != 0 {
				t.Errorf("%s: closed with %d although frames were paid", name, status)
			}
			send(1)
			if status := Status(e.Conn.status.Load()); status != StatusPolicy {
				t.Errorf("%s: status %d", name, status)
			}
			_ = client.Close()
			<-e.status
		})
	}
}
