package task

import (
	"context"
	"errors"
	"fmt"

	"entgo.io/ent/dialect"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/viewer"
)

// A workspace has a budget of idempotency keys, in rows and in bytes: else a client that sends a fresh key with each change
// could fill the disk. Over the budget, the oldest keys are forgotten early. Refusing the change instead would keep users
// from working, and a client repeats a request within minutes.
//
// The workspace's row counts its keys, so that a change needs no COUNT. The release before doesn't count what it writes, and
// emptied answers are not counted again: the numbers are made right when keys are removed, for age or for the budget.

// trimBatch is the most keys that one change removes. There are more only if another release has written them uncounted.
const trimBatch = 5_000

const (
	// countKey counts a key that is stored. storeKey does both, in one statement, which only PostgreSQL has.
	countKey = `UPDATE workspaces SET idempotency_key_count = idempotency_key_count + 1, idempotency_key_bytes = idempotency_key_bytes + $1 WHERE id = $2 RETURNING idempotency_key_count, idempotency_key_bytes`
	storeKey = `WITH stored AS (INSERT INTO idempotency_keys (id, workspace_id, key, request_hash, answer, created_at) VALUES ($1, $2, $3, $4, $5, $6))
		UPDATE workspaces SET idempotency_key_count = idempotency_key_count + 1, idempotency_key_bytes = idempotency_key_bytes + $7 WHERE id = $2 RETURNING idempotency_key_count, idempotency_key_bytes`
	// firstKeyBeyond finds the newest key that is beyond a number of keys or of bytes. The key that the change itself has
	// stored is left out: it may look older than others, because the clocks of replicas differ.
	firstKeyBeyond = `SELECT id FROM (
		SELECT id, row_number() OVER newest AS n, sum(octet_length(key) + octet_length(answer)) OVER newest AS bytes
		FROM idempotency_keys WHERE workspace_id = $1 AND id <> $2 WINDOW newest AS (ORDER BY id DESC)
		) AS others WHERE n > $3 OR bytes > $4 ORDER BY n LIMIT 1`
	removeKeys = `DELETE FROM idempotency_keys WHERE id IN (
		SELECT id FROM idempotency_keys WHERE workspace_id = $1 AND id <= $2 AND id <> $3 ORDER BY id LIMIT $4)`
	recountKeys = `UPDATE workspaces SET
		idempotency_key_count = (SELECT count(*) FROM idempotency_keys WHERE workspace_id = $1),
		idempotency_key_bytes = (SELECT coalesce(sum(octet_length(key) + octet_length(answer)), 0) FROM idempotency_keys WHERE workspace_id = $1)
		WHERE id = $1`
)

// keyUse is what the workspace's idempotency keys take.
type keyUse struct {
	Count int `sql:"idempotency_key_count"`
	Bytes int `sql:"idempotency_key_bytes"`
}

// store stores a key with its answer, counts it, and removes the oldest keys if the workspace has too many.
func (t *tx) store(ctx context.Context, id uuid.UUID, key string, hash []byte, answer string) error {
	size := len(key) + len(answer)
	var used []keyUse
	var err error
	if t.dialect == dialect.Postgres {
		err = t.scanRows(ctx, &used, storeKey, id, t.viewer.WorkspaceID, key, hash, answer, t.now, size)
	} else {
		err = t.IdempotencyKey.Create().SetID(id).SetWorkspaceID(t.viewer.WorkspaceID).SetKey(key).
			SetRequestHash(hash).SetAnswer(answer).SetCreatedAt(t.now).Exec(ctx)
		if err == nil {
			err = t.scanRows(ctx, &used, countKey, size, t.viewer.WorkspaceID)
		}
	}
	if err == nil && len(used) != 1 {
		err = errors.New("the workspace does not exist")
	}
	if err != nil {
		return fmt.Errorf("remembering the idempotency key: %w", err)
	}
	if used[0].Count <= t.limits.Keys && used[0].Bytes <= t.limits.KeyBytes {
		return nil
	}
	if err := t.trimKeys(ctx, id, size); err != nil {
		return fmt.Errorf("removing the oldest idempotency keys: %w", err)
	}
	return nil
}

// trimKeys removes the oldest keys, a tenth more than it must, so that the next changes need not. The key that was just
// stored stays in any case.
func (t *tx) trimKeys(ctx context.Context, stored uuid.UUID, size int) error {
	const tenth = 10
	keep, keepBytes := t.limits.Keys-max(t.limits.Keys/tenth, 1), t.limits.KeyBytes-t.limits.KeyBytes/tenth
	var beyond []struct{ ID uuid.UUID }
	if err := t.scanRows(ctx, &beyond, firstKeyBeyond, t.viewer.WorkspaceID, stored, keep-1, keepBytes-size); err != nil {
		return err
	}
	if len(beyond) > 0 {
		if _, err := t.ExecContext(ctx, removeKeys, t.viewer.WorkspaceID, beyond[0].ID, stored, trimBatch); err != nil {
			return err //nolint:wrapcheck // The caller says what was removed.
		}
	}
	return t.recountKeys(ctx)
}

// recountKeys makes the workspace's numbers right. The workspace must be locked.
func (t *tx) recountKeys(ctx context.Context) error {
	_, err := t.ExecContext(ctx, recountKeys, t.viewer.WorkspaceID)
	return err //nolint:wrapcheck // The caller says what was counted.
}

// recount makes the numbers of a workspace right.
func (s *Service) recount(ctx context.Context, workspace string) error {
	err := s.inTx(ctx, func(entTx *ent.Tx) error {
		t := &tx{Tx: entTx, viewer: viewer.Viewer{WorkspaceID: workspace}}
		if err := t.take(ctx, 0, 0); err != nil { // locks
			return err
		}
		return t.recountKeys(ctx)
	})
	if err != nil && !errors.Is(err, ErrNoWorkspace) { // Its user is being erased.
		return fmt.Errorf("counting the idempotency keys of workspace %q: %w", workspace, err)
	}
	return nil
}
