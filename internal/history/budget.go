package history

import (
	"context"
	"fmt"

	"entgo.io/ent/dialect/sql"

	"taskql/internal/workspace"
)

// A workspace has a budget of bytes for old descriptions; otherwise a client that changes a long one again and again could fill the
// disk. Beyond the budget the oldest are forgotten early. The workspace's row counts the bytes. It is not corrected when activities are
// deleted, but when texts are forgotten.

// TextBytes returns how many bytes the old descriptions of activities have.
func TextBytes(activities []*Activity) int {
	n := 0
	for _, a := range activities {
		if d := a.Changes.Description; d != nil && d.From != nil {
			n += len(*d.From)
		}
	}
	return n
}

// Size returns how many bytes activities have that were written, with the descriptions that tasks got.
func Size(activities []*Activity) int {
	n := 0
	for _, a := range activities {
		n += a.size
		if d := a.Changes.Description; d != nil && d.To != nil {
			n += len(*d.To)
		}
	}
	return n
}

// Trim forgets the oldest descriptions if those of the workspace have more than limit bytes. The change has written added bytes of
// them, which it keeps.
func Trim(ctx context.Context, t *workspace.Tx, added, limit int) error {
	if added == 0 || t.HistoryBytes+added <= limit {
		return nil
	}
	const tenth = 10 // Not again with the next change.
	keep := limit - limit/tenth
	mine := func(b *sql.Builder) *sql.Builder {
		return b.Join(workspace.Condition(t.Viewer, "")).WriteString(" AND old_description <> ''")
	}
	// The newest version whose descriptions, with those after it, are beyond the budget.
	find := workspace.Statement()
	find.WriteString("SELECT version FROM (SELECT version, sum(octet_length(old_description)) OVER (ORDER BY version DESC) AS bytes FROM activities WHERE ")
	mine(find).WriteString(") AS texts WHERE bytes > ").Arg(keep).WriteString(" ORDER BY version DESC LIMIT 1")
	var beyond []int
	if err := t.Select(ctx, &beyond, find); err != nil {
		return fmt.Errorf("looking for old descriptions: %w", err)
	}
	if len(beyond) > 0 {
		forget := workspace.Statement()
		forget.WriteString("UPDATE activities SET old_description = NULL WHERE ")
		mine(forget).WriteString(" AND version <= ").Arg(min(beyond[0], t.Version-1))
		if err := t.Exec(ctx, forget); err != nil {
			return fmt.Errorf("forgetting old descriptions: %w", err)
		}
	}
	count := workspace.Statement()
	count.WriteString("UPDATE workspaces SET history_bytes = (SELECT coalesce(sum(octet_length(old_description)), 0) FROM activities WHERE ")
	mine(count).WriteString(") WHERE id = ").Arg(t.Viewer.WorkspaceID)
	if err := t.Exec(ctx, count); err != nil {
		return fmt.Errorf("counting old descriptions: %w", err)
	}
	return nil
}

// writeCount writes the statement that counts bytes of old descriptions.
func writeCount(b *sql.Builder, t *workspace.Tx, added int) {
	b.WriteString("UPDATE workspaces SET history_bytes = history_bytes + ").Arg(added).WriteString(" WHERE id = ").Arg(t.Viewer.WorkspaceID)
}
