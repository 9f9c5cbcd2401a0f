package task

import (
	"time"

	"taskql/ent"
	"taskql/internal/timezone"
	"taskql/internal/viewer"
)

// due checks when a task is to be due: a day, or a moment in a zone, which is the viewer's where none is named. Nil is
// never.
func (errs *violations) due(field string, in *DueInput, v viewer.Viewer) *Due {
	switch {
	case in == nil:
		return nil
	case (in.Date == nil) == (in.At == nil):
		errs.add(CodeInvalid, field, "Say when it is due either with date or with at.")
		return nil
	case in.Date != nil:
		return &Due{Date: dayOf(*in.Date)}
	}
	zone, location := v.Location.String(), v.Location
	if in.At.TimeZone != nil {
		known, err := timezone.Load(*in.At.TimeZone)
		if err != nil {
			errs.add(CodeInvalid, field+".at.timeZone", "A time zone is an IANA name such as Asia/Karachi.")
			return nil
		}
		zone, location = known.String(), known
	}
	at := in.At.At.UTC().Truncate(time.Microsecond)
	day := dayOf(at.In(location))
	if day.Year() < 1 || day.Year() > 9999 {
		errs.add(CodeInvalid, field+".at.at", "The day must lie in the years 1 to 9999 in that time zone.")
	}
	return &Due{Date: day, At: &at, TimeZone: &zone}
}

// dayOf is the day of a moment by the clocks of its location, as days are stored: midnight UTC.
func dayOf(t time.Time) time.Time {
	year, month, day := t.Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// sort is what orders due times on one day: those without a time come first.
func (d *Due) sort() time.Time {
	if d.At == nil {
		return time.Time{}
	}
	return *d.At
}

func (d *Due) equal(other *Due) bool {
	if d == nil || other == nil {
		return d == other
	}
	return d.Date.Equal(other.Date) && equal(d.TimeZone, other.TimeZone) &&
		(d.At == nil) == (other.At == nil) && d.sort().Equal(other.sort())
}

// setDue sets when a task is due; nil is never.
func setDue(d *Due) edit {
	return edit{
		differs: func(e *ent.Task) bool { return !d.equal(DueOf(e)) },
		write: func(m *ent.TaskMutation) {
			if d == nil {
				m.ClearDueDate()
				m.ClearDueSort()
			} else {
				m.SetDueDate(d.Date)
				m.SetDueSort(d.sort())
			}
			if d == nil || d.At == nil {
				m.ClearDueAt()
				m.ClearDueTimeZone()
			} else {
				m.SetDueAt(*d.At)
				m.SetDueTimeZone(*d.TimeZone)
			}
		},
		after: func(e *ent.Task) {
			e.DueDate, e.DueSort, e.DueAt, e.DueTimeZone = nil, nil, nil, nil
			if d != nil {
				date, sort := d.Date, d.sort()
				e.DueDate, e.DueSort, e.DueAt, e.DueTimeZone = &date, &sort, d.At, d.TimeZone
			}
		},
	}
}
