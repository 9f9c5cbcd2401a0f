package rrule

import (
	"slices"
	"time"

	rrulego "github.com/teambition/rrule-go"
)

// year finds the days of one year that the BY parts of a rule select. It uses rrule-go for one year at a time: asked for more, that
// would look for the next occurrence of a rule which has none up to the year 9999. It asks once for all years of a kind, so however
// many years are searched, that is at most 14 times.
type year struct {
	none    bool // No year has any.
	options rrulego.ROption
	found   map[yearKind][]time.Duration
}

// yearKind is what the days that a rule selects of a year depend on: on which weekday it begins, and whether it has 366 days.
type yearKind struct {
	first time.Weekday
	leap  bool
}

func isLeap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

// year returns the rule's year. What the rule doesn't say is taken from the start.
func (r *Rule) year(start time.Time) year {
	y := year{found: map[yearKind][]time.Duration{}, options: rrulego.ROption{
		Freq: rrulego.YEARLY, Interval: rrulego.MAXYEAR, // The year after the first is beyond the last.
		Wkst:    libraryDays[r.weekStart],
		Bymonth: r.months, Byweekno: r.weekNumbers, Byyearday: r.yearDays, Bymonthday: r.monthDays,
	}}
	o, days := &y.options, r.days
	switch {
	case r.weekNumbers != nil || r.yearDays != nil || r.monthDays != nil || r.days != nil:
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
	kind := yearKind{begin.Weekday(), isLeap(begin.Year())}
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
		days = append(days, day.Sub(y.options.Dtstart))
	}
	return days
}

//nolint:gochecknoglobals // A constant.
var libraryDays = []rrulego.Weekday{rrulego.MO, rrulego.TU, rrulego.WE, rrulego.TH, rrulego.FR, rrulego.SA, rrulego.SU}

var everyMonth = []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12} //nolint:gochecknoglobals // A constant.
