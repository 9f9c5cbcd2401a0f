package server

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"taskql/internal/config"
)

// TestDebugHandler: profiles are served on their own address, without the command line.
func TestDebugHandler(t *testing.T) {
	t.Parallel()
	for path, status := range map[string]int{
		"/debug/pprof/": http.StatusOK, "/debug/pprof/heap": http.StatusOK, "/debug/pprof/cmdline": http.StatusNotFound, "/": http.StatusNotFound,
	} {
		answer := httptest.NewRecorder()
		debugHandler(nil).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if answer.Code != status {
			t.Errorf("%s: %d, want %d", path, answer.Code, status)
		}
	}
	public := routes{graphql: http.NotFoundHandler(), health: http.NotFoundHandler()}.mux()
	answer := httptest.NewRecorder()
	public.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/debug/pprof/", nil))
	if answer.Code != http.StatusNotFound {
		t.Errorf("the public listener answers /debug/pprof/ with %d", answer.Code)
	}
}

// TestServeDebug: ServeDebug serves until its context ends.
func TestServeDebug(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log := new(strings.Builder)
	if err := ServeDebug(ctx, config.Config{DebugAddr: "127.0.0.1:0"}, nil, slog.New(slog.NewTextHandler(log, nil))); err != nil {
		t.Fatal(err)
	}
	_, address, _ := strings.Cut(strings.TrimSpace(log.String()), "address=")
	for host, want := range map[string]struct {
		status int
		body   string
	}{
		address:             {http.StatusOK, "goroutine profile"},
		"evil.example:6060": {http.StatusForbidden, "Use the server's address, as in http://127.0.0.1:0."}, // DNS rebinding
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/debug/pprof/goroutine?debug=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != want.status || !strings.Contains(string(body), want.body) {
			t.Errorf("%s: %d %v %.200s", host, answer.StatusCode, err, body)
		}
	}
}
