package workspace

import (
	"context"
	"fmt"
	"slices"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/member"
	"taskql/internal/viewer"
)

// RecordMembers stores members of the workspace in which v acts as they are seen now, so that they are still named when they have left.
// It returns the ids of the users whose rows it has written: of those who are not stored as they are.
func RecordMembers(ctx context.Context, client *ent.Client, v viewer.Viewer, now time.Time, members ...viewer.Member) ([]string, error) {
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
		if err != nil {
			return nil, fmt.Errorf("storing the members of a workspace: %w", err)
		}
	}
	return written, nil
}

func equal[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }
