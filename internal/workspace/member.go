package workspace

import (
	"context"
	"fmt"
	"slices"
	"time"

	"entgo.io/ent/dialect/sql"
	"entgo.io/ent/dialect/sql/sqlgraph"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/member"
	"taskql/ent/userremoval"
	"taskql/internal/sqlstate"
	"taskql/internal/viewer"
)

// RecordMembers stores members of the workspace in which v acts as they are seen now, so that they are still named when they have left.
// It returns the ids of those who are being erased, whom the auth server may know for a while.
//
// The rows are committed when it returns. A transaction that holds the workspace's lock and then finds no removal of a user can write
// the user's id: an erasure that begins later finds the row, and waits for the lock.
func (s *Service) RecordMembers(ctx context.Context, v viewer.Viewer, members ...viewer.Member) ([]string, error) {
	var written []string
	err := sqlstate.Retry(ctx, func() error {
		var err error
		written, err = recordMembers(ctx, s.Client, v, s.Now(), members)
		return err
	})
	if err != nil || len(written) == 0 {
		return nil, err //nolint:wrapcheck // It says what it wrote.
	}
	return s.ForgetErased(ctx, v, written...)
}

// ForgetErased deletes the rows of those members who are being erased, and returns their ids. It has to be called after the rows were
// stored: an erasure that begins later finds them itself.
func (s *Service) ForgetErased(ctx context.Context, v viewer.Viewer, userIDs ...string) ([]string, error) {
	byHash := make(map[string]string, len(userIDs))
	hashes := make([]string, len(userIDs))
	for i, id := range userIDs {
		hashes[i] = viewer.UserHash(id)
		byHash[hashes[i]] = id
	}
	removed, err := s.Client.UserRemoval.Query().Where(userremoval.IDIn(hashes...)).IDs(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking for members who are being erased: %w", err)
	}
	erased := make([]string, len(removed))
	for i, hash := range removed {
		erased[i] = byHash[hash]
	}
	if len(erased) > 0 {
		_, err = s.Client.Member.Delete().Where(Scope(v), member.UserIDIn(erased...)).Exec(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("deleting members who are being erased: %w", err)
	}
	return erased, nil
}

// recordMembers returns the ids of the users whose rows it has written: of those who are not stored as they are.
func recordMembers(ctx context.Context, client *ent.Client, v viewer.Viewer, now time.Time, members []viewer.Member) ([]string, error) {
	ids := make([]string, len(members))
	for i, m := range members {
		ids[i] = m.UserID
	}
	rows, err := client.Member.Query().Where(Scope(v), member.UserIDIn(ids...)).
		Select(member.FieldUserID, member.FieldName, member.FieldImage).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the members of a workspace: %w", err)
	}
	known := make(map[string]*ent.Member, len(rows))
	for _, row := range rows {
		known[row.UserID] = row
	}
	var written []string
	var stale []*ent.MemberCreate
	for _, m := range members {
		if row := known[m.UserID]; row != nil && row.Name == m.Name && equal(row.Image, m.Image) {
			continue
		}
		written = append(written, m.UserID)
		stale = append(stale, client.Member.Create().SetID(uuid.Must(uuid.NewV7())).SetWorkspaceID(v.WorkspaceID).SetUserID(m.UserID).
			SetName(m.Name).SetNillableImage(m.Image).SetUpdatedAt(now))
	}
	for batch := range slices.Chunk(stale, BatchSize) {
		err := client.Member.CreateBulk(batch...).OnConflict(
			sql.ConflictColumns(member.FieldWorkspaceID, member.FieldUserID),
			sql.ResolveWith(func(u *sql.UpdateSet) {
				u.SetExcluded(member.FieldName).SetExcluded(member.FieldImage).SetExcluded(member.FieldUpdatedAt)
			}),
		).Exec(ctx)
		if sqlgraph.IsForeignKeyConstraintError(err) {
			return nil, ErrNoWorkspace // It was deleted in the meantime.
		}
		if err != nil {
			return nil, fmt.Errorf("storing the members of a workspace: %w", err)
		}
	}
	return written, nil
}

func equal[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }
