package rrule

import (
	"slices"
	"time"

	rrulego "github.com/teambition/rrule-go"
)

// year finds the days of one year that the BY parts of a rule select. It uses rrule-go for one year at a time: asked for more, that
// would look for the next occurrence of a rule which has none up to the year 9999. It asks once for all years of a kind, so however
// many years are searched, that is at most 28 times.
type year struct {
	rule    *Rule
	none    bool // No year has any.
	options rrulego.ROption
	found   map[yearKind][]time.Duration
}

// yearKind is what the days that a rule selects of a year depend on: on which weekday the year begins, and whether it has 366 days. With
// BYWEEKNO, so do the years before and after it, because the first and last days can be in their weeks.
type yearKind struct {
	first                       time.Weekday
	leap, afterLeap, beforeLeap bool
}

func isLeap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

// year returns the rule's year. What the rule doesn't say is taken from the start.
func (r *Rule) year(start time.Time) year {
	y := year{rule: r, found: map[yearKind][]time.Duration{}, options: rrulego.ROption{
		Freq: rrulego.YEARLY, Interval: rrulego.MAXYEAR, // The year after the first is beyond the last.
		Bymonth: r.months, Byyearday: r.yearDays, Bymonthday: r.monthDays,
	}}
	o, days := &y.options, r.days
	switch {
	case r.yearDays != nil || r.monthDays != nil || r.days != nil:
	case r.weekNumbers != nil:
		o.Byweekday = libraryDays
	case r.freq == Yearly && r.months == nil:
		o.Bymonth, o.Bymonthday = []int{int(start.Month())}, []int{start.Day()}
	case r.freq == Yearly || r.freq == Monthly:
		o.Bymonthday = []int{start.Day()}
	case r.freq == Weekly:
		days = []weekday{{day: (int(start.Weekday()) + 6) % 7}}
	default:
		o.Byweekday = libraryDays // All of them: without any, it would be 1 January.
	}
	most := 53
	if r.freq == Monthly || r.months != nil {
		most = 5
	}
	if r.freq == Monthly && r.months == nil {
		o.Bymonth = everyMonth // BYDAY counts by month.
	}
	// rrule-go selects days that match both, if some days have numbers and others don't.
	numbered := slices.ContainsFunc(days, func(d weekday) bool { return d.n != 0 })
	for _, d := range days {
		switch day := libraryDays[d.day]; {
		case !numbered:
			o.Byweekday = append(o.Byweekday, day)
		case d.n == 0:
			for n := 1; n <= most; n++ {
				o.Byweekday = append(o.Byweekday, day.Nth(n))
			}
		case d.n >= -most && d.n <= most: // rrule-go panics at a month's sixth.
			o.Byweekday = append(o.Byweekday, day.Nth(d.n))
		}
	}
	y.none = days != nil && len(o.Byweekday) == 0
	return y
}

// days returns the days of the year that begins then, in order, as the time from its beginning on.
func (y *year) days(begin time.Time) []time.Duration {
	if y.none {
		return nil
	}
	kind := yearKind{first: begin.Weekday(), leap: isLeap(begin.Year())}
	if y.rule.weekNumbers != nil {
		kind.afterLeap, kind.beforeLeap = isLeap(begin.Year()-1), isLeap(begin.Year()+1)
	}
	days, ok := y.found[kind]
	if !ok {
		days = y.find(begin)
		y.found[kind] = days
	}
	return days
}

// find asks rrule-go for the days.
func (y *year) find(begin time.Time) []time.Duration {
	// At noon, because rrule-go takes 1 January of the year 1, which is the zero time, for none.
	y.options.Dtstart = begin.Add(12 * time.Hour)
	rule, err := rrulego.NewRRule(y.options)
	if err != nil {
		return nil // Parse refuses what is out of bounds there.
	}
	var days []time.Duration
	for _, day := range rule.All() {
		if y.rule.weekNumbers == nil || y.rule.inWeeks(day) {
			days = append(days, day.Sub(y.options.Dtstart))
		}
	}
	return days
}

// inWeeks reports whether BYWEEKNO selects the week of a day. rrule-go finds other weeks around New Year: 1 January 2011 in week 53,
// which 2010 doesn't have, and no day of December in the week that is the first of the next year if it is counted from that year's end.
func (r *Rule) inWeeks(day time.Time) bool {
	// A week is of the year in which most of its days are, so also the fourth.
	fourth := day.AddDate(0, 0, 3-(int(day.Weekday())+13-r.weekStart)%7)
	number := (fourth.YearDay() + 6) / 7
	length := 365
	if isLeap(fourth.Year()) {
		length++
	}
	later := (length - fourth.YearDay()) / 7 // weeks of that year
	return slices.Contains(r.weekNumbers, number) || slices.Contains(r.weekNumbers, -1-later)
}

//nolint:gochecknoglobals // A constant.
var libraryDays = []rrulego.Weekday{rrulego.MO, rrulego.TU, rrulego.WE, rrulego.TH, rrulego.FR, rrulego.SA, rrulego.SU}

var everyMonth = []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12} //nolint:gochecknoglobals // A constant.
