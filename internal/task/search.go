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

// noMatch is a word that no text contains, because texts can't contain U+0000.
const noMatch = "\x00"

// searchWords returns the words that a text must contain to be found: none if the search is empty or white space, noMatch if
// it has control characters or only invisible ones. It returns an *InputError about the argument if the search is too long or
// has too many words.
func searchWords(argument, search string) ([]string, error) {
	if n := text.Length(search); n > MaxSearch {
		return nil, inputError(argument, "must have at most %d characters, not %d: shorten it", MaxSearch, n)
	}
	folded := text.FoldAccents(search)
	if matchesNothing(search, folded) {
		return []string{noMatch}, nil
	}
	words := strings.Fields(folded)
	if len(words) > MaxSearchWords {
		return nil, inputError(argument, "must have at most %d words, not %d: leave some out", MaxSearchWords, len(words))
	}
	return words, nil
}

// matchesNothing reports whether a search, of which folded is text.FoldAccents, has control characters, or is not empty and
// has only invisible characters.
func matchesNothing(search, folded string) bool {
	isControl := func(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) }
	return strings.ContainsFunc(search, isControl) || folded == "" && strings.TrimSpace(search) != ""
}

// contains selects the rows whose column, a result of text.FoldAccents, contains word. The word's wildcards are taken
// literally.
func contains(column, word string) *sql.Predicate {
	if word == noMatch { // PostgreSQL takes no argument with U+0000.
		return sql.False()
	}
	pattern := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(word) + "%"
	return sql.P(func(b *sql.Builder) { b.Ident(column).WriteString(" LIKE ").Arg(pattern).WriteString(` ESCAPE '\'`) })
}
