// Package rrule reads recurrence rules of RFC 5545, such as FREQ=WEEKLY;BYDAY=MO, and finds the days and moments on which a task
// repeats by them. Everything is bounded: the length of a rule, the numbers in it, and how far ahead is searched.
//
// Rules are expanded on the wall clock of the series' time zone. github.com/teambition/rrule-go finds the days of one year at a
// time (year.go); this package does the rest.
package rrule

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of rules.
const (
	// MaxLength is how many bytes the text of a rule may have.
	MaxLength = 500
	// MaxInterval is the greatest INTERVAL.
	MaxInterval = 1000
	// MaxCount is the greatest COUNT.
	MaxCount = 10_000
	// MaxTimes is how many times of day BYHOUR, BYMINUTE and BYSECOND may select together.
	MaxTimes = 24
	// Years is how many years ahead are searched for an occurrence.
	Years = 50
	// FirstYear is the first year in which a series can start: COUNT is counted from there on.
	FirstYear = 1900
)

// Frequency is the FREQ of a rule.
type Frequency int

// The frequencies of tasks. RFC 5545 also has HOURLY, MINUTELY and SECONDLY, which Parse refuses.
const (
	Daily Frequency = iota
	Weekly
	Monthly
	Yearly
)

var frequencies = []string{"DAILY", "WEEKLY", "MONTHLY", "YEARLY"} //nolint:gochecknoglobals // A constant.

func (f Frequency) String() string { return frequencies[f] }

// Rule is a recurrence rule that Parse has checked. The zero Rule is not valid.
type Rule struct {
	freq     Frequency
	interval int
	count    int       // 0 if there is none
	until    time.Time // zero if there is none
	untilDay bool      // whether until is a day, which is included as a whole

	months, weekNumbers, yearDays, monthDays, hours, minutes, seconds, positions []int

	days      []weekday
	weekStart int // 0 is Monday
}

// weekday is an element of BYDAY: every such day, or the nth of the month or year.
type weekday struct {
	n   int // 0 means every
	day int // 0 is Monday
}

var weekdays = []string{"MO", "TU", "WE", "TH", "FR", "SA", "SU"} //nolint:gochecknoglobals // A constant.

func (d weekday) String() string {
	if d.n == 0 {
		return weekdays[d.day]
	}
	return strconv.Itoa(d.n) + weekdays[d.day]
}

// Error says what is wrong with a rule.
type Error struct {
	// Part is the name of the part that is wrong, such as BYDAY; empty if it is the rule as a whole.
	Part string
	// Message is a sentence that names the part and says what would be right.
	Message string
}

func (e *Error) Error() string { return e.Message }

// list is a part of a rule that is a list of numbers.
type list struct {
	name     string
	min, max int
	negative bool // whether -max to -min are allowed, too
	clock    bool // whether it selects times of day
	of       func(*Rule) *[]int
}

// lists has those parts in the order of RFC 5545's evaluation, in which String writes them. BYDAY comes after BYMONTHDAY.
var lists = []list{ //nolint:gochecknoglobals // A constant.
	{"BYMONTH", 1, 12, false, false, func(r *Rule) *[]int { return &r.months }},
	{"BYWEEKNO", 1, 53, true, false, func(r *Rule) *[]int { return &r.weekNumbers }},
	{"BYYEARDAY", 1, 366, true, false, func(r *Rule) *[]int { return &r.yearDays }},
	{"BYMONTHDAY", 1, 31, true, false, func(r *Rule) *[]int { return &r.monthDays }},
	{"BYHOUR", 0, 23, false, true, func(r *Rule) *[]int { return &r.hours }},
	{"BYMINUTE", 0, 59, false, true, func(r *Rule) *[]int { return &r.minutes }},
	{"BYSECOND", 0, 60, false, true, func(r *Rule) *[]int { return &r.seconds }},
	{"BYSETPOS", 1, 366, true, false, func(r *Rule) *[]int { return &r.positions }},
}

