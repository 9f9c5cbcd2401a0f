package websocket

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"taskql/internal/streamconn"
)

// Opcodes and bits of frames, by the RFC's numbers.
const (
	continuation, text, binaryData, closing, ping, pong = 0, 1, 2, 8, 9, 10

	fin, rsv1, rsv2, rsv3 = 0x80, 0x40, 0x20, 0x10
)

// maxMessage is the longest message of the echo server.
const maxMessage = 1 << 20

// in returns a client's frame. first is its first byte.
func in(first int, payload string) []byte {
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	frame := []byte{byte(first)}
	switch {
	case len(payload) < 126:
		frame = append(frame, 0x80|byte(len(payload)))
	case len(payload) < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(len(payload)))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 0x80|127), uint64(len(payload)))
	}
	frame = append(frame, mask[:]...)
	for i := range len(payload) {
		frame = append(frame, payload[i]^mask[i%4])
	}
	return frame
}

// outFrame is a frame of the server.
type outFrame struct {
	op      int
	payload string
}

func closePayload(status Status, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(status))) + reason
}

// readFrame reads a frame of the server, and checks what is true of all.
func readFrame(t *testing.T, r io.Reader) (outFrame, error) {
	t.Helper()
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return outFrame{}, err
	}
	if head[0]&fin == 0 || head[0]&(rsv1|rsv2|rsv3) != 0 || head[1]&0x80 != 0 {
		t.Errorf("a server's frame begins with % x", head)
	}
	length := uint64(head[1])
	switch length {
	case 126:
		var b [2]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			t.Fatal(err)
		}
		length = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			t.Fatal(err)
		}
		length = binary.BigEndian.Uint64(b[:])
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(r, payload); err != nil {
		t.Fatal(err)
	}
	return outFrame{int(head[0] & 0x0f), string(payload)}, nil
}

// echo is a Handler that sends each message back. It refuses to take the message "close" and the rest of a long one.
type echo struct {
	Conn

	arrived atomic.Int64
	status  chan Status
}

func (e *echo) Message(data []byte) {
	if string(data) == "close" {
		e.Close(4400, strings.Repeat("é", 100))
		return
	}
	if string(data) == "hello" {
		e.Initialised()
	}
	_ = e.Send(data)
}

func (e *echo) Arriving(n int) bool {
	e.arrived.Store(int64(n))
	return n < 1<<19
}
func (e *echo) Closed(status Status) { e.status <- status }
func (e *echo) Ready()               {}
func (e *echo) Drain()               { e.Close(StatusRestart, "") }

// server is a server that echoes.
type server struct {
	*httptest.Server

	registry streamconn.Registry
	conns    chan *echo
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{conns: make(chan *echo, 10_000)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !IsHandshake(r) {
			http.Error(w, "not a handshake", http.StatusTeapot)
			return
		}
		if err := Check(r); err != nil {
			for name, values := range err.Header {
				w.Header()[name] = values
			}
			http.Error(w, err.Message, err.Status)
			return
		}
		protocol := ""
		if Offers(r, "echo") {
			protocol = "echo"
		}
		w.Header().Set("X-Request-Id", "id")
		conn, early, err := Accept(w, r, protocol)
		if err != nil {
			t.Error(err)
			return
		}
		e := &echo{status: make(chan Status, 1)}
		config := Config{MaxMessage: maxMessage}
		if !e.Open(&s.registry, conn, early, e, &config) {
			return
		}
		s.conns <- e
		e.Start()
	}))
	t.Cleanup(s.Close)
	return s
}

const handshake = "GET /graphql HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, echo\r\n\r\n"

// dial opens a connection. early follows the handshake in the same packet.
func dial(t *testing.T, s *server, early []byte) (*net.TCPConn, *bufio.Reader) {
	t.Helper()
	address, err := net.ResolveTCPAddr("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialTCP("tcp", nil, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	write(t, conn, append([]byte(handshake), early...))
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-Websocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" ||
		resp.Header.Get("Sec-Websocket-Protocol") != "echo" || resp.Header.Get("X-Request-Id") != "id" {
		t.Fatalf("handshake: %v", resp)
	}
	return conn, r
}

func write(t *testing.T, w io.Writer, data []byte) {
	t.Helper()
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
}

// join joins frames.
func join(all ...[]byte) []byte { return bytes.Join(all, nil) }
