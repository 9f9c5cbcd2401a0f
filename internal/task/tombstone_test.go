package task_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"taskql/ent"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	enttombstone "taskql/ent/tombstone"
	entworkspace "taskql/ent/workspace"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// reader has a copy of a workspace as of a version, as a client does that reads the feed.
type reader struct {
	version int
	// rows are the columns that clients see of each row, by id.
	rows map[uuid.UUID]string
}

// seen is what clients see of a task. Keys of texts and trashed_with are not seen.
func seen(e *ent.Task, tags []uuid.UUID) string {
	return fmt.Sprint(e.Version, e.Title, e.Description, e.Completed, e.CompletedAt, e.Priority, e.DueDate, e.DueAt, e.ParentID, string(e.Position), e.DeletedAt, e.UpdatedAt, tags)
}

// read reads the workspace, and checks that the feed tells whatever has changed since the last time: each changed or new row has a
// later version, and each row that is gone has a tombstone with a later version, unless the floor is above the reader's version.
func (r *reader) read(ctx context.Context, t rapid.TB, env *testEnv, v viewer.Viewer) {
	t.Helper()
	state, err := env.workspaces.ReadFeedState(ctx, v, workspace.FeedQuestion{})
	if err != nil {
		t.Fatal(err)
	}
	version, floor := state.Version, state.Floor
	rows, versions := map[uuid.UUID]string{}, map[uuid.UUID]int{}
	for _, e := range env.client.Task.Query().Where(workspace.Scope(v)).WithTags(func(q *ent.TagQuery) { q.Order(enttag.ByID()) }).AllX(ctx) {
		var tags []uuid.UUID
		for _, tag := range e.Edges.Tags {
			tags = append(tags, tag.ID)
		}
		rows[e.ID], versions[e.ID] = seen(e, tags), e.Version
	}
	for _, tag := range env.client.Tag.Query().Where(workspace.Scope(v)).AllX(ctx) {
		rows[tag.ID], versions[tag.ID] = fmt.Sprint(tag.Version, tag.Name, tag.Color, tag.UpdatedAt), tag.Version
	}
	if r.rows != nil && r.version >= floor {
		for id, before := range r.rows {
			if now, ok := rows[id]; ok && now != before && versions[id] <= r.version {
				t.Fatalf("changed without a version above %d:\n%s\n%s", r.version, before, now)
			}
			if _, ok := rows[id]; !ok && !env.hasTombstone(ctx, v, id, r.version, version) {
				t.Fatalf("gone since version %d, without a tombstone: %s", r.version, before)
			}
		}
		for id, now := range rows {
			if _, ok := r.rows[id]; !ok && versions[id] <= r.version {
				t.Fatalf("new without a version above %d: %s", r.version, now)
			}
		}
	}
	r.version, r.rows = version, rows
}

// hasTombstone reports whether an object has a tombstone with a version between these.
func (env *testEnv) hasTombstone(ctx context.Context, v viewer.Viewer, id uuid.UUID, above, upTo int) bool {
	return env.client.Tombstone.Query().Where(workspace.Scope(v), enttombstone.ObjectID(id), enttombstone.VersionGT(above), enttombstone.VersionLTE(upTo)).ExistX(ctx)
}

// changes are random changes of a workspace.
type changes struct {
	env *testEnv
	ctx context.Context //nolint:containedctx // It is the viewer's and lives as long as the test.
	v   viewer.Viewer
	n   int
}

// tasks returns the ids of the tasks in the trash, or of the others.
func (c *changes) tasks(trashed bool) []string {
	q := c.env.client.Task.Query().Where(workspace.Scope(c.v)).Order(enttask.ByCreatedAt(), enttask.ByID())
	if trashed {
		q.Where(enttask.DeletedAtNotNil())
	} else {
		q.Where(enttask.DeletedAtIsNil())
	}
	return texts(q.IDsX(c.ctx))
}

func texts(ids []uuid.UUID) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = id.String()
	}
	return all
}

// draw returns one of the ids; one that does not exist if there is none.
func draw(t *rapid.T, ids []string) string {
	return rapid.SampledFrom(append(ids, uuid.NewString())).Draw(t, "id")
}

