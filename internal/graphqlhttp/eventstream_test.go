package graphqlhttp

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"taskql/internal/streamconn"
)

// The text around one result in each format, and the Accept headers of the clients that ask for it.
const (
	sseOpen, sseBefore, sseAfter, sseComplete = ":\n\n", "event: next\ndata: ", "\n\n", "event: complete\ndata:\n\n"

	partOpen, partBefore, partAfter, partComplete = "\r\n--graphql", "\r\nContent-Type: application/json\r\n\r\n{\"payload\":", "}\r\n--graphql", "--\r\n"

	acceptSSE    = "text/event-stream"
	acceptApollo = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/graphql-response+json,application/json;q=0.9"
)

// feed is a server whose subscriptions the test drives.
type feed struct {
	*httptest.Server

	streams streamconn.Registry
	started chan *subscription
	ended   chan StreamSummary
}

// subscription is a running subscription of a feed.
type subscription struct {
	Sink

	ready, stopped chan struct{}
}

func (s *subscription) Ready() { s.ready <- struct{}{} }

func (s *subscription) Stop() { s.stopped <- struct{}{} }

// next sends a result, and checks that it was taken.
func (s *subscription) next(t *testing.T, data string) {
	t.Helper()
	if !s.Next([]byte(data)) {
		t.Fatal("the result was refused")
	}
}

// newFeed returns a feed. begin, if not nil, is called with each subscription before Subscribe returns.
func newFeed(t *testing.T, begin func(*subscription), changes ...func(*Config)) *feed {
	t.Helper()
	f := &feed{started: make(chan *subscription, 100), ended: make(chan StreamSummary, 100)}
	h := newHandler(t, append(changes, func(cfg *Config) {
		cfg.Streams = &f.streams
		cfg.StreamEnded = func(_ context.Context, sum StreamSummary) { f.ended <- sum }
		cfg.Timeout = time.Minute
		cfg.Subscribe = func(_ context.Context, _ *graphql.OperationContext, _ int, sink Sink) (Stream, *gqlerror.Error) {
			s := &subscription{Sink: sink, ready: make(chan struct{}, 100), stopped: make(chan struct{}, 100)}
			if begin != nil {
				begin(s)
			}
			f.started <- s
			return s, nil
		}
	})...)
	f.Server = httptest.NewUnstartedServer(h)
	f.EnableHTTP2 = true
	t.Cleanup(func() {
		f.Close()
		await(t, func() bool { return f.streams.Stats() == streamconn.Stats{} })
	})
	return f
}

