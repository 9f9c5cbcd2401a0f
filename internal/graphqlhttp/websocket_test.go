package graphqlhttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/google/go-cmp/cmp"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"taskql/internal/streamconn"
)

// socketFixture is a server whose subscriptions the test drives.
type socketFixture struct {
	url     string
	streams streamconn.Registry
	started chan *testStream
	ended   chan StreamSummary
	block   chan struct{} // operations of the name Blocks wait for it
	blocked chan struct{} // they send it when they begin to wait
}

type socketUserKey struct{}

// testStream is a subscription that was started.
type testStream struct {
	sink  Sink
	user  any
	ready chan struct{}
	stops chan struct{}
}

func (s *testStream) Ready() { s.ready <- struct{}{} }
func (s *testStream) Stop()  { s.stops <- struct{}{} }

func newSocketFixture(t *testing.T, changes ...func(*Config)) *socketFixture {
	t.Helper()
	f := &socketFixture{started: make(chan *testStream, 1000), ended: make(chan StreamSummary, 1000), block: make(chan struct{}), blocked: make(chan struct{}, 1000)}
	h := newHandler(t, append([]func(*Config){func(cfg *Config) {
		cfg.Streams = &f.streams
		cfg.Subscribe = func(ctx context.Context, _ *graphql.OperationContext, _ int, sink Sink) (Stream, *gqlerror.Error) {
			s := &testStream{sink: sink, user: ctx.Value(socketUserKey{}), ready: make(chan struct{}, 1000), stops: make(chan struct{}, 1000)}
			f.started <- s
			return s, nil
		}
		cfg.StreamEnded = func(_ context.Context, sum StreamSummary) { f.ended <- sum }
		cfg.AroundOperations = append(cfg.AroundOperations, f.blocking)
		cfg.Sockets.CredentialHeaders = []string{"Authorization", "X-Api-Key"}
		cfg.Sockets.Authenticate = authenticateTest
	}}, changes...)...)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	f.url = "ws" + strings.TrimPrefix(server.URL, "http")
	return f
}

// blocking makes operations of the name Blocks wait for the test or their context, and those of the name Refused fail.
func (f *socketFixture) blocking(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	switch graphql.GetOperationContext(ctx).Operation.Name {
	case "Blocks":
		f.blocked <- struct{}{}
		select {
		case <-f.block:
		case <-ctx.Done():
		}
	case "Refused":
		return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{present(ctx, codedError{code: CodeUnauthenticated})}})
	}
	return next(ctx)
}

// authenticateTest knows Ada's token and ticket.
func authenticateTest(ctx context.Context, c Credentials) (context.Context, *gqlerror.Error) {
	switch {
	case c.Ticket == "" && len(c.Header) == 0:
		return ctx, nil
	case c.Header.Get("Authorization") == "Bearer ada" || c.Ticket == "adas-ticket" || c.Header.Get("X-Api-Key") == "adas-key":
		return context.WithValue(ctx, socketUserKey{}, "ada"), nil
	case c.Header.Get("Authorization") == "Bearer panic":
		panic("in vain")
	case c.Header.Get("Authorization") == "Bearer later":
		err := gqlerror.Errorf("The auth server is down.")
		err.Extensions = map[string]any{"code": CodeServiceUnavailable}
		return nil, err
	default:
		return nil, gqlerror.Errorf("Invalid session")
	}
}

