package text

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The table equals what Unicode's DerivedCoreProperties derives from the properties in Go's tables.
func TestDefaultIgnorable(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		derived := unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Cf, unicode.Variation_Selector) &&
			!unicode.In(r, unicode.White_Space, unicode.Prepended_Concatenation_Mark) &&
			(r < 0xfff9 || r > 0xfffb) && (r < 0x13430 || r > 0x1343f)
		derived = derived || 0xe0000 <= r && r <= 0xe0fff // Most of them are not assigned.
		if got := isIgnorable(r); got != derived {
			t.Errorf("%U: %t, want %t", r, got, derived)
		}
	}
}

func TestIsBlank(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		blank      bool
	}{
		{"nothing", "", true},
		{"spaces", " \t\r\n\v\f\u0085\u00a0\u1680\u2000\u2028\u2029\u202f\u205f\u3000", true},
		{"no width", "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f", true},
		{"Hangul fillers", "\u115f\u1160\u3164\uffa0", true},
		{"the empty Braille cell", "\u2800", true},
		{"variation selectors", "\ufe0f\ufe00\U000e0100\u180b", true},
		{"tags", "\U000e0067\U000e007f", true},
		{"control characters", "\x00\x07\x1b\u009f", true},
		{"an unassigned default-ignorable character", "\U000e0fff\u2065", true},
		{"a newer emoji", "\U0001fadf", false}, // Unicode 16.
		{"an unassigned character", "\U0001fbfa\u0378", false},
		{"a private-use character", "\ue000", false},
		{"a noncharacter", "\uffff", false},
		{"an accent alone", "\u0301", false},
		{"a letter among them", "\u200bx\u200b", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := IsBlank(tt.text); got != tt.blank {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestTrim(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"plain", "work", "work"},
		{"spaces", " \t\u00a0work\u2003\u2800\n", "work"},
		{"invisible", "\ufeffwork\u200b", "work"},
		{"both", "\u200b \u200bwork \u00ad ", "work"},
		{"a joiner inside stays", "👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"},
		{"a non-joiner inside stays", "می\u200cخواهم", "می\u200cخواهم"},
		{"a soft hyphen inside stays", "work\u00adshop", "work\u00adshop"},
		{"a joiner at the end", "👩\u200d", "👩"},
		{"a red heart", "I ❤\ufe0f ", "I ❤\ufe0f"},
		{"a red heart and more", "❤\ufe0f\ufe0f\u200b", "❤\ufe0f"},
		{"the flag of Wales", "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f ", "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"},
		{"a selector after a letter", "work\ufe0f", "work"},
		{"a selector after a space", "❤ \ufe0f", "❤"},
		{"a selector at the beginning", "\ufe0f❤", "❤"},
		{"an override and its end", "x\u202eabc\u202c", "x\u202eabc\u202c"},
		{"an isolate and its end", "x \u2067abc\u2069", "x \u2067abc\u2069"},
		{"an end after a space", "x \u2067abc \u2069 \u200b", "x \u2067abc \u2069"},
		{"one end too many", "x\u202aabc\u202c\u202c\u2069", "x\u202aabc\u202c"},
		{"an end inside", "x\u202babc\u202cd\u202c", "x\u202babc\u202cd"},
		{"an end of another kind", "x\u202dabc\u2069 \u2068d", "x\u202dabc\u2069 \u2068d"},
		{"no end of its kind", "x\u2066abc\u202c", "x\u2066abc"},
		{"two in each other", "x\u2068a\u202eb\u202c\u2069 ", "x\u2068a\u202eb\u202c\u2069"},
		{"an isolate's end is its override's", "x\u2068a\u202eb\u2069\u202c", "x\u2068a\u202eb\u2069"},
		{"an override at the beginning", "\u202eabc\u202c", "abc"},
		{"an override of nothing", "abc\u202e \u202c", "abc"},
		{"an override of nothing before an end", "x\u202eabc\u202a\u202c\u202c", "x\u202eabc\u202a\u202c\u202c"},
		{"an override without an end", "x\u202eabc\u202a", "x\u202eabc"},
		{"an end on the next line", "x\u202eabc\n\u202c", "x\u202eabc"},
		{"a red heart before an end", "x\u202e❤\ufe0f\u202c", "x\u202e❤\ufe0f\u202c"},
		{"control characters are not trimmed", "\awork\a", "\awork\a"},
		{"nothing", " \u200b ", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := Trim(tt.in); got != tt.want {
				t.Errorf("got %+q, want %+q", got, tt.want)
			}
			if again := Trim(tt.want); again != tt.want {
				t.Errorf("trimmed again: %+q", again)
			}
		})
	}
}

