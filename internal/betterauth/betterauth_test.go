package betterauth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"taskql/internal/betterauth"
)

const (
	secret = "a-secret-for-tests-of-32-characters"
	token  = "AL8XBPD25OX65mZbiNDd9UdDLJoYie4X"
	plain  = "better-auth.session_token"
	secure = "__Secure-better-auth.session_token"
)

// start is the fake clock's first moment.
func start() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// clock is a clock that stands still until it is moved.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.nanos.Store(start().UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *clock) Advance(d time.Duration) { c.nanos.Add(int64(d)) }

// authServer is a fake auth server that counts its calls and remembers the last one.
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

// newAuthServer starts an auth server that works: /api/auth/ok is not counted, and everything else is answered as given.
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

// sends answers every request with that JSON, in which the token that it asks about stands for the usual one.
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

// requestedToken is the token that a question is about, as a server with the bearer plugin reads it.
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

// sessionJSONUntil is a get-session answer for a session that expires then.
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
		cfg.Now = newClock().Now // The answers' sessions end in a week.
	}
	a, err := betterauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// realAuthenticator is for sessions of a real server, and for synctest: both have a clock of their own.
func realAuthenticator(t testing.TB, cfg betterauth.Config) *betterauth.Authenticator {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return newAuthenticator(t, cfg)
}

func cookies(lines ...string) http.Header { return http.Header{"Cookie": lines} }

func signedIn() http.Header { return cookies(plain + "=" + betterauth.SignCookie(secret, token)) }

// refusalOf authenticates and returns the refusal, or nil where there is none.
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
		t.Errorf("the auth server was asked %d times, want %d", got, want)
	}
}

func wantSession(t testing.TB, a *betterauth.Authenticator, h http.Header) {
	t.Helper()
	if refusal := refusalOf(t, a, h); refusal != nil {
		t.Errorf("refused: %v", refusal)
	}
}

func TestNewRefusesBadConfig(t *testing.T) {
	for name, cfg := range map[string]betterauth.Config{
		"no address":     {Secret: secret},
		"no scheme":      {Secret: secret, BaseURL: "auth.example.com"},
		"other scheme":   {Secret: secret, BaseURL: "ftp://auth.example.com"},
		"no host":        {Secret: secret, BaseURL: "https:///api/auth"},
		"query":          {Secret: secret, BaseURL: "https://auth.example.com?x=y"},
		"no URL":         {Secret: secret, BaseURL: "https://joe:hunter2@auth.example.com:port"},
		"no secret":      {BaseURL: "https://auth.example.com"},
		"negative TTL":   {Secret: secret, BaseURL: "https://auth.example.com", CacheTTL: -1},
		"negative size":  {Secret: secret, BaseURL: "https://auth.example.com", CacheSize: -1},
		"negative limit": {Secret: secret, BaseURL: "https://auth.example.com", Timeout: -1},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := betterauth.New(cfg)
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), secret) {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}

