package workspace

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"taskql/ent"
)

// The rows of a workspace in the order of their versions are a feed of its changes. An object that is deleted for good has no row any
// more, so the transaction that deletes it writes a tombstone. Tombstones are removed when they are old (cleanup.go).
//
// They may be missing for other reasons: the previous release doesn't write them, and it can write to the database during a
// deployment and after a rollback; nor does the erasure of a workspace. So a change that writes tombstones also sets feed_version to
// the version that it takes. If feed_version is another than version, something else has changed the workspace, and nobody knows what
// it has deleted. The next change then raises feed_floor to that version.

// Kind is a kind of objects in the feed, as tombstones and the API call it.
type Kind string

// The kinds of objects.
const (
	KindTask       Kind = "TASK"
	KindTag        Kind = "TAG"
	KindRecurrence Kind = "RECURRENCE"
	KindReminder   Kind = "REMINDER"
	KindProject    Kind = "PROJECT"
	KindSection    Kind = "SECTION"
)

// TakeVersion is the assignment with which an UPDATE of workspaces takes the next version. It also locks the workspace.
const TakeVersion = `version = version + 1, feed_version = version + 1,
	feed_floor = CASE WHEN feed_version = version THEN feed_floor ELSE version END`

// giveBackVersion takes TakeVersion back; only feed_floor stays.
const giveBackVersion = `UPDATE workspaces SET version = version - 1, feed_version = version - 1 WHERE id = $1 RETURNING version`

// Gone writes the tombstones of objects that this change deletes for good. The change must call MarkChanged.
func (t *Tx) Gone(ctx context.Context, kind Kind, ids ...uuid.UUID) error {
	return t.writeTombstones(ctx, kind, nil, ids)
}

// GoneFor is Gone for objects that nobody but a user could see. Nobody else is told.
func (t *Tx) GoneFor(ctx context.Context, kind Kind, userID string, ids ...uuid.UUID) error {
	return t.writeTombstones(ctx, kind, &userID, ids)
}

func (t *Tx) writeTombstones(ctx context.Context, kind Kind, userID *string, ids []uuid.UUID) error {
	for batch := range slices.Chunk(ids, BatchSize) {
		rows := make([]*ent.TombstoneCreate, len(batch))
		for i, id := range batch {
			rows[i] = t.Tombstone.Create().SetID(NewID(t.Now)).SetWorkspaceID(t.Viewer.WorkspaceID).
				SetVersion(t.Version).SetKind(string(kind)).SetObjectID(id).SetNillableUserID(userID)
		}
		if err := t.Tombstone.CreateBulk(rows...).Exec(ctx); err != nil {
			return fmt.Errorf("writing tombstones: %w", err)
		}
	}
	return nil
}
