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

// signatureLength is that of the padded base64 of a SHA-256.
const signatureLength = 44

// signer makes and checks Better Auth's cookie signatures: token + "." + base64(HMAC-SHA256(secret, token)).
type signer struct {
	states sync.Pool // of *signState: making an HMAC costs more than using one
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

// signed reports whether the parts, one after the other, have that signature in base64url without padding, the form
// that compact session_data has.
func (s *signer) signed(signature string, parts ...[]byte) bool {
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

// open checks a cookie's value as it came and returns what it signs. The reason is "" where it is good, and the text
// is what could be made out so far where it is not.
func (s *signer) open(wire string) (string, Reason) {
	// QueryUnescape would make a space of the "+" in an unencoded signature.
	value, err := url.PathUnescape(wire)
	if err != nil {
		return wire, ReasonBadEncoding
	}
	return s.check(value)
}

// check does the same for a value that is not, or no longer, percent-encoded.
func (s *signer) check(value string) (string, Reason) {
	dot := strings.LastIndexByte(value, '.')
	if dot < 1 {
		return value, ReasonUnsigned
	}
	token, given := value[:dot], value[dot+1:]
	if len(given) != signatureLength {
		return token, ReasonBadSignature
	}
	// The texts are compared, not the bytes: base64 has four spellings of one signature, of which only one is good.
	want := s.signature(token)
	if subtle.ConstantTimeCompare(want[:], []byte(given)) != 1 {
		return token, ReasonBadSignature
	}
	return token, ""
}

// sign returns a cookie's value as it goes over the wire, percent-encoded as JavaScript's encodeURIComponent does.
func (s *signer) sign(token string) string {
	signature := s.signature(token)
	return strings.ReplaceAll(url.QueryEscape(token+"."+string(signature[:])), "+", "%20")
}

// SignCookie returns the value of a cookie that Better Auth takes for its own: token and signature, percent-encoded.
func SignCookie(secret, token string) string { return newSigner(secret).sign(token) }

// VerifyCookie returns the text that a cookie's value signs, and whether its signature is good. The value is taken as
// it came over the wire, see ReadCookie. That the text is a session token is not checked.
func VerifyCookie(secret, wire string) (string, bool) {
	text, reason := newSigner(secret).open(wire)
	if reason != "" {
		return "", false
	}
	return text, true
}

// isDefaultToken reports whether text has the shape of Better Auth's own tokens.
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
