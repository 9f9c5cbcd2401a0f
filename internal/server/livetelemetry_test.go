package server

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"golang.org/x/time/rate"

	"taskql/graph"
	"taskql/internal/graphqlhttp"
	"taskql/internal/live"
	"taskql/internal/telemetry"
)

// scrape returns the text of /metrics.
func scrape(t *testing.T, watch *telemetry.Telemetry) string {
	t.Helper()
	answer := httptest.NewRecorder()
	debugHandler(watch.Handler()).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	return answer.Body.String()
}

// measuredStreams has streams of each transport: one sends a change that a mutation over another makes.
func measuredStreams(t *testing.T, s *Server, page *browser) {
	t.Helper()
	t.Cleanup(s.live.hub.Close)
	site, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page.url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range page.client.Jar.Cookies(site.URL) {
		site.AddCookie(cookie)
	}
	cookie := http.Header{"Cookie": site.Header["Cookie"]}
	events := watch(t, page.url, cookie)
	parts := multipartSubscription(t, page.url, cookie)
	conn, _ := openSocket(t, page, with(cookie, "Origin", page.url))
	mutation := `{"id":"m","type":"subscribe","payload":{"query":"mutation OverSocket($t: String!) { createTask(input: {title: $t}) { task { id } } }","variables":{"t":"` + secretTitle + `"}}}`
	if got := exchange(t, conn, 3, initMessage, mutation); !strings.Contains(got[2], `"complete"`) {
		t.Errorf("the mutation: %q", got)
	}
	if got := exchange(t, conn, 1, `{"id":"u","type":"subscribe","payload":{"query":"{ `+secretNumber+`"}}`); !strings.Contains(got[0], "GRAPHQL_PARSE_FAILED") {
		t.Errorf("the broken document: %q", got)
	}
	events.want(secretTitle)
	if got := exchange(t, conn, 1, `{"id":"s","type":"subscribe","payload":{"query":"subscription { changes { version } }"}}`); !strings.Contains(got[0], `"version":2`) {
		t.Errorf("the subscription: %q", got)
	}
	exchange(t, conn, 1, `{"type":"connection_init"}`) // Which is one too many.
	_, _ = conn.Close(), parts.Close()
	awaitTrue(t, func() bool { return s.streams.registry.Stats().Open == 1 && s.live.hub.Stats().Subscriptions == 1 })
}

