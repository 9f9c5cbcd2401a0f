package server

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"taskql/internal/account"
	"taskql/internal/betterauth"
	"taskql/internal/config"
	"taskql/internal/graphqlhttp"
	"taskql/internal/viewer"
)

const origin = "https://app.example.com"

// handlerFixture is the server's HTTP handler around a test's GraphQL handler, and its log.
type handlerFixture struct {
	http.Handler
	log      *bytes.Buffer
	draining atomic.Bool
}

func newHandlerFixture(t *testing.T, environ map[string]string, graphql http.HandlerFunc) *handlerFixture {
	t.Helper()
	cfg, err := config.Load(environ)
	if err != nil {
		t.Fatal(err)
	}
	f := &handlerFixture{log: &bytes.Buffer{}}
	log := slog.New(slog.NewJSONHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "page") })
	to := routes{graphql: graphql, health: (&fakeDatabase{}).health(&f.draining), playground: page}
	f.Handler, err = newHandler(handlerConfig{cfg: cfg, log: log, now: time.Now, draining: &f.draining}, to)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// development returns an environment that allows one origin.
func development() map[string]string { return map[string]string{"CORS_ORIGINS": origin} }

func production() map[string]string {
	return map[string]string{
		"ENVIRONMENT": "production", "DATABASE_URL": "postgres://h/d", "AUTH_SERVER_URL": "https://auth.example.com",
		"JWT_SECRET": "mQ0cXoV3r9pT1bZ7yH5kD2sJ8wE4uA6f", "CORS_ORIGINS": origin,
	}
}

func (f *handlerFixture) do(method, path string, header map[string]string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w.Result()
}

// lines returns the lines of the log.
func (f *handlerFixture) lines(t *testing.T) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for line := range bytes.Lines(f.log.Bytes()) {
		var attrs map[string]any
		if err := json.Unmarshal(line, &attrs); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, attrs)
	}
	return lines
}

