package betterauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"taskql/internal/betterauth"
)

// issuer signs as the jwt plugin does.
type issuer struct {
	kid string
	alg jose.SignatureAlgorithm
	key crypto.Signer
}

func newIssuer(t testing.TB, kid string) *issuer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{kid, jose.EdDSA, key}
}

func newECIssuer(t testing.TB, kid string) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{kid, jose.ES256, key}
}

// jwks is what the issuers publish.
func jwks(t testing.TB, issuers ...*issuer) string {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, i := range issuers {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: i.key.Public(), KeyID: i.kid, Algorithm: string(i.alg)})
	}
	return string(marshal(t, set))
}

func (i *issuer) sign(t testing.TB, claims map[string]any, typ string) string {
	t.Helper()
	return signJWS(t, i.alg, jose.JSONWebKey{Key: i.key, KeyID: i.kid}, claims, typ)
}

func signJWS(t testing.TB, alg jose.SignatureAlgorithm, key any, claims map[string]any, typ string) string {
	t.Helper()
	opts := &jose.SignerOptions{}
	if typ != "" {
		opts = opts.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(marshal(t, claims))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// pluginClaims are those of a good JWT for that issuer, made at the fake clock's start.
func pluginClaims(iss string) map[string]any {
	return map[string]any{
		"id": "u1", "sub": "u1", "name": "Zoë", "email": "zoe@example.com", "emailVerified": true, "image": nil,
		"createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-02T00:00:00.000Z",
		"iat": start().Unix(), "exp": start().Add(15 * time.Minute).Unix(), "iss": iss, "aud": iss,
	}
}

func withClaims(claims map[string]any, pairs ...any) map[string]any {
	changed := maps.Clone(claims)
	for i := 0; i < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		if pairs[i+1] == nil {
			delete(changed, name)
			continue
		}
		changed[name] = pairs[i+1]
	}
	return changed
}

func withBearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// dataClaims is what a session_data cookie says.
func sessionDataClaims(sessionToken, userID string) map[string]any {
	return map[string]any{
		"session": map[string]any{
			"id": "s1", "token": sessionToken, "userId": userID, "expiresAt": start().Add(7 * 24 * time.Hour),
			"createdAt": start().Add(-time.Hour), "updatedAt": start().Add(-time.Hour),
		},
		"user": map[string]any{
			"id": userID, "name": "Zoë", "email": "zoe@example.com", "emailVerified": true, "image": nil,
			"createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-02T00:00:00.000Z",
		},
		"updatedAt": start().UnixMilli(), "version": "1",
		"iat": start().Unix(), "exp": start().Add(5 * time.Minute).Unix(),
	}
}

func withSessionData(sessionData string) http.Header {
	return cookies(signedIn().Get("Cookie") + "; better-auth.session_data=" + sessionData)
}

// A JWT may be issued at any time of the second in iat. If it counted as older than what was written earlier in that second,
// it would change nothing during its whole life.
func TestJWTAsOf(t *testing.T) {
	t.Parallel()
	const iss = "https://auth.example.com"
	own := newIssuer(t, "k1")
	server := newFakeServer(t, respondJSON(sessionJSON()), jwks(t, own))
	cfg := server.config(newClock().Now)
	cfg.Issuers = []string{iss}
	session, err := newAuthenticator(t, cfg).Authenticate(t.Context(), withBearer(own.sign(t, pluginClaims(iss), "")))
	if err != nil {
		t.Fatal(err)
	}
	if iat, written := start().Truncate(time.Second), start().Truncate(time.Second).Add(time.Second-time.Microsecond); session.AsOf.Before(written) || !session.AsOf.Before(iat.Add(time.Second)) {
		t.Errorf("as of %v, want the end of the second that begins at %v", session.AsOf, iat)
	}
}

// Whatever is made up is refused by itself: the auth server hears nothing of it.
func TestJWTAttacks(t *testing.T) {
	t.Parallel()
	const iss = "https://auth.example.com"
	own, other, ec := newIssuer(t, "k1"), newIssuer(t, "k1"), newECIssuer(t, "k2")
	good := pluginClaims(iss)
	unsigned := func(header string, claims map[string]any, signature string) string {
		payload := marshal(t, claims)
		encode := base64.RawURLEncoding.EncodeToString
		return encode([]byte(header)) + "." + encode(payload) + "." + signature
	}
	der, err := x509.MarshalPKIXPublicKey(own.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := own.key.Public().(ed25519.PublicKey)
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	parts := strings.Split(own.sign(t, good, ""), ".")
	verification := map[string]any{"email": "zoe@example.com", "iat": start().Unix(), "exp": start().Add(time.Hour).Unix()}
	const (
		badToken, badSignature = betterauth.ReasonBadToken, betterauth.ReasonBadSignature
		wrong, expired         = betterauth.ReasonWrongIssuer, betterauth.ReasonExpired
	)
	for _, test := range []struct {
		name, token string
		reason      betterauth.Reason // "" = signed in
		keyCalls    int64
	}{
		{"good", own.sign(t, good, ""), "", 1},
		{"good, with a typ", own.sign(t, good, "JWT"), "", 1},
		{"good, ES256", ec.sign(t, good, ""), "", 1},
		{"good, aud a list", own.sign(t, withClaims(good, "aud", []string{"x", iss}), ""), "", 1},
		{"good, the clock a little ahead", own.sign(t, withClaims(good, "iat", start().Add(20*time.Second).Unix()), ""), "", 1},
		{"alg none", unsigned(`{"alg":"none"}`, good, ""), badToken, 0},
		{"alg none with the kid", unsigned(`{"alg":"none","kid":"k1"}`, good, parts[2]), badToken, 0},
		{"HS256 with the public key", signJWS(t, jose.HS256, jose.JSONWebKey{Key: public, KeyID: "k1"}, good, ""), badToken, 0},
		{"HS256 with the raw public key", signJWS(t, jose.HS256, jose.JSONWebKey{Key: []byte(raw), KeyID: "k1"}, good, ""), badToken, 0},
		{"HS256 with the secret", signJWS(t, jose.HS256, []byte(secret), good, ""), badToken, 0},
		{"e-mail verification token", signJWS(t, jose.HS256, []byte(secret), verification, ""), badToken, 0},
		{"another's key under the same kid", other.sign(t, good, ""), badSignature, 1},
		{"payload changed", parts[0] + "." + strings.Split(own.sign(t, withClaims(good, "sub", "u2", "id", "u2"), ""), ".")[1] + "." + parts[2], badSignature, 1},
		{"signature cut", parts[0] + "." + parts[1] + "." + parts[2][:40], badSignature, 1},
		{"no signature", parts[0] + "." + parts[1] + ".", badSignature, 1},
		{"algorithm of another key", signJWS(t, jose.ES256, jose.JSONWebKey{Key: ec.key, KeyID: "k1"}, good, ""), badSignature, 1},
		{"unknown key", newIssuer(t, "k9").sign(t, good, ""), betterauth.ReasonUnknownKey, 1},
		{"no kid", newIssuer(t, "").sign(t, good, ""), badToken, 0},
		{"its own key in the header", unsigned(`{"alg":"EdDSA","kid":"k1","jwk":`+keyJSON(t, other)+`}`, good, strings.Split(other.sign(t, good, ""), ".")[2]), badSignature, 1},
		{"crit", unsigned(`{"alg":"EdDSA","kid":"k1","crit":["x"],"x":1}`, good, parts[2]), badSignature, 1},
		{"foreign aud", own.sign(t, withClaims(good, "aud", "https://other.example.com"), ""), wrong, 1},
		{"no aud", own.sign(t, withClaims(good, "aud", nil), ""), wrong, 1},
		{"foreign iss", own.sign(t, withClaims(good, "iss", "https://other.example.com"), ""), wrong, 1},
		{"session_data's typ", own.sign(t, good, "better-auth.session-cache+jwt"), badToken, 0},
		{"session_data's aud", own.sign(t, withClaims(good, "aud", []string{iss, "better-auth:session-cache"}), ""), wrong, 1},
		{"expired", own.sign(t, withClaims(good, "iat", start().Add(-10*time.Minute).Unix(), "exp", start().Unix()), ""), expired, 1},
		{"older than is trusted", own.sign(t, withClaims(good, "iat", start().Add(-15*time.Minute).Unix(), "exp", start().Add(time.Hour).Unix()), ""), expired, 1},
		{"without exp", own.sign(t, withClaims(good, "exp", nil), ""), badToken, 1},
		{"without iat", own.sign(t, withClaims(good, "iat", nil), ""), badToken, 1},
		{"from the future", own.sign(t, withClaims(good, "iat", start().Add(time.Minute).Unix()), ""), badToken, 1},
		{"not yet", own.sign(t, withClaims(good, "nbf", start().Add(time.Minute).Unix()), ""), badToken, 1},
		{"exp a text", own.sign(t, withClaims(good, "exp", "never"), ""), badToken, 1},
		{"exp beyond time", own.sign(t, withClaims(good, "exp", 1e300), ""), badToken, 1},
		{"without sub", own.sign(t, withClaims(good, "sub", nil), ""), badToken, 1},
		{"the subject alone", own.sign(t, withClaims(good, "id", nil, "email", nil, "name", nil), ""), "", 1},
		{"without a user", own.sign(t, withClaims(good, "sub", nil, "id", nil), ""), badToken, 1},
		{"an OAuth client's access token", own.sign(t, withClaims(good, "id", nil, "scope", "openid", "azp", "app"), ""), badToken, 1},
		{"an OAuth client's ID token", own.sign(t, withClaims(good, "id", nil, "nonce", "x"), ""), badToken, 1},
		{"a payload with a scope and the user", own.sign(t, withClaims(good, "scope", "x"), ""), "", 1},
		{"another's id", own.sign(t, withClaims(good, "id", "u2"), ""), badToken, 1},
		{"banned", own.sign(t, withClaims(good, "banned", true), ""), betterauth.ReasonBanned, 1},
		{"ban over", own.sign(t, withClaims(good, "banned", true, "banExpires", start().Add(-time.Second)), ""), "", 1},
		{"not a JWT", "ey.ey.ey", badToken, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := newFakeServer(t, respondJSON(sessionJSON()), jwks(t, own, ec))
			cfg := server.config(newClock().Now)
			cfg.Issuers = []string{iss}
			a := newAuthenticator(t, cfg)
			for range 3 { // Whatever it is, the keys are fetched once.
				if test.reason == "" {
					wantSession(t, a, withBearer(test.token))
				} else {
					wantRefusal(t, a, withBearer(test.token), test.reason, "Invalid session")
				}
			}
			wantCalls(t, server.authServer, 0)
			wantCalls(t, server.keys, test.keyCalls)
			if test.reason == "" {
				return
			}
			refusal := refusalOf(t, a, withBearer(test.token))
			if refusal.Scheme == "" || refusal.TokenHash == "" || strings.Contains(fmt.Sprintf("%v %+v", refusal, refusal), test.token) {
				t.Errorf("refusal %+v", refusal)
			}
			// Beside a good cookie it is as if it were not there.
			h := signedIn()
			h.Set("Authorization", "Bearer "+test.token)
			session, err := a.Authenticate(t.Context(), h)
			if err != nil || session.Scheme != betterauth.SchemeCookie {
				t.Errorf("beside a cookie: %+v, %v", session, err)
			}
		})
	}
}

func keyJSON(t testing.TB, i *issuer) string {
	t.Helper()
	return string(marshal(t, jose.JSONWebKey{Key: i.key.Public(), KeyID: i.kid, Algorithm: string(i.alg)}))
}

// What may stand in a key set, and is of no use.
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
	now.Advance(2 * time.Second) // It recovers by itself.
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() { wantSession(t, a, at(first)) })
	}
	group.Wait()
	wantCalls(t, server, 2)

	// A key that is new since the last fetch may not be asked for yet: nobody knows, and then everybody does.
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

	// Unknown keys cause a fetch every 5 s at most; known ones go on during an outage.
	set("", true)
	for range 60 {
		now.Advance(time.Second)
		if refusalOf(t, a, at(newIssuer(t, "made up"))) == nil {
			t.Fatal("a made-up key signs in")
		}
		wantSession(t, a, at(first))
	}
	wantCalls(t, server, 15)

	// Keys are looked at again from time to time, behind the requests' backs: one that was taken back goes.
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

