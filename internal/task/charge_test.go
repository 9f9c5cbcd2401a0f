package task_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// testBudget is the budget of one user.
type testBudget struct {
	t     *testing.T
	user  string
	debt  time.Duration
	owing int
}

func (b *testBudget) Debt(userID string) time.Duration { return b.check(userID).debt }

func (b *testBudget) Owe(userID string, points int) { b.check(userID).owing += points }

func (b *testBudget) check(userID string) *testBudget {
	if userID != b.user {
		b.t.Errorf("%s pays", userID)
	}
	return b
}

// spent returns the points that were taken since it was called last.
func (b *testBudget) spent() int {
	n := b.owing
	b.owing = 0
	return n
}

func eachDatabaseWithBudget(t *testing.T, test func(t *testing.T, env *testEnv, b *testBudget)) {
	t.Helper()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		b := &testBudget{t: t, user: "alice"}
		test(t, newTestEnvWith(t, driver, workspace.Config{LockWait: time.Minute, Budget: b}, task.Limits{}), b)
	})
}

// A change is charged for what it stores beyond its price. Somebody in debt can't make such a change, and nothing is changed then.
func TestCharges(t *testing.T) {
	t.Parallel()
	eachDatabaseWithBudget(t, func(t *testing.T, env *testEnv, b *testBudget) {
		ctx, v := env.newUser(t, "alice")
		long := strings.Repeat("d", 5_000)
		e := env.createRepeating(ctx, t, v, "water the plants", on(2026, 11, 23), rule("FREQ=DAILY"))
		below := mustSucceed(t)(env.Create(ctx, v, task.CreateInput{Title: "fill the can", ParentID: ptr(e.ID.String()), Description: &long}))
		env.createSubtask(ctx, t, v, below, "find the can")
		mustSucceed(t)(env.Update(ctx, v, task.UpdateInput{ID: below.ID.String(), Title: set(ptr("fill it"))}))
		if n := b.spent(); n != 0 {
			t.Errorf("short changes cost %d more", n)
		}
		inDebt := func(name string, change func() error) {
			t.Helper()
			b.debt = 3 * time.Second
			defer func() { b.debt = 0 }()
			version, err := env.Version(ctx, v)
			if err != nil {
				t.Fatal(err)
			}
			var refused *workspace.DebtError
			if err := change(); !errors.As(err, &refused) || refused.RetryAfter != b.debt {
				t.Errorf("%s in debt: %v", name, err)
			}
			if after, err := env.Version(ctx, v); err != nil || after != version || b.spent() != 0 {
				t.Errorf("%s in debt made version %d of %d", name, after, version)
			}
			env.checkInvariants(ctx, t, v)
		}
		inDebt("completing", func() error { _, err := env.Complete(ctx, v, targetOf(e)); return err })
		next := env.complete(ctx, t, v, e)
		if n := b.spent(); n != 20+3*5+5_000/1024 {
			t.Errorf("completing three tasks cost %d more", n)
		}
		skip := task.SkipInput{ID: next.ID.String(), Number: 2}
		inDebt("skipping", func() error { _, err := env.Skip(ctx, v, skip); return err })
		env.clock.set(time.Date(2027, 2, 24, 7, 0, 0, 0, time.UTC))
		mustSucceed(t)(env.Skip(ctx, v, skip))
		if n := b.spent(); n != 20+(2+92)/5 {
			t.Errorf("skipping one and missing 92 cost %d more", n)
		}

		update := task.UpdateInput{ID: below.ID.String(), Description: set(ptr(strings.Repeat("e", 9_000)))}
		inDebt("describing", func() error { _, err := env.Update(ctx, v, update); return err })
		mustSucceed(t)(env.Update(ctx, v, update))
		if n := b.spent(); n != 9_000/1024 {
			t.Errorf("a description cost %d more", n)
		}
		chargesForTags(ctx, t, env, v, b, below)
	})
}

