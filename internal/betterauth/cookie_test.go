package betterauth_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"taskql/internal/betterauth"
)

// vector is a test vector from a real Better Auth server.
type vector struct {
	Name, Format, CookieName, Secret, Cookie string
	Issuer, Audience                         string
	ChunkNames, Chunks                       []string
	JWKS                                     json.RawMessage
	ValidAtMs                                int64
	Valid                                    bool
	Expect                                   struct{ Token, UserID, SessionID string }
}

// readVectors returns the test vectors of one format.
func readVectors(t testing.TB, format string) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	var found []vector
	for _, v := range file.Vectors {
		if v.Format == format {
			found = append(found, v)
		}
	}
	return found
}

func TestSignedVectors(t *testing.T) {
	vectors := readVectors(t, "signed")
	if len(vectors) < 8 {
		t.Fatalf("only %d vectors", len(vectors))
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			at := time.UnixMilli(v.ValidAtMs)
			server := newAuthServer(t, respondJSON(sessionJSONUntil(at.Add(time.Hour))))
			a := newAuthenticator(t, betterauth.Config{
				BaseURL: server.URL, Secret: v.Secret, Now: func() time.Time { return at },
			})
			text, ok := betterauth.VerifyCookie(v.Secret, v.Cookie)
			if ok != v.Valid || text != v.Expect.Token {
				t.Errorf("signs %q, %t, want %q, %t", text, ok, v.Expect.Token, v.Valid)
			}
			refusal := refusalOf(t, a, cookies(v.CookieName+"="+v.Cookie))
			signsIn := v.Valid && v.CookieName == plain
			if (refusal == nil) != signsIn {
				t.Errorf("signs in: %t, refused: %v", signsIn, refusal)
			}
			if !signsIn && server.calls.Load() > 0 {
				t.Error("the auth server was asked")
			}
			if v.CookieName != plain {
				wantRefusal(t, a, cookies(plain+"="+v.Cookie), betterauth.ReasonBadToken, "Invalid session")
			}
		})
	}
}

func TestSignCookieEncoding(t *testing.T) {
	for _, v := range readVectors(t, "signed") {
		if !v.Valid || strings.Contains(v.Cookie, "=") {
			continue // It is refused, or not percent-encoded.
		}
		if got := betterauth.SignCookie(v.Secret, v.Expect.Token); got != v.Cookie {
			t.Errorf("%s: %q, want %q", v.Name, got, v.Cookie)
		}
	}
	if got := betterauth.SignCookie(secret, "a b"); !strings.HasPrefix(got, "a%20b.") {
		t.Errorf("a space became %q", got)
	}
}

// signedValue returns a valid cookie value whose signature contains a plus, a slash and a last character with unused
// bits.
func signedValue() string {
	for suffix := 'a'; suffix <= 'z'; suffix++ {
		value := betterauth.SignCookie(secret, token[:31]+string(suffix))
		if strings.Contains(value, "%2B") && strings.Contains(value, "%2F") {
			return value
		}
	}
	panic("no token has such a signature")
}

