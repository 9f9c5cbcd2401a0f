package rrule

import "time"

// clock is the wall clock of a time zone. It remembers between which two changes the last time was.
type clock struct {
	zone         *time.Location // nil is UTC
	begin, end   time.Time      // zero if there is no change before or after
	offset       time.Duration
	offsetIsRead bool
}

func (c *clock) location() *time.Location {
	if c.zone == nil {
		return time.UTC
	}
	return c.zone
}

// resolve returns when the clock shows a time, which is given as if the clock were UTC's. By section 3.3.5 of RFC 5545, a time that
// the clock shows twice is the first of the two, and a time that it skips is counted by the offset before.
//
// time.Date does neither: it doesn't say which of two moments or offsets it takes.
func (c *clock) resolve(wall time.Time) occurrence {
	// Offsets are less than a day, and so is what a change adds to them or takes away.
	const margin = 26 * time.Hour
	at := wall.Add(-c.offset)
	if c.offsetIsRead && (c.begin.IsZero() || at.Sub(c.begin) > margin) && (c.end.IsZero() || at.Before(c.end)) {
		return occurrence{date: wall.Truncate(24 * time.Hour), at: at}
	}
	for c.read(wall.Add(-margin)); ; c.read(c.end) {
		before := at
		at = wall.Add(-c.offset)
		if at.Before(c.begin) { // The clock was past it when this offset began.
			year, month, day := before.In(c.location()).Date()
			return occurrence{date: time.Date(year, month, day, 0, 0, 0, 0, time.UTC), at: before}
		}
		if c.end.IsZero() || at.Before(c.end) {
			return occurrence{date: wall.Truncate(24 * time.Hour), at: at}
		}
	}
}

// Moment returns when the clock of a zone shows a time, which is given as if the clock were UTC's, by section 3.3.5 of RFC 5545: of
// two moments the first, and a time that the clock skips is counted by the offset before.
func Moment(wall time.Time, zone *time.Location) time.Time {
	c := clock{zone: zone}
	return c.resolve(wall).at.UTC()
}

// read reads the offset at a moment, and since when and until when it holds.
func (c *clock) read(at time.Time) {
	local := at.In(c.location())
	c.begin, c.end = local.ZoneBounds()
	if !c.end.IsZero() && !c.end.After(at) { // So on 31 December of leap years, in Go 1.26: to Go, years that are to come have 365 days.
		c.end = at.Truncate(24 * time.Hour).Add(24 * time.Hour)
	}
	_, offset := local.Zone()
	c.offset, c.offsetIsRead = time.Duration(offset)*time.Second, true
}
