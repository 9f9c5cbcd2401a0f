package rrule

import (
	"iter"
	"time"
)

// Time is an occurrence: a day, or a moment in a time zone.
type Time struct {
	// Date is the day, midnight UTC; of a moment, its day in Zone.
	Date time.Time
	// At is the moment; nil if it is a day.
	At *time.Time
	// Zone is the time zone whose wall clock the moment follows; nil if it is a day.
	Zone *time.Location
}

// value returns the moment, or the day's midnight UTC: what two of the same series are compared by.
func (t Time) value() time.Time {
	if t.At != nil {
		return *t.At
	}
	return t.Date
}

// wall returns what the calendar and clock show, as if they were UTC's.
func (t Time) wall() time.Time {
	if t.At == nil {
		return t.Date
	}
	return t.wallAt(*t.At)
}

// wallAt is wall for a moment, or a day's midnight UTC, of the same series.
func (t Time) wallAt(value time.Time) time.Time {
	if t.At == nil {
		return value
	}
	local := value.In(t.Zone)
	year, month, day := local.Date()
	hour, minute, second := local.Clock()
	return time.Date(year, month, day, hour, minute, second, local.Nanosecond(), time.UTC)
}

// Meets reports whether start is an occurrence of a series that starts then.
func (r *Rule) Meets(start Time) bool {
	first := r.First(start, 1)
	return len(first) == 1 && first[0].value().Equal(start.value())
}

// First returns the first occurrences of a series, on or after its start, at most limit.
func (r *Rule) First(start Time, limit int) []Time {
	return r.After(start, start.value().Add(-1), limit)
}

// After returns the next occurrences of a series strictly after a moment, or after a day (midnight UTC) if the series has days. It
// returns at most limit, and fewer if the series ends or there are no more within 50 years of that moment, or of the start if it is later.
func (r *Rule) After(start Time, after time.Time, limit int) []Time {
	var next []Time
	end := start.wallAt(latest(after, start.value())).AddDate(Years, 0, 0)
	for o := range r.occurrences(start, after, end) {
		if len(next) == limit {
			break
		}
		if o.at.After(after) {
			next = append(next, start.same(o))
		}
	}
	return next
}

// Between returns the first occurrences of a series strictly after one moment or day and up to another, at most limit. However far
// apart these are, it finds all. If the rule has COUNT, it also returns how many there are in all; else it counts no further than limit.
func (r *Rule) Between(start Time, after, last time.Time, limit int) ([]Time, int) {
	var first []Time
	total := 0
	for o := range r.occurrences(start, after, last.AddDate(0, 0, 2)) { // No clock is so far from UTC.
		if !o.at.After(after) {
			continue
		}
		if o.at.After(last) || r.count == 0 && total == limit {
			break
		}
		total++
		if len(first) < limit {
			first = append(first, start.same(o))
		}
	}
	return first, total
}

// Within returns the first occurrence of a series strictly after one moment or day and up to another, as if the rule had no COUNT. It
// examines no other years.
func (r *Rule) Within(start Time, after, last time.Time) (Time, bool) {
	uncounted := *r
	uncounted.count = 0
	first, _ := uncounted.Between(start, after, last, 1)
	if len(first) == 0 {
		return Time{}, false
	}
	return first[0], true
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// occurrence is a Time without a pointer. If it is a day, at is its midnight UTC.
type occurrence struct{ date, at time.Time }

// same returns the occurrence as a day or a moment, as t is.
func (t Time) same(o occurrence) Time {
	if t.At == nil {
		return Time{Date: o.date}
	}
	at := o.at.UTC()
	return Time{Date: o.date, At: &at, Zone: t.Zone}
}

// occurrences returns the occurrences of a series in order, from one time on, and up to a time of the wall clock. Those before the first
// time are only complete if the rule has COUNT, which is then counted from the start.
func (r *Rule) occurrences(start Time, after, end time.Time) iter.Seq[occurrence] {
	return func(yield func(occurrence) bool) {
		clock := clock{zone: start.Zone}
		begin, first := start.wall(), start.value()
		from := begin
		if after.After(first) && r.count == 0 {
			from = start.wallAt(after)
		}
		previous, n := first.Add(-1), 0
		soonest := from.AddDate(0, 0, -3) // Clocks skip and repeat up to a day.
		for wall := range r.walls(begin, from, end) {
			if r.count == 0 && wall.Before(soonest) {
				continue
			}
			o := occurrence{date: wall, at: wall}
			switch {
			case start.At == nil:
			case wall.Equal(begin):
				o = occurrence{date: start.Date, at: first} // Of a time that the clock shows twice, it may be the second.
			default:
				o = clock.resolve(wall)
			}
			if !o.at.After(previous) { // Before the start, or the clock skipped the time and another occurrence is then.
				continue
			}
			previous = o.at
			if n++; r.ended(o) || !yield(o) || n == r.count {
				return
			}
		}
	}
}

// ended reports whether an occurrence is after UNTIL.
func (r *Rule) ended(o occurrence) bool {
	switch {
	case r.until.IsZero():
		return false
	case r.untilDay:
		return o.date.After(r.until)
	}
	return o.at.After(r.until)
}

// walls returns the occurrences on the wall clock in order, from the period that includes one time up to another time. Times are as
// if the clock were UTC's.
func (r *Rule) walls(start, from, end time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		year, times, origin := r.year(start), r.times(start), r.period(start)
		current := origin
		firstDay := start.Truncate(24 * time.Hour) // In the first week BYSETPOS counts from here on, as with other libraries.
		var days []time.Time                       // Those of the current period.
		flush := func() bool {
			for wall := range r.positioned(days, times) {
				if wall.After(end) || !yield(wall) {
					return false
				}
			}
			days = days[:0]
			return true
		}
		// A week belongs to two years.
		for y := max(1, from.AddDate(0, 0, -7).Year()); y <= min(9999, end.AddDate(0, 0, 7).Year()); y++ {
			begin := time.Date(y, time.January, 1, 0, 0, 0, 0, time.UTC)
			for _, since := range year.days(begin) {
				day := begin.Add(since)
				period := r.period(day)
				if (period-origin)%r.interval != 0 || r.freq == Weekly && day.Before(firstDay) {
					continue
				}
				if period != current {
					if !flush() {
						return
					}
					current = period
				}
				days = append(days, day)
			}
		}
		flush()
	}
}

