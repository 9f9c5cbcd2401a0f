package task_test

import (
	"context"
	stdsql "database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/google/go-cmp/cmp"

	"taskql/ent"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
)

// cut says where the connection breaks in the next commit.
type cut int32

const (
	nowhere cut = iota
	before      // The commit never arrives.
	after       // It is done, and its answer is lost.
)

// cuttable is a driver whose connection breaks in a commit when it is told to.
type cuttable struct {
	dialect.Driver

	next atomic.Int32
}

func (c *cuttable) Tx(ctx context.Context) (dialect.Tx, error) {
	tx, err := c.Driver.Tx(ctx)
	if err != nil {
		return nil, err
	}
	inner, ok := tx.(*sql.Tx)
	if !ok {
		return nil, fmt.Errorf("the transaction is a %T", tx)
	}
	return &cutTx{Tx: inner, cut: c}, nil
}

// QueryContext is what a statement of ours asks for that is a transaction of its own.
func (c *cuttable) QueryContext(ctx context.Context, statement string, args ...any) (*stdsql.Rows, error) {
	inner, ok := c.Driver.(interface {
		QueryContext(ctx context.Context, statement string, args ...any) (*stdsql.Rows, error)
	})
	if !ok {
		return nil, fmt.Errorf("the driver is a %T", c.Driver)
	}
	return inner.QueryContext(ctx, statement, args...)
}

// QueryRaw is used for lists.
func (c *cuttable) QueryRaw(ctx context.Context, query string, args []any, each func(row []driver.Value) error) error {
	return testkit.QueryRawOf(c.Driver)(ctx, query, args, each)
}

// BeginTx is what ent asks for with options.
func (c *cuttable) BeginTx(ctx context.Context, _ *stdsql.TxOptions) (dialect.Tx, error) {
	return c.Tx(ctx)
}

type cutTx struct {
	*sql.Tx

	cut *cuttable
}

func (t *cutTx) Commit() error {
	switch cut(t.cut.next.Swap(int32(nowhere))) {
	case before:
		return errors.Join(driver.ErrBadConn, t.Rollback())
	case after:
		return errors.Join(driver.ErrBadConn, t.Tx.Commit())
	default:
		return t.Tx.Commit()
	}
}

// keyed are all mutations, each as a function of its idempotency key, on things made for it alone.
func keyed(ctx context.Context, t *testing.T, env *testEnv, v viewer.Viewer) map[string]func(key *string) (any, error) {
	t.Helper()
	e := func(title string) *ent.Task { return env.createTask(ctx, t, v, title) }
	gone := func(title string) *ent.Task { return mustSucceed(t)(env.Delete(ctx, v, targetOf(e(title)))) }
	done := func(title string) *ent.Task { return mustSucceed(t)(env.Complete(ctx, v, targetOf(e(title)))) }
	one := func(call func(context.Context, viewer.Viewer, task.TargetInput) (*task.Result, error), e *ent.Task) func(*string) (any, error) {
		return func(key *string) (any, error) {
			return call(ctx, v, task.TargetInput{ID: e.ID.String(), IdempotencyKey: key})
		}
	}
	many := func(call func(context.Context, viewer.Viewer, task.BulkInput) (*task.BulkResult, error), e ...*ent.Task) func(*string) (any, error) {
		return func(key *string) (any, error) {
			return call(ctx, v, task.BulkInput{IDs: ids(e...), IdempotencyKey: key})
		}
	}
	tag, doomed, parent := env.createTag(ctx, t, v, "tag"), env.createTag(ctx, t, v, "doomed"), e("parent")
	edited, moved, purged, patched := e("edited"), env.createSubtask(ctx, t, v, parent, "moved"), gone("purged"), []*ent.Task{e("patched"), e("patched too")}
	day := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	patch := task.Patch{Priority: set(ptr(task.PriorityHigh)), Due: set(&task.DueInput{Date: &day}), AddTagIDs: set([]string{tag.ID.String()})}
	return map[string]func(*string) (any, error){
		"createTask": func(key *string) (any, error) {
			return env.Create(ctx, v, task.CreateInput{Title: "new", ParentID: ptr(parent.ID.String()), TagIDs: []string{tag.ID.String()}, IdempotencyKey: key})
		},
		"updateTask": func(key *string) (any, error) {
			return env.Update(ctx, v, task.UpdateInput{ID: edited.ID.String(), Title: set(ptr("edited twice?")), Patch: patch, IdempotencyKey: key})
		},
		"completeTask": one(env.Complete, e("complete")),
		"reopenTask":   one(env.Reopen, done("reopen")),
		"deleteTask":   one(env.Delete, e("delete")),
		"restoreTask":  one(env.Restore, gone("restore")),
		"moveTask": func(key *string) (any, error) {
			return env.Move(ctx, v, task.MoveInput{ID: moved.ID.String(), AfterID: ptr(parent.ID.String()), ParentID: task.Optional[*string]{Set: true}, IdempotencyKey: key})
		},
		"purgeTask": func(key *string) (any, error) {
			return env.Purge(ctx, v, task.TargetInput{ID: purged.ID.String(), IdempotencyKey: key})
		},
		"updateTasks": func(key *string) (any, error) {
			return env.UpdateMany(ctx, v, task.UpdateManyInput{BulkInput: task.BulkInput{IDs: ids(patched...), IdempotencyKey: key}, Patch: patch})
		},
		"completeTasks": many(env.CompleteMany, e("one"), e("two")),
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
			return env.DeleteTag(ctx, v, task.TargetInput{ID: doomed.ID.String(), IdempotencyKey: key})
		},
	}
}

