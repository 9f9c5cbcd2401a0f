package workspace

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"taskql/internal/text"
)

// Code says why a change was refused, for a program.
type Code string

// The codes of a UserError. They are part of the API.
const (
	CodeBlank         Code = "BLANK"
	CodeTooLong       Code = "TOO_LONG"
	CodeInvalid       Code = "INVALID"
	CodeTaken         Code = "TAKEN"
	CodeNotFound      Code = "NOT_FOUND"
	CodeStale         Code = "STALE"
	CodeKeyReused     Code = "KEY_REUSED"
	CodeLimitExceeded Code = "LIMIT_EXCEEDED"
	CodeForbidden     Code = "FORBIDDEN"
)

// UserError says what is wrong with an input, so that the user can correct it.
type UserError struct {
	Code Code `json:"code"`
	// Message is a sentence for people.
	Message string `json:"message"`
	// Field is the path into the mutation's arguments, nil if no single field is wrong.
	Field []string `json:"field,omitempty"`
}

// Violations collects everything that is wrong with an input, so that the user can correct all of it at once.
type Violations []*UserError

// Add adds a violation by a field of the input, such as "due.at.timeZone", or "" for the input as a whole.
func (errs *Violations) Add(code Code, field, format string, args ...any) {
	e := &UserError{Code: code, Message: fmt.Sprintf(format, args...)}
	if field != "" {
		e.Field = FieldPath(field)
	}
	*errs = append(*errs, e)
}

// IfVersion adds a violation if the client expects another version of a thing, such as a "task", than it has.
func (errs *Violations) IfVersion(thing string, expected *int, version int) {
	if expected != nil && *expected != version {
		errs.Add(CodeStale, "ifVersion", "The %s has changed since version %d: it is at version %d now.", thing, *expected, version)
	}
}

// NewID returns the id that the client has chosen for a new object, or a new id if it has chosen none. It adds a violation if
// the client's can't be used.
func (errs *Violations) NewID(chosen *string) uuid.UUID {
	if chosen == nil {
		return uuid.Must(uuid.NewV7()) // It fails only if the system has no random numbers; then nothing is safe.
	}
	id, ok := ParseID(*chosen)
	if !ok || id == uuid.Nil || id == uuid.Max {
		errs.Add(CodeInvalid, "id", "An id of your own must be a UUID such as %s.", uuid.Must(uuid.NewV7()))
	}
	return id
}

// IDTaken is the violation of a new object whose id, which the client has chosen, is in use. It doesn't say whether in this workspace.
func IDTaken() Violations {
	var errs Violations
	errs.Add(CodeTaken, "id", "This id is taken: choose a fresh UUID.")
	return errs
}

// FieldPath is the path of a field of the input, as in UserError.Field.
func FieldPath(field string) []string { return append([]string{"input"}, strings.Split(field, ".")...) }

// Element is the field of a list's element, such as "ids.3".
func Element(list string, i int) string { return list + "." + strconv.Itoa(i) }

// CheckLine checks and trims a text of one line that a thing, such as a "tag", must have.
func (errs *Violations) CheckLine(field, thing, s string, limit int) string {
	s = text.Trim(s)
	switch n := text.Length(s); {
	case text.IsBlank(s):
		errs.Add(CodeBlank, field, "Give the %s a %s.", thing, field)
	case n > limit:
		errs.Add(CodeTooLong, field, "A %s has at most %d characters; this one has %d.", field, limit, n)
	case !text.IsSingleLine(s):
		errs.Add(CodeInvalid, field, "A %s stands on one line, without line breaks or control characters.", field)
	}
	return s
}

// CheckText checks a text of any number of lines that a thing may have. It returns nil if the text is blank.
func (errs *Violations) CheckText(field string, s *string, limit int) *string {
	if s == nil || text.IsBlank(*s) {
		return nil
	}
	if n := text.Length(*s); n > limit {
		errs.Add(CodeTooLong, field, "A %s has at most %d characters; this one has %d.", field, limit, n)
	}
	if strings.ContainsRune(*s, 0) {
		errs.Add(CodeInvalid, field, "A %s can't hold the character U+0000.", field)
	}
	return s
}
