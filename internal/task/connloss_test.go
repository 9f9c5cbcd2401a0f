package task_test

import (
	"context"
	stdsql "database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/google/go-cmp/cmp"

	"taskql/ent"
	"taskql/internal/project"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// commitFailure says when the connection is lost in the next commit.
type commitFailure int32

const (
	noFailure    commitFailure = iota
	beforeCommit               // The commit does not arrive.
	afterCommit                // The commit is done, and its result is lost.
)

// failingDriver is a driver that can lose the connection in a commit.
type failingDriver struct {
	dialect.Driver

	next atomic.Int32
}

func (d *failingDriver) Tx(ctx context.Context) (dialect.Tx, error) {
	tx, err := d.Driver.Tx(ctx)
	if err != nil {
		return nil, err
	}
	inner, ok := tx.(*sql.Tx)
	if !ok {
		return nil, fmt.Errorf("the transaction is a %T", tx)
	}
	return &failingTx{Tx: inner, driver: d}, nil
}

// QueryContext runs statements that are transactions of their own.
func (d *failingDriver) QueryContext(ctx context.Context, statement string, args ...any) (*stdsql.Rows, error) {
	inner, ok := d.Driver.(interface {
		QueryContext(ctx context.Context, statement string, args ...any) (*stdsql.Rows, error)
	})
	if !ok {
		return nil, fmt.Errorf("the driver is a %T", d.Driver)
	}
	return inner.QueryContext(ctx, statement, args...)
}

// QueryRaw is used for lists.
func (d *failingDriver) QueryRaw(ctx context.Context, query string, args []any, each func(row []driver.Value) error) error {
	return testkit.QueryRawOf(d.Driver)(ctx, query, args, each)
}

// BeginTx begins a transaction with options, for ent.
func (d *failingDriver) BeginTx(ctx context.Context, _ *stdsql.TxOptions) (dialect.Tx, error) {
	return d.Tx(ctx)
}

type failingTx struct {
	*sql.Tx

	driver *failingDriver
}

func (t *failingTx) Commit() error {
	switch commitFailure(t.driver.next.Swap(int32(noFailure))) {
	case beforeCommit:
		return errors.Join(driver.ErrBadConn, t.Rollback())
	case afterCommit:
		return errors.Join(driver.ErrBadConn, t.Tx.Commit())
	default:
		return t.Tx.Commit()
	}
}

// keyedMutations returns all mutations as functions of the idempotency key. Each changes rows that no other mutation changes, except
// emptyTrash: keyedNames has it last.
func keyedMutations(ctx context.Context, t *testing.T, env *testEnv, v viewer.Viewer) map[string]func(key *string) (any, error) {
	t.Helper()
	e := func(title string) *ent.Task { return env.createTask(ctx, t, v, title) }
	gone := func(title string) *ent.Task { return mustSucceed(t)(env.Delete(ctx, v, targetOf(e(title)))) }
	done := func(title string) *ent.Task { return mustSucceed(t)(env.Complete(ctx, v, targetOf(e(title)))) }
	one := func(call func(context.Context, viewer.Viewer, workspace.TargetInput) (*task.Result, error), e *ent.Task) func(*string) (any, error) {
		return func(key *string) (any, error) {
			return call(ctx, v, workspace.TargetInput{ID: e.ID.String(), IdempotencyKey: key})
		}
	}
	many := func(call func(context.Context, viewer.Viewer, task.BulkInput) (*task.BulkResult, error), e ...*ent.Task) func(*string) (any, error) {
		return func(key *string) (any, error) {
			return call(ctx, v, task.BulkInput{IDs: ids(e...), IdempotencyKey: key})
		}
	}
	tag, doomed, parent := env.createTag(ctx, t, v, "tag"), env.createTag(ctx, t, v, "doomed"), e("parent")
	edited, moved, purged, patched := e("edited"), env.createSubtask(ctx, t, v, parent, "moved"), gone("purged"), []*ent.Task{e("patched"), e("patched too")}
	repeating := func(title string) *ent.Task {
		return env.createRepeating(ctx, t, v, title, on(2026, 11, 23), rule("FREQ=DAILY"))
	}
	skipped, undone := repeating("skipped"), e("undone")
	day := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	patch := task.Patch{Priority: set(ptr(task.PriorityHigh)), Due: set(&task.DueInput{Date: &day}), AddTagIDs: set([]string{tag.ID.String()})}
	mutations := map[string]func(*string) (any, error){
		"createTask": func(key *string) (any, error) {
			return env.Create(ctx, v, task.CreateInput{Title: "new", ParentID: ptr(parent.ID.String()), TagIDs: []string{tag.ID.String()}, IdempotencyKey: key})
		},
		"updateTask": func(key *string) (any, error) {
			return env.Update(ctx, v, task.UpdateInput{ID: edited.ID.String(), Title: set(ptr("edited twice?")), Patch: patch, IdempotencyKey: key})
		},
		"completeTask": one(env.Complete, repeating("complete")),
		"reopenTask":   one(env.Reopen, done("reopen")),
		"skipOccurrence": func(key *string) (any, error) {
			return env.Skip(ctx, v, task.SkipInput{ID: skipped.ID.String(), Number: 1, IdempotencyKey: key})
		},
		"undoChange": func(key *string) (any, error) {
			return env.Undo(ctx, v, task.UndoInput{Version: undone.Version, IdempotencyKey: key})
		},
		"deleteTask":  one(env.Delete, e("delete")),
		"restoreTask": one(env.Restore, gone("restore")),
		"moveTask": func(key *string) (any, error) {
			return env.Move(ctx, v, task.MoveInput{ID: moved.ID.String(), AfterID: ptr(parent.ID.String()), ParentID: workspace.Optional[*string]{Set: true}, IdempotencyKey: key})
		},
		"purgeTask": func(key *string) (any, error) {
			return env.Purge(ctx, v, workspace.TargetInput{ID: purged.ID.String(), IdempotencyKey: key})
		},
		"emptyTrash": func(key *string) (any, error) {
			return env.EmptyTrash(ctx, v, task.EmptyTrashInput{IdempotencyKey: key})
		},
		"updateTasks": func(key *string) (any, error) {
			return env.UpdateMany(ctx, v, task.UpdateManyInput{BulkInput: task.BulkInput{IDs: ids(patched...), IdempotencyKey: key}, Patch: patch})
		},
		"completeTasks": many(env.CompleteMany, e("one"), repeating("two")),
		"reopenTasks":   many(env.ReopenMany, done("three"), e("four")),
		"deleteTasks":   many(env.DeleteMany, e("five"), e("six")),
		"restoreTasks":  many(env.RestoreMany, gone("seven"), gone("eight")),
		"createTag": func(key *string) (any, error) {
			return env.CreateTag(ctx, v, task.CreateTagInput{Name: "new", IdempotencyKey: key})
		},
		"updateTag": func(key *string) (any, error) {
			return env.UpdateTag(ctx, v, task.UpdateTagInput{ID: tag.ID.String(), Name: set(ptr("renamed")), IdempotencyKey: key})
		},
		"deleteTag": func(key *string) (any, error) {
			return env.DeleteTag(ctx, v, workspace.TargetInput{ID: doomed.ID.String(), IdempotencyKey: key})
		},
	}
	maps.Copy(mutations, keyedProjectMutations(ctx, t, env, v))
	return mutations
}

// keyedProjectMutations are the mutations of projects that change tasks.
func keyedProjectMutations(ctx context.Context, t *testing.T, env *testEnv, v viewer.Viewer) map[string]func(key *string) (any, error) {
	t.Helper()
	list := func(name string) string {
		t.Helper()
		r, err := env.projects.Create(ctx, v, project.CreateInput{Name: name})
		if err != nil || len(r.UserErrors) > 0 {
			t.Fatal(r, err)
		}
		id := r.Project.ID.String()
		mustSucceed(t)(env.Create(ctx, v, task.CreateInput{Title: "in " + name, ProjectID: &id}))
		return id
	}
	type method = func(context.Context, viewer.Viewer, workspace.TargetInput) (*project.Result, error)
	one := func(call method, id string) func(*string) (any, error) {
		return func(key *string) (any, error) {
			return call(ctx, v, workspace.TargetInput{ID: id, IdempotencyKey: key})
		}
	}
	archived, gone := list("archived"), list("gone")
	for id, call := range map[string]method{archived: env.ArchiveProject, gone: env.DeleteProject} {
		if r, err := call(ctx, v, workspace.TargetInput{ID: id}); err != nil || len(r.UserErrors) > 0 {
			t.Fatal(r, err)
		}
	}
	section, err := env.projects.CreateSection(ctx, v, project.CreateSectionInput{ProjectID: list("with a section"), Name: "section"})
	if err != nil || len(section.UserErrors) > 0 {
		t.Fatal(section, err)
	}
	return map[string]func(*string) (any, error){
		"archiveProject": one(env.ArchiveProject, list("archive")), "unarchiveProject": one(env.UnarchiveProject, archived),
		"deleteProject": one(env.DeleteProject, list("delete")), "restoreProject": one(env.RestoreProject, gone),
		"deleteSection": func(key *string) (any, error) {
			return env.DeleteSection(ctx, v, workspace.TargetInput{ID: section.Section.ID.String(), IdempotencyKey: key})
		},
	}
}

// keyedNames returns the names of keyedMutations in an order in which each finds what it changes.
func keyedNames(mutations map[string]func(*string) (any, error)) []string {
	names := slices.Sorted(maps.Keys(mutations))
	last := slices.Index(names, "emptyTrash")
	return append(slices.Delete(names, last, last+1), "emptyTrash")
}

// snapshot returns all rows of all workspaces as JSON.
func (env *testEnv) snapshot(ctx context.Context, t *testing.T) string {
	t.Helper()
	all := []any{
		env.client.Workspace.Query().AllX(ctx),
		env.client.Task.Query().WithTags().Order(ent.Asc("id")).AllX(ctx),
		env.client.Tag.Query().Order(ent.Asc("id")).AllX(ctx),
		env.client.Project.Query().Order(ent.Asc("id")).AllX(ctx),
		env.client.Section.Query().Order(ent.Asc("id")).AllX(ctx),
		env.client.Recurrence.Query().Order(ent.Asc("id")).AllX(ctx),
		env.client.Occurrence.Query().Order(ent.Asc("id")).AllX(ctx),
		env.client.IdempotencyKey.Query().Order(ent.Asc("id")).AllX(ctx),
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A mutation whose connection was lost before or after the commit can be repeated with its idempotency key, and has its effect
// once.
func TestLostConnections(t *testing.T) {
	t.Parallel()
	for name, address := range testkit.Databases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connection := &failingDriver{Driver: testkit.OpenDatabase(t, address(t)).Driver()}
			env := newTestEnv(t, connection, task.Limits{})
			for user, at := range map[string]commitFailure{"before": beforeCommit, "after": afterCommit} {
				ctx, v := env.newUser(t, user)
				calls := keyedMutations(ctx, t, env, v)
				if n := keyedMethods(); len(calls) != n {
					t.Errorf("%d mutations are tested, want %d", len(calls), n)
				}
				for _, name := range keyedNames(calls) {
					call := calls[name]
					env.clock.advance(time.Minute)
					untouched, start := env.snapshot(ctx, t), workspaceVersion(ctx, t, env, v)
					connection.next.Store(int32(at))
					if answer, err := call(&name); !errors.Is(err, driver.ErrBadConn) {
						t.Fatalf("%s: got %+v, %v, want a lost connection", name, answer, err)
					}
					lost := env.snapshot(ctx, t)
					if at == beforeCommit && lost != untouched {
						t.Errorf("%s changed rows without a commit:\n%s", name, cmp.Diff(untouched, lost))
					}
					env.clock.advance(time.Minute)
					answer, err := call(&name)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					now := env.snapshot(ctx, t)
					if at == afterCommit && now != lost {
						t.Errorf("%s changed rows twice:\n%s", name, cmp.Diff(lost, now))
					}
					env.clock.advance(time.Minute)
					again, err := call(&name)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					if diff := cmp.Diff(formatResult(t, answer), formatResult(t, again)); diff != "" || env.snapshot(ctx, t) != now {
						t.Errorf("%s returned another result, or changed rows again:\n%s", name, diff)
					}
					if got := workspaceVersion(ctx, t, env, v); got != start+1 {
						t.Errorf("%s, lost %s the commit: version %d after %d, want one more", name, user, got, start)
					}
				}
				env.checkInvariants(ctx, t, v)
			}
		})
	}
}

// formatResult returns a result as JSON. It reports an error if the mutation was refused.
func formatResult(t *testing.T, answer any) string {
	t.Helper()
	text, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	var refusal struct{ UserErrors []*workspace.UserError }
	if err := json.Unmarshal(text, &refusal); err != nil || len(refusal.UserErrors) > 0 {
		t.Errorf("refused: %s, %v", text, err)
	}
	return string(text)
}

// keyedMethods returns how many methods take an idempotency key.
func keyedMethods() int {
	n := 0
	for method := range reflect.TypeFor[*task.Service]().Methods() {
		if method.Type.NumIn() == 4 && method.Type.In(3).Kind() == reflect.Struct {
			if _, ok := method.Type.In(3).FieldByName("IdempotencyKey"); ok {
				n++
			}
		}
	}
	return n
}
