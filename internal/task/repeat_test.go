package task_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/occurrence"
	enttask "taskql/ent/task"
	"taskql/internal/recurrence"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// rule returns the input of a rule by the calendar.
func rule(text string) *recurrence.Input {
	return &recurrence.Input{Rule: text, Mode: recurrence.Schedule, CatchUp: recurrence.NextFuture}
}

func on(year int, month time.Month, day int) *task.DueInput {
	return &task.DueInput{Date: ptr(time.Date(year, month, day, 0, 0, 0, 0, time.UTC))}
}

// createRepeating creates a task that repeats from a day on.
func (env *testEnv) createRepeating(ctx context.Context, t *testing.T, v viewer.Viewer, title string, due *task.DueInput, in *recurrence.Input) *ent.Task {
	t.Helper()
	return mustSucceed(t)(env.Create(ctx, v, task.CreateInput{Title: title, Due: due, Recurrence: in}))
}

// complete completes a task and returns the next one.
func (env *testEnv) complete(ctx context.Context, t *testing.T, v viewer.Viewer, e *ent.Task) *ent.Task {
	t.Helper()
	r, err := env.Complete(ctx, v, targetOf(e))
	mustSucceed(t)(r, err)
	return r.Next
}

// history returns the log of a series in order, and its end, as in "1:COMPLETED 11-23, 2:OPEN 11-24".
func (env *testEnv) logOf(ctx context.Context, t *testing.T, id uuid.UUID) string {
	t.Helper()
	var rows []string
	for _, o := range env.client.Occurrence.Query().Where(occurrence.RecurrenceID(id)).Order(occurrence.ByNumber()).AllX(ctx) {
		if (o.At == nil) != (o.Outcome == "OPEN") {
			t.Errorf("occurrence %d is %s at %v", o.Number, o.Outcome, o.At)
		}
		due := o.DueDate.Format("01-02")
		if o.DueAt != nil {
			due = o.DueAt.UTC().Format("01-02T15:04Z")
		}
		rows = append(rows, fmt.Sprintf("%d:%s %s", o.Number, o.Outcome, due))
	}
	s := env.client.Recurrence.GetX(ctx, id)
	if s.EndedAt != nil {
		rows = append(rows, "ended")
	}
	if s.Unused {
		rows = append(rows, "unused")
	}
	return strings.Join(rows, ", ")
}

func (env *testEnv) wantLog(ctx context.Context, t *testing.T, id uuid.UUID, want string) {
	t.Helper()
	if got := env.logOf(ctx, t, id); got != want {
		t.Errorf("the log is\n%s, want\n%s", got, want)
	}
}