func TestSessionRequest(t *testing.T) {
	const forged = "better-auth.dont_remember=true.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D"
	value := betterauth.SignCookie(secret, token)
	mark := betterauth.SignCookie(secret, "true")
	for _, test := range []struct {
		name, base, cookie, wantPath, wantCookie string
	}{
		{"plain", "", plain + "=" + value, "/api/auth/get-session", plain + "=" + value},
		{"trailing slash", "/", plain + "=" + value, "/api/auth/get-session", plain + "=" + value},
		{"whole path", "/api/auth/", plain + "=" + value, "/api/auth/get-session", plain + "=" + value},
		{"base path", "/app/", plain + "=" + value, "/app/get-session", plain + "=" + value},
		{"secure", "", secure + "=" + value, "/api/auth/get-session", secure + "=" + value},
		{"encoded anew", "", plain + "=" + token + "." + unescaped(value), "/api/auth/get-session", plain + "=" + value},
		{
			"dont_remember goes along, nothing else does", "",
			"a=b; better-auth.session_data=x; better-auth.dont_remember=" + mark + "; " + plain + "=" + value,
			"/api/auth/get-session", plain + "=" + value + "; better-auth.dont_remember=" + mark,
		},
		{"a forged dont_remember stays", "", forged + "; " + plain + "=" + value, "/api/auth/get-session", plain + "=" + value},
		{"the other name's dont_remember stays", "", "better-auth.dont_remember=" + mark + "; " + secure + "=" + value, "/api/auth/get-session", secure + "=" + value},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := newAuthServer(t, respondJSON(sessionJSON()))
			a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL + test.base, Now: newClock().Now})
			h := cookies(test.cookie)
			h.Set("X-Forwarded-Proto", "https,http")
			h.Set("X-Forwarded-For", "10.0.0.1")
			wantSession(t, a, h)
			got := server.lastRequest()
			if got.Method != http.MethodGet || got.URL.Path != test.wantPath {
				t.Errorf("%s %s, want GET %s", got.Method, got.URL.Path, test.wantPath)
			}
			if got.URL.RawQuery != "disableCookieCache=true&disableRefresh=true" {
				t.Errorf("query %q", got.URL.RawQuery)
			}
			if diff := cmp.Diff([]string{test.wantCookie}, got.Header["Cookie"]); diff != "" {
				t.Error(diff)
			}
			if "http://"+got.Host != server.URL {
				t.Errorf("host %q", got.Host)
			}
			for _, name := range []string{"X-Forwarded-Proto", "X-Forwarded-For", "Authorization", "Origin"} {
				if got.Header.Get(name) != "" {
					t.Errorf("%s was passed on", name)
				}
			}
		})
	}
}

// unescaped is the signature of a wire value, not percent-encoded.
func unescaped(wire string) string {
	_, signature, _ := strings.Cut(wire, ".")
	return strings.NewReplacer("%2B", "+", "%2F", "/", "%3D", "=").Replace(signature)
}

func TestSession(t *testing.T) {
	image := "https://example.com/a.png"
	user := betterauth.User{
		ID: "u1", Name: "Zoë", Email: "zoe@example.com", EmailVerified: true,
		CreatedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), UpdatedAt: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC),
	}
	session := betterauth.Session{
		ID: "s1", UserID: "u1", ExpiresAt: start().Add(7 * 24 * time.Hour),
		CreatedAt: time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC), UpdatedAt: time.Date(2026, 11, 23, 11, 30, 0, 0, time.UTC),
		User: user, AsOf: start(), Scheme: betterauth.SchemeCookie,
	}
	withImage := session
	withImage.User.Image = &image
	withoutProfile := session
	withoutProfile.User.Name, withoutProfile.User.Email = "", ""
	withoutProfile.User.Missing = betterauth.ProfileName | betterauth.ProfileEmail | betterauth.ProfileImage
	serial := session
	serial.ID, serial.UserID, serial.User.ID = "7", "12", "12"
	for _, test := range []struct {
		name, answer string
		want         betterauth.Session
	}{
		{"whole", sessionJSON(), session},
		{"a shorter profile", strings.NewReplacer(`"name":"Zoë",`, "", `"zoe@example.com"`, "null", `,"image":null`, "").Replace(sessionJSON()), withoutProfile},
		{"image", strings.Replace(sessionJSON(), `"image":null`, `"image":"`+image+`"`, 1), withImage},
		{"numbers for ids", strings.NewReplacer(`"u1"`, `12`, `"s1"`, `7`).Replace(sessionJSON()), serial},
		{"unknown fields, some of them similar", strings.NewReplacer(`"session":{`, `"session":{"userID":"u2","USERID":"u3","x":[1],`, `"user":{`, `"user":{"Id":"u2","banned":null,`).Replace(sessionJSON()), session},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := newAuthServer(t, respondJSON(test.answer))
			a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, Now: newClock().Now})
			got, err := a.Authenticate(t.Context(), signedIn())
			if err != nil {
				t.Fatal(err)
			}
			test.want.TokenHash = got.TokenHash // Another test's subject.
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	t.Run("connection refused", func(t *testing.T) {
		server := httptest.NewServer(http.NotFoundHandler())
		server.Close()
		a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL})
		wantRefusal(t, a, signedIn(), betterauth.ReasonUnavailable, "The sign-in service")
	})
	t.Run("slow", func(t *testing.T) {
		server := newAuthServer(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, Timeout: 30 * time.Millisecond})
		wantRefusal(t, a, signedIn(), betterauth.ReasonSessionUnusable, "Your session")
	})
	t.Run("slow body", func(t *testing.T) {
		server := newAuthServer(t, func(w http.ResponseWriter, r *http.Request) {
			respondJSON(`{"session":`)(w, r)
			_ = http.NewResponseController(w).Flush() // Without it the client would wait for the header.
			<-r.Context().Done()
		})
		a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, Timeout: 30 * time.Millisecond})
		wantRefusal(t, a, signedIn(), betterauth.ReasonSessionUnusable, "Your session")
	})
}

