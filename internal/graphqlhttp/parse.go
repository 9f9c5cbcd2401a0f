package graphqlhttp

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
	"github.com/vektah/gqlparser/v2/parser"
)

// parseDocument parses a document. It refuses what gqlparser accepts although the grammar doesn't: variables of fragments,
// halves of surrogate pairs, and block strings that end in more than three quotes. It also corrects the values of block
// strings, because gqlparser includes their first line in the indentation.
func parseDocument(text string) (*ast.QueryDocument, *gqlerror.Error) {
	document, err := parser.ParseQuery(&ast.Source{Input: text})
	if err != nil {
		return nil, syntaxError(text, err)
	}
	for _, fragment := range document.Fragments {
		if len(fragment.VariableDefinition) > 0 {
			return nil, parseError(fragment.VariableDefinition[0].Position.Line, fragment.VariableDefinition[0].Position.Column,
				"Fragments have no variables of their own: declare $"+fragment.VariableDefinition[0].Variable+" in the operations.")
		}
	}
	blocks, wrong := readStrings(text)
	if wrong != nil {
		return nil, wrong
	}
	if len(blocks) > 0 {
		eachValue(document, func(_ string, value *ast.Value) { correctBlocks(value, blocks) })
	}
	return document, nil
}

// correctBlocks corrects the values and positions of the block strings in a value.
func correctBlocks(value *ast.Value, blocks map[int]blockString) {
	if block, ok := blocks[value.Position.Start]; ok && value.Kind == ast.BlockValue {
		value.Raw, value.Position.Line, value.Position.Column = block.value(), block.line, block.column
	}
	for _, child := range value.Children {
		correctBlocks(child.Value, blocks)
	}
}

// parseError returns the error of a document that can't be parsed.
func parseError(line, column int, message string) *gqlerror.Error {
	err := gqlerror.ErrorLocf("", line, column, "%s", message)
	err.Extensions = map[string]any{"code": errcode.ParseFailed}
	return err
}

// syntaxError returns the client's error for the parser's. For a token that can't be read it is the lexer's error, since the
// parser's says only "<Invalid>".
func syntaxError(text string, err error) *gqlerror.Error {
	var found *gqlerror.Error
	if strings.Contains(err.Error(), lexer.Invalid.Name()) {
		lex := lexer.New(&ast.Source{Input: text})
		for {
			token, lexErr := lex.ReadToken()
			if lexErr != nil {
				err = lexErr
			}
			if lexErr != nil || token.Kind == lexer.EOF {
				break
			}
		}
	}
	if !errors.As(err, &found) {
		return parseError(1, 1, "The document can't be parsed.")
	}
	errcode.Set(found, errcode.ParseFailed)
	return found
}

// blockString is a block string in a document, with its quotes and its position.
type blockString struct {
	text         string
	line, column int
}

