package rrule_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"taskql/internal/rrule"
	"taskql/internal/timezone"
)

// What neither vectors nor python-dateutil say: series of days, the end of UNTIL's day, weekdays with and without numbers.
func TestFirst(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, rule, start, want string }{
		{"days", "FREQ=WEEKLY;BYDAY=MO,FR;COUNT=3", "2026-11-30", "2026-11-30 2026-12-04 2026-12-07"},
		{"from before the first", "FREQ=WEEKLY;BYDAY=FR;COUNT=2", "2026-11-30", "2026-12-04 2026-12-11"},
		{"UNTIL is included", "FREQ=DAILY;UNTIL=20261202", "2026-11-30", "2026-11-30 2026-12-01 2026-12-02"},
		{"UNTIL's day is included", "FREQ=DAILY;UNTIL=20261202", "2026-11-30T23:30 Asia/Tokyo", "2026-11-30T23:30 2026-12-01T23:30 2026-12-02T23:30"},
		{"UNTIL's moment is included", "FREQ=DAILY;UNTIL=20261202T143000Z", "2026-11-30T23:30 Asia/Tokyo", "2026-11-30T23:30 2026-12-01T23:30 2026-12-02T23:30"},
		{"UNTIL's moment is over", "FREQ=DAILY;UNTIL=20261202T142959Z", "2026-11-30T23:30 Asia/Tokyo", "2026-11-30T23:30 2026-12-01T23:30"},
		{"short months are left out", "FREQ=MONTHLY;COUNT=3", "2026-01-31", "2026-01-31 2026-03-31 2026-05-31"},
		{"the month's last day", "FREQ=MONTHLY;BYMONTHDAY=31;SKIP=BACKWARD;COUNT=4", "2028-01-31", "2028-01-31 2028-02-29 2028-03-31 2028-04-30"},
		{"the 30th or the last day", "FREQ=MONTHLY;BYMONTHDAY=30;SKIP=BACKWARD;COUNT=4", "2026-01-30", "2026-01-30 2026-02-28 2026-03-30 2026-04-30"},
		{"the 28th and the last day", "FREQ=MONTHLY;BYMONTHDAY=28,31;SKIP=BACKWARD;COUNT=5", "2026-01-28", "2026-01-28 2026-01-31 2026-02-28 2026-03-28 2026-03-31"},
		{"a leap day", "FREQ=YEARLY;COUNT=2", "2028-02-29", "2028-02-29 2032-02-29"},
		{"a leap day or the 28th", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;SKIP=BACKWARD;COUNT=2", "2028-02-29", "2028-02-29 2029-02-28"},
		{"2100 is no leap year", "FREQ=YEARLY;COUNT=2", "2096-02-29", "2096-02-29 2104-02-29"},
		{"weekdays with and without numbers", "FREQ=MONTHLY;BYDAY=MO,1TU;COUNT=6", "2026-12-01", "2026-12-01 2026-12-07 2026-12-14 2026-12-21 2026-12-28 2027-01-04"},
		{"and in a year", "FREQ=YEARLY;BYDAY=MO,1TU;COUNT=3", "2026-12-28", "2026-12-28 2027-01-04 2027-01-05"},
		{"last working day", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=2", "2027-01-29", "2027-01-29 2027-02-26"},
		{"twice a day", "FREQ=DAILY;BYHOUR=9,17;COUNT=3", "2026-11-30T17:30 Europe/Berlin", "2026-11-30T17:30 2026-12-01T09:30 2026-12-01T17:30"},
		{"the weeks begin on Sunday", "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;WKST=SU;COUNT=4", "2026-11-29", "2026-11-29 2026-11-30 2026-12-13 2026-12-14"},
		{"the weeks begin on Monday", "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;COUNT=4", "2026-11-29", "2026-11-29 2026-12-07 2026-12-13 2026-12-21"},
		{"at the end of time", "FREQ=DAILY", "9999-12-30", "9999-12-30 9999-12-31"},
		{"at its beginning", "FREQ=DAILY;COUNT=2", "0001-01-01", "0001-01-01 0001-01-02"},
		{"a week of two years", "FREQ=WEEKLY;BYDAY=WE,FR,SU;BYSETPOS=2;COUNT=2", "2026-12-28", "2027-01-01 2027-01-08"},

		{"Samoa had no 30 December", "FREQ=DAILY;COUNT=3", "2011-12-29T09:00 Pacific/Apia", "2011-12-29T09:00 2011-12-31T09:00 2012-01-01T09:00"},
		{"hours that the clock skips", "FREQ=DAILY;BYHOUR=1,2,3;COUNT=4", "2026-03-29T01:30 Europe/Berlin", "2026-03-29T01:30 2026-03-29T03:30 2026-03-30T01:30 2026-03-30T02:30"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := format(parse(t, c.rule).First(at(t, c.start), 10)); got != c.want {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}

// A start at the second of two times that the clock shows is the first occurrence, and meets the rule.
func TestStartOfRepeatedHour(t *testing.T) {
	t.Parallel()
	zone, err := timezone.Load("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	start := moment(time.Date(2026, time.October, 25, 1, 30, 0, 0, time.UTC), zone) // 2:30 again.
	rule := parse(t, "FREQ=DAILY")
	if !rule.Meets(start) {
		t.Error("the start doesn't meet the rule")
	}
	first := rule.First(start, 2)
	if want := start.At.AddDate(0, 0, 1); !first[0].At.Equal(*start.At) || !first[1].At.Equal(want) {
		t.Errorf("got %v and %v, want %v and %v", first[0].At, first[1].At, start.At, want)
	}
}

func TestMeets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule, start string
		want        bool
	}{
		{"FREQ=DAILY", "2026-11-30", true},
		{"FREQ=MONTHLY", "2026-11-30T23:59 Asia/Tokyo", true},
		{"FREQ=WEEKLY;BYDAY=MO", "2026-11-30", true},
		{"FREQ=WEEKLY;BYDAY=TU", "2026-11-30", false},
		{"FREQ=DAILY;UNTIL=20261129", "2026-11-30", false},
		{"FREQ=DAILY;BYHOUR=9", "2026-11-30T09:15 Asia/Tokyo", true},
		{"FREQ=DAILY;BYHOUR=9", "2026-11-30T10:15 Asia/Tokyo", false},
	} {
		if got := parse(t, c.rule).Meets(at(t, c.start)); got != c.want {
			t.Errorf("%s at %s: got %v", c.rule, c.start, got)
		}
	}
}

func TestAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ rule, start, after, want string }{
		{"FREQ=DAILY", "2026-11-30", "2026-12-24", "2026-12-25 2026-12-26"},
		{"FREQ=DAILY", "2026-11-30", "2025-12-24", "2026-11-30 2026-12-01"},
		{"FREQ=WEEKLY;INTERVAL=2", "2016-11-28", "2026-11-29", "2026-11-30 2026-12-14"},
		{"FREQ=DAILY;COUNT=3", "2026-11-30", "2026-11-30", "2026-12-01 2026-12-02"},
		{"FREQ=DAILY;COUNT=3", "2026-11-30", "2026-12-02", ""},
		{"FREQ=DAILY;COUNT=1", "2026-11-30", "2026-11-30", ""},
		{"FREQ=DAILY;UNTIL=20261201", "2026-11-30", "2026-11-30", "2026-12-01"},
		{"FREQ=DAILY;UNTIL=20261201", "2026-11-30", "2036-11-30", ""},
		{"FREQ=YEARLY;INTERVAL=20", "1926-11-30", "2026-11-30", "2046-11-30 2066-11-30"}, // Only 50 years ahead.
		{"FREQ=YEARLY;INTERVAL=51", "2026-11-30", "2026-11-30", ""},
		{"FREQ=DAILY", "2026-11-30T09:00 Asia/Tokyo", "2026-12-24T09:00 Asia/Tokyo", "2026-12-25T09:00 2026-12-26T09:00"},
		{"FREQ=DAILY", "2026-11-30T09:00 Asia/Tokyo", "2026-12-24T00:00 UTC", "2026-12-25T09:00 2026-12-26T09:00"},
		{"FREQ=DAILY", "2026-11-30T09:00 Asia/Tokyo", "2026-12-23T23:59 UTC", "2026-12-24T09:00 2026-12-25T09:00"},
	} {
		after := at(t, c.after)
		value := after.Date
		if after.At != nil {
			value = *after.At
		}
		if got := format(parse(t, c.rule).After(at(t, c.start), value, 2)); got != c.want {
			t.Errorf("%s from %s after %s:\n got %s\nwant %s", c.rule, c.start, c.after, got, c.want)
		}
	}
}

func TestBetween(t *testing.T) {
	t.Parallel()
	start := at(t, "2026-11-30")
	for _, c := range []struct {
		rule, after, last, want string
		total                   int
	}{
		{"FREQ=DAILY", "2026-11-30", "2026-12-10", "2026-12-01 2026-12-02 2026-12-03", 3},
		{"FREQ=DAILY;COUNT=5", "2026-11-30", "2026-12-10", "2026-12-01 2026-12-02 2026-12-03", 4},
		{"FREQ=DAILY;UNTIL=20261202", "2026-11-30", "2026-12-10", "2026-12-01 2026-12-02", 2},
		{"FREQ=DAILY", "2026-11-30", "2026-11-30", "", 0},
		{"FREQ=DAILY;COUNT=10000", "2026-11-30", "2060-11-30", "2026-12-01 2026-12-02 2026-12-03", rrule.MaxCount - 1},
		{"FREQ=YEARLY;INTERVAL=100;COUNT=9", "2026-11-30", "2326-11-30", "2126-11-30 2226-11-30 2326-11-30", 3}, // However long ago.
		{"FREQ=YEARLY;INTERVAL=100", "2126-11-30", "2300-11-30", "2226-11-30", 1},
	} {
		first, total := parse(t, c.rule).Between(start, at(t, c.after).Date, at(t, c.last).Date, 3)
		if got := format(first); got != c.want || total != c.total {
			t.Errorf("%s after %s up to %s:\n got %s of %d\nwant %s of %d", c.rule, c.after, c.last, got, total, c.want, c.total)
		}
	}
}

// The weeks of BYWEEKNO are those of ISO 8601, counted from the beginning of the year or from its end.
func TestWeekNumbers(t *testing.T) {
	t.Parallel()
	first, last := time.Date(1900, time.January, 1, 0, 0, 0, 0, time.UTC), time.Date(2110, time.December, 31, 0, 0, 0, 0, time.UTC)
	want := map[int][]time.Time{}
	for day := first; !day.After(last); day = day.AddDate(0, 0, 1) {
		year, week := day.ISOWeek()
		_, weeks := time.Date(year, time.December, 28, 0, 0, 0, 0, time.UTC).ISOWeek() // It is in the last week.
		want[week] = append(want[week], day)
		want[week-weeks-1] = append(want[week-weeks-1], day)
	}
	for _, number := range []int{1, 2, 51, 52, 53, -1, -2, -51, -52, -53} {
		rule := parse(t, fmt.Sprintf("FREQ=YEARLY;BYWEEKNO=%d", number))
		if got := rule.Days(first, first.Year(), last.Year(), true); !slices.Equal(got, want[number]) {
			t.Errorf("week %d: %d days, want %d", number, len(got), len(want[number]))
		}
	}
	// The first week of 2022 from Sunday on is that of 2 January, so 1 January is in the last one of 2021.
	sunday := parse(t, "FREQ=YEARLY;BYWEEKNO=52;WKST=SU;BYDAY=SA").Days(first, 2022, 2022, true)
	if want := []time.Time{time.Date(2022, time.January, 1, 0, 0, 0, 0, time.UTC), time.Date(2022, time.December, 31, 0, 0, 0, 0, time.UTC)}; !slices.Equal(sunday, want) {
		t.Errorf("week 52 of 2022 from Sunday on: %v, want %v", sunday, want)
	}
}

// TestYearKinds: the days of a year are those that rrule-go finds for that year.
func TestYearKinds(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 0))
	for _, text := range []string{
		"FREQ=YEARLY;BYWEEKNO=53", "FREQ=YEARLY;BYWEEKNO=1,52", "FREQ=YEARLY;BYWEEKNO=53;WKST=SU", "FREQ=YEARLY;BYWEEKNO=-1", "FREQ=YEARLY;BYWEEKNO=-53;WKST=TH", "FREQ=YEARLY;BYWEEKNO=-52,-53", "FREQ=DAILY",
		"FREQ=YEARLY;BYYEARDAY=366,-1", "FREQ=YEARLY;BYDAY=53MO,-1SU", "FREQ=MONTHLY;BYDAY=-5FR", "FREQ=YEARLY", "FREQ=MONTHLY", "", "", "", "", "", "",
	} {
		random, start := randomRule(random)
		if text == "" {
			text = random
		}
		got, want := parse(t, text).Days(start, 1890, 2110, true), parse(t, text).Days(start, 1890, 2110, false)
		if !slices.Equal(got, want) {
			t.Errorf("%s from %s: %d days, want %d", text, start, len(got), len(want))
		}
	}
}