func ok(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"data":{}}`) }

func TestRoutes(t *testing.T) {
	t.Parallel()
	f := newHandlerFixture(t, development(), ok)
	for _, tt := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"POST", "/graphql", 200, `{"data":{}}`},
		{"GET", "/health", 200, `{"status":"healthy"}`},
		{"HEAD", "/health", 200, ""},
		{"POST", "/health", 405, "METHOD_NOT_ALLOWED"},
		{"GET", "/", 200, "page"},
		{"POST", "/", 405, "METHOD_NOT_ALLOWED"},
		{"GET", "/playground/app.js", 200, "page"},
		{"GET", "/graphql/", 404, "NOT_FOUND"},
		{"GET", "/api/auth/get-session", 404, "NOT_FOUND"},
		{"GET", "/favicon.ico", 404, "NOT_FOUND"},
		{"DELETE", "/x", 404, "NOT_FOUND"},
		{"OPTIONS", "/x", 404, "NOT_FOUND"},
	} {
		response := f.do(tt.method, tt.path, nil)
		body, _ := io.ReadAll(response.Body)
		if response.StatusCode != tt.status || (tt.method != "HEAD" && !strings.Contains(string(body), tt.body)) {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, response.StatusCode, body)
		}
		if tt.status >= 400 && (!json.Valid(body) || !strings.Contains(string(body), `"errors":[{"message":`)) {
			t.Errorf("%s %s: %s", tt.method, tt.path, body)
		}
		if tt.status == 405 && response.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s %s: Allow %q", tt.method, tt.path, response.Header.Get("Allow"))
		}
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	f := newHandlerFixture(t, development(), func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Do") {
		case "panic":
			panic("hunter2")
		case "fail":
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	for _, do := range []string{"", "fail", "panic"} {
		for from, allowed := range map[string]bool{origin: true, "https://evil.example.com": false, origin + ".evil.net": false, "null": false} {
			h := f.do("POST", "/graphql", map[string]string{"Origin": from, "Do": do}).Header
			if got := h.Get("Access-Control-Allow-Origin") == from; got != allowed {
				t.Errorf("%s to %q: allowed %v", from, do, got)
			}
			if allowed && (h.Get("Access-Control-Allow-Credentials") != "true" || h.Get("Access-Control-Expose-Headers") != "X-Request-Id, Retry-After, Etag") {
				t.Errorf("%s to %q: %v", from, do, h)
			}
			if !strings.Contains(strings.Join(h.Values("Vary"), ","), "Origin") || h.Get("X-Request-Id") == "" {
				t.Errorf("%s to %q: %v", from, do, h)
			}
		}
	}
	for _, path := range []string{"/nope", "/health", "/"} {
		if got := f.do("GET", path, map[string]string{"Origin": origin}).Header.Get("Access-Control-Allow-Origin"); got != origin {
			t.Errorf("%s: %q", path, got)
		}
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	var inside string
	f := newHandlerFixture(t, development(), func(_ http.ResponseWriter, r *http.Request) { inside = RequestID(r.Context()) })
	for id, kept := range map[string]bool{
		"abc-DEF_1.2": true, strings.Repeat("a", 128): true,
		"": false, strings.Repeat("a", 129): false, "a b": false, "a\nb": false, "a;b": false, "é": false, "<x>": false,
	} {
		got := f.do("POST", "/graphql", map[string]string{"X-Request-Id": id}).Header.Get("X-Request-Id")
		if (got == id) != kept || got == "" || got != inside {
			t.Errorf("%q became %q, inside %q", id, got, inside)
		}
	}
	if RequestID(context.Background()) != "" {
		t.Error("an id outside of a request")
	}
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	f := newHandlerFixture(t, development(), func(w http.ResponseWriter, r *http.Request) {
		recordOperation(r.Context(), graphqlhttp.OperationInfo{Name: strings.Repeat("N", 300), Type: "query"})
		infoOf(r.Context()).userID = "u1"
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, "12345")
	})
	f.do("POST", "/graphql?token="+secret, map[string]string{"Cookie": "better-auth.session_token=" + secret, "Authorization": "Bearer " + secret, "X-Request-Id": "r1"})
	lines := f.lines(t)
	if len(lines) != 1 || strings.Contains(f.log.String(), secret) {
		t.Fatalf("log: %s", f.log)
	}
	for name, want := range map[string]any{
		"level": "INFO", "msg": "request", "method": "POST", "path": "/graphql", "status": 418.0, "bytes": 5.0, "request_id": "r1",
		"operation": strings.Repeat("N", maxLogged), "operation_type": "query", "user_id": "u1",
	} {
		if lines[0][name] != want {
			t.Errorf("%s is %v, want %v", name, lines[0][name], want)
		}
	}
	if _, ok := lines[0]["duration_ms"]; !ok {
		t.Error("no duration")
	}
}

func TestAccessLogLevels(t *testing.T) {
	t.Parallel()
	f := newHandlerFixture(t, development(), func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Fail") != "" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	f.do("POST", "/graphql", map[string]string{"Fail": "1"})
	f.do("GET", "/health", nil)
	f.do("POST", "/graphql", nil)
	var got []any
	for _, line := range f.lines(t) {
		got = append(got, line["level"], line["status"])
	}
	if want := "[ERROR 503 DEBUG 200 INFO 200]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestPanics(t *testing.T) {
	t.Parallel()
	f := newHandlerFixture(t, production(), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "99999")
		switch r.Header.Get("Do") {
		case "late":
			w.WriteHeader(http.StatusOK)
			fmt.Fprint(w, strings.Repeat("x", 5000))
		case "abort":
			panic(http.ErrAbortHandler)
		}
		panic("the database's password is hunter2")
	})
	response := f.do("POST", "/graphql", map[string]string{"X-Request-Id": "r1"})
	body, _ := io.ReadAll(response.Body)
	if want := `{"errors":[{"message":"Something went wrong on our side. Quote request r1 when you report it.","extensions":{"code":"INTERNAL","requestId":"r1"}}]}`; response.StatusCode != 500 || string(body) != want {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	if got := response.Header.Get("Content-Length"); got != fmt.Sprint(len(body)) || response.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("headers %v", response.Header)
	}
	lines := f.lines(t)
	if len(lines) != 2 || lines[0]["msg"] != "panic" || !strings.Contains(fmt.Sprint(lines[0]["stack"]), "handler_test.go") || lines[1]["status"] != 500.0 || lines[1]["level"] != "ERROR" || lines[1]["error_code"] != "INTERNAL" {
		t.Errorf("log: %s", f.log)
	}
	for _, do := range []string{"late", "abort"} {
		func() {
			defer func() {
				if p := recover(); !isAbort(p) {
					t.Errorf("%s: the connection is not cut, but %v", do, p)
				}
			}()
			f.do("POST", "/graphql", map[string]string{"Do": do})
		}()
	}
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	for name, environ := range map[string]map[string]string{"development": development(), "production": production()} {
		f := newHandlerFixture(t, environ, ok)
		for _, path := range []string{"/graphql", "/health", "/nope"} {
			h := f.do("GET", path, nil).Header
			if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" || h.Get("Referrer-Policy") != "no-referrer" ||
				h.Get("Content-Security-Policy") != "default-src 'none'; frame-ancestors 'none'" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" {
				t.Errorf("%s %s: %v", name, path, h)
			}
			if (h.Get("Strict-Transport-Security") != "") != (name == "production") {
				t.Errorf("%s: HSTS %q", name, h.Get("Strict-Transport-Security"))
			}
		}
	}
}

func TestCompression(t *testing.T) {
	t.Parallel()
	long := `{"data":"` + strings.Repeat("long ", 1000) + `"}`
	f := newHandlerFixture(t, development(), func(w http.ResponseWriter, r *http.Request) {
		body := long
		if r.Header.Get("Short") != "" {
			body = body[:1000]
		}
		w.Header().Set("Content-Type", "application/graphql-response+json; charset=utf-8")
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		fmt.Fprint(w, body)
	})
	decode := map[string]func(io.Reader) (io.Reader, error){
		"":     func(r io.Reader) (io.Reader, error) { return r, nil },
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
	}
	for _, tt := range []struct{ accept, short, want string }{
		{"", "", ""},
		{"gzip", "", "gzip"},
		{"gzip, deflate, br, zstd", "", "zstd"},
		{"zstd;q=0, gzip", "", "gzip"},
		{"br", "", ""},
		{"gzip, zstd", "1", ""},
	} {
		response := f.do("POST", "/graphql", map[string]string{"Accept-Encoding": tt.accept, "Short": tt.short})
		if got := response.Header.Get("Content-Encoding"); got != tt.want {
			t.Fatalf("%q: got %q, want %q", tt.accept, got, tt.want)
		}
		reader, err := decode[tt.want](response.Body)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(reader)
		if err != nil || !strings.HasPrefix(long, string(body)) || (tt.short == "" && string(body) != long) {
			t.Errorf("%q: %d bytes, %v", tt.accept, len(body), err)
		}
		if !strings.Contains(strings.Join(response.Header.Values("Vary"), ","), "Accept-Encoding") {
			t.Errorf("%q: Vary %v", tt.accept, response.Header.Values("Vary"))
		}
	}
}

func TestAuthenticator(t *testing.T) {
	t.Parallel()
	session := &betterauth.Session{UserID: "u1", Scheme: betterauth.SchemeCookie, TokenHash: "h1"}
	ada := viewer.Viewer{UserID: "u1", WorkspaceID: "u1", Role: viewer.RoleAdmin, Location: time.UTC}
	tests := []struct {
		name      string
		session   error
		viewer    error
		want      string // the refusal's message, or ""
		transient bool
		log       []string
	}{
		{"signed in", nil, nil, "", false, nil},
		{"refused", &betterauth.Refusal{Reason: "bad_signature", Message: "Invalid session", Cookie: "c", TokenHash: "h"}, nil, "Invalid session", false, []string{`"level":"WARN"`, `"reason":"bad_signature"`, `"cookie":"c"`, `"token_hash":"h"`}},
		{"auth server down", fmt.Errorf("x: %w", &betterauth.Refusal{Reason: "auth_unavailable", Message: "Wait", Unavailable: true, RetryAfter: 7 * time.Second, Err: errors.New("refused")}), nil, "Wait", true, []string{`"level":"WARN"`, `"reason":"auth_unavailable"`, `"error":"refused"`}},
		{"JWT refused", &betterauth.Refusal{Reason: "unknown_key", Message: "Invalid session", Scheme: betterauth.SchemeJWT}, nil, "Invalid session", false, []string{`"reason":"unknown_key","scheme":"jwt","request_id":"r1"`}},
		{"no such user", nil, fmt.Errorf("x: %w", account.ErrNotFound), "User not found", false, []string{`"level":"INFO"`, `"reason":"user_not_found","scheme":"cookie","token_hash":"h1","user_id":"u1"`}},
		{"erased user", nil, fmt.Errorf("x: %w", account.ErrErased), "User not found", false, []string{`"level":"INFO"`, `"reason":"user_erased","scheme":"cookie","token_hash":"h1","user_id":"u1"`}},
		{"database down", nil, errors.New("down"), "Your session can't be checked just now: try again in a moment.", true, []string{`"level":"ERROR"`, `"error":"down"`}},
		{"another error", errors.New("odd"), nil, "Your session can't be checked just now: try again in a moment.", true, []string{`"level":"ERROR"`, `"error":"odd"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			lines := slog.New(slog.NewJSONHandler(&log, nil))
			users := authenticator{
				authenticate: func(context.Context, http.Header) (*betterauth.Session, error) { return session, tt.session },
				viewer:       func(context.Context, *betterauth.Session) (viewer.Viewer, error) { return ada, tt.viewer },
				refusals:     newRefusalLog(lines, time.Now),
				log:          lines,
			}
			info := &requestInfo{requestID: "r1"}
			r := httptest.NewRequestWithContext(context.WithValue(t.Context(), requestInfoKey{}, info), http.MethodPost, "/graphql", nil)
			w := httptest.NewRecorder()
			users.middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				v, err := viewer.FromContext(r.Context())
				var refusal *viewer.Refusal
				errors.As(err, &refusal)
				switch {
				case tt.want == "" && (v != ada || info.userID != "u1"):
					t.Errorf("got %v, %v", v, err)
				case tt.want != "" && (refusal == nil || refusal.Message != tt.want || refusal.Unavailable != tt.transient || info.userID != ""):
					t.Errorf("got %v, %+v", v, refusal)
				}
				w.WriteHeader(http.StatusTeapot)
			})).ServeHTTP(w, r)
			if w.Code != http.StatusTeapot {
				t.Error("the middleware answered itself")
			}
			if lines := strings.Count(log.String(), "\n"); (tt.log == nil) != (lines == 0) || lines > 1 {
				t.Errorf("%d log lines: %s", lines, log.String())
			}
			for _, part := range tt.log {
				if !strings.Contains(log.String(), part) {
					t.Errorf("the log lacks %s: %s", part, log.String())
				}
			}
		})
	}
}
