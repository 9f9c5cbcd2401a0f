package bench

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// keyID names the key of JWTs in the set of published keys.
const keyID = "bench"

// Issuer signs JWTs as Better Auth's jwt plugin does.
type Issuer struct {
	// URL is the auth server's origin: the tokens' issuer and audience.
	URL string
	// Key signs the tokens.
	Key ed25519.PrivateKey
}

// Token returns a JWT of a user that is valid for an hour.
func (i Issuer) Token(user string) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: i.Key}, (&jose.SignerOptions{}).WithHeader("kid", keyID))
	if err != nil {
		return "", fmt.Errorf("making a signer: %w", err)
	}
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": i.URL, "aud": i.URL, "sub": user, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"id": user, "name": "User " + user, "email": user + "@example.com", "emailVerified": true, "image": nil,
		"createdAt": now.UTC(), "updatedAt": now.UTC(),
	})
	if err != nil {
		return "", fmt.Errorf("encoding a token's claims: %w", err)
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return signed.CompactSerialize()
}

// ServeKeys answers /api/auth/jwks with the public key.
func (i Issuer) ServeKeys(w http.ResponseWriter, _ *http.Request) {
	public, _ := i.Key.Public().(ed25519.PublicKey)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: public, KeyID: keyID, Algorithm: string(jose.EdDSA), Use: "sig"}}})
}
