package history

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"entgo.io/ent/dialect"

	"taskql/ent"
	"taskql/internal/workspace"
)

// DefaultAge is how long activities are kept by default.
const DefaultAge = 90 * 24 * time.Hour

// Config configures a Service.
type Config struct {
	// Workspaces has the database. It is required.
	Workspaces *workspace.Service
	// Age is how long activities are kept. Default: DefaultAge.
	Age time.Duration
	// Log gets what Clean removes. Default: nothing is logged.
	Log *slog.Logger
}

// Service reads activities, and removes old ones. It is safe for concurrent use.
type Service struct {
	client  *ent.Client
	dialect string
	now     func() time.Time
	age     time.Duration
	log     *slog.Logger
}

// New returns a Service on the database of c.Workspaces.
func New(c Config) (*Service, error) {
	if c.Workspaces == nil {
		return nil, errors.New("history: Config.Workspaces is missing")
	}
	if c.Age == 0 {
		c.Age = DefaultAge
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{client: c.Workspaces.Client, dialect: c.Workspaces.Dialect, now: c.Workspaces.Now, age: c.Age, log: c.Log}, nil
}

// removeOld removes a batch. The ids begin with the time, so that the primary key finds old ones. Rows that another replica has locked
// are skipped.
const removeOld = `DELETE FROM activities WHERE id IN (SELECT id FROM activities WHERE id < $1 ORDER BY id LIMIT $2%s)`

// Clean removes the activities that are older than Config.Age, in batches. It is a workspace.Job. ctx must be the system's.
func (s *Service) Clean(ctx context.Context) error {
	locked := ""
	if s.dialect == dialect.Postgres {
		locked = " FOR UPDATE SKIP LOCKED"
	}
	bound, statement, total := workspace.FirstID(s.now().Add(-s.age)), fmt.Sprintf(removeOld, locked), 0
	for {
		result, err := s.client.ExecContext(ctx, statement, bound, workspace.BatchSize)
		if err != nil {
			return fmt.Errorf("removing old activities: %w", err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return fmt.Errorf("removing old activities: %w", err)
		}
		if total += int(n); n < workspace.BatchSize {
			break
		}
	}
	if total > 0 {
		s.log.LogAttrs(ctx, slog.LevelDebug, "old activities removed", slog.Int("count", total))
	}
	return nil
}
