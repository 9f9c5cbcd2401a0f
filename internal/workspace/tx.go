package workspace

import (
	"context"
	"database/sql/driver"
	"fmt"
	"regexp"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"

	"taskql/ent"
	entworkspace "taskql/ent/workspace"
	"taskql/internal/sqlstate"
	"taskql/internal/viewer"
)

// Tx is the transaction of a change. It holds the workspace's lock until it ends.
type Tx struct {
	*ent.Tx

	Viewer  viewer.Viewer
	Dialect string
	// Version is the number of this change. Every row that it changes gets it.
	Version int
	// Now is the time of this change.
	Now time.Time
	// HistoryBytes is how many bytes of old descriptions the workspace had before this change, or more.
	HistoryBytes int
	// Count is the value of the change's Counter, after it was added to.
	Count int

	changed bool
	// taken are the versions that were taken of workspaces: what Config.Committed is called with.
	taken map[string]int
	// onCommit is called after the commit.
	onCommit []func()

	maxKeys, maxKeyBytes int
	// budget is whose points is counted in; nil if the change is free.
	budget Budget
	points int
}

// Counter is a column of workspaces that counts rows, such as task_count, so that a limit needs no SELECT count(*). The zero
// value is none.
type Counter struct {
	Column string
	// Add is how many rows the change is going to insert. The workspace's lock is taken with it, in one statement.
	Add int
}

// MarkChanged says that a row was changed. The version of a change without it is given back.
func (t *Tx) MarkChanged() { t.changed = true }

// Changed reports whether a row was changed.
func (t *Tx) Changed() bool { return t.changed }

// OnCommit calls fn after the change was committed. As Config.Committed, it must be quick and must not block.
func (t *Tx) OnCommit(fn func()) { t.onCommit = append(t.onCommit, fn) }

// Statement returns a builder of SQL that both databases understand.
func Statement() *sql.Builder {
	b := &sql.Builder{}
	b.SetDialect(dialect.Postgres) // SQLite takes $1 for an argument too.
	return b
}

var numbered = regexp.MustCompile(`\$[0-9]+`)

// query returns a statement, whose arguments are in order, and the arguments. To SQLite, $1 is a name, which is compared with all names
// before it: in a statement with 10,000 arguments that takes longer than all else.
func (t *Tx) query(b *sql.Builder) (string, []any) {
	query, args := b.Query()
	if t.Dialect != dialect.Postgres {
		query = numbered.ReplaceAllString(query, "?")
	}
	return query, args
}

// Exec runs a statement that returns no rows.
func (t *Tx) Exec(ctx context.Context, b *sql.Builder) error {
	query, args := t.query(b)
	_, err := t.ExecContext(ctx, query, args...)
	return err //nolint:wrapcheck // The caller says what it was doing.
}

// Select reads all rows of a statement into a slice, as sql.ScanSlice does.
func (t *Tx) Select(ctx context.Context, into any, b *sql.Builder) error {
	query, args := t.query(b)
	return t.scan(ctx, into, query, args...)
}

func (t *Tx) scan(ctx context.Context, into any, query string, args ...any) error {
	rows, err := t.QueryContext(ctx, query, args...) //nolint:rowserrcheck // ScanSlice checks rows.Err.
	if err != nil {
		return err //nolint:wrapcheck // As above.
	}
	defer rows.Close()
	return sql.ScanSlice(rows, into) //nolint:wrapcheck // As above.
}

// QueryRaw runs a query in the transaction. It is a QueryRaw.
func (t *Tx) QueryRaw(ctx context.Context, query string, args []any, each func(row []driver.Value) error) error {
	rows, err := t.QueryContext(ctx, query, args...)
	if err != nil {
		return err //nolint:wrapcheck // The caller says what it was doing.
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err //nolint:wrapcheck // As above.
	}
	row, into := make([]driver.Value, len(columns)), make([]any, len(columns))
	for i := range row {
		into[i] = (*any)(&row[i])
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err //nolint:wrapcheck // As above.
		}
		if err := each(row); err != nil {
			return err
		}
	}
	return rows.Err() //nolint:wrapcheck // As above.
}

// Add adds n, which may be negative, to a column of the workspace that counts rows, and returns its value.
func (t *Tx) Add(ctx context.Context, column string, n int) (int, error) {
	count := 0
	err := t.updateWorkspace(ctx, []any{&count},
		"UPDATE workspaces SET "+column+" = "+column+" + $1 WHERE id = $2 RETURNING "+column, n, t.Viewer.WorkspaceID)
	return count, err
}

// updateWorkspace runs a statement that updates the workspace, and scans the row that it returns. The error is ErrNoWorkspace
// if it returns none.
func (t *Tx) updateWorkspace(ctx context.Context, dest []any, statement string, args ...any) error {
	rows, err := t.QueryContext(ctx, statement, args...)
	if err != nil {
		return fmt.Errorf("updating the workspace: %w", err)
	}
	defer rows.Close()
	found := false
	for ; rows.Next(); found = true {
		if err := rows.Scan(dest...); err != nil {
			return fmt.Errorf("updating the workspace: %w", err)
		}
	}
	// The statement may fail, or ctx may end, after the row: then the connection can't be used any more.
	if err := rows.Err(); err != nil {
		return fmt.Errorf("updating the workspace: %w", err)
	}
	if !found {
		return ErrNoWorkspace
	}
	return nil
}

