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

// parseDocument parses a document. It refuses what gqlparser accepts and the grammar doesn't: variables of fragments,
// halves of surrogate pairs, and block strings that end in more than three quotes. It also corrects the values of block
// strings, whose first line gqlparser counts as indented.
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

// correctBlocks gives the block strings in a value their own values and positions.
func correctBlocks(value *ast.Value, blocks map[int]blockString) {
	if block, ok := blocks[value.Position.Start]; ok && value.Kind == ast.BlockValue {
		value.Raw, value.Position.Line, value.Position.Column = block.value(), block.line, block.column
	}
	for _, child := range value.Children {
		correctBlocks(child.Value, blocks)
	}
}

func parseError(line, column int, message string) *gqlerror.Error {
	err := gqlerror.ErrorLocf("", line, column, "%s", message)
	err.Extensions = map[string]any{"code": errcode.ParseFailed}
	return err
}

// syntaxError is the parser's error, or the lexer's if the parser met a token that can't be read: it only says
// "<Invalid>" then.
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

// blockString is a block string as the document has it, with its quotes, and where it begins.
type blockString struct {
	text         string
	line, column int
}

// value is the string's value (section 2.9.4, BlockStringValue).
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
	first, last := len(lines), 0 // the lines that aren't blank, and what is between them
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

// argumentBefore finds the argument or field whose value follows.
var argumentBefore = regexp.MustCompile(`([_A-Za-z][_0-9A-Za-z]*)[\s,]*:[\s,]*$`)

// valueName names the value that follows a part of a document: by its argument or field, if it follows one at once.
func valueName(before string) string {
	if match := argumentBefore.FindStringSubmatch(before); match != nil {
		return match[1]
	}
	return "The string"
}

// readStrings checks the strings of a document that can be parsed, and returns its block strings by where they begin,
// counted in runes.
func readStrings(text string) (map[int]blockString, *gqlerror.Error) {
	if !strings.Contains(text, `\u`) && !strings.Contains(text, `"""`) {
		return nil, nil //nolint:nilnil // No block strings, and nothing is wrong.
	}
	blocks := map[int]blockString{}
	here := place{line: 1, column: 1}
	for i := 0; i < len(text); {
		length := 1
		switch {
		case text[i] == '#':
			length = lineLength(text[i:])
		case strings.HasPrefix(text[i:], `"""`):
			length = blockLength(text[i:])
			here.move(text, i)
			if i+length < len(text) && text[i+length] == '"' {
				here.move(text, i+length)
				return nil, parseError(here.line, here.column, `A block string ends at its first three quotes: write \""" for quotes in it.`)
			}
			blocks[here.runes] = blockString{text: text[i : i+length], line: here.line, column: here.column}
		case text[i] == '"':
			var half int
			length, half = stringLength(text[i:])
			if half >= 0 {
				here.move(text, i+half)
				return nil, parseError(here.line, here.column, valueName(text[:i])+halfPair(text[i+half:]))
			}
		}
		i += length
	}
	return blocks, nil
}

// place is a place in a text.
type place struct{ bytes, runes, line, column int }

// move moves the place forward to a byte of the text.
func (p *place) move(text string, to int) {
	passed := text[p.bytes:to]
	p.runes += utf8.RuneCountInString(passed)
	lines := unixLines(passed)
	if n := strings.Count(lines, "\n"); n > 0 {
		p.line, p.column = p.line+n, 1
	}
	p.column += utf8.RuneCountInString(lines[strings.LastIndex(lines, "\n")+1:])
	p.bytes = to
}

// unixLines is the text with a line feed at the end of each line.
func unixLines(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}

// lineLength is the length of the rest of a line.
func lineLength(text string) int {
	if n := strings.IndexAny(text, "\r\n"); n >= 0 {
		return n
	}
	return len(text)
}

// blockLength is the length of a block string, quotes included.
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

// stringLength is the length of a string, quotes included, and where it has half a surrogate pair, -1 if it has none.
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

// escapedUnit is the UTF-16 code unit of an escape sequence such as \ud83d at the beginning of a text; 0 if there is none.
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

// halfPair says what is wrong with half a surrogate pair, the escape sequence at the beginning of a text.
func halfPair(text string) string {
	return " has half a surrogate pair, " + text[:escapeLength] + ", which stands for no character: send both halves, or none."
}