// dial opens a WebSocket.
func (f *socketFixture) dial(t *testing.T, protocols ...string) net.Conn {
	t.Helper()
	conn, buffered, _, err := ws.Dialer{Protocols: protocols}.Dial(t.Context(), f.url)
	if err != nil {
		t.Fatal(err)
	}
	if buffered != nil {
		conn = bufferedConn{conn, io.MultiReader(bytes.NewReader(must(buffered.Peek(buffered.Buffered()))), conn)}
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	return conn
}

type bufferedConn struct {
	net.Conn

	r io.Reader
}

func (c bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// receive returns the next message, or "close" with the status and the reason.
func receive(t *testing.T, conn net.Conn) string {
	t.Helper()
	for {
		header, err := ws.ReadHeader(conn)
		if err != nil {
			t.Fatalf("no message came: %v", err)
		}
		payload := make([]byte, header.Length)
		if _, err := io.ReadFull(conn, payload); err != nil {
			t.Fatal(err)
		}
		switch header.OpCode { //nolint:exhaustive // The server sends pings too, which the test ignores.
		case ws.OpText:
			return string(payload)
		case ws.OpClose:
			status, reason := ws.ParseCloseFrameData(payload)
			if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("after the close frame: %v", err)
			}
			return fmt.Sprintf("close %d %s", status, reason)
		}
	}
}

// play plays a transcript. A line begins with who does what:
//
//	>  the client sends the message
//	<  the client gets the message, or "close" with a status and a reason
//	+  the newest subscription sends the result; "Ready" waits until it may
//	-  the newest subscription ends, with an error of the code if there is one
//	!  the server: "stopped" (the newest subscription), "go on" (the operation that blocks), "drain"
func (f *socketFixture) play(t *testing.T, conn net.Conn, transcript string) {
	t.Helper()
	var stream *testStream
	for line := range strings.SplitSeq(strings.TrimSpace(transcript), "\n") {
		who, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch who {
		case "":
		case ">":
			if err := wsutil.WriteClientText(conn, []byte(text)); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(text, "subscription") {
				stream = <-f.started
			}
			if strings.Contains(text, "query Blocks") {
				<-f.blocked
			}
		case "<":
			if got := receive(t, conn); !sameJSON(got, text) {
				t.Fatalf("got  %s\nwant %s", got, text)
			}
		case "+":
			if !stream.sink.Next([]byte(text)) {
				t.Fatal("the result was refused")
			}
		case "-":
			stream.sink.End(errorsOf(text))
		case "!":
			f.do(t, text, stream)
		default:
			t.Fatalf("unknown line %q", line)
		}
	}
}

func (f *socketFixture) do(t *testing.T, what string, stream *testStream) {
	t.Helper()
	switch what {
	case "stopped":
		<-stream.stops
	case "go on":
		f.block <- struct{}{}
	case "drain":
		go f.streams.Drain(context.Background(), 0)
		for !f.streams.Draining() {
			time.Sleep(time.Millisecond)
		}
	default:
		t.Fatalf("unknown action %q", what)
	}
}

func errorsOf(code string) gqlerror.List {
	if code == "" {
		return nil
	}
	err := gqlerror.Errorf("it ended")
	err.Extensions = map[string]any{"code": code}
	return gqlerror.List{err}
}

// sameJSON compares JSON without its order, and other text as it is.
func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return a == b
	}
	return cmp.Equal(x, y)
}

const hello = `
	> {"type":"connection_init"}
	< {"type":"connection_ack"}
`

