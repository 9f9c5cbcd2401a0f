package server

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	entsql "entgo.io/ent/dialect/sql"

	"taskql/ent"
	"taskql/ent/idempotencykey"
	"taskql/ent/reminder"
	"taskql/ent/tasktag"
	"taskql/internal/access"
	"taskql/internal/database"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// ErrNoWorkspace is returned for an id of the API that no workspace has.
var ErrNoWorkspace = errors.New("an id begins with organization/ or personal/, as the list has it: there is no workspace")

// Workspaces is what the operator does with workspaces. IDs are those of the API: organization/ or personal/, and an id of the auth
// server.
type Workspaces struct {
	// DB is the server's migrated database.
	DB *database.DB
	// Out receives the list or the rows, and Progress a line after each batch that is erased.
	Out, Progress io.Writer
}

// List writes a line for each workspace of an organization, or for each personal one: its id, how many tasks it has, its version and its
// name, with tabs between them. They are sorted by id.
func (w Workspaces) List(ctx context.Context, personal bool) error {
	kind := access.Organization
	if personal {
		kind = access.Personal
	}
	rows, err := w.DB.SQL.QueryContext(ctx, "SELECT id, task_count, version, name FROM workspaces WHERE kind = $1 ORDER BY id", string(kind))
	if err != nil {
		return fmt.Errorf("reading the workspaces: %w", err)
	}
	defer rows.Close()
	out := bufio.NewWriter(w.Out)
	for rows.Next() {
		var id, name string
		var tasks, version int
		if err := rows.Scan(&id, &tasks, &version, &name); err != nil {
			return fmt.Errorf("reading a workspace: %w", err)
		}
		if _, err := fmt.Fprintf(out, "%s\t%d tasks\tversion %d\t%s\n", workspace.NodeID(id), tasks, version, name); err != nil {
			return fmt.Errorf("writing the list: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading the workspaces: %w", err)
	}
	return out.Flush() //nolint:wrapcheck // It names the file.
}

// privateTables have rows that only their user may see, and are not exported.
var privateTables = []string{idempotencykey.Table, reminder.Table} //nolint:gochecknoglobals // A constant table.

// derivedColumns can be computed from others, or are of no use elsewhere, and are not exported.
var derivedColumns = []string{ //nolint:gochecknoglobals // A constant table.
	"title_key", "name_key", "search_text", "due_sort", "hidden_at", "has_reminders",
}

// Export writes a workspace as one JSON object: the workspace's row under "workspace", and an array of rows under the name of each
// table. All is read at one moment. What is private to its members (reminders, idempotency keys) is left out. The error is
// ErrNoWorkspace if there is no such workspace.
func (w Workspaces) Export(ctx context.Context, nodeID string) error {
	id, ok := workspace.ParseNodeID(nodeID)
	if !ok {
		return fmt.Errorf("%w %q", ErrNoWorkspace, nodeID)
	}
	tx, err := w.DB.SQL.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return fmt.Errorf("beginning to read: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // It only reads.
	out := &exporter{Writer: bufio.NewWriter(w.Out)}
	row := workspace.Statement()
	row.WriteString("SELECT id, kind, name, version, created_at FROM workspaces WHERE id = ").Arg(id)
	found, err := out.rows(ctx, tx, "workspace", row)
	if err != nil {
		return err
	}
	if found == 0 {
		return fmt.Errorf("%w %q", ErrNoWorkspace, nodeID)
	}
	for _, table := range append(slices.Clone(ent.WorkspaceTables), tasktag.Table) {
		if slices.Contains(privateTables, table) {
			continue
		}
		rows := workspace.Statement()
		rows.WriteString("SELECT * FROM ").Ident(table).WriteString(" WHERE ").
			Join(workspace.Condition(viewer.Viewer{WorkspaceID: id}, "")).WriteString(orderOf(table))
		if _, err := out.rows(ctx, tx, table, rows); err != nil {
			return err
		}
	}
	_, _ = out.WriteString("\n}\n") // Flush returns the error.
	return out.Flush()              //nolint:wrapcheck // It names the file.
}

func orderOf(table string) string {
	if table == tasktag.Table {
		return " ORDER BY task_id, tag_id"
	}
	return " ORDER BY id"
}

// exporter writes the members of a JSON object.
type exporter struct {
	*bufio.Writer

	begun bool
}

// rows writes the rows of a query as a member of the object, and returns how many there are. Nothing is written if the first member
// has none.
func (e *exporter) rows(ctx context.Context, tx *sql.Tx, name string, statement *entsql.Builder) (int, error) {
	query, args := statement.Query()
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", name, err)
	}
	defer rows.Close()
	columns, err := rows.ColumnTypes()
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", name, err)
	}
	n := 0
	for ; rows.Next(); n++ {
		values, targets := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return 0, fmt.Errorf("reading %s: %w", name, err)
		}
		row := make(map[string]any, len(columns))
		for i, column := range columns {
			if !slices.Contains(derivedColumns, column.Name()) {
				row[column.Name()] = exportedValue(values[i], column.DatabaseTypeName())
			}
		}
		text, err := json.Marshal(row)
		if err != nil {
			return 0, fmt.Errorf("encoding %s: %w", name, err)
		}
		if n == 0 {
			e.begin(name)
		} else {
			_, _ = e.WriteString(",\n") // Flush returns the error.
		}
		_, _ = e.Write(text)
	}
	if err := rows.Err(); err != nil {
		return 0, fmt.Errorf("reading %s: %w", name, err)
	}
	if n == 0 && !e.begun {
		return 0, nil
	}
	if n == 0 {
		e.begin(name)
	}
	_, _ = e.WriteString("]")
	return n, nil
}

