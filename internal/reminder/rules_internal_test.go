package reminder

import (
	"testing"
	"time"

	"taskql/ent"
	"taskql/internal/timezone"
)

// now is the time of the tests, a Monday.
var now = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // A constant, if Go had constant times.

func after(d time.Duration) *time.Time {
	t := now.Add(d)
	return &t
}

func load(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := timezone.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func minutes(n int) *ent.Reminder { return &ent.Reminder{MinutesBefore: &n} }

func days(n, hour int) *ent.Reminder {
	minute := hour * 60
	return &ent.Reminder{DaysBefore: &n, TimeOfDay: &minute}
}

// TestTimeOf computes what reminders are set by.
func TestTimeOf(t *testing.T) {
	t.Parallel()
	day := func(year int, month time.Month, day int) *ent.Task {
		date := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
		return &ent.Task{DueDate: &date}
	}
	moment := func(text string) *ent.Task {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		date, utc := at.Truncate(24*time.Hour), at.UTC()
		return &ent.Task{DueDate: &date, DueAt: &utc}
	}
	for name, tt := range map[string]struct {
		r    *ent.Reminder
		task *ent.Task
		zone string
		want string
	}{
		"a moment":                      {&ent.Reminder{RemindAt: after(0)}, &ent.Task{}, "UTC", "2026-11-23T07:00:00Z"},
		"minutes":                       {minutes(90), moment("2026-11-24T10:00:00Z"), "Asia/Karachi", "2026-11-24T08:30:00Z"},
		"no minutes":                    {minutes(0), moment("2026-11-24T10:00:00Z"), "UTC", "2026-11-24T10:00:00Z"},
		"minutes over a change":         {minutes(60), moment("2026-10-25T01:30:00Z"), "Europe/Berlin", "2026-10-25T00:30:00Z"},
		"minutes before a day":          {minutes(90), day(2026, 11, 24), "UTC", ""},
		"minutes before nothing":        {minutes(90), &ent.Task{}, "UTC", ""},
		"the day":                       {days(0, 9), day(2026, 11, 24), "Asia/Karachi", "2026-11-24T04:00:00Z"},
		"the day before":                {days(1, 9), day(2026, 3, 1), "UTC", "2026-02-28T09:00:00Z"},
		"days before nothing":           {days(1, 9), &ent.Task{}, "UTC", ""},
		"the owner's day of a moment":   {days(0, 9), moment("2026-12-01T02:00:00+09:00"), "Europe/Berlin", "2026-11-30T08:00:00Z"},
		"summer time":                   {days(0, 9), day(2026, 7, 1), "Europe/Berlin", "2026-07-01T07:00:00Z"},
		"skipped":                       {days(0, 2), day(2026, 3, 29), "Europe/Berlin", "2026-03-29T01:00:00Z"},
		"twice":                         {days(0, 2), day(2026, 10, 25), "Europe/Berlin", "2026-10-25T00:00:00Z"},
		"skipped at midnight":           {days(0, 0), day(2026, 9, 6), "America/Santiago", "2026-09-06T04:00:00Z"},
		"a day that was skipped":        {days(0, 9), day(2011, 12, 30), "Pacific/Apia", "2011-12-30T19:00:00Z"},
		"the day after a change":        {days(1, 9), day(2026, 3, 30), "Europe/Berlin", "2026-03-29T07:00:00Z"},
		"no later than the API's times": {days(0, 23), day(9999, 12, 31), "Etc/GMT+12", "9999-12-31T23:59:59Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if at := timeOf(tt.r, tt.task, load(t, tt.zone)); at != nil {
				got = at.Format(time.RFC3339)
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestFollow goes through the table of the package's comment.
func TestFollow(t *testing.T) {
	t.Parallel()
	due := func(d time.Duration) *ent.Task { return &ent.Task{DueAt: after(d)} }
	done := func(e *ent.Task) *ent.Task {
		e.Completed = true
		return e
	}
	trashed := func(e *ent.Task) *ent.Task {
		e.DeletedAt = after(0)
		return e
	}
	// A reminder of two hours before the due, in each state. The due is in three hours, or was that for those that are over.
	in := func(state State, change func(*ent.Reminder)) *ent.Reminder {
		r := minutes(120)
		r.State, r.UpdatedAt = state, *after(-time.Hour)
		if change != nil {
			change(r)
		}
		return r
	}
	waiting := func() *ent.Reminder { return in(Waiting, func(r *ent.Reminder) { r.FireAt = after(time.Hour) }) }
	fired := func() *ent.Reminder { return in(Fired, func(r *ent.Reminder) { r.FiredAt = after(-time.Hour) }) }
	snoozed := func() *ent.Reminder {
		return in(Waiting, func(r *ent.Reminder) { r.FireAt, r.SnoozedUntil = after(30*time.Minute), after(30*time.Minute) })
	}
	state := func(r *ent.Reminder) string {
		text := r.State
		if r.FireAt != nil {
			text += " " + r.FireAt.Sub(now).String()
		}
		if r.SnoozedUntil != nil {
			text += " snoozed"
		}
		return text
	}
	const hour, none = time.Hour, -9999 * time.Hour
	task := func(d time.Duration) *ent.Task {
		if d == none {
			return &ent.Task{}
		}
		return due(d)
	}
	for name, tt := range map[string]struct {
		r             *ent.Reminder
		before, after *ent.Task
		want          string
	}{
		"waiting, nothing moved":                {waiting(), due(3 * hour), due(3 * hour), "WAITING 1h0m0s"},
		"waiting, moved later":                  {waiting(), due(3 * hour), due(9 * hour), "WAITING 7h0m0s"},
		"waiting, moved to a time that passed":  {waiting(), due(3 * hour), due(1 * hour), "WAITING -1h0m0s"},
		"waiting, moved to yesterday":           {waiting(), due(3 * hour), due(-22 * hour), "WAITING -24h0m0s"},
		"waiting, moved to more than a day ago": {waiting(), due(3 * hour), due(-22*hour - 1), "EXPIRED"},
		"waiting, due removed":                  {waiting(), due(3 * hour), task(none), "WAITING"},
		"waiting without a time":                {in(Waiting, nil), task(none), due(3 * hour), "WAITING 1h0m0s"},
		"waiting, completed":                    {waiting(), due(3 * hour), done(due(3 * hour)), "CANCELLED"},
		"waiting, trashed":                      {waiting(), due(3 * hour), trashed(due(3 * hour)), "CANCELLED"},
		"waiting without a time, completed":     {in(Waiting, nil), task(none), done(task(none)), "CANCELLED"},
		"waiting, moved and completed":          {waiting(), due(3 * hour), done(due(9 * hour)), "CANCELLED"},

		"fired, moved later than it fired":      {fired(), due(hour), due(9 * hour), "WAITING 7h0m0s"},
		"fired, moved to just after":            {fired(), due(hour), due(hour + 1), "WAITING -59m59.999999999s"},
		"fired, moved back":                     {fired(), due(hour), due(-hour), "FIRED"},
		"fired, the same due again":             {fired(), task(none), due(hour), "FIRED"},
		"fired, due removed":                    {fired(), due(hour), task(none), "FIRED"},
		"fired, completed":                      {fired(), due(hour), done(due(hour)), "FIRED"},
		"fired, completed and moved":            {fired(), due(hour), done(due(9 * hour)), "CANCELLED"},
		"fired, reopened":                       {fired(), done(due(hour)), due(hour), "FIRED"},
		"dismissed, moved later":                {in(Dismissed, nil), due(hour), due(9 * hour), "WAITING 7h0m0s"},
		"dismissed, moved back":                 {in(Dismissed, nil), due(9 * hour), due(hour), "DISMISSED"},
		"dismissed while it waited, reopened":   {in(Dismissed, nil), done(due(9 * hour)), due(9 * hour), "DISMISSED"},
		"expired, moved later":                  {in(Expired, nil), due(-50 * hour), due(9 * hour), "WAITING 7h0m0s"},
		"expired, moved back":                   {in(Expired, nil), due(-50 * hour), due(-60 * hour), "EXPIRED"},
		"expired, due removed":                  {in(Expired, nil), due(-50 * hour), task(none), "WAITING"},
		"expired, reopened":                     {in(Expired, nil), done(due(-50 * hour)), due(-50 * hour), "EXPIRED"},
		"snoozed, moved later":                  {snoozed(), due(hour), due(9 * hour), "WAITING 7h0m0s"},
		"snoozed, moved back":                   {snoozed(), due(hour), due(-hour), "WAITING 30m0s snoozed"},
		"snoozed, due removed":                  {snoozed(), due(hour), task(none), "WAITING 30m0s snoozed"},
		"snoozed, completed":                    {snoozed(), due(hour), done(due(hour)), "CANCELLED snoozed"},
		"cancelled, reopened":                   {in(Cancelled, nil), done(due(3 * hour)), due(3 * hour), "WAITING 1h0m0s"},
		"cancelled, restored":                   {in(Cancelled, nil), trashed(due(3 * hour)), due(3 * hour), "WAITING 1h0m0s"},
		"cancelled, restored, completed":        {in(Cancelled, nil), trashed(done(due(3 * hour))), done(due(3 * hour)), "CANCELLED"},
		"cancelled, reopened, in the trash":     {in(Cancelled, nil), trashed(done(due(3 * hour))), trashed(due(3 * hour)), "CANCELLED"},
		"cancelled, moved":                      {in(Cancelled, nil), done(due(3 * hour)), done(due(9 * hour)), "CANCELLED"},
		"cancelled, reopened too late":          {in(Cancelled, nil), done(due(hour)), due(hour), "CANCELLED"},
		"cancelled, reopened without a due":     {in(Cancelled, nil), done(task(none)), task(none), "WAITING"},
		"cancelled, reopened and moved":         {in(Cancelled, nil), done(due(hour)), due(9 * hour), "WAITING 7h0m0s"},
		"snoozed, cancelled, reopened":          {in(Cancelled, func(r *ent.Reminder) { r.SnoozedUntil = after(hour) }), done(due(0)), due(0), "WAITING 1h0m0s snoozed"},
		"snoozed, cancelled, reopened too late": {in(Cancelled, func(r *ent.Reminder) { r.SnoozedUntil = after(-1) }), done(due(0)), due(0), "CANCELLED snoozed"},
		"snoozed, cancelled, its time is later": {in(Cancelled, func(r *ent.Reminder) { r.SnoozedUntil = after(-1) }), done(due(9 * hour)), due(9 * hour), "WAITING 7h0m0s"},
		"snoozed, cancelled, moved later":       {in(Cancelled, func(r *ent.Reminder) { r.SnoozedUntil = after(hour) }), done(due(0)), done(due(9 * hour)), "CANCELLED"},
		"a moment stays if the due is moved": {
			&ent.Reminder{RemindAt: after(hour), FireAt: after(hour), State: Waiting}, due(3 * hour), due(9 * hour), "WAITING 1h0m0s",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			follow(tt.r, tt.before, tt.after, time.UTC, now)
			if got := state(tt.r); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestFollowInNewZone: a task is changed before its reminder was computed again in the time zone that its owner has set. Its time is
// that of the new zone, also if the change alone would not have moved it.
func TestFollowInNewZone(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	due := func(d time.Duration) *ent.Task { return &ent.Task{DueDate: &day, DueAt: after(24*time.Hour + d)} }
	r, old := days(0, 9), "Asia/Tokyo"
	r.State, r.FireAt, r.TimeZone = Waiting, after(17*time.Hour), &old
	follow(r, due(0), due(time.Hour), load(t, "Europe/Berlin"), now)
	if want := after(25 * time.Hour); r.State != Waiting || !r.FireAt.Equal(*want) || *r.TimeZone != "Europe/Berlin" {
		t.Errorf("%s, fires at %v in %s, want %v", r.State, r.FireAt, *r.TimeZone, want)
	}
}

// TestFire fires what is due, unless the task or its due is not what it was.
func TestFire(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		r    *ent.Reminder
		task *ent.Task
		want State
	}{
		"on time":             {&ent.Reminder{RemindAt: after(0), FireAt: after(0)}, &ent.Task{}, Fired},
		"a day late":          {&ent.Reminder{RemindAt: after(-maxLate), FireAt: after(-maxLate)}, &ent.Task{}, Fired},
		"more than a day":     {&ent.Reminder{RemindAt: after(-maxLate - 1), FireAt: after(-maxLate - 1)}, &ent.Task{}, Expired},
		"snoozed":             {&ent.Reminder{RemindAt: after(-99 * time.Hour), FireAt: after(0), SnoozedUntil: after(0)}, &ent.Task{}, Fired},
		"a completed task":    {&ent.Reminder{RemindAt: after(0), FireAt: after(0)}, &ent.Task{Completed: true}, Cancelled},
		"a task in the trash": {&ent.Reminder{RemindAt: after(0), FireAt: after(0)}, &ent.Task{DeletedAt: after(0)}, Cancelled},
		"another due":         {&ent.Reminder{MinutesBefore: new(int), FireAt: after(0)}, &ent.Task{DueAt: after(time.Hour)}, Waiting},
		"no due":              {&ent.Reminder{MinutesBefore: new(int), FireAt: after(0)}, &ent.Task{}, Waiting},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.r.State = Waiting
			fire(tt.r, tt.task, time.UTC, now)
			if tt.r.State != tt.want {
				t.Errorf("got %s, want %s", tt.r.State, tt.want)
			}
			if has := tt.r.FiredAt != nil && tt.r.FiredAt.Equal(now) && tt.r.SnoozedUntil == nil; has != (tt.want == Fired) {
				t.Errorf("fired at %v, snoozed until %v", tt.r.FiredAt, tt.r.SnoozedUntil)
			}
			if tt.r.FireAt != nil && (tt.want != Waiting || !tt.r.FireAt.After(now)) {
				t.Errorf("fires next at %v", tt.r.FireAt)
			}
		})
	}
}
