package rrule

import "time"

// Days returns the days of some years. Unless by kind, rrule-go is asked for each year.
func (r *Rule) Days(start time.Time, first, last int, byKind bool) []time.Time {
	var all []time.Time
	year := r.year(start)
	for y := first; y <= last; y++ {
		if !byKind {
			clear(year.found)
		}
		begin := time.Date(y, time.January, 1, 0, 0, 0, 0, time.UTC)
		for _, since := range year.days(begin) {
			all = append(all, begin.Add(since))
		}
	}
	return all
}
