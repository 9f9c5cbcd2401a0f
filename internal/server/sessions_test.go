package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taskql/internal/betterauth"
	"taskql/internal/testkit"
	"taskql/internal/testkit/pgcluster"
)

// These tests send requests to the whole server, with a real Better Auth.

const (
	mediaGraphQL = "application/graphql-response+json"
	mediaJSON    = "application/json"
	whoAmI       = "{ viewer { email } tasks { totalCount } }"
)

// against returns the environment of a server that trusts an auth server.
func against(address, secret string, more map[string]string) map[string]string {
	environ := map[string]string{"AUTH_SERVER_URL": address, "JWT_SECRET": secret, "CORS_ORIGINS": origin}
	maps.Copy(environ, more)
	return environ
}

// call sends a GraphQL request. The error is the network's.
func call(ctx context.Context, address string, header http.Header, document string) (*http.Response, string, error) {
	body, err := json.Marshal(map[string]string{"query": document})
	if err != nil {
		return nil, "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address+graphqlPath, strings.NewReader(string(body)))
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("Content-Type", mediaJSON)
	r.Header.Set("Accept", mediaGraphQL)
	maps.Copy(r.Header, header)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response, string(answer), err
}

func mustCall(t *testing.T, address string, header http.Header, document string) (*http.Response, string) {
	t.Helper()
	response, answer, err := call(t.Context(), address, header, document)
	if err != nil {
		t.Fatal(err)
	}
	return response, answer
}

func serve(t *testing.T, s *Server) string {
	t.Helper()
	web := httptest.NewServer(s.Handler())
	t.Cleanup(web.Close)
	return web.URL
}

// hashOf returns the hash of a token in logs.
func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:6])
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

func with(h http.Header, pairs ...string) http.Header {
	h = h.Clone()
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

// jwtOf asks Better Auth's jwt plugin for a JWT.
func jwtOf(t *testing.T, auth *testkit.AuthServer, of *testkit.AuthClient) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, auth.URL+"/api/auth/token", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = of.Header()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var body struct{ Token string }
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil || body.Token == "" {
		t.Fatalf("%s: %v", response.Status, err)
	}
	return body.Token
}

// TestSchemes signs in by cookie, bearer token and JWT. Pages of other origins can't use cookies, but can send tokens.
func TestSchemes(t *testing.T) {
	t.Parallel()
	auth := testkit.BetterAuth(t, testkit.BetterAuthOptions{Plugins: []string{"bearer", "jwt"}})
	ada := auth.SignUp(t, "Ada", "ada@example.com", "correct horse")
	s, log := newServer(t, against(auth.URL, auth.Secret, nil))
	address := serve(t, s)
	wire := ada.Cookies()[betterauth.SessionCookie]
	signed, err := url.PathUnescape(wire)
	if err != nil {
		t.Fatal(err)
	}
	jwt := jwtOf(t, auth, ada)
	const me = `{"data":{"viewer":{"email":"ada@example.com"},"tasks":{"totalCount":0}}}`
	cookie := ada.Header()
	for name, header := range map[string]http.Header{
		"cookie":                  cookie,
		"cookie, a listed origin": with(cookie, "Origin", origin, "Sec-Fetch-Site", "cross-site"),
		"cookie, our own origin":  with(cookie, "Origin", address),
		"cookie, a page of ours":  with(cookie, "Sec-Fetch-Site", "same-origin"),
		"cookie, a link from elsewhere, forwarded whole": with(cookie, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document",
			"Sec-Fetch-User", "?1", "Upgrade-Insecure-Requests", "1", "Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
		"raw bearer":                     bearer(ada.Token),
		"signed bearer":                  bearer(signed),
		"encoded bearer":                 bearer(wire),
		"bearer, any origin":             with(bearer(ada.Token), "Origin", "https://evil.example"),
		"JWT":                            bearer(jwt),
		"JWT, any origin":                with(bearer(jwt), "Origin", "null"),
		"a good bearer beats the cookie": with(bearer(ada.Token), "Cookie", cookie.Get("Cookie"), "Origin", "https://evil.example"),
	} {
		response, answer := mustCall(t, address, header, whoAmI)
		if response.StatusCode != http.StatusOK || answer != me {
			t.Errorf("%s: %d %s", name, response.StatusCode, answer)
		}
		if listed := header.Get("Origin") == origin; listed != (response.Header.Get("Access-Control-Allow-Origin") == origin) {
			t.Errorf("%s: %v", name, response.Header)
		}
	}
	for name, header := range map[string]http.Header{
		"a stranger":       with(cookie, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"),
		"an opaque origin": with(cookie, "Origin", "null"),
		"no origin":        with(cookie, "Sec-Fetch-Site", "same-site"),
	} {
		response, answer := mustCall(t, address, header, `mutation { createTask(input: {title: "x"}) { task { id } } }`)
		if response.StatusCode != http.StatusForbidden || !strings.HasPrefix(answer, `{"errors":[{"message":"`) || !strings.Contains(answer, `"code":"CSRF_REFUSED"`) {
			t.Errorf("%s: %d %s", name, response.StatusCode, answer)
		}
		if h := response.Header; h.Get("Access-Control-Allow-Origin") != "" || h.Get("X-Request-Id") == "" || !strings.Contains(strings.Join(h.Values("Vary"), ","), "Origin") {
			t.Errorf("%s: %v", name, h)
		}
	}
	for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""} {
		response, answer := mustCall(t, address, with(cookie, "Content-Type", media), whoAmI)
		if response.StatusCode != http.StatusUnsupportedMediaType {
			t.Errorf("%q: %d %s", media, response.StatusCode, answer)
		}
	}
	if _, answer := mustCall(t, address, cookie, whoAmI); answer != me {
		t.Errorf("a forged request did something: %s", answer)
	}
	hash := hashOf(ada.Token)
	for _, want := range []string{"reason=csrf_refused scheme=cookie token_hash=" + hash, "origin=https://evil.example", "origin=null", "sec_fetch_site=same-site"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	for _, secret := range []string{ada.Token, wire, signed, jwt, auth.Secret} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log tells %.6s…", secret)
		}
	}
}

