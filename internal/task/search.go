package task

import (
	"strings"

	"entgo.io/ent/dialect/sql"
)

// The limits of a search.
const (
	MaxSearch      = 200 // characters
	MaxSearchWords = 10
)

// words cuts a search into what must be found. The error names the argument.
func words(argument, search string) ([]string, error) {
	if n := length(search); n > MaxSearch {
		return nil, inputError(argument, "must have at most %d characters, not %d: shorten it", MaxSearch, n)
	}
	found := strings.Fields(plain(search))
	if len(found) > MaxSearchWords {
		return nil, inputError(argument, "must have at most %d words, not %d: leave some out", MaxSearchWords, len(found))
	}
	return found, nil
}

// contains says that a column of plain text has the word in it, which is taken literally.
func contains(column, word string) *sql.Predicate {
	pattern := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(word) + "%"
	return sql.P(func(b *sql.Builder) { b.Ident(column).WriteString(" LIKE ").Arg(pattern).WriteString(` ESCAPE '\'`) })
}