func TestAfterCompletion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ rule, start, day, want string }{
		{"FREQ=DAILY;INTERVAL=3", "2026-11-30", "2026-12-05", "2026-12-08"},
		{"FREQ=WEEKLY;INTERVAL=2", "2026-11-30", "2026-12-05", "2026-12-19"},
		{"FREQ=MONTHLY", "2026-11-30", "2027-01-31", "2027-02-28"},
		{"FREQ=MONTHLY;INTERVAL=13", "2026-11-30", "2027-01-31", "2028-02-29"},
		{"FREQ=YEARLY", "2026-11-30", "2028-02-29", "2029-02-28"},
		{"FREQ=DAILY", "2026-11-30T09:30 Asia/Tokyo", "2026-12-05", "2026-12-06T09:30"},
		{"FREQ=DAILY", "2026-11-30T02:30 America/New_York", "2027-03-13", "2027-03-14T03:30"},
		{"FREQ=DAILY;UNTIL=20261206", "2026-11-30", "2026-12-05", "2026-12-06"},
		{"FREQ=DAILY;UNTIL=20261206", "2026-11-30", "2026-12-06", ""},
		{"FREQ=YEARLY;INTERVAL=50", "2026-11-30", "2026-11-30", "2076-11-30"},
		{"FREQ=YEARLY;INTERVAL=51", "2026-11-30", "2026-11-30", ""},
		{"FREQ=YEARLY;INTERVAL=1000", "2026-11-30", "9999-11-30", ""},
		{"FREQ=DAILY", "2026-11-30", "9999-12-31", ""},
	} {
		next, ok := parse(t, c.rule).AfterCompletion(at(t, c.day).Date, at(t, c.start))
		got := ""
		if ok {
			got = format([]rrule.Time{next})
		}
		if got != c.want {
			t.Errorf("%s from %s, completed on %s: got %q, want %q", c.rule, c.start, c.day, got, c.want)
		}
	}
}

