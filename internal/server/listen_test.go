package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"taskql/internal/config"
)

// TestCheckPort: the error of a port in use names a free one, and a free port stays free.
func TestCheckPort(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Config{Host: "127.0.0.1", Port: portOf(taken.Addr(), 0)}
	err = CheckPort(t.Context(), cfg)
	found := regexp.MustCompile(`^PORT (\d+) is in use by another program: .* such as PORT=(\d+): `).FindStringSubmatch(fmt.Sprint(err))
	if found == nil || found[1] != strconv.Itoa(cfg.Port) || found[1] == found[2] {
		t.Fatalf("got %v", err)
	}
	proposed, err := net.Listen("tcp", "127.0.0.1:"+found[2])
	if err != nil {
		t.Errorf("the proposed port is not free: %v", err)
	} else {
		_ = proposed.Close()
	}
	_ = taken.Close()
	for range 2 {
		if err := CheckPort(t.Context(), cfg); err != nil {
			t.Errorf("a free port: %v", err)
		}
	}
	listener, err := Listen(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	if err := CheckPort(t.Context(), config.Config{Host: "203.0.113.1", Port: 8000}); err == nil || !strings.HasPrefix(err.Error(), "HOST 203.0.113.1 is not an address of this machine: ") {
		t.Errorf("another machine's address: %v", err)
	}
	if err := CheckPort(t.Context(), config.Config{Host: "nosuch.invalid", Port: 8000}); err == nil || !strings.HasPrefix(err.Error(), "HOST nosuch.invalid can't be resolved: ") {
		t.Errorf("a name that nobody knows: %v", err)
	}
}

func TestBaseURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ host, domain, want string }{
		{"", "", "http://localhost:4321"},
		{"0.0.0.0", "", "http://localhost:4321"},
		{"::", "", "http://localhost:4321"},
		{"127.0.0.1", "", "http://127.0.0.1:4321"},
		{"::1", "", "http://[::1]:4321"},
		{"10.1.2.3", "", "http://10.1.2.3:4321"},
		{"dev.example.com", "", "http://dev.example.com:4321"},
		{"", "Api.up.railway.app", "https://api.up.railway.app"},
	} {
		cfg := config.Config{Host: tt.host, Port: 8000, RailwayPublicDomain: tt.domain}
		if got := baseURL(cfg, &net.TCPAddr{Port: 4321}); got != tt.want {
			t.Errorf("HOST=%s RAILWAY_PUBLIC_DOMAIN=%s: got %s, want %s", tt.host, tt.domain, got, tt.want)
		}
	}
}

// TestLastLine: the last line of a start has the URL to open.
func TestLastLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ playground, format, want string }{
		{"on", "text", `msg="Playground: http://127.0.0.1:PORT"`},
		{"on", "json", `"message":"Playground","url":"http://127.0.0.1:PORT"}`},
		{"off", "text", `msg="GraphQL: http://127.0.0.1:PORT/graphql"`},
		{"off", "json", `"message":"GraphQL","url":"http://127.0.0.1:PORT/graphql"}`},
	} {
		s, out := newServer(t, map[string]string{"HOST": "127.0.0.1", "PLAYGROUND": tt.playground, "LOG_FORMAT": tt.format})
		listener, err := listen(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop() // It starts and drains.
		if err := s.Serve(ctx, listener); err != nil {
			t.Error(err)
		}
		start, _, _ := strings.Cut(out.String(), "draining")
		lines := strings.Split(start, "\n")
		last := lines[len(lines)-2] // The draining line has begun.
		if want := strings.Replace(tt.want, "PORT", strconv.Itoa(portOf(listener.Addr(), 0)), 1); !strings.HasSuffix(last, want) {
			t.Errorf("%+v: got\n%s\nwant the end %s", tt, start, want)
		}
	}
}

// TestAuthServerWarning: if the auth server can't be used, the log says what was tried and what to check.
func TestAuthServerWarning(t *testing.T) {
	t.Parallel()
	answers := func(status int, contentType, body string) string {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/api/auth/ok" {
				t.Errorf("asked for %s", r.URL.Path)
			}
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(web.Close)
		return web.URL
	}
	for _, tt := range []struct {
		name, url string
		want      []string // parts of the line; nil if there is none
	}{
		{"Better Auth", answers(200, "application/json", `{"ok":true}`), nil},
		{"Better Auth that limits our rate", answers(429, "application/json", `{}`), nil},
		{"nobody", "http://127.0.0.1:1", []string{`level=WARN`, `msg="the auth server is not usable; requests with a session get SERVICE_UNAVAILABLE" url=http://127.0.0.1:1/api/auth/ok error=`, "connection refused", `hint="check AUTH_SERVER_URL, and that the auth server runs`}},
		{"another server", answers(404, "text/html", "nothing"), []string{"answered 404 for /api/auth/ok", "set AUTH_SERVER_URL to the auth server's baseURL; if its basePath is not /api/auth, with that path at the end"}},
		{"a page", answers(200, "text/html", "<html>"), []string{"did not answer in JSON"}},
		{"another API", answers(200, "application/json", `{"status":"up"}`), []string{"it is not Better Auth"}},
		{"another API's list", answers(200, "application/json", `[]`), []string{"it is not Better Auth"}},
	} {
		s, out := newServer(t, against(tt.url, strings.Repeat("x", 32), nil))
		out.Reset()
		s.warnAboutAuthServer(t.Context())
		if (tt.want == nil) != (out.String() == "") || strings.Count(out.String(), "\n") > 1 {
			t.Errorf("%s: %s", tt.name, out)
		}
		for _, want := range tt.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %s in the log: %s", tt.name, want, out)
			}
		}
	}
	s, out := newServer(t, map[string]string{})
	out.Reset()
	if s.warnAboutAuthServer(t.Context()); out.String() != "" {
		t.Errorf("with the embedded sign-in: %s", out)
	}
}

// TestSilentAuthServer: an auth server that accepts connections and sends nothing delays neither the start nor the shutdown.
func TestSilentAuthServer(t *testing.T) {
	t.Parallel()
	asked, release := make(chan struct{}), make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-release
	}))
	t.Cleanup(web.Close)
	t.Cleanup(func() { close(release) })
	s, out := newServer(t, against(web.URL, strings.Repeat("x", 32), nil))
	listener, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	select {
	case <-asked:
	case <-time.After(time.Minute):
		t.Fatal("the auth server is not asked")
	}
	if err := CheckHealth(t.Context(), "http://"+listener.Addr().String()+healthPath); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if strings.Contains(out.String(), "is not usable") {
		t.Errorf("the end of the server counts as the auth server's failure:\n%s", out)
	}
}