func TestCookies(t *testing.T) {
	good, other := signedValue(), betterauth.SignCookie("another secret", token)
	bare := strings.NewReplacer("%2B", "+", "%2F", "/", "%3D", "=").Replace(good)
	noPadding := strings.TrimSuffix(bare, "=")
	last := noPadding[len(noPadding)-1]
	spare := noPadding[:len(noPadding)-1] + string(nextInAlphabet(last)) + "="
	base64url := strings.NewReplacer("%2B", "-", "%2F", "_").Replace(good)
	const invalid, none = "Invalid session", "Not authenticated"
	for _, test := range []struct {
		name    string
		header  http.Header
		reason  betterauth.Reason // empty if it signs in
		message string
	}{
		{"plain", cookies(plain + "=" + good), "", ""},
		{"secure", cookies(secure + "=" + good), "", ""},
		{"not percent-encoded", cookies(plain + "=" + bare), "", ""},
		{"lower-case percent-encoding", cookies(plain + "=" + strings.NewReplacer("%2B", "%2b", "%2F", "%2f", "%3D", "%3d").Replace(good)), "", ""},
		{"everything percent-encoded", cookies(plain + "=" + encodeAll(bare)), "", ""},
		{"quoted", cookies(plain + `="` + good + `"`), "", ""},
		{"spaces", cookies("  a=b ;\t" + plain + " = " + good + " ; c=d"), "", ""},
		{"no space between", cookies("a=b;" + plain + "=" + good + ";c=d"), "", ""},
		{"among bytes that net/http drops", cookies("x=\"a\\b; y=é\x80; z=[1,2]; " + plain + "=" + good), "", ""},
		{"among parts without a value", cookies("flag; ; =; " + plain + "=" + good), "", ""},
		{"second header line", cookies("a=b", plain+"="+good), "", ""},
		{"behind 16 KB", cookies("junk=" + strings.Repeat("x", 16<<10) + "; " + plain + "=" + good), "", ""},
		{"first of two counts", cookies(plain + "=" + good + "; " + plain + "=" + other), "", ""},
		{"both names", cookies(plain + "=" + other + "; " + secure + "=" + good), "", ""},
		{"both names, the secure one forged", cookies(plain + "=" + good + "; " + secure + "=" + other), "", ""},
		{"both names, the secure one empty", cookies(plain + "=" + good + "; " + secure + "="), "", ""},

		{"no header", http.Header{}, betterauth.ReasonNoCookie, none},
		{"other cookies only", cookies("a=b; better-auth.session_data=x"), betterauth.ReasonNoCookie, none},
		{"empty", cookies(plain + "="), betterauth.ReasonNoCookie, none},
		{"one quote", cookies(plain + `="`), betterauth.ReasonNoCookie, none},
		{"other case", cookies("Better-Auth.Session_Token=" + good), betterauth.ReasonNoCookie, none},
		{"multi-session name", cookies(plain + "_multi-x=" + good), betterauth.ReasonNoCookie, none},
		{"name within a value", cookies("a=" + plain + "=" + good), betterauth.ReasonNoCookie, none},
		{"first of two is forged", cookies(plain + "=" + other + "; " + plain + "=" + good), betterauth.ReasonBadSignature, invalid},
		{"first of two is empty", cookies(plain + "=; " + plain + "=" + good), betterauth.ReasonNoCookie, none},
		{"another secret", cookies(plain + "=" + other), betterauth.ReasonBadSignature, invalid},
		{"another token", cookies(plain + "=B" + good[1:]), betterauth.ReasonBadSignature, invalid},
		{"bare token", cookies(plain + "=" + token), betterauth.ReasonUnsigned, invalid},
		{"no token", cookies(plain + "=" + betterauth.SignCookie(secret, "")), betterauth.ReasonUnsigned, invalid},
		{"truncated", cookies(plain + "=" + bare[:len(bare)-2]), betterauth.ReasonBadSignature, invalid},
		{"no padding", cookies(plain + "=" + noPadding), betterauth.ReasonBadSignature, invalid},
		{"too much padding", cookies(plain + "=" + bare + "="), betterauth.ReasonBadSignature, invalid},
		{"last character's spare bits", cookies(plain + "=" + spare), betterauth.ReasonBadSignature, invalid},
		{"base64url", cookies(plain + "=" + base64url), betterauth.ReasonBadSignature, invalid},
		{"plus for a space", cookies(plain + "=" + strings.ReplaceAll(bare, "+", " ")), betterauth.ReasonBadSignature, invalid},
		{"encoded twice", cookies(plain + "=" + strings.ReplaceAll(good, "%", "%25")), betterauth.ReasonBadSignature, invalid},
		{"line break in the signature", cookies(plain + "=" + good[:33] + "%0A" + good[33:]), betterauth.ReasonBadSignature, invalid},
		{"broken encoding", cookies(plain + "=" + good + "%ZZ"), betterauth.ReasonBadEncoding, invalid},
		{"encoding cut off", cookies(plain + "=" + good + "%"), betterauth.ReasonBadEncoding, invalid},
		{"dont_remember replayed", cookies(plain + "=" + betterauth.SignCookie(secret, "true")), betterauth.ReasonBadToken, invalid},
		{"token of 33 characters", cookies(plain + "=" + betterauth.SignCookie(secret, token+"x")), betterauth.ReasonBadToken, invalid},
		{"token with a dot", cookies(plain + "=" + betterauth.SignCookie(secret, token[:30]+".x")), betterauth.ReasonBadToken, invalid},
		{"16 KB of garbage", cookies(plain + "=" + strings.Repeat("x.", 8<<10)), betterauth.ReasonBadSignature, invalid},
		{"both names forged", cookies(plain + "=" + token + "; " + secure + "=" + other), betterauth.ReasonBadSignature, invalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := newAuthServer(t, respondJSON(sessionJSON()))
			a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, Now: newClock().Now})
			if test.reason == "" {
				wantSession(t, a, test.header)
				return
			}
			wantRefusal(t, a, test.header, test.reason, test.message)
			if got := server.calls.Load(); got != 0 {
				t.Errorf("the auth server was asked %d times", got)
			}
		})
	}
}