func TestNoSecretsInLogsAndErrors(t *testing.T) {
	var log bytes.Buffer
	server := newAuthServer(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, Log: logger})
	refusals := []*betterauth.Refusal{
		refusalOf(t, a, signedIn()),
		refusalOf(t, a, cookies(plain+"="+token+".x")),
		refusalOf(t, a, cookies(plain+"="+token+"%ZZ")),
		refusalOf(t, a, cookies(plain+"="+token)),
	}
	for _, refusal := range refusals {
		logger.Info("refused", "refusal", refusal, "error", refusal.Error())
		if refusal.TokenHash == "" {
			t.Errorf("%s: no hash", refusal.Reason)
		}
	}
	if !strings.Contains(log.String(), "the auth server fails for a session") || !strings.Contains(log.String(), "answered 500") {
		t.Errorf("the failure is not in the log: %s", log.String())
	}
	for _, secret := range []string{token, secret, "%3D"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log tells %q: %s", secret, log.String())
		}
	}
}

func TestCache(t *testing.T) {
	const ttl = 15 * time.Second
	type step struct {
		wait  time.Duration
		calls int64
	}
	for _, test := range []struct {
		name    string
		ttl     time.Duration
		expires time.Duration
		steps   []step
	}{
		{"asks once per TTL", ttl, time.Hour, []step{{0, 1}, {ttl - 1, 1}, {1, 2}, {ttl - 1, 2}, {ttl, 3}}},
		{"never without a TTL", 0, time.Hour, []step{{0, 1}, {0, 2}}},
		{"no longer than the session", ttl, 5 * time.Second, []step{{0, 1}, {5*time.Second - 1, 1}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := newAuthServer(t, respondJSON(sessionJSONUntil(start().Add(test.expires))))
			now := newClock()
			a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, CacheTTL: test.ttl, Now: now.Now})
			for i, step := range test.steps {
				now.Advance(step.wait)
				wantSession(t, a, signedIn())
				if got := server.calls.Load(); got != step.calls {
					t.Errorf("step %d: %d calls, want %d", i, got, step.calls)
				}
			}
		})
	}
	t.Run("an expired session is refused to the moment", func(t *testing.T) {
		server := newAuthServer(t, respondJSON(sessionJSONUntil(start().Add(5*time.Second))))
		now := newClock()
		a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, CacheTTL: ttl, Now: now.Now})
		wantSession(t, a, signedIn())
		now.Advance(5 * time.Second)
		wantRefusal(t, a, signedIn(), betterauth.ReasonExpired, "Invalid session")
	})
	t.Run("a slow answer does not lengthen the TTL", func(t *testing.T) {
		now := newClock()
		server := newAuthServer(t, func(w http.ResponseWriter, r *http.Request) {
			now.Advance(4 * time.Second)
			respondJSON(sessionJSON())(w, r)
		})
		a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, CacheTTL: ttl, Now: now.Now})
		wantSession(t, a, signedIn())
		now.Advance(ttl - 4*time.Second)
		wantSession(t, a, signedIn())
		if got := server.calls.Load(); got != 2 {
			t.Errorf("%d calls, want 2", got)
		}
	})
	t.Run("a cached session needs its signature", func(t *testing.T) {
		server := newAuthServer(t, respondJSON(sessionJSON()))
		a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, CacheTTL: ttl, Now: newClock().Now})
		wantSession(t, a, signedIn())
		wantRefusal(t, a, cookies(plain+"="+betterauth.SignCookie("another", token)), betterauth.ReasonBadSignature, "Invalid session")
	})
}

