package workspace

import (
	"context"
	"errors"
	"fmt"

	"entgo.io/ent/dialect"
	"github.com/google/uuid"

	"taskql/internal/viewer"
)

// A personal workspace has the idempotency keys of its user, and a budget of them, in rows and in bytes; otherwise a client that
// sends a new key with each change could fill the disk. Beyond the budget, the oldest keys are forgotten early. Refusing the
// change instead would keep users from working, and clients repeat a request within minutes.
//
// The workspace's row counts its keys, so that a change needs no SELECT count(*). The release before doesn't count the keys that
// it stores, and the count is not corrected when an answer is forgotten. Both are corrected when keys are removed.

// trimBatch is the most keys that one change removes. There are more only if another release has written them uncounted.
const trimBatch = 5_000

const (
	// countKey counts a stored key. storeAndCountKey also stores it, in one statement that only PostgreSQL has.
	countKey = `UPDATE workspaces SET idempotency_key_count = idempotency_key_count + 1, idempotency_key_bytes = idempotency_key_bytes + $1
		WHERE id = $2 RETURNING idempotency_key_count, idempotency_key_bytes`
	storeAndCountKey = `WITH stored AS (INSERT INTO idempotency_keys (id, workspace_id, key, request_hash, answer, created_at, version, changed_workspace_id)
		VALUES ($1, $2, $3, $4, $5, $6, $8, $9))
		UPDATE workspaces SET idempotency_key_count = idempotency_key_count + 1, idempotency_key_bytes = idempotency_key_bytes + $7
		WHERE id = $2 RETURNING idempotency_key_count, idempotency_key_bytes`
	// firstKeyBeyond finds the newest key beyond a number of keys or bytes. It leaves out the key that the change itself has
	// stored, which may look older than others because the clocks of replicas differ.
	firstKeyBeyond = `SELECT id FROM (
		SELECT id, row_number() OVER newest AS n, sum(octet_length(key) + octet_length(answer)) OVER newest AS bytes
		FROM idempotency_keys WHERE workspace_id = $1 AND id <> $2 WINDOW newest AS (ORDER BY id DESC)
		) AS others WHERE n > $3 OR bytes > $4 ORDER BY n LIMIT 1`
	removeKeys = `DELETE FROM idempotency_keys WHERE id IN (
		SELECT id FROM idempotency_keys WHERE workspace_id = $1 AND id <= $2 AND id <> $3 ORDER BY id LIMIT $4)`
	recountSQL = `UPDATE workspaces SET
		idempotency_key_count = (SELECT count(*) FROM idempotency_keys WHERE workspace_id = $1),
		idempotency_key_bytes = (SELECT coalesce(sum(octet_length(key) + octet_length(answer)), 0) FROM idempotency_keys WHERE workspace_id = $1)
		WHERE id = $1`
)

// keyUse is how many idempotency keys the workspace has, and how many bytes.
type keyUse struct{ count, bytes int }

// storeKey stores a key with its answer, counts it, and removes the oldest keys if the workspace has too many.
func (t *Tx) storeKey(ctx context.Context, id uuid.UUID, key string, hash []byte, answer string) error {
	size := len(key) + len(answer)
	var changed *string
	if t.Viewer.WorkspaceID != t.keysIn() {
		changed = &t.Viewer.WorkspaceID
	}
	var used keyUse
	var err error
	if t.Dialect == dialect.Postgres {
		err = t.updateWorkspace(ctx, []any{&used.count, &used.bytes}, storeAndCountKey,
			id, t.keysIn(), key, hash, answer, t.Now, size, t.finalVersion(), changed)
	} else {
		err = t.IdempotencyKey.Create().SetID(id).SetWorkspaceID(t.keysIn()).SetNillableChangedWorkspaceID(changed).SetKey(key).
			SetRequestHash(hash).SetAnswer(answer).SetVersion(t.finalVersion()).SetCreatedAt(t.Now).Exec(ctx)
		if err == nil {
			err = t.updateWorkspace(ctx, []any{&used.count, &used.bytes}, countKey, size, t.keysIn())
		}
	}
	if err != nil {
		return fmt.Errorf("storing the idempotency key: %w", err)
	}
	if used.count <= t.maxKeys && used.bytes <= t.maxKeyBytes {
		return nil
	}
	if err := t.trimKeys(ctx, id, size); err != nil {
		return fmt.Errorf("removing the oldest idempotency keys: %w", err)
	}
	return nil
}

// trimKeys removes the oldest keys, a tenth more than it must, so that the next changes need not. The key that the change has
// just stored always stays.
func (t *Tx) trimKeys(ctx context.Context, stored uuid.UUID, size int) error {
	const tenth = 10
	keep, keepBytes := t.maxKeys-max(t.maxKeys/tenth, 1), t.maxKeyBytes-t.maxKeyBytes/tenth
	var beyond []struct{ ID uuid.UUID }
	err := t.scan(ctx, &beyond, firstKeyBeyond, t.keysIn(), stored, keep-1, keepBytes-size)
	if err != nil {
		return err
	}
	if len(beyond) > 0 {
		if _, err := t.ExecContext(ctx, removeKeys, t.keysIn(), beyond[0].ID, stored, trimBatch); err != nil {
			return err //nolint:wrapcheck // The caller says what was removed.
		}
	}
	return t.recount(ctx, t.keysIn())
}

// recount corrects the counts of a workspace, which must be locked.
func (t *Tx) recount(ctx context.Context, id string) error {
	_, err := t.ExecContext(ctx, recountSQL, id)
	return err //nolint:wrapcheck // The caller says what was counted.
}

// lockOnly locks a workspace without a new version.
const lockOnly = `UPDATE workspaces SET version = version WHERE id = $1 AND closed_at IS NULL RETURNING version`

// recountWorkspace corrects the counts of a workspace.
func (s *Service) recountWorkspace(ctx context.Context, id string) error {
	err := s.inTx(ctx, viewer.Viewer{WorkspaceID: id}, func(t *Tx) error {
		if err := t.updateWorkspace(ctx, []any{&t.Version}, lockOnly, id); err != nil {
			return err
		}
		return t.recount(ctx, id)
	})
	if err != nil && !errors.Is(err, ErrNoWorkspace) { // Its user is being erased.
		return fmt.Errorf("counting the idempotency keys of workspace %q: %w", id, err)
	}
	return nil
}
