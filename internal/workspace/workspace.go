// Package workspace is what every entity of a workspace is built on: queries are limited to the workspace (Scope), and every
// change that a client asks for goes through one write path (Write), which locks the workspace, takes its next version, repeats
// the first answer if the idempotency key is known, and remembers the answer. The server's own changes go through Apply and Erase. It knows no entity but the workspace itself and its idempotency keys.
package workspace

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"entgo.io/ent/dialect"

	"taskql/ent"
	"taskql/internal/semaphore"
)

var (
	// ErrNotFound is returned if there is no such workspace or object, or the viewer may not see it.
	ErrNotFound = errors.New("not found")
	// ErrNoWorkspace is returned by changes if the viewer's workspace does not exist or is being erased. Nothing has changed.
	ErrNoWorkspace = errors.New("the workspace does not exist")
	// ErrErased is returned by changes of another workspace than the viewer's own if the viewer is being erased. Nothing has changed.
	ErrErased = errors.New("the viewer is being erased")
	// ErrBusy is returned by changes that waited too long for the workspace's other changes. Nothing has changed.
	ErrBusy = errors.New("other changes of the workspace take too long")
)

// QueryRaw runs a query and calls each with every row. The values are the driver's: bytes, a string, an int64, a bool, or nil
// for null. The row and its bytes are valid until each returns.
type QueryRaw func(ctx context.Context, query string, args []any, each func(row []driver.Value) error) error

// Database is how the packages of entities reach the database.
type Database struct {
	// Client is required.
	Client *ent.Client
	// Dialect is the client's, as ent names it. It is required.
	Dialect string
	// QueryRaw runs queries without ent and database/sql. It is required if Dialect is PostgreSQL's.
	QueryRaw QueryRaw
	// Snapshot runs fn with a context whose reads all see one state of the database. It may run fn twice.
	Snapshot func(ctx context.Context, fn func(ctx context.Context) error) error
	// Reserve reserves one of the connections that the user of ctx's request may hold, for a transaction or a statement with the context
	// that it returns. It waits for one until waiting ends; if waiting is nil, it returns an error instead. The returned function
	// releases the connection. Default: users are not limited.
	Reserve func(ctx, waiting context.Context) (context.Context, func(), error)
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// NewDatabase returns the database of a driver, read without ent by queryRaw, which may be nil if the driver is not PostgreSQL's.
func NewDatabase(driver dialect.Driver, queryRaw QueryRaw) Database {
	db := Database{Client: ent.NewClient(ent.Driver(driver)), Dialect: driver.Dialect(), QueryRaw: queryRaw}
	if d, ok := driver.(interface {
		Snapshot(ctx context.Context, fn func(ctx context.Context) error) error
	}); ok {
		db.Snapshot = d.Snapshot
	}
	if d, ok := driver.(interface {
		Reserve(ctx, waiting context.Context) (context.Context, func(), error)
	}); ok {
		db.Reserve = d.Reserve
	}
	return db
}

// Config configures a Service.
type Config struct {
	Database

	// LockWait is how long a change waits for the workspace's other changes. Default: 5 s.
	LockWait time.Duration
	// Keys is how many idempotency keys a workspace remembers. Default: 10,000.
	Keys int
	// KeyBytes is how many bytes those keys and their answers have. Default: 16 MiB.
	KeyBytes int
	// FeedAge is how long tombstones are kept. Default: 90 days.
	FeedAge time.Duration
	// Committed, if set, is called after each commit that has taken a version of a workspace, once for each workspace and
	// version. It is called by the goroutine that made the change, so it must be quick and must not block. It is not called if the
	// connection is lost while the change is being committed.
	Committed func(workspaceID string, version int)
	// Budget, if set, has the points by which clients pay for what their changes store.
	Budget Budget
	// Log gets the errors of RunCleanup. Default: none are logged.
	Log *slog.Logger
}

const (
	defaultKeys     = 10_000
	defaultKeyBytes = 16 << 20
	defaultFeedAge  = 90 * 24 * time.Hour
)

// Service changes workspaces. It is safe for concurrent use.
type Service struct {
	// Database is the Config's. Its Now returns UTC in microseconds, which is what the databases keep: so a returned time is the
	// time that is read back.
	Database

	log                  *slog.Logger
	maxKeys, maxKeyBytes int
	feedAge              time.Duration

	// lockWait limits the wait in writers and for the database's lock, both together.
	lockWait time.Duration
	writers  *semaphore.Keyed
	versions versions

	committed func(workspaceID string, version int)
	budget    Budget
	// cleanupDue reports whether something may have been changed since the last round of RunCleanup.
	cleanupDue atomic.Bool
	// feedKinds are sorted by their order.
	feedKinds []FeedKind
	// active is what Active returns.
	active atomic.Bool
}

// New returns a Service.
func New(c Config) (*Service, error) {
	if c.Client == nil {
		return nil, errors.New("workspace: Config.Client is missing")
	}
	if c.Dialect == "" {
		return nil, errors.New("workspace: Config.Dialect is missing")
	}
	if c.QueryRaw == nil && c.Dialect == dialect.Postgres {
		return nil, errors.New("workspace: Config.QueryRaw is missing; it is required on PostgreSQL")
	}
	now := c.Now
	if now == nil {
		now = time.Now
	}
	c.Now = func() time.Time { return now().UTC().Truncate(time.Microsecond) }
	if c.Reserve == nil {
		c.Reserve = func(ctx, _ context.Context) (context.Context, func(), error) { return ctx, func() {}, nil }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Committed == nil {
		c.Committed = func(string, int) {}
	}
	return &Service{
		Database: c.Database, log: c.Log,
		maxKeys: cmp.Or(c.Keys, defaultKeys), maxKeyBytes: cmp.Or(c.KeyBytes, defaultKeyBytes),
		feedAge:  cmp.Or(c.FeedAge, defaultFeedAge),
		lockWait: cmp.Or(c.LockWait, defaultLockWait), writers: semaphore.New(maxWriters),
		versions: versions{query: c.QueryRaw}, committed: c.Committed, budget: c.Budget,
	}, nil
}

// Active reports whether anything was changed through the Service since the last call, so it must have only one caller. Work that
// can wait is done while the database is in use, so that an idle one can sleep.
func (s *Service) Active() bool { return s.active.Swap(false) }

func (s *Service) noteActivity() {
	if !s.active.Load() { // Usually it is noted already, and reading is cheaper.
		s.active.Store(true)
	}
	if !s.cleanupDue.Load() {
		s.cleanupDue.Store(true)
	}
}
