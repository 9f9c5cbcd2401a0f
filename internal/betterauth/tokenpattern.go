package betterauth

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// errTokenPattern is the cause of ReasonBadToken if the text doesn't have the format of a session token.
var errTokenPattern = errors.New("not in the shape of a session token; if hooks of the auth server make the tokens, set AUTH_TOKEN_PATTERN")

// minSuggested is the minimum length of a text for which suggestPattern suggests a pattern. Better Auth also signs
// other, shorter texts.
const minSuggested = 16

var (
	uuidPattern = regexp.MustCompile(`\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\z`)
	// tokenPrefix matches a prefix that says what a token is, such as sess_ or app_session_.
	tokenPrefix = regexp.MustCompile(`\A([a-z]{1,12}_){1,2}`)
)

// suggestPattern returns an AUTH_TOKEN_PATTERN that matches the token, or "" if the text is unlikely to be a token. It
// reveals only a prefix of lower-case letters, the kinds of characters and the length.
func suggestPattern(token string) string {
	prefix := tokenPrefix.FindString(token)
	rest := token[len(prefix):]
	switch {
	case uuidPattern.MatchString(rest):
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
		{"-", "-"}, // It must be the last in a character class.
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

// without returns a function for strings.Map that removes those letters.
func without(letters string) func(rune) rune {
	return func(r rune) rune {
		if strings.ContainsRune(letters, r) {
			return -1
		}
		return r
	}
}

// explainFormat reports that a text doesn't have the format of a session token, and what to set if it is one
// nevertheless.
func (a *Authenticator) explainFormat(r *report, what, text string) {
	pattern := suggestPattern(text)
	if pattern == "" {
		r.fail("token", "the "+what+" does not hold a session token: it may be another cookie's value, such as dont_remember's",
			"copy the session cookie itself")
		return
	}
	mismatch := "it is not 32 letters and digits, as Better Auth's own tokens are"
	if a.tokenPattern != nil {
		mismatch = "it does not match AUTH_TOKEN_PATTERN"
	}
	r.fail("token", "the "+what+" is not in the shape of a session token: "+mismatch,
		"if hooks of the auth server make the session tokens, set AUTH_TOKEN_PATTERN to "+pattern+"; otherwise copy the session cookie itself")
}
