package scalar

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
)

// A DateTime is RFC 3339's date-time, a Date its full-date (section 5.6).

// dateTime is the layout of a date-time in UTC with up to six fractional digits, because the databases store microseconds.
const dateTime = `"2006-01-02T15:04:05.999999Z"`

// date is the layout of a full-date.
const date = `"2006-01-02"`

// localTime is the layout of a time of day.
const localTime = `"15:04"`

// MarshalDateTime writes a DateTime in UTC with up to six fractional digits.
func MarshalDateTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = w.Write(t.UTC().AppendFormat(make([]byte, 0, len(dateTime)), dateTime))
	})
}

// UnmarshalDateTime reads a DateTime: a date-time in the years 1 to 9999. It returns the time in UTC, truncated to
// microseconds. A leap second is read as the second after it, as PostgreSQL does.
func UnmarshalDateTime(v any) (time.Time, error) {
	const example = "must be a moment such as \"2026-11-23T07:00:00Z\" or \"2026-11-23T12:00:00.5+05:00\""
	s, ok := v.(string)
	if !ok {
		return time.Time{}, errorf(example)
	}
	p := timeParser{rest: s}
	t := p.dateTime()
	if p.err != "" {
		return time.Time{}, errorf(example+": %s", p.err)
	}
	if t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, errorf("must lie in the years 1 to 9999 in UTC")
	}
	return t, nil
}

// MarshalDate writes a Date.
func MarshalDate(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = w.Write(t.AppendFormat(make([]byte, 0, len(date)), date))
	})
}

// UnmarshalDate reads a Date: a full-date in the years 1 to 9999. It returns the day's midnight in UTC.
func UnmarshalDate(v any) (time.Time, error) {
	const example = "must be a day such as \"2026-11-23\""
	s, ok := v.(string)
	if !ok {
		return time.Time{}, errorf(example)
	}
	p := timeParser{rest: s}
	year, month, day := p.date()
	p.end("the day")
	if p.err != "" {
		return time.Time{}, errorf(example+": %s", p.err)
	}
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC), nil
}

// MarshalLocalTime writes a LocalTime, which is a minute of the day.
func MarshalLocalTime(minute int) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = w.Write(AppendLocalTime(make([]byte, 0, len(localTime)), minute))
	})
}

// AppendLocalTime appends a LocalTime as JSON.
func AppendLocalTime(b []byte, minute int) []byte {
	return time.Date(0, 1, 1, 0, minute, 0, 0, time.UTC).AppendFormat(b, localTime)
}

// UnmarshalLocalTime reads a LocalTime: an hour and a minute. It returns the minute of the day.
func UnmarshalLocalTime(v any) (int, error) {
	const example = "must be a time of day such as \"09:00\""
	s, ok := v.(string)
	if !ok {
		return 0, errorf(example)
	}
	p := timeParser{rest: s}
	hour := p.number("the hour", 2, 0, 23)
	p.separator(":", "the hour")
	minute := p.number("the minute", 2, 0, 59)
	p.end("the minute")
	if p.err != "" {
		return 0, errorf(example+": %s", p.err)
	}
	return hour*60 + minute, nil
}

// timeParser parses a text from left to right. It keeps the first error; the results after an error mean nothing.
type timeParser struct {
	rest string
	// err says what is wrong; "" if nothing is.
	err string
}

func (p *timeParser) fail(format string, args ...any) {
	if p.err == "" {
		p.err = fmt.Sprintf(format, args...)
	}
}

// number parses a number with this many digits, between least and most. It returns least after an error.
func (p *timeParser) number(what string, digits, least, most int) int {
	n, found := 0, 0
	for found < min(digits, len(p.rest)) && p.rest[found] >= '0' && p.rest[found] <= '9' {
		n = 10*n + int(p.rest[found]-'0')
		found++
	}
	if found == 1 && digits == 2 {
		p.fail("%s needs two digits, as in %02d", what, n)
		return least
	}
	if found < digits || n < least || n > most {
		p.fail("%s must be %0*d to %0*d", what, digits, least, digits, most)
		return least
	}
	p.rest = p.rest[digits:]
	return n
}

// separator parses one of the characters. The error names the first one.
func (p *timeParser) separator(characters, after string) {
	if p.rest == "" || !strings.Contains(characters, p.rest[:1]) {
		p.fail("%q must follow %s", characters[:1], after)
		return
	}
	p.rest = p.rest[1:]
}

// end reports an error if text is left.
func (p *timeParser) end(last string) {
	if p.rest != "" {
		p.fail("nothing may follow %s", last)
	}
}

// date parses a full-date.
func (p *timeParser) date() (int, time.Month, int) {
	year := p.number("the year, with which it begins,", 4, 1, 9999)
	p.separator("-", "the year")
	month := time.Month(p.number("the month", 2, 1, 12))
	p.separator("-", "the month")
	last := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return year, month, p.number("the day", 2, 1, last)
}

// dateTime parses a date-time.
func (p *timeParser) dateTime() time.Time {
	year, month, day := p.date()
	p.separator("Tt", "the day")
	hour := p.number("the hour", 2, 0, 23)
	p.separator(":", "the hour")
	minute := p.number("the minute", 2, 0, 59)
	p.separator(":", "the minute")
	second := p.number("the second", 2, 0, 60)
	micros := p.fraction()
	t := time.Date(year, month, day, hour, minute, min(second, 59), 0, time.UTC).Add(-p.offset())
	p.end("the offset")
	if second == 60 {
		t = t.Add(time.Second)
		if t.Day() != 1 || t.Hour() != 0 || t.Minute() != 0 { // Sections 5.6 and 5.7.
			p.fail("only the last minute of a month, in UTC, has a second 60")
		}
	}
	return t.Add(time.Duration(micros) * time.Microsecond)
}

// fraction parses an optional fraction of a second and returns it in microseconds.
func (p *timeParser) fraction() int {
	if !strings.HasPrefix(p.rest, ".") {
		return 0
	}
	const kept = 6
	micros, digits := 0, 0
	for p.rest = p.rest[1:]; p.rest != "" && '0' <= p.rest[0] && p.rest[0] <= '9'; p.rest = p.rest[1:] {
		if digits < kept {
			micros = 10*micros + int(p.rest[0]-'0')
		}
		digits++
	}
	if digits == 0 {
		p.fail("digits must follow the point")
	}
	for ; digits < kept; digits++ {
		micros *= 10
	}
	return micros
}

// offset parses the offset from UTC.
func (p *timeParser) offset() time.Duration {
	if p.rest == "" || !strings.Contains("Zz+-", p.rest[:1]) {
		p.fail("Z or an offset such as +05:00 must follow the seconds, whose fraction begins with a point")
		return 0
	}
	sign := p.rest[0]
	p.rest = p.rest[1:]
	if sign == 'Z' || sign == 'z' {
		return 0
	}
	hours := p.number("the hour of the offset", 2, 0, 23)
	p.separator(":", "the hour of the offset")
	offset := time.Duration(hours)*time.Hour + time.Duration(p.number("the minute of the offset", 2, 0, 59))*time.Minute
	if sign == '-' {
		return -offset
	}
	return offset
}
