package rrule_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"taskql/internal/rrule"
	"taskql/internal/timezone"
)

// A text is refused with an *Error that names a part of it, or its canonical form means the same and is its own.
func FuzzParse(f *testing.F) {
	for _, text := range costly() {
		f.Add(text)
	}
	f.Add("rscale=gregorian;freq=monthly;bymonthday=28,31;skip=backward;until=20261231T170000Z;wkst=su")
	f.Add("FREQ=DAILY;COUNT=0;INTERVAL=-1;BYEASTER=1")
	f.Fuzz(func(t *testing.T, text string) {
		rule, err := rrule.Parse(text)
		if refused := (*rrule.Error)(nil); errors.As(err, &refused) {
			if !strings.Contains(strings.ToUpper(text), refused.Part) && refused.Part != "FREQ" || len(refused.Message) > 300 {
				t.Errorf("%q: %+v", text, refused)
			}
			return
		}
		if err != nil {
			t.Fatalf("%q: %v is not an *Error", text, err)
		}
		canonical := rule.String()
		again, err := rrule.Parse(canonical)
		if err != nil || again.String() != canonical {
			t.Fatalf("%q: %s is not canonical: %v, %v", text, canonical, again, err)
		}
		start := moment(time.Date(2026, time.January, 31, 9, 30, 15, 0, time.UTC), time.UTC)
		if got, want := format(again.First(start, 5)), format(rule.First(start, 5)); got != want {
			t.Errorf("%q means %s, but %s means %s", text, want, canonical, got)
		}
	})
}

// The occurrences of every rule, from every start and in every time zone, are in order, after what was asked for, within UNTIL, COUNT
// and 50 years, and at the day that their moment has.
func FuzzExpand(f *testing.F) {
	for i, text := range costly() {
		f.Add(text, int64(i)*1e8, int64(i)*2e8, uint16(i*50))
	}
	names := timezone.Names()
	f.Fuzz(func(t *testing.T, text string, startsAt, after int64, zoneIndex uint16) {
		rule, err := rrule.Parse(text)
		if err != nil {
			return
		}
		zone, err := timezone.Load(names[int(zoneIndex)%len(names)])
		if err != nil {
			t.Fatal(err)
		}
		start := moment(inYears(startsAt), zone)
		if year := start.Date.Year(); year < 1 || year > 9999 {
			return
		}
		if zoneIndex%5 == 0 {
			start = rrule.Time{Date: start.Date}
		}
		from := inYears(after)
		checkExpansion(t, rule, start, from)
	})
}

// inYears returns a moment of the years 1 to 9999.
func inYears(seconds int64) time.Time {
	first, last := time.Time{}.Unix(), time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC).Unix()
	return time.Unix(first+int64(uint64(seconds)%uint64(last-first)), 0)
}

func checkExpansion(t *testing.T, rule *rrule.Rule, start rrule.Time, after time.Time) {
	t.Helper()
	value := func(o rrule.Time) time.Time {
		if o.At != nil {
			return *o.At
		}
		return o.Date
	}
	first := rule.First(start, 30)
	if len(first) > 30 || rule.Count() > 0 && len(first) > rule.Count() {
		t.Errorf("%s: %d occurrences", rule, len(first))
	}
	next := rule.After(start, after, 30)
	between, total := rule.Between(start, value(start), after, 30)
	if len(between) != min(total, 30) {
		t.Errorf("%s: %d of %d", rule, len(between), total)
	}
	following := rule.After(start, value(start), len(between)) // It looks 50 years ahead, and Between at all that was missed.
	if n := len(following); n > len(between) || format(following) != format(between[:n]) || n < len(between) && between[n].Date.Year()-start.Date.Year() < rrule.Years {
		t.Errorf("%s from %v: up to %v there are %s, and After returns %s", rule, start, after, format(between), format(following))
	}
	within, found := rule.Within(start, value(start), after)
	if following := rule.After(start, value(start), 1); rule.Count() == 0 && len(following) > 0 {
		if want := !value(following[0]).After(after); found != want || found && !value(within).Equal(value(following[0])) {
			t.Errorf("%s from %v: the first up to %v is %v, %t, and After returns %v", rule, start, after, within, found, following)
		}
	}
	for _, list := range [][]rrule.Time{first, next, between} {
		for i, o := range list {
			if i > 0 && !value(o).After(value(list[i-1])) || value(o).Before(value(start)) {
				t.Errorf("%s from %v: %v is out of order", rule, start, o)
			}
			if o.At != nil && o.At.In(o.Zone).Format(time.DateOnly) != o.Date.Format(time.DateOnly) {
				t.Errorf("%s from %v: %v isn't on %v", rule, start, o.At, o.Date)
			}
		}
	}
	if len(next) > 0 && !value(next[0]).After(after) || len(between) > 0 && value(between[len(between)-1]).After(after) {
		t.Errorf("%s from %v: after %v is %v, and up to it %v", rule, start, after, next, between)
	}
	if o, ok := rule.AfterCompletion(start.Date, start); ok && !value(o).After(value(start).AddDate(0, 0, -1)) {
		t.Errorf("%s from %v: completed on that day, the next is %v", rule, start, o)
	}
}
