package task_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	entworkspace "taskql/ent/workspace"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// runRemovals runs them until none is pending, as a server that was started does.
func (env *testEnv) runRemovals(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { env.RunRemovals(ctx); close(done) }()
	env.awaitRemovals(t)
	cancel()
	<-done
}

func (env *testEnv) awaitRemovals(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for env.pendingRemovals(t) > 0 {
		if time.Now().After(deadline) {
			t.Fatal("a removal is still pending")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (env *testEnv) pendingRemovals(t *testing.T) int {
	t.Helper()
	pending := 0
	for _, r := range env.client.UserRemoval.Query().AllX(viewer.AsSystem(t.Context())) {
		if r.FinishedAt == nil {
			pending++
		} else if r.UserID != nil || r.MoveTo != nil {
			t.Errorf("a finished removal has the ids %v %v", r.UserID, r.MoveTo)
		}
	}
	return pending
}

// rowsOf counts what there is of a user.
func (env *testEnv) rowsOf(t *testing.T, id string) string {
	t.Helper()
	ctx := viewer.AsSystem(t.Context())
	there, err := env.CountUser(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(there.Users, there.Tasks, there.Tags, there.IdempotencyKeys, env.client.Workspace.Query().Where(entworkspace.ID(id)).CountX(ctx))
}

const nothing = "0 0 0 0 0"

func (env *testEnv) remove(t *testing.T, r task.Removal) bool {
	t.Helper()
	there, err := env.RemoveUser(viewer.AsSystem(t.Context()), r)
	if err != nil {
		t.Fatal(err)
	}
	return there
}

// grow makes a workspace of n trees with subtasks, tags and remembered keys; one in five trees is in the trash. Subtasks are
// older than what they are under, which is the hard case.
func (env *testEnv) grow(t *testing.T, user string, n int) (context.Context, viewer.Viewer) {
	t.Helper()
	ctx, v := env.newUser(t, user)
	home := env.createTag(ctx, t, v, "home "+user)
	for i := range n {
		in := task.CreateInput{Title: fmt.Sprint(user, i), TagIDs: []string{home.ID.String()}, IdempotencyKey: ptr(fmt.Sprint("key", i))}
		below := mustSucceed(t)(env.Create(ctx, v, in))
		root := env.createTask(ctx, t, v, fmt.Sprint(user, i, "root"))
		mustSucceed(t)(env.Move(ctx, v, task.MoveInput{ID: below.ID.String(), ParentID: workspace.Optional[*string]{Set: true, Value: ptr(root.ID.String())}}))
		env.createSubtask(ctx, t, v, below, fmt.Sprint(user, i, "leaf"))
		if i%5 == 0 {
			mustSucceed(t)(env.Delete(ctx, v, targetOf(root)))
		}
	}
	return ctx, v
}

// A removed user is gone from every table, and others are not. A repeated removal, and one of a user nobody knows, do nothing.
func TestRemoveUser(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		actx, alice := env.grow(t, "alice", 10)
		env.grow(t, "bob", 3)
		bob := env.rowsOf(t, "bob")
		if got := env.rowsOf(t, "alice"); got != "1 30 1 10 1" {
			t.Fatalf("alice has %s", got)
		}
		for range 2 {
			if !env.remove(t, task.Removal{UserID: "alice"}) {
				t.Error("there is nothing of alice")
			}
		}
		if env.remove(t, task.Removal{UserID: "unknown"}) {
			t.Error("there is something of an unknown user")
		}
		env.runRemovals(t)
		if got := env.rowsOf(t, "alice"); got != nothing {
			t.Errorf("of alice are left %s", got)
		}
		if got := env.rowsOf(t, "bob"); got != bob {
			t.Errorf("bob has %s, had %s", got, bob)
		}
		if _, err := env.Create(actx, alice, task.CreateInput{Title: "later"}); !errors.Is(err, workspace.ErrNoWorkspace) {
			t.Errorf("a later task: %v", err)
		}
		if env.remove(t, task.Removal{UserID: "alice"}) {
			t.Error("there is something of alice again")
		}
		env.runRemovals(t)
		env.clock.advance(26 * time.Hour)
		env.remove(t, task.Removal{UserID: "somebody"})
		env.runRemovals(t)
		if n := env.client.UserRemoval.Query().CountX(viewer.AsSystem(t.Context())); n != 1 {
			t.Errorf("%d removals are remembered, want the last", n)
		}
	})
}

// While a workspace is being erased it refuses every change, and many tasks are erased in batches.
func TestRemoveUserInBatches(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		parent := env.createTask(ctx, t, v, "parent")
		env.fillBelow(t, v, parent, 1_200)
		env.createTag(ctx, t, v, "of many tasks")
		gone := make([]*ent.TombstoneCreate, 1_200)
		for i := range gone {
			gone[i] = env.client.Tombstone.Create().SetID(uuid.New()).SetWorkspaceID(v.WorkspaceID).SetVersion(i).SetKind("TASK").SetObjectID(uuid.New())
		}
		env.client.Tombstone.CreateBulk(gone...).SaveX(ctx)
		steps := 0
		erased, err := env.EraseUser(viewer.AsSystem(ctx), "alice", func(so task.Erased) {
			steps++
			if so.Tags > 0 && so.Tasks < 1_201 {
				t.Errorf("tags are erased with all rows of task_tags after %d tasks", so.Tasks)
			}
			_, err := env.Create(ctx, v, task.CreateInput{Title: "meanwhile"})
			_, long := env.Complete(ctx, v, workspace.TargetInput{ID: parent.ID.String(), IdempotencyKey: ptr("meanwhile")})
			if !errors.Is(err, workspace.ErrNoWorkspace) || !errors.Is(long, workspace.ErrNoWorkspace) {
				t.Errorf("changes meanwhile: %v, %v", err, long)
			}
		})
		if err != nil || erased != (task.Erased{Users: 1, Tasks: 1_201, Tags: 1}) {
			t.Errorf("erased %+v, %v", erased, err)
		}
		if steps < 5 {
			t.Errorf("%d tasks and %d tombstones in %d batches", erased.Tasks, len(gone), steps)
		}
		if got := env.rowsOf(t, "alice"); got != nothing {
			t.Errorf("left are %s", got)
		}
	})
}

