package task_test

import (
	"strings"
	"testing"
	"time"

	"taskql/ent"
	enttask "taskql/ent/task"
	enttombstone "taskql/ent/tombstone"
	"taskql/internal/task"
	"taskql/internal/workspace"
)

// inTrash returns the titles of what is in the trash, by id.
func (env *testEnv) inTrash(t *testing.T, tasks ...*ent.Task) string {
	t.Helper()
	ctx := systemContext(t)
	var titles []string
	for _, e := range tasks {
		if env.client.Task.Query().Where(enttask.ID(e.ID), enttask.DeletedAtNotNil()).ExistX(ctx) {
			titles = append(titles, e.Title)
		}
	}
	return strings.Join(titles, " ")
}

// a family is parent > (child > grandchild), sibling.
func (env *testEnv) family(t *testing.T, user string) (*ent.Task, *ent.Task, *ent.Task, *ent.Task) {
	t.Helper()
	ctx, v := env.userContext(user)
	parent := env.createTask(ctx, t, v, "parent")
	child := env.createSubtask(ctx, t, v, parent, "child")
	grandchild := env.createSubtask(ctx, t, v, child, "grandchild")
	sibling := env.createSubtask(ctx, t, v, parent, "sibling")
	return parent, child, grandchild, sibling
}

func TestTrashTakesWhatIsBelow(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		parent, child, grandchild, sibling := env.family(t, "alice")
		all := []*ent.Task{parent, child, grandchild, sibling}
		other := env.createTask(ctx, t, v, "other")

		// The sibling is there already, and stays when the rest comes back.
		mustSucceed(t)(env.Delete(ctx, v, targetOf(sibling)))
		env.clock.advance(time.Hour)
		gone := mustSucceed(t)(env.Delete(ctx, v, targetOf(parent)))
		env.checkStored(ctx, t, gone, other)
		if got := env.inTrash(t, all...); got != "parent child grandchild sibling" {
			t.Errorf("in the trash: %s", got)
		}
		for _, e := range env.reload(ctx, t, parent, child, grandchild) {
			if e.Version != gone.Version || !e.UpdatedAt.Equal(gone.UpdatedAt) || !e.DeletedAt.Equal(*gone.DeletedAt) {
				t.Errorf("%s went with %v: version %d, %s", e.Title, e.TrashedWith, e.Version, e.DeletedAt)
			}
		}
		env.checkInvariants(ctx, t, v)
		before := workspaceVersion(ctx, t, env, v)
		env.checkStored(ctx, t, mustSucceed(t)(env.Delete(ctx, v, targetOf(child))))
		if got := workspaceVersion(ctx, t, env, v); got != before {
			t.Errorf("deleting what is in the trash took version %d", got)
		}

		env.clock.advance(time.Hour)
		back := mustSucceed(t)(env.Restore(ctx, v, targetOf(parent)))
		env.checkStored(ctx, t, back)
		if got := env.inTrash(t, all...); got != "sibling" {
			t.Errorf("in the trash: %s", got)
		}
		for _, e := range env.reload(ctx, t, parent, child, grandchild) {
			if e.Version != back.Version || !e.UpdatedAt.Equal(back.UpdatedAt) {
				t.Errorf("%s came back unstamped", e.Title)
			}
		}
		checkTask(t, mustSucceed(t)(env.Restore(ctx, v, targetOf(parent))), back)
		// It comes back to its parent and place.
		mustSucceed(t)(env.Restore(ctx, v, targetOf(sibling)))
		if got := env.siblingTitles(ctx, t, v, parent); got != "child sibling" {
			t.Errorf("got %s", got)
		}
		env.checkInvariants(ctx, t, v)
	})
}