// TestSocketTranscripts has the wire-level cases of the tests of graphql-ws's server.
func TestSocketTranscripts(t *testing.T) {
	t.Parallel()
	const invalid = "close 4400 Invalid message: "
	tests := []struct{ name, transcript string }{
		{"init without a payload", hello},
		{"init with a payload", "> {\"type\":\"connection_init\",\"payload\":{\"token\":1,\"authorization\":null}}\n< {\"type\":\"connection_ack\"}"},
		{"init with null", "> {\"type\":\"connection_init\",\"payload\":null}\n< {\"type\":\"connection_ack\"}"},
		{"init with another payload", "> {\"type\":\"connection_init\",\"payload\":\"\"}\n< " + invalid + "payload must be an object"},
		{"two inits", hello + "> {\"type\":\"connection_init\"}\n< close 4429 Too many initialisation requests"},
		{"not JSON", "> Hello\n< " + invalid + "it must be a JSON object"},
		{"broken JSON", "> {\"type\"\n< " + invalid + "it is not valid JSON in UTF-8."},
		{"empty", "> \n< " + invalid + "it must be a JSON object"},
		{"two objects", "> {\"type\":\"ping\"}{}\n< " + invalid + "it is not valid JSON in UTF-8."},
		{"type twice", "> {\"type\":\"ping\",\"type\":\"pong\"}\n< " + invalid + "it has an object with the same member twice."},
		{"no type", "> {}\n< " + invalid + "its type is not one that a client sends"},
		{"the server's type", hello + "> {\"type\":\"connection_ack\"}\n< " + invalid + "its type is not one that a client sends"},
		{"nested too deep", "> {\"type\":\"ping\",\"payload\":" + strings.Repeat("[", 500) + "\n< " + invalid + "it is nested deeper than 200 levels."},
		{"subscribe before init", "> {\"id\":\"1\",\"type\":\"subscribe\",\"payload\":{\"query\":\"{hello}\"}}\n< close 4401 Unauthorized"},
		{"subscribe without id", hello + "> {\"type\":\"subscribe\",\"payload\":{\"query\":\"{hello}\"}}\n< " + invalid + "id must be a string that is not empty"},
		{"subscribe with a number as id", hello + "> {\"id\":1,\"type\":\"subscribe\",\"payload\":{\"query\":\"{hello}\"}}\n< " + invalid + "id must be a string."},
		{"subscribe with a long id", hello + "> {\"id\":\"" + strings.Repeat("x", 129) + "\",\"type\":\"subscribe\",\"payload\":{\"query\":\"{hello}\"}}\n< " + invalid + "id is too long"},
		{"subscribe without payload", hello + "> {\"id\":\"1\",\"type\":\"subscribe\"}\n< " + invalid + "payload must be an object"},
		{"subscribe with another query", hello + "> {\"id\":\"1\",\"type\":\"subscribe\",\"payload\":{\"query\":0}}\n< close 4400 query must be a string."},
		{"subscribe with other variables", hello + "> {\"id\":\"1\",\"type\":\"subscribe\",\"payload\":{\"query\":\"{hello}\",\"variables\":[]}}\n< close 4400 variables must be an object."},
		{"complete without id", hello + "> {\"type\":\"complete\"}\n< " + invalid + "id must be a string that is not empty"},
		{"complete of nothing", hello + "> {\"id\":\"1\",\"type\":\"complete\"}\n> {\"type\":\"ping\"}\n< {\"type\":\"pong\"}"},
		{"ping before init", "> {\"type\":\"ping\"}\n< {\"type\":\"pong\"}" + hello},
		{"ping with a payload", "> {\"type\":\"ping\",\"payload\": {\"a\" : [1]} }\n< {\"type\":\"pong\",\"payload\":{\"a\":[1]}}"},
		{"payload before type", "> {\"payload\":{\"a\":1},\"type\":\"ping\"}\n< {\"type\":\"pong\",\"payload\":{\"a\":1}}"},
		{"ping with a long payload", "> {\"type\":\"ping\",\"payload\":{\"a\":\"" + strings.Repeat("x", 2000) + "\"}}\n< {\"type\":\"pong\"}"},
		{"pongs", hello + "> {\"type\":\"pong\"}\n> {\"type\":\"pong\",\"payload\":{}}\n> {\"type\":\"ping\"}\n< {\"type\":\"pong\"}"},

		{"query", hello + `
			> {"id":"1","type":"subscribe","payload":{"query":"query($n:String){hello(name:$n)}","variables":{"n":"Ada"}}}
			< {"id":"1","type":"next","payload":{"data":{"hello":"Hello, Ada"}}}
			< {"id":"1","type":"complete"}
			> {"id":"1","type":"subscribe","payload":{"query":"{hello}"}}
			< {"id":"1","type":"next","payload":{"data":{"hello":"Hello, world"}}}
			< {"id":"1","type":"complete"}`},
		{"an id that has to be quoted", hello + `
			> {"id":"\"\u2028é\\","type":"subscribe","payload":{"query":"{hello}"}}
			< {"id":"\"\u2028é\\","type":"next","payload":{"data":{"hello":"Hello, world"}}}
			< {"id":"\"\u2028é\\","type":"complete"}`},
		{"mutation", hello + `
			> {"id":"m","type":"subscribe","payload":{"query":"mutation M {rename(to:\"x\")}","operationName":"M","extensions":null}}
			< {"id":"m","type":"next","payload":{"data":{"rename":"x"}}}
			< {"id":"m","type":"complete"}`},
		{"errors beside data", hello + `
			> {"id":"1","type":"subscribe","payload":{"query":"{broken}"}}
			< {"id":"1","type":"next","payload":{"data":{"broken":null},"errors":[{"message":"refused: BROKEN","extensions":{"code":"BROKEN"}}]}}
			< {"id":"1","type":"complete"}`},
		{"a null that propagates", hello + `
			> {"id":"1","type":"subscribe","payload":{"query":"{bubbles}"}}
			< {"id":"1","type":"next","payload":{"data":null,"errors":[{"message":"refused: BROKEN","extensions":{"code":"BROKEN"}}]}}
			< {"id":"1","type":"complete"}`},
		{"an invalid document", hello + `
			> {"id":"1","type":"subscribe","payload":{"query":"{"}}
			< {"id":"1","type":"error","payload":[{"message":"Expected Name, found <EOF>","locations":[{"line":1,"column":2}],"extensions":{"code":"GRAPHQL_PARSE_FAILED"}}]}
			> {"id":"1","type":"subscribe","payload":{"query":"{hello}"}}
			< {"id":"1","type":"next","payload":{"data":{"hello":"Hello, world"}}}
			< {"id":"1","type":"complete"}`},
		{"no document", hello + `
			> {"id":"1","type":"subscribe","payload":{}}
			< {"id":"1","type":"error","payload":[{"message":"query is missing: send the GraphQL document in it.","extensions":{"code":"BAD_REQUEST"}}]}`},
		{"a middleware's refusal", hello + `
			> {"id":"1","type":"subscribe","payload":{"query":"query Refused {hello}"}}
			< {"id":"1","type":"error","payload":[{"message":"refused: UNAUTHENTICATED","extensions":{"code":"UNAUTHENTICATED"}}]}`},
		{"a panic", hello + `
			> {"id":"1","type":"subscribe","payload":{"query":"{panics}"}}
			< {"id":"1","type":"error","payload":[{"message":"Internal error","extensions":{"code":"INTERNAL"}}]}`},

		{"subscription", hello + `
			> {"id":"s","type":"subscribe","payload":{"query":"subscription {ticks}"}}
			+ {"data":{"ticks":1}}
			< {"id":"s","type":"next","payload":{"data":{"ticks":1}}}
			> {"id":"1","type":"subscribe","payload":{"query":"{hello}"}}
			< {"id":"1","type":"next","payload":{"data":{"hello":"Hello, world"}}}
			< {"id":"1","type":"complete"}
			+ {"data":{"ticks":2}}
			< {"id":"s","type":"next","payload":{"data":{"ticks":2}}}
			-
			< {"id":"s","type":"complete"}
			> {"id":"s","type":"subscribe","payload":{"query":"subscription {ticks}"}}
			+ {"data":{"ticks":3}}
			< {"id":"s","type":"next","payload":{"data":{"ticks":3}}}`},
		{"a subscription that the client ends", hello + `
			> {"id":"s","type":"subscribe","payload":{"query":"subscription {ticks}"}}
			+ {"data":{"ticks":1}}
			< {"id":"s","type":"next","payload":{"data":{"ticks":1}}}
			> {"id":"s","type":"complete"}
			! stopped
			> {"type":"ping"}
			< {"type":"pong"}
			> {"id":"s","type":"subscribe","payload":{"query":"subscription {ticks}"}}
			+ {"data":{"ticks":1}}
			< {"id":"s","type":"next","payload":{"data":{"ticks":1}}}`},
		{"no complete after error", hello + `
			> {"id":"s","type":"subscribe","payload":{"query":"subscription {ticks}"}}
			- NOT_FOUND
			< {"id":"s","type":"error","payload":[{"message":"it ended","extensions":{"code":"NOT_FOUND"}}]}
			> {"id":"s","type":"complete"}
			> {"type":"ping"}
			< {"type":"pong"}`},
		{"a session that ends", hello + `
			> {"id":"s","type":"subscribe","payload":{"query":"subscription {ticks}"}}
			- UNAUTHENTICATED
			< close 4403 Forbidden`},
		{"a subscription twice", hello + `
			> {"id":"s","type":"subscribe","payload":{"query":"subscription {ticks}"}}
			> {"id":"s","type":"subscribe","payload":{"query":"{hello}"}}
			< close 4409 Subscriber for s already exists`},
		{"a query twice", hello + `
			> {"id":"q","type":"subscribe","payload":{"query":"query Blocks {hello}"}}
			> {"id":"q","type":"subscribe","payload":{"query":"{hello}"}}
			< close 4409 Subscriber for q already exists`},
		{"a query that the client gives up", hello + `
			> {"id":"q","type":"subscribe","payload":{"query":"query Blocks {hello}"}}
			> {"id":"q","type":"complete"}
			> {"id":"q","type":"subscribe","payload":{"query":"{number(value:2)}"}}
			< {"id":"q","type":"next","payload":{"data":{"number":2}}}
			< {"id":"q","type":"complete"}`},
		{"answers out of order", hello + `
			> {"id":"slow","type":"subscribe","payload":{"query":"query Blocks {hello}"}}
			> {"id":"fast","type":"subscribe","payload":{"query":"{hello}"}}
			< {"id":"fast","type":"next","payload":{"data":{"hello":"Hello, world"}}}
			< {"id":"fast","type":"complete"}
			! go on
			< {"id":"slow","type":"next","payload":{"data":{"hello":"Hello, world"}}}
			< {"id":"slow","type":"complete"}`},
		{"the server stops", hello + `
			! drain
			< close 1012 Service restart`},
		{"the server stops before init", `
			! drain
			< close 1012 Service restart`},
		{"the server stops while an operation runs", hello + `
			> {"id":"q","type":"subscribe","payload":{"query":"query Blocks {hello}"}}
			! drain
			! go on
			< {"id":"q","type":"next","payload":{"data":{"hello":"Hello, world"}}}
			< {"id":"q","type":"complete"}
			< close 1012 Service restart`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newSocketFixture(t)
			conn := f.dial(t, "graphql-transport-ws")
			f.play(t, conn, tt.transcript)
			_ = conn.Close()
			checkSocketSummary(t, <-f.ended, tt.transcript)
		})
	}
}

// checkSocketSummary compares the summary of a connection with its transcript.
func checkSocketSummary(t *testing.T, sum StreamSummary, transcript string) {
	t.Helper()
	reason := "1006"
	if _, closed, ok := strings.Cut(transcript, "< close "); ok {
		reason = closed[:len(reason)]
	}
	results := strings.Count(transcript, `"type":"next"`)
	if sum.Transport != TransportWebSocket || !sum.Detached || sum.Reason != reason || sum.Results != results {
		t.Errorf("summary %+v, want reason %s and %d results", sum, reason, results)
	}
}

// TestSocketSignIn checks who the operations' client is.
func TestSocketSignIn(t *testing.T) {
	t.Parallel()
	tests := []struct {
		payload, answer string
		user            any
	}{
		{`{}`, `{"type":"connection_ack"}`, nil},
		{`{"Authorization":""}`, `{"type":"connection_ack"}`, nil},
		{`{"other":"Bearer ada","ticker":"adas-ticket"}`, `{"type":"connection_ack"}`, nil},
		{`{"authorization":"Bearer ada"}`, `{"type":"connection_ack"}`, "ada"},
		{`{"AUTHORIZATION":"Bearer ada"}`, `{"type":"connection_ack"}`, "ada"},
		{`{"x-api-key":"adas-key"}`, `{"type":"connection_ack"}`, "ada"},
		{`{"ticket":"adas-ticket"}`, `{"type":"connection_ack"}`, "ada"},
		{`{"authorization":"Bearer eve"}`, "close 4403 Invalid session", nil},
		{`{"ticket":"used"}`, "close 4403 Invalid session", nil},
		{`{"authorization":"Bearer later"}`, "close 1013 The auth server is down.", nil},
		{`{"authorization":"Bearer ada","Authorization":"Bearer eve"}`, "close 4400 Invalid message: payload has Authorization twice.", nil},
		{`{"authorization":1}`, "close 4400 Invalid message: authorization must be a string.", nil},
		{`{"authorization":"` + strings.Repeat("x", maxCredential+1) + `"}`, "close 4400 Invalid message: authorization is too long.", nil},
	}
	for _, tt := range tests {
		t.Run(tt.payload[:min(len(tt.payload), 60)], func(t *testing.T) {
			t.Parallel()
			f := newSocketFixture(t)
			conn := f.dial(t, "graphql-transport-ws")
			f.play(t, conn, `> {"type":"connection_init","payload":`+tt.payload+"}\n< "+tt.answer)
			if strings.HasPrefix(tt.answer, "close") {
				return
			}
			if err := wsutil.WriteClientText(conn, []byte(`{"id":"1","type":"subscribe","payload":{"query":"subscription {ticks}"}}`)); err != nil {
				t.Fatal(err)
			}
			if got := (<-f.started).user; got != tt.user {
				t.Errorf("the client is %v, want %v", got, tt.user)
			}
		})
	}
}

