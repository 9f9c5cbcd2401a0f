package betterauth

import (
	"bytes"
	"io"
)

// stringTruncator is a reader of JSON that truncates every string after limit+1 characters. A decoder keeps each string
// in memory whole, and users upload images of megabytes. A truncated string is still longer than limit bytes, so code
// that accepts only shorter strings can't mistake a part for the whole.
type stringTruncator struct {
	from  io.Reader
	limit int

	inString bool
	length   int  // the characters of the string so far; an escape sequence counts as one
	skip     bool // whether the current escape sequence is left out
	escape   int  // how many bytes of an escape sequence follow, or escapeLetter before the letter that says how many
}

const escapeLetter = -1

// Read implements io.Reader.
func (s *stringTruncator) Read(p []byte) (int, error) {
	for {
		n, err := s.from.Read(p)
		n = s.truncate(p[:n])
		if n > 0 || err != nil || len(p) == 0 {
			return n, err //nolint:wrapcheck // The reader's own error.
		}
	}
}

// truncate removes from p the bytes that are left out, and returns how many remain.
func (s *stringTruncator) truncate(p []byte) int {
	kept := 0
	for i := 0; i < len(p); {
		n, keep := s.next(p[i:])
		kept += copy(p[kept:], p[i:i+keep])
		i += n
	}
	return kept
}

// next examines the next bytes that are treated alike. It returns how many they are, and how many of them to keep.
func (s *stringTruncator) next(p []byte) (int, int) {
	switch {
	case !s.inString:
		n := bytes.IndexByte(p, '"') + 1
		if n == 0 {
			return len(p), len(p)
		}
		s.inString, s.length = true, 0
		return n, n
	case s.escape != 0:
		s.continueEscape(p[0])
	case p[0] == '"':
		s.inString = false
		return 1, 1
	case p[0] == '\\':
		s.skip = s.length > s.limit
		s.length++
		s.escape = escapeLetter
	default:
		return s.plain(p)
	}
	if s.skip {
		return 1, 0
	}
	return 1, 1
}

// continueEscape examines a byte of an escape sequence.
func (s *stringTruncator) continueEscape(b byte) {
	const hexDigits = 4
	switch {
	case s.escape > 0:
		s.escape--
	case b == 'u':
		s.escape = hexDigits
	default:
		s.escape = 0
	}
}

// plain examines characters up to the next escape sequence or the end of the string.
func (s *stringTruncator) plain(p []byte) (int, int) {
	n := bytes.IndexAny(p, `"\`)
	if n < 0 {
		n = len(p)
	}
	keep := min(n, max(s.limit+1-s.length, 0))
	s.length += n
	return n, keep
}