// TestStrictProvisioning: a valid session of a user without a row is answered with "User not found".
func TestStrictProvisioning(t *testing.T) {
	t.Parallel()
	auth := testkit.BetterAuth(t, testkit.BetterAuthOptions{IDFormat: "serial"})
	ada := auth.SignUp(t, "Ada", "ada@example.com", "correct horse")
	s, log := newServer(t, against(auth.URL, auth.Secret, map[string]string{"USER_PROVISIONING": "strict"}))
	response, answer := mustCall(t, serve(t, s), ada.Header(), whoAmI)
	if response.StatusCode != http.StatusUnauthorized || !strings.Contains(answer, `"User not found"`) || !strings.Contains(answer, `"UNAUTHENTICATED"`) {
		t.Errorf("%d %s", response.StatusCode, answer)
	}
	if !strings.Contains(log.String(), "reason=user_not_found scheme=cookie token_hash="+hashOf(ada.Token)+" user_id="+ada.UserID) {
		t.Errorf("log:\n%s", log)
	}
}

// TestSignOut: a session that was ended at the auth server is refused within SESSION_CACHE_TTL, whatever its session_data cookie
// says.
func TestSignOut(t *testing.T) {
	t.Parallel()
	const ttl = time.Second
	auth := testkit.BetterAuth(t, testkit.BetterAuthOptions{CookieCache: "compact", Plugins: []string{"bearer"}})
	s, log := newServer(t, against(auth.URL, auth.Secret, map[string]string{"SESSION_CACHE_TTL": ttl.String()}))
	address := serve(t, s)
	for i, scheme := range []string{"cookie", "bearer"} {
		email := fmt.Sprintf("u%d@example.com", i)
		user := auth.SignUp(t, "U", email, "correct horse")
		header := user.Header()
		if scheme == "bearer" {
			header = bearer(user.Token)
		} else if !strings.Contains(header.Get("Cookie"), "session_data") {
			t.Fatal("Better Auth sets no session_data")
		}
		if response, answer := mustCall(t, address, header, whoAmI); response.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", response.StatusCode, answer)
		}
		user.SignOut(t)
		signedOut := time.Now()
		for lastGood := time.Duration(0); ; {
			sent := time.Since(signedOut)
			response, answer := mustCall(t, address, header, whoAmI)
			took := time.Since(signedOut) - sent
			if response.StatusCode == http.StatusUnauthorized && strings.Contains(answer, "Invalid session") {
				t.Logf("%s: the last request that passed was sent %s after signing out, the first that was refused %s; SESSION_CACHE_TTL=%s",
					scheme, lastGood.Round(time.Millisecond), sent.Round(time.Millisecond), ttl)
				break
			}
			// The time of sending counts. If the auth server takes over a second, or was too slow before, the server uses its
			// cache.
			stale := took >= time.Second || strings.Contains(log.String(), "auth server")
			if response.StatusCode != http.StatusOK || sent > ttl && !stale || sent > 2*time.Minute {
				t.Fatalf("%s: sent %s after signing out, took %s: %d %s", scheme, sent, took, response.StatusCode, answer)
			}
			lastGood = sent
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// TestAuthServerDown: operations that need a session get 503 with Retry-After, in both media types. Others are answered.
func TestAuthServerDown(t *testing.T) {
	t.Parallel()
	s, log := newServer(t, against("http://127.0.0.1:1", testkit.BetterAuthSecret, nil))
	address := serve(t, s)
	cookie := http.Header{"Cookie": {betterauth.SessionCookie + "=" + betterauth.SignCookie(testkit.BetterAuthSecret, strings.Repeat("a", 32))}}
	for _, media := range []string{mediaGraphQL, mediaJSON} {
		for _, document := range []string{
			"{ tasks { totalCount } }", "{ viewer { id } }", "{ __typename viewer { id } }",
			`mutation { createTask(input: {title: "x"}) { task { id } } }`,
		} {
			response, answer := mustCall(t, address, with(cookie, "Accept", media, "Origin", origin), document)
			if response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(answer, `"code":"SERVICE_UNAVAILABLE"`) || strings.Contains(answer, `"data"`) {
				t.Errorf("%s, %s: %d %s", media, document, response.StatusCode, answer)
			}
			if wait := response.Header.Get("Retry-After"); wait == "" || wait == "0" || !strings.HasPrefix(response.Header.Get("Content-Type"), media) {
				t.Errorf("%s, %s: %v", media, document, response.Header)
			}
		}
		response, answer := mustCall(t, address, with(cookie, "Accept", media), "{ __typename }")
		if response.StatusCode != http.StatusOK || answer != `{"data":{"__typename":"Query"}}` {
			t.Errorf("%s: %d %s", media, response.StatusCode, answer)
		}
		// A request without a session needs no auth server.
		if response, answer := mustCall(t, address, http.Header{"Accept": {media}}, "{ viewer { id } }"); response.StatusCode != http.StatusOK || answer != `{"data":{"viewer":null}}` {
			t.Errorf("%s: %d %s", media, response.StatusCode, answer)
		}
	}
	if !strings.Contains(log.String(), "reason=auth_unavailable scheme=cookie cookie="+betterauth.SessionCookie+" token_hash=") {
		t.Errorf("log:\n%s", log)
	}
}

// gate is a proxy before the auth server. If it is shut, it behaves like a server that was killed: its port refuses connections,
// and open ones are closed.
type gate struct {
	address, target string

	mu       sync.Mutex
	listener net.Listener // nil while shut
	conns    []net.Conn
}

func newGate(t *testing.T, target string) *gate {
	t.Helper()
	port, err := pgcluster.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{address: fmt.Sprintf("127.0.0.1:%d", port), target: strings.TrimPrefix(target, "http://")}
	g.open(t)
	t.Cleanup(g.shut)
	return g
}

func (g *gate) open(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", g.address)
	if err != nil {
		t.Fatal(err)
	}
	g.mu.Lock()
	g.listener, g.address = listener, listener.Addr().String()
	g.mu.Unlock()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go g.join(conn)
		}
	}()
}

