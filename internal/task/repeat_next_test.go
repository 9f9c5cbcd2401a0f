package task_test

import (
	"encoding/json"
	"testing"
	"time"

	"taskql/internal/recurrence"
	"taskql/internal/task"
)

// Up to the moment that NextChange returns, the clock changes nothing of what follows open occurrences, and just after it something.
// It examines few rules.
func TestNextChangeOfSeries(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		series, err := recurrence.New(recurrence.Config{Workspaces: env.workspaces})
		if err != nil {
			t.Fatal(err)
		}
		morning := time.Date(2026, 11, 23, 7, 30, 0, 0, time.UTC)
		env.clock.set(morning)
		create := func(at time.Time, in *recurrence.Input) {
			due := &task.DueInput{At: &task.MomentInput{At: at, TimeZone: ptr("Europe/Berlin")}}
			env.createRepeating(ctx, t, v, "take a pill", due, in)
		}
		midnight := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
		next := func(now time.Time) string {
			found, err := series.Next(ctx, v, now, env.client.Recurrence.Query().AllX(ctx), 3)
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(found)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		check := func(name string, now, want time.Time) {
			t.Helper()
			until, err := series.NextChange(ctx, v, now, midnight)
			if err != nil || !until.Equal(want) {
				t.Errorf("%s: want %v, got %v, %v", name, want, until, err)
			}
			if before := next(now); before != next(until) || until.Before(midnight) && before == next(until.Add(time.Microsecond)) {
				t.Errorf("%s: the next ones don't change after %v", name, until)
			}
		}
		create(morning.Add(30*24*time.Hour), rule("FREQ=DAILY;BYHOUR=8,9,10,11"))
		check("not yet due", morning, midnight)
		create(morning.Add(-24*time.Hour), &recurrence.Input{Rule: "FREQ=DAILY", Mode: recurrence.Schedule, CatchUp: recurrence.Each})
		check("each", morning, midnight)
		create(morning.Add(-24*time.Hour), &recurrence.Input{Rule: "FREQ=DAILY", Mode: recurrence.AfterCompletion, CatchUp: recurrence.NextFuture})
		check("after completion, at midnight in Berlin", morning, time.Date(2026, 11, 23, 23, 0, 0, 0, time.UTC).Add(-time.Microsecond))
		create(time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC), rule("FREQ=DAILY;BYHOUR=8,22;COUNT=100"))
		check("late", morning, time.Date(2026, 11, 23, 21, 0, 0, 0, time.UTC).Add(-time.Microsecond))
		create(morning.Add(-24*time.Hour), rule("FREQ=DAILY;BYHOUR=8,9"))
		check("earlier", morning, time.Date(2026, 11, 23, 8, 30, 0, 0, time.UTC).Add(-time.Microsecond))

		for range 8 {
			create(morning.Add(-24*time.Hour), rule("FREQ=DAILY"))
		}
		if until, err := series.NextChange(ctx, v, morning, midnight); err != nil || !until.Equal(morning) {
			t.Errorf("with more than 10 rules to examine: %v, %v", until, err)
		}
	})
}
