package betterauth

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The readers in this file never fail: customSession may put anything into any field.

// text reads a text, "" for anything else.
func text(from fields, name string) string {
	var s string
	if json.Unmarshal(from[name], &s) != nil {
		return ""
	}
	return s
}

// truthValue is what a field says that should be true or false.
type truthValue int

const (
	isAbsent truthValue = iota
	isFalse
	isTrue
	isUnclear
)

// truth reads true and false, also as 1 and 0 or as text, as databases without booleans give them.
func truth(from fields, name string) truthValue {
	raw := strings.Trim(string(from[name]), `"`)
	switch {
	case raw == "" || raw == "null":
		return isAbsent
	case strings.EqualFold(raw, "true") || raw == "1":
		return isTrue
	case strings.EqualFold(raw, "false") || raw == "0":
		return isFalse
	default:
		return isUnclear
	}
}

// date reads a time: RFC 3339, what JavaScript's toString and toUTCString print, or seconds or milliseconds since 1970,
// also as text. It is the zero time for anything else. A text without a time zone is not used: it may be hours off.
func date(from fields, name string) time.Time {
	raw := string(from[name])
	if strings.HasPrefix(raw, `"`) {
		raw = text(from, name)
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
	raw, _, _ = strings.Cut(raw, " (") // The zone's name.
	t, err := time.Parse("Mon Jan 02 2006 15:04:05 GMT-0700", raw)
	if err != nil {
		return time.Time{}
	}
	return t
}

// sinceEpoch tells seconds from milliseconds by their size: between the years 2001 and 5138, no number is both.
func sinceEpoch(number string) time.Time {
	const least, leastMillis, end = 1e9, 1e11, 253402300800e3 // Milliseconds end with the year 9999.
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
