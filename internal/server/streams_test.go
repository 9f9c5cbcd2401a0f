package server

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"taskql/graph"
	"taskql/internal/config"
	"taskql/internal/graphqlhttp"
	"taskql/internal/viewer"
)

// ticker is a subscription that sends one result at once.
type ticker struct {
	sink    graphqlhttp.Sink
	stopped chan struct{}
}

func (t *ticker) Ready() { t.sink.Next([]byte(`{"data":{"ticks":1}}`)) }

func (t *ticker) Stop() { t.stopped <- struct{}{} }

// newStreamFixture returns the streams with limits, and a handler of subscriptions, each of which is sent to started.
func newStreamFixture(t *testing.T, limits map[string]string, log *slog.Logger) (*streams, http.Handler, chan *ticker) {
	t.Helper()
	cfg, err := config.Load(limits)
	if err != nil {
		t.Fatal(err)
	}
	all := newStreams(Config{Config: cfg, Log: log, Now: time.Now})
	started := make(chan *ticker, 100)
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: "type Query { a: Int } type Subscription { ticks: Int! }"})
	handler, err := graphqlhttp.New(graphqlhttp.Config{
		Schema: &graphql.ExecutableSchemaMock{
			SchemaFunc:     func() *ast.Schema { return schema },
			ComplexityFunc: func(context.Context, string, string, int, map[string]any) (int, bool) { return 0, false },
		},
		PresentError: func(_ context.Context, err error) *gqlerror.Error { return gqlerror.Wrap(err) },
		Recover:      func(_ context.Context, value any) error { return gqlerror.Errorf("%v", value) },
		MaxBodyBytes: 1 << 20, Observe: recordOperation, Answered: recordAnswer(nil),
		Streams: &all.registry, StreamContext: all.context, AdmitStream: all.admit, StreamEnded: all.ended,
		Subscribe: func(_ context.Context, _ *graphql.OperationContext, _ int, sink graphqlhttp.Sink) (graphqlhttp.Stream, *gqlerror.Error) {
			s := &ticker{sink: sink, stopped: make(chan struct{}, 10)}
			sink.Next(nil) // It comes before the stream is open, so that the stream calls Ready.
			started <- s
			return s, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, handler, started
}

// signedInAs puts a viewer into the context of requests.
func signedInAs(userID string, next http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := viewer.Viewer{UserID: userID, WorkspaceID: userID, Role: viewer.RoleAdmin, Location: time.UTC}
		infoOf(r.Context()).setViewer(v)
		next.ServeHTTP(w, r.WithContext(viewer.NewContext(r.Context(), v)))
	}
}

// openStream subscribes, and returns the response.
func openStream(t *testing.T, client *http.Client, url string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+graphqlPath, strings.NewReader(`{"query":"subscription Clock { ticks }"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Accept-Encoding", "gzip")
	r.Header.Set("Origin", origin)
	r.Header.Set("Cookie", "session=hunter2")
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// A stream passes through the middlewares: its headers are theirs, and it isn't compressed. Over HTTP/1.1 it takes over the
// connection, over HTTP/2 it doesn't.
func TestStreamThroughMiddlewares(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		text := &safeBuffer{}
		log := slog.New(slog.NewJSONHandler(text, nil))
		all, api, started := newStreamFixture(t, development(), log)
		cfg, err := config.Load(development())
		if err != nil {
			t.Fatal(err)
		}
		handler, err := newHandler(handlerConfig{cfg: cfg, log: log, now: time.Now, draining: &atomic.Bool{}}, routes{graphql: signedInAs("ada", api), health: http.NotFoundHandler(), hook: http.NotFoundHandler()})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(handler)
		server.EnableHTTP2 = http2
		if http2 {
			server.StartTLS()
		} else {
			server.Start()
		}
		resp := openStream(t, server.Client(), server.URL)
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream; charset=utf-8", "Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true",
			"X-Content-Type-Options": "nosniff", "Content-Encoding": "",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		id := resp.Header.Get(headerRequestID)
		if id == "" || resp.ProtoMajor == 2 != http2 {
			t.Errorf("request id %q, %s", id, resp.Proto)
		}
		reader := bufio.NewReader(resp.Body)
		for _, want := range []string{":", "", "event: next", `data: {"data":{"ticks":1}}`} {
			if line, err := reader.ReadString('\n'); err != nil || line != want+"\n" {
				t.Fatalf("line %q, %v; want %q", line, err, want)
			}
		}
		s := <-started
		s.sink.End(nil)
		rest, err := io.ReadAll(reader)
		if err != nil || string(rest) != "\nevent: complete\ndata:\n\n" {
			t.Errorf("%q, %v", rest, err)
		}
		<-s.stopped
		awaitTrue(t, func() bool { return all.registry.Stats().Open == 0 && all.count() == 0 })
		server.Close()
		awaitTrue(t, func() bool { // Close doesn't wait for the handler that has given its connection away.
			lines, _ := text.lines()
			return lines == 2 || http2 && lines == 1
		})
		checkStreamLog(t, text.text.String(), id, http2)
	}
}

// checkStreamLog checks the lines of a stream.
func checkStreamLog(t *testing.T, text, id string, http2 bool) {
	t.Helper()
	if strings.Contains(text, "hunter2") {
		t.Errorf("the log has a cookie:\n%s", text)
	}
	lines := map[string]map[string]any{}
	for line := range strings.Lines(text) {
		var attrs map[string]any
		if err := json.Unmarshal([]byte(line), &attrs); err != nil {
			t.Fatal(err)
		}
		message, _ := attrs["msg"].(string)
		lines[message] = attrs
	}
	want := map[string]any{"request_id": id, "operation": "Clock", "operation_type": "subscription", "user_id": "ada"}
	for _, message := range []string{accessMessage, streamMessage} {
		if message == streamMessage && http2 {
			if lines[message] != nil {
				t.Error("the end of a stream is logged twice")
			}
			continue
		}
		for name, value := range want {
			if lines[message][name] != value {
				t.Errorf("line %q: %s is %v, want %v", message, name, lines[message][name], value)
			}
		}
	}
	last := streamMessage
	if http2 {
		last = accessMessage
	}
	if bytes, _ := lines[last]["bytes"].(float64); bytes < 50 || lines[accessMessage]["status"] != 200.0 {
		t.Errorf("lines: %v", lines)
	}
}

// count returns how many streams are counted.
func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open + len(s.byUser)
}

func TestStreamLimits(t *testing.T) {
	t.Parallel()
	all, handler, _ := newStreamFixture(t, map[string]string{"LIMIT_STREAMS": "2", "LIMIT_STREAMS_TOTAL": "3"}, slog.New(slog.DiscardHandler))
	servers := map[string]*httptest.Server{}
	for _, user := range []string{"ada", "bob"} {
		servers[user] = httptest.NewServer(signedInAs(user, handler))
		defer servers[user].Close()
	}
	var bodies []io.Closer
	open := func(user string) *http.Response {
		resp := openStream(t, servers[user].Client(), servers[user].URL)
		bodies = append(bodies, resp.Body)
		return resp
	}
	check := func(resp *http.Response, status int, code string) {
		t.Helper()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != status || !strings.Contains(string(text), code) || resp.Header.Get("Retry-After") == "" {
			t.Errorf("status %d, %s, %v; want %d, %s", resp.StatusCode, text, err, status, code)
		}
	}
	first := open("ada")
	open("ada")
	check(open("ada"), http.StatusTooManyRequests, graphqlhttp.CodeTooManyStreams)
	open("bob")
	check(open("bob"), http.StatusServiceUnavailable, graph.CodeServiceUnavailable)
	_ = first.Body.Close()
	awaitTrue(t, func() bool { return all.registry.Stats().Open == 2 && all.count() == 2+2 })
	if resp := open("bob"); resp.StatusCode != http.StatusOK {
		t.Errorf("status %d", resp.StatusCode)
	}
	for _, body := range bodies {
		_ = body.Close()
	}
	awaitTrue(t, func() bool { return all.count() == 0 })
}

// TestStreamsAreReplaced checks that a client that signs in over a connection needs no second place for it.
func TestStreamsAreReplaced(t *testing.T) {
	t.Parallel()
	as := func(user string) context.Context {
		return viewer.NewContext(t.Context(), viewer.Viewer{UserID: user, WorkspaceID: user, Role: viewer.RoleAdmin, Location: time.UTC})
	}
	all, _, _ := newStreamFixture(t, map[string]string{"LIMIT_STREAMS": "1", "LIMIT_STREAMS_TOTAL": "2"}, slog.New(slog.DiscardHandler))
	admit := func(user, former string) bool {
		var instead context.Context
		if former != "" {
			instead = as(former)
		}
		return all.admit(as(user), instead, graphqlhttp.TransportWebSocket) == nil
	}
	end := func(user string) {
		all.ended(as(user), graphqlhttp.StreamSummary{Transport: graphqlhttp.TransportWebSocket})
	}
	if !admit("ada", "") || admit("ada", "") || !admit("bob", "") {
		t.Fatal("the limits don't hold")
	}
	if admit("bob", "ada") {
		t.Error("bob has two streams")
	}
	if !admit("ada", "ada") {
		t.Error("ada's own place is not hers")
	}
	end("ada")
	if !admit("eve", "ada") {
		t.Error("the place of a stream that ends is not free")
	}
	end("ada")
	for _, user := range []string{"bob", "eve"} {
		end(user)
	}
	if n := all.count(); n != 0 {
		t.Errorf("%d are left", n)
	}
}

// A server that stops ends its streams, and waits for them.
func TestDrainEndsStreams(t *testing.T) {
	t.Parallel()
	all, handler, started := newStreamFixture(t, nil, slog.New(slog.DiscardHandler))
	listener, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var draining atomic.Bool
	server := &gracefulServer{
		handler: handler, log: slog.New(slog.DiscardHandler), timeout: 10 * time.Second, draining: &draining, streams: &all.registry,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.run(ctx, listener) }()
	resp := openStream(t, http.DefaultClient, "http://"+listener.Addr().String())
	s := <-started
	stop()
	rest, err := io.ReadAll(resp.Body)
	if err != nil || strings.Contains(string(rest), "complete") {
		t.Errorf("%q, %v", rest, err)
	}
	<-s.stopped
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// awaitTrue waits for a condition.
func awaitTrue(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}
