package server

import (
	"bytes"
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"taskql/internal/database"
	"taskql/internal/telemetry"
	"taskql/internal/testkit"
)

// collector is an OTLP collector.
type collector struct {
	url string

	mu      sync.Mutex
	spans   []*tracepb.Span
	metrics []string
	raw     bytes.Buffer
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil && r.Header.Get("Content-Type") == "application/x-protobuf" {
			err = c.take(r.URL.Path, body)
		}
		if err != nil {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(web.Close)
	c.url = web.URL
	return c
}

func (c *collector) take(path string, body []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Write(body)
	if path == "/v1/traces" {
		var request collectortrace.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &request); err != nil {
			return err
		}
		for _, resource := range request.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				c.spans = append(c.spans, scope.GetSpans()...)
			}
		}
		return nil
	}
	var request collectormetrics.ExportMetricsServiceRequest
	if err := proto.Unmarshal(body, &request); err != nil {
		return err
	}
	for _, resource := range request.GetResourceMetrics() {
		for _, scope := range resource.GetScopeMetrics() {
			for _, metric := range scope.GetMetrics() {
				c.metrics = append(c.metrics, metric.GetName())
			}
		}
	}
	return nil
}

// span returns the span with the name and the string attribute.
func (c *collector) span(name, key, value string) *tracepb.Span {
	for _, span := range c.spans {
		if span.GetName() == name && (key == "" || attributeOf(span, key) == value) {
			return span
		}
	}
	return nil
}

