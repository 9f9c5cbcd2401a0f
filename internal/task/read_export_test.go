package task

import "time"

// Fold is fold, for tests that fill the database themselves.
func Fold(s string) string { return fold(s) }

// StartOfDay is startOfDay.
func StartOfDay(day time.Time, location *time.Location) time.Time { return startOfDay(day, location) }
