package rrule_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"taskql/internal/rrule"
)

// Rules and their canonical forms.
func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"FREQ=DAILY": "FREQ=DAILY",
		"freq=weekly;byday=we,mo,WE;interval=1;wkst=mo": "FREQ=WEEKLY;BYDAY=MO,WE",
		"COUNT=3;BYDAY=-1FR,2MO,+1MO;FREQ=MONTHLY":      "FREQ=MONTHLY;BYDAY=1MO,2MO,-1FR;COUNT=3",
		"FREQ=MONTHLY;BYDAY=1TU,MO":                     "FREQ=MONTHLY;BYDAY=MO,1TU",
		"FREQ=MONTHLY;BYMONTHDAY=-1,31,+07":             "FREQ=MONTHLY;BYMONTHDAY=7,31,-1",
		"UNTIL=20261231;FREQ=DAILY;INTERVAL=02":         "FREQ=DAILY;INTERVAL=2;UNTIL=20261231",
		"FREQ=DAILY;UNTIL=20261231T170000Z":             "FREQ=DAILY;UNTIL=20261231T170000Z",
		"FREQ=DAILY;UNTIL=20261231T000000Z":             "FREQ=DAILY;UNTIL=20261231T000000Z",
		"FREQ=DAILY;BYHOUR=17,9;BYSECOND=60,59":         "FREQ=DAILY;BYHOUR=9,17;BYSECOND=59",
		"FREQ=YEARLY;BYWEEKNO=-1,20;BYDAY=MO;WKST=SU":   "FREQ=YEARLY;BYWEEKNO=20,-1;BYDAY=MO;WKST=SU",
		"FREQ=YEARLY;BYYEARDAY=-366,366;BYMONTH=12,2":   "FREQ=YEARLY;BYMONTH=2,12;BYYEARDAY=366,-366",
		"FREQ=MONTHLY;BYSETPOS=-1;BYDAY=MO,TU,WE,TH,FR": "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
		"FREQ=MONTHLY;BYDAY=53MO":                       "FREQ=MONTHLY;BYDAY=53MO",

		// RFC 7529.
		"FREQ=MONTHLY;BYMONTHDAY=31;SKIP=BACKWARD":                              "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1",
		"FREQ=MONTHLY;BYMONTHDAY=30;SKIP=BACKWARD":                              "FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1",
		"RSCALE=GREGORIAN;FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;SKIP=BACKWARD":    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=28,29;BYSETPOS=-1",
		"FREQ=MONTHLY;BYMONTHDAY=28,1,31;SKIP=BACKWARD":                         "FREQ=MONTHLY;BYMONTHDAY=1,28,29,30,31;BYSETPOS=1,2,-1",
		"FREQ=MONTHLY;BYMONTHDAY=15,-1;SKIP=BACKWARD":                           "FREQ=MONTHLY;BYMONTHDAY=15,-1",
		"FREQ=MONTHLY;BYMONTHDAY=31;SKIP=OMIT":                                  "FREQ=MONTHLY;BYMONTHDAY=31",
		"FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=31;SKIP=BACKWARD;COUNT=4;BYHOUR=12": "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=28,29,30,31;BYHOUR=12;BYSETPOS=-1;COUNT=4",
	} {
		rule, err := rrule.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := rule.String(); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		if again, err := rrule.Parse(want); err != nil || again.String() != want {
			t.Errorf("%s is not canonical: %v, %v", want, again, err)
		}
	}
}

