package config

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted stands where a secret would be printed.
const redacted = "[redacted]"

// Secret is text that must not be printed: keys, and URLs that carry passwords. Every way of formatting,
// logging or encoding it shows a placeholder; Reveal alone gives the text.
type Secret string

// Reveal returns the text itself. The caller must not log it.
func (s Secret) Reveal() string { return string(s) }

// String returns a placeholder, or nothing where the secret is empty, so that "not set" stays visible.
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
