package server

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"taskql/internal/config"
	"taskql/internal/telemetry"
)

// The client, the metrics and the access log agree on the status, in whichever way a handler answers. All middlewares take part,
// and a real connection.
func TestStatusIsRecorded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		status int    // what metrics and log say
		body   string // what the client gets
		cut    bool   // whether the connection ends early, with or without a part of the answer
		bytes  int
	}{
		"nothing":       {answer: func(http.ResponseWriter, *http.Request) {}, status: 200},
		"a header only": {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, status: 204},
		"a body only":   {answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }, status: 200, body: "hello", bytes: 5},
		"two headers": {answer: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			w.WriteHeader(http.StatusOK)
		}, status: 418},
		"an informational header": {answer: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusNotFound)
		}, status: 404},
		"a file": {answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, strings.NewReader("hello")) }, status: 200, body: "hello", bytes: 5},
		"flushed": {answer: func(w http.ResponseWriter, _ *http.Request) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				panic(err)
			}
			_, _ = io.WriteString(w, "hello")
		}, status: 200, body: "hello", bytes: 5},
		"a deadline": {answer: func(w http.ResponseWriter, _ *http.Request) {
			if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
				panic(err)
			}
			w.WriteHeader(http.StatusAccepted)
		}, status: 202},
		"hijacked": {answer: func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
			_ = conn.Close()
		}, status: 200, body: "hello"},
		"a panic": {answer: func(http.ResponseWriter, *http.Request) { panic("bug") }, status: 500},
		"a panic after the header": {answer: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			panic("bug")
		}, status: 202, cut: true},
		"an abort": {answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, status: 500, cut: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, err := config.Load(development())
			if err != nil {
				t.Fatal(err)
			}
			watch, err := telemetry.Start(t.Context(), telemetry.Config{Prometheus: true, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			f := handlerFixture{log: &bytes.Buffer{}}
			f.Handler, err = newHandler(handlerConfig{
				cfg: cfg, log: slog.New(slog.NewJSONHandler(f.log, nil)), now: time.Now, draining: &f.draining, telemetry: watch,
			}, routes{graphql: tt.answer, health: http.NotFoundHandler()})
			if err != nil {
				t.Fatal(err)
			}
			handled := make(chan struct{})
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(handled)
				f.ServeHTTP(w, r)
			}))
			informational := 0
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error {
				informational++
				return nil
			}})
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, web.URL+graphqlPath, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			got, body := 0, ""
			response, err := web.Client().Do(r)
			if err == nil {
				var text []byte
				text, err = io.ReadAll(response.Body)
				got, body = response.StatusCode, string(text)
				_ = response.Body.Close()
			}
			web.Close()
			<-handled // Close doesn't wait for the handler of a hijacked connection.
			if (err != nil) != tt.cut || !tt.cut && got != tt.status || tt.status != 500 && body != tt.body {
				t.Errorf("the client got %d %q, %v", got, body, err)
			}
			if (informational > 0) != (tt.status == http.StatusNotFound) {
				t.Errorf("%d informational headers", informational)
			}
			scrape := httptest.NewRecorder()
			watch.Handler().ServeHTTP(scrape, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
			counted := regexp.MustCompile(`(?m)^http_server_request_duration_seconds_count\{.*http_response_status_code="(\d+)".*\} (\d+)$`).FindAllStringSubmatch(scrape.Body.String(), -1)
			if len(counted) != 1 || counted[0][1] != strconv.Itoa(tt.status) || counted[0][2] != "1" {
				t.Errorf("the metrics count %q, want one of %d", counted, tt.status)
			}
			if !regexp.MustCompile(`(?m)^http_server_active_requests(\{.*\})? 0$`).MatchString(scrape.Body.String()) {
				t.Error("a request is still under way in the metrics")
			}
			logged := map[string]any{}
			for _, line := range f.lines(t) {
				if line["msg"] == accessMessage {
					logged = line
				}
			}
			if tt.status == 500 && tt.cut { // Nothing was sent.
				tt.status = 0
			}
			if logged["status"] != float64(tt.status) || tt.status != 500 && logged["bytes"] != float64(tt.bytes) {
				t.Errorf("the access log has %v, want status %d and %d bytes", logged, tt.status, tt.bytes)
			}
		})
	}
}
