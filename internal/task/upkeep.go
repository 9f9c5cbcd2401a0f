package task

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/uuid"

	"taskql/internal/viewer"
)

const (
	// upkeepEvery is the pause between two rounds.
	upkeepEvery = 10 * time.Minute
	// upkeepBatch is how many rows one statement removes, so that none takes long.
	upkeepBatch = 500
	// keySlack is how much longer a key is kept than it is good for: the clocks of replicas differ.
	keySlack = time.Hour
)

// startRounds is how many rounds come after the start even if nothing is remembered: the second is for what the replicas of
// the release before wrote until they ended.
const startRounds = 2

// Upkeep removes old idempotency keys now and then, until ctx ends, and makes the keys of texts that the release before has
// written. Any number of replicas may run it at once. What goes wrong is logged and tried again in the next round.
func (s *Service) Upkeep(ctx context.Context) {
	ctx = viewer.AsSystem(ctx)
	rounds := time.NewTicker(upkeepEvery)
	defer rounds.Stop()
	for round := 1; ; round++ {
		err := s.refreshKeys(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.LogAttrs(ctx, slog.LevelWarn, "making keys failed", slog.String("error", err.Error()))
		}
		removed, err := s.removeOldKeys(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.LogAttrs(ctx, slog.LevelWarn, "upkeep failed", slog.String("error", err.Error()))
		case removed > 0:
			s.log.LogAttrs(ctx, slog.LevelDebug, "old idempotency keys removed", slog.Int("count", removed))
		}
		// While nothing new is remembered there is no hurry, and a database that sleeps is left asleep.
		for due := false; !due; due = s.remembered.Swap(false) || round < startRounds {
			select {
			case <-ctx.Done():
				return
			case <-rounds.C:
			}
		}
	}
}

// removeOldKeys removes them batch by batch, each in a transaction of its own, and counts the keys of their workspaces again.
func (s *Service) removeOldKeys(ctx context.Context) (int, error) {
	bound := idAt(s.now().Add(-KeyLifetime-keySlack), uuid.Nil)
	var failed []error
	workspaces, total := map[string]bool{}, 0
	for {
		n, err := s.removeBatch(ctx, bound, workspaces)
		total += n
		if err != nil {
			failed = append(failed, fmt.Errorf("removing old idempotency keys: %w", err))
		}
		if err != nil || n < upkeepBatch {
			break
		}
	}
	for workspace := range workspaces {
		failed = append(failed, s.recount(ctx, workspace))
	}
	return total, errors.Join(failed...)
}

// removeBatch removes a batch of the keys below an id, and notes their workspaces. The ids begin with the time, so that the
// primary key finds them. Those that somebody else is at work on are passed over.
func (s *Service) removeBatch(ctx context.Context, bound uuid.UUID, workspaces map[string]bool) (int, error) {
	locked := ""
	if s.dialect == dialect.Postgres {
		locked = " FOR UPDATE SKIP LOCKED"
	}
	rows, err := s.client.QueryContext(ctx, `DELETE FROM idempotency_keys WHERE id IN (
		SELECT id FROM idempotency_keys WHERE id < $1 ORDER BY id LIMIT $2`+locked+`) RETURNING workspace_id`, bound, upkeepBatch)
	if err != nil {
		return 0, err //nolint:wrapcheck // The caller says what was removed.
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var workspace string
		if err := rows.Scan(&workspace); err != nil {
			return n, err //nolint:wrapcheck // As above.
		}
		workspaces[workspace] = true
	}
	return n, rows.Err() //nolint:wrapcheck // As above.
}

// idAt makes a UUIDv7 of a moment (RFC 9562, section 5.7) out of a random one; of uuid.Nil, the least of the moment.
func idAt(t time.Time, random uuid.UUID) uuid.UUID {
	id := random
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(t.UnixMilli()))
	copy(id[:6], ms[2:])
	id[6] = 0x70 | id[6]&0x0f
	id[8] = 0x80 | id[8]&0x3f
	return id
}
