package task

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"entgo.io/ent/dialect"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/fracindex"
	"taskql/internal/sqlstate"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// A new task is inserted in one of two ways, and both write every column in taskColumns. The slow path is a transaction of
// write, in which tags, the parent and the idempotency key are looked up. If there are none of these, PostgreSQL can do
// the same in one statement, which is the fast path: one round trip instead of four.

// insert inserts tasks. It is the slow path.
func (t *tx) insert(ctx context.Context, tasks ...*ent.Task) error {
	rows := make([]*ent.TaskCreate, len(tasks))
	for i, e := range tasks {
		t.recordNew(e.ID)
		rows[i] = t.Task.Create().SetID(e.ID)
		m := rows[i].Mutation()
		for _, column := range taskColumns.columns {
			v := column.value(e)
			if v == nil || column.name == enttask.FieldID {
				continue
			}
			if err := m.SetField(column.name, v); err != nil {
				return fmt.Errorf("setting a new task's column: %w", err)
			}
		}
	}
	return t.Task.CreateBulk(rows...).Exec(ctx)
}

// insertStatement inserts a task unless its workspace is full or locked: then it does nothing. It never waits for another
// change, so it holds no connection while it waits. created_at is from just before it is sent: a change that is committed
// in between has an older version and a later time.
const insertStatement = `WITH l AS MATERIALIZED (
	SELECT id FROM workspaces WHERE id = $1 AND closed_at IS NULL AND task_count < $2 FOR NO KEY UPDATE SKIP LOCKED
), w AS (
	UPDATE workspaces SET ` + workspace.TakeVersion + `, task_count = task_count + 1 FROM l WHERE workspaces.id = l.id
	RETURNING workspaces.version
), a AS (
	INSERT INTO activities (id, workspace_id, version, task_id, actor_id, via, action, at)
	SELECT $4::uuid, $1, w.version, %s, $5, $6, 'CREATED', $3::timestamptz FROM w
)
INSERT INTO tasks (%s) SELECT %s FROM w RETURNING version`

// insertSQL is insertStatement with the columns and their values. Its arguments are the workspace, its limit of tasks, the
// time, the id, actor and via of the activity, and the values of insertArgs.
var insertSQL, insertArgs = func() (string, []column[ent.Task]) { //nolint:gochecknoglobals // They never change.
	computed := map[string]string{
		enttask.FieldWorkspaceID: "$1",
		enttask.FieldVersion:     "w.version",
		enttask.FieldPosition:    fmt.Sprintf(fracindex.EndSQL, "w.version"),
		enttask.FieldCreatedAt:   "$3::timestamptz",
		enttask.FieldUpdatedAt:   "$3::timestamptz",
		// A new task is open, without reminders.
		enttask.FieldCompleted:    "false",
		enttask.FieldHasReminders: "false",
	}
	// A new task has none of these, or takes the slow path.
	empty := []string{
		enttask.FieldCompletedAt, enttask.FieldDeletedAt, enttask.FieldTrashedWith, enttask.FieldParentID, enttask.FieldProjectID,
		enttask.FieldSectionID, enttask.FieldHiddenAt, enttask.FieldAssigneeID, enttask.FieldRecurrenceID, enttask.FieldOccurrenceNumber,
	}
	const before = 6
	var names, values []string
	var args []column[ent.Task]
	for _, c := range taskColumns.columns {
		value, ok := computed[c.name]
		switch {
		case ok:
		case slices.Contains(empty, c.name):
			value = "NULL::" + c.pgType
		default:
			args = append(args, c)
			value = fmt.Sprintf("$%d::%s", before+len(args), c.pgType)
		}
		names, values = append(names, c.name), append(values, value)
	}
	return fmt.Sprintf(insertStatement, values[slices.Index(names, enttask.FieldID)], strings.Join(names, ", "), strings.Join(values, ", ")), args
}()

// insertFast inserts a task at the end of the top level and sets the rest of its fields. It returns false if it did nothing.
// The caller must take the slow path then, which also says why a task is refused.
func (s *Service) insertFast(ctx context.Context, v viewer.Viewer, e *ent.Task) (bool, error) {
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
	now, done := s.now(), false
	args := make([]any, 0, 6+len(insertArgs))
	args = append(args, v.WorkspaceID, s.limits.Tasks, now, workspace.NewID(now), v.UserID, string(viaOf(v)))
	for _, column := range insertArgs {
		args = append(args, column.value(e))
	}
	err := s.queryRaw(ctx, insertSQL, args, func(row []driver.Value) error {
		if len(row) != 1 {
			return errRow
		}
		var d decoder
		e.Version = d.int(row[0])
		done = !d.invalid
		return d.err()
	})
	if err != nil {
		return false, fmt.Errorf("inserting the task: %w", err)
	}
	if done {
		e.WorkspaceID, e.Position, e.CreatedAt, e.UpdatedAt = v.WorkspaceID, fracindex.End(e.Version), now, now
	}
	return done, nil
}