// A session_data cookie that leaves any doubt is no reason to refuse: the auth server is asked, once.
func TestSessionDataAttacks(t *testing.T) {
	t.Parallel()
	const iss = "https://auth.example.com"
	own := newIssuer(t, "k1")
	key := []byte(secret)
	good := sessionDataClaims(token, "u1")
	plugin := withClaims(good, "iss", iss, "aud", "better-auth:session-cache", "sub", "u1", "sid", token)
	const typ = "better-auth.session-cache+jwt"
	inside := func(name string, pairs ...any) map[string]any {
		object, _ := good[name].(map[string]any)
		return withClaims(good, name, withClaims(object, pairs...))
	}
	session := func(pairs ...any) map[string]any { return inside("session", pairs...) }
	user := func(pairs ...any) map[string]any { return inside("user", pairs...) }
	hs := func(claims map[string]any) string { return signJWS(t, jose.HS256, key, claims, "") }
	for _, test := range []struct {
		name, data string
		calls      int64
	}{
		{"good", hs(good), 0},
		{"good, in compact", compactSessionData(t, good), 0},
		{"good, encrypted", encryptedData(t, good), 0},
		{"encrypted, changed", encryptedData(t, good)[:200] + "A" + encryptedData(t, good)[201:], 1},
		{"encrypted, without exp", encryptedData(t, withClaims(good, "exp", nil)), 1},
		{"good, by the plugin", own.sign(t, plugin, typ), 0},
		{"good, percent-encoded", encodeAll(hs(good)), 0},
		{"good, without a version", hs(withClaims(good, "version", nil)), 0},
		{"another user's", hs(sessionDataClaims(token[:31]+"x", "u2")), 1},
		{"another version", hs(withClaims(good, "version", "2")), 1},
		{"expired", hs(withClaims(good, "exp", start().Unix())), 1},
		{"without exp", hs(withClaims(good, "exp", nil)), 1},
		{"its session expired", hs(session("expiresAt", start())), 1},
		{"its session too old", hs(session("createdAt", start().Add(-31*24*time.Hour), "updatedAt", start().Add(-30*24*time.Hour))), 1},
		{"older than is trusted", hs(withClaims(good, "updatedAt", start().Add(-15*time.Minute).UnixMilli())), 1},
		{"without updatedAt", hs(withClaims(good, "updatedAt", nil)), 1},
		{"from the future", hs(withClaims(good, "updatedAt", start().Add(time.Minute).UnixMilli())), 1},
		{"banned", hs(user("banned", true)), 1},
		{"two users", hs(user("id", "u2")), 1},
		{"no user", hs(withClaims(good, "user", nil)), 1},
		{"no token", hs(session("token", nil)), 1},
		{"another secret", signJWS(t, jose.HS256, []byte(strings.Repeat("x", 32)), good, ""), 1},
		{"another algorithm under the secret", signJWS(t, jose.HS512, []byte(secret+secret), good, ""), 1},
		{"compact, changed", compactSessionData(t, good)[:40] + "A" + compactSessionData(t, good)[41:], 1},
		{"compact, garbage", "AAAA", 1},
		{"compact, not base64", "====", 1},
		{"the plugin's, without the typ", own.sign(t, plugin, ""), 1},
		{"the plugin's, another's session", own.sign(t, withClaims(plugin, "sid", "x"), typ), 1},
		{"the plugin's, another's user", own.sign(t, withClaims(plugin, "sub", "u2"), typ), 1},
		{"the plugin's, foreign iss", own.sign(t, withClaims(plugin, "iss", "https://other.example.com"), typ), 1},
		{"the plugin's, a JWT's aud", own.sign(t, withClaims(plugin, "aud", iss), typ), 1},
		{"the plugin's, another key", newIssuer(t, "k1").sign(t, plugin, typ), 1},
		{"a JWT of the plugin", own.sign(t, pluginClaims(iss), ""), 1},
		{"two dots", "..", 1},
		{"four dots", "....", 1},
		{"broken encoding", hs(good) + "%", 1},
		{"huge", strings.Repeat("A", 65<<10), 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := newFakeServer(t, respondJSON(sessionJSON()), jwks(t, own))
			cfg := server.config(newClock().Now)
			cfg.Issuers, cfg.TrustSessionData, cfg.MaxSessionAge = []string{iss}, true, 7*24*time.Hour
			a := newAuthenticator(t, cfg)
			session, err := a.Authenticate(t.Context(), withSessionData(test.data))
			if err != nil || session.UserID != "u1" {
				t.Errorf("session %+v, %v", session, err)
			}
			wantCalls(t, server.authServer, test.calls)
			// Neither alone nor beside a forged session cookie does it mean anything.
			data := "better-auth.session_data=" + test.data
			wantRefusal(t, a, cookies(data), betterauth.ReasonNoCookie, "Not authenticated")
			forged := plain + "=" + betterauth.SignCookie("x", token)
			wantRefusal(t, a, cookies(forged+"; "+data), betterauth.ReasonBadSignature, "Invalid session")
			// The secure session cookie's data has the secure name.
			if test.calls == 0 {
				h := cookies(secure + "=" + betterauth.SignCookie(secret, token) + "; " + data)
				wantSession(t, a, h)
				wantCalls(t, server.authServer, 1)
			}
			// Where it isn't trusted, it isn't looked at.
			cfg.TrustSessionData = false
			before := server.calls.Load()
			wantSession(t, newAuthenticator(t, cfg), withSessionData(test.data))
			wantCalls(t, server.authServer, before+1)
		})
	}
}