// previousVersion is the workspace's version before the change.
func (t *Tx) previousVersion() int { return t.Version - 1 }

// finalVersion is the workspace's version after the commit: that of the change, unless it is given back.
func (t *Tx) finalVersion() int {
	if t.changed {
		return t.Version
	}
	return t.previousVersion()
}

// giveBack makes the version the next change's, so that none is skipped.
func (t *Tx) giveBack(ctx context.Context) error {
	var version int
	return t.updateWorkspace(ctx, []any{&version}, giveBackVersion, t.Viewer.WorkspaceID)
}

func (s *Service) newTx(entTx *ent.Tx, v viewer.Viewer) *Tx {
	return &Tx{Tx: entTx, Viewer: v, Dialect: s.Dialect, Now: s.Now(), maxKeys: s.maxKeys, maxKeyBytes: s.maxKeyBytes}
}

// DryRun runs work in a transaction that is rolled back, without the workspace's lock and a new version. The workspace need
// not exist.
func (s *Service) DryRun(ctx context.Context, v viewer.Viewer, c Counter, work func(*Tx) error) error {
	return ignoreNoCommit(s.inTx(ctx, v, func(t *Tx) error {
		if err := t.readCount(ctx, c); err != nil {
			return err
		}
		if err := work(t); err != nil {
			return err
		}
		return ErrNoCommit
	}))
}

// readCount sets Count without a change; it stays 0 if there is no counter or no workspace.
func (t *Tx) readCount(ctx context.Context, c Counter) error {
	if c.Column == "" {
		return nil
	}
	counts, err := t.Workspace.Query().Where(entworkspace.ID(t.Viewer.WorkspaceID)).Select(c.Column).Ints(ctx)
	if err != nil {
		return fmt.Errorf("reading the workspace: %w", err)
	}
	for _, n := range counts {
		t.Count = n
	}
	return nil
}

// closeWorkspace locks the workspace and keeps it from being written to. If it does not exist, it is made: so the first
// request of its user, which makes it too, has either ended before, or begins after the transaction. What is then erased or moved away
// leaves no tombstones, so it does not set feed_version.
const closeWorkspace = `INSERT INTO workspaces (id, created_at, closed_at) VALUES ($1, $2, $2)
	ON CONFLICT (id) DO UPDATE SET version = workspaces.version + 1, closed_at = coalesce(workspaces.closed_at, excluded.closed_at)
	RETURNING version`

// CloseWorkspace locks a workspace, which may be another than the viewer's, and closes it for good: every later change of it
// returns ErrNoWorkspace.
func (t *Tx) CloseWorkspace(ctx context.Context, id string) error {
	version := 0
	if err := t.updateWorkspace(ctx, []any{&version}, closeWorkspace, id, t.Now); err != nil {
		return fmt.Errorf("closing the workspace: %w", err)
	}
	t.took(id, version)
	return nil
}

// Erase runs work in a transaction that has closed v's workspace.
func (s *Service) Erase(ctx context.Context, v viewer.Viewer, work func(*Tx) error) error {
	if err := s.writers.Acquire(ctx, v.WorkspaceID); err != nil {
		return fmt.Errorf("waiting for the workspace's changes: %w", err)
	}
	defer s.writers.Release(v.WorkspaceID)
	return s.inTx(ctx, v, func(t *Tx) error {
		if err := t.CloseWorkspace(ctx, v.WorkspaceID); err != nil {
			return err
		}
		return work(t)
	})
}

// inTx runs work in a transaction, which is committed if work returns nil, else rolled back. If PostgreSQL has rolled it back
// because of another transaction, work is run again in a new one. After a commit, Config.Committed is called.
func (s *Service) inTx(ctx context.Context, v viewer.Viewer, work func(*Tx) error) error {
	var t *Tx
	err := sqlstate.Retry(ctx, func() error {
		tx, err := s.Client.Tx(ctx)
		if err != nil {
			return fmt.Errorf("beginning: %w", err)
		}
		defer func() { _ = tx.Rollback() }() // After a commit it does nothing; otherwise work's error is returned.
		t = s.newTx(tx, v)
		if err := work(t); err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return fmt.Errorf("committing: %w", err)
		}
		return nil
	})
	if err != nil {
		return err //nolint:wrapcheck // It is work's, or wrapped above.
	}
	for id, version := range t.taken {
		s.committed(id, version)
	}
	for _, fn := range t.onCommit {
		fn()
	}
	return nil
}

// took notes that the transaction has taken a version of a workspace.
func (t *Tx) took(workspaceID string, version int) {
	if t.taken == nil {
		t.taken = map[string]int{}
	}
	t.taken[workspaceID] = version
}
