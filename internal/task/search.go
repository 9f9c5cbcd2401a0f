package task

import (
	"strings"
	"unicode/utf8"

	"entgo.io/ent/dialect/sql"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// The limits of a search.
const (
	MaxSearch      = 200 // characters
	MaxSearchWords = 10
)

// fold returns what s is compared and sorted by, without regard to case. It is done here because no two databases do
// it alike.
func fold(s string) string { return cases.Fold().String(norm.NFC.String(s)) }

// words cuts a search into what must be found. The error names the argument.
func words(argument, search string) ([]string, error) {
	if n := utf8.RuneCountInString(search); n > MaxSearch {
		return nil, inputError(argument, "must have at most %d characters, not %d: shorten it", MaxSearch, n)
	}
	found := strings.Fields(fold(search))
	if len(found) > MaxSearchWords {
		return nil, inputError(argument, "must have at most %d words, not %d: leave some out", MaxSearchWords, len(found))
	}
	return found, nil
}

// contains says that a column of folded text has the word in it, which is taken literally.
func contains(column, word string) *sql.Predicate {
	if strings.ContainsRune(word, 0) {
		return sql.False() // No text has it, and PostgreSQL would refuse the question.
	}
	pattern := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(word) + "%"
	return sql.P(func(b *sql.Builder) { b.Ident(column).WriteString(" LIKE ").Arg(pattern).WriteString(` ESCAPE '\'`) })
}