// Rules that are refused, and the part that the error names.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                            "",
		"DAILY":                       "",
		"FREQ=":                       "",
		"FREQ=DAILY;":                 "",
		";FREQ=DAILY":                 "",
		"FREQ=DAILY; COUNT=2":         "",
		"FREQ=DA\u0131LY":             "", // strings.ToUpper makes it an I.
		"RRULE:FREQ=DAILY":            "",
		"DTSTART=20260101;FREQ=DAILY": "",
		"FREQ=YEARLY;BYYEARDAY=1" + strings.Repeat(",100", rrule.MaxLength/4): "",

		"INTERVAL=2":             "FREQ",
		"FREQ=HOURLY":            "FREQ",
		"FREQ=MINUTELY":          "FREQ",
		"FREQ=SECONDLY":          "FREQ",
		"FREQ=FORTNIGHTLY":       "FREQ",
		"FREQ=DAILY;FREQ=DAILY":  "FREQ",
		"FREQ=DAILY;freq=WEEKLY": "FREQ",

		"FREQ=DAILY;INTERVAL=0":                   "INTERVAL",
		"FREQ=DAILY;INTERVAL=-1":                  "INTERVAL",
		"FREQ=DAILY;INTERVAL=+1":                  "INTERVAL",
		"FREQ=DAILY;INTERVAL=1.5":                 "INTERVAL",
		"FREQ=DAILY;INTERVAL=1,2":                 "INTERVAL",
		"FREQ=DAILY;INTERVAL=1001":                "INTERVAL",
		"FREQ=DAILY;INTERVAL=9999999999999999999": "INTERVAL",
		"FREQ=DAILY;COUNT=0":                      "COUNT",
		"FREQ=DAILY;COUNT=-5":                     "COUNT",
		"FREQ=DAILY;COUNT=10001":                  "COUNT",
		"FREQ=DAILY;COUNT=1;COUNT=1":              "COUNT",
		"FREQ=DAILY;COUNT=2;UNTIL=20270101":       "UNTIL",
		"FREQ=DAILY;UNTIL=2026-12-31":             "UNTIL",
		"FREQ=DAILY;UNTIL=20260230":               "UNTIL",
		"FREQ=DAILY;UNTIL=20261231T170000":        "UNTIL", // Neither a day nor in UTC.
		"FREQ=DAILY;UNTIL=20261231T250000Z":       "UNTIL",
		"FREQ=DAILY;UNTIL=00000101":               "UNTIL",

		"FREQ=WEEKLY;BYDAY=2MO":                              "BYDAY",
		"FREQ=DAILY;BYDAY=-1FR":                              "BYDAY",
		"FREQ=YEARLY;BYWEEKNO=20;BYDAY=1MO":                  "BYDAY",
		"FREQ=MONTHLY;BYDAY=0MO":                             "BYDAY",
		"FREQ=MONTHLY;BYDAY=54MO":                            "BYDAY",
		"FREQ=MONTHLY;BYDAY=-54MO":                           "BYDAY",
		"FREQ=MONTHLY;BYDAY=MO,":                             "BYDAY",
		"FREQ=MONTHLY;BYDAY=M":                               "BYDAY",
		"FREQ=MONTHLY;BYDAY=MON":                             "BYDAY",
		"FREQ=MONTHLY;BYDAY=--1MO":                           "BYDAY",
		"FREQ=MONTHLY;BYWEEKNO=20":                           "BYWEEKNO",
		"FREQ=WEEKLY;BYWEEKNO=20":                            "BYWEEKNO",
		"FREQ=DAILY;BYWEEKNO=20":                             "BYWEEKNO",
		"FREQ=YEARLY;BYWEEKNO=0":                             "BYWEEKNO",
		"FREQ=YEARLY;BYWEEKNO=54":                            "BYWEEKNO",
		"FREQ=MONTHLY;BYYEARDAY=1":                           "BYYEARDAY",
		"FREQ=WEEKLY;BYYEARDAY=1":                            "BYYEARDAY",
		"FREQ=DAILY;BYYEARDAY=1":                             "BYYEARDAY",
		"FREQ=YEARLY;BYYEARDAY=367":                          "BYYEARDAY",
		"FREQ=WEEKLY;BYMONTHDAY=1":                           "BYMONTHDAY",
		"FREQ=MONTHLY;BYMONTHDAY=0":                          "BYMONTHDAY",
		"FREQ=MONTHLY;BYMONTHDAY=-0":                         "BYMONTHDAY",
		"FREQ=MONTHLY;BYMONTHDAY=32":                         "BYMONTHDAY",
		"FREQ=MONTHLY;BYMONTHDAY=-32":                        "BYMONTHDAY",
		"FREQ=MONTHLY;BYMONTHDAY=1,,2":                       "BYMONTHDAY",
		"FREQ=YEARLY;BYMONTH=0":                              "BYMONTH",
		"FREQ=YEARLY;BYMONTH=13":                             "BYMONTH",
		"FREQ=YEARLY;BYMONTH=-1":                             "BYMONTH",
		"FREQ=DAILY;BYHOUR=24":                               "BYHOUR",
		"FREQ=DAILY;BYHOUR=-0":                               "BYHOUR",
		"FREQ=DAILY;BYMINUTE=60":                             "BYMINUTE",
		"FREQ=DAILY;BYSECOND=61":                             "BYSECOND",
		"FREQ=DAILY;BYHOUR=0,1,2,3,4;BYMINUTE=0,10,20,30,40": "BYHOUR",
		"FREQ=MONTHLY;BYSETPOS=1":                            "BYSETPOS",
		"FREQ=MONTHLY;BYDAY=MO;BYSETPOS=0":                   "BYSETPOS",
		"FREQ=MONTHLY;BYDAY=MO;BYSETPOS=367":                 "BYSETPOS",
		"FREQ=WEEKLY;WKST=1MO":                               "WKST",
		"FREQ=YEARLY;BYEASTER=0":                             "BYEASTER",
		"FREQ=DAILY;X-OWN=1":                                 "X-OWN",

		"FREQ=MONTHLY;SKIP=BACKWARD":                          "SKIP",
		"FREQ=MONTHLY;BYMONTHDAY=31;SKIP=FORWARD":             "SKIP",
		"FREQ=DAILY;BYMONTHDAY=31;SKIP=BACKWARD":              "SKIP",
		"FREQ=MONTHLY;BYMONTHDAY=30,31;SKIP=BACKWARD":         "SKIP",
		"FREQ=MONTHLY;BYMONTHDAY=-31;SKIP=BACKWARD":           "SKIP",
		"FREQ=MONTHLY;BYMONTHDAY=31,-5;SKIP=BACKWARD":         "SKIP",
		"FREQ=MONTHLY;BYMONTHDAY=31;BYDAY=MO;SKIP=BACKWARD":   "SKIP",
		"FREQ=MONTHLY;BYMONTHDAY=31;BYSETPOS=1;SKIP=BACKWARD": "SKIP",
		"FREQ=MONTHLY;BYMONTHDAY=31;BYHOUR=1,2;SKIP=BACKWARD": "SKIP",
		"FREQ=YEARLY;BYMONTHDAY=31;SKIP=BACKWARD":             "SKIP",
		"FREQ=YEARLY;BYMONTH=1,2;BYMONTHDAY=31;SKIP=BACKWARD": "SKIP",
		"RSCALE=CHINESE;FREQ=MONTHLY":                         "RSCALE",
	} {
		rule, err := rrule.Parse(text)
		var refused *rrule.Error
		if !errors.As(err, &refused) {
			t.Errorf("%s: got %v, %v; want an *Error", text, rule, err)
			continue
		}
		if refused.Part != want {
			t.Errorf("%s: the error names %q, want %q: %v", text, refused.Part, want, err)
		}
		if !strings.Contains(refused.Message, refused.Part) || !strings.HasSuffix(refused.Message, ".") {
			t.Errorf("%s: %q", text, refused.Message)
		}
	}
}