// fillBelow makes n subtasks, as rows.
func (env *testEnv) fillBelow(t *testing.T, v viewer.Viewer, parent *ent.Task, n int) {
	t.Helper()
	ctx := viewer.AsSystem(t.Context())
	now := env.clock.Now()
	for made := 0; made < n; {
		var rows []*ent.TaskCreate
		for ; made < n && len(rows) < 400; made++ {
			row := env.client.Task.Create().SetID(uuid.New()).SetWorkspaceID(v.WorkspaceID).SetVersion(1).SetTitle(fmt.Sprint(made)).
				SetPosition(fmt.Appendf(nil, "k%011x", made+1)).SetCreatedAt(now).SetUpdatedAt(now)
			if parent != nil {
				row.SetParentID(parent.ID)
			}
			rows = append(rows, row)
		}
		env.client.Task.CreateBulk(rows...).ExecX(ctx)
	}
	env.client.Workspace.UpdateOneID(v.WorkspaceID).AddTaskCount(n).ExecX(ctx)
}

// stopAfter runs the first n batches of a removal, and ends there as a process that is killed. It returns false if there are
// fewer.
func (env *testEnv) stopAfter(t *testing.T, r task.Removal, n int) bool {
	t.Helper()
	stopped := false
	func() {
		defer func() { stopped = recover() != nil }()
		_, err := task.FinishRemoval(env.Service, viewer.AsSystem(t.Context()), viewer.UserHash(r.UserID), func(task.Erased) {
			if n--; n == 0 {
				panic("stopped")
			}
		})
		if err != nil {
			t.Error(err)
		}
	}()
	return stopped
}

// Moving tasks goes on wherever it was stopped: each task is then there once, in the new workspace or still in the old one.
func TestMoveStoppedAnywhere(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		actx, anna := env.grow(t, "anna", 90)
		shared := env.createTag(actx, t, anna, "Shared")
		before := env.client.Task.Query().Where(enttask.WorkspaceID("anna")).AllX(actx)
		for _, e := range before[:40] {
			mustSucceed(t)(env.Update(actx, anna, task.UpdateInput{ID: e.ID.String(), Patch: task.Patch{AddTagIDs: workspace.Optional[[]string]{Set: true, Value: []string{shared.ID.String()}}}}))
		}
		before = env.reload(actx, t, before...)
		env.clock.advance(time.Hour)
		rctx, ruth := env.newUser(t, "ruth")
		env.createTag(rctx, t, ruth, "shared")
		own := env.createTask(rctx, t, ruth, "own")
		order := env.siblingTitles(actx, t, anna, nil)
		env.client.User.UpdateOneID("anna").SetTimeZone("Asia/Karachi").ExecX(actx)
		tags := env.tagsByTask(t)
		r := task.Removal{UserID: "anna", MoveTo: "ruth"}
		env.remove(t, r)
		env.remove(t, task.Removal{UserID: "anna"}) // As the anonymous plugin, which deletes the user then.
		for stops := 0; env.stopAfter(t, r, 1); stops++ {
			ids := env.client.Task.Query().IDsX(actx)
			if len(ids) != len(before)+1 {
				t.Fatalf("after %d batches: %d tasks", stops+1, len(ids))
			}
			env.checkInvariants(rctx, t, ruth)
			if env.pendingRemovals(t) == 0 {
				break
			}
		}
		if got := env.rowsOf(t, "anna"); got != nothing {
			t.Errorf("of anna are left %s", got)
		}
		if got := env.siblingTitles(rctx, t, ruth, nil); got != "own "+order {
			t.Errorf("the order is %s\nwas %s", got, order)
		}
		if got := env.tagsByTask(t); !slices.Equal(got, tags) {
			t.Errorf("tags are %q\nwere %q", got, tags)
		}
		for _, old := range before {
			now := env.client.Task.GetX(rctx, old.ID)
			if now.Title != old.Title || !now.UpdatedAt.Equal(old.UpdatedAt) ||
				fmt.Sprint(now.ParentID) != fmt.Sprint(old.ParentID) || (now.DeletedAt == nil) != (old.DeletedAt == nil) || now.Version <= own.Version {
				t.Errorf("%+v\nwas %+v", now, old)
			}
		}
		if zone := env.client.User.GetX(rctx, "ruth").TimeZone; zone != "Asia/Karachi" {
			t.Errorf("ruth's time zone is %s", zone)
		}
		env.createTask(rctx, t, ruth, "last")
		if got := env.siblingTitles(rctx, t, ruth, nil); !strings.HasSuffix(got, " last") {
			t.Errorf("a new task is not the last: %s", got)
		}
		env.checkInvariants(rctx, t, ruth)
	})
}

// tagsByTask returns each task's title with the folded names of its tags.
func (env *testEnv) tagsByTask(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, e := range env.client.Task.Query().WithTags().AllX(viewer.AsSystem(t.Context())) {
		names := []string{}
		for _, tag := range e.Edges.Tags {
			names = append(names, strings.ToLower(tag.Name))
		}
		slices.Sort(names)
		all = append(all, e.Title+": "+strings.Join(names, ","))
	}
	slices.Sort(all)
	return all
}

// A full workspace gets no more than its limits allow. The rest waits, and is neither lost nor shown.
func TestMoveWaitsForRoom(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limits task.Limits
		room   func(t *testing.T, env *testEnv, ctx context.Context, v viewer.Viewer)
		first  int
	}{
		"tasks": {task.Limits{Tasks: 5}, func(t *testing.T, env *testEnv, ctx context.Context, v viewer.Viewer) {
			t.Helper()
			for _, e := range env.client.Task.Query().Where(enttask.WorkspaceID(v.WorkspaceID)).AllX(ctx) {
				mustSucceed(t)(env.Delete(ctx, v, targetOf(e)))
				if r, err := env.Purge(ctx, v, workspace.TargetInput{ID: e.ID.String()}); err != nil || len(r.UserErrors) > 0 {
					t.Fatal(r, err)
				}
			}
		}, 5},
		"tags": {task.Limits{Tags: 1}, func(t *testing.T, env *testEnv, ctx context.Context, v viewer.Viewer) {
			t.Helper()
			tag := env.client.Tag.Query().Where(enttag.WorkspaceID(v.WorkspaceID)).OnlyX(ctx)
			if r, err := env.DeleteTag(ctx, v, workspace.TargetInput{ID: tag.ID.String()}); err != nil || len(r.UserErrors) > 0 {
				t.Fatal(r, err)
			}
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDatabaseLimited(t, c.limits, func(t *testing.T, env *testEnv) {
				actx, anna := env.newUser(t, "anna")
				env.createTag(actx, t, anna, "hers")
				for i := range 4 {
					env.createTask(actx, t, anna, fmt.Sprint("a", i))
				}
				rctx, ruth := env.newUser(t, "ruth")
				env.createTag(rctx, t, ruth, "own")
				for i := range 2 {
					env.createTask(rctx, t, ruth, fmt.Sprint("r", i))
				}
				env.remove(t, task.Removal{UserID: "anna", MoveTo: "ruth"})
				system := viewer.AsSystem(t.Context())
				_, err := task.FinishRemoval(env.Service, system, viewer.UserHash("anna"), nil)
				if err == nil || !strings.Contains(err.Error(), "LIMIT_"+strings.ToUpper(name)) {
					t.Errorf("the error is %v", err)
				}
				if n := env.client.Task.Query().Where(enttask.WorkspaceID("ruth")).CountX(system); n != c.first {
					t.Errorf("ruth has %d tasks, want %d", n, c.first)
				}
				if n := env.client.Task.Query().CountX(system); n != 6 {
					t.Errorf("there are %d tasks in all", n)
				}
				c.room(t, env, rctx, ruth)
				env.runRemovals(t)
				if got := env.rowsOf(t, "anna"); got != nothing {
					t.Errorf("of anna are left %s", got)
				}
				env.checkInvariants(rctx, t, ruth)
			})
		})
	}
}

// The user may trash or purge a task before its subtasks have arrived: they are not lost, and not hidden below it.
func TestMoveBelowChangedParents(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		actx, anna := env.newUser(t, "anna")
		rctx, ruth := env.newUser(t, "ruth")
		for _, name := range []string{"kept", "trashed", "purged"} {
			env.createSubtask(actx, t, anna, env.createTask(actx, t, anna, name), "below "+name)
		}
		r := task.Removal{UserID: "anna", MoveTo: "ruth"}
		env.remove(t, r)
		env.stopAfter(t, r, 1)
		if got := env.siblingTitles(rctx, t, ruth, nil); got != "kept trashed purged" {
			t.Fatalf("first came %s", got)
		}
		byTitle := func(title string) *ent.Task { return env.client.Task.Query().Where(enttask.Title(title)).OnlyX(rctx) }
		mustSucceed(t)(env.Delete(rctx, ruth, targetOf(byTitle("trashed"))))
		mustSucceed(t)(env.Delete(rctx, ruth, targetOf(byTitle("purged"))))
		if p, err := env.Purge(rctx, ruth, targetOf(byTitle("purged"))); err != nil || len(p.UserErrors) > 0 {
			t.Fatal(p, err)
		}
		env.runRemovals(t)
		if got := env.siblingTitles(rctx, t, ruth, nil); got != "kept below purged below trashed" && got != "kept below trashed below purged" {
			t.Errorf("the top level is %s", got)
		}
		if got := env.siblingTitles(rctx, t, ruth, byTitle("kept")); got != "below kept" {
			t.Errorf("under kept is %s", got)
		}
		env.checkInvariants(rctx, t, ruth)
	})
}

// If the user who gets the tasks is removed, too, all of them are erased. If there is no such user, they wait.
func TestMoveToNobody(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		env.grow(t, "anna", 2)
		env.remove(t, task.Removal{UserID: "anna", MoveTo: "ruth"})
		system := viewer.AsSystem(t.Context())
		if _, err := task.FinishRemoval(env.Service, system, viewer.UserHash("anna"), nil); err == nil || !strings.Contains(err.Error(), "no row in workspaces") {
			t.Errorf("the error is %v", err)
		}
		if task.FinishRemovals(env.Service, system) {
			t.Error("a move that waits keeps the database awake")
		}
		env.newUser(t, "ruth")
		env.remove(t, task.Removal{UserID: "ruth"})
		env.runRemovals(t)
		if got := env.rowsOf(t, "anna") + env.rowsOf(t, "ruth"); got != nothing+nothing {
			t.Errorf("left are %s", got)
		}
		if _, err := env.RemoveUser(system, task.Removal{UserID: "x", MoveTo: "x"}); err == nil {
			t.Error("a user's tasks may move to the same user")
		}
	})
}

