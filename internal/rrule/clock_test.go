package rrule_test

import (
	"testing"
	"time"

	"taskql/internal/rrule"
)

// Go says of a moment on the last day of a leap year that its offset has ended already.
func TestMomentAfterLeapYear(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for year := 2025; year <= 2061; year++ {
		wall := time.Date(year, 1, 1, 9, 0, 0, 0, time.UTC)
		if got, want := rrule.Moment(wall, zone), wall.Add(5*time.Hour); !got.Equal(want) {
			t.Errorf("%v is %v, want %v", wall, got, want)
		}
	}
}
