package betterauth_test

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"taskql/internal/betterauth"
	"taskql/internal/testkit"
)

// setup is a configuration of a Better Auth server.
type setup struct{ ids, cookies, cache string }

// credentialKind is a kind of credentials.
type credentialKind string

const (
	kindCookie credentialKind = "cookie"
	kindRaw    credentialKind = "raw bearer"
	kindSigned credentialKind = "signed bearer"
	kindJWT    credentialKind = "JWT"
)

func credentialKinds() []credentialKind {
	return []credentialKind{kindCookie, kindRaw, kindSigned, kindJWT}
}

// setups returns combinations of the options in which each value of one occurs with each value of every other.
func setups() []setup {
	var all []setup
	cookies := []string{"plain", "secure", "prefixed"}
	for i, ids := range []string{"random", "uuid", "serial"} {
		for k, cache := range []string{"off", "compact", "jwt", "jwe", "jwks"} {
			all = append(all, setup{ids, cookies[(i+k)%len(cookies)], cache})
		}
	}
	return all
}

// TestMatrix signs in at real Better Auth servers in every setup, with every kind of credentials, and logs a table of
// the results: "ok", and how many requests to the auth server three uses of the session took, without and with
// TrustSessionData. TestRealRefusals checks what is refused.
func TestMatrix(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts many servers")
	}
	var mu sync.Mutex
	rows := map[setup]string{}
	slots := make(chan struct{}, 2) // Each start uses a core.
	t.Run("servers", func(t *testing.T) {
		for _, s := range setups() {
			t.Run(strings.Join([]string{s.ids, s.cookies, s.cache}, " "), func(t *testing.T) {
				t.Parallel()
				slots <- struct{}{}
				defer func() { <-slots }()
				row := tryAll(t, s)
				mu.Lock()
				defer mu.Unlock()
				rows[s] = row
			})
		}
	})
	var table strings.Builder
	table.WriteString("\n| ids | cookies | cache | cookie | raw bearer | signed bearer | JWT |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, s := range setups() {
		table.WriteString(rows[s])
	}
	t.Log(table.String())
}

// tryAll tries every kind of credentials at one server and returns the table's row.
func tryAll(t *testing.T, s setup) string {
	t.Helper()
	opts := testkit.BetterAuthOptions{
		IDFormat: s.ids, SecureCookies: s.cookies == "secure", CookieCache: s.cache, Plugins: []string{"bearer", "jwt"},
	}
	cfg := betterauth.Config{CacheTTL: 15 * time.Second, MaxSessionAge: 7 * 24 * time.Hour}
	if s.cookies == "prefixed" {
		opts.CookiePrefix, cfg.CookiePrefix = "acme", "acme"
	}
	server := testkit.BetterAuth(t, opts)
	cfg.BaseURL, cfg.Secret = server.URL, server.Secret
	user := server.SignUp(t, "Zoë", "zoe@example.com", "correct horse")
	cells := []string{s.ids, s.cookies, s.cache}
	for _, how := range credentialKinds() {
		cells = append(cells, tryOne(t, cfg, s, how, user))
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// tryOne signs in with one kind of credentials, without and with TrustSessionData.
func tryOne(t *testing.T, cfg betterauth.Config, s setup, how credentialKind, user *testkit.AuthClient) string {
	t.Helper()
	h, scheme := credentialHeader(t, user, how, cfg.Secret)
	var counts []string
	for _, trust := range []bool{false, true} {
		transport := &pathTransport{ignore: "ok"} // A probe if get-session takes a second.
		cfg.TrustSessionData, cfg.Transport = trust, transport
		a := realAuthenticator(t, cfg)
		for range 3 {
			session, err := a.Authenticate(t.Context(), h)
			if err != nil {
				t.Errorf("%s, trust %t: %v", how, trust, err)
				return "refused"
			}
			if session.UserID != user.UserID || session.User.Email != "zoe@example.com" || session.User.Name != "Zoë" || session.Scheme != scheme {
				t.Errorf("%s, trust %t: %+v, want user %s", how, trust, session, user.UserID)
			}
		}
		if got, want := transport.String(), expectedCalls(s, how, trust); got != want {
			t.Errorf("%s, trust %t: %s, want %s", how, trust, got, want)
		}
		counts = append(counts, transport.String())
	}
	if counts[0] == counts[1] {
		return "ok, " + counts[0]
	}
	return fmt.Sprintf("ok, %s; trusted %s", counts[0], counts[1])
}

// expectedCalls returns the requests that a kind of credentials may cause.
func expectedCalls(s setup, how credentialKind, trust bool) string {
	switch {
	case how == kindJWT:
		return "1 jwks"
	case how == kindCookie && trust && s.cache == "jwks":
		return "1 jwks"
	case how == kindCookie && trust && s.cache != "off":
		return "no call"
	default:
		return "1 get-session"
	}
}

// TestRealRefusals checks which credentials a server's configuration refuses, with which reason, and after which
// requests.
func TestRealRefusals(t *testing.T) {
	t.Parallel()
	const null, jwt = betterauth.ReasonSessionNull, betterauth.ReasonBadToken
	for _, test := range []struct {
		name                 string
		opts                 testkit.BetterAuthOptions
		raw, signed, plugins betterauth.Reason
		jwks                 string
	}{
		{"requireSignature", testkit.BetterAuthOptions{Plugins: []string{"bearer", "jwt"}, Env: []string{"BEARER_SIGNED=1"}}, null, "", "", "1 jwks"},
		{"without plugins", testkit.BetterAuthOptions{}, null, null, betterauth.ReasonUnknownKey, "1 jwks, 1 ok"},
		{"without bearer", testkit.BetterAuthOptions{Plugins: []string{"jwt"}}, null, null, "", "1 jwks"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := testkit.BetterAuth(t, test.opts)
			user := server.SignUp(t, "Zoë", "zoe@example.com", "correct horse")
			token := newIssuer(t, "k").sign(t, withClaims(pluginClaims(server.URL), "iat", time.Now().Unix(), "exp", time.Now().Add(time.Minute).Unix()), "")
			if test.plugins == "" {
				token = user.JWT(t)
			}
			verification := signJWS(t, jose.HS256, []byte(server.Secret), map[string]any{"email": "zoe@example.com", "exp": time.Now().Add(time.Hour).Unix()}, "")
			for _, try := range []struct {
				name, token string
				want        betterauth.Reason
				calls       string
			}{
				{"raw", user.Token, test.raw, "1 get-session"},
				{"signed", betterauth.SignCookie(server.Secret, user.Token), test.signed, "1 get-session"},
				{"JWT", token, test.plugins, test.jwks},
				{"e-mail verification token", verification, jwt, "no call"},
			} {
				transport := &pathTransport{}
				if !strings.Contains(try.calls, "ok") {
					transport.ignore = "ok" // As above.
				}
				a := realAuthenticator(t, betterauth.Config{BaseURL: server.URL, Secret: server.Secret, Transport: transport, CacheTTL: time.Minute})
				for range 3 {
					if try.want == "" {
						wantSession(t, a, withBearer(try.token))
					} else {
						wantRefusal(t, a, withBearer(try.token), try.want, "")
					}
				}
				if got := transport.String(); got != try.calls {
					t.Errorf("%s: %s, want %s", try.name, got, try.calls)
				}
				t.Logf("| %s | %s | %s | %s |", test.name, try.name, cmp.Or(string(try.want), "ok"), try.calls)
			}
		})
	}
}

// pathTransport counts requests by the last part of their path.
type pathTransport struct {
	ignore string // a path that is not counted

	mu    sync.Mutex
	calls map[string]int
}

func (p *pathTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	if p.calls == nil {
		p.calls = map[string]int{}
	}
	if path := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]; path != p.ignore {
		p.calls[path]++
	}
	p.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

func (p *pathTransport) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var parts []string
	for name, n := range p.calls {
		parts = append(parts, fmt.Sprintf("%d %s", n, name))
	}
	slices.Sort(parts)
	if len(parts) == 0 {
		return "no call"
	}
	return strings.Join(parts, ", ")
}