// TestSocketAdmission checks that each connection counts once, for whom it belongs to.
func TestSocketAdmission(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	count := map[any]int{}
	full := false
	f := newSocketFixture(t, func(cfg *Config) {
		ended := cfg.StreamEnded
		cfg.AdmitStream = func(ctx, _ context.Context, _ Transport) *gqlerror.Error {
			mu.Lock()
			defer mu.Unlock()
			if full {
				return errorsOf(CodeTooManyStreams)[0]
			}
			count[ctx.Value(socketUserKey{})]++
			return nil
		}
		cfg.StreamEnded = func(ctx context.Context, sum StreamSummary) {
			mu.Lock()
			count[ctx.Value(socketUserKey{})]--
			mu.Unlock()
			if sum.Detached {
				ended(ctx, sum)
			}
		}
	})
	check := func(want map[any]int) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if !cmp.Equal(count, want) {
			t.Errorf("counts %v, want %v", count, want)
		}
	}
	conn := f.dial(t, "graphql-transport-ws")
	other := f.dial(t, "graphql-transport-ws")
	check(map[any]int{nil: 2})
	f.play(t, conn, "> {\"type\":\"connection_init\",\"payload\":{\"authorization\":\"Bearer ada\"}}\n< {\"type\":\"connection_ack\"}")
	check(map[any]int{nil: 1, "ada": 1})
	mu.Lock()
	full = true
	mu.Unlock()
	f.play(t, other, "> {\"type\":\"connection_init\",\"payload\":{\"authorization\":\"Bearer ada\"}}\n< close 1013 it ended")
	_, _, _, err := ws.Dialer{}.Dial(t.Context(), f.url)
	var status ws.StatusError
	if !errors.As(err, &status) || int(status) < 400 {
		t.Errorf("dialling a full server: %v", err)
	}
	_, _ = conn.Close(), other.Close()
	<-f.ended
	<-f.ended
	check(map[any]int{nil: 0, "ada": 0})
}