// positioned returns those times of a period's days that BYSETPOS selects, or all if the rule has none.
func (r *Rule) positioned(days []time.Time, times []time.Duration) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		at := func(i int) time.Time { return days[i/len(times)].Add(times[i%len(times)]) }
		count := len(days) * len(times)
		if len(r.positions) == 0 {
			for i := range count {
				if !yield(at(i)) {
					return
				}
			}
			return
		}
		var selected []time.Time
		for _, position := range r.positions {
			i := position - 1
			if position < 0 {
				i = count + position
			}
			if i >= 0 && i < count {
				selected = append(selected, at(i))
			}
		}
		for _, wall := range sorted(selected, time.Time.Compare) {
			if !yield(wall) {
				return
			}
		}
	}
}

// period numbers the days, weeks, months or years, of which INTERVAL selects some.
func (r *Rule) period(wall time.Time) int {
	year, month, _ := wall.Date()
	days := int(wall.Unix()-yearOne) / (24 * 60 * 60) // 1 January of the year 1 is a Monday.
	switch r.freq {
	case Daily:
		return days
	case Weekly:
		return (days + 7 - r.weekStart) / 7
	case Monthly:
		return year*12 + int(month)
	default:
		return year
	}
}

var yearOne = time.Time{}.Unix() //nolint:gochecknoglobals // A constant.

// times returns the times of day, in order.
func (r *Rule) times(start time.Time) []time.Duration {
	hours, minutes, seconds := r.hours, r.minutes, r.seconds
	if hours == nil {
		hours = []int{start.Hour()}
	}
	if minutes == nil {
		minutes = []int{start.Minute()}
	}
	if seconds == nil {
		seconds = []int{start.Second()}
	}
	times := make([]time.Duration, 0, r.timesOfDay())
	for _, h := range hours {
		for _, m := range minutes {
			for _, s := range seconds {
				times = append(times, time.Duration((h*60+m)*60+s)*time.Second+time.Duration(start.Nanosecond()))
			}
		}
	}
	return times
}

// AfterCompletion returns the occurrence that follows the completion of another on a day (midnight UTC): INTERVAL days, weeks, months
// or years later, on the month's last day if it is too short, at the start's time of day. It returns false if UNTIL is over. COUNT
// is up to the caller.
func (r *Rule) AfterCompletion(day time.Time, start Time) (Time, bool) {
	next := day
	switch r.freq {
	case Daily:
		next = day.AddDate(0, 0, r.interval)
	case Weekly:
		next = day.AddDate(0, 0, 7*r.interval)
	case Monthly:
		next = addMonths(day, r.interval)
	case Yearly:
		next = addMonths(day, 12*r.interval)
	}
	o := occurrence{date: next, at: next}
	if start.At != nil {
		clock := clock{zone: start.Zone}
		wall := start.wall()
		o = clock.resolve(next.Add(wall.Sub(wall.Truncate(24 * time.Hour))))
	}
	if r.ended(o) || o.date.Year() > 9999 || o.date.After(day.AddDate(Years, 0, 0)) {
		return Time{}, false
	}
	return start.same(o), true
}

// addMonths returns the same day some months later, or that month's last day if it is too short.
func addMonths(day time.Time, months int) time.Time {
	year, month, d := day.Date()
	last := time.Date(year, month+time.Month(months)+1, 0, 0, 0, 0, 0, time.UTC)
	return last.AddDate(0, 0, min(d, last.Day())-last.Day())
}