// The occurrences of random series are in order, and what is after one of them are those that follow it in the whole list.
func TestAfterContinues(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 0))
	names := timezone.Names()
	for range 500 {
		text, day := randomRule(random)
		zone, err := timezone.Load(names[random.IntN(len(names))])
		if err != nil {
			t.Fatal(err)
		}
		rule, start := parse(t, text), moment(time.Date(day.Year(), day.Month(), day.Day(), day.Hour(), day.Minute(), 0, 0, zone), zone)
		all := rule.First(start, 60)
		for i, o := range all {
			if i > 0 && !o.At.After(*all[i-1].At) {
				t.Errorf("%s from %v in %s: %v is followed by %v", text, start.At, zone, all[i-1].At, o.At)
			}
		}
		if len(all) < 10 {
			continue
		}
		i := random.IntN(len(all) - 5)
		if got, want := format(rule.After(start, *all[i].At, 4)), format(all[i+1:i+5]); got != want {
			t.Errorf("%s from %v in %s after %v:\n got %s\nwant %s", text, start.At, zone, all[i].At, got, want)
		}
		between, total := rule.Between(start, *all[i].At, *all[i+4].At, 10)
		if got, want := format(between), format(all[i+1:i+5]); got != want || total != 4 {
			t.Errorf("%s from %v in %s between %v and %v:\n got %s (%d)\nwant %s", text, start.At, zone, all[i].At, all[i+4].At, got, total, want)
		}
	}
}

func parse(t *testing.T, text string) *rrule.Rule {
	t.Helper()
	rule, err := rrule.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return rule
}

// at reads a day, or a wall-clock time and its time zone.
func at(t *testing.T, text string) rrule.Time {
	t.Helper()
	clock, name, ok := strings.Cut(text, " ")
	if !ok {
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		return rrule.Time{Date: day}
	}
	zone, err := timezone.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	value, err := time.ParseInLocation(minutes, clock, zone)
	if err != nil {
		t.Fatal(err)
	}
	return moment(value, zone)
}

// format writes occurrences as days or wall-clock times.
func format(occurrences []rrule.Time) string {
	var texts []string
	for _, o := range occurrences {
		text := o.Date.Format(time.DateOnly)
		if o.At != nil {
			if clock := o.At.In(o.Zone).Format(minutes); !strings.HasPrefix(clock, text) {
				text = "not on " + text + ": " + clock
			} else {
				text = clock
			}
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}