func TestConcurrentRequestsShareOneFetch(t *testing.T) {
	const callers = 200
	release := make(chan struct{})
	server := newAuthServer(t, func(w http.ResponseWriter, r *http.Request) {
		<-release
		respondJSON(sessionJSON())(w, r)
	})
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, CacheTTL: time.Minute, Now: newClock().Now})
	var group sync.WaitGroup
	for range callers {
		group.Go(func() { wantSession(t, a, signedIn()) })
	}
	for server.calls.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	close(release)
	group.Wait()
	if got := server.calls.Load(); got != 1 {
		t.Errorf("%d calls, want 1", got)
	}
}

func TestRefusalsAreNotShared(t *testing.T) {
	release := make(chan struct{})
	server := newAuthServer(t, func(w http.ResponseWriter, r *http.Request) {
		<-release
		respondJSON("null")(w, r)
	})
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL})
	got := make([]*betterauth.Refusal, 2)
	var group sync.WaitGroup
	for i := range got {
		group.Go(func() { got[i] = refusalOf(t, a, signedIn()) })
	}
	close(release)
	group.Wait()
	if got[0] == got[1] {
		t.Error("two callers hold one refusal")
	}
}

func TestCanceledCallers(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	server := newAuthServer(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
		respondJSON(sessionJSON())(w, r)
	})
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, CacheTTL: time.Minute, Now: newClock().Now})
	leave := errors.New("the client has gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	first := make(chan error)
	go func() {
		_, err := a.Authenticate(ctx, signedIn())
		first <- err
	}()
	<-arrived
	second := make(chan error)
	go func() {
		_, err := a.Authenticate(t.Context(), signedIn())
		second <- err
	}()
	cancel(leave)
	err := <-first
	var refusal *betterauth.Refusal
	if !errors.Is(err, leave) || !errors.As(err, &refusal) || !refusal.Unavailable {
		t.Errorf("the first caller got %v", err)
	}
	if _, err := a.Authenticate(ctx, signedIn()); !errors.Is(err, leave) {
		t.Errorf("a caller that had gone before got %v", err)
	}
	close(release)
	if err := <-second; err != nil {
		t.Errorf("the second caller got %v", err)
	}
	if got := server.calls.Load(); got != 1 {
		t.Errorf("%d calls, want 1", got)
	}
}

func TestTokenPattern(t *testing.T) {
	const custom = "sess_0123456789"
	server := newAuthServer(t, respondJSON(sessionJSON()))
	h := cookies(plain + "=" + betterauth.SignCookie(secret, custom))
	strict := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, Now: newClock().Now})
	wantRefusal(t, strict, h, betterauth.ReasonBadToken, "Invalid session")
	wide := newAuthenticator(t, betterauth.Config{
		BaseURL: server.URL, Now: newClock().Now, TokenPattern: regexp.MustCompile(`^sess_[0-9]{10}$`),
	})
	wantSession(t, wide, h)
}

// countingTransport answers in process, so that the benchmark measures no network.
type countingTransport struct {
	calls atomic.Int64
	next  http.RoundTripper
}

func (c *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	c.calls.Add(1)
	return c.next.RoundTrip(r)
}

