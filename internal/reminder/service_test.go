package reminder_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/uuid"

	"taskql/ent"
	entreminder "taskql/ent/reminder"
	"taskql/internal/feed"
	"taskql/internal/reminder"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// env is a replica with a user.
type env struct {
	*replica
	*clock

	client *ent.Client
	v      viewer.Viewer
	ctx    context.Context //nolint:containedctx // The user's, in every call.
}

// eachEnv runs a test on both databases.
func eachEnv(t *testing.T, test func(t *testing.T, e *env)) {
	t.Helper()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		c := newClock()
		e := &env{clock: c, client: testkit.Database(driver).Client}
		e.replica = newReplica(t, driver, nil, c.Now)
		e.v = testkit.MakeViewer(t, e.client, "alice")
		e.ctx = viewer.NewContext(t.Context(), e.v)
		test(t, e)
	})
}

// fire fires what is due.
func (e *env) fire(t *testing.T) {
	t.Helper()
	if err := e.Fire(viewer.AsSystem(e.ctx)); err != nil {
		t.Fatal(err)
	}
}

// rezone computes the reminders again that are in old time zones.
func (e *env) rezone(t *testing.T) {
	t.Helper()
	check(t, e.RezoneAll(viewer.AsSystem(e.ctx)))
}

// wantStates checks the states of the user's reminders of a task.
func (e *env) wantStates(t *testing.T, id uuid.UUID, want ...string) {
	t.Helper()
	if got := e.states(t, e.v, id); !slices.Equal(got, want) {
		t.Errorf("the reminders are %q, want %q", got, want)
	}
}

// check fails the test if a change has failed.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came true that %s", what)
		}
	}
}

func dayBefore(days, minute int) *reminder.Input {
	return &reminder.Input{DayBefore: &reminder.Day{Days: days, Time: minute}}
}

func dueOn(text string) *task.DueInput {
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return &task.DueInput{Date: &day}
}

// TestClockJumps: what has fired doesn't fire again when the clock is set back, and what waits fires when it is set ahead, unless it is
// more than a day late.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	eachEnv(t, func(t *testing.T, e *env) {
		first := e.remind(t, e.v, nil, at(e.Now().Add(time.Minute)))
		late := e.remind(t, e.v, nil, at(e.Now().Add(2*time.Hour)))
		e.advance(time.Hour)
		e.fire(t)
		e.wantStates(t, first, reminder.Fired)
		e.advance(-2 * time.Hour)
		e.fire(t)
		e.advance(90 * time.Minute)
		e.fire(t)
		e.wantStates(t, first, reminder.Fired)
		e.wantStates(t, late, reminder.Waiting)
		e.advance(100 * time.Hour)
		e.fire(t)
		e.wantStates(t, late, reminder.Expired)
		if n := e.fired.Load(); n != 1 {
			t.Errorf("%d have fired", n)
		}
	})
}

// TestSubtasksAreFollowed: the reminders of tasks that are deleted and restored with a task above them follow.
func TestSubtasksAreFollowed(t *testing.T) {
	t.Parallel()
	eachEnv(t, func(t *testing.T, e *env) {
		root := e.remind(t, e.v, nil, at(e.Now().Add(time.Hour)))
		child := e.remind(t, e.v, nil, at(e.Now().Add(time.Hour)), at(e.Now().Add(2*time.Hour)))
		parent := root.String()
		_, err := e.tasks.Move(e.ctx, e.v, task.MoveInput{ID: child.String(), ParentID: workspace.Optional[*string]{Set: true, Value: &parent}})
		check(t, err)
		_, err = e.tasks.Delete(e.ctx, e.v, workspace.TargetInput{ID: parent})
		check(t, err)
		e.wantStates(t, child, reminder.Cancelled, reminder.Cancelled)
		e.advance(90 * time.Minute)
		e.fire(t)
		_, err = e.tasks.Restore(e.ctx, e.v, workspace.TargetInput{ID: parent})
		check(t, err)
		e.wantStates(t, root, reminder.Cancelled)
		e.wantStates(t, child, reminder.Cancelled, reminder.Waiting)
	})
}

