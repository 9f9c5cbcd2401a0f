package betterauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"taskql/internal/betterauth"
)

// fakeServer is a fake auth server that handles get-session and jwks, and counts their requests separately.
type fakeServer struct {
	*authServer
	keys *authServer
}

// newFakeServer starts a fake auth server. jwks is 404 if keys is "".
func newFakeServer(t testing.TB, answer http.HandlerFunc, keys string) *fakeServer {
	t.Helper()
	f := &fakeServer{keys: newAuthServer(t, func(w http.ResponseWriter, r *http.Request) {
		if keys == "" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(keys))
	})}
	f.authServer = newAuthServer(t, answer)
	return f
}

// RoundTrip sends requests for keys to their own server.
func (f *fakeServer) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/jwks") {
		r = r.Clone(r.Context())
		r.URL.Host = strings.TrimPrefix(f.keys.URL, "http://")
	}
	return http.DefaultTransport.RoundTrip(r)
}

func (f *fakeServer) config(now func() time.Time) betterauth.Config {
	return betterauth.Config{BaseURL: f.URL, Transport: f, Now: now, CacheTTL: 15 * time.Second}
}

func TestSessionDataVectors(t *testing.T) {
	t.Parallel()
	tested := 0
	for _, format := range []string{"compact", "jwt", "jwe", "jwks"} {
		for _, v := range readVectors(t, format) {
			tested++
			t.Run(v.Name, func(t *testing.T) {
				t.Parallel()
				at := time.UnixMilli(v.ValidAtMs)
				server := newFakeServer(t, respondJSON("null"), string(v.JWKS))
				cfg := server.config(func() time.Time { return at })
				cfg.TrustSessionData, cfg.Secret, cfg.Issuers = true, v.Secret, []string{v.Issuer}
				if cfg.Secret == "" {
					cfg.Secret = secret
				}
				a := newAuthenticator(t, cfg)
				h := v.header(t, cfg.Secret)
				session, err := a.Authenticate(t.Context(), h)
				if !v.Valid {
					// It is not refused by itself: the auth server is asked.
					wantRefusal(t, a, h, betterauth.ReasonSessionNull, "Invalid session")
					wantCalls(t, server.authServer, 1)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if session.UserID != v.Expect.UserID || session.ID != v.Expect.SessionID || session.Scheme != "cookie" {
					t.Errorf("session %+v, want %+v", session, v.Expect)
				}
				if !strings.HasPrefix(session.User.Name, "Zoë <Ünïcode> & \"q\" 你好 😀") && v.Expect.UserID == "6LFVtdoCakghvVH51uw2UXvSQ9p5IBaO" {
					t.Errorf("name %q", session.User.Name)
				}
				wantCalls(t, server.authServer, 0)
				// Without TrustSessionData the cookie is ignored.
				cfg.TrustSessionData = false
				wantRefusal(t, newAuthenticator(t, cfg), h, betterauth.ReasonSessionNull, "Invalid session")
				wantCalls(t, server.authServer, 1)
			})
		}
	}
	if tested != 18 {
		t.Errorf("%d vectors", tested)
	}
}

func TestPluginJWTVectors(t *testing.T) {
	t.Parallel()
	vectors := readVectors(t, "plugin-jwt")
	reasons := map[string]betterauth.Reason{
		"plugin JWT: a session-cache JWT": betterauth.ReasonBadToken,
		"plugin JWT wrong audience":       betterauth.ReasonWrongIssuer,
		"plugin JWT expired":              betterauth.ReasonExpired,
	}
	if len(vectors) != 4 {
		t.Fatalf("%d vectors", len(vectors))
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			at := time.UnixMilli(v.ValidAtMs)
			server := newFakeServer(t, respondJSON("null"), string(v.JWKS))
			cfg := server.config(func() time.Time { return at })
			cfg.Issuers = []string{v.Audience}
			a := newAuthenticator(t, cfg)
			h := http.Header{"Authorization": {"Bearer " + v.Cookie}}
			session, err := a.Authenticate(t.Context(), h)
			wantCalls(t, server.authServer, 0)
			if !v.Valid {
				wantRefusal(t, a, h, reasons[v.Name], "Invalid session")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if session.UserID != v.Expect.UserID || session.User.Email != "vector@example.com" || session.Scheme != "jwt" {
				t.Errorf("session %+v", session)
			}
			wantCalls(t, server.keys, 1)
		})
	}
}

// header returns the headers of a request with the vector's cookies.
func (v vector) header(t testing.TB, secret string) http.Header {
	t.Helper()
	prefix := strings.TrimSuffix(v.CookieName, "session_data")
	tok := v.Expect.Token
	if tok == "" {
		tok = v.innerToken(t)
	}
	pairs := []string{prefix + "session_token=" + betterauth.SignCookie(secret, tok)}
	for i, chunk := range v.Chunks {
		pairs = append(pairs, v.ChunkNames[i]+"="+chunk)
	}
	if v.Cookie != "" {
		pairs = append(pairs, v.CookieName+"="+v.Cookie)
	}
	return cookies(strings.Join(pairs, "; "))
}

// innerToken returns the session token of the valid vector that an invalid one was made from.
func (v vector) innerToken(t testing.TB) string {
	t.Helper()
	for _, sibling := range readVectors(t, v.Format) {
		if sibling.Valid && len(sibling.Chunks) == 0 && sibling.CookieName == v.CookieName {
			return sibling.Expect.Token
		}
	}
	t.Fatal("no valid sibling")
	return ""
}
