package history

import (
	"context"
	"fmt"
	"slices"
	"strings"

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

// insertInto is how a statement that inserts activities begins, and withOne is the clause of With for one activity: building its text
// each time would take longer than sending it.
var insertInto, withOne = func() (string, string) { //nolint:gochecknoglobals // They never change.
	into := "INSERT INTO activities (" + strings.Join(columns, ", ") + ") VALUES "
	numbers := make([]string, len(columns))
	for i := range columns {
		numbers[i] = fmt.Sprintf("$%d", i+1)
	}
	return into, "WITH written AS (" + into + "(" + strings.Join(numbers, ", ") + "))"
}()

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

// With returns what Insert does as a clause WITH of PostgreSQL, for a statement that does something else as well. The clause must be
// the first that has arguments.
func With(t *workspace.Tx, activities []*Activity) (sql.Querier, error) {
	added := TextBytes(activities)
	if len(activities) == 1 && added == 0 {
		args, err := row(t, activities[0])
		return sql.Expr(withOne, args...), err
	}
	b := workspace.Statement()
	b.WriteString("WITH written AS (")
	err := writeInsert(b, t, activities)
	if added > 0 {
		b.WriteString("), counted AS (")
		writeCount(b, t, added)
	}
	b.WriteByte(')')
	text, args := b.Query()
	return sql.Expr(text, args...), err
}

func writeInsert(b *sql.Builder, t *workspace.Tx, activities []*Activity) error {
	b.WriteString(insertInto)
	for i, a := range activities {
		args, err := row(t, a)
		if err != nil {
			return err
		}
		if i > 0 {
			b.Comma()
		}
		b.WriteByte('(').Args(args...).WriteByte(')')
	}
	return nil
}

// row sets an activity's id, version and time, and returns the values of columns.
func row(t *workspace.Tx, a *Activity) ([]any, error) {
	a.ID, a.Version, a.At = workspace.NewID(t.Now), t.Version, t.Now
	changes, err := a.encodeChanges()
	if changes != nil {
		a.size = len(*changes)
	}
	if err != nil {
		return nil, err
	}
	old := a.Changes.Description.stored()
	return []any{a.ID, t.Viewer.WorkspaceID, a.Version, a.TaskID, a.ActorID, string(a.Via), string(a.Action), changes, old, old != nil, a.At}, nil
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
