// Package bench has the data of the benchmarks and the load test, and sessions for them without Better Auth.
package bench

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	cookieName  = "better-auth.session_token"
	tokenLength = 32
)

// Cookie returns a session cookie as Better Auth signs it, for the user with that id.
func Cookie(user, secret string) string {
	token := user + strings.Repeat("x", tokenLength-len(user))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(token))
	return cookieName + "=" + url.QueryEscape(token+"."+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// GetSession answers get-session for the tokens of Cookie, as Better Auth does. It doesn't check signatures, because
// the server does.
func GetSession(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.URL.Path, "/organization/") { // It has no such plugin.
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, rest, found := strings.Cut(r.Header.Get("Cookie"), cookieName+"=")
	if !found || len(rest) < tokenLength {
		_, _ = w.Write([]byte("null"))
		return
	}
	token := rest[:tokenLength]
	user := strings.TrimRight(token, "x")
	now := time.Now().UTC()
	_ = json.NewEncoder(w).Encode(map[string]any{
		"session": map[string]any{"id": "s" + user, "token": token, "userId": user, "expiresAt": now.AddDate(0, 0, 6), "createdAt": now, "updatedAt": now},
		"user": map[string]any{
			"id": user, "name": "User " + user, "email": user + "@example.com", "emailVerified": true, "image": nil, "createdAt": now, "updatedAt": now,
		},
	})
}
