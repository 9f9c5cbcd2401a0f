package history

import (
	"context"
	"fmt"
	"slices"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"taskql/ent/activity"
	"taskql/internal/workspace"
)

// insertBatch is how many activities one statement inserts: its number of arguments is limited.
const insertBatch = 1000

// columns are the columns of activities, in the order of row.
var columns = []string{ //nolint:gochecknoglobals // A constant table.
	activity.FieldID, activity.FieldWorkspaceID, activity.FieldVersion, activity.FieldTaskID, activity.FieldActorID, activity.FieldVia,
	activity.FieldAction, activity.FieldChanges, activity.FieldOldDescription, activity.FieldDescribes, activity.FieldAt,
}

// Insert writes the activities of a change, and sets their id, version and time.
func Insert(ctx context.Context, t *workspace.Tx, activities []*Activity) error {
	for batch := range slices.Chunk(activities, insertBatch) {
		b := workspace.Statement()
		if err := writeInsert(b, t, batch); err != nil {
			return err
		}
		if err := t.Exec(ctx, b); err != nil {
			return fmt.Errorf("writing activities: %w", err)
		}
	}
	if added := TextBytes(activities); added > 0 {
		b := workspace.Statement()
		writeCount(b, t, added)
		if err := t.Exec(ctx, b); err != nil {
			return fmt.Errorf("counting old descriptions: %w", err)
		}
	}
	return nil
}

// WriteWith writes what Insert does as a clause WITH of PostgreSQL, for a statement that does something else as well.
func WriteWith(b *sql.Builder, t *workspace.Tx, activities []*Activity) error {
	b.WriteString("WITH written AS (")
	err := writeInsert(b, t, activities)
	if added := TextBytes(activities); added > 0 {
		b.WriteString("), counted AS (")
		writeCount(b, t, added)
	}
	b.WriteByte(')')
	return err
}

func writeInsert(b *sql.Builder, t *workspace.Tx, activities []*Activity) error {
	b.WriteString("INSERT INTO activities (")
	b.IdentComma(columns...)
	b.WriteString(") VALUES ")
	for i, a := range activities {
		a.ID, a.Version, a.At = workspace.NewID(t.Now), t.Version, t.Now
		changes, err := a.encodeChanges()
		if err != nil {
			return err
		}
		old := a.Changes.Description.stored()
		if i > 0 {
			b.Comma()
		}
		b.WriteByte('(').Args(a.ID, t.Viewer.WorkspaceID, a.Version, a.TaskID, a.ActorID, string(a.Via), string(a.Action), changes, old, old != nil, a.At).WriteByte(')')
	}
	return nil
}

// Forget deletes the activities of tasks, which are about to be deleted for good.
func Forget(ctx context.Context, t *workspace.Tx, tasks []uuid.UUID) error {
	for batch := range slices.Chunk(tasks, workspace.BatchSize) {
		if _, err := t.Activity.Delete().Where(workspace.Scope(t.Viewer), activity.TaskIDIn(batch...)).Exec(ctx); err != nil {
			return fmt.Errorf("deleting activities: %w", err)
		}
	}
	return nil
}
