package betterauth_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"taskql/internal/betterauth"
)

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

// unescaped returns the signature of a cookie's value, without percent-encoding.
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
			test.want.TokenHash = got.TokenHash // TestTokenHash checks it.
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

// countingTransport counts requests.
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

// TestObsoleteSecureCookie checks that a browser that has moved from https to http is signed in by its current cookie,
// although it also sends an old __Secure- cookie.
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

// TestUnusualProfiles checks that names and images, which users choose, can't cause a refusal or fill the memory.
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

// TestSchemesAreNotShared checks that a bearer token and a cookie with the same token are cached separately: the auth
// server may accept only one of them, and CSRF checks concern only the cookie.
func TestSchemesAreNotShared(t *testing.T) {
	t.Parallel()
	server := newAuthServer(t, bearerServer(anyBearer, token))
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, Now: newClock().Now, CacheTTL: time.Minute})
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			for scheme, h := range map[string]http.Header{
				betterauth.SchemeCookie: signedIn(), betterauth.SchemeBearer: withBearer(token),
			} {
				session, err := a.Authenticate(t.Context(), h)
				if err != nil || session.Scheme != scheme {
					t.Errorf("%s: %+v, %v", scheme, session, err)
				}
			}
		})
	}
	group.Wait()
	wantCalls(t, server, 2)
}

// TestResponseOfAnotherSession checks that a response about another session, such as a shared cache's, is not used.
func TestResponseOfAnotherSession(t *testing.T) {
	t.Parallel()
	server := newAuthServer(t, func(w http.ResponseWriter, _ *http.Request) { respondJSON(sessionJSON())(w, nil) })
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, Now: newClock().Now, CacheTTL: time.Minute})
	wantSession(t, a, signedIn())
	other := cookies(plain + "=" + betterauth.SignCookie(secret, token[:31]+"x"))
	wantRefusal(t, a, other, betterauth.ReasonSessionUnusable, "Your session")
}

// TestTokenHash checks that the session and the refusal of one token have the same hash, for each scheme.
func TestTokenHash(t *testing.T) {
	t.Parallel()
	const iss = "https://auth.example.com"
	own := newIssuer(t, "k1")
	jwt := own.sign(t, pluginClaims(iss), "")
	signed := betterauth.SignCookie(secret, token)
	for name, test := range map[string]struct {
		header http.Header
		token  string
	}{
		"cookie":        {signedIn(), token},
		"session_data":  {withSessionData(compactSessionData(t, sessionDataClaims(token, "u1"))), token},
		"raw bearer":    {withBearer(token), token},
		"signed bearer": {withBearer(signed), token},
		"JWT":           {withBearer(jwt), jwt},
	} {
		server := newFakeServer(t, respondJSON(sessionJSON()), jwks(t, own))
		cfg := server.config(newClock().Now)
		cfg.Issuers, cfg.TrustSessionData, cfg.CacheTTL = []string{iss}, true, time.Minute
		a := newAuthenticator(t, cfg)
		sum := sha256.Sum256([]byte(test.token))
		for range 2 { // From the auth server, and from the cache.
			session, err := a.Authenticate(t.Context(), test.header)
			if err != nil || session.TokenHash != hex.EncodeToString(sum[:6]) {
				t.Errorf("%s: %+v, %v", name, session, err)
			}
		}
	}
	server := newFakeServer(t, respondJSON("null"), "")
	sum := sha256.Sum256([]byte(token))
	if refusal := refusalOf(t, newAuthenticator(t, server.config(newClock().Now)), signedIn()); refusal.TokenHash != hex.EncodeToString(sum[:6]) {
		t.Errorf("refused: %+v", refusal)
	}
}