func TestLength(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"":               0,
		"e\u0301":        1,
		"\u00e9":         1,
		"👩\u200d👩":       3,
		"\u0958":         2, // Its normal form has two.
		"\u1100\u1161":   1,
		"a\u0327\u0301x": 3,
	} {
		if got := Length(text); got != want {
			t.Errorf("%+q: %d, want %d", text, got, want)
		}
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	same := [][]string{
		{"work", "Work", "\ufeffwork\u200b", "wo\u00adrk", "ＷＯＲＫ", " work\u00a0", "wo\u0000rk"},
		{"to do", "to  do", "to\u00a0do", "To\u3000Do", "to\t\ndo", "to \u200b do", "to\u2800do"},
		{"straße", "STRASSE", "Stra\u1e9ee"},
		{"café", "cafe\u0301", "CAFÉ", "cafe\u200b\u0301"},
		{"istanbul", "İstanbul", "I\u0307STANBUL", "ISTANBUL"},
		{"ﬁle", "file", "FILE"},
		{"①", "1", "１", "¹"},
		{"ｶﾞ", "ガ"},
		{"한", "\u1112\u1161\u11ab"},
		{"σίσυφος", "ΣΊΣΥΦΟΣ"},
		{"\u13a0", "\uab70"}, // Cherokee.
	}
	seen := map[string]int{}
	for i, texts := range same {
		for _, text := range texts {
			got := Fold(text)
			if got != Fold(texts[0]) {
				t.Errorf("%+q: %+q, want %+q", text, got, Fold(texts[0]))
			}
			seen[got] |= 1 << i
		}
	}
	for folded, of := range seen {
		if of&(of-1) != 0 {
			t.Errorf("%+q is the result for several of the names", folded)
		}
	}
	for _, different := range [][2]string{{"cafe", "café"}, {"istanbul", "ıstanbul"}, {"to do", "todo"}, {"か", "が"}, {"и", "й"}} {
		if Fold(different[0]) == Fold(different[1]) {
			t.Errorf("%q is %q", different[0], different[1])
		}
	}
}

func TestFoldAccents(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Café":            "cafe",
		"cafe\u0301":      "cafe",
		"ISTANBUL":        "istanbul",
		"İSTANBUL":        "istanbul",
		"ıstanbul":        "istanbul",
		"Smørrebrød":      "smorrebrod",
		"Łódź":            "lodz",
		"Ængstlich Œuvre": "aengstlich oeuvre",
		"Việt Nam":        "viet nam",
		"Ελλάδα":          "ελλαδα",
		"ещё":             "еще",
		"мой Її":          "мой її",
		"が":               "が",
		"किताब":           "किताब",
		"한국":              "한국",
		"work\u00adshop":  "workshop",
		"Two\r\n\tlines ": "two lines",
		"❤\ufe0f":         "❤",
	} {
		if got := FoldAccents(text); got != norm.NFKC.String(want) {
			t.Errorf("%q: %+q, want %+q", text, got, want)
		}
	}
}

