package graphqlhttp

import (
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Strings in documents have the value that the grammar gives them, or the document is refused.
func TestStringsInDocuments(t *testing.T) {
	t.Parallel()
	half := func(at, name, escape string) string {
		return at + " GRAPHQL_PARSE_FAILED " + name + " has half a surrogate pair, " + escape + ", which stands for no character: send both halves, or none."
	}
	const quotes = ` GRAPHQL_PARSE_FAILED A block string ends at its first three quotes: write \""" for quotes in it.`
	for _, tt := range []struct{ name, document, want string }{
		{"a pair", `{ text(a: "x \ud83d\ude00 y") }`, `{"text":{"a":"x 😀 y"}}`},
		{"a pair in capitals", `{ text(a: "\uD83D\uDE00") }`, `{"text":{"a":"😀"}}`},
		{"the first half", `{ text(a: "trip \ud83d") }`, half("1:17", "a", `\ud83d`)},
		{"the second half", `{ text(a: "\uDE00 trip") }`, half("1:12", "a", `\uDE00`)},
		{"the wrong order", `{ text(a: "\ude00\ud83d") }`, half("1:12", "a", `\ude00`)},
		{"two first halves", `{ text(a: "\ud83d\ud83d\ude00") }`, half("1:12", "a", `\ud83d`)},
		{"a half before another escape", `{ text(a: "\ud83d\u0041") }`, half("1:12", "a", `\ud83d`)},
		{"on another line", "{\r\n\n text(\ra: \"é\\ud83d\") }", half("4:6", "a", `\ud83d`)},
		{"in a default", `query($a: String = "\ud83d") { text(a: $a) }`, half("1:21", "The string", `\ud83d`)},
		{"in braces", `{ text(a: "\u{1F600}\u{FFFD}") }`, `{"text":{"a":"😀�"}}`},
		{"half in braces", `{ text(a: "\u{d83d}\u{de00}") }`, `1:13 GRAPHQL_PARSE_FAILED Invalid character escape sequence: \u{d83d}.`},
		{"half a pair beside braces", `{ text(a: "\ud83d\u{de00}") }`, `1:19 GRAPHQL_PARSE_FAILED Invalid character escape sequence: \u{de00}.`},
		{"the replacement character", `{ text(a: "\ufffd�") }`, `{"text":{"a":"��"}}`},
		{"an escaped backslash", `{ text(a: "\\ud83d") }`, `{"text":{"a":"\\ud83d"}}`},
		{"in a block string, which has no such escapes", `{ text(a: """\ud83d""") }`, `{"text":{"a":"\\ud83d"}}`},
		{"in a comment", "# \"\\ud83d\n{ text }", `{"text":{}}`},
		{"after a comment with a quote", "# \"\n{ text(a: \"\\ud83d\") }", half("2:12", "a", `\ud83d`)},
		{"an unknown escape", `{ text(a: "\q") }`, `1:13 GRAPHQL_PARSE_FAILED Invalid character escape sequence: \q.`},
		{"no end", `{ text(a: "x) }`, `1:16 GRAPHQL_PARSE_FAILED Unterminated string.`},
		{"a strange character", `{ text(a: ;) }`, `1:11 GRAPHQL_PARSE_FAILED Cannot parse the unexpected character ";".`},

		{"a block string", `{ text(a: """x""") }`, `{"text":{"a":"x"}}`},
		{"an indented block string", "{ text(a: \"\"\"x\n    y\n\n      z\n  \"\"\") }", `{"text":{"a":"x\ny\n\n  z"}}`},
		{"one that begins on the next line", "{ text(a: \"\"\" \r\n\t\tx\r\t  y\n\t \n\"\"\") }", `{"text":{"a":"x\n y"}}`},
		{"one whose first line is indented", "{ text(a: \"\"\"  é \\\"\"\"\n    y \"\"\") }", `{"text":{"a":"  é \"\"\"\ny "}}`},
		{"a blank block string", "{ text(a: \"\"\" \n\t\n \"\"\") }", `{"text":{"a":""}}`},
		{
			"block strings in lists and objects", "query($a: String = \"\"\"x\n  y\"\"\") { text(a: $a) point(a: {x: 1, tags: [\"\"\"x\n  y\"\"\", \"z\"]}) }",
			`{"point":{"a":{"tags":["x\ny","z"],"x":1}},"text":{"a":"x\ny"}}`,
		},
		{"a block string of four quotes", `{ text(a: """x"""") }`, "1:18" + quotes},
		{"a block string of six quotes", `{ text(a: """x"""""") }`, "1:18" + quotes},
		{"an empty block string and a quote", `{ text(a: """"""") }`, "1:17" + quotes},
		{"quotes at the beginning", `{ text(a: """"x""") }`, `{"text":{"a":"\"x"}}`},
		{"escaped quotes at the end", `{ text(a: """x\"""""") }`, `{"text":{"a":"x\"\"\""}}`},
		{"four quotes in a comment", "{ text(a: \"x\") } # \"\"\"x\"\"\"\"", `{"text":{"a":"x"}}`},

		{"a block string of two lines that is refused", "{ \n int(a: \"\"\"x\n\"\"\") }", `2:9 GRAPHQL_VALIDATION_FAILED Int cannot represent non-integer value: "x"`},

		{"a block string of two lines in a strange place", "{\n\"\"\"x\n\"\"\" }", `3:1 GRAPHQL_PARSE_FAILED Expected Name, found BlockString`},

		{"variables of a fragment", `{ ...F } fragment F($a: Int) on Query { text }`, `1:21 GRAPHQL_PARSE_FAILED Fragments have no variables of their own: declare $a in the operations.`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := answerTo(t, echo(t), tt.document, ""); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// FuzzDocument checks that the strings of an accepted document have no characters that the document doesn't have.
func FuzzDocument(f *testing.F) {
	for _, seed := range []string{
		`{ a(b: "x\ud83d\ude00") }`, `{ a(b: """x"""") }`, "# \"\n{ a(b: \"\\ud83d\") }", `query($a: S = "\u{1F600}") { a }`, `{ a(b: "\ud83d\u{de00}") }`,
		`fragment F($a: Int) on Q { a }`, "{ a(b: \"\"\"\\\"\"\"\"\"\"\r\n) }", `{ a(b: ["", "\"\\", {c: "\\ud83d"}]) }`,
	} {
		f.Add(seed)
	}
	f.Add("\ufeff# é\r{ a(b: [\"\"\"é\r\n  x\"\"\", \"\"\"\"x\\\"\"\"\n\"\"\"]) }")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4<<10 {
			return
		}
		document, err := parseDocument(text)
		if err != nil {
			_ = presentable(gqlerror.List{err}, 1)
			if len(err.Locations) != 1 || err.Locations[0].Line < 1 || err.Locations[0].Column < 1 || strings.Contains(err.Message, "<Invalid>") {
				t.Errorf("%q: %+v", text, err)
			}
			return
		}
		blocks, _ := readStrings(text)
		eachValue(document, func(_ string, value *ast.Value) {
			if value.Kind == ast.BlockValue && (blocks[value.Position.Start].text == "" || value.Raw != blocks[value.Position.Start].value()) {
				t.Errorf("%q: the block string at %d is none of %v", text, value.Position.Start, blocks)
			}
		})
		if strings.ContainsRune(strings.ToValidUTF8(text, "\ufffd"), '\ufffd') || strings.Contains(strings.ToLower(text), "fffd") {
			return
		}
		eachValue(document, func(_ string, value *ast.Value) {
			if strings.ContainsRune(value.String(), '\ufffd') {
				t.Errorf("%q became %s", text, value)
			}
		})
	})
}
