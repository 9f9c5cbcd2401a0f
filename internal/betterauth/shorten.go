package betterauth

import (
	"bytes"
	"io"
)

// shortener passes JSON on and cuts every string after limit+1 characters: a decoder holds each string whole, and users
// upload pictures of megabytes. What was cut decodes to more than limit bytes, so a reader that takes only shorter
// strings never takes a part for the whole.
type shortener struct {
	from  io.Reader
	limit int

	inString bool
	length   int  // of the string so far: an escape counts as one
	cut      bool // whether the present character is left out
	escape   int  // how many bytes of an escape are to come; escapeLetter: the one that says how many
}

const escapeLetter = -1

// Read implements io.Reader.
func (s *shortener) Read(p []byte) (int, error) {
	for {
		n, err := s.from.Read(p)
		n = s.shorten(p[:n])
		if n > 0 || err != nil || len(p) == 0 {
			return n, err //nolint:wrapcheck // The reader's own error.
		}
	}
}

// shorten removes the bytes that are left out, and returns how many remain.
func (s *shortener) shorten(p []byte) int {
	kept := 0
	for i := 0; i < len(p); {
		n, keep := s.next(p[i:])
		kept += copy(p[kept:], p[i:i+keep])
		i += n
	}
	return kept
}

// next reads the next bytes that have something in common. It returns how many they are, and how many to keep.
func (s *shortener) next(p []byte) (int, int) {
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
		s.cut = s.length > s.limit
		s.length++
		s.escape = escapeLetter
	default:
		return s.plain(p)
	}
	if s.cut {
		return 1, 0
	}
	return 1, 1
}

func (s *shortener) continueEscape(b byte) {
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

// plain reads characters up to the next escape or the string's end.
func (s *shortener) plain(p []byte) (int, int) {
	n := bytes.IndexAny(p, `"\`)
	if n < 0 {
		n = len(p)
	}
	keep := min(n, max(s.limit+1-s.length, 0))
	s.length += n
	return n, keep
}
