// Package scalar converts GraphQL's scalars to Go's and back, to the letter of the specification (October 2021,
// section 3.5): a string is not a number, an Int has 32 bits, and a moment names its offset. What it refuses is a
// *Error, whose message is safe to show.
package scalar

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"taskql/internal/timezone"
)

// Error says why a value is none of its scalar. It is the client's to mend.
type Error struct{ message string }

// Error implements error.
func (e *Error) Error() string { return e.message }

func errorf(format string, args ...any) error { return &Error{message: fmt.Sprintf(format, args...)} }

// MarshalString writes a String.
func MarshalString(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalString reads a String, and the name of an enum's value: nothing but a string.
func UnmarshalString(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", errorf("must be a string")
	}
	return s, nil
}

// MarshalInt writes an Int.
func MarshalInt(i int) graphql.Marshaler { return graphql.MarshalInt(i) }

// UnmarshalInt reads an Int: a whole number of 32 bits with its sign (section 3.5.1). Like JavaScript, it takes 1.0 and
// 1e2 for whole numbers.
func UnmarshalInt(v any) (int, error) {
	whole, ok := number(v)
	if !ok || whole != math.Trunc(whole) {
		return 0, errorf("must be a whole number")
	}
	if whole < math.MinInt32 || whole > math.MaxInt32 {
		return 0, errorf("must be a whole number between %d and %d", math.MinInt32, math.MaxInt32)
	}
	return int(whole), nil
}

// number reads what the document's literals (int64) and a body's JSON (json.Number) hold, infinity if that is too large.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil || errors.Is(err, strconv.ErrRange)
	default:
		return 0, false
	}
}

// MarshalBoolean writes a Boolean.
func MarshalBoolean(b bool) graphql.Marshaler { return graphql.MarshalBoolean(b) }

// UnmarshalBoolean reads a Boolean: true or false and nothing that resembles them.
func UnmarshalBoolean(v any) (bool, error) {
	b, ok := v.(bool)
	if !ok {
		return false, errorf("must be true or false")
	}
	return b, nil
}

// MarshalID writes an ID.
func MarshalID(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalID reads an ID: a string or a whole number, which becomes a string with all its digits (section 3.5.5).
func UnmarshalID(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case json.Number:
		if digits := strings.TrimPrefix(v.String(), "-"); strings.Trim(digits, "0123456789") == "" {
			return v.String(), nil
		}
	}
	// Above 2^53 a number with a point or an exponent has no digits that all programs agree on.
	if f, ok := number(v); ok && f == math.Trunc(f) && math.Abs(f) <= 1<<53 {
		return strconv.FormatInt(int64(f), 10), nil
	}
	return "", errorf("must be a string or a whole number")
}

// MarshalUUID writes an ID that is a UUID.
func MarshalUUID(id uuid.UUID) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		var b [38]byte
		b[0], b[37] = '"', '"'
		text, _ := id.MarshalText() // It never fails.
		copy(b[1:], text)
		_, _ = w.Write(b[:]) // The transport writes to memory and sees to its own errors.
	})
}

// UnmarshalUUID reads an ID that is a UUID in its usual form of 36 characters (RFC 9562, section 4).
func UnmarshalUUID(v any) (uuid.UUID, error) {
	s, ok := v.(string)
	if !ok || len(s) != 36 {
		return uuid.Nil, errorf("must be a UUID")
	}
	id, err := uuid.Parse(s)
	if err != nil {
		return uuid.Nil, errorf("must be a UUID")
	}
	return id, nil
}

// MarshalTimeZone writes a TimeZone.
func MarshalTimeZone(name string) graphql.Marshaler { return graphql.MarshalString(name) }

// UnmarshalTimeZone reads a TimeZone: a name of the IANA database in any case. The result is in its proper case.
func UnmarshalTimeZone(v any) (string, error) {
	name, _ := v.(string)
	location, err := timezone.Load(name)
	if err != nil {
		return "", errorf("must be an IANA time zone name such as \"Asia/Karachi\"")
	}
	return location.String(), nil
}

// Checks say of each scalar, by its name, why a value is none of its own. They are what a transport needs to refuse a
// request before anything of it runs.
func Checks() map[string]func(any) error {
	return map[string]func(any) error{
		"String":   refusal(UnmarshalString),
		"Int":      refusal(UnmarshalInt),
		"Boolean":  refusal(UnmarshalBoolean),
		"ID":       refusal(UnmarshalID),
		"DateTime": refusal(UnmarshalDateTime),
		"TimeZone": refusal(UnmarshalTimeZone),
		"Date":     refusal(UnmarshalDate),
		"Color":    refusal(UnmarshalColor),
	}
}

func refusal[T any](unmarshal func(any) (T, error)) func(any) error {
	return func(v any) error {
		_, err := unmarshal(v)
		return err
	}
}

// MarshalColor writes a Color.
func MarshalColor(c string) graphql.Marshaler { return graphql.MarshalString(c) }

// UnmarshalColor reads a Color: # and six hexadecimal digits. The result is in lower case.
func UnmarshalColor(v any) (string, error) {
	s, ok := v.(string)
	if !ok || len(s) != 7 || s[0] != '#' {
		return "", errorf("must be a color such as \"#16a34a\"")
	}
	if _, err := strconv.ParseUint(s[1:], 16, 32); err != nil || strings.ContainsAny(s, "+-_") {
		return "", errorf("must be a color such as \"#16a34a\"")
	}
	return strings.ToLower(s), nil
}
