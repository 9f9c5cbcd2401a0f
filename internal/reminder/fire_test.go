package reminder_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/feed"
	"taskql/internal/reminder"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// clock is a clock that tests set.
type clock struct{ now atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.now.Store(time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC).UnixMicro())
	return c
}

func (c *clock) Now() time.Time          { return time.UnixMicro(c.now.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.now.Add(d.Microseconds()) }

// replica is what a process has of the server, on a database that it may share.
type replica struct {
	*reminder.Service

	workspaces *workspace.Service
	tasks      *task.Service
	feed       *feed.Service
	fired      atomic.Int64
}

// newReplica returns a replica whose changes go through fault, if it is not nil.
func newReplica(t *testing.T, driver, fault dialect.Driver, now func() time.Time) *replica {
	t.Helper()
	db := testkit.Database(driver)
	if db.Now = now; fault != nil {
		db.Client = ent.NewClient(ent.Driver(fault))
	}
	workspaces, err := workspace.New(workspace.Config{Database: db, LockWait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{workspaces: workspaces}
	r.Service, err = reminder.New(reminder.Config{Workspaces: workspaces, Fired: func(time.Duration) { r.fired.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	if r.tasks, err = task.New(task.Config{Workspaces: workspaces, Reminders: r.Service}); err != nil {
		t.Fatal(err)
	}
	if r.feed, err = feed.New(feed.Config{Workspaces: workspaces}); err != nil {
		t.Fatal(err)
	}
	return r
}

// remind makes a task with reminders, and returns the task's id.
func (r *replica) remind(t *testing.T, v viewer.Viewer, due *task.DueInput, reminders ...*reminder.Input) uuid.UUID {
	t.Helper()
	ctx := viewer.NewContext(t.Context(), v)
	made, err := r.tasks.Create(ctx, v, task.CreateInput{Title: "task", Due: due})
	if err != nil || len(made.UserErrors) > 0 {
		t.Fatal(err, made)
	}
	set, err := r.Set(ctx, v, reminder.SetInput{TaskID: made.Task.ID.String(), Reminders: reminders})
	if err != nil || len(set.UserErrors) > 0 {
		t.Fatal(err, set)
	}
	return made.Task.ID
}

// states returns the states of the viewer's reminders, by task.
func (r *replica) states(t *testing.T, v viewer.Viewer, task uuid.UUID) []string {
	t.Helper()
	rows, err := r.Of(viewer.NewContext(t.Context(), v), v, []uuid.UUID{task}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, row := range rows[task] {
		states = append(states, row.State)
	}
	return states
}

func at(t time.Time) *reminder.Input { return &reminder.Input{At: &t} }

// inFeed returns how often each reminder came in the feed of a viewer as FIRED or EXPIRED, in pages of a few rows.
func (r *replica) inFeed(t *testing.T, v viewer.Viewer, token *string) (map[uuid.UUID]int, string) {
	t.Helper()
	ctx, seen := viewer.NewContext(t.Context(), v), map[uuid.UUID]int{}
	for first := 7; ; {
		p, err := r.feed.Page(ctx, v, feed.Request{After: token, First: &first, Selection: &feed.Selection{
			Gone: true, Kinds: map[workspace.Kind]feed.Columns{workspace.KindReminder: {Names: []string{"id", "state"}}},
		}}, func(context.Context, *feed.Page) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range feed.Rows[ent.Reminder](p, workspace.KindReminder) {
			if row.State == reminder.Fired || row.State == reminder.Expired {
				seen[row.ID]++
			}
		}
		if token = &p.Token; p.Complete {
			return seen, p.Token
		}
	}
}

// failing fails every n-th statement of a transaction, or its commit. If it lies, transactions are committed, and Commit says that it
// has failed.
type failing struct {
	dialect.Driver

	every, count atomic.Int64
	lies         atomic.Bool
}

var errInjected = errors.New("injected")

func (d *failing) Tx(ctx context.Context) (dialect.Tx, error) {
	tx, err := d.Driver.Tx(ctx)
	return &failingTx{Tx: tx, d: d}, err
}

func (d *failing) fails() bool {
	every := d.every.Load()
	return every > 0 && d.count.Add(1)%every == 0
}

type failingTx struct {
	dialect.Tx

	d *failing
}

func (tx *failingTx) Query(ctx context.Context, query string, args, v any) error {
	if tx.d.fails() {
		return errInjected
	}
	return tx.Tx.Query(ctx, query, args, v)
}

// QueryContext is called for statements that are written by hand.
func (tx *failingTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if tx.d.fails() {
		return nil, errInjected
	}
	return tx.Tx.(interface { //nolint:errcheck // A driver of ours.
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}).QueryContext(ctx, query, args...)
}

// ExecContext is as QueryContext.
func (tx *failingTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if tx.d.fails() {
		return nil, errInjected
	}
	return tx.Tx.(interface { //nolint:errcheck // As above.
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	}).ExecContext(ctx, query, args...)
}

func (tx *failingTx) Commit() error {
	if tx.d.lies.Load() {
		return errors.Join(tx.Tx.Commit(), errInjected)
	}
	if tx.d.fails() {
		_ = tx.Tx.Rollback()
		return errInjected
	}
	return tx.Tx.Commit()
}

// TestReplicasFireOnce: of replicas that fire at once, whatever fails in between, one fires each reminder, once: in the table, in the
// feed and in what they count.
func TestReplicasFireOnce(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		const users, tasks, replicas = 5, 40, 3
		c := newClock()
		first := newReplica(t, driver, nil, c.Now)
		var viewers []viewer.Viewer
		tokens := map[string]string{}
		for i := range users {
			v := testkit.MakeViewer(t, testkit.Database(driver).Client, fmt.Sprint("user-", i))
			viewers = append(viewers, v)
			for range tasks {
				first.remind(t, v, nil, at(c.Now().Add(time.Minute)), at(c.Now().Add(time.Hour)))
			}
			_, tokens[v.UserID] = first.inFeed(t, v, nil)
		}
		c.advance(10 * time.Minute)
		drivers, all := []*failing{}, []*replica{}
		for range replicas {
			d := &failing{Driver: driver}
			d.every.Store(7)
			drivers, all = append(drivers, d), append(all, newReplica(t, driver, d, c.Now))
		}
		ctx, faults := viewer.AsSystem(t.Context()), int64(0)
		for round := 0; ; round++ {
			if round == 5 {
				for _, d := range drivers {
					d.every.Store(0)
				}
			}
			var failed atomic.Int64
			var running sync.WaitGroup
			for _, r := range all {
				running.Go(func() {
					if err := r.Fire(ctx); err != nil {
						failed.Add(1)
					}
				})
			}
			running.Wait()
			if faults += failed.Load(); round > 5 && failed.Load() == 0 {
				break
			}
			if round > 20 {
				t.Fatal("they still fail")
			}
		}
		if faults == 0 {
			t.Error("nothing has failed")
		}
		counted := 0
		for _, r := range all {
			counted += int(r.fired.Load())
		}
		for _, v := range viewers {
			token := tokens[v.UserID]
			seen, _ := first.inFeed(t, v, &token)
			if len(seen) != tasks {
				t.Errorf("%s: %d reminders have fired, want %d", v.UserID, len(seen), tasks)
			}
			for id, n := range seen {
				if n != 1 {
					t.Errorf("%s: %s has come %d times", v.UserID, id, n)
				}
			}
			page, err := first.ListFired(viewer.NewContext(t.Context(), v), []viewer.Viewer{v}, nil, nil, nil)
			if err != nil || len(page.Edges) != tasks {
				t.Errorf("%s: %d in the list, %v", v.UserID, len(page.Edges), err)
			}
		}
		if counted != users*tasks {
			t.Errorf("%d have fired, want %d", counted, users*tasks)
		}
	})
}
