package task

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"taskql/internal/text"
)

// The limits of texts, in characters: see length. An idempotency key counts as it is sent.
const (
	MaxTitle          = 200
	MaxDescription    = 10_000
	MaxTagName        = 50
	MaxIdempotencyKey = 255
)

// Code says why a mutation was refused, for a program.
type Code string

// The codes of a UserError, as the API's contract names them.
const (
	CodeBlank         Code = "BLANK"
	CodeTooLong       Code = "TOO_LONG"
	CodeInvalid       Code = "INVALID"
	CodeTaken         Code = "TAKEN"
	CodeNotFound      Code = "NOT_FOUND"
	CodeStale         Code = "STALE"
	CodeKeyReused     Code = "KEY_REUSED"
	CodeLimitExceeded Code = "LIMIT_EXCEEDED"
)

// UserError is a problem that the user can solve.
type UserError struct {
	Code Code `json:"code"`
	// Message is a sentence to show to a person.
	Message string `json:"message"`
	// Field is the path into the mutation's arguments; nil where no single field is at fault.
	Field []string `json:"field,omitempty"`
}

// violations collects everything that is wrong with an input, so that a client can correct all of it at once.
type violations []*UserError

// add notes a problem at a field of the input, written with dots as in due.at.timeZone; at none where it is empty.
func (errs *violations) add(code Code, field, format string, args ...any) {
	e := &UserError{Code: code, Message: fmt.Sprintf(format, args...)}
	if field != "" {
		e.Field = inputPath(field)
	}
	*errs = append(*errs, e)
}

func inputPath(field string) []string { return append([]string{"input"}, strings.Split(field, ".")...) }

// element is the name of a list's element, as in ids.3.
func element(list string, i int) string { return list + "." + strconv.Itoa(i) }

// title checks and trims a title: 1 to 200 characters on one line.
func (errs *violations) title(s string) string { return errs.line("title", "task", s, MaxTitle) }

// tagName checks and trims a tag's name: 1 to 50 characters on one line.
func (errs *violations) tagName(s string) string { return errs.line("name", "tag", s, MaxTagName) }

// line checks and trims a text on one line that a thing must have.
func (errs *violations) line(field, thing, s string, most int) string {
	s = text.Trim(s)
	switch n := text.Length(s); {
	case text.IsBlank(s):
		errs.add(CodeBlank, field, "Give the %s a %s.", thing, field)
	case n > most:
		errs.add(CodeTooLong, field, "A %s has at most %d characters; this one has %d.", field, most, n)
	case !text.IsSingleLine(s):
		errs.add(CodeInvalid, field, "A %s stands on one line, without line breaks or control characters.", field)
	}
	return s
}

// description checks a description: up to 10,000 characters; blank is none.
func (errs *violations) description(s *string) *string {
	if s == nil || text.IsBlank(*s) {
		return nil
	}
	if n := text.Length(*s); n > MaxDescription {
		errs.add(CodeTooLong, "description", "A description has at most %d characters; this one has %d.", MaxDescription, n)
	}
	if strings.ContainsRune(*s, 0) {
		errs.add(CodeInvalid, "description", "A description can't hold the character U+0000.")
	}
	return s
}

// idempotencyKey checks a key: 1 to 255 characters.
func (errs *violations) idempotencyKey(key *string) {
	if key == nil {
		return
	}
	switch n := utf8.RuneCountInString(*key); {
	case text.IsBlank(*key):
		errs.add(CodeBlank, "idempotencyKey", "An idempotency key can't be blank: leave it out, or send a fresh UUID.")
	case n > MaxIdempotencyKey:
		errs.add(CodeTooLong, "idempotencyKey", "An idempotency key has at most %d characters; this one has %d.", MaxIdempotencyKey, n)
	case strings.ContainsRune(*key, 0):
		errs.add(CodeInvalid, "idempotencyKey", "An idempotency key can't hold the character U+0000.")
	}
}
