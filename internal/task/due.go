package task

import (
	"time"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/timezone"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// DueOf returns when a task is due; nil if it is not.
func DueOf(t *ent.Task) *Due {
	if t.DueDate == nil {
		return nil
	}
	return &Due{Date: *t.DueDate, At: t.DueAt, TimeZone: t.DueTimeZone}
}

// checkDue checks when a task is to be due: on a day, or at a moment in a time zone, which is the viewer's if the input names none.
// It returns nil for a nil input.
func checkDue(errs *workspace.Violations, field string, in *DueInput, v viewer.Viewer) *Due {
	switch {
	case in == nil:
		return nil
	case (in.Date == nil) == (in.At == nil):
		errs.Add(workspace.CodeInvalid, field, "Say when it is due either with date or with at.")
		return nil
	case in.Date != nil:
		return &Due{Date: dayOf(*in.Date)}
	}
	zone, location := v.Location.String(), v.Location
	if in.At.TimeZone != nil {
		named, err := timezone.Load(*in.At.TimeZone)
		if err != nil {
			errs.Add(workspace.CodeInvalid, field+".at.timeZone", "A time zone is an IANA name such as Asia/Karachi.")
			return nil
		}
		zone, location = named.String(), named
	}
	at := in.At.At.UTC().Truncate(time.Microsecond)
	day := dayOf(at.In(location))
	if day.Year() < 1 || day.Year() > 9999 {
		errs.Add(workspace.CodeInvalid, field+".at.at", "The day must lie in the years 1 to 9999 in that time zone.")
	}
	return &Due{Date: day, At: &at, TimeZone: &zone}
}

// dayOf returns t's day in t's location, as days are stored: midnight UTC.
func dayOf(t time.Time) time.Time {
	year, month, day := t.Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// sort returns the value that orders due times of the same day: those without a time come first.
func (d *Due) sort() time.Time {
	if d.At == nil {
		return time.Time{}
	}
	return *d.At
}

// set sets when a task is due; nil clears it.
func (d *Due) set(e *ent.Task) {
	e.DueDate, e.DueSort, e.DueAt, e.DueTimeZone = nil, nil, nil, nil
	if d != nil {
		date, sort := d.Date, d.sort()
		e.DueDate, e.DueSort, e.DueAt, e.DueTimeZone = &date, &sort, d.At, d.TimeZone
	}
}

// dueEdit returns the edit that sets when a task is due.
func dueEdit(d *Due) edit {
	return edit{
		columns: []string{enttask.FieldDueDate, enttask.FieldDueAt, enttask.FieldDueTimeZone}, derived: []string{enttask.FieldDueSort},
		set: d.set,
	}
}
