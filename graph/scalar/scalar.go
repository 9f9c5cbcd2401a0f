// Package scalar converts GraphQL's scalars to Go values and back, strictly as the specification says (October 2021, section
// 3.5): a string is not a number, an Int has 32 bits, and a DateTime has an offset. It refuses other values with an *Error,
// whose message is safe to show to the client.
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

// Error says why a value is not a value of a scalar.
type Error struct{ message string }

// Error implements error.
func (e *Error) Error() string { return e.message }

func errorf(format string, args ...any) error { return &Error{message: fmt.Sprintf(format, args...)} }

// MarshalString writes a String.
func MarshalString(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalString reads a String, or the name of an enum value. It takes only strings.
func UnmarshalString(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", errorf("must be a string")
	}
	return s, nil
}

// MarshalInt writes an Int.
func MarshalInt(i int) graphql.Marshaler { return graphql.MarshalInt(i) }

// UnmarshalInt reads an Int: a signed 32-bit integer (section 3.5.1). Like JavaScript, it takes 1.0 and 1e2 as integers.
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

// number returns the value of a literal in a document (int64) or a number in JSON (json.Number); infinity if it is too large.
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

// UnmarshalBoolean reads a Boolean. It takes only true and false.
func UnmarshalBoolean(v any) (bool, error) {
	b, ok := v.(bool)
	if !ok {
		return false, errorf("must be true or false")
	}
	return b, nil
}

// MarshalID writes an ID.
func MarshalID(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalID reads an ID: a string, or an integer, which becomes a string of all its digits (section 3.5.5).
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
	// Above 2^53, programs disagree about the digits of a number with a decimal point or an exponent.
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
		_, _ = w.Write(b[:]) // The transport writes to memory and reports errors itself.
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

// UnmarshalTimeZone reads a TimeZone: a name of the IANA database, in upper or lower case. It returns the name in its proper case.
func UnmarshalTimeZone(v any) (string, error) {
	name, _ := v.(string)
	location, err := timezone.Load(name)
	if err != nil {
		return "", errorf("must be an IANA time zone name such as \"Asia/Karachi\"")
	}
	return location.String(), nil
}

// Checks returns for each scalar, by its name, a function that returns an *Error if a value is not one of the scalar's. A
// transport refuses requests with it before they are executed.
func Checks() map[string]func(any) error {
	return map[string]func(any) error{
		"String":    check(UnmarshalString),
		"Int":       check(UnmarshalInt),
		"Boolean":   check(UnmarshalBoolean),
		"ID":        check(UnmarshalID),
		"DateTime":  check(UnmarshalDateTime),
		"TimeZone":  check(UnmarshalTimeZone),
		"Date":      check(UnmarshalDate),
		"LocalTime": check(UnmarshalLocalTime),
		"Color":     check(UnmarshalColor),

		"SyncToken": check(UnmarshalString),
		"ListState": check(UnmarshalString),
	}
}

func check[T any](unmarshal func(any) (T, error)) func(any) error {
	return func(v any) error {
		_, err := unmarshal(v)
		return err
	}
}

// MarshalColor writes a Color.
func MarshalColor(c string) graphql.Marshaler { return graphql.MarshalString(c) }

// UnmarshalColor reads a Color: # and six hexadecimal digits. It returns them in lower case.
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
