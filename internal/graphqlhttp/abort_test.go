package graphqlhttp

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// clientFrames returns frames of a client, the messages in one each and the last in two.
func clientFrames(messages ...string) []byte {
	var b bytes.Buffer
	for i, message := range messages {
		text := []byte(message)
		frame := ws.NewTextFrame(text)
		if i == len(messages)-1 {
			frame = ws.NewFrame(ws.OpText, false, text[:len(text)/2])
			_ = ws.WriteFrame(&b, ws.MaskFrame(frame))
			frame = ws.NewFrame(ws.OpContinuation, true, text[len(text)/2:])
		}
		_ = ws.WriteFrame(&b, ws.MaskFrame(frame))
	}
	return b.Bytes()
}

// TestAborts cuts connections off after every byte of what a client sends, in an orderly way and not, and checks that each stream
// that was admitted ends once, with its subscriptions.
func TestAborts(t *testing.T) {
	t.Parallel()
	const header = "Host: localhost\r\nAuthorization: Bearer x\r\n"
	handshake := "GET /graphql HTTP/1.1\r\n" + header + "Upgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
	const body = `{"query":"subscription {ticks}"}`
	for name, script := range map[string][]byte{
		"a WebSocket": append([]byte(handshake), clientFrames(`{"type":"connection_init","payload":{"authorization":"Bearer ada"}}`,
			`{"id":"1","type":"subscribe","payload":{"query":"subscription {ticks}"}}`, `{"id":"2","type":"subscribe","payload":{"query":"query Blocks {hello}"}}`,
			`{"id":"3","type":"subscribe","payload":{"query":"subscription {ticks}"}}`)...),
		"an event stream": []byte("POST /graphql HTTP/1.1\r\n" + header + "Accept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: 32\r\n\r\n" + body + "too much"),
		"multipart":       []byte("POST /graphql HTTP/1.0\r\n" + header + "Accept: " + acceptApollo + "\r\nContent-Type: application/json\r\nContent-Length: 32\r\n\r\n" + body),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var admitted, ended atomic.Int32
			f := newSocketFixture(t, func(cfg *Config) {
				cfg.AdmitStream = func(context.Context, context.Context, Transport) *gqlerror.Error { admitted.Add(1); return nil }
				cfg.StreamEnded = func(context.Context, StreamSummary) { ended.Add(1) }
			})
			var opened, stopped atomic.Int32
			go func() {
				for {
					select {
					case s := <-f.started:
						opened.Add(1)
						go s.sink.Next([]byte(`{"data":{"ticks":1}}`))
						go func() { <-s.stops; stopped.Add(1) }()
					case <-t.Context().Done():
						return
					}
				}
			}()
			address, err := net.ResolveTCPAddr("tcp", strings.TrimPrefix(f.url, "ws://"))
			if err != nil {
				t.Fatal(err)
			}
			for cut := range script {
				conn, err := net.DialTCP("tcp", nil, address)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = conn.Write(script[:cut+1])
				if cut%2 == 0 {
					_ = conn.SetLinger(0) // The server gets an error instead of the end.
				}
				if cut%3 == 0 { // Whatever comes first.
					_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
					_, _ = io.ReadFull(conn, make([]byte, 1))
				}
				_ = conn.Close()
			}
			for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
				if f.streams.Stats().Open == 0 && admitted.Load() == ended.Load() && opened.Load() == stopped.Load() && opened.Load() > 0 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("%d open; %d were admitted, %d have ended; of %d subscriptions %d have", f.streams.Stats().Open, admitted.Load(), ended.Load(), opened.Load(), stopped.Load())
				}
			}
		})
	}
}
