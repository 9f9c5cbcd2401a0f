package task_test

import (
	"strings"
	"testing"
	"time"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/task"
)

// inTrash returns the titles of what is in the trash, by id.
func (b *bench) inTrash(t *testing.T, tasks ...*ent.Task) string {
	t.Helper()
	ctx := reader(t)
	var titles []string
	for _, e := range tasks {
		if b.client.Task.Query().Where(enttask.ID(e.ID), enttask.DeletedAtNotNil()).ExistX(ctx) {
			titles = append(titles, e.Title)
		}
	}
	return strings.Join(titles, " ")
}

// a family is parent > (child > grandchild), sibling.
func (b *bench) family(t *testing.T, user string) (*ent.Task, *ent.Task, *ent.Task, *ent.Task) {
	t.Helper()
	ctx, v := b.asUser(user)
	parent := b.create(ctx, t, v, "parent")
	child := b.under(ctx, t, v, parent, "child")
	grandchild := b.under(ctx, t, v, child, "grandchild")
	sibling := b.under(ctx, t, v, parent, "sibling")
	return parent, child, grandchild, sibling
}

func TestTrashTakesWhatIsBelow(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bench) {
		ctx, v := b.user(t, "alice")
		parent, child, grandchild, sibling := b.family(t, "alice")
		all := []*ent.Task{parent, child, grandchild, sibling}
		other := b.create(ctx, t, v, "other")

		// The sibling is there already, and stays when the rest comes back.
		mustChange(t)(b.Delete(ctx, v, target(sibling)))
		b.clock.advance(time.Hour)
		gone := mustChange(t)(b.Delete(ctx, v, target(parent)))
		b.stored(ctx, t, gone, other)
		if got := b.inTrash(t, all...); got != "parent child grandchild sibling" {
			t.Errorf("in the trash: %s", got)
		}
		for _, e := range b.read(ctx, t, parent, child, grandchild) {
			if e.Version != gone.Version || !e.UpdatedAt.Equal(gone.UpdatedAt) || !e.DeletedAt.Equal(*gone.DeletedAt) {
				t.Errorf("%s went with %v: version %d, %s", e.Title, e.TrashedWith, e.Version, e.DeletedAt)
			}
		}
		b.sound(ctx, t, v)
		before := version(ctx, t, b, v)
		b.stored(ctx, t, mustChange(t)(b.Delete(ctx, v, target(child))))
		if got := version(ctx, t, b, v); got != before {
			t.Errorf("deleting what is in the trash took version %d", got)
		}

		b.clock.advance(time.Hour)
		back := mustChange(t)(b.Restore(ctx, v, target(parent)))
		b.stored(ctx, t, back)
		if got := b.inTrash(t, all...); got != "sibling" {
			t.Errorf("in the trash: %s", got)
		}
		for _, e := range b.read(ctx, t, parent, child, grandchild) {
			if e.Version != back.Version || !e.UpdatedAt.Equal(back.UpdatedAt) {
				t.Errorf("%s came back unstamped", e.Title)
			}
		}
		same(t, mustChange(t)(b.Restore(ctx, v, target(parent))), back)
		// It comes back to its parent and place.
		mustChange(t)(b.Restore(ctx, v, target(sibling)))
		if got := b.titles(ctx, t, v, parent); got != "child sibling" {
			t.Errorf("got %s", got)
		}
		b.sound(ctx, t, v)
	})
}

func TestRestoreWithoutTheParent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bench) {
		ctx, v := b.user(t, "alice")
		parent, child, grandchild, sibling := b.family(t, "alice")
		b.create(ctx, t, v, "other")
		mustChange(t)(b.Delete(ctx, v, target(parent)))

		// A part of what went together comes back alone, with what is below it.
		back := mustChange(t)(b.Restore(ctx, v, target(child)))
		b.stored(ctx, t, back)
		if got := b.inTrash(t, parent, child, grandchild, sibling); got != "parent sibling" || back.ParentID != nil {
			t.Errorf("in the trash: %s; the parent is %v", got, back.ParentID)
		}
		if got := b.titles(ctx, t, v, nil); got != "other child" {
			t.Errorf("the top level is %s", got)
		}
		mustChange(t)(b.Restore(ctx, v, target(parent)))
		if got := b.titles(ctx, t, v, nil); got != "parent other child" {
			t.Errorf("the top level is %s", got)
		}
		if got := b.titles(ctx, t, v, parent); got != "sibling" {
			t.Errorf("under the parent is %s", got)
		}
		b.sound(ctx, t, v)

		// A parent that is gone for good.
		mustChange(t)(b.Delete(ctx, v, target(sibling)))
		mustChange(t)(b.Delete(ctx, v, target(parent)))
		purged, err := b.Purge(ctx, v, target(parent))
		if err != nil || purged.PurgedTaskID == nil || *purged.PurgedTaskID != parent.ID.String() {
			t.Fatalf("got %+v, %v", purged, err)
		}
		orphan := b.read(ctx, t, sibling)[0]
		if orphan.ParentID != nil || orphan.DeletedAt == nil || orphan.Version != version(ctx, t, b, v) {
			t.Errorf("got %v", orphan)
		}
		b.stored(ctx, t, mustChange(t)(b.Restore(ctx, v, target(sibling))))
		if got := b.titles(ctx, t, v, nil); got != "other child sibling" {
			t.Errorf("the top level is %s", got)
		}
		b.sound(ctx, t, v)
	})
}