// String returns the rule in canonical form: the parts always in the same order, in capitals, lists sorted and without duplicates,
// and without parts that are the default. Rules with the same text mean the same.
func (r *Rule) String() string {
	var b strings.Builder
	part := func(name, value string) {
		if b.Len() > 0 {
			b.WriteByte(';')
		}
		b.WriteString(name + "=" + value)
	}
	part("FREQ", r.freq.String())
	if r.interval > 1 {
		part("INTERVAL", strconv.Itoa(r.interval))
	}
	for _, l := range lists {
		if l.name == "BYHOUR" && len(r.days) > 0 {
			part("BYDAY", join(r.days, weekday.String))
		}
		if values := *l.of(r); len(values) > 0 {
			part(l.name, join(values, strconv.Itoa))
		}
	}
	if r.weekStart != 0 {
		part("WKST", weekdays[r.weekStart])
	}
	if r.count > 0 {
		part("COUNT", strconv.Itoa(r.count))
	}
	switch {
	case r.until.IsZero():
	case r.untilDay:
		part("UNTIL", r.until.Format(dayFormat))
	default:
		part("UNTIL", r.until.Format(momentFormat))
	}
	return b.String()
}

func join[T any](values []T, text func(T) string) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = text(v)
	}
	return strings.Join(texts, ",")
}

// Count returns the rule's COUNT, or 0 if it has none.
func (r *Rule) Count() int { return r.count }

// CheckAfterCompletion returns an *Error if the rule has parts that mean nothing when occurrences are counted from the day of
// completion: anything but FREQ, INTERVAL, COUNT and UNTIL.
func (r *Rule) CheckAfterCompletion() error {
	name := ""
	switch {
	case len(r.days) > 0:
		name = "BYDAY"
	case r.weekStart != 0:
		name = "WKST"
	default:
		for _, l := range lists {
			if len(*l.of(r)) > 0 {
				name = l.name
				break
			}
		}
	}
	if name == "" {
		return nil
	}
	return &Error{name, "A rule that counts from the completion has only FREQ, INTERVAL, COUNT and UNTIL: leave out " + name + "."}
}

// CheckStart returns an *Error if the rule can't be used with a series that starts then: it has times of day, or ends at a moment,
// but the start is a day; the start is before FirstYear; or there is no occurrence within 50 years. The start itself need not be an occurrence: see Meets.
func (r *Rule) CheckStart(start Time) error {
	if start.Date.Year() < FirstYear {
		return &Error{"", fmt.Sprintf("A series can't start before %d: choose a later day.", FirstYear)}
	}
	if start.At == nil {
		for _, l := range lists {
			if l.clock && len(*l.of(r)) > 0 {
				return &Error{l.name, l.name + " needs a start with a time: leave it out if the start is a day."}
			}
		}
		if !r.until.IsZero() && !r.untilDay {
			return &Error{"UNTIL", "UNTIL is a day if the start is one, as in UNTIL=" + r.until.Format(dayFormat) + "."}
		}
	}
	if len(r.First(start, 1)) > 0 {
		return nil
	}
	if r.ended(occurrence{date: start.Date, at: start.value()}) {
		return &Error{"UNTIL", "UNTIL is before the start, so the rule has no occurrence: choose a later UNTIL."}
	}
	return &Error{"", "The rule has no occurrence within 50 years of the start: look for parts that contradict one another, such as BYMONTH=2;BYMONTHDAY=30."}
}

// compareNumbers sorts positive numbers before negative ones, which count from the end.
func compareNumbers(a, b int) int {
	if (a < 0) != (b < 0) {
		return cmp.Compare(b, a)
	}
	return cmp.Compare(a, b)
}

func compareDays(a, b weekday) int {
	return cmp.Or(compareNumbers(a.n, b.n), cmp.Compare(a.day, b.day))
}

func sorted[T comparable](values []T, compare func(a, b T) int) []T {
	slices.SortFunc(values, compare)
	return slices.Compact(values)
}
