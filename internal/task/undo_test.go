package task_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// undoEnv makes and undoes changes of one workspace.
type undoEnv struct {
	*testEnv
	//nolint:containedctx // It is the viewer's and lives as long as the test.
	ctx context.Context
	v   viewer.Viewer
}

func eachUndoEnv(t *testing.T, limits task.Limits, test func(t *testing.T, u *undoEnv)) {
	t.Helper()
	eachDatabaseLimited(t, limits, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		test(t, &undoEnv{env, ctx, v})
		env.checkInvariants(ctx, t, v)
	})
}

func (u *undoEnv) task(t *testing.T, title string) *ent.Task {
	t.Helper()
	return u.createTask(u.ctx, t, u.v, title)
}

func (u *undoEnv) under(t *testing.T, parent *ent.Task, title string) *ent.Task {
	t.Helper()
	return u.createSubtask(u.ctx, t, u.v, parent, title)
}

func (u *undoEnv) tag(t *testing.T, name string) *ent.Tag {
	t.Helper()
	return u.createTag(u.ctx, t, u.v, name)
}

// update, complete and so on make a change a second after the one before, and return its version.
func (u *undoEnv) update(t *testing.T, e *ent.Task, in task.UpdateInput) int {
	t.Helper()
	u.clock.advance(time.Second)
	in.ID = e.ID.String()
	return mustSucceed(t)(u.Update(u.ctx, u.v, in)).Version
}

func (u *undoEnv) rename(t *testing.T, e *ent.Task, title string) int {
	t.Helper()
	return u.update(t, e, task.UpdateInput{Title: set(&title)})
}

func (u *undoEnv) describe(t *testing.T, e *ent.Task, description *string) int {
	t.Helper()
	return u.update(t, e, task.UpdateInput{Description: set(description)})
}

func (u *undoEnv) on(t *testing.T, e *ent.Task, method func(context.Context, viewer.Viewer, workspace.TargetInput) (*task.Result, error)) int {
	t.Helper()
	u.clock.advance(time.Second)
	return mustSucceed(t)(method(u.ctx, u.v, targetOf(e))).Version
}

func (u *undoEnv) move(t *testing.T, e *ent.Task, in task.MoveInput) int {
	t.Helper()
	u.clock.advance(time.Second)
	in.ID = e.ID.String()
	return mustSucceed(t)(u.Move(u.ctx, u.v, in)).Version
}

func (u *undoEnv) after(t *testing.T, e, other *ent.Task) int {
	t.Helper()
	return u.move(t, e, task.MoveInput{AfterID: ptr(other.ID.String())})
}

func (u *undoEnv) below(t *testing.T, e, parent *ent.Task) int {
	t.Helper()
	return u.move(t, e, task.MoveInput{ParentID: set(ptr(parent.ID.String()))})
}

func (u *undoEnv) purge(t *testing.T, e *ent.Task) int {
	t.Helper()
	r, err := u.Purge(u.ctx, u.v, targetOf(e))
	if err != nil || len(r.UserErrors) > 0 {
		t.Fatal(r, err)
	}
	return *r.Version()
}

func (u *undoEnv) deleteTag(t *testing.T, tag *ent.Tag) int {
	t.Helper()
	r, err := u.DeleteTag(u.ctx, u.v, workspace.TargetInput{ID: tag.ID.String()})
	if err != nil || len(r.UserErrors) > 0 {
		t.Fatal(r, err)
	}
	return *r.Version()
}

// undo undoes a change, and returns the version of the undo.
func (u *undoEnv) undo(t *testing.T, version int) int {
	t.Helper()
	u.clock.advance(time.Second)
	r, err := u.Undo(u.ctx, u.v, task.UndoInput{Version: version})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.UserErrors) > 0 || len(r.Tasks) == 0 {
		t.Fatalf("undoing version %d: %s", version, formatUndo(r))
	}
	u.checkStored(u.ctx, t, r.Tasks...)
	return *r.Version()
}