func TestRestoreWithoutTheParent(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		parent, child, grandchild, sibling := env.family(t, "alice")
		env.createTask(ctx, t, v, "other")
		mustSucceed(t)(env.Delete(ctx, v, targetOf(parent)))

		// A part of what went together comes back alone, with what is below it.
		back := mustSucceed(t)(env.Restore(ctx, v, targetOf(child)))
		env.checkStored(ctx, t, back)
		if got := env.inTrash(t, parent, child, grandchild, sibling); got != "parent sibling" || back.ParentID != nil {
			t.Errorf("in the trash: %s; the parent is %v", got, back.ParentID)
		}
		if got := env.siblingTitles(ctx, t, v, nil); got != "other child" {
			t.Errorf("the top level is %s", got)
		}
		mustSucceed(t)(env.Restore(ctx, v, targetOf(parent)))
		if got := env.siblingTitles(ctx, t, v, nil); got != "parent other child" {
			t.Errorf("the top level is %s", got)
		}
		if got := env.siblingTitles(ctx, t, v, parent); got != "sibling" {
			t.Errorf("under the parent is %s", got)
		}
		env.checkInvariants(ctx, t, v)

		// A parent that is gone for good.
		mustSucceed(t)(env.Delete(ctx, v, targetOf(sibling)))
		mustSucceed(t)(env.Delete(ctx, v, targetOf(parent)))
		purged, err := env.Purge(ctx, v, targetOf(parent))
		if err != nil || purged.PurgedTaskID == nil || *purged.PurgedTaskID != parent.ID.String() {
			t.Fatalf("got %+v, %v", purged, err)
		}
		orphan := env.reload(ctx, t, sibling)[0]
		if orphan.ParentID != nil || orphan.DeletedAt == nil || orphan.Version != workspaceVersion(ctx, t, env, v) {
			t.Errorf("got %v", orphan)
		}
		env.checkStored(ctx, t, mustSucceed(t)(env.Restore(ctx, v, targetOf(sibling))))
		if got := env.siblingTitles(ctx, t, v, nil); got != "other child sibling" {
			t.Errorf("the top level is %s", got)
		}
		env.checkInvariants(ctx, t, v)
	})
}

func TestPurge(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		bob, o := env.newUser(t, "bob")
		key := func(k string) *string { return &k }
		tag := env.createTag(ctx, t, v, "tag")
		in := task.CreateInput{Title: "secret", TagIDs: []string{tag.ID.String()}, IdempotencyKey: key("create")}
		secret := mustSucceed(t)(env.Create(ctx, v, in))
		below := mustSucceed(t)(env.Create(ctx, v, task.CreateInput{Title: "secret too", ParentID: ptr(secret.ID.String()), IdempotencyKey: key("create below")}))
		kept := mustSucceed(t)(env.Create(ctx, v, task.CreateInput{Title: "kept", IdempotencyKey: key("kept")}))
		his := mustSucceed(t)(env.Create(bob, o, task.CreateInput{Title: "his", IdempotencyKey: key("create")}))

		purge := func(in workspace.TargetInput) string {
			t.Helper()
			r, err := env.Purge(ctx, v, in)
			if err != nil {
				t.Fatal(err)
			}
			if (r.PurgedTaskID == nil) != (len(r.UserErrors) > 0) {
				t.Errorf("got %+v", r)
			}
			return formatUserErrors(r.UserErrors)
		}
		if got := purge(targetOf(secret)); got != "INVALID input.id" {
			t.Errorf("an active task: %s", got)
		}
		mustSucceed(t)(env.Delete(ctx, v, workspace.TargetInput{ID: secret.ID.String(), IdempotencyKey: key("delete")}))
		bulk, err := env.CompleteMany(ctx, v, task.BulkInput{IDs: []string{below.ID.String(), kept.ID.String()}, IdempotencyKey: key("bulk")})
		if err != nil || bulk.ChangedCount != 2 {
			t.Fatalf("got %+v, %v", bulk, err)
		}
		before := workspaceVersion(ctx, t, env, v)
		again := workspace.TargetInput{ID: secret.ID.String(), IdempotencyKey: key("purge")}
		for range 2 {
			if got := purge(again); got != "" {
				t.Fatalf("refused: %s", got)
			}
		}
		if got := workspaceVersion(ctx, t, env, v); got != before+1 {
			t.Errorf("version %d became %d", before, got)
		}
		if got := purge(targetOf(secret)); got != "NOT_FOUND input.id" {
			t.Errorf("what is gone: %s", got)
		}
		if n := env.client.Task.Query().Where(enttask.WorkspaceID("alice")).CountX(ctx); n != 1 {
			t.Errorf("%d tasks are left", n)
		}

		// Nothing of it is remembered, and yet no request has a second effect.
		for _, row := range env.client.IdempotencyKey.Query().AllX(ctx) {
			if strings.Contains(row.Answer, "secret") {
				t.Errorf("%s still remembers %s", row.Key, row.Answer)
			}
		}
		wantUserErrors(t, "NOT_FOUND")(env.Create(ctx, v, in))
		wantUserErrors(t, "NOT_FOUND")(env.Delete(ctx, v, workspace.TargetInput{ID: secret.ID.String(), IdempotencyKey: key("delete")}))
		checkTask(t, mustSucceed(t)(env.Create(ctx, v, task.CreateInput{Title: "kept", IdempotencyKey: key("kept")})), kept)
		checkTask(t, mustSucceed(t)(env.Create(bob, o, task.CreateInput{Title: "his", IdempotencyKey: key("create")})), his)
		env.checkInvariants(ctx, t, v)
	})
}

