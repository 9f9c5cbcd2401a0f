package workspace

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/tombstone"
	"taskql/internal/viewer"
)

const (
	// cleanupInterval is the pause between two rounds of RunCleanup.
	cleanupInterval = 10 * time.Minute
	// startRounds is how many rounds are run even if nothing is stored. The second finds what replicas of the previous release
	// wrote during a deployment.
	startRounds = 2
	// keySlack is how much longer a key is kept than it is valid, because the clocks of replicas differ.
	keySlack = time.Hour
	// BatchSize is how many rows a statement of clean-up removes, so that none takes long.
	BatchSize = 500
)

// Job is work of another package that RunCleanup does in each round.
type Job struct {
	// Name says in the log what has failed.
	Name string
	Run  func(context.Context) error
}

// RunCleanup runs the jobs and removes old idempotency keys and tombstones until ctx ends: twice at the start, and then at most every 10 minutes,
// after a change. So a job may have to wait as long as nothing is changed. Any number of replicas may run it
// at once. Errors are logged, and the work is tried again in the next round.
func (s *Service) RunCleanup(ctx context.Context, jobs ...Job) {
	ticks := time.NewTicker(cleanupInterval)
	defer ticks.Stop()
	for round := 1; ; round++ {
		if s.CleanUp(ctx, jobs...); ctx.Err() != nil {
			return
		}
		// While nothing is changed nothing needs to be removed, and an idle database can sleep. The jobs are not urgent.
		for due := false; !due; due = s.cleanupDue.Swap(false) || round < startRounds {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
			}
		}
	}
}

// CleanUp is one round of RunCleanup.
func (s *Service) CleanUp(ctx context.Context, jobs ...Job) {
	ctx = viewer.AsSystem(ctx)
	jobs = append(slices.Clip(jobs),
		Job{Name: "removing old idempotency keys", Run: s.removeOldKeys}, Job{Name: "removing old tombstones", Run: s.removeOldTombstones})
	for _, job := range jobs {
		err := job.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.log.LogAttrs(ctx, slog.LevelWarn, "clean-up failed", slog.String("job", job.Name), slog.String("error", err.Error()))
		}
	}
}

// removeOldKeys removes old keys in batches, each in a transaction of its own, and counts the keys of their workspaces again.
func (s *Service) removeOldKeys(ctx context.Context) error {
	bound := FirstID(s.Now().Add(-KeyLifetime - keySlack))
	var failed []error
	workspaces, total := map[string]bool{}, 0
	for {
		n, err := s.removeKeyBatch(ctx, bound, workspaces)
		total += n
		if err != nil {
			failed = append(failed, err)
		}
		if err != nil || n < BatchSize {
			break
		}
	}
	for id := range workspaces {
		failed = append(failed, s.recountWorkspace(ctx, id))
	}
	if total > 0 {
		s.log.LogAttrs(ctx, slog.LevelDebug, "old idempotency keys removed", slog.Int("count", total))
	}
	return errors.Join(failed...)
}

// removeKeyBatch removes a batch of the keys with ids below the bound, and adds their workspaces to the set. The ids begin with
// the time, so that the primary key finds them. Rows that another replica has locked are skipped.
func (s *Service) removeKeyBatch(ctx context.Context, bound uuid.UUID, workspaces map[string]bool) (int, error) {
	locked := ""
	if s.Dialect == dialect.Postgres {
		locked = " FOR UPDATE SKIP LOCKED"
	}
	rows, err := s.Client.QueryContext(ctx, `DELETE FROM idempotency_keys WHERE id IN (
		SELECT id FROM idempotency_keys WHERE id < $1 ORDER BY id LIMIT $2`+locked+`) RETURNING workspace_id`, bound, BatchSize)
	if err != nil {
		return 0, err //nolint:wrapcheck // RunCleanup says what was removed.
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var id string
		if err := rows.Scan(&id); err != nil {
			return n, err //nolint:wrapcheck // As above.
		}
		workspaces[id] = true
	}
	return n, rows.Err() //nolint:wrapcheck // As above.
}

// removeOldTombstones removes old tombstones in batches. Those of a workspace that is being erased are left to the erasure.
func (s *Service) removeOldTombstones(ctx context.Context) error {
	bound := FirstID(s.Now().Add(-s.feedAge))
	for {
		old, err := s.Client.Tombstone.Query().Where(tombstone.IDLT(bound)).Order(tombstone.ByID()).Limit(BatchSize).All(ctx)
		if err != nil {
			return err //nolint:wrapcheck // RunCleanup says what was removed.
		}
		byWorkspace := map[string][]*ent.Tombstone{}
		for _, t := range old {
			byWorkspace[t.WorkspaceID] = append(byWorkspace[t.WorkspaceID], t)
		}
		removed := 0
		for id, tombstones := range byWorkspace {
			n, err := s.removeTombstones(ctx, id, tombstones)
			if err != nil {
				return err
			}
			removed += n
		}
		if len(old) < BatchSize || removed == 0 {
			return nil
		}
	}
}

// raiseFloor raises the floor of a workspace to a version. It locks the workspace.
const raiseFloor = `UPDATE workspaces SET feed_floor = CASE WHEN feed_floor < $1 THEN $1 ELSE feed_floor END
	WHERE id = $2 AND closed_at IS NULL RETURNING feed_floor`

// removeTombstones removes tombstones of a workspace and raises its floor to the last of their versions, in one transaction. It returns
// how many it has removed, which are fewer if another replica was faster.
func (s *Service) removeTombstones(ctx context.Context, workspaceID string, tombstones []*ent.Tombstone) (int, error) {
	ids, last := make([]uuid.UUID, len(tombstones)), 0
	for i, t := range tombstones {
		ids[i], last = t.ID, max(last, t.Version)
	}
	removed := 0
	err := s.inTx(ctx, viewer.Viewer{WorkspaceID: workspaceID}, func(t *Tx) error {
		floor := 0
		err := t.updateWorkspace(ctx, []any{&floor}, raiseFloor, last, workspaceID)
		if err == nil {
			removed, err = t.Tombstone.Delete().Where(tombstone.IDIn(ids...)).Exec(ctx)
		}
		return err //nolint:wrapcheck // RunCleanup says what was removed.
	})
	if errors.Is(err, ErrNoWorkspace) {
		return 0, nil
	}
	return removed, err
}