func TestSocketSubprotocol(t *testing.T) {
	t.Parallel()
	f := newSocketFixture(t)
	for _, offered := range [][]string{nil, {"graphql-ws"}, {"graphql-transport-w"}} {
		conn := f.dial(t, offered...)
		if got := receive(t, conn); got != "close 4406 Subprotocol not acceptable" {
			t.Errorf("%v: %s", offered, got)
		}
		_ = conn.Close()
		if sum := <-f.ended; sum.Reason != "4406" {
			t.Errorf("ended because of %s", sum.Reason)
		}
	}
	f.play(t, f.dial(t, "graphql-ws", "graphql-transport-ws"), hello)
}

// TestSocketRefusedHandshake checks the form of the answer to a wrong handshake.
func TestSocketRefusedHandshake(t *testing.T) {
	t.Parallel()
	f := newSocketFixture(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http"+strings.TrimPrefix(f.url, "ws"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "8", "Sec-WebSocket-Key": "x"} {
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusUpgradeRequired || resp.Header.Get("Sec-Websocket-Version") != "13" || !bytes.Contains(got, []byte(CodeBadRequest)) {
		t.Errorf("%v: %s", resp, got)
	}
}

// TestSocketLimits checks how many subscriptions there may be, and that more operations than may run at once wait.
func TestSocketLimits(t *testing.T) {
	t.Parallel()
	f := newSocketFixture(t, func(cfg *Config) { cfg.Sockets.Subscriptions = 2 })
	conn := f.dial(t, "graphql-transport-ws")
	f.play(t, conn, hello)
	send := func(id, query string) {
		t.Helper()
		if err := wsutil.WriteClientText(conn, fmt.Appendf(nil, `{"id":%q,"type":"subscribe","payload":{"query":%q}}`, id, query)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 {
		send(fmt.Sprint(i), "subscription {ticks}")
		<-f.started
	}
	send("third", "subscription {ticks}")
	if got := receive(t, conn); !strings.Contains(got, `"id":"third","type":"error"`) || !strings.Contains(got, CodeTooManyStreams) {
		t.Error(got)
	}
	<-(<-f.started).stops
	f.play(t, conn, `
		> {"id":"0","type":"complete"}
		> {"id":"0","type":"subscribe","payload":{"query":"subscription {ticks}"}}
		+ {"data":{"ticks":1}}
		< {"id":"0","type":"next","payload":{"data":{"ticks":1}}}`)
	for i := range maxRunning + 5 {
		send(fmt.Sprint("q", i), "query Blocks {hello}")
	}
	if err := wsutil.WriteClientText(conn, []byte(`{"type":"ping"}`)); err != nil {
		t.Fatal(err)
	}
	for range maxRunning + 5 {
		f.block <- struct{}{}
	}
	for i := range 2*(maxRunning+5) + 1 {
		if got := receive(t, conn); i < 2 && strings.Contains(got, "pong") {
			t.Error("the ping was read before there was room")
		}
	}
}

// TestSocketSlowClient checks that the results of a slow client are refused, and that every subscription hears when they are
// not any more.
func TestSocketSlowClient(t *testing.T) {
	t.Parallel()
	f := newSocketFixture(t)
	conn := f.dial(t, "graphql-transport-ws")
	f.play(t, conn, hello)
	var streams []*testStream
	for i := range 3 {
		if err := wsutil.WriteClientText(conn, fmt.Appendf(nil, `{"id":"%d","type":"subscribe","payload":{"query":"subscription {ticks}"}}`, i)); err != nil {
			t.Fatal(err)
		}
		streams = append(streams, <-f.started)
	}
	result := []byte(`{"data":"` + strings.Repeat("x", 100_000) + `"}`)
	sent := 0
	for streams[0].sink.Next(result) {
		sent++
	}
	if streams[1].sink.Next(result) {
		t.Error("taken from another subscription")
	}
	for range sent {
		if got := receive(t, conn); !strings.HasPrefix(got, `{"id":"0","type":"next","payload":{"data":"xxx`) {
			t.Fatalf("%.100s", got)
		}
	}
	<-streams[0].ready
	<-streams[1].ready
	if len(streams[2].ready) > 0 {
		t.Error("a subscription was told that was not refused")
	}
	for _, s := range streams {
		if !s.sink.Next([]byte(`{"data":{}}`)) {
			t.Error("still refused")
		}
	}
	_ = conn.Close()
	for _, s := range streams {
		<-s.stops
		if s.sink.Next([]byte(`{"data":{}}`)) {
			t.Error("taken after the end")
		}
	}
}

// TestSocketBudget checks that operations are charged as over HTTP.
func TestSocketBudget(t *testing.T) {
	t.Parallel()
	left := 40
	var mu sync.Mutex
	f := newSocketFixture(t, func(cfg *Config) {
		cfg.ReportCost = true
		cfg.Spend = func(_ context.Context, cost int, force bool) Balance {
			mu.Lock()
			defer mu.Unlock()
			if left <= 0 || cost > left && !force {
				return Balance{RetryAfter: time.Second}
			}
			left -= cost
			return Balance{OK: true, Remaining: max(left, 0)}
		}
	})
	conn := f.dial(t, "graphql-transport-ws")
	f.play(t, conn, hello+`
		> {"id":"1","type":"subscribe","payload":{"query":"{hello}"}}
		< {"id":"1","type":"next","payload":{"data":{"hello":"Hello, world"},"extensions":{"cost":{"requested":1,"remaining":39}}}}
		< {"id":"1","type":"complete"}
		> {"id":"2","type":"subscribe","payload":{"query":"{nope}"}}
		< {"id":"2","type":"error","payload":[{"message":"Cannot query field \"nope\" on type \"Query\".","locations":[{"line":1,"column":2}],"extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}]}`)
	mu.Lock()
	if want := 39 - refusalCost - 1; left != want {
		t.Errorf("%d are left, want %d", left, want)
	}
	left = 0
	mu.Unlock()
	if err := wsutil.WriteClientText(conn, []byte(`{"id":"3","type":"subscribe","payload":{"query":"{hello}"}}`)); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, conn); !strings.Contains(got, CodeRateLimited) || !strings.Contains(got, `"type":"error"`) {
		t.Error(got)
	}
	if err := wsutil.WriteClientText(conn, []byte(`{"type":"ping","payload":{"a":"`+strings.Repeat("x", 100_000)+`"}}`)); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, conn); !strings.HasPrefix(got, "close 1013 ") {
		t.Error(got)
	}
}

// TestSocketFrames checks that operations don't count against the limit on frames, and that other messages do.
func TestSocketFrames(t *testing.T) {
	t.Parallel()
	f := newSocketFixture(t)
	conn := f.dial(t, "graphql-transport-ws")
	f.play(t, conn, hello)
	send := func(message string) {
		if err := wsutil.WriteClientText(conn, []byte(message)); err != nil {
			t.Fatal(err)
		}
	}
	const most = 1000
	for range most {
		send(`{"id":"1","type":"subscribe","payload":{"query":"{hello}"}}`)
		receive(t, conn)
		if got := receive(t, conn); got != `{"id":"1","type":"complete"}` {
			t.Fatal(got)
		}
		send(`{"id":"1","type":"complete"}`)
	}
	for range 2*most + 10 { // A ping may come in between.
		if err := wsutil.WriteClientText(conn, []byte(`{"type":"pong"}`)); err != nil {
			break
		}
	}
	if got := receive(t, conn); got != "close 1008 too many frames in a short time" {
		t.Error(got)
	}
}

// TestSocketPanics checks that a panic closes only its connection, wherever it is.
func TestSocketPanics(t *testing.T) {
	t.Parallel()
	panics := make(chan any, 1)
	f := newSocketFixture(t, func(cfg *Config) {
		cfg.Sockets.Panicked = func(_ context.Context, value any) { panics <- value }
		cfg.Sockets.Around = func(context.Context, func(context.Context)) { panic("in vain") }
	})
	for _, messages := range []string{
		`> {"type":"connection_init","payload":{"Authorization":"Bearer panic"}}`,
		hello + `> {"id":"1","type":"subscribe","payload":{"query":"{hello}"}}`,
	} {
		conn := f.dial(t, "graphql-transport-ws")
		f.play(t, conn, messages+`
			< close 1011 Internal server error`)
		if got := <-panics; got != "in vain" {
			t.Errorf("panicked with %v", got)
		}
	}
}

// FuzzSocketMessage checks with any message that the server goes on or closes the connection.
func FuzzSocketMessage(f *testing.F) {
	for _, seed := range []string{
		`{"type":"connection_init","payload":{"authorization":"Bearer ada"}}`, `{"type":"ping","payload":{}}`,
		`{"id":"1","type":"subscribe","payload":{"query":"{hello}","variables":{"a":[1]}}}`, `{"payload": null ,"id":"1","type":"complete"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decodeMessage(data)
		if err != nil {
			return
		}
		if m.payload != nil && !json.Valid(m.payload) || len(m.text) > maxOperationID {
			t.Errorf("%q: payload %q, id %q", data, m.payload, m.text)
		}
		if credentials, err := m.credentials([]string{"Authorization"}); err == nil && len(credentials.Header) > 1 {
			t.Errorf("%q: %v", data, credentials)
		}
		_ = m.decode(&operation{}, 10)
	})
}
