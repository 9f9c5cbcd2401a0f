package task

import (
	"strings"
	"unicode"

	"entgo.io/ent/dialect/sql"

	"taskql/internal/text"
)

// The limits of a search.
const (
	MaxSearch      = 200 // characters
	MaxSearchWords = 10
)

// nowhere is a word that no text contains: texts can't hold U+0000.
const nowhere = "\x00"

// words cuts a search into what must be found: nothing, if the search is empty or white space. A search for control
// characters, or for invisible ones alone, finds no text. The error names the argument.
func words(argument, search string) ([]string, error) {
	if n := text.Length(search); n > MaxSearch {
		return nil, inputError(argument, "must have at most %d characters, not %d: shorten it", MaxSearch, n)
	}
	if findsNothing(search) {
		return []string{nowhere}, nil
	}
	found := strings.Fields(text.FoldAccents(search))
	if len(found) > MaxSearchWords {
		return nil, inputError(argument, "must have at most %d words, not %d: leave some out", MaxSearchWords, len(found))
	}
	return found, nil
}

// findsNothing reports whether a search has control characters, or is not empty and has nothing but invisible ones.
func findsNothing(search string) bool {
	control := func(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) }
	return strings.ContainsFunc(search, control) || text.FoldAccents(search) == "" && strings.TrimSpace(search) != ""
}

// contains says that a column of plain text has the word in it, which is taken literally.
func contains(column, word string) *sql.Predicate {
	if word == nowhere { // PostgreSQL takes no such argument.
		return sql.False()
	}
	pattern := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(word) + "%"
	return sql.P(func(b *sql.Builder) { b.Ident(column).WriteString(" LIKE ").Arg(pattern).WriteString(` ESCAPE '\'`) })
}
