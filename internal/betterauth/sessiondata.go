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
	// maxSessionData is the maximum length of session_data with all its chunks, in bytes. A longer one is ignored.
	maxSessionData = 64 << 10
	// sessionDataVersion is Better Auth's default version. The auth server's operator can set another to invalidate old
	// cookies.
	sessionDataVersion = "1"
)

// newDecryptionKey derives the key of encrypted session_data from the secret, as Better Auth does (RFC 5869).
func newDecryptionKey(secret string) ([]byte, error) {
	return hkdf.Key(sha256.New, []byte(secret), []byte("better-auth-session"), "BetterAuth.js Generated Encryption Key", 64)
}

// sessionData is the verified content of a session_data cookie.
type sessionData struct {
	payload fields
	end     time.Time
	// plugin are the claims of session_data that the jwt plugin's key signed, nil otherwise.
	plugin *claims
}

// trustedSessionData returns the session in the request's session_data cookie. It returns nil if there is none or it is
// not valid in every respect; then the auth server has to be asked. As at Better Auth, session_data counts only beside
// a session cookie with the same token.
func (a *Authenticator) trustedSessionData(ctx context.Context, h http.Header, c sessionCookie, now time.Time) *Session {
	data, resp, ok := a.openSessionData(ctx, readSessionDataCookie(h, c.names), c, now)
	if !ok || resp.refusalReason(a.maxSessionAge, now) != "" {
		return nil
	}
	r := fieldReader{}
	version := value[string](&r, data.payload, "version")
	updated := time.UnixMilli(value[int64](&r, data.payload, "updatedAt"))
	if r.err != nil || version != "" && version != sessionDataVersion {
		return nil
	}
	if updated.After(now.Add(clockLeeway)) || now.Sub(updated) >= a.maxTokenAge {
		return nil
	}
	if data.plugin != nil && !a.isPluginData(data.plugin, resp) {
		return nil
	}
	resp.session.Scheme, resp.session.TokenHash, resp.session.AsOf = SchemeCookie, shortHash(c.token), updated
	return resp.session
}

// openSessionData verifies session_data, and reports whether it belongs to the cookie's session and has not expired.
func (a *Authenticator) openSessionData(ctx context.Context, text string, c sessionCookie, now time.Time) (sessionData, sessionResponse, bool) {
	data, ok := a.verifySessionData(ctx, text)
	if !ok || !now.Before(data.end) {
		return sessionData{}, sessionResponse{}, false
	}
	resp, err := parseSessionData(data.payload)
	if err != nil || subtle.ConstantTimeCompare([]byte(resp.token), []byte(c.token)) != 1 {
		return sessionData{}, sessionResponse{}, false
	}
	return data, resp, true
}

// isPluginData reports whether the claims are those of a session_data cookie for the session.
func (a *Authenticator) isPluginData(c *claims, resp sessionResponse) bool {
	r := fieldReader{}
	sid := value[string](&r, c.all, "sid")
	return r.err == nil && containsAddress(a.issuers, c.issuer) && slices.Equal(c.audience, []string{sessionDataAudience}) &&
		c.subject == resp.session.UserID && sid == resp.token
}

// readSessionDataCookie returns the decoded session_data cookie, or "" if there is none or its encoding is invalid.
func readSessionDataCookie(h http.Header, names cookieNames) string {
	text, err := url.PathUnescape(readChunked(h, names.data, maxSessionData))
	if err != nil {
		return ""
	}
	return text
}

// verifySessionData verifies or decrypts session_data. The number of dots shows which of Better Auth's formats it has.
func (a *Authenticator) verifySessionData(ctx context.Context, text string) (sessionData, bool) {
	switch strings.Count(text, ".") {
	case 0:
		return a.verifyCompact(text)
	case 2:
		return a.verifyJWS(ctx, text)
	case 4:
		return a.decryptJWE(text)
	default:
		return sessionData{}, false
	}
}

// verifyCompact verifies {"session":…,"expiresAt":…,"signature":…} in base64url. The signed text is the inner object as
// it was written, with expiresAt appended to its members. Encoding the object again might give another text.
func (a *Authenticator) verifyCompact(encoded string) (sessionData, bool) {
	if encoded == "" {
		return sessionData{}, false
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return sessionData{}, false
	}
	outer, err := parseObject(text)
	if err != nil {
		return sessionData{}, false
	}
	inner, expires := outer["session"], outer["expiresAt"]
	r := fieldReader{}
	signature := value[string](&r, outer, "signature")
	millis, err := strconv.ParseInt(string(expires), 10, 64)
	if r.err != nil || err != nil || len(inner) < 2 || inner[len(inner)-1] != '}' {
		return sessionData{}, false
	}
	if !a.signer.verifyParts(signature, inner[:len(inner)-1], []byte(`,"expiresAt":`), expires, []byte("}")) {
		return sessionData{}, false
	}
	payload, err := parseObject(inner)
	return sessionData{payload: payload, end: time.UnixMilli(millis)}, err == nil
}

// verifyJWS verifies a JWT that is signed with the secret or with a key of the jwt plugin.
func (a *Authenticator) verifyJWS(ctx context.Context, encoded string) (sessionData, bool) {
	signed, err := jose.ParseSignedCompact(encoded, append(asymmetricAlgorithms(), a.algorithm))
	if err != nil {
		return sessionData{}, false
	}
	if signed.Signatures[0].Protected.Algorithm != string(a.algorithm) {
		if headerType(signed) != sessionDataType {
			return sessionData{}, false
		}
		c, refusal := a.verifySignature(ctx, signed)
		return sessionData{payload: c.all, end: c.end, plugin: &c}, refusal == nil
	}
	payload, err := signed.Verify(a.secret)
	if err != nil {
		return sessionData{}, false
	}
	return sessionDataOf(payload)
}

// decryptJWE decrypts a JWE.
func (a *Authenticator) decryptJWE(encoded string) (sessionData, bool) {
	encrypted, err := jose.ParseEncryptedCompact(encoded,
		[]jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256CBC_HS512})
	if err != nil {
		return sessionData{}, false
	}
	payload, err := encrypted.Decrypt(a.decryptionKey)
	if err != nil {
		return sessionData{}, false
	}
	return sessionDataOf(payload)
}

// sessionDataOf returns the claims of a JWT or JWE as session_data.
func sessionDataOf(payload json.RawMessage) (sessionData, bool) {
	c, err := parseClaims(payload)
	return sessionData{payload: c.all, end: c.end}, err == nil
}