// What can only be checked with the start.
func TestCheckStart(t *testing.T) {
	t.Parallel()
	at := moment(time.Date(2026, time.January, 31, 9, 0, 0, 0, time.UTC), time.UTC)
	day := rrule.Time{Date: at.Date}
	const ok = "ok"
	for _, c := range []struct {
		rule, forDay, forMoment string
	}{
		{"FREQ=DAILY", ok, ok},
		{"FREQ=DAILY;BYHOUR=9", "BYHOUR", ok},
		{"FREQ=DAILY;BYMINUTE=0", "BYMINUTE", ok},
		{"FREQ=DAILY;BYSECOND=0", "BYSECOND", ok},
		{"FREQ=DAILY;UNTIL=20260131", ok, ok},
		{"FREQ=DAILY;UNTIL=20260130", "UNTIL", "UNTIL"},
		{"FREQ=DAILY;UNTIL=20260131T090000Z", "UNTIL", ok},
		{"FREQ=DAILY;UNTIL=20260131T085959Z", "UNTIL", "UNTIL"},
		{"FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=4", "", ""},
		{"FREQ=MONTHLY;INTERVAL=12;BYMONTH=4", "", ""},
		{"FREQ=MONTHLY;BYDAY=6MO", "", ""},
		{"FREQ=MONTHLY;BYDAY=6MO,1TU", ok, ok},
		{"FREQ=YEARLY;INTERVAL=49;BYYEARDAY=1", ok, ok},
		{"FREQ=YEARLY;INTERVAL=51;BYYEARDAY=1", "", ""},
	} {
		rule, err := rrule.Parse(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []struct {
			start rrule.Time
			want  string
		}{{day, c.forDay}, {at, c.forMoment}} {
			err := rule.CheckStart(s.start)
			got := ok
			if refused := (*rrule.Error)(nil); errors.As(err, &refused) {
				got = refused.Part
			}
			if got != s.want {
				t.Errorf("%s from %v: got %v, want %q", c.rule, s.start, err, s.want)
			}
		}
	}
}

func TestCheckAfterCompletion(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"FREQ=MONTHLY;INTERVAL=2;COUNT=3":          "",
		"FREQ=DAILY;UNTIL=20270101":                "",
		"FREQ=WEEKLY;BYDAY=MO":                     "BYDAY",
		"FREQ=WEEKLY;WKST=SU":                      "WKST",
		"FREQ=MONTHLY;BYMONTHDAY=1":                "BYMONTHDAY",
		"FREQ=DAILY;BYHOUR=9":                      "BYHOUR",
		"FREQ=MONTHLY;BYMONTHDAY=31;SKIP=BACKWARD": "BYMONTHDAY",
	} {
		rule, err := rrule.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if refused := (*rrule.Error)(nil); errors.As(rule.CheckAfterCompletion(), &refused) {
			got = refused.Part
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestFirstYear(t *testing.T) {
	t.Parallel()
	rule, err := rrule.Parse("FREQ=YEARLY;COUNT=10000")
	if err != nil {
		t.Fatal(err)
	}
	first := time.Date(rrule.FirstYear, time.January, 1, 0, 0, 0, 0, time.UTC)
	if err := rule.CheckStart(rrule.Time{Date: first}); err != nil {
		t.Errorf("from %v: %v", first, err)
	}
	before := first.AddDate(0, 0, -1)
	if err := rule.CheckStart(rrule.Time{Date: before}); err == nil {
		t.Errorf("from %v: no error", before)
	}
}
