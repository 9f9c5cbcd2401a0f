package workspace

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"entgo.io/ent/dialect"

	"taskql/internal/sqlstate"
	"taskql/internal/viewer"
)

const (
	// defaultLockWait is shorter than the pool waits for a silent server, and than a request may take.
	defaultLockWait = 5 * time.Second
	// maxWriters is how many changes of one workspace this process has in the database: one at work, and the next, so that no
	// time passes between them. All others wait in memory, where they hold no connection that other workspaces need.
	maxWriters = 2
)

// lockedTx runs work in a transaction that holds the workspace's lock. The error is ErrBusy if it can't get the lock in time, or work can't
// get that of the viewer's keys.
func (s *Service) lockedTx(ctx context.Context, v viewer.Viewer, c Counter, work func(*Tx) error) error {
	wait, stop := context.WithTimeoutCause(ctx, s.lockWait, ErrBusy)
	defer stop()
	ctx, leave, err := s.enter(ctx, wait, v.WorkspaceID)
	if err != nil {
		return err
	}
	defer leave()
	return s.inTx(ctx, v, func(t *Tx) error {
		err := t.lock(wait, c)
		tooLate := err != nil && errors.Is(context.Cause(wait), ErrBusy)
		if err == nil {
			s.noteActivity()
			t.Now = s.Now() // Not when it began to wait: a later version is never older.
			err = work(t)
		}
		if tooLate || sqlstate.Of(err) == sqlstate.LockNotAvailable && endsFirst(wait, ctx) {
			return fmt.Errorf("%w: %w", ErrBusy, err)
		}
		return err
	})
}

// enter waits for one of the workspace's places in the database, and for a connection that the user may hold, which the returned context
// has. A user who holds as many as allowed waits for one without a place, which other members of the workspace need. It waits until wait
// ends. The returned function gives both back.
func (s *Service) enter(ctx, wait context.Context, workspaceID string) (context.Context, func(), error) {
	if err := s.writers.Acquire(wait, workspaceID); err != nil {
		return nil, nil, err //nolint:wrapcheck // It is ErrBusy, or why ctx has ended.
	}
	reserved, release, err := s.Reserve(ctx, nil)
	if err != nil {
		s.writers.Release(workspaceID)
		if reserved, release, err = s.Reserve(ctx, wait); err != nil {
			return nil, nil, err
		}
		if err := s.writers.Acquire(wait, workspaceID); err != nil {
			release()
			return nil, nil, err //nolint:wrapcheck // As above.
		}
	}
	return reserved, func() {
		release()
		s.writers.Release(workspaceID)
	}, nil
}

// lock takes the workspace's next version and with it the lock, and adds to the counter. On PostgreSQL it waits for the lock
// until ctx's deadline, by a lock_timeout that the statement itself sets. Cancelling is not enough: PostgreSQL ignores a
// cancellation that arrives before the statement has begun.
func (t *Tx) lock(ctx context.Context, c Counter) error {
	set, returning, args, dest := TakeVersion, "version, history_bytes", []any{t.Viewer.WorkspaceID}, []any{&t.Version, &t.HistoryBytes}
	if c.Column != "" {
		set += ", " + c.Column + " = " + c.Column + " + $2"
		returning += ", " + c.Column
		args, dest = append(args, c.Add), append(dest, &t.Count)
	}
	where := "id = $1 AND closed_at IS NULL"
	if until, ok := ctx.Deadline(); ok && t.Dialect == dialect.Postgres {
		wait := max(time.Until(until).Milliseconds(), 1)
		args = append(args, strconv.FormatInt(wait, 10))
		where += " AND set_config('lock_timeout', $" + strconv.Itoa(len(args)) + ", true) IS NOT NULL"
	}
	return t.updateWorkspace(ctx, dest, "UPDATE workspaces SET "+set+" WHERE "+where+" RETURNING "+returning, args...)
}

// endsFirst reports whether a context has an earlier deadline than its parent.
func endsFirst(child, parent context.Context) bool {
	c, _ := child.Deadline()
	p, ok := parent.Deadline()
	return !ok || c.Before(p)
}
