// Package task has the tasks and tags of workspaces: their rules, lists and mutations. Every method takes the viewer as an
// argument and is limited to the viewer's workspace. What the viewer may not see is answered like what does not exist.
package task

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"taskql/ent"
	"taskql/internal/keyset"
	"taskql/internal/reminder"
	"taskql/internal/workspace"
)

// InputError is an argument that a list or a lookup can't use.
type InputError = keyset.InputError

func inputError(argument, format string, args ...any) error {
	return &InputError{Argument: argument, Message: argument + " " + fmt.Sprintf(format, args...)}
}

// Config configures a Service.
type Config struct {
	// Workspaces makes the changes, and has the database. It is required.
	Workspaces *workspace.Service
	// Reminders are changed with their tasks. Default: a service on Workspaces.
	Reminders *reminder.Service
	// Limits are those of every workspace.
	Limits Limits
	// Log gets what RunRemovals does. Default: nothing is logged.
	Log *slog.Logger
	// Closed, if set, is called with each user whose workspace RunRemovals has closed.
	Closed func(userID string)
}

// Service reads and writes tasks. It is safe for concurrent use.
type Service struct {
	workspaces *workspace.Service
	reminders  *reminder.Service
	client     *ent.Client
	now        func() time.Time
	limits     Limits
	log        *slog.Logger
	dialect    string
	queryRaw   workspace.QueryRaw
	sql        sqlCache
	// removalRequested wakes RunRemovals.
	removalRequested chan struct{}
	closed           func(userID string)
}

// New returns a Service on the database of c.Workspaces, and adds tasks and tags to its feed.
func New(c Config) (*Service, error) {
	if c.Workspaces == nil {
		return nil, errors.New("task: Config.Workspaces is missing")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Closed == nil {
		c.Closed = func(string) {}
	}
	if c.Reminders == nil {
		reminders, err := reminder.New(reminder.Config{Workspaces: c.Workspaces})
		if err != nil {
			return nil, fmt.Errorf("making the service of reminders: %w", err)
		}
		c.Reminders = reminders
	}
	s := &Service{
		workspaces: c.Workspaces,
		reminders:  c.Reminders,
		client:     c.Workspaces.Client,
		now:        c.Workspaces.Now,
		dialect:    c.Workspaces.Dialect,
		queryRaw:   c.Workspaces.QueryRaw,
		limits:     c.Limits.withDefaults(),
		log:        c.Log,
		sql:        newSQLCache(),

		removalRequested: make(chan struct{}, 1), closed: c.Closed,
	}
	c.Workspaces.AddFeedKinds(s.feedKinds()...)
	return s, nil
}
