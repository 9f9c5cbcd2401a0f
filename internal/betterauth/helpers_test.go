package betterauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taskql/internal/betterauth"
)

const (
	secret = "a-secret-for-tests-of-32-characters"
	token  = "AL8XBPD25OX65mZbiNDd9UdDLJoYie4X"
	plain  = "better-auth.session_token"
	secure = "__Secure-better-auth.session_token"
)

// start returns the time at which fake clocks start.
func start() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// clock is a fake clock.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.nanos.Store(start().UnixNano())
	return c
}

func (c *clock) Now() time.Time { return time.Unix(0, c.nanos.Load()) }

func (c *clock) Advance(d time.Duration) { c.nanos.Add(int64(d)) }

// authServer is a fake auth server that counts requests and keeps the last one.
type authServer struct {
	*httptest.Server
	calls atomic.Int64
	mu    sync.Mutex
	last  *http.Request
}

func (s *authServer) lastRequest() *http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// newAuthServer starts an auth server that handles requests with answer, except those to /api/auth/ok, which succeed
// and aren't counted.
func newAuthServer(t testing.TB, answer http.HandlerFunc) *authServer {
	t.Helper()
	s := &authServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/ok") {
			respondJSON(`{"ok":true}`)(w, nil)
			return
		}
		s.calls.Add(1)
		s.mu.Lock()
		s.last = r
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// respondJSON returns a handler that answers with that JSON, in which the requested token replaces the constant token.
func respondJSON(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		answer := body
		if asked := requestedToken(r); asked != "" {
			answer = strings.ReplaceAll(body, token, asked)
		}
		_, _ = w.Write([]byte(answer))
	}
}

// requestedToken returns the session token of a request, as a server with the bearer plugin reads it.
func requestedToken(r *http.Request) string {
	if r == nil {
		return ""
	}
	if _, value, ok := strings.Cut(r.Header.Get("Authorization"), "Bearer "); ok {
		text, _, _ := strings.Cut(value, ".")
		return text
	}
	first, _, _ := strings.Cut(r.Header.Get("Cookie"), ";")
	_, value, _ := strings.Cut(first, "=")
	text, _, _ := strings.Cut(value, ".")
	return text
}

// sessionJSONUntil returns a get-session response with a session that expires at that time.
func sessionJSONUntil(expires time.Time) string {
	return fmt.Sprintf(`{"session":{"id":"s1","token":%q,"userId":"u1","expiresAt":%q,"createdAt":"2026-11-23T11:00:00.000Z",
		"updatedAt":"2026-11-23T11:30:00.000Z","ipAddress":"","userAgent":"x"},
		"user":{"id":"u1","name":"Zoë","email":"zoe@example.com","emailVerified":true,"image":null,
		"createdAt":"2026-01-01T00:00:00.000Z","updatedAt":"2026-01-02T00:00:00.000Z"}}`,
		token, expires.Format(time.RFC3339Nano))
}

func sessionJSON() string { return sessionJSONUntil(start().Add(7 * 24 * time.Hour)) }

func newAuthenticator(t testing.TB, cfg betterauth.Config) *betterauth.Authenticator {
	t.Helper()
	if cfg.Secret == "" {
		cfg.Secret = secret
	}
	if cfg.Now == nil {
		cfg.Now = newClock().Now // The sessions of sessionJSON end in a week.
	}
	a, err := betterauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// realAuthenticator returns an Authenticator with the real clock, for real auth servers and for synctest.
func realAuthenticator(t testing.TB, cfg betterauth.Config) *betterauth.Authenticator {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return newAuthenticator(t, cfg)
}

// patient returns a configuration for a real auth server, which may be slow on a busy machine: it waits for each answer, while a stale
// one would be used after a second.
func patient(cfg betterauth.Config) betterauth.Config {
	cfg.Timeout, cfg.StaleTTL = time.Minute, -1
	return cfg
}

func cookies(lines ...string) http.Header { return http.Header{"Cookie": lines} }

func signedIn() http.Header { return cookies(plain + "=" + betterauth.SignCookie(secret, token)) }

// refusalOf authenticates and returns the refusal, or nil if there is none.
func refusalOf(t testing.TB, a *betterauth.Authenticator, h http.Header) *betterauth.Refusal {
	t.Helper()
	session, err := a.Authenticate(t.Context(), h)
	if err == nil {
		return nil
	}
	if session != nil {
		t.Errorf("a session and an error: %v", err)
	}
	var refusal *betterauth.Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("not a Refusal: %v", err)
	}
	return refusal
}

func wantRefusal(t testing.TB, a *betterauth.Authenticator, h http.Header, reason betterauth.Reason, message string) {
	t.Helper()
	switch got := refusalOf(t, a, h); {
	case got == nil:
		t.Errorf("signed in, want %s", reason)
	case got.Reason != reason || !strings.HasPrefix(got.Message, message):
		t.Errorf("refused with %s, %q, want %s, %q", got.Reason, got.Message, reason, message)
	}
}

func wantCalls(t testing.TB, server *authServer, want int64) {
	t.Helper()
	if got := server.calls.Load(); got != want {
		t.Errorf("%d requests to the auth server, want %d", got, want)
	}
}

func wantSession(t testing.TB, a *betterauth.Authenticator, h http.Header) {
	t.Helper()
	if refusal := refusalOf(t, a, h); refusal != nil {
		t.Errorf("refused: %v", refusal)
	}
}

// fakeTransport is an auth server in this process, with a handler that can be replaced. It works under synctest.
type fakeTransport struct {
	handler atomic.Value // of http.HandlerFunc; nil refuses connections
	calls   atomic.Int64
}

func (m *fakeTransport) set(h http.HandlerFunc) { m.handler.Store(h) }

// RoundTrip implements http.RoundTripper.
func (m *fakeTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	m.calls.Add(1)
	h, _ := m.handler.Load().(http.HandlerFunc)
	if h == nil {
		return nil, errors.New("connection refused")
	}
	w := httptest.NewRecorder()
	h(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// hang doesn't answer.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// respondStatus returns a handler that answers with a status and headers, which are pairs of name and value.
func respondStatus(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}
}

// respondHealthy answers like an auth server that knows every session.
func respondHealthy(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/ok") {
		respondJSON(`{"ok":true}`)(w, nil)
		return
	}
	respondJSON(sessionJSONUntil(time.Now().Add(time.Hour)))(w, r)
}

// userCookie returns the headers of a request with the session of that number.
func userCookie(i int) http.Header {
	return cookies(plain + "=" + betterauth.SignCookie(secret, fmt.Sprintf("%032d", i)))
}

// authenticateTimed authenticates and returns how long that took.
func authenticateTimed(t *testing.T, a *betterauth.Authenticator, h http.Header) (time.Duration, *betterauth.Refusal) {
	t.Helper()
	begin := time.Now()
	refusal := refusalOf(t, a, h)
	return time.Since(begin), refusal
}