// chargesForTags gives a task 50 tags with long names, and others by tagIds: the history has the names, and undoing it writes them again.
func chargesForTags(ctx context.Context, t *testing.T, env *testEnv, v viewer.Viewer, b *testBudget, e *ent.Task) {
	t.Helper()
	var tags [2][]string
	for i := range 100 {
		tag := env.createTag(ctx, t, v, fmt.Sprintf("%s%02d", strings.Repeat("<", 48), i))
		tags[i%2] = append(tags[i%2], tag.ID.String())
	}
	b.spent()
	mustSucceed(t)(env.Update(ctx, v, task.UpdateInput{ID: e.ID.String(), TagIDs: set(tags[0])}))
	added := b.spent()
	changed := mustSucceed(t)(env.Update(ctx, v, task.UpdateInput{ID: e.ID.String(), TagIDs: set(tags[1])}))
	replaced := b.spent()
	undone, err := env.Undo(ctx, v, task.UndoInput{Version: changed.Version})
	if err != nil || len(undone.UserErrors) > 0 {
		t.Fatal(undone, err)
	}
	if again := b.spent(); added < 16 || replaced < 2*added || again < replaced {
		t.Errorf("50 tags cost %d more, replacing them %d, and undoing that %d", added, replaced, again)
	}
}

// Completing many tasks copies what is below them in batches: parents, places, texts and tags are those of the originals.
func TestCopiesInBatches(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		tag := env.createTag(ctx, t, v, "home")
		var roots []*ent.Task
		for i := range 3 {
			root := env.createRepeating(ctx, t, v, fmt.Sprintf("root %d", i), on(2026, 11, 23), rule("FREQ=DAILY"))
			parent := root
			for j := range 80 {
				e := mustSucceed(t)(env.Create(ctx, v, task.CreateInput{
					Title: fmt.Sprintf("%d.%d", i, j), ParentID: ptr(parent.ID.String()), Description: ptr(fmt.Sprintf("the text of %d.%d", i, j)), TagIDs: []string{tag.ID.String()},
				}))
				if j%10 == 5 {
					parent = e
				}
				if j%20 == 15 {
					parent = root
				}
			}
			roots = append(roots, root)
		}
		before := env.describeTree(ctx, t, v, roots)
		r, err := env.CompleteMany(ctx, v, task.BulkInput{IDs: idsOfTasks(roots)})
		if err != nil || len(r.UserErrors) > 0 {
			t.Fatal(r, err)
		}
		var next []*ent.Task
		for _, result := range r.Results {
			next = append(next, result.Next)
		}
		if after := env.describeTree(ctx, t, v, next); len(after) != 243 || !slices.Equal(after, before) {
			t.Errorf("%d copies:\n%s\nof %d:\n%s", len(after), strings.Join(after, "\n"), len(before), strings.Join(before, "\n"))
		}
		env.checkInvariants(ctx, t, v)
	})
}

func idsOfTasks(tasks []*ent.Task) []string {
	ids := make([]string, len(tasks))
	for i, e := range tasks {
		ids[i] = e.ID.String()
	}
	return ids
}

// describeTree returns a line for each of the tasks and those below them, in the manual order.
func (env *testEnv) describeTree(ctx context.Context, t *testing.T, v viewer.Viewer, tasks []*ent.Task) []string {
	t.Helper()
	children := map[uuid.UUID][]*ent.Task{}
	for _, e := range env.client.Task.Query().Where(workspace.Scope(v), enttask.ParentIDNotNil()).
		Order(ent.Asc(enttask.FieldPosition, enttask.FieldID)).WithTags().AllX(ctx) {
		children[*e.ParentID] = append(children[*e.ParentID], e)
	}
	var lines []string
	var add func(e *ent.Task, indent string)
	add = func(e *ent.Task, indent string) {
		description := ""
		if e.Description != nil {
			description = *e.Description
		}
		lines = append(lines, fmt.Sprintf("%s%s: %s %q, %d tags", indent, e.Title, description, e.SearchText, len(e.Edges.Tags)))
		for _, c := range children[e.ID] {
			add(c, indent+"  ")
		}
	}
	for _, e := range tasks {
		add(env.client.Task.Query().Where(enttask.ID(e.ID)).WithTags().OnlyX(ctx), "")
	}
	return lines
}
