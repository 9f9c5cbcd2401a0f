// Package recurrence keeps the series of tasks that repeat: the rule, and the log of their occurrences. Each occurrence is a task
// of its own, which package task makes and changes; it calls the functions of this package in the same transaction.
//
// A series is in one of these states:
//
//	running    ended_at is null. Occurrence last_number is open: its row in the log is OPEN, and its task is active and not completed.
//	suspended  ended_at is set, and occurrence last_number is OPEN: its task is in the trash.
//	ended      ended_at is set, and no occurrence is open. If it is unused, no task refers to it.
//
// So at most one occurrence is open, and ended_at is null exactly if that one's task is active. Numbers have no gaps from 1 to
// last_number. Every row of the log has the version that changed it last.
//
// What changes do to a series, its log and its tasks; N is the number of the task's occurrence:
//
//	create, or a rule for a task   running from N = 1, at the task's due.
//	that doesn't repeat
//	complete, one or many          running: N is COMPLETED. Those that the rule puts between it and the next are MISSED, and the
//	                               next is OPEN, with a new task; without a next one, the series has ended. suspended: N is
//	                               COMPLETED, and the series has ended. A task that is completed already stays as it is.
//	skip                           running: N is SKIPPED, then as above, but the task becomes the next occurrence. Without a next
//	                               one, the task leaves the series. Other states: refused, unless N is over; then nothing happens.
//	reopen, one or many            If the log after N is as the completion left it, and nobody has touched the next task: N is
//	                               OPEN again, later rows are deleted, and the next task is purged. The series is running, or
//	                               suspended if the task is in the trash. Else the log stays, and the task leaves the series. So it
//	                               does if it may not repeat where it is now: see package task.
//	a new due, or none             nothing: the log keeps where the rule put the occurrence.
//	another rule                   running: N is the first occurrence by it, at the task's due. Other states: refused.
//	no rule                        running: N's row is deleted, the series has ended, and the task leaves it. Other states: refused.
//	trash                          running becomes suspended, if N is open. A completed occurrence changes nothing.
//	restore                        suspended becomes running.
//	purge                          suspended: N's row is deleted, and the series has ended. The log keeps other occurrences without
//	                               their tasks. A series without a task is deleted, with its log.
//	move                           nothing. A task that repeats can't go below another one.
//	another account                The series goes with the first of its tasks. Its log forgets its versions, so reopening a task
//	                               that was completed before takes nothing back.
//	undo                           Restore puts the series and its log back to a State that was recorded.
//
// A task that leaves the series no longer refers to it. A series that no task refers to is unused. It is kept for as long as that
// may be undone, and then deleted.
package recurrence

import (
	"errors"
	"time"

	"taskql/internal/workspace"
)

// Mode says from what the next occurrence is counted, as a RecurrenceMode of the API.
type Mode string

// The modes.
const (
	// Schedule is by the calendar, whenever an occurrence is completed.
	Schedule Mode = "SCHEDULE"
	// AfterCompletion is from the day on which an occurrence is completed.
	AfterCompletion Mode = "AFTER_COMPLETION"
)

// CatchUp says what follows an occurrence that is completed late, as a CatchUp of the API.
type CatchUp string

// The ways to catch up.
const (
	// NextFuture leaves out what lies in the past.
	NextFuture CatchUp = "NEXT_FUTURE"
	// Each leaves out nothing.
	Each CatchUp = "EACH"
)

// Outcome is what has become of an occurrence, as an OccurrenceOutcome of the API.
type Outcome string

// The outcomes.
const (
	Open      Outcome = "OPEN"
	Completed Outcome = "COMPLETED"
	Skipped   Outcome = "SKIPPED"
	Missed    Outcome = "MISSED"
)

// Due is where a rule puts an occurrence: a day, or a moment.
type Due struct {
	// Date is the day, as midnight UTC. If At is set, it is the day of At in TimeZone.
	Date time.Time
	// At is nil if it is a day.
	At *time.Time
	// TimeZone is the series'; nil if it is a day.
	TimeZone *string
}

// Input says how a task is to repeat.
type Input struct {
	Rule    string  `json:"rule"`
	Mode    Mode    `json:"mode"`
	CatchUp CatchUp `json:"catchUp"`
}

// Config configures a Service.
type Config struct {
	// Workspaces has the database. It is required.
	Workspaces *workspace.Service
	// UnusedAge is how long a series without tasks is kept. Default: 90 days.
	UnusedAge time.Duration
}

// Service reads series and their logs. It is safe for concurrent use.
type Service struct {
	workspaces *workspace.Service
	unusedAge  time.Duration
}

const defaultUnusedAge = 90 * 24 * time.Hour

// New returns a Service on the database of c.Workspaces, and adds series to its feed.
func New(c Config) (*Service, error) {
	if c.Workspaces == nil {
		return nil, errors.New("recurrence: Config.Workspaces is missing")
	}
	if c.UnusedAge == 0 {
		c.UnusedAge = defaultUnusedAge
	}
	s := &Service{workspaces: c.Workspaces, unusedAge: c.UnusedAge}
	c.Workspaces.AddFeedKinds(s.feedKind())
	return s, nil
}