func TestForgedCookiesCostNoCalls(t *testing.T) {
	server := newAuthServer(t, respondJSON(sessionJSON()))
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL})
	good := betterauth.SignCookie(secret, token)
	for i := range len(good) {
		forged := good[:i] + string(good[i]^1) + good[i+1:]
		if refusalOf(t, a, cookies(plain+"="+forged)) == nil {
			t.Errorf("%q signs in", forged)
		}
	}
	if got := server.calls.Load(); got != 0 {
		t.Errorf("%d calls", got)
	}
}

// nextInAlphabet returns the base64 digit that differs in its last bit, which is unused at the end of 32 bytes.
func nextInAlphabet(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	return alphabet[strings.IndexByte(alphabet, c)^1]
}

func encodeAll(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte('%')
		b.WriteByte(digits[s[i]>>4])
		b.WriteByte(digits[s[i]&15])
	}
	return b.String()
}

func FuzzCookie(f *testing.F) {
	good := betterauth.SignCookie(secret, token)
	for _, seed := range []string{
		"", "a=b", "=", ";;;", `"`, plain + `="`, plain + "=" + good, plain + "=" + good + "%", secure + "=" + token,
		"a=\"" + plain + "=x\"", plain + " = " + good, "é=\x00; " + plain,
	} {
		f.Add(seed)
	}
	answer := respondJSON(sessionJSON())
	a := newAuthenticator(f, betterauth.Config{
		BaseURL: "http://auth", Now: newClock().Now, Transport: handlerTransport{answer},
	})
	f.Fuzz(func(t *testing.T, line string) {
		// A valid first cookie signs in whatever follows it, unless a valid cookie with the name of higher precedence
		// follows.
		wantSession(t, a, cookies(plain+"="+good+"; "+line))
		wantSession(t, a, cookies(plain+"="+good, line))
		// No input signs in unless it contains one of the signatures in the seed corpus.
		refusal := refusalOf(t, a, cookies(line))
		if refusal == nil && !strings.Contains(line, token) && !strings.Contains(line, "%") {
			t.Errorf("%q signs in", line)
		}
		if refusal != nil && len(line) > 16 && strings.Contains(refusal.Error(), line) {
			t.Errorf("the refusal quotes the cookie: %v", refusal)
		}
		// A value that net/http accepts is read as net/http reads it.
		for _, c := range (&http.Request{Header: cookies(line)}).Cookies() {
			if c.Name == plain && c.Value != "" {
				value, ok := betterauth.ReadCookie(cookies(line), plain)
				first := !strings.Contains(line[:strings.Index(line, plain)], "=")
				if first && (!ok || value != strings.Trim(c.Value, " \t")) {
					t.Errorf("read %q, %t, net/http reads %q", value, ok, c.Value)
				}
				break
			}
		}
	})
}

// handlerTransport is a transport that calls a handler.
type handlerTransport struct{ handler http.HandlerFunc }

func (h handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.handler(w, r)
	return w.Result(), nil
}

func TestManyForgedCookies(t *testing.T) {
	t.Parallel()
	server := newAuthServer(t, respondJSON(sessionJSON()))
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, Now: newClock().Now, CacheTTL: time.Minute})
	var group sync.WaitGroup
	for worker := range 100 {
		group.Go(func() {
			for i := range 100 {
				forged := fmt.Sprintf("%s%028d", token[:4], worker*100+i)
				wantRefusal(t, a, cookies(plain+"="+betterauth.SignCookie("another secret", forged)), betterauth.ReasonBadSignature, "Invalid session")
			}
		})
	}
	group.Wait()
	wantCalls(t, server, 0)
}

