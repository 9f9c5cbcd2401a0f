// Package text has the rules for texts that people type: what counts as blank, how long a text is, and the keys by which
// texts are compared, sorted and searched. The keys are made here because no two databases fold texts alike:
//
//	Fold          equal for two spellings of one name: no invisible characters, single spaces, one case, one normal form (NFKC)
//	FoldAccents   like Fold, and without accents: for search
//	SortKey       of FoldAccents, with numbers that sort by their value
//	NameKey       unique like Fold, sorted like SortKey
//
// The keys are stored: a change of these functions needs a migration that sets workspaces.keys_version to 0, after which
// internal/task makes the stored keys again.
package text

import (
	"crypto/sha256"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// defaultIgnorable has the characters that are invisible by definition: Unicode's Default_Ignorable_Code_Point. It
// includes those that Unicode has not assigned yet, so it doesn't depend on the version of Go's own tables.
var defaultIgnorable = &unicode.RangeTable{ //nolint:gochecknoglobals // A constant table.
	R16: []unicode.Range16{
		{Lo: 0x00ad, Hi: 0x00ad, Stride: 1}, // Soft hyphen.
		{Lo: 0x034f, Hi: 0x034f, Stride: 1},
		{Lo: 0x061c, Hi: 0x061c, Stride: 1},
		{Lo: 0x115f, Hi: 0x1160, Stride: 1}, // Hangul fillers.
		{Lo: 0x17b4, Hi: 0x17b5, Stride: 1},
		{Lo: 0x180b, Hi: 0x180f, Stride: 1},
		{Lo: 0x200b, Hi: 0x200f, Stride: 1}, // Zero-width space and joiners, marks of direction.
		{Lo: 0x202a, Hi: 0x202e, Stride: 1},
		{Lo: 0x2060, Hi: 0x206f, Stride: 1},
		{Lo: 0x3164, Hi: 0x3164, Stride: 1}, // Hangul filler.
		{Lo: 0xfe00, Hi: 0xfe0f, Stride: 1}, // Variation selectors.
		{Lo: 0xfeff, Hi: 0xfeff, Stride: 1}, // Byte order mark.
		{Lo: 0xffa0, Hi: 0xffa0, Stride: 1}, // Hangul filler.
		{Lo: 0xfff0, Hi: 0xfff8, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x1bca0, Hi: 0x1bca3, Stride: 1},
		{Lo: 0x1d173, Hi: 0x1d17a, Stride: 1},
		{Lo: 0xe0000, Hi: 0xe0fff, Stride: 1}, // Tags, and more variation selectors.
	},
	LatinOffset: 1,
}

// isSpace reports whether r is white space. So is the empty Braille cell, which people use as a space.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r == '\u2800' }

func isIgnorable(r rune) bool { return r >= 0x80 && unicode.Is(defaultIgnorable, r) }

// IsBlank reports whether s has no visible character: a task with such a title could not be clicked. Characters that are newer
// than Go's tables count as visible.
func IsBlank(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !isSpace(r) && !isIgnorable(r) && !unicode.IsControl(r) })
}

// Trim removes spaces and invisible characters from both ends of s. It keeps a variation selector or a sequence of tags that
// belongs to an emoji: without it, a red heart is black and the flag of Wales a black flag. It also keeps a character that
// closes a change of direction: without it, the text after s would be displayed in the wrong direction.
func Trim(s string) string {
	invisible := func(r rune) bool { return isSpace(r) || isIgnorable(r) }
	s = strings.TrimLeftFunc(s, invisible)
	trimmed := strings.TrimRightFunc(s, invisible)
	end, rest := len(trimmed), s[len(trimmed):]
	if last, _ := utf8.DecodeLastRuneInString(trimmed); last >= utf8.RuneSelf {
		isTag := func(r rune) bool { return 0xe0020 <= r && r <= 0xe007f }
		if first, size := utf8.DecodeRuneInString(rest); unicode.Is(unicode.Variation_Selector, first) {
			end += size
		} else {
			end = len(s) - len(strings.TrimLeftFunc(rest, isTag))
		}
	}
	return s[:closeDirections(s, end)]
}

