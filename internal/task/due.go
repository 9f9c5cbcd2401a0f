package task

import (
	"time"

	"entgo.io/ent/dialect/sql"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/viewer"
)

// DueOf returns when a task is due; nil where it is not.
func DueOf(t *ent.Task) *Due {
	if t.DueDate == nil {
		return nil
	}
	return &Due{Date: *t.DueDate, At: t.DueAt, TimeZone: t.DueTimeZone}
}

// Overdue reports whether the task is due and not completed: a day once it is over where the viewer is, a moment once
// it has passed. It is what WindowOverdue finds.
func (s *Service) Overdue(v viewer.Viewer, t *ent.Task) bool {
	d := s.days(v)
	switch {
	case t.Completed || t.DueDate == nil:
		return false
	case t.DueAt != nil:
		return t.DueAt.Before(d.now)
	default:
		return t.DueDate.Before(d.today)
	}
}

// days is the calendar of a viewer at one moment.
type days struct {
	now      time.Time
	location *time.Location
	// today is midnight UTC of the viewer's day, as days are stored.
	today time.Time
}

func (s *Service) days(v viewer.Viewer) days { return daysAt(s.now(), v) }

func daysAt(now time.Time, v viewer.Viewer) days {
	year, month, day := now.In(v.Location).Date()
	return days{now: now, location: v.Location, today: time.Date(year, month, day, 0, 0, 0, 0, time.UTC)}
}

// margin is how many days the day of a moment in the zone it was set in and in the viewer's can be apart at most, with
// one to spare: zones lie up to 26 hours apart, and some of old even more.
const margin = 2

// due selects what the window finds. Every part of it is true or false and never null, so that it can be negated.
func (d days) due(s *sql.Selector, w DueWindow) *sql.Predicate {
	var from, until time.Time // Days, the first and the one after the last.
	switch w {
	case WindowOverdue:
		return allOf(
			is(enttask.FieldCompleted, false)(s),
			d.between(s, time.Time{}, d.today, time.Time{}, d.now),
		)
	case WindowToday:
		from, until = d.today, d.today.AddDate(0, 0, 1)
	case WindowTomorrow:
		from, until = d.today.AddDate(0, 0, 1), d.today.AddDate(0, 0, 2)
	case WindowNext7Days:
		from, until = d.today, d.today.AddDate(0, 0, 7)
	default:
		return sql.False()
	}
	return d.between(s, from, until, startOfDay(from, d.location), startOfDay(until, d.location))
}

// between selects the days in one span and the moments in another, from the start (where that is not zero) to before the
// end. The days of both are bounded first, because they have an index.
func (days) between(s *sql.Selector, firstDay, endDay, first, end time.Time) *sql.Predicate {
	date, at := s.C(enttask.FieldDueDate), s.C(enttask.FieldDueAt)
	all := []*sql.Predicate{sql.NotNull(date), sql.LT(date, endDay.AddDate(0, 0, margin))}
	day := []*sql.Predicate{sql.IsNull(at), sql.LT(date, endDay)}
	moment := []*sql.Predicate{sql.NotNull(at), sql.LT(at, end)}
	if !firstDay.IsZero() {
		all = append(all, sql.GTE(date, firstDay.AddDate(0, 0, -margin)))
		day = append(day, sql.GTE(date, firstDay))
		moment = append(moment, sql.GTE(at, first))
	}
	return allOf(append(all, anyOf(allOf(day...), allOf(moment...)))...)
}

// startOfDay is the first moment of a day in a zone. That is midnight on most days; where the clocks skip midnight it is
// when they do, and where they strike it twice it is the first time. A day that a zone skips whole ends as it starts.
func startOfDay(day time.Time, location *time.Location) time.Time {
	year, month, date := day.Date()
	t := time.Date(year, month, date, 0, 0, 0, 0, location)
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		// Midnight by the clocks before the change that t comes after, where they struck it.
		_, offset := start.Add(-time.Microsecond).Zone()
		if before := time.Date(year, month, date, 0, 0, -offset, 0, time.UTC); before.Before(start) {
			return before
		}
		if sameDay(start.In(location), day) {
			return start // The clocks skipped midnight.
		}
	}
	if t.Day() != date {
		return end // As above, but time.Date took the clocks from before.
	}
	return t
}

func sameDay(a, b time.Time) bool {
	y1, m1, d1 := a.Date()
	y2, m2, d2 := b.Date()
	return y1 == y2 && m1 == m2 && d1 == d2
}