func TestCookieNames(t *testing.T) {
	t.Parallel()
	value := betterauth.SignCookie(secret, token)
	for _, test := range []struct {
		name   string
		cfg    betterauth.Config
		cookie string
		want   bool
	}{
		{"prefix", betterauth.Config{CookiePrefix: "app"}, "app.session_token", true},
		{"prefix, secure", betterauth.Config{CookiePrefix: "app"}, "__Secure-app.session_token", true},
		{"prefix given with __Secure-", betterauth.Config{CookiePrefix: "__Secure-app"}, "app.session_token", true},
		{"prefix, the default name", betterauth.Config{CookiePrefix: "app"}, plain, false},
		{"name", betterauth.Config{CookieName: "sid"}, "sid", true},
		{"name, secure", betterauth.Config{CookieName: "sid"}, "__Secure-sid", true},
		{"name given with __Secure-", betterauth.Config{CookieName: "__Secure-sid"}, "__Secure-sid", true},
		{"name wins over the prefix", betterauth.Config{CookieName: "sid", CookiePrefix: "app"}, "app.session_token", false},
		{"__Host-, not set", betterauth.Config{}, "__Host-better-auth.session_token", false},
		{"another session of multi-session", betterauth.Config{}, plain + "_multi-" + strings.ToLower(token), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := newAuthServer(t, respondJSON(sessionJSON()))
			test.cfg.BaseURL, test.cfg.Now = server.URL, newClock().Now
			a := newAuthenticator(t, test.cfg)
			mark := strings.Replace(test.cookie, "session_token", "dont_remember", 1)
			if strings.HasSuffix(mark, "sid") {
				mark = strings.Replace(mark, "sid", "better-auth.dont_remember", 1)
			}
			marked := mark + "=" + betterauth.SignCookie(secret, "true")
			h := cookies(test.cookie + "=" + value + "; " + marked)
			if !test.want {
				wantRefusal(t, a, h, betterauth.ReasonNoCookie, "Not authenticated")
				return
			}
			wantSession(t, a, h)
			if got, want := server.lastRequest().Header.Get("Cookie"), test.cookie+"="+value+"; "+marked; got != want {
				t.Errorf("forwarded %q, want %q", got, want)
			}
		})
	}
}

// TestHostCookieComesFirst checks that a __Host- cookie takes precedence over a __Secure- cookie, which another host of
// the domain can set.
func TestHostCookieComesFirst(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]betterauth.Config{"sid": {CookieName: "__Host-sid"}, "acme.session_token": {CookiePrefix: "__Host-acme"}} {
		server := newAuthServer(t, respondJSON(sessionJSON()))
		cfg.BaseURL, cfg.Now = server.URL, newClock().Now
		a := newAuthenticator(t, cfg)
		own := "__Host-" + name + "=" + betterauth.SignCookie(secret, token)
		foreign := "__Secure-__Host-" + name + "=" + betterauth.SignCookie(secret, strings.Repeat("x", 32))
		wantSession(t, a, cookies(foreign+"; "+own))
		if got := server.lastRequest().Header.Get("Cookie"); got != own {
			t.Errorf("forwarded %q, want %q", got, own)
		}
	}
}

func TestLongCookies(t *testing.T) {
	t.Parallel()
	server := newAuthServer(t, respondJSON(sessionJSON()))
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, Now: newClock().Now, CacheTTL: time.Minute})
	value := betterauth.SignCookie(secret, token)
	padded := strings.Repeat("%41", (16<<10-len(value)-3)/3) // Padding to 16 KB.
	wantSession(t, a, cookies("a="+strings.Repeat("x", 60<<10)+"; "+plain+"="+value))
	wantRefusal(t, a, cookies(plain+"="+padded+value), betterauth.ReasonBadSignature, "Invalid session")
	wantRefusal(t, a, cookies(plain+"="+padded+padded+value), betterauth.ReasonTooLong, "Invalid session")
	wantCalls(t, server, 1)
}
