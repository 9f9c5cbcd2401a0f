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
	local := t.At.In(t.Zone)
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
// returns at most limit, and fewer if the series ends or there are no more within 50 years.
func (r *Rule) After(start Time, after time.Time, limit int) []Time {
	var next []Time
	for o := range r.occurrences(start, after, time.Time{}) {
		if len(next) == limit {
			break
		}
		if o.at.After(after) {
			next = append(next, start.same(o))
		}
	}
	return next
}

// Between returns the first occurrences of a series strictly after one moment or day and up to another, at most limit, and how many
// there are in all, counted up to MaxCount.
func (r *Rule) Between(start Time, after, last time.Time, limit int) ([]Time, int) {
	var first []Time
	total := 0
	for o := range r.occurrences(start, after, last) {
		if !o.at.After(after) {
			continue
		}
		if o.at.After(last) || total == MaxCount {
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

// occurrences returns the occurrences of a series in order, up to 50 years after the given time or the start, whichever is later, or
// little further than last if that is not zero. Those before the given time are only complete if the rule has COUNT, which is then
// counted from the start.
func (r *Rule) occurrences(start Time, after, last time.Time) iter.Seq[occurrence] {
	return func(yield func(occurrence) bool) {
		clock := clock{zone: start.Zone}
		begin, first := start.wall(), start.value()
		from := begin
		if after.After(first) {
			from = Time{Date: after, At: &after, Zone: clock.location()}.wall()
		}
		end := from.AddDate(Years, 0, 0)
		if soon := last.AddDate(0, 0, 2); !last.IsZero() && soon.Before(end) { // No clock is so far from UTC.
			end = soon
		}
		if r.count > 0 {
			from = begin
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
		var walls []time.Time                      // Those of the current period.
		flush := func() bool {
			for _, wall := range r.positioned(walls) {
				if wall.After(end) || !yield(wall) {
					return false
				}
			}
			walls = walls[:0]
			return true
		}
		// A week belongs to two years.
		for y := max(1, from.AddDate(0, 0, -7).Year()); y <= min(9999, end.AddDate(0, 0, 7).Year()); y++ {
			for _, day := range year.days(y) {
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
				for _, t := range times {
					walls = append(walls, day.Add(t))
				}
			}
		}
		flush()
	}
}

// positioned returns those of a period's occurrences that BYSETPOS selects.
func (r *Rule) positioned(walls []time.Time) []time.Time {
	if len(r.positions) == 0 {
		return walls
	}
	var selected []time.Time
	for _, position := range r.positions {
		i := position - 1
		if position < 0 {
			i = len(walls) + position
		}
		if i >= 0 && i < len(walls) {
			selected = append(selected, walls[i])
		}
	}
	return sorted(selected, time.Time.Compare)
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