// TestZoneIsSet: days are computed again when the owner's zone is set, also if the server has stopped in between; what has fired stays.
func TestZoneIsSet(t *testing.T) {
	t.Parallel()
	eachEnv(t, func(t *testing.T, e *env) {
		zone := func(name string) {
			e.client.User.UpdateOneID(e.v.UserID).SetTimeZone(name).ExecX(viewer.AsSystem(e.ctx))
		}
		fires := func(id uuid.UUID) string {
			t.Helper()
			rows, err := e.Of(e.ctx, e.v, []uuid.UUID{id}, nil)
			check(t, err)
			if rows[id][0].FireAt == nil {
				return rows[id][0].State
			}
			return rows[id][0].FireAt.Format(time.RFC3339)
		}
		zone("Asia/Tokyo")
		over := e.remind(t, e.v, dueOn("2026-11-23"), dayBefore(0, 15*60+30)) // 06:30 UTC, half an hour ago.
		later := e.remind(t, e.v, dueOn("2026-11-25"), dayBefore(1, 9*60))
		e.fire(t)
		for _, set := range [][2]string{
			{"Europe/Berlin", "2026-11-24T08:00:00Z"}, {"America/New_York", "2026-11-24T14:00:00Z"}, {"Asia/Tokyo", "2026-11-24T00:00:00Z"},
		} {
			name, want := set[0], set[1]
			zone(name)
			if name == "Asia/Tokyo" { // A server that starts finds what the one before has left.
				ctx, stop := context.WithCancel(e.ctx)
				ended := make(chan struct{})
				go func() { defer close(ended); e.Run(ctx) }()
				eventually(t, "the zone is that of Tokyo", func() bool { return fires(later) == want })
				stop()
				<-ended
			} else {
				e.rezone(t)
			}
			if got := fires(later); got != want {
				t.Errorf("in %s it fires at %s, want %s", name, got, want)
			}
			if got := fires(over); got != reminder.Fired {
				t.Errorf("in %s what has fired is %s", name, got)
			}
		}
		// What nobody has computed again is computed when it fires.
		zone("America/New_York")
		e.advance(20 * time.Hour)
		check(t, e.FireDue(viewer.AsSystem(e.ctx)))
		if got, want := fires(later), "2026-11-24T14:00:00Z"; got != want {
			t.Errorf("it fires at %s, want %s", got, want)
		}
	})
}

// TestManyReminders: what is due, and what is in an old time zone, is read in batches, and without the texts of tasks.
func TestManyReminders(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		statements, c := &testkit.StatementRecorder{Driver: driver}, newClock()
		client := testkit.Database(driver).Client
		r := newReplica(t, statements, nil, c.Now)
		v := testkit.MakeViewer(t, client, "alice")
		ctx := viewer.AsSystem(t.Context())
		const many = 1100
		insertDayReminders(ctx, client, v, many, time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), 9*60, time.UTC)
		client.User.UpdateOneID(v.UserID).SetTimeZone("Europe/Berlin").ExecX(ctx)
		statements.Take()
		check(t, r.RezoneAll(ctx))
		at := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
		if n := client.Reminder.Query().Where(entreminder.FireAt(at), entreminder.TimeZone("Europe/Berlin")).CountX(ctx); n != many {
			t.Errorf("%d of %d reminders are in the new time zone", n, many)
		}
		c.advance(at.Sub(c.Now()))
		check(t, r.Fire(ctx))
		if n := r.fired.Load(); n != many {
			t.Errorf("%d of %d have fired", n, many)
		}
		for _, s := range statements.Take() {
			if strings.Contains(s, "description") || strings.HasPrefix(s, "SELECT") && strings.Count(s, ", ") > 600 {
				t.Errorf("a statement reads too much: %.300s", s)
			}
		}
	})
}

// TestRemindersMove: reminders move with the tasks of an anonymous user, and become the other user's, in that user's time zone.
func TestRemindersMove(t *testing.T) {
	t.Parallel()
	eachEnv(t, func(t *testing.T, e *env) {
		system := viewer.AsSystem(e.ctx)
		anonymous := testkit.MakeViewer(t, e.client, "anonymous")
		e.client.User.UpdateOneID(e.v.UserID).SetTimeZone("Asia/Tokyo").ExecX(system)
		id := e.remind(t, anonymous, dueOn("2026-11-25"), dayBefore(1, 9*60), at(e.Now().Add(time.Hour)))
		_, before := e.inFeed(t, e.v, nil)
		if _, err := e.tasks.RemoveUser(system, task.Removal{UserID: anonymous.UserID, MoveTo: e.v.UserID}); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(e.ctx)
		ended := make(chan struct{})
		go func() { defer close(ended); e.tasks.RunRemovals(ctx) }()
		eventually(t, "the tasks have moved", func() bool { return len(e.states(t, e.v, id)) == 2 })
		stop()
		<-ended
		rows, err := e.Of(e.ctx, e.v, []uuid.UUID{id}, nil)
		check(t, err)
		if got, want := rows[id][1].FireAt.Format(time.RFC3339), "2026-11-24T00:00:00Z"; got != want {
			t.Errorf("it fires at %s, want %s", got, want)
		}
		e.advance(24 * time.Hour)
		e.fire(t)
		if seen, _ := e.inFeed(t, e.v, &before); len(seen) != 2 {
			t.Errorf("%d have come in the feed", len(seen))
		}
	})
}

