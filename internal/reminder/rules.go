package reminder

import (
	"time"

	"taskql/ent"
	"taskql/internal/rrule"
)

// latest is the latest moment that the API can show.
var latest = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC) //nolint:gochecknoglobals // A constant, if Go had constant times.

// timeOf returns the time that a reminder was set by; nil if it is relative and the task's due has no such time. The zone is the
// owner's.
func timeOf(r *ent.Reminder, e *ent.Task, zone *time.Location) *time.Time {
	var at time.Time
	switch {
	case r.RemindAt != nil:
		at = *r.RemindAt
	case r.MinutesBefore != nil && e.DueAt != nil:
		at = e.DueAt.Add(-time.Duration(*r.MinutesBefore) * time.Minute)
	case r.DaysBefore != nil && r.TimeOfDay != nil && e.DueDate != nil:
		day := *e.DueDate
		if e.DueAt != nil { // Its day is that of the owner, not of the zone in which the due was set.
			year, month, d := e.DueAt.In(zone).Date()
			day = time.Date(year, month, d, 0, 0, 0, 0, time.UTC)
		}
		at = rrule.Moment(day.AddDate(0, 0, -*r.DaysBefore).Add(time.Duration(*r.TimeOfDay)*time.Minute), zone)
	default:
		return nil
	}
	if at.After(latest) {
		at = latest
	}
	return &at
}

// live reports whether there is something to be reminded of.
func live(e *ent.Task) bool { return !e.Completed && e.DeletedAt == nil }

// wait makes a reminder wait for a time; nil if it has none.
func wait(r *ent.Reminder, at *time.Time) { r.State, r.FireAt = Waiting, at }

// over makes a reminder stop waiting.
func over(r *ent.Reminder, state State) { r.State, r.FireAt, r.SnoozedUntil = state, nil, nil }

// start sets the state of a new reminder.
func start(r *ent.Reminder, e *ent.Task, zone *time.Location, now time.Time) {
	wait(r, timeOf(r, e, zone))
	if !live(e) {
		over(r, Cancelled)
	}
	settle(r, zone, now)
}

// follow changes a reminder as its task was changed. If the owner's time zone was set before, the time is that in the new one.
func follow(r *ent.Reminder, before, after *ent.Task, zone *time.Location, now time.Time) {
	rezone(r, before, zone, now)
	at := timeOf(r, after, zone)
	if !equalTimes(timeOf(r, before, zone), at) && (!isOver(r) || at != nil && at.After(r.UpdatedAt)) {
		if r.SnoozedUntil = nil; r.State != Cancelled {
			wait(r, at)
		}
	}
	switch {
	case !live(after) && r.State == Waiting:
		r.State, r.FireAt = Cancelled, nil // Until when it is snoozed is kept.
	case live(after) && r.State == Cancelled:
		resume(r, at, now)
	}
	settle(r, zone, now)
}

// isOver reports whether a reminder has fired, or its owner has acted on it: what happened before doesn't count any more.
func isOver(r *ent.Reminder) bool {
	return r.State == Fired || r.State == Dismissed || r.SnoozedUntil != nil
}

// resume makes a cancelled reminder wait again, if its time lies ahead.
func resume(r *ent.Reminder, at *time.Time, now time.Time) {
	switch {
	case r.SnoozedUntil != nil && r.SnoozedUntil.After(now):
		wait(r, r.SnoozedUntil)
	case at == nil || at.After(now):
		r.SnoozedUntil = nil
		wait(r, at)
	}
}

// rezone changes a reminder if its owner's time zone was changed.
func rezone(r *ent.Reminder, e *ent.Task, zone *time.Location, now time.Time) {
	if waitsInZone(r) && (r.TimeZone == nil || *r.TimeZone != zone.String()) {
		wait(r, timeOf(r, e, zone))
		settle(r, zone, now)
	}
}

// waitsInZone reports whether the time that a reminder waits for depends on its owner's time zone.
func waitsInZone(r *ent.Reminder) bool {
	return r.DaysBefore != nil && r.FireAt != nil && r.SnoozedUntil == nil
}

// settle expires a reminder that is too late, and notes the time zone of one that depends on it.
func settle(r *ent.Reminder, zone *time.Location, now time.Time) {
	if r.FireAt != nil && now.Sub(*r.FireAt) > maxLate {
		over(r, Expired)
	}
	if r.TimeZone = nil; waitsInZone(r) {
		name := zone.String()
		r.TimeZone = &name
	}
}

// fire fires a reminder whose time has come. What it was set by is computed again: a release that knows no reminders may have changed
// the task.
func fire(r *ent.Reminder, e *ent.Task, zone *time.Location, now time.Time) {
	if !live(e) {
		r.State, r.FireAt = Cancelled, nil
		return
	}
	if r.SnoozedUntil == nil {
		wait(r, timeOf(r, e, zone))
	}
	if settle(r, zone, now); r.FireAt != nil && !r.FireAt.After(now) {
		over(r, Fired)
		r.TimeZone, r.FiredAt = nil, &now
	}
}

// same reports whether nothing of a reminder that can change differs.
func same(a, b *ent.Reminder) bool {
	return a.State == b.State && equalTimes(a.FireAt, b.FireAt) && equalTimes(a.FiredAt, b.FiredAt) &&
		equalTimes(a.SnoozedUntil, b.SnoozedUntil) && equal(a.TimeZone, b.TimeZone)
}

func equalTimes(a, b *time.Time) bool { return a == b || a != nil && b != nil && a.Equal(*b) }

// equal compares what two pointers point to; nil is null.
func equal[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }
