package reminder_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/uuid"

	"taskql/ent"
	entreminder "taskql/ent/reminder"
	"taskql/internal/reminder"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
)

// insertDayReminders inserts reminders at a minute of their tasks' due day, in a time zone.
func insertDayReminders(ctx context.Context, client *ent.Client, v viewer.Viewer, many int, due time.Time, minute int, zone *time.Location) {
	year, month, day := due.Date()
	at := time.Date(year, month, day, 0, minute, 0, 0, zone).UTC()
	var tasks []*ent.TaskCreate
	var reminders []*ent.ReminderCreate
	for range many {
		id := uuid.New()
		tasks = append(tasks, client.Task.Create().SetID(id).SetWorkspaceID(v.WorkspaceID).SetVersion(1).SetTitle("task").
			SetDueDate(due).SetHasReminders(true))
		reminders = append(reminders, client.Reminder.Create().SetID(uuid.New()).SetWorkspaceID(v.WorkspaceID).SetVersion(1).SetTaskID(id).
			SetUserID(v.UserID).SetDaysBefore(0).SetTimeOfDay(minute).SetState(reminder.Waiting).SetTimeZone(zone.String()).SetFireAt(at))
	}
	for batch := range slices.Chunk(tasks, 100) {
		client.Task.CreateBulk(batch...).ExecX(ctx)
	}
	for batch := range slices.Chunk(reminders, 100) {
		client.Reminder.CreateBulk(batch...).ExecX(ctx)
	}
}

// crashing is the database of a replica that can begin a number of transactions, and then no more.
type crashing struct {
	dialect.Driver

	left atomic.Int64
}

func (d *crashing) Tx(ctx context.Context) (dialect.Tx, error) {
	if d.left.Add(-1) < 0 {
		return nil, errInjected
	}
	return d.Driver.Tx(ctx)
}

// TestZoneIsSetInParts: the replica in which a time zone is set ends after the first of three parts. Another one, which runs already,
// goes on. Nothing fires at a moment of the old zone meanwhile, and everything fires once, at that of the new zone or as soon as it is found.
func TestZoneIsSetInParts(t *testing.T) {
	t.Parallel()
	const many, crash = 1_100, 11 * time.Minute // The clocks of synctest begin at midnight UTC, and the first minutes of Run are over.
	for name, tt := range map[string]struct {
		from, to string
		day      int
		minute   int
		// leftAt is when those are looked for that are in the old zone, and left how many there are.
		leftAt time.Duration
		left   int
		// fires is when they fire, and firedBy when all have.
		fires, firedBy time.Duration
	}{
		"nothing has happened": {"Asia/Tokyo", "UTC", 2, 9*60 + 15, crash + 30*time.Second, 600, 33*time.Hour + 15*time.Minute, 34 * time.Hour},
		"the other goes on":    {"Asia/Tokyo", "UTC", 2, 9*60 + 15, crash + 11*time.Minute, 0, 33*time.Hour + 15*time.Minute, 34 * time.Hour},
		"the old moment comes": {"Asia/Tokyo", "UTC", 1, 9*60 + 15, 16 * time.Minute, 0, 9*time.Hour + 15*time.Minute, 10 * time.Hour},
		"the new one is past":  {"UTC", "Asia/Tokyo", 1, 9*60 + 5, crash + 11*time.Minute, 0, crash, crash + 11*time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
				client := testkit.Database(driver).Client
				v, system := testkit.MakeViewer(t, client, "alice"), viewer.AsSystem(t.Context())
				client.User.UpdateOneID(v.UserID).SetTimeZone(tt.from).ExecX(system)
				zone, err := time.LoadLocation(tt.from)
				check(t, err)
				insertDayReminders(system, client, v, many, time.Date(2000, 1, tt.day, 0, 0, 0, 0, time.UTC), tt.minute, zone)
				synctest.Test(t, func(t *testing.T) {
					begun, d := time.Now(), &crashing{Driver: driver}
					ending, other := newReplica(t, driver, d, time.Now), newReplica(t, driver, nil, time.Now)
					stop := ending.run(t.Context())
					defer other.run(t.Context())()
					until := func(at time.Duration) {
						for ; time.Since(begun) < at; time.Sleep(min(time.Minute, at-time.Since(begun))) {
							other.InUse()
						}
						synctest.Wait()
					}
					until(crash)
					d.left.Store(1)
					client.User.UpdateOneID(v.UserID).SetTimeZone(tt.to).ExecX(system)
					ending.ZoneSet()
					time.Sleep(time.Second)
					stop()
					until(tt.leftAt)
					if n := client.Reminder.Query().Where(entreminder.TimeZone(tt.from)).CountX(system); n != tt.left {
						t.Errorf("%d are in the old time zone, want %d", n, tt.left)
					}
					if until(tt.fires - time.Second); other.fired.Load() > 0 && tt.fires > tt.leftAt {
						t.Errorf("%d have fired too early", other.fired.Load())
					}
					until(tt.firedBy)
					fired := client.Reminder.Query().Where(entreminder.State(reminder.Fired), entreminder.FiredAtGTE(begun.Add(tt.fires))).CountX(system)
					if n := other.fired.Load(); n != many || fired != many {
						t.Errorf("%d have fired, and it says so of %d, want %d", n, fired, many)
					}
				})
			})
		})
	}
}

// watched is a database that calls a function before each statement outside of transactions.
type watched struct {
	dialect.Driver

	before func(statement string)
}

func (d *watched) Query(ctx context.Context, query string, args, v any) error {
	d.before(query)
	return d.Driver.Query(ctx, query, args, v)
}

// TestClockIsSetBackInARound: a clock that is set back after a round has begun doesn't hide what lies ahead then.
func TestClockIsSetBackInARound(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		v := testkit.MakeViewer(t, testkit.Database(driver).Client, "alice")
		synctest.Test(t, func(t *testing.T) {
			var ahead atomic.Int64
			d := &watched{Driver: driver, before: func(statement string) {
				if strings.Contains(statement, "fire_at") && strings.Contains(statement, " <= ") {
					ahead.Store(0)
				}
			}}
			r := newReplica(t, driver, d, func() time.Time { return time.Now().Add(time.Duration(ahead.Load())).UTC() })
			defer r.run(t.Context())()
			time.Sleep(11 * time.Minute)
			id := r.remind(t, v, nil, at(time.Now().Add(30*time.Minute)))
			ahead.Store(int64(time.Hour))
			r.InUse()
			time.Sleep(29 * time.Minute)
			if got := r.states(t, v, id); !slices.Equal(got, []string{reminder.Waiting}) {
				t.Errorf("before its time it is %q", got)
			}
			time.Sleep(2 * time.Minute)
			if got := r.states(t, v, id); !slices.Equal(got, []string{reminder.Fired}) {
				t.Errorf("after its time it is %q", got)
			}
		})
	})
}