// For every character: folding is idempotent, and all its normal forms and cases fold to the same text.
func TestFoldEachCharacter(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= 0xe0fff; r++ {
		if r == 0x20000 {
			r = 0xe0000 // The characters in between have no case and do not decompose.
		}
		if utf8.ValidRune(r) {
			checkFold(t, "x"+string(r)+"y")
		}
	}
}

func checkFold(t *testing.T, text string) {
	t.Helper()
	folded, unaccented := Fold(text), FoldAccents(text)
	if again := Fold(folded); again != folded {
		t.Errorf("%+q folds to %+q, which folds to %+q", text, folded, again)
	}
	if again := FoldAccents(unaccented); again != unaccented {
		t.Errorf("FoldAccents(%+q) is %+q, and FoldAccents of that is %+q", text, unaccented, again)
	}
	if again := FoldAccents(folded); again != unaccented {
		t.Errorf("FoldAccents(%+q) is %+q, but %+q after Fold", text, unaccented, again)
	}
	upper := strings.ToUpper(strings.ReplaceAll(folded, "ı", "")) // Its upper case is that of i.
	if got, want := Fold(upper), Fold(strings.ReplaceAll(folded, "ı", "")); got != want {
		t.Errorf("%+q folds to %+q, but %+q to %+q", text, want, upper, got)
	}
	for _, other := range []string{norm.NFC.String(text), norm.NFD.String(text), norm.NFKC.String(text), norm.NFKD.String(text)} {
		if got := Fold(other); got != folded {
			t.Errorf("%+q folds to %+q, but %+q to %+q", text, folded, other, got)
		}
	}
	if strings.ContainsFunc(folded, func(r rune) bool { return isIgnorable(r) || unicode.IsControl(r) || isSpace(r) && r != ' ' }) ||
		strings.TrimSpace(folded) != folded || strings.Contains(folded, "  ") {
		t.Errorf("%+q folds to %+q, which has invisible characters or extra spaces", text, folded)
	}
}

// sortKeyOf returns the key by which s is sorted.
func sortKeyOf(s string) []byte { return SortKey(FoldAccents(s)) }

func TestSortKey(t *testing.T) {
	t.Parallel()
	sorted := []string{
		"0", "7", "10", "a", "apfel", "Äpfel 2", "apfel 10", "b", "task", "task 9", "task 10", "Task 11", "task 100", "v1.9", "v1.10", "Zebra",
	}
	if !slices.IsSortedFunc(sorted, func(a, b string) int { return bytes.Compare(sortKeyOf(a), sortKeyOf(b)) }) {
		for _, s := range sorted {
			t.Errorf("%q: %q", s, sortKeyOf(s))
		}
	}
	if !bytes.Equal(sortKeyOf("task 007"), sortKeyOf("Task 7")) {
		t.Error("zeros before a number count")
	}
	if got := len(sortKeyOf(strings.Repeat("\ufdfa", 200))); got != MaxKey {
		t.Errorf("a long title has a key of %d bytes", got)
	}
}

func TestNameKey(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Work":    "work",
		"café":    "cafe\x00café",
		"Q3":      "q\x013\x00q3",
		"Année 1": "annee \x011\x00annee 1\x00année 1",
		"007":     "\x017\x00007",
		"7":       "\x017\x007",
	} {
		if got := string(NameKey(Fold(name))); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	long := strings.Repeat("\ufdfa", 50)
	one, two := NameKey(Fold(long+"é")), NameKey(Fold(long+"e"))
	if len(one) != MaxKey || len(two) != MaxKey || bytes.Equal(one, two) {
		t.Errorf("long names have keys of %d and %d bytes", len(one), len(two))
	}
}

// keysHash is the SHA-256 of the keys of every character, alone and after a letter, and of some texts.
const keysHash = "91e7415492bf5adf94908d319ae11c4ac982698db8d11e4c6b56fb8ad9dcb368"