func (g *gate) join(client net.Conn) {
	server, err := net.Dial("tcp", g.target)
	if err != nil {
		_ = client.Close()
		return
	}
	g.mu.Lock()
	shut := g.listener == nil
	g.conns = append(g.conns, client, server)
	g.mu.Unlock()
	if shut { // It was accepted just before the gate was shut.
		_, _ = client.Close(), server.Close()
		return
	}
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	_, _ = io.Copy(client, server)
	_ = client.Close()
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener != nil {
		_ = g.listener.Close()
		g.listener = nil
	}
	for _, conn := range g.conns {
		_ = conn.Close()
	}
	g.conns = nil
}

// tally counts the answers to a group of users.
type tally struct {
	good, unavailable, wrong atomic.Int64

	mu      sync.Mutex
	slowest time.Duration
}

func (c *tally) took(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slowest = max(c.slowest, d)
}

func (c *tally) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%d answered, %d times 503, %d otherwise, slowest %s",
		c.good.Load(), c.unavailable.Load(), c.wrong.Load(), c.slowest.Round(time.Millisecond))
}

// TestFaultsOutage stops the auth server under load. Users with cached sessions are served, others get 503, and after the outage all
// are served again.
func TestFaultsOutage(t *testing.T) {
	t.Parallel()
	testkit.Suite(t, "faults")
	const ttl, before, outage, patience = time.Second, time.Second, 4 * time.Second, 20 * time.Second
	auth := testkit.BetterAuth(t, testkit.BetterAuthOptions{})
	g := newGate(t, auth.URL)
	s, _ := newServer(t, against("http://"+g.address, auth.Secret, map[string]string{"SESSION_CACHE_TTL": ttl.String(), "LOG_LEVEL": "error", "RATE_LIMIT": "off"}))
	address := serve(t, s)
	var known, unknown []http.Header
	for i := range 4 {
		known = append(known, auth.SignUp(t, "K", fmt.Sprintf("k%d@example.com", i), "correct horse").Header())
		unknown = append(unknown, auth.SignUp(t, "U", fmt.Sprintf("u%d@example.com", i), "correct horse").Header())
	}
	for _, header := range known {
		if response, answer := mustCall(t, address, header, whoAmI); response.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", response.StatusCode, answer)
		}
	}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var workers sync.WaitGroup
	var knownSaw, unknownSaw tally
	var back atomic.Int64 // how many of the others were served
	hammer := func(header http.Header, saw *tally, once bool) {
		for ctx.Err() == nil {
			start := time.Now()
			response, answer, err := call(ctx, address, header, whoAmI)
			took := time.Since(start)
			switch {
			case ctx.Err() != nil:
				return
			case err == nil && response.StatusCode == http.StatusOK && !strings.Contains(answer, "errors"):
				saw.good.Add(1)
				if once {
					back.Add(1)
					return
				}
			case err == nil && response.StatusCode == http.StatusServiceUnavailable && response.Header.Get("Retry-After") != "":
				saw.unavailable.Add(1)
			default:
				saw.wrong.Add(1)
				t.Errorf("%v %s", err, answer)
				return
			}
			saw.took(took)
			time.Sleep(2 * time.Millisecond)
		}
	}
	for _, header := range known {
		workers.Go(func() { hammer(header, &knownSaw, false) })
	}
	time.Sleep(before)
	g.shut()
	died := time.Now()
	for _, header := range unknown {
		workers.Go(func() { hammer(header, &unknownSaw, true) })
	}
	time.Sleep(outage)
	if n := back.Load(); n != 0 {
		t.Errorf("%d strangers were let in while nobody could tell who they are", n)
	}
	g.open(t)
	reopened := time.Now()
	for back.Load() < int64(len(unknown)) && time.Since(reopened) < patience && !t.Failed() {
		time.Sleep(10 * time.Millisecond)
	}
	recovered := time.Since(reopened)
	time.Sleep(ttl + 200*time.Millisecond) // The cached sessions expire.
	stop()
	workers.Wait()
	if back.Load() != int64(len(unknown)) {
		t.Errorf("%d of %d are back %s after the auth server", back.Load(), len(unknown), recovered)
	}
	if knownSaw.unavailable.Load() != 0 || knownSaw.good.Load() < 50 {
		t.Errorf("the known users noticed: %s", &knownSaw)
	}
	if unknownSaw.unavailable.Load() == 0 {
		t.Errorf("the others: %s", &unknownSaw)
	}
	t.Logf("auth server away for %s; known users: %s; others: %s, all back %s after it",
		reopened.Sub(died).Round(time.Millisecond), &knownSaw, &unknownSaw, recovered.Round(time.Millisecond))
}
