package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// reminderInstruments measure how reminders fire.
type reminderInstruments struct {
	late    metric.Float64Histogram
	expired metric.Int64Counter
}

func newReminderInstruments(b *builder) reminderInstruments {
	late, err := b.meter.Float64Histogram("taskql.reminders.delay", metric.WithUnit("s"), metric.WithDescription("Time from when a reminder was due until it fired"),
		metric.WithExplicitBucketBoundaries(0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600, 14400, 86400))
	b.keep(err)
	return reminderInstruments{late: late, expired: b.counter("taskql.reminders.expired", "Reminders that were more than a day late, and didn't fire")}
}

// ReminderFired counts a reminder that has fired, and measures how late it was.
func (t *Telemetry) ReminderFired(late time.Duration) {
	if t == nil {
		return
	}
	t.instruments.reminders.late.Record(context.Background(), late.Seconds())
}

// RemindersExpired counts reminders that were too late to fire. A count of 0 makes alerts see the first one.
func (t *Telemetry) RemindersExpired(count int) {
	if t == nil {
		return
	}
	t.instruments.reminders.expired.Add(context.Background(), int64(count))
}
