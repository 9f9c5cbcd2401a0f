package config

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// minSecret is the shortest secret that Better Auth itself accepts without a warning, in characters.
const minSecret = 32

// minDistinct is how many different characters a secret needs. Of 32 random hexadecimal digits, one in 20 million has fewer.
const minDistinct = 8

// maxPattern is the longest pattern that is looked for in a secret, in characters.
const maxPattern = 16

// weakCure is what to do about a weak secret.
const weakCure = "use the auth server's BETTER_AUTH_SECRET, made with `openssl rand -base64 32`"

// weakSecret says what is wrong with a secret that others can guess, and never shows it. It returns "" for a good
// secret and for none.
func weakSecret(s Secret) string {
	switch text := s.Reveal(); {
	case text == "":
		return ""
	case isPlaceholder(text):
		return "is a placeholder that everybody knows"
	case utf8.RuneCountInString(text) < minSecret:
		return fmt.Sprintf("has fewer than %d characters", minSecret)
	case distinct(text) < minDistinct:
		return fmt.Sprintf("has fewer than %d different characters", minDistinct)
	case repeats(text):
		return fmt.Sprintf("repeats a pattern of at most %d characters", maxPattern)
	default:
		return ""
	}
}

// distinct counts the different characters.
func distinct(text string) int {
	seen := map[rune]bool{}
	for _, r := range text {
		seen[r] = true
	}
	return len(seen)
}

// repeats reports whether text is one short pattern again and again; the last time may be a part of it.
func repeats(text string) bool {
	runes := []rune(text)
	for length := 1; length <= maxPattern && length < len(runes); length++ {
		if slices.Equal(runes[length:], runes[:len(runes)-length]) {
			return true
		}
	}
	return false
}

// isPlaceholder reports whether text contains what guides and templates write in place of a secret. Case and
// punctuation don't count. A random secret of 32 characters contains none of these in practice.
func isPlaceholder(text string) bool {
	letters := strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, text)
	placeholders := []string{
		"betterauthsecret", // Better Auth's own default, and "the BETTER_AUTH_SECRET of the auth server"
		"yoursecret", "yourjwtsecret", "yoursupersecret", "supersecretkey", "mysecretkey",
		"changeme", "changethis", "changeit", "replaceme", "replacethis", "replacewith", "placeholder",
		"32characters", "opensslrand",
	}
	return slices.ContainsFunc(placeholders, func(p string) bool { return strings.Contains(letters, p) })
}

// redacted is printed in place of a secret.
const redacted = "[redacted]"

// Secret is text that must not be printed: keys, and URLs that carry passwords. Every way of formatting,
// logging or encoding it shows a placeholder; Reveal alone gives the text.
type Secret string

// Reveal returns the text itself. The caller must not log it.
func (s Secret) Reveal() string { return string(s) }

// String returns a placeholder, or nothing if the secret is empty, so that "not set" stays visible.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString returns the placeholder, for %#v.
func (s Secret) GoString() string { return s.String() }

// Format writes the placeholder whatever the verb: without it, a wrong verb such as %d prints the text.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue returns the placeholder, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns the placeholder, for encoders of text and JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