func TestPurge(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bench) {
		ctx, v := b.user(t, "alice")
		bob, o := b.user(t, "bob")
		key := func(k string) *string { return &k }
		tag := b.tag(ctx, t, v, "tag")
		in := task.CreateInput{Title: "secret", TagIDs: []string{tag.ID.String()}, IdempotencyKey: key("create")}
		secret := mustChange(t)(b.Create(ctx, v, in))
		below := mustChange(t)(b.Create(ctx, v, task.CreateInput{Title: "secret too", ParentID: ptr(secret.ID.String()), IdempotencyKey: key("create below")}))
		kept := mustChange(t)(b.Create(ctx, v, task.CreateInput{Title: "kept", IdempotencyKey: key("kept")}))
		his := mustChange(t)(b.Create(bob, o, task.CreateInput{Title: "his", IdempotencyKey: key("create")}))

		purge := func(in task.TargetInput) string {
			t.Helper()
			r, err := b.Purge(ctx, v, in)
			if err != nil {
				t.Fatal(err)
			}
			if (r.PurgedTaskID == nil) != (len(r.UserErrors) > 0) {
				t.Errorf("got %+v", r)
			}
			return problemsOf(r.UserErrors)
		}
		if got := purge(target(secret)); got != "INVALID input.id" {
			t.Errorf("an active task: %s", got)
		}
		mustChange(t)(b.Delete(ctx, v, task.TargetInput{ID: secret.ID.String(), IdempotencyKey: key("delete")}))
		bulk, err := b.CompleteMany(ctx, v, task.BulkInput{IDs: []string{below.ID.String(), kept.ID.String()}, IdempotencyKey: key("bulk")})
		if err != nil || bulk.ChangedCount != 2 {
			t.Fatalf("got %+v, %v", bulk, err)
		}
		before := version(ctx, t, b, v)
		again := task.TargetInput{ID: secret.ID.String(), IdempotencyKey: key("purge")}
		for range 2 {
			if got := purge(again); got != "" {
				t.Fatalf("refused: %s", got)
			}
		}
		if got := version(ctx, t, b, v); got != before+1 {
			t.Errorf("version %d became %d", before, got)
		}
		if got := purge(target(secret)); got != "NOT_FOUND input.id" {
			t.Errorf("what is gone: %s", got)
		}
		if n := b.client.Task.Query().Where(enttask.WorkspaceID("alice")).CountX(ctx); n != 1 {
			t.Errorf("%d tasks are left", n)
		}

		// Nothing of it is remembered, and yet no request has a second effect.
		for _, row := range b.client.IdempotencyKey.Query().AllX(ctx) {
			if strings.Contains(row.Answer, "secret") {
				t.Errorf("%s still remembers %s", row.Key, row.Answer)
			}
		}
		wantProblems(t, "NOT_FOUND")(b.Create(ctx, v, in))
		wantProblems(t, "NOT_FOUND")(b.Delete(ctx, v, task.TargetInput{ID: secret.ID.String(), IdempotencyKey: key("delete")}))
		same(t, mustChange(t)(b.Create(ctx, v, task.CreateInput{Title: "kept", IdempotencyKey: key("kept")})), kept)
		same(t, mustChange(t)(b.Create(bob, o, task.CreateInput{Title: "his", IdempotencyKey: key("create")})), his)
		b.sound(ctx, t, v)
	})
}

// However many come back to one parent at once, it has no more subtasks than it may, and what the parent brings along
// counts too.
func TestRestoreKeepsTheLimit(t *testing.T) {
	t.Parallel()
	eachLimited(t, task.Limits{Subtasks: 2}, func(t *testing.T, b *bench) {
		ctx, v := b.user(t, "alice")
		parent := b.create(ctx, t, v, "parent")
		var below []*ent.Task
		for _, title := range []string{"a", "b", "c", "d"} {
			e := b.under(ctx, t, v, parent, title)
			below = append(below, mustChange(t)(b.Delete(ctx, v, target(e))))
		}
		restore := func(policy task.BulkPolicy, e ...*ent.Task) string {
			t.Helper()
			r, err := b.RestoreMany(ctx, v, task.BulkInput{IDs: ids(e...), ErrorPolicy: policy})
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for _, item := range r.Results {
				all = append(all, problemsOf(item.UserErrors))
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
		mustChange(t)(b.Delete(ctx, v, target(parent)))
		if got := restore(task.AllOrNothing, below[2], parent); got != "LIMIT_EXCEEDED input.ids.0; " {
			t.Errorf("got %q", got)
		}
		if got := restore(task.SkipFailed, below[2], parent); got != "LIMIT_EXCEEDED input.ids.0; " {
			t.Errorf("got %q", got)
		}
		if got := b.titles(ctx, t, v, parent); got != "a b" {
			t.Errorf("under the parent are %s", got)
		}
		// One that the parent brings along anyway may be named beside it, and where the parent stays, all go to the top.
		mustChange(t)(b.Delete(ctx, v, target(parent)))
		if got := restore(task.AllOrNothing, below[0], parent, below[1]); got != "; ; " {
			t.Errorf("got %q", got)
		}
		mustChange(t)(b.Delete(ctx, v, target(parent)))
		if got := restore(task.AllOrNothing, below...); got != "; ; ; " {
			t.Errorf("got %q", got)
		}
		b.sound(ctx, t, v)
	})
}
