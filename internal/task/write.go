package task

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/idempotencykey"
	"taskql/internal/sqlstate"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// KeyLifetime is how long an idempotency key is remembered, if the workspace's budget of keys lasts as long.
const KeyLifetime = 24 * time.Hour

// Result is what a mutation of one task answers. Where UserErrors is not empty nothing has changed.
type Result struct {
	// Task is the task after the change; the current one where the change was refused as STALE; else nil.
	Task       *ent.Task
	UserErrors []*UserError
}

// result is what a mutation answers: a pointer to R.
type result[R any] interface {
	*R
	// refuse makes it a refusal.
	refuse(errs violations)
	// memory is the part of it that is remembered as JSON under an idempotency key.
	memory() any
}

func (r *Result) refuse(errs violations)          { r.UserErrors = errs }
func (r *PurgeResult) refuse(errs violations)     { r.UserErrors = errs }
func (r *BulkResult) refuse(errs violations)      { r.UserErrors = errs }
func (r *TagResult) refuse(errs violations)       { r.UserErrors = errs }
func (r *DeleteTagResult) refuse(errs violations) { r.UserErrors = errs }

// memory of a task's mutation is the task alone: what is remembered was never refused.
func (r *Result) memory() any          { return &r.Task }
func (r *PurgeResult) memory() any     { return r }
func (r *BulkResult) memory() any      { return r }
func (r *TagResult) memory() any       { return r }
func (r *DeleteTagResult) memory() any { return r }

func refused[R any, P result[R]](errs violations) *R {
	r := new(R)
	P(r).refuse(errs)
	return r
}

// mutation is one change on its way through the write path.
type mutation[R any] struct {
	// name and input are what an idempotency key stands for.
	name  string
	input any
	key   *string
	// violations are what is wrong with the input. If there are any, the mutation is refused without a transaction.
	violations violations
	// newTasks is how many tasks it makes.
	newTasks int
	// atOnce, where set, does the work in a statement that is a transaction of its own. It is tried first where there is no
	// key, and answers nil where it has done nothing and the long way is to be taken.
	atOnce func(ctx context.Context) (*R, error)
	// change does the work. It is called with the workspace locked, and again, in a new
	// transaction, where PostgreSQL rolled the first one back: it keeps nothing of a call. With errRefused it gives back an
	// answer of which nothing is committed.
	change func(ctx context.Context, tx *tx) (*R, error)
}

// tx is what a change works with: a transaction that holds the workspace's lock.
type tx struct {
	*ent.Tx

	viewer viewer.Viewer
	limits Limits
	// dialect is the service's.
	dialect string
	// version is the number of this change: every row that it touches is stamped with it.
	version int
	// taskCount is how many tasks the workspace has, with those that this change makes.
	taskCount int
	// now is the moment of this change.
	now time.Time
	// changed says that a row was touched. Where none was, the number is given back.
	changed bool
	// lastEnd is the last position at the end that this change gave; nil where it gave none.
	lastEnd []byte
}

// errRefused ends a transaction that has nothing to commit: a refusal, or an answer that was given before.
var errRefused = errors.New("nothing to commit")

// write is the one write path. In one transaction it locks the workspace by taking its next version, repeats the
// first answer where the key was used before, applies the change and remembers the answer. So a version is never
// used twice, no update is lost, and the rows by version are a feed of changes without gaps.
func write[R any, P result[R]](ctx context.Context, s *Service, v viewer.Viewer, m mutation[R]) (*R, error) {
	if m.violations.idempotencyKey(m.key); len(m.violations) > 0 {
		return refused[R, P](m.violations), nil
	}
	if m.atOnce != nil && m.key == nil {
		if answer, err := m.atOnce(ctx); answer != nil || err != nil {
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.name, err)
			}
			return answer, nil
		}
	}
	hash, err := m.hash()
	if err != nil {
		return nil, err
	}
	var answer *R
	err = s.locked(ctx, v, m.newTasks, func(t *tx) error {
		known, err := t.answered(ctx, m.key)
		if err != nil {
			return err
		}
		if known != nil {
			if answer, err = repeat[R, P](known, hash); err != nil {
				return err
			}
			return errRefused
		}
		if answer, err = m.change(ctx, t); err != nil {
			return err
		}
		return t.finish(ctx, m.key, hash, P(answer).memory())
	})
	if err != nil && !errors.Is(err, errRefused) {
		return nil, fmt.Errorf("%s: %w", m.name, err)
	}
	if m.key != nil {
		s.remembered.Store(true)
	}
	return answer, nil
}