// If the user who gets the tasks is linked to a third one meanwhile, the third gets all of them. Users who are linked in a circle
// are erased.
func TestMoveInChains(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		moves []task.Removal
		first string // whose removal is finished first; "": in order
		tasks int    // how many the third has
	}{
		"in order":         {[]task.Removal{{"anna", "ruth"}, {"ruth", "zoe"}}, "", 2},
		"the last first":   {[]task.Removal{{"anna", "ruth"}, {"ruth", "zoe"}}, "ruth", 2},
		"noted backwards":  {[]task.Removal{{"ruth", "zoe"}, {"anna", "ruth"}}, "", 2},
		"a circle":         {[]task.Removal{{"anna", "ruth"}, {"ruth", "anna"}}, "", 0},
		"a circle, begun":  {[]task.Removal{{"anna", "ruth"}, {"ruth", "anna"}}, "ruth", 0},
		"deleted, no move": {[]task.Removal{{"anna", "ruth"}, {"ruth", ""}}, "ruth", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, env *testEnv) {
				for _, id := range []string{"anna", "ruth"} {
					ctx, v := env.newUser(t, id)
					env.createTask(ctx, t, v, "of "+id)
				}
				ctx, zoe := env.newUser(t, "zoe")
				for _, r := range c.moves {
					env.remove(t, r)
					env.clock.advance(time.Second)
				}
				if c.first != "" {
					if _, err := task.FinishRemoval(env.Service, viewer.AsSystem(ctx), viewer.UserHash(c.first), nil); err != nil {
						t.Fatal(err)
					}
				}
				env.runRemovals(t)
				if got := env.rowsOf(t, "anna") + env.rowsOf(t, "ruth"); got != nothing+nothing {
					t.Errorf("left are %s", got)
				}
				if n := env.client.Task.Query().CountX(viewer.AsSystem(ctx)); n != c.tasks {
					t.Errorf("%d tasks are left, want %d", n, c.tasks)
				}
				env.checkInvariants(ctx, t, zoe)
			})
		})
	}
}

// A workspace can have more tasks than its limit: completing a task that repeats is never refused. Nothing is moved to it then, nor waits.
func TestMoveOfNothingToAFullWorkspace(t *testing.T) {
	t.Parallel()
	eachDatabaseLimited(t, task.Limits{Tasks: 1}, func(t *testing.T, env *testEnv) {
		env.newUser(t, "anna")
		rctx, ruth := env.newUser(t, "ruth")
		e := env.createRepeating(rctx, t, ruth, "daily", on(2026, 11, 23), rule("FREQ=DAILY"))
		mustSucceed(t)(env.Complete(rctx, ruth, targetOf(e)))
		env.remove(t, task.Removal{UserID: "anna", MoveTo: "ruth"})
		env.runRemovals(t)
		if n := env.client.Task.Query().CountX(rctx); n != 2 || env.pendingRemovals(t) != 0 {
			t.Errorf("%d tasks, and %d removals wait", n, env.pendingRemovals(t))
		}
	})
}

// The operator's erasure doesn't move tasks, even if a move waits.
func TestEraseInsteadOfMove(t *testing.T) {
	t.Parallel()
	eachDatabaseLimited(t, task.Limits{Tasks: 7}, func(t *testing.T, env *testEnv) {
		env.grow(t, "anna", 2)
		rctx, ruth := env.newUser(t, "ruth")
		env.createTask(rctx, t, ruth, "own")
		env.remove(t, task.Removal{UserID: "anna", MoveTo: "ruth"})
		erased, err := env.EraseUser(viewer.AsSystem(t.Context()), "anna", nil)
		if err != nil || erased.Tasks != 6 || erased.Users != 1 {
			t.Errorf("erased %+v, %v", erased, err)
		}
		if got := env.siblingTitles(rctx, t, ruth, nil); got != "own" {
			t.Errorf("ruth has %s", got)
		}
	})
}

// Two replicas erase and move at once, while the user who gets the tasks works.
func TestRemovalsByReplicas(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		env.grow(t, "anna", 20)
		env.grow(t, "gone", 20)
		rctx, ruth := env.newUser(t, "ruth")
		env.remove(t, task.Removal{UserID: "anna", MoveTo: "ruth"})
		env.remove(t, task.Removal{UserID: "gone"})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		other := env.replica(t)
		go func() { other.RunRemovals(ctx); close(done) }()
		made := 0
		for env.pendingRemovals(t) > 0 && made < 20 {
			env.createTask(rctx, t, ruth, fmt.Sprint("new", made))
			made++
		}
		env.runRemovals(t)
		cancel()
		<-done
		env.checkInvariants(rctx, t, ruth)
		if n := env.client.Task.Query().CountX(rctx); n != 60+made {
			t.Errorf("%d tasks, want %d", n, 60+made)
		}
	})
}
