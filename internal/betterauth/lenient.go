package betterauth

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The functions in this file never fail, because customSession may put anything into any field.

// lenientText reads a text. It returns "" for anything else.
func lenientText(from fields, name string) string {
	var s string
	if json.Unmarshal(from[name], &s) != nil {
		return ""
	}
	return s
}

// boolValue is the value of a field that should be a boolean.
type boolValue int

const (
	boolMissing boolValue = iota
	boolFalse
	boolTrue
	boolInvalid
)

// lenientBool reads true or false, also written as 1 and 0 or as text, because some databases have no booleans.
func lenientBool(from fields, name string) boolValue {
	raw := strings.Trim(string(from[name]), `"`)
	switch {
	case raw == "" || raw == "null":
		return boolMissing
	case strings.EqualFold(raw, "true") || raw == "1":
		return boolTrue
	case strings.EqualFold(raw, "false") || raw == "0":
		return boolFalse
	default:
		return boolInvalid
	}
}

// lenientTime reads a time in RFC 3339, as JavaScript's toString or toUTCString writes it, or in seconds or
// milliseconds since 1970, also as text. It returns the zero time for anything else, and for a text without a time
// zone, which could be hours off.
func lenientTime(from fields, name string) time.Time {
	raw := string(from[name])
	if strings.HasPrefix(raw, `"`) {
		raw = lenientText(from, name)
	}
	if t := sinceEpoch(raw); !t.IsZero() {
		return t
	}
	if t, err := time.Parse(time.RFC3339Nano, raw); err == nil {
		return t
	}
	if t, err := http.ParseTime(raw); err == nil {
		return t
	}
	raw, _, _ = strings.Cut(raw, " (") // Without the time zone's name.
	t, err := time.Parse("Mon Jan 02 2006 15:04:05 GMT-0700", raw)
	if err != nil {
		return time.Time{}
	}
	return t
}

// sinceEpoch reads a number of seconds or milliseconds since 1970. It returns the zero time for anything else. Numbers
// below 1e11 are seconds: between the years 2001 and 5138, no number can be both.
func sinceEpoch(number string) time.Time {
	const least, leastMillis, end = 1e9, 1e11, 253402300800e3 // end is the year 10000 in milliseconds.
	n, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil || !(n >= least && n < end):
		return time.Time{}
	case n < leastMillis:
		return time.UnixMilli(int64(n * 1e3))
	default:
		return time.UnixMilli(int64(n))
	}
}