// locked runs work in a transaction that holds the workspace's lock. The error is ErrBusy where it is not to be had in
// time.
func (s *Service) locked(ctx context.Context, v viewer.Viewer, newTasks int, work func(*tx) error) error {
	wait, stop := context.WithTimeoutCause(ctx, s.lockWait, ErrBusy)
	defer stop()
	if err := s.writers.Acquire(wait, v.WorkspaceID); err != nil {
		return err
	}
	defer s.writers.Release(v.WorkspaceID)
	return s.inTx(ctx, func(entTx *ent.Tx) error {
		t := &tx{Tx: entTx, viewer: v, limits: s.limits, dialect: s.dialect}
		if err := t.lock(wait, s.dialect, newTasks); err != nil {
			if errors.Is(context.Cause(wait), ErrBusy) || sqlstate.Of(err) == sqlstate.LockNotAvailable && endsFirst(wait, ctx) {
				return fmt.Errorf("%w: %w", ErrBusy, err)
			}
			return err
		}
		s.noteWrite()
		t.now = s.now() // Not when it began to wait: what comes later is later.
		return work(t)
	})
}

// applyChange runs work as a change of the workspace that no client asked for.
func (s *Service) applyChange(ctx context.Context, v viewer.Viewer, work func(*tx) error) error {
	return unlessRefused(s.locked(ctx, v, 0, func(t *tx) error {
		if err := work(t); err != nil {
			return err
		}
		return t.finish(ctx, nil, nil, nil)
	}))
}

// unlessRefused is the error of a change, where one that has nothing to commit is none.
func unlessRefused(err error) error {
	if errors.Is(err, errRefused) {
		return nil
	}
	return err
}

// inTx runs work in a transaction: it is committed where work returns nil, else rolled back. Where PostgreSQL rolled it
// back because of another, work is called again in a new one.
func (s *Service) inTx(ctx context.Context, work func(*ent.Tx) error) error {
	return sqlstate.Retry(ctx, func() error { return s.tryTx(ctx, work) })
}

