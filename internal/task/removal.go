package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"entgo.io/ent/dialect/sql"

	"taskql/ent"
	"taskql/ent/user"
	"taskql/ent/userremoval"
	entworkspace "taskql/ent/workspace"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// A removal erases a user, in batches that are short transactions. It is stored in user_removals first, so that any replica can
// continue it. A repeated request, a crash between two batches and two replicas at the same time do no harm.

const (
	// removalsEvery is how often RunRemovals looks for removals that another process has left unfinished.
	removalsEvery = time.Minute
	// removalMemory is how long a finished removal is remembered. No session is accepted for longer than a day after its
	// user was deleted (the maximum of ACCESS_TOKEN_EXPIRE_MINUTES). The rest is for clocks that differ.
	removalMemory = 25 * time.Hour
	// batchTime bounds the transaction of a batch. It usually takes some tens of milliseconds.
	batchTime = 30 * time.Second
)

// Removal is a request to erase a user.
type Removal struct {
	UserID string
	// MoveTo is the user who gets the tasks and tags. If it is empty, they are erased.
	MoveTo string
}

// Erased counts the erased rows of a user.
type Erased struct {
	Users, Tasks, Tags, IdempotencyKeys int
	// The rest is about workspaces of organizations, whose tasks stay. Memberships is of how many the user was a member; Activities are
	// those that had the user as the actor or the assignee.
	Memberships, Assignments, CreatedTasks, Activities, Reminders int
}

// add adds other's counts.
func (e *Erased) add(other Erased) {
	e.Users += other.Users
	e.Tasks += other.Tasks
	e.Tags += other.Tags
	e.IdempotencyKeys += other.IdempotencyKeys
	e.Memberships += other.Memberships
	e.Assignments += other.Assignments
	e.CreatedTasks += other.CreatedTasks
	e.Activities += other.Activities
	e.Reminders += other.Reminders
}

// RemoveUser stores a removal, and RunRemovals does it. From then on the user's row is never created again. It returns whether the
// user has rows. A repeated request changes nothing, except that it can add MoveTo to a pending removal without it. ctx must be the
// system's.
func (s *Service) RemoveUser(ctx context.Context, r Removal) (bool, error) {
	if r.MoveTo == r.UserID {
		return false, errors.New("storing the removal of a user: the tasks would move to the user who is erased")
	}
	present, err := s.client.User.Query().Where(user.ID(r.UserID)).Exist(ctx)
	if err == nil && !present {
		present, err = s.client.Workspace.Query().Where(entworkspace.ID(r.UserID)).Exist(ctx)
	}
	if err != nil {
		return false, fmt.Errorf("looking for the user: %w", err)
	}
	row := s.client.UserRemoval.Create().SetID(viewer.UserHash(r.UserID)).SetUserID(r.UserID).SetCreatedAt(s.now())
	if r.MoveTo != "" {
		row.SetMoveTo(r.MoveTo)
	}
	err = row.OnConflict(sql.ConflictColumns(userremoval.FieldID), sql.ResolveWith(func(u *sql.UpdateSet) {
		u.SetExcluded(userremoval.FieldUserID)
		// The anonymous plugin deletes the user whose tasks are being moved.
		u.Set(userremoval.FieldMoveTo, sql.Expr("coalesce(CASE WHEN user_removals.finished_at IS NULL THEN user_removals.move_to END, excluded.move_to)"))
		u.SetNull(userremoval.FieldFinishedAt)
	})).Exec(ctx)
	if err != nil {
		return false, fmt.Errorf("storing the removal of a user: %w", err)
	}
	select {
	case s.removalRequested <- struct{}{}:
	default: // RunRemovals will look anyway.
	}
	return present, nil
}

// CountUser counts the rows that would be erased of a user. ctx must be the system's.
func (s *Service) CountUser(ctx context.Context, id string) (Erased, error) {
	scope := workspace.Scope(viewer.Viewer{UserID: id, WorkspaceID: workspace.PersonalID(id)})
	var (
		present Erased
		err     error
	)
	for _, count := range []struct {
		into *int
		rows func(context.Context) (int, error)
	}{
		{&present.Users, s.client.User.Query().Where(user.ID(id)).Count},
		{&present.Tasks, s.client.Task.Query().Where(scope).Count},
		{&present.Tags, s.client.Tag.Query().Where(scope).Count},
		{&present.IdempotencyKeys, s.client.IdempotencyKey.Query().Where(scope).Count},
	} {
		if *count.into, err = count.rows(ctx); err != nil {
			return Erased{}, fmt.Errorf("counting the rows of a user: %w", err)
		}
	}
	return present, s.countInOrganizations(ctx, id, &present)
}

// EraseUser erases a user at once, even if a removal is pending that moves the tasks, and returns what it has erased. It calls
// progress, if it is not nil, with the sum after each batch. After an error RunRemovals continues, and so does EraseUser. ctx must be the
// system's.
func (s *Service) EraseUser(ctx context.Context, id string, progress func(Erased)) (Erased, error) {
	hash := viewer.UserHash(id)
	if err := s.client.UserRemoval.Update().Where(userremoval.ID(hash)).ClearMoveTo().Exec(ctx); err != nil {
		return Erased{}, fmt.Errorf("looking for a removal of the user: %w", err)
	}
	if _, err := s.RemoveUser(ctx, Removal{UserID: id}); err != nil {
		return Erased{}, err
	}
	return s.finishRemoval(ctx, hash, progress)
}