// make makes a random change.
func (c *changes) make(t *rapid.T) {
	c.n++
	env, ctx, v := c.env, c.ctx, c.v
	active, trash := c.tasks(false), c.tasks(true)
	tags := texts(env.client.Tag.Query().Where(workspace.Scope(v)).Order(enttag.ByID()).IDsX(ctx))
	target := workspace.TargetInput{ID: draw(t, active)}
	many := task.BulkInput{IDs: slices.Compact([]string{draw(t, active), draw(t, trash)}), ErrorPolicy: task.SkipFailed}
	key := ptr(fmt.Sprint(c.n))
	name := rapid.SampledFrom([]string{
		"create", "subtask", "subtask", "tagged", "update", "move", "complete", "delete", "delete", "restore", "purge", "purge", "empty",
		"delete many", "restore many", "tag", "rename tag", "delete tag", "import",
	}).Draw(t, "change")
	var err error
	switch name {
	case "create":
		_, err = env.Create(ctx, v, task.CreateInput{Title: name})
	case "subtask":
		_, err = env.Create(ctx, v, task.CreateInput{Title: name, ParentID: &target.ID, IdempotencyKey: key})
	case "tagged":
		_, err = env.Create(ctx, v, task.CreateInput{Title: name, TagIDs: []string{draw(t, tags)}})
	case "update":
		_, err = env.Update(ctx, v, task.UpdateInput{ID: target.ID, Title: set(key), Patch: task.Patch{AddTagIDs: set([]string{draw(t, tags)})}})
	case "move":
		_, err = env.Move(ctx, v, task.MoveInput{ID: target.ID, ParentID: set(ptr(draw(t, active)))})
	case "complete":
		_, err = env.Complete(ctx, v, target)
	case "delete":
		_, err = env.Delete(ctx, v, target)
	case "restore":
		_, err = env.Restore(ctx, v, workspace.TargetInput{ID: draw(t, trash)})
	case "purge":
		_, err = env.Purge(ctx, v, workspace.TargetInput{ID: draw(t, trash), IdempotencyKey: key})
	case "empty":
		_, err = env.EmptyTrash(ctx, v, task.EmptyTrashInput{IdempotencyKey: key})
	case "delete many":
		_, err = env.DeleteMany(ctx, v, many)
	case "restore many":
		_, err = env.RestoreMany(ctx, v, many)
	case "tag":
		_, err = env.CreateTag(ctx, v, task.CreateTagInput{Name: *key})
	case "rename tag":
		_, err = env.UpdateTag(ctx, v, task.UpdateTagInput{ID: draw(t, tags), Name: set(ptr("renamed " + *key))})
	case "delete tag":
		_, err = env.DeleteTag(ctx, v, workspace.TargetInput{ID: draw(t, tags)})
	case "import":
		at := env.clock.Now()
		_, err = env.ImportTasks(viewer.AsSystem(ctx), v, []task.ImportedTask{{ID: uuid.New(), Title: name, DeletedAt: &at}}, task.ImportOptions{})
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// Whatever changes are made: a reader who knows the workspace as of a version can find everything that has changed or is gone since by
// versions and tombstones.
func TestNothingGoesWithoutTombstone(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			ctx, v := env.newUser(t, fmt.Sprint("user", n))
			c, r := &changes{env: env, ctx: ctx, v: v}, &reader{}
			r.read(ctx, rt, env, v)
			for range rapid.IntRange(1, 25).Draw(rt, "changes") {
				c.make(rt)
				if rapid.Bool().Draw(rt, "read") {
					r.read(ctx, rt, env, v)
				}
			}
			r.read(ctx, rt, env, v)
		})
		if n < 10 || !env.client.Tombstone.Query().ExistX(viewer.AsSystem(t.Context())) {
			t.Errorf("%d workspaces were changed, and nothing was deleted", n)
		}
	})
}

// The previous release writes no tombstones. If it has changed a workspace, a reader of an older version is told so by the floor, also
// after later changes; readers of that version and of later ones are not held up.
func TestFloorAfterPreviousRelease(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		want := func(what string, version, floor int) {
			t.Helper()
			got, err := env.workspaces.ReadFeedState(ctx, v, workspace.FeedQuestion{})
			if err != nil {
				t.Fatal(err)
			}
			if got.Version != version || got.Floor != floor {
				t.Errorf("%s: version %d and floor %d; want %d and %d", what, got.Version, got.Floor, version, floor)
			}
		}
		a, b := env.createTask(ctx, t, v, "a"), env.createTask(ctx, t, v, "b")
		want("after changes of this release", 2, 0)
		if _, err := env.client.ExecContext(ctx, "UPDATE workspaces SET version = version + 1 WHERE id = 'alice'"); err != nil {
			t.Fatal(err)
		}
		env.client.Task.DeleteOne(a).ExecX(ctx)
		want("after the previous release has purged", 3, 3)
		mustSucceed(t)(env.Complete(ctx, v, targetOf(b)))
		want("after another change", 4, 3)
		env.createTask(ctx, t, v, "c")
		want("after a change by the fast path", 5, 3)
		mustSucceed(t)(env.Complete(ctx, v, workspace.TargetInput{ID: b.ID.String(), IdempotencyKey: ptr("nothing changes")}))
		want("after a version was given back", 5, 3)
	})
}

// While a user is erased, and while the tasks move to another user, readers of the user's workspace are sent to the floor, and readers of
// the other workspace find what arrives.
func TestFeedOfErasedUsers(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		for name, trees := range map[string]int{"": 170, "bob": 80} { // More than one batch, erased or moved.
			ctx, anna := env.grow(t, "anna"+name, trees)
			trashed := mustSucceed(t)(env.Delete(ctx, anna, targetOf(env.createTask(ctx, t, anna, "purged"))))
			if _, err := env.Purge(ctx, anna, targetOf(trashed)); err != nil {
				t.Fatal(err)
			}
			system, annas, bobs := viewer.AsSystem(ctx), &reader{}, &reader{}
			annas.read(system, t, env, anna)
			var bob viewer.Viewer
			if name != "" {
				_, bob = env.grow(t, name, 3)
				bobs.read(system, t, env, bob)
			}
			env.remove(t, task.Removal{UserID: anna.UserID, MoveTo: name})
			batches := 0
			_, err := task.FinishRemoval(env.Service, system, viewer.UserHash(anna.UserID), func(task.Erased) {
				batches++
				if env.client.Workspace.Query().Where(entworkspace.ID(anna.WorkspaceID)).ExistX(system) {
					annas.read(system, t, env, anna)
				}
				if name != "" {
					bobs.read(system, t, env, bob)
				}
			})
			if err != nil || batches < 2 {
				t.Errorf("%d batches, %v", batches, err)
			}
			if name != "" && len(bobs.rows) < 3*trees {
				t.Errorf("%s has %d rows", name, len(bobs.rows))
			}
			if left := env.client.Tombstone.Query().Where(workspace.Scope(anna)).CountX(system); left > 0 {
				t.Errorf("%d tombstones are left", left)
			}
		}
	})
}