// refused checks that undoing a change is refused for those reasons, and changes nothing.
func (u *undoEnv) refused(t *testing.T, version int, want string) {
	t.Helper()
	before := workspaceVersion(u.ctx, t, u.testEnv, u.v)
	r, err := u.Undo(u.ctx, u.v, task.UndoInput{Version: version})
	if err != nil {
		t.Fatal(err)
	}
	if got := formatUndo(r); got != want {
		t.Errorf("undoing version %d: got %q, want %q", version, got, want)
	}
	if now := workspaceVersion(u.ctx, t, u.testEnv, u.v); now != before || r.Version() != nil {
		t.Errorf("a refused undo takes version %d to %d", before, now)
	}
	for _, e := range r.Tasks {
		u.checkStored(u.ctx, t, e)
	}
}

// formatUndo returns the user errors of an undo and its conflicts.
func formatUndo(r *task.UndoResult) string {
	all := []string{formatUserErrors(r.UserErrors)}
	for _, c := range r.Conflicts {
		all = append(all, fmt.Sprintf("%s.%s by %d", c.Task.Title, c.Field, c.ChangedByVersion))
	}
	return strings.Join(all, "; ")
}

const (
	notFound = "NOT_FOUND input.version"
	invalid  = "INVALID input.version"
)

// stale is how the refusal of an undo with those conflicts is formatted.
func stale(conflicts ...string) string {
	return strings.Join(append([]string{"STALE input.version"}, conflicts...), "; ")
}

func by(conflict string, version int) string { return fmt.Sprintf("%s by %d", conflict, version) }

func TestUndoOfValues(t *testing.T) {
	t.Parallel()
	eachUndoEnv(t, task.Limits{}, func(t *testing.T, u *undoEnv) {
		e := u.task(t, "one")
		two := u.rename(t, e, "two")
		three := u.rename(t, e, "three")
		u.refused(t, two, stale(by("three.title", three)))
		back := u.rename(t, e, "two")
		u.undo(t, two) // It has the value that the change gave it.
		if now := u.reload(u.ctx, t, e)[0]; now.Title != "one" || string(now.TitleKey) != "one" || now.SearchText != "one\n" {
			t.Errorf("got %v", now)
		}
		u.refused(t, back, stale(by("one.title", back+1)))

		// What else was changed stays.
		high := u.update(t, e, task.UpdateInput{Title: set(ptr("four")), Patch: task.Patch{Priority: set(ptr(task.PriorityHigh))}})
		due := u.update(t, e, task.UpdateInput{Patch: task.Patch{Due: set(&task.DueInput{Date: ptr(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC))})}})
		low := u.update(t, e, task.UpdateInput{Patch: task.Patch{Priority: set(ptr(task.PriorityLow))}})
		u.refused(t, high, stale(by("four.priority", low)))
		u.undo(t, low)
		u.undo(t, high)
		if now := u.reload(u.ctx, t, e)[0]; now.Title != "one" || now.Priority != task.PriorityNone || now.DueDate == nil {
			t.Errorf("got %v", now)
		}
		u.undo(t, due)

		done := u.on(t, e, u.Complete)
		reopened := u.on(t, e, u.Reopen)
		again := u.on(t, e, u.Complete)
		u.refused(t, done, stale(by("one.completed", again))) // It was completed at another time.
		u.undo(t, again)
		u.undo(t, reopened)
		if now := u.reload(u.ctx, t, e)[0]; !now.CompletedAt.Before(now.UpdatedAt.Add(-3 * time.Second)) {
			t.Errorf("completed at %v, updated at %v", now.CompletedAt, now.UpdatedAt)
		}
		u.undo(t, done)
	})
}