func attributeOf(span *tracepb.Span, key string) string {
	for _, a := range span.GetAttributes() {
		if a.GetKey() == key {
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}

const (
	traceID      = "4bf92f3577b34da6a3ce929d0e0e4736"
	secretTitle  = "Buy a ring in secret"
	secretMail   = "ada.lovelace@private.example"
	secretWord   = "correct horse battery"
	secretKey    = "a-secret-for-signing-that-nobody-may-see"
	secretAgent  = "AgentThatNamesAPerson"
	secretParam  = "token-in-the-url"
	secretState  = "statefromoutside"
	secretPath   = "/secret-path-of-somebody"
	secretNumber = "918273645"
	ownRoutine   = "MakeTask"
)

// measuredTraffic starts a server with telemetry, sends requests, and returns the collector, the text of /metrics and the log.
func measuredTraffic(t *testing.T) (*collector, string, string) {
	t.Helper()
	c := newCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.url)
	t.Setenv("OTEL_TRACES_SAMPLER", "always_on")
	watch, err := telemetry.Start(t.Context(), telemetry.Config{
		Environ: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.url}, Version: "v1", Prometheus: true, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	log := &safeBuffer{}
	s := newMeasuredServer(t, map[string]string{"JWT_SECRET": secretKey, "LOG_FORMAT": "json"}, watch, log)
	page := newBrowser(t, s)
	if status, answer := page.post(t, "/api/auth/sign-up/email", map[string]string{"name": "Ada", "email": secretMail, "password": secretWord}); status != http.StatusOK {
		t.Fatalf("signing up: %d %s", status, answer)
	}
	trace := func(path, document string) {
		body, err := json.Marshal(map[string]any{"query": document, "variables": map[string]any{"t": secretTitle}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, page.url+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{
			"Content-Type": "application/json", "User-Agent": secretAgent,
			"Traceparent": "00-" + traceID + "-00f067aa0ba902b7-01", "Tracestate": "vendor=" + secretState,
		} {
			r.Header.Set(name, value)
		}
		response, err := page.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	trace(graphqlPath+"?"+secretParam, `mutation `+ownRoutine+`($t: String!) { createTask(input: {title: $t}) { task { id } } }`)
	trace(graphqlPath, `query Find { tasks(first: 1, filter: {search: "`+secretNumber+` `+secretTitle+`"}) { nodes { id } } }`)
	trace(graphqlPath, `{ nothing(like: "`+secretTitle+`") }`)
	trace(secretPath, `{}`)
	forged, err := http.NewRequestWithContext(t.Context(), http.MethodPost, page.url+graphqlPath, strings.NewReader(`{"query":"query Stranger { tasks { totalCount } }"}`))
	if err != nil {
		t.Fatal(err)
	}
	forged.Header.Set("Content-Type", "application/json")
	forged.Header.Set("Cookie", "better-auth.session_token="+secretParam+".forged")
	response, err := http.DefaultClient.Do(forged)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	var cookies []string
	for _, cookie := range page.client.Jar.Cookies(forged.URL) {
		cookies = append(cookies, cookie.Value[:min(len(cookie.Value), 20)])
	}

	watch.ReminderFired(time.Second)
	text := scrape(t, watch)
	measuredStreams(t, s, page)
	awaitTrue(t, func() bool { // What measures and logs comes after what clients see.
		text, lines := scrape(t, watch), log.String()
		return strings.Count(lines, streamMessage) == 2 && strings.Count(lines, `"message":"`+operationMessage+`"`) >= 3 &&
			strings.Contains(text, "taskql_live_delivery_delay_seconds") && strings.Count(text, "taskql_live_streams_ended_total{") == 2
	})
	text += scrape(t, watch)
	if err := watch.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, secret := range append(cookies, secretTitle, secretMail, secretWord, secretKey, secretAgent, secretParam, secretState, secretPath, secretNumber) {
		if strings.Contains(text, secret) || bytes.Contains(c.raw.Bytes(), []byte(secret)) {
			t.Errorf("a span or a metric holds %q", secret)
		}
	}
	if len(cookies) == 0 {
		t.Error("there was no cookie to look for")
	}
	return c, text, log.String()
}

// TestTelemetry: requests appear in traces, metrics and logs, without private data.
func TestTelemetry(t *testing.T) { //nolint:paralleltest // OpenTelemetry reads the process's environment.
	c, text, log := measuredTraffic(t)
	parent := c.span("POST /graphql", "", "")
	operation := c.span("mutation "+ownRoutine, "taskql.outcome", "ok")
	insert := c.span("INSERT", "", "")
	for name, span := range map[string]*tracepb.Span{"request": parent, "operation": operation, "statement": insert} {
		if span == nil {
			t.Fatalf("no span of the %s", name)
		}
	}
	if operation == nil || hex.EncodeToString(operation.GetTraceId()) != traceID {
		t.Errorf("the trace is not the client's: %v", operation)
	}
	statements := 0
	for _, span := range c.spans {
		if bytes.Equal(span.GetParentSpanId(), operation.GetSpanId()) && attributeOf(span, "db.query.text") != "" {
			statements++
		}
	}
	if statements == 0 {
		t.Error("the operation has no statements below it")
	}
	if c.span("get-session", "url.template", "get-session") == nil {
		t.Error("no span of get-session")
	}
	if c.span("query (other)", "taskql.outcome", "client_error") == nil {
		t.Error("a stranger's name is told apart, or the operation is missing")
	}
	for _, want := range []string{
		`http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="200",http_route="/graphql"}`,
		`http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="404",http_route=""}`,
		`taskql_graphql_operations_total{name="MakeTask",outcome="ok",type="mutation"} 1`,
		`taskql_graphql_errors_total{code="GRAPHQL_VALIDATION_FAILED"} 1`, `taskql_graphql_errors_total{code="UNAUTHENTICATED"} 1`,
		`taskql_sessions_total{outcome="ok",scheme="cookie"} 3`, `taskql_sessions_total{outcome="bad_signature",scheme="cookie"} 1`,
		`taskql_session_cache_lookups_total{result="hit"} 2`, `taskql_session_cache_lookups_total{result="miss"} 1`,
		`taskql_db_pool_connections{state="idle"}`, `taskql_graphql_operation_cost_count`, "go_goroutine_count", "process_cpu_seconds_total",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	for _, want := range []string{"http.server.request.duration", "taskql.graphql.operations", "db.client.operation.duration", "go.goroutine.count"} {
		if !slices.Contains(c.metrics, want) {
			t.Errorf("the collector did not get %s", want)
		}
	}
	if !strings.Contains(log, `"trace_id":"`+traceID+`","span_id":"`) {
		t.Errorf("no line has the trace's id:\n%s", log)
	}
	checkLiveTelemetry(t, c, text, log)
	checkOperationsDocs(t, text)
}

// sample is a line of Prometheus text.
var sample = regexp.MustCompile(`(?m)^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? \S+$`)

// exported returns the names of the metrics, and those of their labels.
func exported(text string) (map[string]bool, map[string]bool) {
	metrics, labels := map[string]bool{}, map[string]bool{}
	for _, line := range sample.FindAllStringSubmatch(text, -1) {
		metrics[line[1]] = true
		for _, label := range regexp.MustCompile(`(?:^|,)([a-zA-Z_][a-zA-Z0-9_]*)="`).FindAllStringSubmatch(line[2], -1) {
			labels[label[1]] = true
		}
	}
	return metrics, labels
}

// checkOperationsDocs checks that the dashboard and the alerts use existing metrics and labels, that the dashboard shows every
// metric of ours, and that the handbook explains every metric and every alert.
func checkOperationsDocs(t *testing.T, text string) {
	t.Helper()
	metrics, labels := exported(text)
	handbook := readFile(t, "../../docs/operations/README.md")
	for name := range metrics {
		name = regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if !strings.Contains(handbook, "`"+name+"`") && !strings.Contains(handbook, "`"+name+"_count`") {
			t.Errorf("docs/operations/README.md doesn't explain %s", name)
		}
	}
	for _, name := range regexp.MustCompile("`((?:taskql|http|db|go|process)_[a-z_]+)`").FindAllStringSubmatch(handbook, -1) {
		// Go's memory limit is exported only if it is set.
		if !metrics[name[1]] && !metrics[name[1]+"_count"] && !labels[name[1]] && name[1] != "go_memory_limit_bytes" {
			t.Errorf("docs/operations/README.md explains %s, which is not exported", name[1])
		}
	}
	dashboard := dashboardExpressions(t)
	for name := range metrics {
		bucket := regexp.MustCompile(`_(sum|count)$`).ReplaceAllString(name, "_bucket")
		shown := func(expression string) bool { return regexp.MustCompile(`\b` + name + `\b`).MatchString(expression) }
		ours := strings.HasPrefix(name, "taskql_") && (bucket == name || !metrics[bucket]) // Of a histogram the buckets are enough.
		if ours && !slices.ContainsFunc(dashboard, shown) {
			t.Errorf("the dashboard doesn't show %s", name)
		}
	}
	for _, expression := range append(dashboard, alertExpressions(t, handbook)...) {
		checkExpression(t, expression, metrics, labels)
	}
}

// checkExpression checks that each name in an expression is a keyword of PromQL, a label or a metric.
func checkExpression(t *testing.T, expression string, metrics, labels map[string]bool) {
	t.Helper()
	known := func(label string) bool { return labels[label] || label == "job" || label == "instance" }
	rest := regexp.MustCompile(`"[^"]*"`).ReplaceAllString(expression, `""`)
	for _, group := range regexp.MustCompile(`\{([^}]*)\}|\b(?:by|without|on)\s*\(([^)]*)\)`).FindAllStringSubmatch(rest, -1) {
		for _, label := range regexp.MustCompile(`[a-z_]+`).FindAllString(group[1]+","+group[2], -1) {
			if !known(label) {
				t.Errorf("%s: no metric has the label %s", expression, label)
			}
		}
	}
	rest = regexp.MustCompile(`\{[^}]*\}|\b(by|without|on)\s*\([^)]*\)|\[[^\]]*\]`).ReplaceAllString(rest, " ")
	words := []string{"sum", "rate", "increase", "histogram_quantile", "max", "min", "clamp_min", "or", "and", "unless", "vector", "absent", "up"}
	found := 0
	for _, name := range regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*`).FindAllString(rest, -1) {
		switch {
		case slices.Contains(words, name):
		case metrics[name]:
			found++
		default:
			t.Errorf("%s: %s is not exported", expression, name)
		}
	}
	if found == 0 {
		t.Errorf("%s asks for no metric of ours", expression)
	}
}

func dashboardExpressions(t *testing.T) []string {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(readFile(t, "../../docs/operations/dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, panel := range dashboard.Panels {
		if panel.Title == "" || len(panel.Targets) == 0 != (panel.Type == "row") {
			t.Errorf("a panel has no title or no query: %+v", panel)
		}
		for _, target := range panel.Targets {
			found = append(found, target.Expr)
		}
	}
	if len(found) < 10 {
		t.Errorf("the dashboard asks for %d things only", len(found))
	}
	return found
}

func alertExpressions(t *testing.T, handbook string) []string {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(readFile(t, "../../docs/operations/alerts.yml")), &file); err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			found = append(found, rule.Expr)
			if _, err := time.ParseDuration(rule.For); err != nil || rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" {
				t.Errorf("%s lacks for, severity or summary", rule.Alert)
			}
			if !strings.HasSuffix(rule.Annotations["runbook"], "docs/operations/README.md#"+strings.ToLower(rule.Alert)) {
				t.Errorf("%s: its runbook is %q", rule.Alert, rule.Annotations["runbook"])
			}
			if !strings.Contains(handbook, "\n### "+rule.Alert+"\n") {
				t.Errorf("docs/operations/README.md doesn't say what to do at %s", rule.Alert)
			}
		}
	}
	if len(found) != 11 {
		t.Errorf("%d alerts, want 11", len(found))
	}
	return found
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTelemetryPostgres: statements on lib/pq's connections have spans, their prepared statements are cached, and spans contain
// neither values nor the values in PostgreSQL's errors.
func TestTelemetryPostgres(t *testing.T) { //nolint:paralleltest // OpenTelemetry reads the process's environment.
	address := testkit.DirectURL(t, testkit.PostgresURL(t)) // Behind a pooler no statements are cached.
	c := newCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.url)
	watch, err := telemetry.Start(t.Context(), telemetry.Config{
		Environ: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.url, "OTEL_METRICS_EXPORTER": "none"}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(t.Context(), database.Config{URL: address, OpenPool: watch.OpenPool, MaxOpenConns: 1, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	const secret = "nobody-may-see-this"
	for range 3 { // The third time runs the statement that was prepared the second time.
		var got string
		if err := db.SQL.QueryRowContext(t.Context(), "SELECT $1::text || 'inner-secret'", secret).Scan(&got); err != nil || got != secret+"inner-secret" {
			t.Errorf("%q, %v", got, err)
		}
	}
	var kept int
	if err := db.SQL.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%inner-secret%'").Scan(&kept); err != nil || kept != 1 {
		t.Errorf("%d statements kept, %v", kept, err)
	}
	for range 3 { // QueryRaw calls the driver itself, and is measured too.
		var row string
		err := db.QueryRaw(t.Context(), "SELECT convert_to($1::text || 'inner-secret', 'UTF8')", []any{secret}, func(values []driver.Value) error {
			row = fmt.Sprintf("%s", values[0])
			return nil
		})
		if err != nil || row != secret+"inner-secret" {
			t.Errorf("%q, %v", row, err)
		}
	}
	if _, err := db.SQL.ExecContext(t.Context(), "SELECT $1::uuid", secret); err == nil || !strings.Contains(err.Error(), secret) {
		t.Errorf("the error should quote the value, so that there is something to hide: %v", err)
	}
	if err := watch.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if bytes.Contains(c.raw.Bytes(), []byte(secret)) || bytes.Contains(c.raw.Bytes(), []byte("inner-secret")) {
		t.Error("a span holds a value")
	}
	if c.span("SELECT", "db.query.text", "SELECT convert_to(?::text || ?)") == nil {
		t.Errorf("the statement of a raw query is missing: %v", c.spans)
	}
	if c.span("SELECT", "db.query.text", "SELECT ?::text || ?") == nil || c.span("SELECT", "error.type", "22P02") == nil {
		t.Errorf("the statements are missing: %v", c.spans)
	}
}

// TestTelemetryOff: without a variable there is no handler, no middleware and no hook.
func TestTelemetryOff(t *testing.T) {
	t.Parallel()
	var off *telemetry.Telemetry
	if off.Handler() != nil || len(withTelemetry(off)) != 0 {
		t.Error("something is there where nothing is measured")
	}
	s, log := newServer(t, map[string]string{})
	answer := httptest.NewRecorder()
	s.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusNotFound {
		t.Errorf("/metrics on the public port: %d", answer.Code)
	}
	if strings.Contains(log.String(), "telemetry") || strings.Contains(log.String(), "trace_id") {
		t.Errorf("the log: %s", log)
	}
	debug := httptest.NewRecorder()
	debugHandler(nil).ServeHTTP(debug, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if debug.Code != http.StatusNotFound {
		t.Errorf("/metrics without telemetry: %d", debug.Code)
	}
}
