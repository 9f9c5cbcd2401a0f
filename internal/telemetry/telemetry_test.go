package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lib/pq"
)

func TestParseSignals(t *testing.T) {
	t.Parallel()
	const endpoint, address = "OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"
	for name, c := range map[string]struct {
		env     map[string]string
		want    signals
		problem string
	}{
		"nothing":       {env: map[string]string{}},
		"endpoint":      {env: map[string]string{endpoint: address}, want: signals{true, true}},
		"traces alone":  {env: map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": address}, want: signals{traces: true}},
		"metrics off":   {env: map[string]string{endpoint: address, "OTEL_METRICS_EXPORTER": "none"}, want: signals{traces: true}},
		"usual address": {env: map[string]string{"OTEL_METRICS_EXPORTER": "otlp"}, want: signals{metrics: true}},
		"disabled":      {env: map[string]string{endpoint: address, "OTEL_SDK_DISABLED": "TRUE"}},
		"protocol":      {env: map[string]string{endpoint: address, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, problem: "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf"},
		"own protocol": {
			env:  map[string]string{endpoint: address, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf", "OTEL_METRICS_EXPORTER": "none"},
			want: signals{traces: true},
		},
		"exporter": {env: map[string]string{"OTEL_TRACES_EXPORTER": "console"}, problem: "OTEL_TRACES_EXPORTER must be otlp or none"},
	} {
		got, err := parseSignals(c.env)
		if c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)) || c.problem == "" && (err != nil || got != c.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestStartOff(t *testing.T) {
	t.Parallel()
	got, err := Start(t.Context(), Config{Environ: map[string]string{}, Log: slog.New(slog.DiscardHandler)})
	if got != nil || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

func TestSanitize(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		`SELECT "tasks"."id" FROM "tasks" WHERE "id" IN ($1, $2, $13) LIMIT 21`:          `SELECT "tasks"."id" FROM "tasks" WHERE "id" IN (?) LIMIT ?`,
		"SELECT `t1`.`id` FROM `t1` WHERE `a` = ? AND b2 = 'it''s secret' AND c > 1.5e3": "SELECT `t1`.`id` FROM `t1` WHERE `a` = ? AND b2 = ? AND c > ?",
		`INSERT INTO x (a, b) VALUES ($1, $2), ($3, $4)`:                                 `INSERT INTO x (a, b) VALUES (?)`,
		`SELECT E'secret\'more'`:          `SELECT …`,
		`SELECT 'secret\' OR 'x'`:         `SELECT …`,
		`SELECT $$secret$$`:               `SELECT …`,
		`UPDATE t SET a = 1 -- secret`:    `UPDATE …`,
		`UPDATE t SET a = 1 /* secret */`: `UPDATE …`,
		`SELECT 'secret`:                  `SELECT …`,
		`secret 'word`:                    ` …`,
	} {
		if got := sanitize(query); got != want {
			t.Errorf("%s\n got %s\nwant %s", query, got, want)
		}
	}
	if got := sanitize("SELECT " + strings.Repeat("a, ", 5000)); len(got) > maxStatement+len("…") {
		t.Errorf("%d bytes", len(got))
	}
}

// FuzzSanitize checks that nothing of a literal is left, whatever it contains.
func FuzzSanitize(f *testing.F) {
	for _, seed := range []string{"", "it's", `\`, "$$", "--", "?", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		literal := "'" + strings.ReplaceAll("SECRET"+value+"SECRET", "'", "''") + "'"
		if got := sanitize("SELECT x FROM t WHERE a = " + literal + " AND b = $1"); strings.Contains(got, "SECRET") {
			t.Errorf("%q: %s", value, got)
		}
	})
}

// TestErrorsWithoutTexts: PostgreSQL's messages quote values.
func TestErrorsWithoutTexts(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"22P02": fmt.Errorf("running: %w", &pq.Error{Code: "22P02", Message: `invalid input syntax for type uuid: "secret"`}),
		"error": errors.New("secret"), "canceled": context.Canceled, "timeout": context.DeadlineExceeded,
	} {
		attrs := errorAttributes(err)
		if len(attrs) != 1 || attrs[0].Value.AsString() != want {
			t.Errorf("%v: %v", err, attrs)
		}
	}
}

// TestOperationNames: clients that are not signed in can't add names, and there is a limit for all.
func TestOperationNames(t *testing.T) {
	t.Parallel()
	n := newOperationNames(2)
	for _, step := range []struct {
		name  string
		learn bool
		want  string
	}{
		{"A", false, otherName},
		{"A", true, "A"},
		{"A", false, "A"},
		{strings.Repeat("x", maxName+1), true, otherName},
		{"B", true, "B"},
		{"C", true, otherName},
		{"", true, noName},
	} {
		if got := n.label(step.name, step.learn); got != step.want {
			t.Errorf("%q: %q, want %q", step.name, got, step.want)
		}
	}
}

// TestOff: the middlewares of a nil Telemetry return their argument.
func TestOff(t *testing.T) { //nolint:paralleltest // It counts allocations.
	var off *Telemetry
	handler, inner := http.NotFoundHandler(), slog.DiscardHandler
	wrapped := off.HTTP(HTTPConfig{})(handler)
	if fmt.Sprintf("%p", wrapped) != fmt.Sprintf("%p", handler) || off.LogHandler(inner) != inner || off.Transport(http.DefaultTransport) != http.DefaultTransport {
		t.Error("a nil Telemetry wraps its argument")
	}
	if off.Shutdown(t.Context()) != nil || off.WatchPool(nil, nil) != nil {
		t.Error("a nil Telemetry returns an error")
	}
	answer, request := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	quiet := off.HTTP(HTTPConfig{})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	if n := testing.AllocsPerRun(100, func() { quiet.ServeHTTP(answer, request) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkHTTP measures what the HTTP middleware costs a request: nothing if telemetry is off.
func BenchmarkHTTP(b *testing.B) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	config := HTTPConfig{
		Route:  func(*http.Request) string { return "/graphql" },
		Silent: func(*http.Request) bool { return false },
		Record: func(w http.ResponseWriter) (http.ResponseWriter, func() int) {
			return w, func() int { return http.StatusNoContent }
		},
	}
	run := func(name string, h http.Handler) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			answer, request := httptest.NewRecorder(), httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/graphql", nil)
			for b.Loop() {
				h.ServeHTTP(answer, request)
			}
		})
	}
	run("bare", handler)
	var off *Telemetry
	run("off", off.HTTP(config)(handler))
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer collector.Close()
	b.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	for _, sampler := range []string{"always_off", "always_on"} {
		b.Setenv("OTEL_TRACES_SAMPLER", sampler)
		on, err := Start(b.Context(), Config{Environ: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL}, Prometheus: true, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		run(sampler, on.HTTP(config)(handler))
		if err := on.Shutdown(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	}
}