// snapshot returns all rows of all workspaces as JSON.
func (env *testEnv) snapshot(ctx context.Context, t *testing.T) string {
	t.Helper()
	all := []any{
		env.client.Workspace.Query().AllX(ctx),
		env.client.Task.Query().WithTags().Order(ent.Asc("id")).AllX(ctx),
		env.client.Tag.Query().Order(ent.Asc("id")).AllX(ctx),
		env.client.IdempotencyKey.Query().Order(ent.Asc("id")).AllX(ctx),
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every mutation whose connection is cut in the commit, before it or after it, is sent again with its key, and has its
// effect once.
func TestCutConnections(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(testing.TB) string{"sqlite": testkit.SQLiteURL, "postgres": testkit.MigratedPostgresURL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connection := &cuttable{Driver: testkit.OpenDatabase(t, address(t)).Driver()}
			env := newTestEnv(t, connection, task.Limits{})
			for user, at := range map[string]cut{"before": before, "after": after} {
				ctx, v := env.newUser(t, user)
				calls := keyed(ctx, t, env, v)
				if n := withKey(); len(calls) != n {
					t.Errorf("%d mutations are tried, and there are %d", len(calls), n)
				}
				for name, call := range calls {
					env.clock.advance(time.Minute)
					untouched, start := env.snapshot(ctx, t), workspaceVersion(ctx, t, env, v)
					connection.next.Store(int32(at))
					if answer, err := call(&name); !errors.Is(err, driver.ErrBadConn) {
						t.Fatalf("%s was not cut: %+v, %v", name, answer, err)
					}
					lost := env.snapshot(ctx, t)
					if at == before && lost != untouched {
						t.Errorf("%s changed something without a commit:\n%s", name, cmp.Diff(untouched, lost))
					}
					env.clock.advance(time.Minute)
					answer, err := call(&name)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					now := env.snapshot(ctx, t)
					if at == after && now != lost {
						t.Errorf("%s had a second effect:\n%s", name, cmp.Diff(lost, now))
					}
					env.clock.advance(time.Minute)
					again, err := call(&name)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					if diff := cmp.Diff(plainly(t, answer), plainly(t, again)); diff != "" || env.snapshot(ctx, t) != now {
						t.Errorf("%s answers something else, or does it again:\n%s", name, diff)
					}
					if got := workspaceVersion(ctx, t, env, v); got != start+1 {
						t.Errorf("%s cut %s took version %d to %d", name, user, start, got)
					}
				}
				env.checkInvariants(ctx, t, v)
			}
		})
	}
}

// plainly writes an answer as JSON, and expects it to be no refusal.
func plainly(t *testing.T, answer any) string {
	t.Helper()
	text, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	var refusal struct{ UserErrors []*task.UserError }
	if err := json.Unmarshal(text, &refusal); err != nil || len(refusal.UserErrors) > 0 {
		t.Errorf("refused: %s, %v", text, err)
	}
	return string(text)
}

// withKey is how many methods take an idempotency key.
func withKey() int {
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