// However many come back to one parent at once, it has no more subtasks than it may, and what the parent brings along
// counts too.
func TestRestoreKeepsTheLimit(t *testing.T) {
	t.Parallel()
	eachDatabaseLimited(t, task.Limits{Subtasks: 2}, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		parent := env.createTask(ctx, t, v, "parent")
		var below []*ent.Task
		for _, title := range []string{"a", "b", "c", "d"} {
			e := env.createSubtask(ctx, t, v, parent, title)
			below = append(below, mustSucceed(t)(env.Delete(ctx, v, targetOf(e))))
		}
		restore := func(policy task.BulkPolicy, e ...*ent.Task) string {
			t.Helper()
			r, err := env.RestoreMany(ctx, v, task.BulkInput{IDs: ids(e...), ErrorPolicy: policy})
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for _, item := range r.Results {
				all = append(all, formatUserErrors(item.UserErrors))
			}
			return strings.Join(all, "; ")
		}
		// Nothing is active under the parent.
		if got := restore(task.AllOrNothing, below...); got != "; ; LIMIT_EXCEEDED input.ids.2; LIMIT_EXCEEDED input.ids.3" {
			t.Errorf("got %q", got)
		}
		if got := restore(task.SkipFailed, below[:3]...); got != "; ; LIMIT_EXCEEDED input.ids.2" {
			t.Errorf("got %q", got)
		}
		// The parent and the two under it go, and come back with one more.
		mustSucceed(t)(env.Delete(ctx, v, targetOf(parent)))
		if got := restore(task.AllOrNothing, below[2], parent); got != "LIMIT_EXCEEDED input.ids.0; " {
			t.Errorf("got %q", got)
		}
		if got := restore(task.SkipFailed, below[2], parent); got != "LIMIT_EXCEEDED input.ids.0; " {
			t.Errorf("got %q", got)
		}
		if got := env.siblingTitles(ctx, t, v, parent); got != "a b" {
			t.Errorf("under the parent are %s", got)
		}
		// One that the parent brings along anyway may be named beside it, and where the parent stays, all go to the top.
		mustSucceed(t)(env.Delete(ctx, v, targetOf(parent)))
		if got := restore(task.AllOrNothing, below[0], parent, below[1]); got != "; ; " {
			t.Errorf("got %q", got)
		}
		mustSucceed(t)(env.Delete(ctx, v, targetOf(parent)))
		if got := restore(task.AllOrNothing, below...); got != "; ; ; " {
			t.Errorf("got %q", got)
		}
		env.checkInvariants(ctx, t, v)
	})
}

