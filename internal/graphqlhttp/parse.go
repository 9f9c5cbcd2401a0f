package graphqlhttp

import (
	"errors"
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
// halves of surrogate pairs, and block strings that end in more than three quotes.
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
	if err := checkStrings(text); err != nil {
		return nil, err
	}
	return document, nil
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

// checkStrings checks the strings of a document that can be parsed.
func checkStrings(text string) *gqlerror.Error {
	if !strings.Contains(text, `\u`) && !strings.Contains(text, `""""`) {
		return nil
	}
	for i := 0; i < len(text); {
		switch {
		case text[i] == '#':
			i += lineLength(text[i:])
		case strings.HasPrefix(text[i:], `"""`):
			i += blockLength(text[i:])
			if i < len(text) && text[i] == '"' {
				return errorAt(text, i, `A block string ends at its first three quotes: write \""" for quotes in it.`)
			}
		case text[i] == '"':
			length, half := stringLength(text[i:])
			if half >= 0 {
				return errorAt(text, i+half, "The string"+halfPair(text[i+half:]))
			}
			i += length
		default:
			i++
		}
	}
	return nil
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

// errorAt is a syntax error at a byte of the document.
func errorAt(text string, at int, message string) *gqlerror.Error {
	before := strings.ReplaceAll(strings.ReplaceAll(text[:at], "\r\n", "\n"), "\r", "\n")
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndex(before, "\n")+1:]) + 1
	return parseError(line, column, message)
}
