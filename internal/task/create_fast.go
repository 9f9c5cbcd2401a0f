package task

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"

	"entgo.io/ent/dialect"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/fracindex"
	"taskql/internal/sqlstate"
	"taskql/internal/viewer"
)

// A task without tags, parent and idempotency key needs nothing looked up that one statement could not: PostgreSQL takes
// the version, which locks the workspace, and inserts the task with it. It is the write path's transaction (see write) in
// one round trip instead of four.

// insertTask inserts a task unless its workspace is full or locked: then it does nothing. It never waits for another's
// change, and so holds no connection while it waits. Its moment is from just before it is sent: a change that goes through
// in between has an older version and a younger moment.
const insertTask = `WITH l AS MATERIALIZED (
	SELECT id FROM workspaces WHERE id = $1 AND closed_at IS NULL AND task_count < $2 FOR NO KEY UPDATE SKIP LOCKED
), w AS (
	UPDATE workspaces SET version = version + 1, task_count = task_count + 1 FROM l WHERE workspaces.id = l.id
	RETURNING workspaces.version
)
INSERT INTO tasks (workspace_id, version, position, created_at, updated_at, completed, %s)
SELECT $1, w.version, %s, $3::timestamptz, $3::timestamptz, false, %s FROM w
RETURNING version`

// insertedColumns are those of insertTask that the input decides, with their types.
var insertedColumns = [...]struct{ name, kind string }{ //nolint:gochecknoglobals // A table.
	{enttask.FieldID, "uuid"},
	{enttask.FieldTitle, "text"},
	{enttask.FieldDescription, "text"},
	{enttask.FieldTitleKey, "bytea"},
	{enttask.FieldSearchText, "text"},
	{enttask.FieldPriority, "smallint"},
	{enttask.FieldDueDate, "date"},
	{enttask.FieldDueAt, "timestamptz"},
	{enttask.FieldDueTimeZone, "text"},
	{enttask.FieldDueSort, "timestamptz"},
}

// insertTaskText is insertTask, filled in.
var insertTaskText = func() string { //nolint:gochecknoglobals // It is the same for all.
	const before = 3 // Arguments: the workspace, its limit, the moment.
	names, values := make([]string, len(insertedColumns)), make([]string, len(insertedColumns))
	for i, c := range insertedColumns {
		names[i], values[i] = c.name, fmt.Sprintf("$%d::%s", i+1+before, c.kind)
	}
	return fmt.Sprintf(insertTask, strings.Join(names, ", "), fmt.Sprintf(fracindex.EndSQL, "w.version"), strings.Join(values, ", "))
}()

// insertAtOnce inserts a task, of which the input decided e's fields, at the end of the top level. It is false where that
// is the long way's to do, which also says why the task can't be made; nothing has happened then.
func (s *Service) insertAtOnce(ctx context.Context, v viewer.Viewer, e *ent.Task) (bool, error) {
	if s.dialect != dialect.Postgres || !viewer.MayRead(ctx) {
		return false, nil
	}
	done := false
	err := sqlstate.Retry(ctx, func() error {
		var err error
		done, err = s.tryInsert(ctx, v, e)
		return err
	})
	return done, err
}

func (s *Service) tryInsert(ctx context.Context, v viewer.Viewer, e *ent.Task) (bool, error) {
	s.noteWrite()
	now, done := s.now(), false
	args := []any{
		v.WorkspaceID, s.limits.Tasks, now,
		e.ID, e.Title, e.Description, e.TitleKey, e.SearchText, e.Priority, e.DueDate, e.DueAt, e.DueTimeZone, e.DueSort,
	}
	err := s.queryRaw(ctx, insertTaskText, args, func(row []driver.Value) error {
		if len(row) != 1 {
			return errRow
		}
		var c cells
		c.int(row[0], &e.Version)
		done = !c.bad
		return c.err()
	})
	if err != nil {
		return false, fmt.Errorf("inserting the task: %w", err)
	}
	if done {
		e.WorkspaceID, e.Position, e.CreatedAt, e.UpdatedAt = v.WorkspaceID, fracindex.End(e.Version), now, now
	}
	return done, nil
}