func (e *exporter) begin(name string) {
	separator := "{\n"
	if e.begun {
		separator = ",\n"
	}
	e.begun = true
	_, _ = fmt.Fprintf(e, "%s%q: [", separator, name)
}

// exportedValue returns a value of the database as JSON has it: moments in UTC, and bytes as text if they are, else in base64. SQLite has
// numbers for booleans.
func exportedValue(value any, databaseType string) any {
	switch value := value.(type) {
	case int64:
		if strings.HasPrefix(strings.ToUpper(databaseType), "BOOL") {
			return value != 0
		}
		return value
	case []byte:
		if utf8.Valid(value) {
			return string(value)
		}
		return base64.StdEncoding.EncodeToString(value)
	case time.Time:
		return value.UTC().Format(time.RFC3339Nano)
	default:
		return value
	}
}

// Delete erases an organization's workspace for good, or, unless confirmed, says what it would erase. After an error, calling it again
// goes on. The errors are ErrNoWorkspace, and those of task.Service.EraseWorkspace.
func (w Workspaces) Delete(ctx context.Context, nodeID string, confirmed bool) error {
	id, ok := workspace.ParseNodeID(nodeID)
	if !ok {
		return fmt.Errorf("%w %q", ErrNoWorkspace, nodeID)
	}
	var tasks int
	err := w.DB.SQL.QueryRowContext(ctx, "SELECT task_count FROM workspaces WHERE id = $1", id).Scan(&tasks)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%w %q", ErrNoWorkspace, nodeID)
	case err != nil:
		return fmt.Errorf("reading the workspace: %w", err)
	}
	if _, ok := workspace.OrganizationOf(id); !ok {
		return task.ErrPersonal
	}
	if !confirmed {
		_, err := fmt.Fprintf(w.Out, "The workspace %s has %d tasks.\nNothing was changed. The same command with --yes erases it for good.\n", nodeID, tasks)
		return err //nolint:wrapcheck // It names the file.
	}
	ctx = viewer.AsSystem(ctx)
	workspaces, err := workspace.New(workspace.Config{Database: workspace.NewDatabase(w.DB.Driver(), w.DB.QueryRaw), LockWait: eraseWait})
	if err != nil {
		return fmt.Errorf("setting up workspaces: %w", err)
	}
	service, err := task.New(task.Config{Workspaces: workspaces})
	if err != nil {
		return fmt.Errorf("setting up tasks: %w", err)
	}
	last := 0
	err = service.EraseWorkspace(ctx, id, func(total int) {
		if total > last {
			_, _ = fmt.Fprintf(w.Progress, "%d of %d tasks erased\n", total, tasks)
		}
		last = total
	})
	if err != nil {
		return fmt.Errorf("%w\nwhat was erased is gone; give the same command again to go on", err)
	}
	_, err = fmt.Fprintf(w.Out, "The workspace %s was erased, with %d tasks.\n", nodeID, last)
	return err //nolint:wrapcheck // It names the file.
}
