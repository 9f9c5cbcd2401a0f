package betterauth_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"taskql/internal/betterauth"
)

// TestKeySets checks key sets with unusable keys.
func TestKeySets(t *testing.T) {
	t.Parallel()
	const iss = "https://auth.example.com"
	own := newIssuer(t, "k1")
	token := own.sign(t, pluginClaims(iss), "")
	shared := signJWS(t, jose.HS256, jose.JSONWebKey{Key: []byte(strings.Repeat("x", 32)), KeyID: "oct"}, pluginClaims(iss), "")
	oct := `{"kty":"oct","kid":"oct","alg":"HS256","k":"` + base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("x", 32))) + `"}`
	for _, test := range []struct {
		name, keys, token string
		reason            betterauth.Reason
	}{
		{"among strange ones", `{"keys":[1,{"kty":"AKP"},{},` + oct + `,` + keyJSON(t, own) + `]}`, token, ""},
		{"for encryption", `{"keys":[` + strings.Replace(keyJSON(t, own), `{`, `{"use":"enc",`, 1) + `]}`, token, betterauth.ReasonUnknownKey},
		{"a shared secret", `{"keys":[` + oct + `]}`, shared, betterauth.ReasonBadToken},
		{"none", `{"keys":[]}`, token, betterauth.ReasonUnknownKey},
		{"no set", `{}`, token, betterauth.ReasonUnavailable},
		{"null", `null`, token, betterauth.ReasonUnavailable},
		{"huge", `{"keys":["` + strings.Repeat("x", 300<<10) + `"]}`, token, betterauth.ReasonUnavailable},
		{"404", "", token, betterauth.ReasonUnknownKey},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := newFakeServer(t, respondJSON(sessionJSON()), test.keys)
			cfg := server.config(newClock().Now)
			cfg.Issuers = []string{iss}
			a := newAuthenticator(t, cfg)
			if test.reason == "" {
				wantSession(t, a, withBearer(test.token))
			} else {
				wantRefusal(t, a, withBearer(test.token), test.reason, "")
			}
			wantCalls(t, server.authServer, 0)
		})
	}
}

func TestKeySetFetches(t *testing.T) {
	t.Parallel()
	const iss = "https://auth.example.com"
	first, second := newIssuer(t, "k1"), newIssuer(t, "k2")
	published, down := jwks(t, first), false
	var mu sync.Mutex
	server := newAuthServer(t, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if down {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(published))
	})
	set := func(keys string, isDown bool) {
		mu.Lock()
		defer mu.Unlock()
		published, down = keys, isDown
	}
	now := newClock()
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, Issuers: []string{iss}, Now: now.Now, MaxTokenAge: time.Hour})
	at := func(i *issuer) http.Header {
		return withBearer(i.sign(t, withClaims(pluginClaims(iss), "iat", now.Now().Unix(), "exp", now.Now().Add(time.Hour).Unix()), ""))
	}

	set("", true)
	wantRefusal(t, a, at(first), betterauth.ReasonUnavailable, "The sign-in service")
	wantRefusal(t, a, at(first), betterauth.ReasonUnavailable, "The sign-in service")
	wantCalls(t, server, 1)
	set(jwks(t, first), false)
	now.Advance(2 * time.Second) // The next request fetches the keys again.
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() { wantSession(t, a, at(first)) })
	}
	group.Wait()
	wantCalls(t, server, 2)

	// A key that is newer than the last fetch is unknown until the next fetch is allowed.
	now.Advance(4 * time.Second)
	set(jwks(t, first, second), false)
	for range 20 {
		wantRefusal(t, a, at(second), betterauth.ReasonTooManyUnknown, "Too many unknown")
	}
	if got := refusalOf(t, a, at(second)); got.RetryAfter != time.Second || !got.Unavailable || !got.RateLimited {
		t.Errorf("%+v", got)
	}
	wantCalls(t, server, 2)
	now.Advance(time.Second)
	wantSession(t, a, at(second))
	wantCalls(t, server, 3)

	// Unknown keys cause a fetch every 5 s at most. Known ones remain valid during an outage.
	set("", true)
	for range 60 {
		now.Advance(time.Second)
		if refusalOf(t, a, at(newIssuer(t, "made up"))) == nil {
			t.Fatal("a made-up key signs in")
		}
		wantSession(t, a, at(first))
	}
	wantCalls(t, server, 15)

	// Keys are fetched again from time to time in the background, so a revoked one is no longer accepted.
	set(jwks(t, second), false)
	now.Advance(11 * time.Minute)
	wantSession(t, a, at(first))
	for server.calls.Load() < 16 {
		time.Sleep(time.Millisecond)
	}
	for refusalOf(t, a, at(first)) == nil {
		time.Sleep(time.Millisecond)
	}
	wantSession(t, a, at(second))
	wantCalls(t, server, 16)
}

// TestFloodOfUnknownKeys checks that a flood of JWTs with unknown keys is reported as the clients' fault, and doesn't
// affect others.
func TestFloodOfUnknownKeys(t *testing.T) {
	t.Parallel()
	const iss = "https://auth.example.com"
	own, other := newIssuer(t, "k1"), newIssuer(t, "made up")
	for name, keys := range map[string]string{"with the jwt plugin": jwks(t, own), "without": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newFakeServer(t, respondJSON(sessionJSON()), keys)
			now := newClock()
			cfg := server.config(now.Now)
			cfg.Issuers = []string{iss}
			a := newAuthenticator(t, cfg)
			at := func(i *issuer) http.Header {
				return withBearer(i.sign(t, withClaims(pluginClaims(iss), "iat", now.Now().Unix(), "exp", now.Now().Add(time.Minute).Unix()), ""))
			}
			for range 30 {
				refusal := refusalOf(t, a, at(other))
				if refusal == nil || refusal.Unavailable && !refusal.RateLimited {
					t.Errorf("the flood got %v", refusal)
				}
				if keys != "" {
					wantSession(t, a, at(own))
				}
				wantSession(t, a, signedIn())
				now.Advance(time.Second)
			}
			if calls := server.keys.calls.Load(); calls > 16 {
				t.Errorf("%d requests for keys", calls)
			}
		})
	}
}
