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
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/predicate"
	enttask "taskql/ent/task"
	"taskql/internal/keyset"
	"taskql/internal/semaphore"
	"taskql/internal/viewer"
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
	// Dialect is the client's, as ent names it. Where it is set, lists of tasks are read without ent.
	Dialect string
	// QueryRaw reads such lists from PostgreSQL, and is required there. It must use the client's database.
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
	// dialect is empty where ent reads everything.
	dialect  string
	queryRaw QueryRaw
	texts    texts
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
		texts:    newTexts(),

		removalNoted: make(chan struct{}, 1), closed: c.Closed,
	}
	s.versions.read = c.QueryRaw
	return s, nil
}

// Scope says which tasks a list is made of.
type Scope string

// The scopes of a list.
const (
	ScopeActive Scope = "ACTIVE" // not in the trash
	ScopeTrash  Scope = "TRASH"  // in the trash
	ScopeAll    Scope = "ALL"
)

// predicate is the scope's part of a list's WHERE; nil where there is none.
func (s Scope) predicate() predicate.Task {
	switch s {
	case ScopeTrash:
		return enttask.DeletedAtNotNil()
	case ScopeAll:
		return nil
	default:
		return enttask.DeletedAtIsNil()
	}
}

// visible bounds a query by what v may see. It is the one place that does: every query of a task goes through it.
func visible(q *ent.TaskQuery, v viewer.Viewer) *ent.TaskQuery {
	return q.Where(enttask.WorkspaceID(v.WorkspaceID))
}

// parseID reads a task's id in its usual form of 36 characters. Any other text is no task's id.
func parseID(id string) (uuid.UUID, bool) {
	if len(id) != 36 {
		return uuid.Nil, false
	}
	u, err := uuid.Parse(id)
	return u, err == nil
}

// Get returns the task with that id, also where it is in the trash; else ErrNotFound. Only those columns are read, all
// where there are none.
func (s *Service) Get(ctx context.Context, v viewer.Viewer, id string, columns ...string) (*ent.Task, error) {
	u, ok := parseID(id)
	if !ok {
		return nil, ErrNotFound
	}
	found, err := s.ByID(ctx, v, []uuid.UUID{u}, columns)
	if err != nil {
		return nil, err
	}
	if t, ok := found[u]; ok {
		return t, nil
	}
	return nil, ErrNotFound
}

// GetMany returns the tasks with those ids, in one statement, by id. What does not exist is missing from the map, and
// so is what is not the viewer's. Only those columns are read, all where there are none.
func (s *Service) GetMany(ctx context.Context, v viewer.Viewer, ids []string, columns ...string) (map[string]*ent.Task, error) {
	return many(ids, func(ids []uuid.UUID) (map[uuid.UUID]*ent.Task, error) { return s.ByID(ctx, v, ids, columns) })
}

// many reads things by their ids as clients write them, each once.
func many[T any](ids []string, read func([]uuid.UUID) (map[uuid.UUID]T, error)) (map[string]T, error) {
	set, _ := uniqueIDs(ids)
	found, err := read(set)
	if err != nil {
		return nil, err
	}
	named := make(map[string]T, len(ids))
	for _, id := range ids {
		if u, ok := parseID(id); ok {
			if t, ok := found[u]; ok {
				named[id] = t
			}
		}
	}
	return named, nil
}