func BenchmarkAuthenticate(b *testing.B) {
	const iss = "https://auth.example.com"
	own, ec := newIssuer(b, "k1"), newECIssuer(b, "k2")
	claims := sessionDataClaims(token, "u1")
	plugin := withClaims(claims, "iss", iss, "aud", "better-auth:session-cache", "sub", "u1", "sid", token)
	bench := func(name string, h http.Header, cached, wantCalls int64) {
		b.Run(name, func(b *testing.B) {
			transport := &countingTransport{next: routes(jwks(b, own, ec), respondJSON(sessionJSON()))}
			a := newAuthenticator(b, betterauth.Config{
				BaseURL: "http://auth", CacheTTL: time.Duration(cached) * time.Hour, Transport: transport,
				Issuers: []string{iss}, Now: newClock().Now, TrustSessionData: true,
			})
			b.ReportAllocs()
			for b.Loop() {
				_, _ = a.Authenticate(b.Context(), h)
			}
			if got := transport.calls.Load(); got != wantCalls {
				b.Fatalf("%d calls", got)
			}
		})
	}
	browser := "theme=dark; _ga=GA1.1.1234567890.1234567890; _ga_ABC=GS1.1.123; intercom-id=0123456789abcdef; "
	bench("hit", signedIn(), 1, 1)
	bench("hit among other cookies", cookies(browser+signedIn().Get("Cookie")), 1, 1)
	bench("hit by bearer", withBearer(token), 1, 1)
	bench("forged", cookies(plain+"="+betterauth.SignCookie("other", token)), 1, 0)
	bench("no cookie", cookies(browser), 1, 0)
	bench("session_data compact", withSessionData(compactSessionData(b, claims)), 1, 0)
	bench("session_data jwt", withSessionData(signJWS(b, jose.HS256, []byte(secret), claims, "")), 1, 0)
	bench("session_data jwe", withSessionData(encryptedData(b, claims)), 1, 0)
	bench("session_data by the plugin", withSessionData(own.sign(b, plugin, "better-auth.session-cache+jwt")), 1, 1)
	bench("JWT seen before", withBearer(own.sign(b, pluginClaims(iss), "")), 1, 1)
	bench("JWT EdDSA", withBearer(own.sign(b, pluginClaims(iss), "")), 0, 1)
	bench("JWT ES256", withBearer(ec.sign(b, pluginClaims(iss), "")), 0, 1)
}

// A browser that went from https to http keeps a dead __Secure- cookie beside a live plain one.
func TestObsoleteSecureCookie(t *testing.T) {
	t.Parallel()
	const dead = "deadDEADdeadDEADdeadDEADdeadDEAD"
	server := newAuthServer(t, func(w http.ResponseWriter, r *http.Request) {
		if requestedToken(r) == dead {
			respondJSON("null")(w, r)
			return
		}
		respondJSON(sessionJSON())(w, r)
	})
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL})
	both := cookies("__Secure-" + plain + "=" + betterauth.SignCookie(secret, dead) + "; " + plain + "=" + betterauth.SignCookie(secret, token))
	wantSession(t, a, both)
	wantRefusal(t, a, cookies("__Secure-"+plain+"="+betterauth.SignCookie(secret, dead)), betterauth.ReasonSessionNull, "Invalid session")
}

// Users choose their names and pictures: neither may lock them out or fill the memory.
func TestUnusualProfiles(t *testing.T) {
	t.Parallel()
	profile := func(name, image string) *betterauth.User {
		answer := strings.NewReplacer(`"image":null`, `"image":"`+image+`"`, `"name":"`, `"name":"`+name).Replace(sessionJSON())
		server := newAuthServer(t, respondJSON(answer))
		a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL})
		session, err := a.Authenticate(t.Context(), signedIn())
		if err != nil {
			t.Fatal(err)
		}
		return &session.User
	}
	if u := profile(`A\u0000da `, `a\u0000.png`); strings.Contains(u.Name, "\x00") || u.Image == nil || *u.Image != "a.png" {
		t.Errorf("got %+v", u)
	}
	if u := profile("", strings.Repeat("x", 1_100_000)); u.Image != nil {
		t.Error("an image of a megabyte is kept")
	}
}
