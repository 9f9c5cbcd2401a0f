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

// minSecret is the minimum length of a secret, in characters: below it, Better Auth itself warns.
const minSecret = 32

// minDistinct is the minimum number of different characters in a secret. Of 20 million secrets of 32 random hexadecimal
// digits, one has fewer.
const minDistinct = 8

// maxPattern is the maximum length of a repeated pattern in a secret, in characters.
const maxPattern = 16

// weaknessFix says what to do about a weak secret.
const weaknessFix = "use the auth server's BETTER_AUTH_SECRET, made with `openssl rand -base64 32`"

// weakSecret returns why a secret can be guessed, or "" if it is strong or empty. The text doesn't contain the secret.
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

// distinct returns the number of different characters.
func distinct(text string) int {
	seen := map[rune]bool{}
	for _, r := range text {
		seen[r] = true
	}
	return len(seen)
}

// repeats reports whether text repeats a pattern of at most maxPattern characters. The last repetition may be
// incomplete.
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
// punctuation are ignored. A random secret of 32 characters contains none of these in practice.
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

// Secret is text that must not be printed: a key, or a URL that contains a password. However it is formatted, logged or
// encoded, only a placeholder appears. Reveal returns the text.
type Secret string

// Reveal returns the text itself. The caller must not log it.
func (s Secret) Reveal() string { return string(s) }

// String returns a placeholder, or "" for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString returns the placeholder, for %#v.
func (s Secret) GoString() string { return s.String() }

// Format writes the placeholder for any verb. Without it, a wrong verb such as %d would print the text.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue returns the placeholder, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns the placeholder, for encoders of text and JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