func TestRepeat(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		tag := env.createTag(ctx, t, v, "home")
		first := mustSucceed(t)(env.Create(ctx, v, task.CreateInput{
			Title: "water", Description: ptr("all of them"), Priority: ptr(task.PriorityHigh), Due: on(2026, 11, 23),
			TagIDs: []string{tag.ID.String()}, Recurrence: rule("freq=weekly;byday=mo,th"),
		}))
		env.checkStored(ctx, t, first)
		series := *first.RecurrenceID
		below := env.createSubtask(ctx, t, v, first, "fill the can")
		mustSucceed(t)(env.Complete(ctx, v, targetOf(below)))
		env.createSubtask(ctx, t, v, below, "find the can")
		env.wantLog(ctx, t, series, "1:OPEN 11-23")

		next := env.complete(ctx, t, v, first)
		env.checkStored(ctx, t, next)
		env.wantLog(ctx, t, series, "1:COMPLETED 11-23, 2:OPEN 11-26")
		if next.Title != "water" || *next.Description != "all of them" || next.Priority != task.PriorityHigh || env.tagNames(ctx, t, next) != "home" || *next.OccurrenceNumber != 2 {
			t.Errorf("the next is %+v", next)
		}
		copied := env.client.Task.Query().Where(enttask.ParentID(next.ID)).OnlyX(ctx)
		if copied.Title != "fill the can" || copied.Completed || env.siblingTitles(ctx, t, v, copied) != "find the can" {
			t.Errorf("the copy is %+v", copied)
		}
		// Completing it again changes nothing.
		if again := env.complete(ctx, t, v, first); again != nil {
			t.Errorf("completing twice makes %+v", again)
		}
		env.wantLog(ctx, t, series, "1:COMPLETED 11-23, 2:OPEN 11-26")

		// Reopening takes the next one back.
		r, err := env.Reopen(ctx, v, targetOf(first))
		mustSucceed(t)(r, err)
		if r.RemovedNextID == nil || *r.RemovedNextID != next.ID.String() {
			t.Errorf("removed %v", r.RemovedNextID)
		}
		env.wantLog(ctx, t, series, "1:OPEN 11-23")
		env.checkInvariants(ctx, t, v)

		// A new one that somebody has touched stays.
		next = env.complete(ctx, t, v, first)
		mustSucceed(t)(env.Update(ctx, v, task.UpdateInput{ID: next.ID.String(), Title: set(ptr("water again"))}))
		r, err = env.Reopen(ctx, v, targetOf(first))
		if e := mustSucceed(t)(r, err); r.RemovedNextID != nil || e.RecurrenceID != nil {
			t.Errorf("reopened: %+v", r)
		}
		env.wantLog(ctx, t, series, "1:COMPLETED 11-23, 2:OPEN 11-26")

		// A late completion misses what lies in the past, and today's.
		env.clock.set(time.Date(2026, 12, 10, 12, 0, 0, 0, time.UTC))
		third := env.complete(ctx, t, v, next)
		env.wantLog(ctx, t, series, "1:COMPLETED 11-23, 2:COMPLETED 11-26, 3:MISSED 11-30, 4:MISSED 12-03, 5:MISSED 12-07, 6:MISSED 12-10, 7:OPEN 12-14")

		// Skipping.
		skipped := mustSucceed(t)(env.Skip(ctx, v, task.SkipInput{ID: third.ID.String(), Number: 7}))
		env.checkStored(ctx, t, skipped)
		mustSucceed(t)(env.Skip(ctx, v, task.SkipInput{ID: third.ID.String(), Number: 7}))
		if !skipped.DueDate.Equal(time.Date(2026, 12, 17, 0, 0, 0, 0, time.UTC)) || *skipped.OccurrenceNumber != 8 {
			t.Errorf("skipped: %+v", skipped)
		}
		// Trash and restore.
		mustSucceed(t)(env.Delete(ctx, v, targetOf(third)))
		log := env.logOf(ctx, t, series)
		if !strings.HasSuffix(log, "7:SKIPPED 12-14, 8:OPEN 12-17, ended") {
			t.Error(log)
		}
		mustSucceed(t)(env.Restore(ctx, v, targetOf(third)))
		// Another rule, and none.
		mustSucceed(t)(env.Update(ctx, v, task.UpdateInput{
			ID: third.ID.String(), Recurrence: set(rule("FREQ=DAILY;COUNT=3")),
			Patch: task.Patch{Due: set(on(2026, 12, 18))},
		}))
		if log = env.logOf(ctx, t, series); !strings.HasSuffix(log, "7:SKIPPED 12-14, 8:OPEN 12-18") {
			t.Error(log)
		}
		ended := mustSucceed(t)(env.Update(ctx, v, task.UpdateInput{ID: third.ID.String(), Recurrence: set[*recurrence.Input](nil)}))
		env.checkStored(ctx, t, ended)
		if log = env.logOf(ctx, t, series); !strings.HasSuffix(log, "7:SKIPPED 12-14, ended") || ended.RecurrenceID != nil {
			t.Error(log)
		}
		// Purging what is left deletes the series.
		for _, e := range []*ent.Task{next} {
			mustSucceed(t)(env.Delete(ctx, v, targetOf(e)))
			if r, err := env.Purge(ctx, v, targetOf(e)); err != nil || len(r.UserErrors) > 0 {
				t.Error(r, err)
			}
		}
		if n := env.client.Recurrence.Query().CountX(ctx) + env.client.Occurrence.Query().CountX(ctx); n != 0 {
			t.Errorf("%d rows are left of the series", n)
		}
		env.checkInvariants(ctx, t, v)
	})
}

