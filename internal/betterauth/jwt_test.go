package betterauth_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"taskql/internal/betterauth"
)

// TestJWTAsOf checks that a JWT's AsOf is the end of the second in iat, because it may have been issued at any time in
// that second. Otherwise its user's data would count as older than data that was written earlier in the same second.
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

// TestJWTAttacks checks that forged and invalid JWTs are refused without a request for a session.
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
		reason      betterauth.Reason // empty if it signs in
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
			for range 3 { // The keys are fetched once in any case.
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
			// With a good cookie it is ignored.
			h := signedIn()
			h.Set("Authorization", "Bearer "+test.token)
			session, err := a.Authenticate(t.Context(), h)
			if err != nil || session.Scheme != betterauth.SchemeCookie {
				t.Errorf("beside a cookie: %+v, %v", session, err)
			}
		})
	}
}
