package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"golang.org/x/sync/errgroup"

	"taskql/internal/testkit/bench"
)

// TestIdleStreamsTakeLittleMemory bounds what the server keeps of an idle stream with one subscription: what is live after a
// garbage collection, with the goroutines. The users differ, and have a JWT each. Their caches are included.
func TestIdleStreamsTakeLittleMemory(t *testing.T) {
	t.Parallel()
	const warm, streams, most = 100, 500, 3500
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	issuer := &bench.Issuer{Key: key}
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/jwks") {
			issuer.ServeKeys(w, r)
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(auth.Close)
	issuer.URL = auth.URL
	for name, open := range map[string]func(conn net.Conn, token string) error{"WebSocket": openSocket, "event stream": openEvents} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			debug := "127.0.0.1:" + freePort(t)
			p := start(t, "LOG_LEVEL=error", "RATE_LIMIT=off", "AUTH_SERVER_URL="+auth.URL, "JWT_SECRET="+rand.Text()+rand.Text(), "DEBUG_ADDR="+debug)
			p.healthy(t)
			openAll := func(from, to int) {
				var group errgroup.Group
				group.SetLimit(8)
				for i := from; i < to; i++ {
					conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(p.URL, "http://"))
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { _ = conn.Close() })
					group.Go(func() error {
						token, err := issuer.Token(fmt.Sprintf("user%05d", i))
						if err != nil {
							return err
						}
						return open(conn, "Bearer "+token)
					})
				}
				if err := group.Wait(); err != nil {
					t.Fatal(err)
				}
			}
			openAll(0, warm)
			before := liveBytes(t, debug)
			openAll(warm, warm+streams)
			each := (liveBytes(t, debug) - before) / streams
			for deadline := time.Now().Add(time.Minute); each > most && time.Now().Before(deadline); {
				time.Sleep(100 * time.Millisecond) // On a busy machine the last streams may still be starting: they take less once they are idle.
				each = (liveBytes(t, debug) - before) / streams
			}
			t.Logf("%d bytes each", each)
			if each > most {
				t.Errorf("%d bytes for each stream, %d are allowed", each, most)
			}
		})
	}
}

// liveBytes returns the memory of what is reachable, and of goroutines with the smallest stack. What the runtime has for stacks is no
// measure: it keeps those of goroutines that have ended, and many run at once while streams are opened on a busy machine.
func liveBytes(t *testing.T, debug string) int {
	t.Helper()
	const smallestStack = 2 << 10
	read := func(path, line string) int {
		t.Helper()
		_, profile, err := get(t, "http://"+debug+"/debug/pprof/"+path)
		if err != nil {
			t.Fatal(err)
		}
		_, value, _ := strings.Cut(profile, line)
		n := 0
		if _, err := fmt.Sscan(value, &n); err != nil {
			t.Fatalf("no %q in the profile: %v", line, err)
		}
		return n
	}
	const heap, total = "# HeapAlloc = ", "goroutine profile: total "
	read("heap?gc=1&debug=1", heap) // The first garbage collection only takes it out of pools.
	return read("heap?gc=1&debug=1", heap) + smallestStack*read("goroutine?debug=1", total)
}

const watchTasks = "subscription { changes { tasks { id title version } token complete } }"

// openSocket opens a WebSocket with a subscription, and waits for its first result.
func openSocket(conn net.Conn, token string) error {
	dialer := ws.Dialer{Protocols: []string{"graphql-transport-ws"}}
	if _, _, err := dialer.Upgrade(conn, &url.URL{Scheme: "ws", Host: "localhost", Path: "/graphql"}); err != nil {
		return err
	}
	for _, step := range []struct {
		send any
		want string
	}{
		{map[string]any{"type": "connection_init", "payload": map[string]any{"Authorization": token}}, `"connection_ack"`},
		{map[string]any{"id": "1", "type": "subscribe", "payload": map[string]any{"query": watchTasks}}, `"complete":true`},
	} {
		message, err := json.Marshal(step.send)
		if err != nil {
			return err
		}
		if err := wsutil.WriteClientText(conn, message); err != nil {
			return err
		}
		answer, err := wsutil.ReadServerText(conn)
		if err != nil || !bytes.Contains(answer, []byte(step.want)) {
			return fmt.Errorf("answered %s, %w", answer, err)
		}
	}
	return nil
}

// openEvents opens a stream of events with a subscription, and waits for its first result.
func openEvents(conn net.Conn, token string) error {
	body, err := json.Marshal(map[string]any{"query": watchTasks})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n"+
		"Authorization: %s\r\nContent-Length: %d\r\n\r\n%s", token, len(body), body)
	if err != nil {
		return err
	}
	for r := bufio.NewReader(conn); ; {
		line, err := r.ReadString('\n')
		if strings.Contains(line, `"complete":true`) {
			return nil
		}
		if err != nil {
			return io.ErrUnexpectedEOF
		}
	}
}