// TestOthersSeeNothing: somebody else in the workspace sees that a version was taken, and nothing else: no row, no tombstone.
func TestOthersSeeNothing(t *testing.T) {
	t.Parallel()
	eachEnv(t, func(t *testing.T, e *env) {
		testkit.MakeViewer(t, e.client, "bob")
		other := viewer.Viewer{UserID: "bob", WorkspaceID: e.v.WorkspaceID, Role: viewer.RoleAdmin, Location: time.UTC}
		page := func(v viewer.Viewer, token *string) *feed.Page {
			t.Helper()
			p, err := e.feed.Page(viewer.NewContext(e.ctx, v), v, feed.Request{After: token, Selection: &feed.Selection{
				Gone: true, Kinds: map[workspace.Kind]feed.Columns{workspace.KindReminder: {Names: []string{"id"}}},
			}}, func(context.Context, *feed.Page) error { return nil })
			check(t, err)
			return p
		}
		begun := map[string]*feed.Page{"alice": page(e.v, nil), "bob": page(other, nil)}
		kept := e.remind(t, e.v, nil, at(e.Now().Add(time.Hour)), at(e.Now().Add(2*time.Hour)))
		purged := e.remind(t, e.v, nil, at(e.Now().Add(time.Hour)))
		_, err := e.Set(e.ctx, e.v, reminder.SetInput{TaskID: kept.String(), Reminders: []*reminder.Input{at(e.Now().Add(time.Hour))}})
		check(t, err)
		_, err = e.tasks.Delete(e.ctx, e.v, workspace.TargetInput{ID: purged.String()})
		check(t, err)
		_, err = e.tasks.Purge(e.ctx, e.v, workspace.TargetInput{ID: purged.String()})
		check(t, err)
		rows, err := e.Of(e.ctx, e.v, []uuid.UUID{kept}, nil)
		check(t, err)
		id := rows[kept][0].ID.String()
		for user, want := range map[string][2]int{"alice": {1, 3}, "bob": {0, 1}} { // bob sees that the task is gone.
			v := e.v
			if user == "bob" {
				v = other
			}
			p := page(v, &begun[user].Token)
			if got := [2]int{len(feed.Rows[ent.Reminder](p, workspace.KindReminder)), len(p.Gone)}; got != want || p.Version <= begun[user].Version || !p.Complete {
				t.Errorf("%s sees %v reminders and things gone, want %v", user, got, want)
			}
		}
		ctx := viewer.NewContext(e.ctx, other)
		if found, err := e.Reminders(ctx, other, []string{id}); len(found) > 0 || err != nil {
			t.Errorf("another user finds %v, %v", found, err)
		}
		if of, err := e.Of(ctx, other, []uuid.UUID{kept}, nil); len(of) > 0 || err != nil {
			t.Errorf("another user sees %v, %v", of, err)
		}
		snoozed, err := e.Snooze(ctx, other, reminder.SnoozeInput{ID: id, Until: e.Now().Add(time.Hour)})
		if err != nil || len(snoozed.UserErrors) != 1 || snoozed.UserErrors[0].Code != workspace.CodeNotFound {
			t.Errorf("another user snoozes: %v, %v", snoozed, err)
		}
		// The other one's own don't replace alice's.
		_, err = e.Set(ctx, other, reminder.SetInput{TaskID: kept.String()})
		check(t, err)
		e.wantStates(t, kept, reminder.Waiting)
	})
}

// TestCopy: the next occurrence of a task gets its relative reminders, which wait.
func TestCopy(t *testing.T) {
	t.Parallel()
	eachEnv(t, func(t *testing.T, e *env) {
		minutes := 30
		moment := e.Now().Add(time.Hour)
		due := &task.DueInput{At: &task.MomentInput{At: moment}}
		from := e.remind(t, e.v, due, at(e.Now()), &reminder.Input{MinutesBefore: &minutes}, dayBefore(0, 0))
		e.advance(40 * time.Minute)
		e.fire(t)
		e.wantStates(t, from, reminder.Fired, reminder.Fired, reminder.Fired)
		e.advance(time.Minute)
		next, err := e.tasks.Create(e.ctx, e.v, task.CreateInput{Title: "next", Due: &task.DueInput{At: &task.MomentInput{At: moment.Add(48 * time.Hour)}}})
		check(t, err)
		e.advance(time.Minute)
		check(t, e.workspaces.Apply(e.ctx, e.v, workspace.Counter{}, func(tx *workspace.Tx) error {
			next, original := tx.Task.GetX(e.ctx, next.Task.ID), tx.Task.GetX(e.ctx, from)
			if err := e.Copy(e.ctx, tx, []*ent.Task{original}, map[uuid.UUID]*ent.Task{from: next}); err != nil || !next.HasReminders {
				t.Error(err, next.HasReminders)
			}
			return nil
		}))
		e.wantStates(t, next.Task.ID, reminder.Waiting, reminder.Waiting)
	})
}

// TestRun fires what this process sets, at its time, and ends with its context.
func TestRun(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		r := newReplica(t, driver, nil, time.Now)
		v := testkit.MakeViewer(t, testkit.Database(driver).Client, "alice")
		ctx, stop := context.WithCancel(viewer.NewContext(t.Context(), v))
		ended := make(chan struct{})
		go func() { defer close(ended); r.Run(ctx) }()
		id := r.remind(t, v, nil, at(time.Now().Add(300*time.Millisecond).Truncate(time.Microsecond)), at(time.Now().Add(time.Hour).Truncate(time.Microsecond)))
		eventually(t, "it has fired", func() bool { return slices.Equal(r.states(t, v, id), []string{reminder.Fired, reminder.Waiting}) })
		stop()
		<-ended
	})
}
