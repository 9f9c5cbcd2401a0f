package rrule_test

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"taskql/internal/rrule"
	"taskql/internal/timezone"
)

const minutes = "2006-01-02T15:04"

// The rules of testdata/vectors.jsonl, whose first occurrences are python-dateutil's.
func TestVectors(t *testing.T) {
	t.Parallel()
	n := 0
	for v := range lines[struct {
		Rule, Start string
		First       []string
	}](t, "vectors.jsonl") {
		n++
		rule, err := rrule.Parse(v.Rule)
		if err != nil {
			t.Errorf("%s: %v", v.Rule, err)
			continue
		}
		start := moment(wall(t, v.Start), time.UTC)
		var got []string
		for _, o := range rule.First(start, max(8, len(v.First))) {
			got = append(got, o.At.Format(minutes))
		}
		if !slices.Equal(got, v.First) {
			t.Errorf("%s from %s:\n got %v\nwant %v", v.Rule, v.Start, got, v.First)
		}
	}
	if n != 600 {
		t.Errorf("%d vectors, want 600", n)
	}
}

// The times that clocks skip or show twice, in testdata/dst.jsonl: a daily series has them at the moments of section 3.3.5.
func TestDaylightSavingTime(t *testing.T) {
	t.Parallel()
	daily, err := rrule.Parse("FREQ=DAILY")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for v := range lines[struct {
		Zone, Wall string
		Moment     time.Time
	}](t, "dst.jsonl") {
		n++
		zone, err := timezone.Load(v.Zone)
		if err != nil {
			t.Fatal(err)
		}
		// The series starts two days before, at the same time of day.
		before := wall(t, v.Wall).AddDate(0, 0, -2)
		start := moment(time.Date(before.Year(), before.Month(), before.Day(), before.Hour(), before.Minute(), 0, 0, zone), zone)
		got := daily.First(start, 3)
		if !got[2].At.Equal(v.Moment) {
			t.Errorf("%s %s: got %v, want %v", v.Zone, v.Wall, got[2].At, v.Moment)
		}
		if day := v.Moment.In(zone).Format(time.DateOnly); got[2].Date.Format(time.DateOnly) != day {
			t.Errorf("%s %s: on %v, want %s", v.Zone, v.Wall, got[2].Date, day)
		}
	}
	if n != 30 {
		t.Errorf("%d cases, want 30", n)
	}
}

// lines returns the lines of a file in testdata, which are JSON.
func lines[T any](t *testing.T, name string) func(func(T) bool) {
	t.Helper()
	file, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return func(yield func(T) bool) {
		for scanner := bufio.NewScanner(file); scanner.Scan(); {
			var line T
			if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			if !yield(line) {
				return
			}
		}
	}
}

func wall(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(minutes, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// moment returns the occurrence at a moment.
func moment(at time.Time, zone *time.Location) rrule.Time {
	year, month, day := at.In(zone).Date()
	return rrule.Time{Date: time.Date(year, month, day, 0, 0, 0, 0, time.UTC), At: &at, Zone: zone}
}
