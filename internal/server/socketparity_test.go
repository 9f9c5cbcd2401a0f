package server

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taskql/internal/telemetry"
)

// TestSocketOperationsAreRequests: an operation over a WebSocket has the log line, the metrics, the spans, the trusted documents and
// the cost of the same one over HTTP.
func TestSocketOperationsAreRequests(t *testing.T) { //nolint:paralleltest // OpenTelemetry reads the process's environment.
	deep := "query Trusted { viewer { id } tasks(first: 1) { nodes { " + strings.Repeat("parent { ", 20) + "id" + strings.Repeat(" }", 20) + " } } }"
	c := newCollector(t)
	log := &safeBuffer{}
	s, watch := newTrustingServer(t, c, log, map[string]string{"trusted": deep})
	page := newBrowser(t, s)
	header := http.Header{"Cookie": {signUp(t, page)}, "Origin": {page.url}}
	operations := []string{
		`{"query":"query Fine { viewer { id } }"}`,
		`{"query":"mutation Make($t: String!) { createTask(input: {title: $t}) { task { title } } }","variables":{"t":"Water"}}`,
		`{"query":"query Typo { viwer { id } }"}`,
		`{"query":"query {{","operationName":"Broken"}`,
		`{"query":"` + strings.Replace(deep, "Trusted", "Deep", 1) + `"}`,
		`{"documentId":"trusted"}`,
		`{"documentId":"unknown"}`,
		`{"query":"mutation Missing { completeTask(input: {id: \"018f0000-0000-7000-8000-000000000000\"}) { userErrors { code } } }"}`,
	}
	before := operationMetrics(scrape(t, watch))
	var answers []string
	for _, operation := range operations {
		_, answer := page.post(t, graphqlPath, json.RawMessage(operation))
		answers = append(answers, answer)
	}
	awaitTrue(t, func() bool { return len(operationLines(t, log, accessMessage)) >= len(operations) })
	overHTTP := operationMetrics(scrape(t, watch))
	conn, _ := openSocket(t, page, header)
	exchange(t, conn, 1, initMessage)
	for i, operation := range operations {
		got := exchange(t, conn, 1, fmt.Sprintf(`{"id":"%d","type":"subscribe","payload":%s}`, i, operation))[0]
		if strings.Contains(got, `"type":"next"`) {
			exchange(t, conn, 1) // Complete.
		}
		payload := strings.TrimSuffix(got[strings.Index(got, `"payload":`)+len(`"payload":`):], "}")
		if !strings.Contains(answers[i], payload) {
			t.Errorf("%s over HTTP: %s\nover a WebSocket: %s", operation, answers[i], payload)
		}
		awaitTrue(t, func() bool { return len(operationLines(t, log, operationMessage)) > i })
	}
	overSocket := operationMetrics(scrape(t, watch))
	for name, value := range overSocket {
		if got, want := value-overHTTP[name], overHTTP[name]-before[name]; got != want {
			t.Errorf("%s: %v over a WebSocket, %v over HTTP", name, got, want)
		}
	}
	if len(overSocket) < 8 {
		t.Errorf("few metrics: %v", overSocket)
	}
	requests := operationLines(t, log, accessMessage)
	if diff := cmp.Diff(requests, operationLines(t, log, operationMessage)); diff != "" || requests[0]["user_id"] == "" {
		t.Errorf("the log differs (- HTTP, + WebSocket):\n%s", diff)
	}
	if err := watch.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	checkOperationSpans(t, c)
}

// newTrustingServer returns a server that sends telemetry to the collector, and trusts documents.
func newTrustingServer(t *testing.T, c *collector, log *safeBuffer, documents map[string]string) (*Server, *telemetry.Telemetry) {
	t.Helper()
	manifest := filepath.Join(t.TempDir(), "manifest.json")
	encoded, err := json.Marshal(documents)
	if err == nil {
		err = os.WriteFile(manifest, encoded, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.url)
	watch, err := telemetry.Start(t.Context(), telemetry.Config{
		Environ: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.url, "OTEL_METRICS_EXPORTER": "none"}, Prometheus: true, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	environ := map[string]string{"LOG_FORMAT": "json", "TRUSTED_DOCUMENTS": "allow", "TRUSTED_DOCUMENTS_FILE": manifest}
	return newMeasuredServer(t, environ, watch, log), watch
}

// operationMetrics returns what metrics say of operations.
func operationMetrics(text string) map[string]int {
	found := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^(taskql_graphql_(?:operations_total|errors_total|operation_cost_sum|operation_duration_seconds_count)\S*) (\d+)$`).FindAllStringSubmatch(text, -1) {
		found[m[1]], _ = strconv.Atoi(m[2])
	}
	return found
}

// operationLines returns what the lines of operations with the message have in common.
func operationLines(t *testing.T, log *safeBuffer, message string) []map[string]string {
	t.Helper()
	var found []map[string]string
	for line := range strings.Lines(log.String()) {
		var all map[string]any
		if err := json.Unmarshal([]byte(line), &all); err != nil {
			t.Fatal(err)
		}
		if all["message"] != message || all["path"] != nil && all["path"] != graphqlPath || all["method"] == http.MethodGet {
			continue
		}
		kept := map[string]string{}
		for _, name := range []string{"level", "operation", "operation_type", "error_code", "user_id"} {
			kept[name], _ = all[name].(string)
		}
		for _, name := range []string{"duration_ms", "request_id", "trace_id", "span_id"} {
			kept[name] = fmt.Sprint(all[name] != nil)
		}
		found = append(found, kept)
	}
	return found
}

// checkOperationSpans checks that each operation has two spans, below one of a request and one of a WebSocket's operation, and that
// both have statements below them if either has.
func checkOperationSpans(t *testing.T, c *collector) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	names, below := map[string]string{}, map[string]int{}
	for _, span := range c.spans {
		names[string(span.GetSpanId())] = span.GetName()
		below[string(span.GetParentSpanId())]++
	}
	parents, statements := map[string][]string{}, map[string][]int{}
	for _, span := range c.spans {
		if attributeOf(span, "graphql.operation.type") != "" {
			name := span.GetName()
			parents[name] = append(parents[name], names[string(span.GetParentSpanId())])
			statements[name] = append(statements[name], below[string(span.GetSpanId())])
		}
	}
	for name := range parents {
		if !cmp.Equal(parents[name], []string{"POST /graphql", "WebSocket operation"}) || statements[name][0] > 0 != (statements[name][1] > 0) {
			t.Errorf("%s: below %q, with %d statements", name, parents[name], statements[name])
		}
	}
	if len(parents) != 4 {
		t.Errorf("spans of operations: %v", parents)
	}
}