// Keys are stored, so they may not change without a migration. New tables in Go or golang.org/x/text change them.
func TestStoredKeys(t *testing.T) {
	t.Parallel()
	const part = 0x8000 // Characters.
	sums := make([][sha256.Size]byte, unicode.MaxRune/part+1)
	var parts sync.WaitGroup
	for i := range sums {
		parts.Go(func() {
			keys := make([]byte, 0, 1<<20)
			for r := rune(i * part); r < rune((i+1)*part); r++ {
				if utf8.ValidRune(r) {
					keys = appendKeys(keys, string(r))
					keys = appendKeys(keys, "x"+string(r))
				}
			}
			sums[i] = sha256.Sum256(keys)
		})
	}
	parts.Wait()
	var all []byte
	for _, sum := range sums {
		all = append(all, sum[:]...)
	}
	for _, text := range []string{
		"", "Task 007", "v1.10", strings.Repeat("9", 300), " to \u00a0\n do ", "Œuvre № 12", "e" + strings.Repeat("\u0301", 40), strings.Repeat("\ufdfa", 200),
	} {
		all = appendKeys(all, text)
	}
	if got := fmt.Sprintf("%x", sha256.Sum256(all)); got != keysHash {
		t.Errorf("the keys differ from the stored ones: their hash is %s. Is there a new version of Go or of golang.org/x/text? "+
			"If the new keys are right, add a migration that sets workspaces.keys_version to 0 (see the package comment), and change keysHash.", got)
	}
}

// appendKeys appends all keys of a text that are stored or looked up.
func appendKeys(keys []byte, text string) []byte {
	folded, unaccented := Fold(text), FoldAccents(text)
	for _, key := range [][]byte{[]byte(folded), []byte(unaccented), sortKey(unaccented), NameKey(folded)} {
		keys = append(binary.BigEndian.AppendUint32(keys, uint32(len(key))), key...)
	}
	return keys
}

func fuzzTexts(f *testing.F) {
	f.Helper()
	for _, text := range []string{
		"Work", "\ufeffwork\u200b", "to \u00a0 do", "e\u0301", "İı", "👩\u200d👩\u200d👧", "❤\ufe0f", "\u2800", "¨x", "\ufdfa", "\U0001fadf", "task 010",
		strings.Repeat("\u0301", 40), "\x00\n", "x\u202eabc\u202c", "x \u2067a\u202bb \u2069\u202c",
	} {
		f.Add(text)
	}
}

func FuzzBlank(f *testing.F) {
	fuzzTexts(f)
	f.Fuzz(func(t *testing.T, text string) {
		// Invisible characters don't change whether a text is blank; a blank text folds to nothing.
		blank := IsBlank(text)
		if IsBlank("\u200b"+text+" \ufe0f") != blank || blank && Fold(text) != "" || IsBlank(Trim(text)) != blank {
			t.Errorf("%+q: %t", text, blank)
		}
	})
}

func FuzzTrim(f *testing.F) {
	fuzzTexts(f)
	f.Fuzz(func(t *testing.T, text string) {
		trimmed := Trim(text)
		if Trim(trimmed) != trimmed || !strings.Contains(text, trimmed) {
			t.Errorf("%+q is trimmed to %+q, which is trimmed to %+q", text, trimmed, Trim(trimmed))
		}
		if Fold(trimmed) != Fold(text) {
			t.Errorf("%+q is trimmed to %+q, which is another name", text, trimmed)
		}
	})
}

func FuzzKey(f *testing.F) {
	fuzzTexts(f)
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		checkFold(t, text)
		key, folded := NameKey(Fold(text)), Fold(text)
		if len(key) > MaxKey || len(sortKeyOf(text)) > MaxKey {
			t.Errorf("%+q has a key of %d bytes", text, len(key))
		}
		if parts := strings.Split(string(key), "\x00"); len(key) < MaxKey && !slices.Contains(parts, folded) {
			t.Errorf("%+q has the key %q, which does not contain %q", text, key, folded)
		}
	})
}