func TestUndoOfDescriptions(t *testing.T) {
	t.Parallel()
	eachUndoEnv(t, task.Limits{}, func(t *testing.T, u *undoEnv) {
		e := u.task(t, "e")
		a := u.describe(t, e, ptr("a"))
		b := u.describe(t, e, ptr("b"))
		none := u.describe(t, e, nil)
		u.refused(t, a, stale(by("e.description", none)))
		u.refused(t, b, stale(by("e.description", none)))
		u.undo(t, none)
		u.undo(t, b)
		again := u.describe(t, e, ptr("c"))
		u.undo(t, again)
		redo := u.undo(t, u.undo(t, a))
		if now := u.reload(u.ctx, t, e)[0]; *now.Description != "a" || now.SearchText != "e\na" {
			t.Errorf("got %v", now)
		}
		u.undo(t, redo)
		if now := u.reload(u.ctx, t, e)[0]; now.Description != nil {
			t.Errorf("got %v", now)
		}
		// A text that is not kept any longer can't come back.
		long := u.describe(t, e, ptr("long"))
		short := u.describe(t, e, ptr("short"))
		u.client.Activity.Update().ClearOldDescription().ExecX(u.ctx)
		u.refused(t, short, invalid)
		u.refused(t, long, invalid)
	})
}

func TestUndoOfTags(t *testing.T) {
	t.Parallel()
	eachUndoEnv(t, task.Limits{TagsPerTask: 2}, func(t *testing.T, u *undoEnv) {
		x, y, z := u.tag(t, "x"), u.tag(t, "y"), u.tag(t, "z")
		a, b := u.task(t, "a"), u.task(t, "b")
		tags := func(e *ent.Task, add, remove []*ent.Tag) int {
			ids := func(tags []*ent.Tag) []string {
				all := make([]string, len(tags))
				for i, tag := range tags {
					all[i] = tag.ID.String()
				}
				return all
			}
			return u.update(t, e, task.UpdateInput{Patch: task.Patch{AddTagIDs: set(ids(add)), RemoveTagIDs: set(ids(remove))}})
		}
		list := func(tags ...*ent.Tag) []*ent.Tag { return tags }
		one := tags(a, list(x), nil)
		two := tags(a, list(y), list(x))
		u.refused(t, one, stale(by("a.tags", two)))
		three := tags(a, list(x), nil)
		u.refused(t, two, stale(by("a.tags", three))) // It has x again.
		u.undo(t, three)
		undone := u.undo(t, two)
		if got := u.activities(u.ctx, t, u.v, undone)[0].Changes.Tags; got.Added[0].Name != "x" || got.Removed[0].Name != "y" {
			t.Errorf("the history says %+v", got)
		}
		if got := u.tagNames(u.ctx, t, a); got != "x" {
			t.Errorf("it carries %q", got)
		}
		// Other tags stay, up to the limit.
		tags(a, list(z), nil)
		u.undo(t, one)
		removed := tags(a, nil, list(z))
		tags(a, list(x), nil)
		full := tags(a, list(y), nil)
		u.refused(t, removed, stale(by("a.tags", full)))

		// Different tasks lose and get different tags.
		tags(b, list(x), nil)
		r, err := u.UpdateMany(u.ctx, u.v, task.UpdateManyInput{
			BulkInput: task.BulkInput{IDs: []string{a.ID.String(), b.ID.String()}},
			Patch:     task.Patch{AddTagIDs: set([]string{y.ID.String()}), RemoveTagIDs: set([]string{x.ID.String()})},
		})
		if err != nil || r.ChangedCount != 2 {
			t.Fatal(r, err)
		}
		u.undo(t, u.undo(t, u.undo(t, *r.Version())))
		if a, b := u.tagNames(u.ctx, t, a), u.tagNames(u.ctx, t, b); a != "x y" || b != "x" {
			t.Errorf("they carry %q and %q", a, b)
		}

		// A tag that is gone can't come back.
		lost := tags(b, nil, list(x))
		added := tags(b, list(z), nil)
		gone := u.deleteTag(t, x)
		u.refused(t, gone, invalid)
		u.refused(t, lost, stale(by("b.tags", gone)))
		gone = u.deleteTag(t, z)
		u.refused(t, added, stale(by("b.tags", gone)))
	})
}