// TestRealBearerPrecedence compares the user of requests with a bearer token and a cookie with Better Auth's.
func TestRealBearerPrecedence(t *testing.T) {
	t.Parallel()
	const unknown = "UNKNOWNPD25OX65mZbiNDd9UdDLJoYie"
	for name, opts := range map[string]testkit.BetterAuthOptions{
		"raw or signed":      {Plugins: []string{"bearer"}},
		"requireSignature":   {Plugins: []string{"bearer"}, Env: []string{"BEARER_SIGNED=1"}},
		"without the plugin": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testkit.BetterAuth(t, opts)
			a := realAuthenticator(t, betterauth.Config{BaseURL: server.URL, Secret: server.Secret})
			first := server.SignUp(t, "A", "a@example.com", "correct horse")
			second := server.SignUp(t, "B", "b@example.com", "correct horse")
			signed := betterauth.SignCookie(server.Secret, first.Token)
			for what, value := range map[string]string{
				"raw":            "Bearer " + first.Token,
				"signed":         "bearer " + decodeAll(signed),
				"encoded":        "BEARER " + signed,
				"unknown raw":    "Bearer " + unknown,
				"unknown signed": "Bearer " + betterauth.SignCookie(server.Secret, unknown),
				"forged":         "Bearer " + betterauth.SignCookie("another", first.Token),
				"empty":          "Bearer ",
				"Basic":          "Basic " + first.Token,
			} {
				for _, h := range []http.Header{{}, second.Header()} {
					h.Set("Authorization", value)
					want := askDirectly(t, server, h)
					session, err := a.Authenticate(t.Context(), h)
					got := ""
					if err == nil {
						got = session.UserID
					}
					if got != want {
						t.Errorf("%s, cookie %t: we say %q, Better Auth says %q (%v)", what, len(h) > 1, got, want, err)
					}
				}
			}
		})
	}
}

func decodeAll(wire string) string {
	return strings.NewReplacer("%2B", "+", "%2F", "/", "%3D", "=").Replace(wire)
}

// askDirectly returns the user's id that Better Auth returns for a request, or "".
func askDirectly(t *testing.T, server *testkit.AuthServer, h http.Header) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/auth/get-session?disableRefresh=true", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = h
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return readUserID(t, res)
}
