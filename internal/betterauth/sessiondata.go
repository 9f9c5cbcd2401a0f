package betterauth

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// maxSessionData bounds a session_data cookie with all its chunks. Larger ones are left to the auth server.
	maxSessionData = 64 << 10
	// sessionDataVersion is Better Auth's default. Another is set by the auth server's operator to void the old ones.
	sessionDataVersion = "1"
)

// newDecryptionKey derives the key of encrypted session_data, as Better Auth does (RFC 5869).
func newDecryptionKey(secret string) ([]byte, error) {
	return hkdf.Key(sha256.New, []byte(secret), []byte("better-auth-session"), "BetterAuth.js Generated Encryption Key", 64)
}

// sessionData is the content of a session_data cookie, its signature checked.
type sessionData struct {
	payload fields
	end     time.Time
	// plugin is set where the jwt plugin's key signed it.
	plugin *claims
}

// trusted returns the session in the request's session_data cookie, nil where there is none that is beyond any doubt:
// then the auth server has to be asked. It counts beside a session cookie for the same token only, as at Better Auth.
func (a *Authenticator) trusted(ctx context.Context, h http.Header, c cookie, now time.Time) *Session {
	data, st, ok := a.dataOf(ctx, readSessionDataCookie(h, c.jar), c, now)
	if !ok || st.refusal(a.maxSessionAge, now) != "" {
		return nil
	}
	r := reader{}
	version := value[string](&r, data.payload, "version")
	updated := time.UnixMilli(value[int64](&r, data.payload, "updatedAt"))
	if r.err != nil || version != "" && version != sessionDataVersion {
		return nil
	}
	if updated.After(now.Add(clockLeeway)) || now.Sub(updated) >= a.maxTokenAge {
		return nil
	}
	if data.plugin != nil && !a.isPluginData(data.plugin, st) {
		return nil
	}
	st.session.Scheme, st.session.TokenHash, st.session.AsOf = SchemeCookie, shortHash(c.token), updated
	return st.session
}

// dataOf opens session_data and reports whether it is of the cookie's session and has not ended.
func (a *Authenticator) dataOf(ctx context.Context, text string, c cookie, now time.Time) (sessionData, statement, bool) {
	data, ok := a.openSessionData(ctx, text)
	if !ok || !now.Before(data.end) {
		return sessionData{}, statement{}, false
	}
	st, err := readStatement(data.payload)
	if err != nil || subtle.ConstantTimeCompare([]byte(st.token), []byte(c.token)) != 1 {
		return sessionData{}, statement{}, false
	}
	return data, st, true
}

// isPluginData reports whether claims are of a session_data cookie for that session.
func (a *Authenticator) isPluginData(c *claims, st statement) bool {
	r := reader{}
	sid := value[string](&r, c.all, "sid")
	return r.err == nil && isAddressOf(c.issuer, a.issuers) && slices.Equal(c.audience, []string{sessionDataAudience}) &&
		c.subject == st.session.UserID && sid == st.token
}

// readSessionDataCookie returns the content of the session_data cookie, "" if there is none or it can't be read.
func readSessionDataCookie(h http.Header, names jar) string {
	text, err := url.PathUnescape(readChunked(h, names.data, maxSessionData))
	if err != nil {
		return ""
	}
	return text
}

// openSessionData tells Better Auth's strategies apart by their dots, and checks the signature or decrypts.
func (a *Authenticator) openSessionData(ctx context.Context, text string) (sessionData, bool) {
	switch strings.Count(text, ".") {
	case 0:
		return a.openCompact(text)
	case 2:
		return a.openSigned(ctx, text)
	case 4:
		return a.openEncrypted(text)
	default:
		return sessionData{}, false
	}
}

// openCompact reads base64url of {"session":…,"expiresAt":…,"signature":…}. Signed is the inner object as it stands,
// with expiresAt put at its end: written anew, it would not be the same text.
func (a *Authenticator) openCompact(wire string) (sessionData, bool) {
	if wire == "" {
		return sessionData{}, false
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(wire)
	if err != nil {
		return sessionData{}, false
	}
	outer, err := parseObject(text)
	if err != nil {
		return sessionData{}, false
	}
	inner, expires := outer["session"], outer["expiresAt"]
	r := reader{}
	signature := value[string](&r, outer, "signature")
	millis, err := strconv.ParseInt(string(expires), 10, 64)
	if r.err != nil || err != nil || len(inner) < 2 || inner[len(inner)-1] != '}' {
		return sessionData{}, false
	}
	if !a.signer.signed(signature, inner[:len(inner)-1], []byte(`,"expiresAt":`), expires, []byte("}")) {
		return sessionData{}, false
	}
	payload, err := parseObject(inner)
	return sessionData{payload: payload, end: time.UnixMilli(millis)}, err == nil
}

// openSigned reads a JWT under the secret, or under a key of the jwt plugin's.
func (a *Authenticator) openSigned(ctx context.Context, wire string) (sessionData, bool) {
	signed, err := jose.ParseSignedCompact(wire, append(asymmetric(), a.algorithm))
	if err != nil {
		return sessionData{}, false
	}
	if signed.Signatures[0].Protected.Algorithm != string(a.algorithm) {
		if headerType(signed) != sessionDataType {
			return sessionData{}, false
		}
		c, refusal := a.verified(ctx, signed)
		return sessionData{payload: c.all, end: c.end, plugin: &c}, refusal == nil
	}
	payload, err := signed.Verify(a.secret)
	if err != nil {
		return sessionData{}, false
	}
	return readSessionData(payload)
}

// openEncrypted reads a JWE.
func (a *Authenticator) openEncrypted(wire string) (sessionData, bool) {
	encrypted, err := jose.ParseEncryptedCompact(wire,
		[]jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256CBC_HS512})
	if err != nil {
		return sessionData{}, false
	}
	payload, err := encrypted.Decrypt(a.decryptionKey)
	if err != nil {
		return sessionData{}, false
	}
	return readSessionData(payload)
}

// readSessionData reads the claims of a JWT or JWE.
func readSessionData(payload json.RawMessage) (sessionData, bool) {
	c, err := readClaims(payload)
	return sessionData{payload: c.all, end: c.end}, err == nil
}