// multipartSubscription subscribes as Apollo's client does, and waits for the first page.
func multipartSubscription(t *testing.T, address string, header http.Header) io.Closer {
	t.Helper()
	body := strings.NewReader(`{"query":"subscription { changes { version } }"}`)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+graphqlPath, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = with(header, "Accept", "multipart/mixed;subscriptionSpec=1.0", "Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	var got []byte
	for part := make([]byte, 100); !bytes.Contains(got, []byte(`"version"`)); {
		n, err := response.Body.Read(part)
		if err != nil {
			t.Fatalf("%v after %q", err, got)
		}
		got = append(got, part[:n]...)
	}
	return response.Body
}

// checkLiveTelemetry checks what measuredStreams has left.
func checkLiveTelemetry(t *testing.T, c *collector, text, log string) {
	t.Helper()
	for _, want := range []string{
		`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="101",http_route="/graphql"} 1`,
		`taskql_graphql_operations_total{name="(anonymous)",outcome="ok",type="subscription"} 3`,
		`taskql_graphql_operations_total{name="OverSocket",outcome="ok",type="mutation"} 1`,
		`taskql_graphql_errors_total{code="GRAPHQL_PARSE_FAILED"} 1`,
		`taskql_live_streams{transport="sse"} 1`, `taskql_live_streams{transport="multipart"} 0`, `taskql_live_streams{transport="websocket"} 0`,
		`taskql_live_streams_ended_total{reason="left",transport="multipart"} 1`, `taskql_live_streams_ended_total{reason="4429",transport="websocket"} 1`,
		`taskql_live_streams_limit 10000`, `taskql_live_subscriptions_limit 40000`,
		`taskql_live_subscriptions{field="changes"} 1`, `taskql_live_subscriptions_behind 0`, `taskql_live_deliveries_total{field="changes"} `,
		`taskql_live_delivered_bytes_total{field="changes"} `, `taskql_live_delivery_delay_seconds_count{field="changes"} `,
		`taskql_live_run_duration_seconds_count{field="changes",outcome="ok"} `, `taskql_feed_resets_total{reason="FIRST"} `,
		`taskql_feed_resets_total{reason="HISTORY_CHANGED"} 0`, `taskql_graphql_errors_total{code="INTERNAL"} 0`,
		`taskql_live_session_checks_total{outcome="unknown"} 0`, `taskql_live_hints_total{event="missed"} 0`, `taskql_live_listening 0`,
		`taskql_live_sweeps_total 0`, `taskql_live_reads_failed_total 0`, `taskql_live_write_timeouts_total 0`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	run, operation := c.span("subscription run", "graphql.field.name", "changes"), c.span("WebSocket operation", "", "")
	for name, span := range map[string]*tracepb.Span{"subscription's result": run, "operation": operation} {
		if span == nil {
			t.Fatalf("no span of a %s", name)
		}
	}
	if len(run.GetParentSpanId()) > 0 {
		t.Error("a result of a subscription belongs to the trace of a request")
	}
	statements := 0
	for _, span := range c.spans {
		if bytes.Equal(span.GetTraceId(), run.GetTraceId()) && attributeOf(span, "db.query.text") != "" {
			statements++
		}
	}
	mutation := c.span("mutation OverSocket", "", "")
	if statements == 0 || mutation == nil || len(mutation.GetParentSpanId()) == 0 {
		t.Errorf("a result has %d statements, the mutation is %v", statements, mutation)
	}
	for _, want := range []string{
		`"message":"operation","duration_ms":`, `"operation":"OverSocket","operation_type":"mutation","user_id":"`, `"error_code":"GRAPHQL_PARSE_FAILED"`,
		`"message":"stream ended","transport":"websocket","reason":"4429","results":2,"bytes":`, `"operations":3`,
		`"message":"stream ended","transport":"multipart","reason":"left","results":`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
	for _, secret := range []string{secretTitle, secretNumber} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// TestLateDeliveries: a change that is sent late is logged, but not each one.
func TestLateDeliveries(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	l := &liveUpdates{log: slog.New(slog.NewTextHandler(&text, nil)), late: rate.Sometimes{First: 1, Interval: time.Hour}}
	for _, delay := range []time.Duration{0, lateDelivery - 1, lateDelivery, time.Minute} {
		l.delivered(live.Delivery{Name: "changes", Count: 7, Bytes: 70, Delay: delay})
	}
	const want = `level=WARN msg="a change was sent late" subscription=changes delay_ms=2000 clients=7` + "\n"
	if _, got, _ := strings.Cut(text.String(), " "); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestStreamEndLabel: clients choose among thousands of statuses, and metrics tell few of them apart.
func TestStreamEndLabel(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		transport    graphqlhttp.Transport
		reason, want string
	}{
		{graphqlhttp.TransportWebSocket, "1000", "1000"},
		{graphqlhttp.TransportWebSocket, "4403", "4403"},
		{graphqlhttp.TransportWebSocket, "4999", "other"},
		{graphqlhttp.TransportWebSocket, "", ""},
		{graphqlhttp.TransportSSE, graphqlhttp.StreamLeft, "left"},
	} {
		if got := streamEndLabel(graphqlhttp.StreamSummary{Transport: tt.transport, Reason: tt.reason}); got != tt.want {
			t.Errorf("%s %q: got %q, want %q", tt.transport, tt.reason, got, tt.want)
		}
	}
}

// TestOperationLevel: the line of an operation over a WebSocket has the level of a request with the same errors.
func TestOperationLevel(t *testing.T) {
	t.Parallel()
	for codes, want := range map[string]slog.Level{
		"": slog.LevelInfo, "NOT_FOUND": slog.LevelInfo, "INTERNAL": slog.LevelError, "NOT_FOUND,SERVICE_UNAVAILABLE": slog.LevelError,
	} {
		if got := (&requestInfo{errorCodes: codes}).operationLevel(); got != want {
			t.Errorf("%q: got %s, want %s", codes, got, want)
		}
	}
}

// TestSubscriptionsAreLimited: all streams together have a bounded number of subscriptions.
func TestSubscriptionsAreLimited(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, map[string]string{"LIMIT_STREAMS_TOTAL": "1"})
	t.Cleanup(s.live.hub.Close)
	page := newBrowser(t, s)
	conn, _ := openSocket(t, page, http.Header{"Cookie": {signUp(t, page)}, "Origin": {page.url}})
	exchange(t, conn, 1, initMessage)
	subscribe := func(id int) string {
		return exchange(t, conn, 1, fmt.Sprintf(`{"id":"%d","type":"subscribe","payload":{"query":"subscription { changes { version } }"}}`, id))[0]
	}
	for id := range subscriptionsPerStream {
		if got := subscribe(id); !strings.Contains(got, `"type":"next"`) {
			t.Errorf("the subscription %d: %s", id, got)
		}
	}
	if got := subscribe(subscriptionsPerStream); !strings.Contains(got, graph.CodeServiceUnavailable) {
		t.Errorf("one too many: %s", got)
	}
}
