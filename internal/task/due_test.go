package task_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/internal/task"
	"taskql/internal/viewer"
)

// A due day is the same day for viewers in any zone; a due moment is on the viewer's day, also on days when the clocks change.
func TestDueWindows(t *testing.T) {
	t.Parallel()
	const none = ""
	tests := []struct {
		name, zone, now, due string // A day, or a moment.
		windows              string
	}{
		{"a day today", "Asia/Karachi", "2026-11-23T07:00:00Z", "2026-11-23", "TODAY NEXT_7_DAYS"},
		{"a day that is over", "Asia/Karachi", "2026-11-23T07:00:00Z", "2026-11-22", "OVERDUE"},
		{"Karachi is ahead of UTC: already the 24th", "Asia/Karachi", "2026-11-23T19:00:00Z", "2026-11-23", "OVERDUE"},
		{"and a second before not yet", "Asia/Karachi", "2026-11-23T18:59:59Z", "2026-11-23", "TODAY NEXT_7_DAYS"},
		{"the sixth day after", "Asia/Karachi", "2026-11-23T07:00:00Z", "2026-11-29", "NEXT_7_DAYS"},
		{"the seventh day after", "Asia/Karachi", "2026-11-23T07:00:00Z", "2026-11-30", none},
		{"a moment that has just passed", "Asia/Karachi", "2026-11-23T07:00:00Z", "2026-11-23T06:59:59.999999Z", "OVERDUE TODAY NEXT_7_DAYS"},
		{"a moment that is now", "Asia/Karachi", "2026-11-23T07:00:00Z", "2026-11-23T07:00:00Z", "TODAY NEXT_7_DAYS"},
		{"the first moment of tomorrow", "Asia/Karachi", "2026-11-23T07:00:00Z", "2026-11-23T19:00:00Z", "TOMORROW NEXT_7_DAYS"},
		{"the last of today", "Asia/Karachi", "2026-11-23T07:00:00Z", "2026-11-23T18:59:59.999999Z", "TODAY NEXT_7_DAYS"},

		{"New York, the clocks go forward: the day's last second, 23 hours in", "America/New_York", "2026-03-08T05:00:00Z", "2026-03-09T03:59:59Z", "TODAY NEXT_7_DAYS"},
		{"and the next day's first", "America/New_York", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z", "TOMORROW NEXT_7_DAYS"},
		{"an hour after the change", "America/New_York", "2026-03-08T08:00:00Z", "2026-03-08T07:00:00Z", "OVERDUE TODAY NEXT_7_DAYS"},
		{"seven days with 167 hours", "America/New_York", "2026-03-07T05:00:00Z", "2026-03-14T03:59:59Z", "NEXT_7_DAYS"},
		{"and after them", "America/New_York", "2026-03-07T05:00:00Z", "2026-03-14T04:00:00Z", none},
		{"New York, the clocks go back: the day's last second, 25 hours in", "America/New_York", "2026-11-01T04:00:00Z", "2026-11-02T04:59:59Z", "TODAY NEXT_7_DAYS"},
		{"and the next day's first ", "America/New_York", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", "TOMORROW NEXT_7_DAYS"},
		{"a day while the clocks go back", "America/New_York", "2026-11-02T04:59:59Z", "2026-11-01", "TODAY NEXT_7_DAYS"},
		{"and a second later", "America/New_York", "2026-11-02T05:00:00Z", "2026-11-01", "OVERDUE"},

		{"Kiritimati is 14 hours ahead", "Pacific/Kiritimati", "2026-11-23T10:00:00Z", "2026-11-24", "TODAY NEXT_7_DAYS"},
		{"a second before", "Pacific/Kiritimati", "2026-11-23T09:59:59Z", "2026-11-24", "TOMORROW NEXT_7_DAYS"},
		{"Pago Pago is 11 hours behind", "Pacific/Pago_Pago", "2026-11-24T10:59:59Z", "2026-11-23", "TODAY NEXT_7_DAYS"},
		{"a second later", "Pacific/Pago_Pago", "2026-11-24T11:00:00Z", "2026-11-23", "OVERDUE"},
		{"a moment of Pago Pago's tomorrow", "Pacific/Pago_Pago", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z", "TOMORROW NEXT_7_DAYS"},

		{"Cairo's clocks skip midnight: the day begins at one", "Africa/Cairo", "2026-04-23T12:00:00Z", "2026-04-23T22:00:00Z", "TOMORROW NEXT_7_DAYS"},
		{"and a second before is the day before", "Africa/Cairo", "2026-04-23T12:00:00Z", "2026-04-23T21:59:59Z", "TODAY NEXT_7_DAYS"},
		{"Havana's strike it twice: the first is the day's", "America/Havana", "2026-10-31T12:00:00Z", "2026-11-01T04:00:00Z", "TOMORROW NEXT_7_DAYS"},
		{"and the second too", "America/Havana", "2026-10-31T12:00:00Z", "2026-11-01T05:00:00Z", "TOMORROW NEXT_7_DAYS"},
		{"but not the day before's last second", "America/Havana", "2026-10-31T12:00:00Z", "2026-11-01T03:59:59Z", "TODAY NEXT_7_DAYS"},
		{"Apia had no 30 December 2011", "Pacific/Apia", "2011-12-30T09:00:00Z", "2011-12-30T10:00:00Z", "NEXT_7_DAYS"},
	}
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, _ := env.newUser(t, "alice")
		for _, tt := range tests {
			location, err := time.LoadLocation(tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			v := viewer.Viewer{UserID: "alice", WorkspaceID: "alice", Role: viewer.RoleAdmin, Location: location}
			env.clock.set(parseTime(t, tt.now))
			q := env.client.Task.Create().SetID(uuid.New()).SetWorkspaceID("alice").SetVersion(0).SetTitle(tt.name)
			if day, err := time.Parse(time.DateOnly, tt.due); err == nil {
				q.SetDueDate(day).SetDueSort(time.Time{})
			} else {
				// The due time's zone is as far as possible from the viewer's.
				at := parseTime(t, tt.due)
				year, month, day := at.In(time.FixedZone("", -12*3600)).Date()
				if _, offset := at.In(location).Zone(); offset < 0 {
					year, month, day = at.In(time.FixedZone("", 14*3600)).Date()
				}
				q.SetDueDate(time.Date(year, month, day, 0, 0, 0, 0, time.UTC)).SetDueAt(at).SetDueSort(at).SetDueTimeZone("Etc/GMT+12")
			}
			made, err := q.Save(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var windows []string
			for _, w := range []task.DueWindow{task.WindowOverdue, task.WindowToday, task.WindowTomorrow, task.WindowNext7Days} {
				page, err := env.List(ctx, v, task.ListInput{Filter: &task.Filter{Comparisons: []task.Comparison{{Field: "due", Op: "within", Value: w}}}, First: ptr(100)})
				if err != nil {
					t.Fatal(err)
				}
				if slices.Contains(idsOf(page), made.ID.String()) {
					windows = append(windows, string(w))
				}
			}
			if got := strings.Join(windows, " "); got != tt.windows {
				t.Errorf("%s: in %q, want %q", tt.name, got, tt.windows)
			}
			if got := env.Overdue(v, made); got != strings.HasPrefix(tt.windows, "OVERDUE") {
				t.Errorf("%s: overdue is %t", tt.name, got)
			}
		}
	})
}

func parseTime(t *testing.T, moment string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, moment)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// If a viewer changes the time zone, today changes and due days don't.
func TestViewerChangesTimeZone(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		env.clock.set(parseTime(t, "2026-11-23T12:00:00Z"))
		day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
		made, err := env.client.Task.Create().SetID(uuid.New()).SetWorkspaceID("alice").SetVersion(0).SetTitle("x").
			SetDueDate(day).SetDueSort(time.Time{}).Save(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for zone, want := range map[string]task.DueWindow{"UTC": task.WindowToday, "Pacific/Kiritimati": task.WindowOverdue, "Pacific/Pago_Pago": task.WindowToday} {
			if v.Location, err = time.LoadLocation(zone); err != nil {
				t.Fatal(err)
			}
			page, err := env.List(ctx, v, task.ListInput{Filter: &task.Filter{Comparisons: []task.Comparison{{Field: "due", Op: "within", Value: want}}}})
			if err != nil || len(page.Edges) != 1 || env.Overdue(v, made) != (want == task.WindowOverdue) {
				t.Errorf("%s: %d found in %s, overdue %t, %v", zone, len(page.Edges), want, env.Overdue(v, made), err)
			}
			if due := task.DueOf(page.Edges[0].Node); !due.Date.Equal(day) || due.At != nil {
				t.Errorf("%s: due %v", zone, due)
			}
		}
	})
}

// In every zone, startOfDay is on the day or later, and the moment before it is on an earlier day.
func TestStartOfDay(t *testing.T) {
	t.Parallel()
	zones := []string{
		"Africa/Cairo", "Africa/Casablanca", "America/Asuncion", "America/Havana", "America/New_York", "America/Santiago", "America/St_Johns",
		"America/Sao_Paulo", "Asia/Amman", "Asia/Beirut", "Asia/Damascus", "Asia/Gaza", "Asia/Karachi", "Asia/Tehran", "Atlantic/Azores",
		"Australia/Lord_Howe", "Europe/Berlin", "Pacific/Apia", "Pacific/Kiritimati", "Pacific/Kwajalein", "Pacific/Pago_Pago",
	}
	for _, zone := range zones {
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		date := func(at time.Time) string { return at.In(location).Format(time.DateOnly) }
		for day := time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2035; day = day.AddDate(0, 0, 1) {
			start, this := task.StartOfDay(day, location), day.Format(time.DateOnly)
			if date(start) < this || date(start.Add(-time.Microsecond)) >= this {
				t.Errorf("%s: startOfDay of %s is %s", zone, this, start.In(location))
			}
		}
	}
}
