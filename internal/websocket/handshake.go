// Package websocket is the server's side of RFC 6455 for messages of text. It takes the connection from net/http, reads with
// buffers that are borrowed while a message arrives, and sends through package streamconn. There are no extensions:
// compression would need a window of memory for each connection. It knows nothing of what the messages say.
package websocket

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/net/http/httpguts"
)

const (
	version = "13"
	keySize = 16
	// handshakeTimeout is how long the answer to a handshake may take.
	handshakeTimeout = 10 * time.Second
)

// HandshakeError is what is wrong with a request that asks for a WebSocket, as an HTTP response. The message is safe to show.
type HandshakeError struct {
	Status  int
	Message string
	Header  http.Header
}

// Error implements error.
func (e *HandshakeError) Error() string { return e.Message }

// IsHandshake reports whether a request asks for a WebSocket, properly or not.
func IsHandshake(r *http.Request) bool {
	return r.Method == http.MethodGet && httpguts.HeaderValuesContainsToken(r.Header["Upgrade"], "websocket")
}

// Check returns what is wrong with the handshake (RFC 6455, section 4.2.1), or nil. The request's origin is the caller's to
// check.
func Check(r *http.Request) *HandshakeError {
	keys := r.Header["Sec-Websocket-Key"]
	switch {
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return &HandshakeError{Status: http.StatusHTTPVersionNotSupported, Message: "A WebSocket can only be opened with HTTP/1.1."}
	case !httpguts.HeaderValuesContainsToken(r.Header["Connection"], "upgrade"):
		return badHandshake("Connection", "Upgrade; a proxy in between may have removed it")
	case !slices.Equal(r.Header["Sec-Websocket-Version"], []string{version}):
		e := badHandshake("Sec-WebSocket-Version", version)
		e.Status = http.StatusUpgradeRequired
		e.Header = http.Header{"Upgrade": {"websocket"}, "Sec-Websocket-Version": {version}}
		return e
	case len(keys) != 1 || !isKey(keys[0]):
		return badHandshake("Sec-WebSocket-Key", fmt.Sprintf("%d bytes in base64, once", keySize))
	}
	return nil
}

func badHandshake(header, want string) *HandshakeError {
	return &HandshakeError{Status: http.StatusBadRequest, Message: fmt.Sprintf("To open a WebSocket, the header %s must be %s.", header, want)}
}

func isKey(key string) bool {
	decoded, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(decoded) == keySize
}

// Offers reports whether the client offers the subprotocol.
func Offers(r *http.Request, subprotocol string) bool {
	for _, line := range r.Header["Sec-Websocket-Protocol"] {
		for offered := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(offered) == subprotocol {
				return true
			}
		}
	}
	return false
}

// Accept completes a handshake that Check accepted, with the subprotocol unless it is empty, and takes the connection from the
// HTTP server. The response has w's headers. It also returns what the client has sent already. After an error the
// connection is closed.
func Accept(w http.ResponseWriter, r *http.Request, subprotocol string) (net.Conn, []byte, error) {
	upgrader := ws.HTTPUpgrader{Timeout: handshakeTimeout, Header: w.Header()}
	if subprotocol != "" {
		upgrader.Protocol = func(offered string) bool { return offered == subprotocol }
	}
	conn, buffered, _, err := upgrader.Upgrade(r, w)
	if err != nil {
		if conn != nil {
			conn.Close()
		}
		return nil, nil, fmt.Errorf("opening a WebSocket: %w", err)
	}
	early, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	return conn, slices.Clone(early), nil
}
