package betterauth_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"taskql/internal/betterauth"
)

// TestSessionDataAttacks checks that the auth server is asked once if session_data is not valid in every respect.
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
			// Without a session cookie, or with a forged one, it is ignored.
			data := "better-auth.session_data=" + test.data
			wantRefusal(t, a, cookies(data), betterauth.ReasonNoCookie, "Not authenticated")
			forged := plain + "=" + betterauth.SignCookie("x", token)
			wantRefusal(t, a, cookies(forged+"; "+data), betterauth.ReasonBadSignature, "Invalid session")
			// For the secure session cookie, session_data must have the secure name too.
			if test.calls == 0 {
				h := cookies(secure + "=" + betterauth.SignCookie(secret, token) + "; " + data)
				wantSession(t, a, h)
				wantCalls(t, server.authServer, 1)
			}
			// If session_data is not trusted, it is ignored.
			cfg.TrustSessionData = false
			before := server.calls.Load()
			wantSession(t, newAuthenticator(t, cfg), withSessionData(test.data))
			wantCalls(t, server.authServer, before+1)
		})
	}
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