// closeDirections returns the index after the last character of s[end:], on the same line, that closes a change of direction
// in s[:end]. It returns end if there is none. (See Unicode's UAX #9.)
func closeDirections(s string, end int) int {
	if !strings.ContainsAny(s[end:], "\u202c\u2069") {
		return end
	}
	var open []bool // The changes that are not closed, the innermost last; true for an isolate.
	isolates, last, least := 0, end, 0
	for i, r := range s {
		if i == end {
			least = len(open)
		}
		switch r {
		case '\u202a', '\u202b', '\u202d', '\u202e': // Embeddings and overrides.
			open = append(open, false)
		case '\u202c':
			if n := len(open); n > 0 && !open[n-1] {
				open = open[:n-1]
			}
		case '\u2066', '\u2067', '\u2068': // Isolates.
			open, isolates = append(open, true), isolates+1
		case '\u2069': // It also closes the embeddings in the isolate.
			if isolates > 0 {
				for !open[len(open)-1] {
					open = open[:len(open)-1]
				}
				open, isolates = open[:len(open)-1], isolates-1
			}
		default:
			if i >= end && breaksLine(r) {
				return last
			}
		}
		if i >= end && len(open) < least {
			last, least = i+utf8.RuneLen(r), len(open)
		}
	}
	return last
}

// breaksLine reports whether r ends a line or controls a terminal. (U+2028 and U+2029 end lines in JavaScript.)
func breaksLine(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// IsSingleLine reports whether s has no line breaks and no control characters.
func IsSingleLine(s string) bool { return !strings.ContainsFunc(s, breaksLine) }

// Length returns the number of characters (Unicode code points) of s in normal form C, so that é counts once, whether it was
// typed as one character or as two.
func Length(s string) int { return utf8.RuneCountInString(norm.NFC.String(s)) }

// Fold returns the form of s that names are compared by: two names with the same result are the same name.
func Fold(s string) string {
	if folded, ok := foldASCII(s); ok {
		return folded
	}
	return foldUnicode(s, false)
}

// FoldAccents returns the form of s that texts are searched and sorted by: Fold without accents. It drops accents of Latin
// and Greek letters and of the Cyrillic ё. In other scripts marks make other letters (Й), or belong to the word (Devanagari).
func FoldAccents(s string) string {
	if folded, ok := foldASCII(s); ok {
		return folded
	}
	return foldUnicode(s, true)
}

// baseLetters returns what people type for a Latin letter that their keyboard lacks and that Unicode does not decompose into
// a letter and an accent; "" for other letters.
func baseLetters(r rune) string {
	switch r {
	case 'ı':
		return "i"
	case 'ø':
		return "o"
	case 'ł':
		return "l"
	case 'đ', 'ð':
		return "d"
	case 'ħ':
		return "h"
	case 'ŧ':
		return "t"
	case 'æ':
		return "ae"
	case 'œ':
		return "oe"
	case 'þ':
		return "th"
	default:
		return ""
	}
}

// foldASCII folds s if all of it is ASCII, which most texts are. It returns false if s has other characters.
func foldASCII(s string) (string, bool) {
	folded := make([]byte, 0, len(s))
	space := false
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			return "", false
		case c == ' ' || '\t' <= c && c <= '\r':
			space = len(folded) > 0
			continue
		case c < ' ' || c == '\x7f':
			continue
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		if space {
			folded, space = append(folded, ' '), false
		}
		folded = append(folded, c)
	}
	return string(folded), true
}