// compact makes session_data of the default strategy.
func compactSessionData(t testing.TB, claims map[string]any) string {
	t.Helper()
	inner := marshal(t, withClaims(claims, "iat", nil, "exp", nil))
	expires := fmt.Sprintf(`,"expiresAt":%d}`, start().Add(5*time.Minute).UnixMilli())
	signed := strings.TrimSuffix(string(inner), "}") + expires
	standard := betterauth.SignCookie(secret, signed)
	signature := standard[strings.LastIndex(standard, ".")+1:]
	signature = strings.NewReplacer("%2B", "-", "%2F", "_", "%3D", "").Replace(signature)
	outer := fmt.Sprintf(`{"session":%s%s`, inner, strings.TrimSuffix(expires, "}")) + fmt.Sprintf(`,"signature":%q}`, signature)
	return base64.RawURLEncoding.EncodeToString([]byte(outer))
}

func TestChunks(t *testing.T) {
	t.Parallel()
	data := signJWS(t, jose.HS256, []byte(secret), sessionDataClaims(token, "u1"), "")
	third := len(data) / 11
	var parts []string
	for i := range 11 {
		end := (i + 1) * third
		if i == 10 {
			end = len(data)
		}
		parts = append(parts, fmt.Sprintf("better-auth.session_data.%d=%s", i, data[i*third:end]))
	}
	const name = "better-auth.session_data"
	reversed := append([]string{}, parts...)
	for i := range reversed {
		reversed[i] = parts[len(parts)-1-i]
	}
	for _, test := range []struct {
		name   string
		chunks string
		calls  int64
	}{
		{"in order", strings.Join(parts, "; "), 0},
		{"by number, not by text", strings.Join(reversed, "; "), 0},
		{"an empty whole one does not count", name + "=; " + strings.Join(parts, "; "), 0},
		{"the first of two counts", strings.Join(parts, "; ") + "; " + name + ".0=x", 0},
		{"odd numbers are other cookies", name + ".00=x; " + name + ".-1=x; " + name + ".+1=x; " + name + ".100=x; " + name + ".1e0=x; " + strings.Join(parts, "; "), 0},
		{"a whole one wins", name + "=x; " + strings.Join(parts, "; "), 1},
		{"one is missing", strings.Join(parts[:10], "; "), 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := newFakeServer(t, respondJSON(sessionJSON()), "")
			cfg := server.config(newClock().Now)
			cfg.TrustSessionData = true
			wantSession(t, newAuthenticator(t, cfg), cookies(test.chunks+"; "+signedIn().Get("Cookie")))
			wantCalls(t, server.authServer, test.calls)
		})
	}
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