func TestUndoOfMoves(t *testing.T) {
	t.Parallel()
	eachUndoEnv(t, task.Limits{}, func(t *testing.T, u *undoEnv) {
		a, b, c, d := u.task(t, "a"), u.task(t, "b"), u.task(t, "c"), u.task(t, "d")
		order := func(want string) {
			t.Helper()
			if got := u.siblingTitles(u.ctx, t, u.v, nil); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		start := u.reload(u.ctx, t, b)[0].Position
		one := u.after(t, b, d)
		two := u.after(t, b, c)
		u.refused(t, one, stale(by("b.position", two)))
		undone := u.undo(t, two)
		order("a c d b")
		u.undo(t, one)
		order("a b c d")
		if now := u.reload(u.ctx, t, b)[0].Position; string(now) != string(start) {
			t.Errorf("it is at %q, and was at %q", now, start)
		}
		u.refused(t, undone, stale(by("b.position", undone+1)))

		// Something has come between: directly behind the former predecessor.
		one = u.after(t, b, d)
		u.after(t, d, a)
		order("a d c b")
		u.undo(t, one)
		order("a b d c")

		// The former predecessor is gone: before the former successor.
		one = u.after(t, b, c)
		trashed := u.on(t, a, u.Delete)
		e := u.task(t, "e")
		u.move(t, e, task.MoveInput{BeforeID: ptr(d.ID.String())})
		order("e d c b")
		u.undo(t, one)
		order("e b d c")
		u.undo(t, trashed)

		// Both are gone: to the end.
		order("a e b d c")
		one = u.move(t, b, task.MoveInput{})
		order("a e d c b")
		trashed = u.on(t, e, u.Delete)
		below := u.below(t, d, a)
		f := u.task(t, "f")
		u.undo(t, one)
		order("a c f b")
		u.undo(t, below)
		u.undo(t, trashed)

		// A later move that was undone is not in the way, even if it left another position.
		order("a e d c f b")
		one = u.after(t, b, a)
		two = u.after(t, b, f)
		u.after(t, e, f)
		u.after(t, c, a)
		u.undo(t, two)
		order("a b c d f e")
		three := u.undo(t, one)
		order("a c d f b e")
		u.refused(t, two, stale(by("b.position", three)))

		// Nor are siblings that were renumbered.
		one = u.after(t, b, a)
		renumbered := append(slices.Clone(u.reload(u.ctx, t, b)[0].Position), '5')
		u.client.Task.UpdateOneID(b.ID).SetPosition(renumbered).ExecX(u.ctx)
		u.undo(t, one)
		order("a c d f b e")

		// A task in the trash stays where it is.
		one = u.after(t, b, a)
		trashed = u.on(t, b, u.Delete)
		u.refused(t, one, stale(by("b.deletedAt", trashed)))
	})
}

func TestUndoOfMovesToParents(t *testing.T) {
	t.Parallel()
	eachUndoEnv(t, task.Limits{Depth: 3, Subtasks: 2}, func(t *testing.T, u *undoEnv) {
		p := u.task(t, "p")
		a, b := u.under(t, p, "a"), u.under(t, p, "b")
		top := set[*string](nil)

		one := u.move(t, a, task.MoveInput{ParentID: top})
		c := u.under(t, p, "c")
		full := workspaceVersion(u.ctx, t, u.testEnv, u.v)
		u.refused(t, one, stale(by("a.parent", full)))
		away := u.on(t, c, u.Delete)
		u.undo(t, one)
		u.refused(t, away, stale(by("c.parent", away+1))) // Now the deletion can't be undone.
		if got := u.siblingTitles(u.ctx, t, u.v, p); got != "a b" {
			t.Errorf("got %s", got)
		}

		// The former parent is below the task, too deep, in the trash, or gone.
		one = u.move(t, a, task.MoveInput{ParentID: top})
		below := u.below(t, p, a)
		u.refused(t, one, stale(by("a.parent", below)))
		u.undo(t, below)
		q := u.task(t, "q")
		below = u.below(t, p, q)
		u.under(t, a, "a1")
		u.refused(t, one, stale(by("a.parent", below)))
		u.undo(t, below)
		trashed := u.on(t, p, u.Delete)
		u.refused(t, one, stale(by("a.parent", trashed)))
		gone := u.purge(t, p)
		u.refused(t, one, stale(by("a.parent", gone)))

		// It has another parent now.
		d := u.task(t, "d")
		one = u.below(t, d, q)
		two := u.below(t, d, a)
		u.refused(t, one, stale(by("d.parent", two), by("d.position", two)))
		u.undo(t, two)
		u.undo(t, one)
		_ = b
	})
}

func TestUndoOfTrash(t *testing.T) {
	t.Parallel()
	eachUndoEnv(t, task.Limits{}, func(t *testing.T, u *undoEnv) {
		created := func() int { return workspaceVersion(u.ctx, t, u.testEnv, u.v) }
		p := u.task(t, "p")
		made := created()
		a := u.under(t, p, "a")
		madeA := created()
		u.refused(t, made, stale(by("p.subtasks", madeA)))
		u.undo(t, madeA)
		undone := u.undo(t, made)
		u.refused(t, made, stale(by("p.deletedAt", undone)))
		redone := u.undo(t, undone)
		u.refused(t, madeA, stale(by("a.deletedAt", madeA+1)))
		u.on(t, a, u.Restore)
		b := u.under(t, p, "b")
		u.refused(t, redone, stale(by("p.subtasks", created())))

		// A subtask that was only changed goes to the trash again with the task that was restored, and keeps the change.
		u.on(t, p, u.Delete)
		restored := u.on(t, p, u.Restore)
		u.rename(t, a, "A")
		u.after(t, a, b)
		trashed := u.undo(t, restored)
		rows := u.reload(u.ctx, t, p, a, b)
		for _, e := range rows {
			if e.DeletedAt == nil || *e.TrashedWith != p.ID {
				t.Errorf("%s was not restored", e.Title)
			}
		}
		u.undo(t, trashed)

		// One that was taken out of the trash alone, or deleted again.
		deleted := u.on(t, p, u.Delete)
		out := u.on(t, a, u.Restore)
		u.undo(t, deleted)
		if got := u.siblingTitles(u.ctx, t, u.v, nil); got != "p A" {
			t.Errorf("got %s", got)
		}
		u.refused(t, deleted, stale(by("p.deletedAt", created())))
		// Undoing its restoration puts it under its parent again, in the trash, alone.
		u.undo(t, out)
		if a := u.reload(u.ctx, t, a)[0]; a.DeletedAt == nil || *a.TrashedWith != a.ID || *a.ParentID != p.ID {
			t.Errorf("got %v", a)
		}

		// A parent that went to the trash afterwards.
		deleted = u.on(t, b, u.Delete)
		parent := u.on(t, p, u.Delete)
		u.refused(t, deleted, stale(by("b.parent", parent)))
		u.undo(t, parent)
		u.undo(t, deleted)
		// One that went there with its parent was not deleted by itself.
		parent = u.on(t, p, u.Delete)
		u.refused(t, deleted, stale(by("b.deletedAt", parent)))
		gone := u.purge(t, p)
		u.refused(t, parent, invalid)
		u.refused(t, gone, invalid)
	})
}

// An undo names the tasks that the change named, even if they went to the trash with another one above them.
func TestUndoNamesTasks(t *testing.T) {
	t.Parallel()
	eachUndoEnv(t, task.Limits{}, func(t *testing.T, u *undoEnv) {
		p, other := u.task(t, "p"), u.task(t, "other")
		a := u.under(t, p, "a")
		b := u.under(t, a, "b")
		u.under(t, a, "not named")
		many := func(method func(context.Context, viewer.Viewer, task.BulkInput) (*task.BulkResult, error)) int {
			t.Helper()
			u.clock.advance(time.Second)
			r, err := method(u.ctx, u.v, task.BulkInput{IDs: []string{b.ID.String(), p.ID.String(), other.ID.String()}})
			if err != nil || r.ChangedCount != 3 {
				t.Fatal(r, err)
			}
			return *r.Version()
		}
		check := func(r *task.UndoResult, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			var titles []string
			for _, e := range r.Tasks {
				titles = append(titles, e.Title)
			}
			slices.Sort(titles)
			if got := strings.Join(titles, " "); got != "b other p" {
				t.Errorf("it names %q", got)
			}
			u.checkStored(u.ctx, t, r.Tasks...)
		}
		undo := func(version int) int {
			t.Helper()
			u.clock.advance(time.Second)
			r, err := u.Undo(u.ctx, u.v, task.UndoInput{Version: version})
			check(r, err)
			if len(r.UserErrors) > 0 {
				t.Fatal(formatUndo(r))
			}
			return *r.Version()
		}
		deleted := many(u.DeleteMany)
		undo(undo(undo(deleted)))
		check(u.Undo(u.ctx, u.v, task.UndoInput{Version: deleted})) // Refused.
		many(u.DeleteMany)
		undo(undo(undo(many(u.RestoreMany))))
	})
}

func TestUndoRefusals(t *testing.T) {
	t.Parallel()
	eachUndoEnv(t, task.Limits{}, func(t *testing.T, u *undoEnv) {
		x := u.tag(t, "x")
		e := u.task(t, "e")
		last := u.rename(t, e, "new")
		for _, version := range []int{-1, 0, last + 1, last + 2, 1 << 31} {
			u.refused(t, version, notFound)
		}
		u.refused(t, x.Version, invalid)

		// Somebody else's, in the same workspace.
		other := *u
		_, bob := u.newUser(t, "bob")
		other.v.UserID = bob.UserID
		other.refused(t, last, notFound)
		theirs := other.rename(t, e, "theirs")
		u.refused(t, theirs, notFound)
		u.refused(t, last, stale(by("theirs.title", theirs)))
		other.undo(t, theirs)
		// Of what the server did, too, and of what somebody did for the user.
		support := *u
		support.v.ImpersonatorID = "support"
		helped := support.rename(t, e, "helped")
		u.undo(t, helped)
		if _, err := u.client.ExecContext(u.ctx, "UPDATE activities SET actor_id = NULL, via = 'SERVER'"); err != nil {
			t.Fatal(err)
		}
		u.refused(t, last, notFound)
		// An import.
		outcomes, err := u.ImportTasks(viewer.AsSystem(u.ctx), u.v, []task.ImportedTask{{ID: uuid.New(), Title: "imported"}}, task.ImportOptions{})
		if err != nil || len(outcomes[0].Problems) > 0 {
			t.Fatal(outcomes, err)
		}
		u.refused(t, workspaceVersion(u.ctx, t, u.testEnv, u.v), invalid)
		// What is too long ago.
		last = u.rename(t, e, "last")
		u.client.Activity.Delete().ExecX(u.ctx)
		u.refused(t, last, invalid)
	})
}

func TestUndoTwice(t *testing.T) {
	t.Parallel()
	eachUndoEnv(t, task.Limits{}, func(t *testing.T, u *undoEnv) {
		e := u.task(t, "one")
		in := task.UndoInput{Version: u.rename(t, e, "two"), IdempotencyKey: ptr("key")}
		first, err := u.Undo(u.ctx, u.v, in)
		if err != nil || formatUndo(first) != "" {
			t.Fatal(first, err)
		}
		u.rename(t, e, "three")
		again, err := u.Undo(u.ctx, u.v, in)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(formatTasks(first.Tasks), formatTasks(again.Tasks)); diff != "" || *first.Version() != *again.Version() {
			t.Errorf("the repeated request gets another answer:\n%s", diff)
		}
		in.IdempotencyKey = nil
		u.refused(t, in.Version, stale(by("three.title", *first.Version()+1)))
	})
}

func formatTasks(tasks []*ent.Task) []string {
	all := make([]string, len(tasks))
	for i, e := range tasks {
		all[i] = fmt.Sprint(e.Title, " ", e.Version)
	}
	return all
}