// EmptyTrash deletes what has been in the trash longest, at most 1,000 tasks at a time and subtasks before their parents, so that no
// task is moved to the top level for a moment.
func TestEmptyTrash(t *testing.T) {
	t.Parallel()
	eachDatabaseLimited(t, task.Limits{Subtasks: 3_000}, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		old, parent, kept := env.createTask(ctx, t, v, "old"), env.createTask(ctx, t, v, "parent"), env.createTask(ctx, t, v, "kept")
		below := env.createSubtask(ctx, t, v, env.createSubtask(ctx, t, v, parent, "child"), "grandchild")
		mustSucceed(t)(env.Delete(ctx, v, targetOf(old)))
		env.clock.advance(time.Minute)
		mustSucceed(t)(env.Delete(ctx, v, targetOf(parent)))
		env.fillBelow(t, v, parent, 2_500)
		env.client.Task.Update().Where(enttask.ParentID(parent.ID), enttask.DeletedAtIsNil()).
			SetDeletedAt(env.clock.Now()).SetTrashedWith(parent.ID).ExecX(ctx)
		all := 2_504
		for round := 1; all > 0; round++ {
			r, err := env.EmptyTrash(ctx, v, task.EmptyTrashInput{})
			if err != nil || len(r.UserErrors) > 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			if all -= r.PurgedCount; r.PurgedCount < 1 || r.PurgedCount > 1_000 || r.RemainingCount != all {
				t.Fatalf("round %d: %d were deleted and %d remain, want %d", round, r.PurgedCount, r.RemainingCount, all)
			}
			if moved := env.client.Task.Query().Where(enttask.DeletedAtNotNil(), enttask.ParentIDIsNil(), enttask.IDNEQ(parent.ID)).CountX(ctx); moved > 1 {
				t.Errorf("round %d: %d tasks are at the top level", round, moved)
			}
			tombstones := env.client.Tombstone.Query().Where(enttombstone.Version(*r.Version())).CountX(ctx)
			if tombstones != r.PurgedCount {
				t.Errorf("round %d: %d tombstones for %d tasks", round, tombstones, r.PurgedCount)
			}
			if round == 1 && env.client.Task.Query().Where(enttask.ID(parent.ID)).CountX(ctx) == 0 {
				t.Error("the parent went before its subtasks")
			}
		}
		if got := env.inTrash(t, old, parent, below); got != "" {
			t.Errorf("%s are still in the trash", got)
		}
		if env.client.Task.Query().CountX(ctx) != 1 {
			t.Errorf("%s is gone, too", kept.Title)
		}
		env.checkInvariants(ctx, t, v)
	})
}

// Answers that hold a task are forgotten when it is deleted for good, also if it is one of many. Others stay.
func TestEmptyTrashForgetsAnswers(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		create := func(title string) *task.Result {
			t.Helper()
			r, err := env.Create(ctx, v, task.CreateInput{Title: title, IdempotencyKey: &title})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		a, b, kept := create("a").Task, create("b").Task, create("kept").Task
		if _, err := env.DeleteMany(ctx, v, task.BulkInput{IDs: ids(a, b), IdempotencyKey: ptr("both")}); err != nil {
			t.Fatal(err)
		}
		if r, err := env.EmptyTrash(ctx, v, task.EmptyTrashInput{}); err != nil || r.PurgedCount != 2 {
			t.Fatalf("%+v, %v", r, err)
		}
		for _, title := range []string{"a", "b"} {
			if r := create(title); formatUserErrors(r.UserErrors) != "NOT_FOUND" || r.Version() != nil {
				t.Errorf("%s again: %+v", title, r)
			}
		}
		if r, err := env.DeleteMany(ctx, v, task.BulkInput{IDs: ids(a, b), IdempotencyKey: ptr("both")}); err != nil || formatUserErrors(r.UserErrors) != "NOT_FOUND" {
			t.Errorf("both again: %+v, %v", r, err)
		}
		if r := create("kept"); r.Task == nil || r.Task.ID != kept.ID || *r.Version() != 3 {
			t.Errorf("kept again: %+v", r)
		}
	})
}
