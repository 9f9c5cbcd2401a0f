// Package task is the heart of the product: tasks, their rules, their lists and the one write path. Every method
// takes the viewer as an argument and is bounded by the viewer's workspace: what the viewer may not see does not
// exist, and is answered as if it did not.
package task

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"entgo.io/ent/dialect"

	"taskql/ent"
	"taskql/internal/keyset"
	"taskql/internal/semaphore"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// ErrNotFound is returned where there is no such task, or it is not the viewer's.
var ErrNotFound = errors.New("not found")

// ErrNoWorkspace is returned by changes if the viewer's workspace does not exist, or is being erased. Nothing has happened.
var ErrNoWorkspace = errors.New("the workspace does not exist")

// InputError is an argument that a list or a lookup can't use.
type InputError = keyset.InputError

func inputError(argument, format string, args ...any) error {
	return &InputError{Argument: argument, Message: argument + " " + fmt.Sprintf(format, args...)}
}

// Config is what a Service works with.
type Config struct {
	// Client is required.
	Client *ent.Client
	// Now is the clock; time.Now where nil.
	Now func() time.Time
	// Limits are those of every workspace.
	Limits Limits
	// LockWait is how long a change waits for those of its workspace before it. Default: 5 s.
	LockWait time.Duration
	// Log is told what goes wrong in Upkeep; nothing is where it is nil.
	Log *slog.Logger
	// Dialect is the client's, as ent names it.
	Dialect string
	// QueryRaw queries the client's database. It is required on PostgreSQL, where the hot reads use it instead of ent.
	QueryRaw QueryRaw
	// Closed, if set, is told of each user whose workspace RunRemovals has closed.
	Closed func(userID string)
}

// QueryRaw runs a query and calls each with every row. The values are those of the driver: bytes, a string, an int64, a bool, or
// nil for null. The row and its bytes are valid until each returns.
type QueryRaw func(ctx context.Context, query string, args []any, each func(row []driver.Value) error) error

// Service reads and writes tasks. It is safe for concurrent use.
type Service struct {
	client *ent.Client
	now    func() time.Time
	limits Limits
	log    *slog.Logger
	// lockWait and writers bound how long and where the changes of a workspace wait for each other.
	lockWait time.Duration
	writers  *semaphore.Keyed
	dialect  string
	queryRaw QueryRaw
	sql      sqlCache
	// versions looks up versions.
	versions versions
	// remembered says that an idempotency key was remembered since upkeep last looked.
	remembered atomic.Bool
	// written says that there was a change since RunRemovals last looked.
	written atomic.Bool
	// removalNoted wakes RunRemovals.
	removalNoted chan struct{}
	closed       func(userID string)
}

// New returns a Service on c's database.
func New(c Config) (*Service, error) {
	if c.Client == nil {
		return nil, errors.New("task: Config.Client is missing")
	}
	if c.QueryRaw == nil && c.Dialect == dialect.Postgres {
		return nil, errors.New("task: Config.QueryRaw is missing; it is required on PostgreSQL")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Closed == nil {
		c.Closed = func(string) {}
	}
	s := &Service{
		client: c.Client,
		// The databases keep microseconds: a moment that is answered must be the moment that is read back.
		now:      func() time.Time { return c.Now().UTC().Truncate(time.Microsecond) },
		limits:   c.Limits.withDefaults(),
		log:      c.Log,
		lockWait: cmp.Or(c.LockWait, lockWait),
		writers:  semaphore.New(maxWriters),
		dialect:  c.Dialect,
		queryRaw: c.QueryRaw,
		sql:      newSQLCache(),

		removalNoted: make(chan struct{}, 1), closed: c.Closed,
	}
	s.versions.read = c.QueryRaw
	return s, nil
}

// visible limits a query to the tasks that v may see.
func visible(q *ent.TaskQuery, v viewer.Viewer) *ent.TaskQuery { return q.Where(workspace.Scope(v)) }

// visibleTags limits a query to the tags that v may see.
func visibleTags(q *ent.TagQuery, v viewer.Viewer) *ent.TagQuery { return q.Where(workspace.Scope(v)) }
