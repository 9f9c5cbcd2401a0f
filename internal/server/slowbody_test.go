package server

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// slowServer serves a handler with the limits of connections, which change may change, and returns its address.
func slowServer(t *testing.T, handler http.Handler, change func(*http.Server)) string {
	t.Helper()
	listener, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := (&gracefulServer{handler: handler, log: slog.New(slog.DiscardHandler)}).httpServer(t.Context())
	change(server)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}

// sendSlowly sends a GraphQL request whose body comes in two halves, calls between in between, and returns the answer.
// If between returns false, the second half is never sent.
func sendSlowly(t *testing.T, address, cookie, body string, between func() bool) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAccept: %s\r\nCookie: %s\r\nContent-Length: %d\r\n\r\n%s",
		address, mediaGraphQL, cookie, len(body), body[:len(body)/2]); err != nil {
		t.Fatal(err)
	}
	if between() {
		if _, err := io.WriteString(conn, body[len(body)/2:]); err != nil {
			t.Fatal(err)
		}
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(answer)
}

// TestSlowUpload: a slow upload uses up neither the operation's time nor the answer's, which start when the body has arrived.
func TestSlowUpload(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, map[string]string{"LIMIT_OPERATION_TIME": "4s"})
	cookie := signUp(t, newBrowser(t, s))
	address := slowServer(t, s.Handler(), func(server *http.Server) { server.WriteTimeout = 4 * time.Second })
	response, answer := sendSlowly(t, address, cookie, `{"query":"mutation { createTask(input: {title: \"slow\"}) { task { title } userErrors { code } } }"}`, func() bool {
		time.Sleep(4500 * time.Millisecond) // Longer than both.
		return true
	})
	if response.StatusCode != http.StatusOK || answer != `{"data":{"createTask":{"task":{"title":"slow"},"userErrors":[]}}}` {
		t.Errorf("%d %s", response.StatusCode, answer)
	}
}

// TestBodyTimeout: a body that does not arrive in time is answered with 408, and its connection is closed.
func TestBodyTimeout(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, map[string]string{})
	address := slowServer(t, s.Handler(), func(server *http.Server) {
		server.ReadTimeout, server.WriteTimeout = time.Second, 500*time.Millisecond
	})
	response, answer := sendSlowly(t, address, "", `{"query":"{ __typename }"}`, func() bool { return false })
	if response.StatusCode != http.StatusRequestTimeout || !strings.Contains(answer, `"code":"REQUEST_TIMEOUT"`) || !response.Close {
		t.Errorf("%d, closed: %v, %s", response.StatusCode, response.Close, answer)
	}
}