// A completed occurrence leaves its series if it is opened again above a task that repeats, or below one, or together with one.
func TestReopenAmongRepeating(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		daily := func(title string, parent *ent.Task) *ent.Task {
			t.Helper()
			in := task.CreateInput{Title: title, Due: on(2026, 11, 23), Recurrence: rule("FREQ=DAILY")}
			if parent != nil {
				in.ParentID = ptr(parent.ID.String())
			}
			return mustSucceed(t)(env.Create(ctx, v, in))
		}
		above := daily("above", nil)
		between := env.createSubtask(ctx, t, v, above, "between")
		env.complete(ctx, t, v, above)
		daily("below", between)
		if e := mustSucceed(t)(env.Reopen(ctx, v, targetOf(above))); e.RecurrenceID != nil {
			t.Error("a task repeats above one that repeats")
		}
		env.checkInvariants(ctx, t, v)

		other := daily("other", nil)
		env.complete(ctx, t, v, other)
		below := daily("below", other)
		env.complete(ctx, t, v, below)
		if r, err := env.ReopenMany(ctx, v, task.BulkInput{IDs: []string{other.ID.String(), below.ID.String()}}); err != nil || len(r.UserErrors) > 0 {
			t.Fatal(r, err)
		}
		if rows := env.reload(ctx, t, other, below); rows[0].RecurrenceID != nil && rows[1].RecurrenceID != nil {
			t.Error("a task repeats above one that repeats, after both were opened together")
		}
		env.checkInvariants(ctx, t, v)
	})
}

// Skipping the last occurrence takes the task out of its series. A request that arrives twice changes nothing then.
func TestSkipLastTwice(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		e := env.createRepeating(ctx, t, v, "twice", on(2026, 11, 23), rule("FREQ=DAILY;COUNT=2"))
		skip := func(number int) (*task.Result, error) {
			return env.Skip(ctx, v, task.SkipInput{ID: e.ID.String(), Number: number})
		}
		mustSucceed(t)(skip(1))
		last := mustSucceed(t)(skip(2))
		env.wantLog(ctx, t, *e.RecurrenceID, "1:SKIPPED 11-23, 2:SKIPPED 11-24, ended, unused")
		for number := 1; number <= 2; number++ {
			if again := mustSucceed(t)(skip(number)); again.Version != last.Version {
				t.Errorf("skipping %d again made version %d of %d", number, again.Version, last.Version)
			}
		}
		for _, number := range []int{0, 3} {
			if r, err := skip(number); err != nil || len(r.UserErrors) != 1 || r.UserErrors[0].Code != workspace.CodeInvalid {
				t.Errorf("skipping %d: %+v, %v", number, r, err)
			}
		}
	})
}

// However many complete an occurrence at once, there is one next.
func TestConcurrentCompletions(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		e := env.createRepeating(ctx, t, v, "water", on(2026, 11, 23), rule("FREQ=DAILY"))
		servers := []*testEnv{env, env.replica(t), env.replica(t)}
		const n = 50
		results := make([]*task.Result, n)
		errs := make([]error, n)
		var group sync.WaitGroup
		for i := range n {
			in := workspace.TargetInput{ID: e.ID.String()}
			switch i % 3 {
			case 0:
				in.IdempotencyKey = ptr("the same")
			case 1:
				in.IdempotencyKey = ptr(fmt.Sprint("key ", i))
			}
			group.Go(func() { results[i], errs[i] = servers[i%len(servers)].Complete(ctx, v, in) })
		}
		group.Wait()
		next := map[string]int{}
		for i, r := range results {
			if mustSucceed(t)(r, errs[i]); r.Next != nil {
				next[r.Next.ID.String()]++
			}
		}
		if len(next) != 1 {
			t.Errorf("the next are %v", next)
		}
		env.wantLog(ctx, t, *e.RecurrenceID, "1:COMPLETED 11-23, 2:OPEN 11-24")
		if n := env.client.Task.Query().CountX(ctx); n != 2 {
			t.Errorf("there are %d tasks", n)
		}
	})
}

// Those missed by series that are completed together share the room in the logs, and COUNT counts all of them.
func TestMissedTogether(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		var ids []string
		var last *ent.Task
		for range 11 {
			last = env.createRepeating(ctx, t, v, "water", on(2020, 1, 1), rule("FREQ=DAILY;COUNT=10000"))
			ids = append(ids, last.ID.String())
		}
		if _, err := env.CompleteMany(ctx, v, task.BulkInput{IDs: ids, ErrorPolicy: task.AllOrNothing}); err != nil {
			t.Fatal(err)
		}
		missed := env.client.Occurrence.Query().Where(occurrence.Outcome(string(recurrence.Missed))).CountX(ctx)
		if missed != 11*909 { // 10,000 for 11 series.
			t.Errorf("%d missed occurrences are stored", missed)
		}
		days := int(env.Now().Truncate(24*time.Hour).Sub(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)) / (24 * time.Hour))
		left, err := recurrence.Remaining(env.client.Recurrence.GetX(ctx, *last.RecurrenceID))
		if err != nil || left == nil || *left != 10_000-days-1 {
			t.Errorf("%v are left, %v, not %d", left, err, 10_000-days-1)
		}
	})
}
