package task

import (
	"crypto/sha256"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Texts are stored as they were typed, but for what nobody sees at their ends. They are compared, sorted and searched by
// keys, which are made here because no two databases fold texts alike:
//
//	fold       what makes two names the same name: no invisible characters, single spaces, one case, one normal form (NFKC)
//	plain      the same without accents: what search looks for, and in
//	orderKey   plain, with numbers that sort by their value
//	nameKey    unique like fold, sorted like orderKey
//
// A change of these functions must set workspaces.keys_version to 0 in a migration: see keys.go.

// defaultIgnorable are the characters that are invisible by definition: Unicode's Default_Ignorable_Code_Point. Those that
// Unicode has not assigned yet are among them, so the table doesn't depend on the version of Go's own.
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

// isSpace reports whether r is white space. The empty Braille cell looks like it and is used as it.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r == '\u2800' }

func isIgnorable(r rune) bool { return r >= 0x80 && unicode.Is(defaultIgnorable, r) }

// isBlank reports whether there is nothing to see in s, which would make a task that nobody can click. Characters that are
// newer than Go's tables count as visible.
func isBlank(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !isSpace(r) && !isIgnorable(r) && !unicode.IsControl(r) })
}

// trim removes spaces and invisible characters from both ends of s. A variation selector or a sequence of tags that
// belongs to an emoji stays: without it, a red heart is black and the flag of Wales a black flag. So does what closes a
// change of direction: without it, the text turns around what is shown after it.
func trim(s string) string {
	atEnd := func(r rune) bool { return isSpace(r) || isIgnorable(r) }
	s = strings.TrimLeftFunc(s, atEnd)
	trimmed := strings.TrimRightFunc(s, atEnd)
	end, rest := len(trimmed), s[len(trimmed):]
	if last, _ := utf8.DecodeLastRuneInString(trimmed); last >= utf8.RuneSelf {
		isTag := func(r rune) bool { return 0xe0020 <= r && r <= 0xe007f }
		if first, size := utf8.DecodeRuneInString(rest); unicode.Is(unicode.Variation_Selector, first) {
			end += size
		} else {
			end = len(s) - len(strings.TrimLeftFunc(rest, isTag))
		}
	}
	return s[:endOfDirections(s, end)]
}

// endOfDirections returns the end of the last character after s[:end], on the same line, that closes a change of direction
// in s[:end]; end, if none does. (See Unicode's UAX #9.)
func endOfDirections(s string, end int) int {
	if !strings.ContainsAny(s[end:], "\u202c\u2069") {
		return end
	}
	var open []bool // The changes that are not closed, the innermost one last: whether it is an isolate.
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
		case '\u2069': // It closes the embeddings in the isolate, too.
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

// length is the number of characters (Unicode code points) of s in the normal form C, so that é counts once however it
// was typed.
func length(s string) int { return utf8.RuneCountInString(norm.NFC.String(s)) }

// fold returns what s is compared by: two names with the same result are the same name.
func fold(s string) string {
	if folded, ok := foldASCII(s); ok {
		return folded
	}
	return foldUnicode(s, false)
}

// plain returns what s is found and sorted by: folded, and without accents. Accents are dropped on Latin and Greek letters
// and on the Cyrillic ё. Elsewhere marks make other letters (Й), or belong to the word (Devanagari).
func plain(s string) string {
	if folded, ok := foldASCII(s); ok {
		return folded
	}
	return foldUnicode(s, true)
}

// plainLetters returns what people type for a Latin letter that their keyboard lacks and that Unicode does not compose of
// a letter and an accent; "" for other letters.
func plainLetters(r rune) string {
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

// foldASCII folds s if all of it is ASCII, which most texts are.
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

// foldUnicode folds any text. It is Unicode's toNFKC_Casefold, without control characters and with single spaces.
func foldUnicode(s string, withoutAccents bool) string {
	s = norm.NFKD.String(strings.Map(foldSpace, s))
	folded := make([]byte, 0, len(s))
	var base, last rune // The last character that is no mark, and the last one at all.
	tooMany := false
	for _, r := range s {
		r = foldCase(r)
		isMark := r >= 0x300 && unicode.Is(unicode.M, r)
		switch {
		case r == '\u034f': // The normaliser writes it into a run of more than 30 marks, which nobody can read.
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
			letters = plainLetters(r)
		}
		if letters != "" {
			folded = append(folded, letters...)
		} else {
			folded = utf8.AppendRune(folded, r)
		}
	}
	return singleSpaced(string(norm.NFKC.Bytes(folded)))
}

// foldSpace maps spaces to one of them, and drops what is invisible.
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

// singleSpaced removes spaces at the ends of s, and all but one elsewhere.
func singleSpaced(s string) string {
	if strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") || strings.Contains(s, "  ") {
		return strings.Join(strings.Fields(s), " ")
	}
	return s
}

// isAccent reports whether a mark does not make another letter of the base that it stands on.
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

// foldCase returns the lower case of a character's upper case, which is the same for all that differ in case alone.
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

// maxTextKey is the length at which keys are cut: PostgreSQL's indexes take rows of 2,700 bytes. Only texts of hundreds of
// characters that stand for several others have longer ones.
const maxTextKey = 1024

// orderKey returns what a plain text is sorted by, byte by byte: "task 9" before "task 10". A number is written as the count
// of its digits and the digits, without zeros before them.
func orderKey(text string) []byte {
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

// textKeys returns what a task is sorted and found by. Titles that differ in accents alone sort by their ids.
func textKeys(title string, description *string) ([]byte, string) {
	text := title + "\n"
	plainTitle := plain(title)
	search := plainTitle + "\n"
	if description != nil {
		text += *description
		search += plain(*description)
	}
	if old := previousFold(text); old != "" && old != search {
		search += "\n" + old
	}
	key := orderKey(plainTitle)
	return key[:min(len(key), maxTextKey)], search
}

// previousFold is what the release before looks for words in; "" for ASCII, where both releases look for the same. It is
// kept beside the plain text, so that that release finds words with accents during a deployment and after a rollback. The
// release after this one can do without.
func previousFold(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return ""
	}
	return cases.Fold().String(norm.NFC.String(s))
}

// nameKey returns the unique key of a folded name. It begins with what the name is sorted by. If that does not tell all
// of the name, the rest follows after a NUL, which no text contains: the plain name, in which search looks, and the accents.
func nameKey(folded string) []byte {
	text := plain(folded)
	key := orderKey(text)
	if string(key) != text {
		key = append(append(key, 0), text...)
	}
	if text != folded {
		key = append(append(key, 0), folded...)
	}
	if len(key) > maxTextKey {
		sum := sha256.Sum256(key)
		key = append(key[:maxTextKey-len(sum)], sum[:]...)
	}
	return key
}
