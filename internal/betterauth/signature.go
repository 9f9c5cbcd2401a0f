package betterauth

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"net/url"
	"strings"
	"sync"
)

// signatureLength is the length of a signature: a SHA-256 in padded base64.
const signatureLength = 44

// signer makes and verifies Better Auth's signed cookies: token + "." + base64(HMAC-SHA256(secret, token)).
type signer struct {
	states sync.Pool // of *signState: creating an HMAC costs more than using it
}

type signState struct {
	mac  hash.Hash
	text []byte
	sum  [sha256.Size]byte
}

func newSigner(secret string) *signer {
	key := []byte(secret)
	return &signer{states: sync.Pool{New: func() any { return &signState{mac: hmac.New(sha256.New, key)} }}}
}

// signature returns the signature of a token.
func (s *signer) signature(token string) [signatureLength]byte {
	state, _ := s.states.Get().(*signState)
	defer s.states.Put(state)
	state.mac.Reset()
	state.text = append(state.text[:0], token...)
	state.mac.Write(state.text)
	var text [signatureLength]byte
	base64.StdEncoding.Encode(text[:], state.mac.Sum(state.sum[:0]))
	return text
}

// verifyParts reports whether the concatenated parts have that signature in base64url without padding, as in compact
// session_data.
func (s *signer) verifyParts(signature string, parts ...[]byte) bool {
	state, _ := s.states.Get().(*signState)
	defer s.states.Put(state)
	state.mac.Reset()
	for _, part := range parts {
		state.mac.Write(part)
	}
	var want [signatureLength - 1]byte
	base64.RawURLEncoding.Encode(want[:], state.mac.Sum(state.sum[:0]))
	return subtle.ConstantTimeCompare(want[:], []byte(signature)) == 1
}

// verifyEncoded verifies a cookie's percent-encoded value. It returns the signed text and no reason, or what could be
// decoded and the reason why the value is invalid.
func (s *signer) verifyEncoded(encoded string) (string, Reason) {
	// QueryUnescape would decode the "+" of an unencoded signature as a space.
	value, err := url.PathUnescape(encoded)
	if err != nil {
		return encoded, ReasonBadEncoding
	}
	return s.verify(value)
}

// verify is like verifyEncoded, for a value that is not percent-encoded.
func (s *signer) verify(value string) (string, Reason) {
	dot := strings.LastIndexByte(value, '.')
	if dot < 1 {
		return value, ReasonUnsigned
	}
	token, given := value[:dot], value[dot+1:]
	if len(given) != signatureLength {
		return token, ReasonBadSignature
	}
	// Compare the texts, not the bytes: base64 has four spellings of one signature, of which only one is valid.
	want := s.signature(token)
	if subtle.ConstantTimeCompare(want[:], []byte(given)) != 1 {
		return token, ReasonBadSignature
	}
	return token, ""
}

// sign returns the value of a cookie for a token, percent-encoded like JavaScript's encodeURIComponent.
func (s *signer) sign(token string) string {
	signature := s.signature(token)
	return strings.ReplaceAll(url.QueryEscape(token+"."+string(signature[:])), "+", "%20")
}

// SignCookie returns the value of a cookie as Better Auth signs it: the token and its signature, percent-encoded.
func SignCookie(secret, token string) string { return newSigner(secret).sign(token) }

// VerifyCookie returns the text that is signed in a cookie's percent-encoded value, see ReadCookie, and whether the
// signature is valid. It doesn't check that the text is a session token.
func VerifyCookie(secret, encoded string) (string, bool) {
	text, reason := newSigner(secret).verifyEncoded(encoded)
	if reason != "" {
		return "", false
	}
	return text, true
}

// isDefaultToken reports whether text has the format of Better Auth's own tokens.
func isDefaultToken(text string) bool {
	if len(text) != 32 {
		return false
	}
	for i := range len(text) {
		switch c := text[i]; {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		default:
			return false
		}
	}
	return true
}
