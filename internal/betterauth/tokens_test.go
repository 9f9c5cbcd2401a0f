package betterauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"taskql/internal/betterauth"
)

// issuer signs JWTs as the jwt plugin does.
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

// jwks returns the key set with the issuers' keys.
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

// pluginClaims returns the claims of a valid JWT of that issuer, issued at the start of the fake clock.
func pluginClaims(iss string) map[string]any {
	return map[string]any{
		"id": "u1", "sub": "u1", "name": "Zoë", "email": "zoe@example.com", "emailVerified": true, "image": nil,
		"createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-02T00:00:00.000Z",
		"iat": start().Unix(), "exp": start().Add(15 * time.Minute).Unix(), "iss": iss, "aud": iss,
	}
}

// withClaims returns a copy of the claims in which pairs of name and value are changed. A nil value removes the claim.
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

// sessionDataClaims returns the content of a session_data cookie.
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

// withSessionData returns the headers of a signed-in request with a session_data cookie.
func withSessionData(sessionData string) http.Header {
	return cookies(signedIn().Get("Cookie") + "; better-auth.session_data=" + sessionData)
}

func keyJSON(t testing.TB, i *issuer) string {
	t.Helper()
	return string(marshal(t, jose.JSONWebKey{Key: i.key.Public(), KeyID: i.kid, Algorithm: string(i.alg)}))
}

// compactSessionData returns session_data in Better Auth's default format.
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
