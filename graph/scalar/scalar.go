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
	"time"
	_ "time/tzdata" // For machines without zone files, as the image is one.

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
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

// UnmarshalInt reads an Int: a whole number of 32 bits with its sign (section 3.5.1).
func UnmarshalInt(v any) (int, error) {
	i, err := integer(v)
	if err != nil {
		return 0, errorf("must be a whole number")
	}
	if i < math.MinInt32 || i > math.MaxInt32 {
		return 0, errorf("must be a whole number between %d and %d", math.MinInt32, math.MaxInt32)
	}
	return int(i), nil
}

// integer reads what the document's literals (int64) and a body's JSON (json.Number) hold. Like JavaScript, it
// takes 1.0 and 1e2 for whole numbers.
func integer(v any) (int64, error) {
	switch v := v.(type) {
	case int:
		return int64(v), nil
	case int64:
		return v, nil
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i, nil
		}
		f, err := v.Float64()
		if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return 0, errors.New("not whole")
		}
		return int64(f), nil
	default:
		return 0, fmt.Errorf("a %T", v)
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

// UnmarshalID reads an ID: a string or a whole number, which becomes a string (section 3.5.5).
func UnmarshalID(v any) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	if i, err := integer(v); err == nil {
		return strconv.FormatInt(i, 10), nil
	}
	return "", errorf("must be a string")
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

// dateTime is RFC 3339 in UTC with as many digits as there are, six at most: the databases keep microseconds.
const dateTime = `"2006-01-02T15:04:05.999999Z"`

// MarshalDateTime writes a DateTime: UTC, up to microseconds.
func MarshalDateTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = w.Write(t.UTC().AppendFormat(make([]byte, 0, len(dateTime)), dateTime))
	})
}

// UnmarshalDateTime reads a DateTime: RFC 3339 with any offset, in the years 1 to 9999. The result is in UTC and
// cut to microseconds.
func UnmarshalDateTime(v any) (time.Time, error) {
	s, ok := v.(string)
	if !ok {
		return time.Time{}, errorf("must be a moment such as \"2026-11-23T07:00:00Z\"")
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, errorf("must be a moment such as \"2026-11-23T07:00:00Z\" or \"2026-11-23T12:00:00.5+05:00\"")
	}
	t = t.UTC().Truncate(time.Microsecond)
	if t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, errorf("must lie in the years 1 to 9999")
	}
	return t, nil
}

// MarshalTimeZone writes a TimeZone.
func MarshalTimeZone(name string) graphql.Marshaler { return graphql.MarshalString(name) }

// UnmarshalTimeZone reads a TimeZone: a name that the IANA database knows. "Local" and "" are not such names.
func UnmarshalTimeZone(v any) (string, error) {
	name, ok := v.(string)
	if !ok || name == "" || name == "Local" {
		return "", errorf("must be an IANA time zone name such as \"Asia/Karachi\"")
	}
	if _, err := time.LoadLocation(name); err != nil {
		return "", errorf("must be an IANA time zone name such as \"Asia/Karachi\"")
	}
	return name, nil
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

// date is RFC 3339's full-date (section 5.6).
const date = `"2006-01-02"`

// MarshalDate writes a Date.
func MarshalDate(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = w.Write(t.AppendFormat(make([]byte, 0, len(date)), date))
	})
}

// UnmarshalDate reads a Date in the years 1 to 9999. The result is the day's midnight in UTC.
func UnmarshalDate(v any) (time.Time, error) {
	s, ok := v.(string)
	if !ok {
		return time.Time{}, errorf("must be a day such as \"2026-11-23\"")
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1 {
		return time.Time{}, errorf("must be a day such as \"2026-11-23\"")
	}
	return t, nil
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
