package betterauth

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// errTokenShape is the cause of bad_token if the text is no session token by its shape.
var errTokenShape = errors.New("not in the shape of a session token; if hooks of the auth server make the tokens, set AUTH_TOKEN_PATTERN")

// minSuggested is the length of the shortest text that may be a session token. Better Auth signs other, shorter texts.
const minSuggested = 16

var (
	uuidShape = regexp.MustCompile(`\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\z`)
	// tokenPrefix is the part of a token that says what it is, as in sess_ or app_session_.
	tokenPrefix = regexp.MustCompile(`\A([a-z]{1,12}_){1,2}`)
)

// suggestPattern returns an AUTH_TOKEN_PATTERN that fits the token, "" if the text is unlikely to be one. It shows nothing
// of the token but a prefix of small letters, the kinds of characters and the length.
func suggestPattern(token string) string {
	prefix := tokenPrefix.FindString(token)
	rest := token[len(prefix):]
	switch {
	case uuidShape.MatchString(rest):
		return prefix + "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
	case len(rest) < minSuggested:
		return ""
	}
	class := ""
	for _, kind := range []struct{ pattern, letters string }{
		{"A-Z", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
		{"a-z", "abcdefghijklmnopqrstuvwxyz"},
		{"0-9", "0123456789"},
		{"_", "_"},
		{".", "."},
		{"-", "-"}, // The last in a class, where it means itself.
	} {
		if strings.ContainsAny(rest, kind.letters) {
			class += kind.pattern
			rest = strings.Map(without(kind.letters), rest)
		}
	}
	if rest != "" {
		return ""
	}
	return fmt.Sprintf("%s[%s]{%d}", prefix, class, len(token)-len(prefix))
}

// without is for strings.Map: it drops those letters.
func without(letters string) func(rune) rune {
	return func(r rune) rune {
		if strings.ContainsRune(letters, r) {
			return -1
		}
		return r
	}
}

// explainShape says what is wrong with a text that is no session token by its shape, and what to set if it is one.
func (a *Authenticator) explainShape(r *report, what, text string) {
	pattern := suggestPattern(text)
	if pattern == "" {
		r.fail("token", "the "+what+" does not hold a session token: it may be another cookie's value, such as dont_remember's",
			"copy the session cookie itself")
		return
	}
	shape := "it is not 32 letters and digits, as Better Auth's own tokens are"
	if a.tokenShape != nil {
		shape = "it does not match AUTH_TOKEN_PATTERN"
	}
	r.fail("token", "the "+what+" is not in the shape of a session token: "+shape,
		"if hooks of the auth server make the session tokens, set AUTH_TOKEN_PATTERN to "+pattern+"; otherwise copy the session cookie itself")
}
