package task

import (
	"time"

	"entgo.io/ent/dialect/sql"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/viewer"
)

// Overdue reports whether the task is due and not completed: a day once it is over for the viewer, a moment once it has
// passed. WindowOverdue selects the same tasks.
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

// days is a viewer's calendar at one moment.
type days struct {
	now      time.Time
	location *time.Location
	// today is midnight UTC of the viewer's current day, which is how days are stored.
	today time.Time
}

func (s *Service) days(v viewer.Viewer) days { return daysAt(s.now(), v) }

func daysAt(now time.Time, v viewer.Viewer) days {
	return days{now: now, location: v.Location, today: dayOf(now.In(v.Location))}
}

// margin is how many days a moment's day in one zone can differ from its day in another, and one to spare: zones are up to
// 26 hours apart, and some historical ones more.
const margin = 2

// due selects the tasks that are due in the window. As a condition, it is never null.
func (d days) due(s *sql.Selector, w DueWindow) *sql.Predicate {
	var from, until time.Time // The first day, and the day after the last.
	switch w {
	case WindowOverdue:
		return allOf(
			isTrue(enttask.FieldCompleted, false)(s),
			dueBetween(s, time.Time{}, d.today, time.Time{}, d.now),
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
	return dueBetween(s, from, until, startOfDay(from, d.location), startOfDay(until, d.location))
}

// dueBetween selects the tasks that are due on a day from firstDay until before endDay, or at a moment from first until before
// end. If firstDay is zero, there is no lower bound. The day of both kinds is bounded first, because the days have an index.
func dueBetween(s *sql.Selector, firstDay, endDay, first, end time.Time) *sql.Predicate {
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

// startOfDay returns the first moment of a day in a zone. On most days that is midnight. If the clocks skip midnight, it is
// the moment of the change; if they show midnight twice, it is the first one. For a day that the zone skips altogether it
// returns the start of the next day.
func startOfDay(day time.Time, location *time.Location) time.Time {
	year, month, date := day.Date()
	t := time.Date(year, month, date, 0, 0, 0, 0, location)
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		// Midnight at the offset that was valid until start, if the clocks showed it.
		_, offset := start.Add(-time.Microsecond).Zone()
		if before := time.Date(year, month, date, 0, 0, -offset, 0, time.UTC); before.Before(start) {
			return before
		}
		if sameDay(start.In(location), day) {
			return start // The clocks skipped midnight.
		}
	}
	if t.Day() != date {
		return end // The clocks skipped midnight, and time.Date used the offset from before the change.
	}
	return t
}

func sameDay(a, b time.Time) bool {
	y1, m1, d1 := a.Date()
	y2, m2, d2 := b.Date()
	return y1 == y2 && m1 == m2 && d1 == d2
}