// value returns the string's value (section 2.9.4, BlockStringValue).
func (b blockString) value() string {
	const quotes, blanks = `"""`, " \t"
	text := strings.TrimSuffix(strings.TrimPrefix(b.text, quotes), quotes)
	lines := strings.Split(unixLines(strings.ReplaceAll(text, `\`+quotes, quotes)), "\n")
	indent := len(text)
	for _, line := range lines[1:] {
		if words := strings.TrimLeft(line, blanks); words != "" {
			indent = min(indent, len(line)-len(words))
		}
	}
	first, last := len(lines), 0 // without blank lines at the beginning and the end
	for i, line := range lines {
		if i > 0 {
			lines[i] = line[min(indent, len(line)):]
		}
		if strings.Trim(line, blanks) != "" {
			first, last = min(first, i), i+1
		}
	}
	return strings.Join(lines[min(first, last):last], "\n")
}

// argumentBefore matches the end of a text if it is the name of an argument or field and a colon.
var argumentBefore = regexp.MustCompile(`([_A-Za-z][_0-9A-Za-z]*)[\s,]*:[\s,]*$`)

// valueName returns the name of the argument or field whose value follows a part of a document, or "The string".
func valueName(before string) string {
	if match := argumentBefore.FindStringSubmatch(before); match != nil {
		return match[1]
	}
	return "The string"
}

// readStrings checks the strings of a document that can be parsed. It returns the block strings by their offset in runes.
func readStrings(text string) (map[int]blockString, *gqlerror.Error) {
	if !strings.Contains(text, `\u`) && !strings.Contains(text, `"""`) {
		return nil, nil //nolint:nilnil // No block strings, and no error.
	}
	blocks := map[int]blockString{}
	at := textPosition{line: 1, column: 1}
	for i := 0; i < len(text); {
		length := 1
		switch {
		case text[i] == '#':
			length = lineLength(text[i:])
		case strings.HasPrefix(text[i:], `"""`):
			length = blockLength(text[i:])
			at.move(text, i)
			if i+length < len(text) && text[i+length] == '"' {
				at.move(text, i+length)
				return nil, parseError(at.line, at.column, `A block string ends at its first three quotes: write \""" for quotes in it.`)
			}
			blocks[at.runes] = blockString{text: text[i : i+length], line: at.line, column: at.column}
		case text[i] == '"':
			var half int
			length, half = stringLength(text[i:])
			if half >= 0 {
				at.move(text, i+half)
				return nil, parseError(at.line, at.column, valueName(text[:i])+halfPair(text[i+half:]))
			}
		}
		i += length
	}
	return blocks, nil
}

// textPosition is a position in a text.
type textPosition struct{ bytes, runes, line, column int }

// move moves the position forward to a byte of the text.
func (p *textPosition) move(text string, to int) {
	passed := text[p.bytes:to]
	p.runes += utf8.RuneCountInString(passed)
	lines := unixLines(passed)
	if n := strings.Count(lines, "\n"); n > 0 {
		p.line, p.column = p.line+n, 1
	}
	p.column += utf8.RuneCountInString(lines[strings.LastIndex(lines, "\n")+1:])
	p.bytes = to
}

// unixLines returns the text with a line feed at the end of each line.
func unixLines(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}

// lineLength returns the length of the text's first line.
func lineLength(text string) int {
	if n := strings.IndexAny(text, "\r\n"); n >= 0 {
		return n
	}
	return len(text)
}

// blockLength returns the length of the block string at the beginning of a text, quotes included.
func blockLength(text string) int {
	const quotes = `"""`
	for i := len(quotes); i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], `\`+quotes):
			i += len(quotes)
		case strings.HasPrefix(text[i:], quotes):
			return i + len(quotes)
		}
	}
	return len(text)
}

// escapeLength is the length of an escape sequence such as \ud83d.
const escapeLength = len(`\u0000`)

// stringLength returns the length of the string at the beginning of a text, quotes included, and the offset of half a
// surrogate pair in it, or -1.
func stringLength(text string) (int, int) {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return i + 1, -1
		case '\\':
			unit := escapedUnit(text[i:])
			switch {
			case !utf16.IsSurrogate(unit):
				i++
			case utf16.DecodeRune(unit, escapedUnit(text[min(i+escapeLength, len(text)):])) == utf8.RuneError:
				return 0, i
			default:
				i += 2*escapeLength - 1
			}
		}
	}
	return len(text), -1
}

// escapedUnit returns the UTF-16 code unit of the escape sequence (such as \ud83d) at the beginning of a text, or 0.
func escapedUnit(text string) rune {
	if len(text) < escapeLength || !strings.HasPrefix(text, `\u`) {
		return 0
	}
	unit, err := strconv.ParseUint(text[2:escapeLength], 16, 16)
	if err != nil { // \u{…}, or no escape sequence
		return 0
	}
	return rune(unit)
}

// halfPair returns the end of an error message about the half of a surrogate pair at the beginning of a text.
func halfPair(text string) string {
	return " has half a surrogate pair, " + text[:escapeLength] + ", which stands for no character: send both halves, or none."
}