func (s *Service) tryTx(ctx context.Context, work func(*ent.Tx) error) error {
	t, err := s.client.Tx(ctx)
	if err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	defer func() { _ = t.Rollback() }() // After a commit it does nothing; otherwise work's error tells.
	if err := work(t); err != nil {
		return err
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// takeVersion is one statement for both databases; ent would take two.
const takeVersion = `UPDATE workspaces SET version = version + $1, task_count = task_count + $2
	WHERE id = $3 AND closed_at IS NULL RETURNING version, task_count`

// lockVersion is takeVersion that waits for the lock no longer than $4 milliseconds. Where a statement is cancelled before
// PostgreSQL has begun it, PostgreSQL forgets about that.
const lockVersion = `UPDATE workspaces SET version = version + $1, task_count = task_count + $2
	WHERE id = $3 AND closed_at IS NULL AND set_config('lock_timeout', $4, true) IS NOT NULL RETURNING version, task_count`

// lock takes the workspace's next version, and with it the lock, and counts the tasks that are about to be made.
func (t *tx) lock(ctx context.Context, database string, newTasks int) error {
	until, ok := ctx.Deadline()
	if database != dialect.Postgres || !ok {
		return t.take(ctx, 1, newTasks)
	}
	wait := max(time.Until(until).Milliseconds(), 1)
	return t.takeBy(ctx, lockVersion, 1, newTasks, t.viewer.WorkspaceID, strconv.FormatInt(wait, 10))
}

// endsFirst says whether a context has an earlier deadline than the one that it was made of.
func endsFirst(child, parent context.Context) bool {
	mine, _ := child.Deadline()
	theirs, ok := parent.Deadline()
	return !ok || mine.Before(theirs)
}

// take takes that many of the workspace's next versions and counts its tasks. The row stays locked until the transaction
// ends, so that the writes of one workspace follow each other.
func (t *tx) take(ctx context.Context, versions, tasks int) error {
	return t.takeBy(ctx, takeVersion, versions, tasks, t.viewer.WorkspaceID)
}

func (t *tx) takeBy(ctx context.Context, statement string, args ...any) error {
	var workspace []struct {
		Version   int `sql:"version"`
		TaskCount int `sql:"task_count"`
	}
	if err := t.scanRows(ctx, &workspace, statement, args...); err != nil {
		return fmt.Errorf("locking the workspace: %w", err)
	}
	if len(workspace) != 1 {
		return ErrNoWorkspace
	}
	t.version, t.taskCount = workspace[0].Version, workspace[0].TaskCount
	return nil
}

// tasks selects the tasks that this change may see.
func (t *tx) tasks() *ent.TaskQuery { return visible(t.Task.Query(), t.viewer) }

// update changes tasks, within the same bounds, and stamps them.
func (t *tx) update() *ent.TaskUpdate {
	t.changed = true
	return t.Task.Update().Where(workspace.Scope(t.viewer)).SetVersion(t.version).SetUpdatedAt(t.now)
}

// stamp notes in memory what update has written.
func (t *tx) stamp(e *ent.Task) { e.Version, e.UpdatedAt = t.version, t.now }

// statement returns a builder of SQL that both databases understand.
func statement() *sql.Builder {
	b := &sql.Builder{}
	b.SetDialect(dialect.Postgres) // SQLite takes $1 for an argument too.
	return b
}

// finish gives the version back where no row has it and remembers the answer. Refusals don't come here and are not
// remembered: they changed nothing, so that the same key may come again with the mistake mended.
func (t *tx) finish(ctx context.Context, key *string, hash []byte, answer any) error {
	if !t.changed && key == nil {
		return errRefused
	}
	if !t.changed {
		if err := t.take(ctx, -1, 0); err != nil {
			return err
		}
	}
	if key == nil {
		return nil
	}
	return t.remember(ctx, *key, hash, answer)
}

// answered returns what is remembered of the key; nil where that is nothing. What is too old is forgotten.
func (t *tx) answered(ctx context.Context, key *string) (*ent.IdempotencyKey, error) {
	if key == nil {
		return nil, nil //nolint:nilnil // Nothing remembered is no error.
	}
	known, err := t.IdempotencyKey.Query().
		Where(workspace.Scope(t.viewer), idempotencykey.Key(*key)).
		Only(ctx)
	if ent.IsNotFound(err) {
		return nil, nil //nolint:nilnil // As above.
	}
	if err != nil {
		return nil, fmt.Errorf("looking up the idempotency key: %w", err)
	}
	if t.now.Before(known.CreatedAt.Add(KeyLifetime)) {
		return known, nil
	}
	// It may be gone meanwhile: upkeep removes old keys without the workspace's lock.
	if _, err := t.IdempotencyKey.Delete().Where(idempotencykey.ID(known.ID)).Exec(ctx); err != nil {
		return nil, fmt.Errorf("forgetting an old idempotency key: %w", err)
	}
	return nil, nil //nolint:nilnil // As above.
}

// remember keeps the answer under the key.
func (t *tx) remember(ctx context.Context, key string, hash []byte, answer any) error {
	encoded, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	return t.store(ctx, idAt(t.now, uuid.New()), key, hash, string(encoded))
}

// forgotten stands for an answer that held a task which is gone for good. Its key is kept, so that the request still has
// no second effect.
const forgotten = "null"

// repeat answers what was answered before, or that the key was used for something else.
func repeat[R any, P result[R]](known *ent.IdempotencyKey, hash []byte) (*R, error) {
	var errs violations
	switch {
	case !bytes.Equal(known.RequestHash, hash):
		errs.add(CodeKeyReused, "idempotencyKey", "This key was used for another request: send a fresh one.")
		return refused[R, P](errs), nil
	case known.Answer == forgotten:
		errs.add(CodeNotFound, "", "This request was carried out before, and what it changed has since been deleted for good.")
		return refused[R, P](errs), nil
	}
	r := new(R)
	if err := json.Unmarshal([]byte(known.Answer), P(r).memory()); err != nil {
		return nil, fmt.Errorf("decoding the first answer: %w", err)
	}
	return r, nil
}

// hash tells two requests apart: by the mutation's name and all of its input.
func (m mutation[R]) hash() ([]byte, error) {
	if m.key == nil {
		return nil, nil
	}
	input, err := json.Marshal(m.input)
	if err != nil {
		return nil, fmt.Errorf("hashing the input: %w", err)
	}
	sum := sha256.Sum256(append([]byte(m.name+"\n"), input...))
	return sum[:], nil
}
