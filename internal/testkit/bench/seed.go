package bench

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"taskql/internal/database"
)

// The tags of every workspace.
var (
	tagNames  = [5]string{"home", "work", "errand", "urgent", "someday"}         //nolint:gochecknoglobals // A constant table.
	tagColors = [5]string{"#e11d48", "#2563eb", "#16a34a", "#f59e0b", "#7c3aed"} //nolint:gochecknoglobals // As above.
	firstDay  = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)                      //nolint:gochecknoglobals // As above.
)

// errOthersData refuses a database that people use.
var errOthersData = errors.New("the database has users that are not the benchmark's (w00001, w00002, …); seeding would delete them: name another database in DATABASE_URL")

// Seed fills a database with the benchmark's data: workspaces with the given number of tasks each, named w00001 and so
// on, with 5 tags, of which every task has 2. A fifth of the tasks are completed, a third are due, and a quarter have
// no description. It first deletes the data of an earlier seed. A database with any other data is an error.
func Seed(ctx context.Context, address string, workspaces, tasks int) error {
	db, err := database.Open(ctx, database.Config{URL: address, StatementCache: database.CacheOff})
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	defer func() { _ = db.Close() }() // Its errors have been returned by then.
	if _, err := db.Migrate(ctx); err != nil {
		return fmt.Errorf("migrating the database: %w", err)
	}
	// Use lib/pq's own connections: while rows are copied, PostgreSQL sends nothing for longer than the server's read
	// timeout.
	pool, err := sql.Open("postgres", address)
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	defer pool.Close()
	var others bool
	if err := pool.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM users WHERE id !~ '^w[0-9]{5}$')`).Scan(&others); err != nil {
		return fmt.Errorf("looking for users: %w", err)
	}
	if others {
		return errOthersData
	}
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // After the commit it does nothing.
	if err := fill(ctx, tx, newRows(workspaces, tasks)); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	if _, err := pool.ExecContext(ctx, "VACUUM ANALYZE"); err != nil {
		return fmt.Errorf("vacuuming: %w", err)
	}
	return nil
}

// fill copies the rows. It creates the indexes of tasks after that, which takes a fraction of the time.
func fill(ctx context.Context, tx *sql.Tx, r *rows) error {
	if _, err := tx.ExecContext(ctx, "TRUNCATE users, workspaces CASCADE"); err != nil {
		return fmt.Errorf("emptying the tables: %w", err)
	}
	createIndexes, err := dropIndexes(ctx, tx)
	if err != nil {
		return err
	}
	for _, t := range []struct {
		table, columns string
		write          func(add func(...any) error) error
	}{
		{"workspaces", "id version keys_version task_count created_at", r.workspaceRows},
		{"users", "id name email created_at updated_at", r.userRows},
		{"tags", "id version name name_key color created_at updated_at workspace_id", r.tagRows},
		{"tasks", "id version title description completed completed_at created_at updated_at workspace_id priority due_date due_sort position title_key search_text", r.taskRows},
		{"task_tags", "workspace_id task_id tag_id", r.taskTagRows},
	} {
		if err := copyIn(ctx, tx, t.table, strings.Fields(t.columns), t.write); err != nil {
			return fmt.Errorf("copying into %s: %w", t.table, err)
		}
	}
	for _, statement := range createIndexes {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("making an index: %w", err)
		}
	}
	return nil
}

// dropIndexes drops the indexes of tasks that are not constraints, and returns the statements that create them.
func dropIndexes(ctx context.Context, tx *sql.Tx) ([]string, error) {
	found, err := tx.QueryContext(ctx, `SELECT i.indexname, i.indexdef FROM pg_indexes i
		WHERE i.schemaname = current_schema() AND i.tablename = 'tasks' AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conname = i.indexname)`)
	if err != nil {
		return nil, fmt.Errorf("listing the indexes: %w", err)
	}
	defer found.Close()
	var drop, create []string
	for found.Next() {
		var name, definition string
		if err := found.Scan(&name, &definition); err != nil {
			return nil, fmt.Errorf("reading an index: %w", err)
		}
		drop, create = append(drop, pq.QuoteIdentifier(name)), append(create, definition)
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("listing the indexes: %w", err)
	}
	if len(drop) == 0 {
		return nil, nil
	}
	if _, err := tx.ExecContext(ctx, "DROP INDEX "+strings.Join(drop, ", ")); err != nil {
		return nil, fmt.Errorf("dropping the indexes: %w", err)
	}
	return create, nil
}

func copyIn(ctx context.Context, tx *sql.Tx, table string, columns []string, write func(add func(...any) error) error) error {
	stmt, err := tx.PrepareContext(ctx, pq.CopyIn(table, columns...)) //nolint:staticcheck // The builder quotes the names.
	if err != nil {
		return err
	}
	defer func() { _ = stmt.Close() }() // The last Exec returns the errors.
	err = write(func(values ...any) error {
		_, err := stmt.ExecContext(ctx, values...)
		return err
	})
	if err != nil {
		return err
	}
	_, err = stmt.ExecContext(ctx)
	return err
}

// rows generates the data, which is the same for the same numbers of workspaces and tasks.
type rows struct {
	workspaces, tasks int
	random            *rand.Rand
	tags              [][5]uuid.UUID
	ids               []uuid.UUID
}

func newRows(workspaces, tasks int) *rows {
	return &rows{workspaces: workspaces, tasks: tasks, random: rand.New(rand.NewPCG(42, 42))}
}

// workspaceID returns the id of a workspace and of its user.
func workspaceID(w int) string { return fmt.Sprintf("w%05d", w) }

// id returns a UUIDv7 with that time.
func (r *rows) id(at time.Time) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(at.UnixMilli())<<16|uint64(r.random.Uint32()&0xffff))
	binary.BigEndian.PutUint64(id[8:], r.random.Uint64())
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	return id
}

func (r *rows) workspaceRows(add func(...any) error) error {
	for w := range r.workspaces {
		version := len(tagNames) + r.tasks
		// The sort keys below are not exactly the server's. keys_version keeps the server from rewriting them during a
		// measurement.
		if err := add(workspaceID(w+1), version, version, r.tasks, firstDay); err != nil {
			return err
		}
	}
	return nil
}

func (r *rows) userRows(add func(...any) error) error {
	for w := range r.workspaces {
		id := workspaceID(w + 1)
		if err := add(id, "User "+id, id+"@example.com", firstDay, firstDay); err != nil {
			return err
		}
	}
	return nil
}

func (r *rows) tagRows(add func(...any) error) error {
	r.tags = make([][5]uuid.UUID, r.workspaces)
	for w := range r.workspaces {
		for k, name := range tagNames {
			r.tags[w][k] = r.id(firstDay)
			if err := add(r.tags[w][k], k+1, name, []byte(name), tagColors[k], firstDay, firstDay, workspaceID(w+1)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *rows) taskRows(add func(...any) error) error {
	r.ids = make([]uuid.UUID, 0, r.workspaces*r.tasks)
	for n := 1; n <= r.tasks; n++ { // Interleaved over the workspaces, as in real life.
		for w := 1; w <= r.workspaces; w++ {
			created := firstDay.Add(time.Duration(n)*time.Hour + time.Duration(w%3600)*time.Second + time.Duration(r.random.IntN(1e6))*time.Microsecond)
			id := r.id(created)
			r.ids = append(r.ids, id)
			title := fmt.Sprintf("Task %d of workspace %d %012x", n, w, r.random.Uint64()>>16)
			var description, completedAt, dueDate, dueSort any
			text := title + "\n"
			if n%4 != 0 {
				d := strings.Repeat("Lorem ipsum dolor sit amet, ", 1+n%5)
				description, text = d, text+d
			}
			if n%5 == 0 {
				completedAt = created.AddDate(0, 0, 3)
			}
			if n%3 == 0 {
				dueDate, dueSort = created.AddDate(0, 0, 20).Truncate(24*time.Hour), time.Time{}
			}
			err := add(id, len(tagNames)+n, title, description, completedAt != nil, completedAt, created, created.Add(time.Hour), workspaceID(w), n%4,
				dueDate, dueSort, fmt.Appendf(nil, "e%05x", n), []byte(strings.ToLower(title)), strings.ToLower(text))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *rows) taskTagRows(add func(...any) error) error {
	for i, id := range r.ids {
		w := i % r.workspaces
		for _, k := range [2]int{i % 5, (i + 2) % 5} {
			if err := add(workspaceID(w+1), id, r.tags[w][k]); err != nil {
				return err
			}
		}
	}
	return nil
}
