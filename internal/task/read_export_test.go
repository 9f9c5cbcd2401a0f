package task

import "time"

// TextKeys is textKeys, for tests that fill the database themselves.
func TextKeys(title string, description *string) ([]byte, string) {
	return textKeys(title, description)
}

// StartOfDay is startOfDay.
func StartOfDay(day time.Time, location *time.Location) time.Time { return startOfDay(day, location) }