// Raw bearer tokens can't be checked here. Made-up ones reach the auth server a few at a time only, and good ones come
// through as soon as the flood is over.
func TestManyMadeUpBearerTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fakeTransport{}
		server.set(func(w http.ResponseWriter, r *http.Request) {
			if requestedToken(r) == token {
				respondHealthy(w, r)
				return
			}
			respondJSON("null")(w, r)
		})
		a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth", Transport: server, CacheTTL: time.Minute})
		wantCount := func(want int64) {
			t.Helper()
			if got := server.calls.Load(); got != want {
				t.Errorf("%d calls, want %d", got, want)
			}
		}
		var group sync.WaitGroup
		for i := range 10_000 {
			group.Go(func() {
				if refusalOf(t, a, withBearer(fmt.Sprintf("%032d", i))) == nil {
					t.Error("signed in")
				}
			})
		}
		group.Wait()
		wantCount(32)
		wantSession(t, a, cookies(plain+"="+betterauth.SignCookie(secret, token)))
		wantCount(33)
		wantRefusal(t, a, withBearer(token), betterauth.ReasonTooManyUnknown, "Too many unknown")
		time.Sleep(10 * time.Second)
		wantSession(t, a, withBearer(token))
		wantCount(34)
		// One that is repeated costs one call.
		for range 1000 {
			wantRefusal(t, a, withBearer(fmt.Sprintf("%032d", 0)), betterauth.ReasonSessionNull, "Invalid session")
		}
		wantCount(35)
		time.Sleep(10 * time.Second)
	})
}

// Whoever holds a token that was revoked must not keep it alive by a flood of made-up ones: a token that was good a
// moment ago is asked about without a place.
func TestMadeUpTokensDoNotKeepARevokedOneValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fakeTransport{}
		server.set(func(w http.ResponseWriter, r *http.Request) {
			if requestedToken(r) == token {
				respondHealthy(w, r)
				return
			}
			respondJSON("null")(w, r)
		})
		a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth", Transport: server, CacheTTL: time.Second})
		wantSession(t, a, withBearer(token))
		server.set(respondJSON("null")) // It is revoked.
		var group sync.WaitGroup
		for i := range 100 {
			group.Go(func() {
				if refusalOf(t, a, withBearer(fmt.Sprintf("%032d", i))) == nil {
					t.Error("signed in")
				}
			})
		}
		group.Wait()
		time.Sleep(time.Second)
		wantRefusal(t, a, withBearer(token), betterauth.ReasonSessionNull, "Invalid session")
		time.Sleep(10 * time.Second)
	})
}