// RunRemovals does the removals that RemoveUser stores, until ctx ends. Any number of replicas may run it at once. Failures are logged
// and tried again.
func (s *Service) RunRemovals(ctx context.Context) {
	ctx = viewer.AsSystem(ctx)
	rounds := time.NewTicker(removalsEvery)
	defer rounds.Stop()
	for {
		failed := s.finishRemovals(ctx)
		// An idle database can sleep.
		for due := false; !due; {
			select {
			case <-ctx.Done():
				return
			case <-s.removalRequested:
				due = true
			case <-rounds.C:
				due = s.workspaces.Active() || failed
			}
		}
	}
}

// finishRemovals finishes all pending removals and forgets old ones. It returns whether any of them failed. A move that waits has not
// failed: only a change can make room for it, so the database may sleep until then.
func (s *Service) finishRemovals(ctx context.Context) bool {
	for {
		pending, err := s.client.UserRemoval.Query().Where(userremoval.FinishedAtIsNil()).
			Order(userremoval.ByCreatedAt(), userremoval.ByID()).IDs(ctx)
		if err == nil {
			err = s.forgetRemovals(ctx)
		}
		if err != nil {
			if ctx.Err() == nil {
				s.log.LogAttrs(ctx, slog.LevelWarn, "looking for users to be erased failed", slog.String("error", err.Error()))
			}
			return true
		}
		finished, failed := 0, false
		for _, hash := range pending {
			var waits *waitingError
			switch err := s.logRemoval(ctx, hash); {
			case err == nil:
				finished++
			case !errors.As(err, &waits):
				failed = true
			}
			if ctx.Err() != nil {
				return true
			}
		}
		if finished == 0 {
			return failed
		}
		// Again, because another removal may have waited for one of these, or may be new.
	}
}

// logRemoval is finishRemoval with a log, which has only the hash of the user's id.
func (s *Service) logRemoval(ctx context.Context, hash string) error {
	erased, err := s.finishRemoval(ctx, hash, nil)
	var waits *waitingError
	switch {
	case errors.As(err, &waits):
		s.log.LogAttrs(ctx, slog.LevelWarn, "moving a user's tasks waits", slog.String("user_hash", hash), slog.String("because", waits.reason))
	case err != nil:
		s.log.LogAttrs(ctx, slog.LevelWarn, "erasing a user failed, and is tried again", slog.String("user_hash", hash), slog.String("error", err.Error()))
	default:
		s.log.LogAttrs(ctx, slog.LevelInfo, "user erased", slog.String("user_hash", hash),
			slog.Int("users", erased.Users), slog.Int("tasks", erased.Tasks), slog.Int("tags", erased.Tags),
			slog.Int("idempotency_keys", erased.IdempotencyKeys), slog.Int("memberships", erased.Memberships),
			slog.Int("assignments", erased.Assignments), slog.Int("created_tasks", erased.CreatedTasks),
			slog.Int("activities", erased.Activities), slog.Int("reminders", erased.Reminders))
	}
	return err
}

// waitingError says why a removal can't continue for now. Nothing is lost.
type waitingError struct{ reason string }

// Error implements error.
func (e *waitingError) Error() string { return "the move waits: " + e.reason }

// finishRemoval runs the batches of a removal, and returns what this call has erased.
func (s *Service) finishRemoval(ctx context.Context, hash string, progress func(Erased)) (Erased, error) {
	var total Erased
	var walk historyWalk
	for {
		r, err := s.client.UserRemoval.Get(ctx, hash) // It may have changed after the last batch: MoveTo can be set or cleared.
		if ent.IsNotFound(err) || err == nil && r.FinishedAt != nil {
			return total, nil
		}
		if err != nil {
			return total, fmt.Errorf("reading a removal: %w", err)
		}
		batch, err := s.removalBatch(ctx, r, &walk)
		if err != nil {
			return total, err
		}
		total.add(batch)
		if progress != nil {
			progress(total)
		}
	}
}

// removalBatch moves or erases a batch. The last one finishes the removal.
func (s *Service) removalBatch(ctx context.Context, r *ent.UserRemoval, walk *historyWalk) (Erased, error) {
	ctx, cancel := context.WithTimeout(ctx, batchTime)
	defer cancel()
	if r.MoveTo != nil {
		if more, err := s.moveBatch(ctx, *r.UserID, *r.MoveTo); more || err != nil {
			return Erased{}, err
		}
	}
	erased, err := s.eraseBatch(ctx, r)
	if err != nil {
		return Erased{}, err
	}
	member, err := s.eraseFromOrganization(ctx, *r.UserID, walk)
	erased.add(member)
	return erased, err
}

// forgetRemovals removes finished removals after the last session of their users has expired.
func (s *Service) forgetRemovals(ctx context.Context) error {
	_, err := s.client.UserRemoval.Delete().Where(userremoval.FinishedAtLT(s.now().Add(-removalMemory))).Exec(ctx)
	if err != nil {
		return fmt.Errorf("removing old removals: %w", err)
	}
	return nil
}
