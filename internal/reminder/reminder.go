// Package reminder has the reminders of tasks. A reminder is its owner's alone. It is set to a moment, or relative to the task's due, and
// fires exactly once: firing is a change of the workspace like any other, which takes its lock and a version.
//
// # States
//
// What happens to a reminder, by its state. Its time is what it was set by, computed with the task's due and the owner's time zone.
//
//	                        WAITING                  FIRED, DISMISSED, snoozed      EXPIRED              CANCELLED
//	its time comes          FIRED                    (snoozed: FIRED at that time)  -                    -
//	found a day late        EXPIRED                  (snoozed: EXPIRED)             -                    -
//	due moved               waits for the new time   waits for the new time if      waits for the        stays; the new time counts
//	                                                 that is after its last change  new time             when the task is reopened
//	due removed             waits without a time     stays                          waits without a time stays
//	completed or trashed    CANCELLED                FIRED and DISMISSED stay,      stays                stays
//	                                                 snoozed is CANCELLED
//	reopened or restored    -                        stays                          stays                WAITING if its time, or until
//	                                                                                                     when it is snoozed, lies ahead
//	snoozed                 waits until then         waits until then               waits until then     refused: the task is done
//	dismissed               DISMISSED                DISMISSED                      DISMISSED            DISMISSED
//	set again, equally      stays                    stays                          stays                stays
//	owner's zone changed    waits for the new time   stays                          stays                stays
//
// So what is over stays over, unless the due is moved to a later time: a due that is moved back and forth doesn't remind twice, and a
// traveller is not reminded again of what is over. A snoozed reminder waits until then, whatever it was set by, but the time of a due
// that is moved later counts more.
//
// A time that has passed is not lost: a reminder that is set or moved to such a time fires at once, if it is up to a day late. A
// reminder that waits while its task is completed or in the trash does not exist: it is CANCELLED.
//
// A clock that jumps ahead fires early; when it jumps back, what has fired doesn't fire again, because it doesn't wait any more.
//
// Times of day are found by section 3.3.5 of RFC 5545: one that the clock shows twice is the first of the two, and one that it skips
// is counted by the offset before.
package reminder

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"entgo.io/ent/dialect/sql"

	"taskql/ent"
	entreminder "taskql/ent/reminder"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// State is the state of a reminder.
type State = string

// The states of reminders. They are part of the API.
const (
	Waiting   State = "WAITING"
	Fired     State = "FIRED"
	Expired   State = "EXPIRED"
	Cancelled State = "CANCELLED"
	Dismissed State = "DISMISSED"
)

const (
	// MaxPerTask is how many reminders a user can have of a task.
	MaxPerTask = 20
	// MaxDays is how many days before the due a reminder can be.
	MaxDays = 366
	// MaxMinutes is how many minutes before the due a reminder can be.
	MaxMinutes = MaxDays * minutesPerDay
	// maxLate is how late a reminder still fires.
	maxLate = 24 * time.Hour

	minutesPerDay = 24 * 60
)

// Config configures a Service.
type Config struct {
	// Workspaces makes the changes, and has the database. It is required.
	Workspaces *workspace.Service
	// Log gets the errors of Run. Default: nothing is logged.
	Log *slog.Logger
	// Fired, if set, is called for each reminder that has fired, with how late it was, and Expired with how many have expired.
	Fired   func(late time.Duration)
	Expired func(count int)
}

// Service reads, sets and fires reminders. It is safe for concurrent use.
type Service struct {
	workspaces *workspace.Service
	client     *ent.Client
	now        func() time.Time
	log        *slog.Logger
	fired      func(time.Duration)
	expired    func(int)

	schedule schedule
	// overlapEnds is until when Run takes the database to be in use. Only Run uses it.
	overlapEnds time.Time
	// inUse reports whether the database may have been used since Run has last read it.
	inUse atomic.Bool
	// zonesDue reports whether there may be reminders in old time zones, and zonesRead is when Run last began to look. Only Run uses
	// zonesRead.
	zonesDue  atomic.Bool
	zonesRead time.Time
}

// New returns a Service on the database of c.Workspaces, and adds reminders to its feed.
func New(c Config) (*Service, error) {
	if c.Workspaces == nil {
		return nil, errors.New("reminder: Config.Workspaces is missing")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Fired == nil {
		c.Fired = func(time.Duration) {}
	}
	if c.Expired == nil {
		c.Expired = func(int) {}
	}
	s := &Service{
		workspaces: c.Workspaces, client: c.Workspaces.Client, now: c.Workspaces.Now, log: c.Log, fired: c.Fired, expired: c.Expired,
		schedule: schedule{changed: make(chan struct{}, 1)},
	}
	c.Workspaces.AddFeedKinds(s.feedKind())
	return s, nil
}

// own limits a query to the viewer's own reminders.
func own(v viewer.Viewer) func(*sql.Selector) {
	return func(s *sql.Selector) {
		workspace.Scope(v)(s)
		s.Where(sql.EQ(s.C(entreminder.FieldUserID), v.UserID))
	}
}