// dial connects to the feed and sends a request.
func (f *feed) dial(t *testing.T, text string) *client {
	t.Helper()
	if f.URL == "" {
		f.Start()
	}
	conn, err := net.Dial("tcp", f.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return &client{Conn: conn, reader: bufio.NewReader(conn)}
}

// client is a client's end of a connection.
type client struct {
	net.Conn

	reader *bufio.Reader
}

// header reads the header of the response, and checks its first line.
func (c *client) header(t *testing.T) http.Header {
	t.Helper()
	var text strings.Builder
	for !strings.HasSuffix(text.String(), "\r\n\r\n") {
		b, err := c.reader.ReadByte()
		if err != nil {
			t.Fatalf("after %q: %v", text.String(), err)
		}
		text.WriteByte(b)
	}
	first, rest, _ := strings.Cut(text.String(), "\r\n")
	if first != "HTTP/1.1 200 OK" {
		t.Errorf("first line %q", first)
	}
	header := http.Header{}
	for line := range strings.SplitSeq(strings.TrimSpace(rest), "\r\n") {
		name, value, _ := strings.Cut(line, ": ")
		header.Add(name, value)
	}
	return header
}

// expect reads chunks, and checks that they are the wanted ones.
func (c *client) expect(t *testing.T, chunks ...string) {
	t.Helper()
	var want strings.Builder
	for _, chunk := range chunks {
		want.WriteString(strconv.FormatInt(int64(len(chunk)), 16) + "\r\n" + chunk + "\r\n")
	}
	got := make([]byte, want.Len())
	if _, err := io.ReadFull(c.reader, got); err != nil || string(got) != want.String() {
		t.Fatalf("got %q, %v; want %q", got, err, want.String())
	}
}

// expectEnd reads the last chunk and the connection's end.
func (c *client) expectEnd(t *testing.T) {
	t.Helper()
	if rest, err := io.ReadAll(c.reader); err != nil || string(rest) != "0\r\n\r\n" {
		t.Errorf("at the end: %q, %v", rest, err)
	}
	_ = c.Close()
}

// subscribePOST is a request for a subscription.
func subscribePOST(accept string) string {
	const body = `{"query":"subscription Clock { ticks }"}`
	return "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAccept: " + accept +
		"\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// subscribeGET is the same in a URL.
func subscribeGET(accept string) string {
	return "GET /graphql?query=" + url.QueryEscape("subscription Clock { ticks }") + " HTTP/1.1\r\nHost: x\r\nAccept: " + accept + "\r\n\r\n"
}

// The bytes of a whole stream in both formats.
func TestEventStreamOnTheWire(t *testing.T) {
	t.Parallel()
	const one, two = `{"data":{"ticks":1}}`, `{"data":{"ticks":2}}`
	tests := []struct {
		name, request, contentType          string
		open, before, after, ping, complete string
	}{
		{"graphql-sse by POST", subscribePOST(acceptSSE), "text/event-stream; charset=utf-8", sseOpen, sseBefore, sseAfter, ":\n\n", sseComplete},
		{"EventSource", subscribeGET(acceptSSE), "text/event-stream; charset=utf-8", sseOpen, sseBefore, sseAfter, ":\n\n", sseComplete},
		{
			"urql", subscribePOST("text/event-stream, multipart/mixed"), "text/event-stream; charset=utf-8",
			sseOpen, sseBefore, sseAfter, ":\n\n", sseComplete,
		},
		{
			"Apollo", subscribePOST(acceptApollo), `multipart/mixed;boundary="graphql";subscriptionSpec=1.0`,
			partOpen, partBefore, partAfter, "\r\nContent-Type: application/json\r\n\r\n{}\r\n--graphql", partComplete,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFeed(t, nil)
			c := f.dial(t, tt.request)
			s := <-f.started
			header := c.header(t)
			if _, err := time.Parse(http.TimeFormat, header.Get("Date")); err != nil {
				t.Error(err)
			}
			header.Del("Date")
			want := http.Header{
				"Content-Type": {tt.contentType}, "Cache-Control": {"no-store, no-transform"}, "Connection": {"close"},
				"Transfer-Encoding": {"chunked"}, "Vary": {"Accept"}, "X-Accel-Buffering": {"no"},
			}
			for name, values := range want {
				if !slices.Equal(header[name], values) || len(header) != len(want) {
					t.Errorf("%s: %q, want %q; all: %v", name, header[name], values, header)
				}
			}
			c.expect(t, tt.open)
			s.next(t, one)
			c.expect(t, tt.before+one+tt.after)
			s.Sink.(*eventStream).Ping(true) //nolint:errcheck // It is one.
			s.next(t, two)
			c.expect(t, tt.ping, tt.before+two+tt.after)
			s.End(nil)
			c.expect(t, tt.complete)
			c.expectEnd(t)
			<-s.stopped
			sum := <-f.ended
			length := len(tt.open + tt.before + one + tt.after + tt.ping + tt.before + two + tt.after + tt.complete)
			if sum.Operation != (OperationInfo{"Clock", "subscription"}) || len(sum.Codes) > 0 || !sum.Detached || sum.Bytes != int64(length) {
				t.Errorf("summary %+v, want %d bytes", sum, length)
			}
			if sum.Transport == TransportMultipart != (tt.name == "Apollo") || sum.Reason != StreamComplete || sum.Results != 2 {
				t.Errorf("summary %+v", sum)
			}
		})
	}
}

// A subscription that fails ends with its errors as a result.
func TestEventStreamFails(t *testing.T) {
	t.Parallel()
	failure := gqlerror.Errorf("Signed out")
	failure.Extensions = map[string]any{"code": CodeUnauthenticated}
	const result = `{"errors":[{"message":"Signed out","extensions":{"code":"UNAUTHENTICATED"}}]}`
	for accept, want := range map[string][]string{
		acceptSSE:    {sseOpen, sseBefore + result + sseAfter, sseComplete},
		acceptApollo: {partOpen, partBefore + result + partAfter, partComplete},
	} {
		f := newFeed(t, nil)
		c := f.dial(t, subscribePOST(accept))
		s := <-f.started
		s.End(gqlerror.List{failure})
		s.End(nil) // Ignored.
		c.header(t)
		c.expect(t, want...)
		c.expectEnd(t)
		if sum := <-f.ended; !slices.Equal(sum.Codes, []string{CodeUnauthenticated}) || sum.Reason != StreamFailed || sum.Results != 0 {
			t.Errorf("summary %+v", sum)
		}
	}
}

// A server that stops makes clients connect again: graphql-sse if "complete" is missing, and Apollo upon a transport's error.
func TestEventStreamDrains(t *testing.T) {
	t.Parallel()
	const restart = "\r\nContent-Type: application/json\r\n\r\n" +
		`{"payload":null,"errors":[{"message":"The server is restarting: connect again.","extensions":{"code":"SERVICE_UNAVAILABLE"}}]}` + "\r\n--graphql--\r\n"
	for accept, want := range map[string][]string{acceptSSE: {sseOpen}, acceptApollo: {partOpen, restart}} {
		f := newFeed(t, nil)
		c := f.dial(t, subscribePOST(accept))
		s := <-f.started
		c.header(t)
		drained := make(chan int, 1)
		go func() { drained <- f.streams.Drain(t.Context(), 0) }()
		c.expect(t, want...)
		c.expectEnd(t)
		<-s.stopped
		if sum := <-f.ended; sum.Reason != StreamRestart {
			t.Errorf("summary %+v", sum)
		}
		if cut := <-drained; cut != 0 {
			t.Errorf("%d streams were cut off", cut)
		}
		again := f.dial(t, subscribePOST(accept))
		s = <-f.started
		<-s.stopped
		resp, err := http.ReadResponse(again.reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "1" {
			t.Errorf("while draining: status %d, %v", resp.StatusCode, resp.Header)
		}
	}
}

// What comes before the stream is open isn't lost.
func TestEventStreamStartsEarly(t *testing.T) {
	t.Parallel()
	t.Run("with a result", func(t *testing.T) {
		t.Parallel()
		f := newFeed(t, func(s *subscription) {
			if s.Next([]byte(`{"data":{}}`)) {
				t.Error("taken before the stream was open")
			}
		})
		c := f.dial(t, subscribePOST(acceptSSE))
		s := <-f.started
		<-s.ready
		s.next(t, `{"data":{"ticks":1}}`)
		c.header(t)
		c.expect(t, sseOpen, sseBefore+`{"data":{"ticks":1}}`+sseAfter)
	})
	t.Run("with the end", func(t *testing.T) {
		t.Parallel()
		f := newFeed(t, func(s *subscription) { s.End(nil) })
		c := f.dial(t, subscribePOST(acceptSSE))
		c.header(t)
		c.expect(t, sseOpen, sseComplete)
		c.expectEnd(t)
		<-(<-f.started).stopped
	})
}

// A client that leaves ends its subscription.
func TestEventStreamClientLeaves(t *testing.T) {
	t.Parallel()
	f := newFeed(t, nil)
	for range 3 {
		c := f.dial(t, subscribePOST(acceptSSE))
		s := <-f.started
		c.header(t)
		_ = c.Close()
		<-s.stopped
		if sum := <-f.ended; sum.Reason != StreamLeft {
			t.Errorf("summary %+v", sum)
		}
		if s.Next([]byte("{}")) {
			t.Error("a result was sent to nobody")
		}
		s.End(nil)
	}
}

// A slow client gets no further result until it has taken the last one.
func TestEventStreamSlowClient(t *testing.T) {
	t.Parallel()
	f := newFeed(t, nil)
	c := f.dial(t, subscribePOST(acceptSSE))
	s := <-f.started
	large := `{"data":"` + strings.Repeat("x", 1<<20) + `"}`
	sent := 0
	for s.Next([]byte(large)) {
		if sent++; sent > 1000 {
			t.Fatal("the client never got slow")
		}
	}
	c.header(t)
	c.expect(t, sseOpen)
	for range sent {
		c.expect(t, sseBefore+large+sseAfter)
	}
	<-s.ready
	s.next(t, `{"data":"newest"}`)
	c.expect(t, sseBefore+`{"data":"newest"}`+sseAfter)
}

// With HTTP/2 the handler itself waits.
func TestEventStreamOverHTTP2(t *testing.T) {
	t.Parallel()
	f := newFeed(t, nil)
	f.StartTLS()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	get := func() *http.Response {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL+"/graphql?query=subscription{ticks}", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", acceptSSE)
		resp, err := f.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	resp := get()
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		t.Errorf("%s %v", resp.Proto, resp.Header)
	}
	s := <-f.started
	opening := make([]byte, len(sseOpen))
	if _, err := io.ReadFull(resp.Body, opening); err != nil || string(opening) != sseOpen {
		t.Fatalf("%q, %v", opening, err)
	}
	for !s.Next([]byte(`{"data":{}}`)) { // The opening has arrived, but the server may not know yet that it is sent.
		<-s.ready
	}
	body := resp.Body
	want := sseBefore + `{"data":{}}` + sseAfter
	got := make([]byte, len(want))
	if _, err := io.ReadFull(body, got); err != nil || string(got) != want {
		t.Fatalf("%q, %v", got, err)
	}
	s.End(nil)
	if rest, err := io.ReadAll(body); err != nil || string(rest) != sseComplete {
		t.Errorf("%q, %v", rest, err)
	}
	<-s.stopped
	if sum := <-f.ended; sum.Detached || sum.Bytes == 0 {
		t.Errorf("summary %+v", sum)
	}

	resp = get()
	defer resp.Body.Close()
	s = <-f.started
	cancel()
	<-s.stopped
	<-f.ended
}

// HTTP/1.0 has no chunks.
func TestEventStreamWithoutChunks(t *testing.T) {
	t.Parallel()
	f := newFeed(t, nil)
	c := f.dial(t, strings.Replace(subscribeGET(acceptSSE), "HTTP/1.1", "HTTP/1.0", 1))
	(<-f.started).End(nil)
	got, err := io.ReadAll(c.reader)
	if err != nil || !strings.HasSuffix(string(got), "\r\n\r\n"+sseOpen+sseComplete) {
		t.Errorf("%q, %v", got, err)
	}
}

// A client that accepts only streams gets single results in one, except if the status matters.
func TestSingleResultAsEvent(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	poor := newHandler(t, func(cfg *Config) { cfg.Spend = func(context.Context, int, bool) Balance { return Balance{} } })
	tests := []struct {
		name    string
		handler http.Handler
		q       request
		url     string
		status  int
		body    string // a pattern
	}{
		{"a query", h, query("{ hello }").as(acceptSSE), "", 200, `^:\n\nevent: next\ndata: {"data":{"hello":"Hello, world"}}\n\nevent: complete\ndata:\n\n$`},
		{"a mutation", h, query(`mutation { rename(to: "x") }`).as(acceptSSE), "", 200, `{"data":{"rename":"x"}}`},
		{"in a URL", h, request{method: http.MethodGet, accept: acceptSSE}, "/graphql?query={hello}", 200, `{"data":{"hello":`},
		{"a wrong document", h, query("{ nope }").as(acceptSSE), "", 200, `^:\n\nevent: next\ndata: {"errors":.*GRAPHQL_VALIDATION_FAILED.*}\n\nevent: complete\ndata:\n\n$`},
		{"an unknown hash", h, request{accept: acceptSSE, body: `{"documentId":"x"}`}, "", 200, `event: next\ndata: {"errors":.*PERSISTED_QUERY_NOT_SUPPORTED`},
		{"no subscriptions here", h, query("subscription { ticks }").as(acceptSSE), "", 200, `event: next\ndata: {"errors":.*SUBSCRIPTION_NOT_SUPPORTED`},
		{
			"multipart", h, query("{ hello }").as("multipart/mixed;subscriptionSpec=1.0"), "", 200,
			`^\r\n--graphql\r\nContent-Type: application/json\r\n\r\n{"payload":{"data":{"hello":"Hello, world"}}}\r\n--graphql--\r\n$`,
		},
		{"JSON is accepted too", h, query("{ hello }").as(acceptSSE + ", application/json;q=0.1"), "", 200, `^{"data":`},
		{"Apollo's query", h, query("{ nope }").as(acceptApollo), "", 400, `^{"errors":`},
		{"a broken body", h, request{accept: acceptSSE, body: "{"}, "", 400, `^{"errors":.*BAD_REQUEST`},
		{"a mutation in a URL", h, request{method: http.MethodGet, accept: acceptSSE}, "/graphql?query=mutation{rename(to:\"x\")}", 405, `^{"errors":.*METHOD_NOT_ALLOWED`},
		{"no budget", poor, query("{ hello }").as(acceptSSE), "", 429, `^{"errors":.*RATE_LIMITED`},
		{"a reservation", h, request{method: http.MethodPut, accept: "*/*"}, "", 405, `singleConnection: false`},
		{"a reserved stream", h, request{method: http.MethodGet, accept: acceptSSE}, "/graphql?token=x", 400, `singleConnection: false`},
		{"an operation with a token", h, request{method: http.MethodGet, accept: acceptSSE}, "/graphql?token=x&query={hello}", 200, `{"data":{"hello":`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			target := tt.url
			method := tt.q.method
			if target == "" {
				target = "/graphql"
			}
			if method == "" {
				method = http.MethodPost
			}
			r := httptest.NewRequest(method, target, strings.NewReader(tt.q.body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Accept", tt.q.accept)
			w := httptest.NewRecorder()
			tt.handler.ServeHTTP(w, r)
			if w.Code != tt.status || !regexp.MustCompile(`(?s)`+tt.body).Match(w.Body.Bytes()) {
				t.Errorf("status %d, body %q", w.Code, w.Body)
			}
			if w.Header().Get("Vary") != "Accept" || !strings.HasPrefix(w.Header().Get("Cache-Control"), "no-store") {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}

// graphql-sse's single connection mode is refused by whichever request it begins with.
func TestSingleConnectionMode(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		r := httptest.NewRequest(method, "/graphql?query={hello}", strings.NewReader(`{"query":"{hello}"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-GraphQL-Event-Stream-Token", "x")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "singleConnection: false") {
			t.Errorf("%s: status %d, body %q", method, w.Code, w.Body)
		}
	}
}

// A stream that isn't admitted is refused with a status that clients act on.
func TestStreamNotAdmitted(t *testing.T) {
	t.Parallel()
	refusal := gqlerror.Errorf("Too many")
	refusal.Extensions = map[string]any{"code": CodeTooManyStreams}
	f := newFeed(t, nil, func(cfg *Config) {
		cfg.AdmitStream = func(context.Context, context.Context, Transport) *gqlerror.Error { return refusal }
	})
	for _, accept := range []string{acceptSSE, acceptApollo} {
		c := f.dial(t, subscribePOST(accept))
		<-(<-f.started).stopped
		resp, err := http.ReadResponse(c.reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
			t.Errorf("status %d, %v", resp.StatusCode, resp.Header)
		}
	}
	if len(f.ended) > 0 {
		t.Error("a stream ended that was not admitted")
	}
}

func TestAcceptedFormat(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]*eventFormat{
		"":                                     nil,
		"*/*":                                  nil,
		"text/*, multipart/*":                  nil,
		"application/json":                     nil,
		"multipart/mixed":                      nil,
		"multipart/mixed;deferSpec=20220824":   nil,
		"multipart/mixed;subscriptionSpec=2.0": nil,
		"text/event-stream;q=0":                nil,
		"text/event-stream; charset=latin1":    nil,
		"text/event-streams":                   nil,
		acceptSSE:                              &sseFormat,
		"text/event-stream; charset=utf-8":     &sseFormat,
		"text/event-stream;q=0.1":              &sseFormat,
		acceptApollo:                           &multipartFormat,
		`multipart/mixed; subscriptionSpec="1.0"`:  &multipartFormat,
		"text/event-stream, " + acceptApollo:       &sseFormat,
		acceptApollo + ", text/event-stream":       &multipartFormat,
		"text/event-stream;q=0.5, " + acceptApollo: &multipartFormat,
		strings.Repeat("text/x,", 101) + acceptSSE: nil,
	} {
		if got := acceptedFormat([]string{accept}); got != want {
			t.Errorf("%s: %v", accept, got)
		}
	}
	if acceptedFormat([]string{"application/json", acceptSSE}) != &sseFormat {
		t.Error("a second line is not read")
	}
}

// A response's end is sent even if the connection is closed right after the last result.
func TestResponseConn(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	ctx, cancel := context.WithCancel(t.Context())
	c := newResponseConn(ctx, w)
	if n, err := c.Write([]byte("x")); n != 1 || err != nil || !w.Flushed {
		t.Errorf("%d, %v", n, err)
	}
	cancel()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	c.end()
	if _, err := c.Write([]byte("late")); !errors.Is(err, net.ErrClosed) || w.Body.String() != "x" {
		t.Errorf("%v, %s", err, w.Body)
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
