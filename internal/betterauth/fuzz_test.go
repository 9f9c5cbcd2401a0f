package betterauth_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"taskql/internal/betterauth"
)

// routes returns a transport that handles jwks and get-session.
func routes(keys string, session http.HandlerFunc) handlerTransport {
	return handlerTransport{func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/jwks") {
			respondJSON(keys)(w, nil)
			return
		}
		session(w, r)
	}}
}

func FuzzBearer(f *testing.F) {
	const iss = "https://auth.example.com"
	own := newIssuer(f, "k1")
	good, jwt := betterauth.SignCookie(secret, token), own.sign(f, pluginClaims(iss), "")
	for _, seed := range []string{
		"", "Bearer", "Bearer ", "Bearer x", "Bearer " + token, "bearer " + good, "BEARER " + decodeAll(good), "Bearer " + jwt,
		"Bearer .", "Bearer ..", "Bearer ey..", "Bearer %", "Bearer %2E.%2E", "Bearer " + good + "%", "Basic x",
		"Bearer " + signJWS(f, jose.HS256, []byte(secret), pluginClaims(iss), ""),
		"Bearer eyJhbGciOiJub25lIn0." + strings.Split(jwt, ".")[1] + ".",
	} {
		f.Add(seed)
	}
	transport := routes(jwks(f, own), bearerServer(anyBearer, token))
	f.Fuzz(func(t *testing.T, line string) {
		// A new Authenticator each time, because one delays made-up tokens when there are many.
		a := newAuthenticator(t, betterauth.Config{BaseURL: "http://auth", Issuers: []string{iss}, Now: newClock().Now, Transport: transport})
		h := http.Header{"Authorization": {line}}
		session, err := a.Authenticate(t.Context(), h)
		if err == nil {
			// Only the one user, and only by a token of the seed corpus.
			known := strings.Contains(line, token) || strings.Contains(line, "%") || strings.Contains(line, strings.Split(jwt, ".")[1])
			if session.UserID != "u1" || !known || session.Scheme == betterauth.SchemeCookie {
				t.Errorf("%q signs in: %+v", line, session)
			}
			return
		}
		refusal := refusalOf(t, a, h)
		if len(line) > 24 && strings.Contains(err.Error(), line[7:]) {
			t.Errorf("the refusal quotes the token: %v", err)
		}
		// With a good cookie it signs in, except with an unknown raw token.
		h["Cookie"] = signedIn()["Cookie"]
		if refusal.Reason != betterauth.ReasonSessionNull && !refusal.Unavailable {
			wantSession(t, a, h)
		}
	})
}

func FuzzSessionData(f *testing.F) {
	own := newIssuer(f, "k1")
	const iss = "https://auth.example.com"
	claims := sessionDataClaims(token, "u1")
	plugin := withClaims(claims, "iss", iss, "aud", "better-auth:session-cache", "sub", "u1", "sid", token)
	known := []string{
		compactSessionData(f, claims), signJWS(f, jose.HS256, []byte(secret), claims, ""), encryptedData(f, claims),
		own.sign(f, plugin, "better-auth.session-cache+jwt"),
	}
	for _, data := range known {
		half := len(data) / 2
		f.Add(data, "", "")
		f.Add("", data[:half], data[half:])
		f.Add(data+"%", data, "")
	}
	f.Add("..", ".", "")
	f.Add("....", "%", "%25")
	f.Add("eyJzZXNzaW9uIjp7fSwiZXhwaXJlc0F0IjoxLCJzaWduYXR1cmUiOiIifQ", "", "") // {"session":{},"expiresAt":1,"signature":""}
	a := newAuthenticator(f, betterauth.Config{
		BaseURL: "http://auth", Issuers: []string{iss}, Now: newClock().Now, TrustSessionData: true,
		// The auth server is down, so whatever signs in was trusted.
		Transport: routes(jwks(f, own), respondStatus(http.StatusBadGateway)),
	})
	f.Fuzz(func(t *testing.T, whole, first, second string) {
		h := cookies(signedIn().Get("Cookie"),
			"better-auth.session_data="+whole, "better-auth.session_data.0="+first+"; better-auth.session_data.1="+second)
		session, err := a.Authenticate(t.Context(), h)
		if err != nil {
			if refusal := refusalOf(t, a, h); refusal.Reason != betterauth.ReasonUnavailable {
				t.Errorf("session_data alone led to %v", refusal)
			}
			return
		}
		if session.UserID != "u1" || session.ID != "s1" || session.Scheme != betterauth.SchemeCookie {
			t.Errorf("signed in as %+v", session)
		}
	})
}

// encryptedData returns session_data in Better Auth's jwe format.
func encryptedData(t testing.TB, claims map[string]any) string {
	t.Helper()
	key, err := betterauth.NewDecryptionKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	encrypter, err := jose.NewEncrypter(jose.A256CBC_HS512, jose.Recipient{Algorithm: jose.DIRECT, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	object, err := encrypter.Encrypt(marshal(t, claims))
	if err != nil {
		t.Fatal(err)
	}
	text, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}