// foldUnicode returns Unicode's toNFKC_Casefold of s, without control characters and with single spaces.
func foldUnicode(s string, withoutAccents bool) string {
	s = norm.NFKD.String(strings.Map(foldSpace, s))
	folded := make([]byte, 0, len(s))
	var base, last rune // The last character that is not a mark, and the last character.
	tooMany := false
	for _, r := range s {
		r = foldCase(r)
		isMark := r >= 0x300 && unicode.Is(unicode.M, r)
		switch {
		case r == '\u034f': // The normaliser inserts it into a run of more than 30 marks, which nobody can read.
			tooMany = true
			continue
		case isMark && (tooMany || withoutAccents && isAccent(base, r)):
			continue
		case last == 'i' && r == '\u0307': // İ in lower case: i has its dot already.
			continue
		case !isMark:
			base, tooMany = r, false
		}
		last = r
		letters := ""
		if r == 'ß' {
			letters = "ss"
		} else if withoutAccents {
			letters = baseLetters(r)
		}
		if letters != "" {
			folded = append(folded, letters...)
		} else {
			folded = utf8.AppendRune(folded, r)
		}
	}
	return singleSpaced(string(norm.NFKC.Bytes(folded)))
}

// foldSpace maps every space to U+0020 and drops invisible characters.
func foldSpace(r rune) rune {
	switch {
	case isSpace(r):
		return ' '
	case isIgnorable(r) || unicode.IsControl(r):
		return -1
	default:
		return r
	}
}

// singleSpaced removes spaces at the ends of s and replaces runs of spaces by one.
func singleSpaced(s string) string {
	if strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") || strings.Contains(s, "  ") {
		return strings.Join(strings.Fields(s), " ")
	}
	return s
}

// isAccent reports whether mark is an accent of base: whether the two are not a letter of their own.
func isAccent(base, mark rune) bool {
	switch {
	case base < utf8.RuneSelf:
		return isLetter(byte(base)) && unicode.Is(unicode.Mn, mark) //nolint:gosec // It is ASCII.
	case base == 'е': // Cyrillic.
		return mark == '\u0308'
	default:
		return unicode.In(base, unicode.Latin, unicode.Greek) && unicode.Is(unicode.Mn, mark)
	}
}

// foldCase returns the lower case of r's upper case, which is the same for all characters that differ in case only.
// (cases.Fold of golang.org/x/text swaps the two cases of Cherokee.)
func foldCase(r rune) rune {
	switch {
	case r < utf8.RuneSelf:
		return unicode.ToLower(r)
	case r == 'ı': // Its upper case is that of i.
		return r
	default:
		return unicode.ToLower(unicode.ToUpper(r))
	}
}

// MaxKey is the length in bytes at which keys are cut, because PostgreSQL's indexes take rows of 2,700 bytes. Only texts with
// hundreds of characters that fold to several others have longer keys.
const MaxKey = 1024

// SortKey returns the key by which a result of FoldAccents is sorted, byte by byte: "task 9" before "task 10". It has at most
// MaxKey bytes.
func SortKey(folded string) []byte {
	key := sortKey(folded)
	return key[:min(len(key), MaxKey)]
}

// sortKey returns SortKey before it is cut. A number is written as the count of its digits and the digits, without leading
// zeros.
func sortKey(text string) []byte {
	key := make([]byte, 0, len(text)+8)
	for i := 0; i < len(text); {
		if !isDigit(text[i]) {
			key = append(key, text[i])
			i++
			continue
		}
		end := i
		for end < len(text) && isDigit(text[end]) {
			end++
		}
		for i < end-1 && text[i] == '0' {
			i++
		}
		key = append(key, byte(min(end-i, 0xff))) //nolint:gosec // It fits.
		key = append(key, text[i:end]...)
		i = end
	}
	return key
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' }

// NameKey returns the unique key of a result of Fold. It begins with the key that the name is sorted by. If two names could
// have that key, the name without accents follows after a NUL, which no text contains (it is what search looks in), and then
// the name itself. It has at most MaxKey bytes.
func NameKey(folded string) []byte {
	text := FoldAccents(folded)
	key := sortKey(text)
	if string(key) != text {
		key = append(append(key, 0), text...)
	}
	if text != folded {
		key = append(append(key, 0), folded...)
	}
	if len(key) > MaxKey {
		sum := sha256.Sum256(key)
		key = append(key[:MaxKey-len(sum)], sum[:]...)
	}
	return key
}
