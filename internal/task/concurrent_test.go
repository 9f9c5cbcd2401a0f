package task_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	enttask "taskql/ent/task"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// modelTask is a task in memory.
type modelTask struct {
	title       string
	priority    int
	completed   bool
	tags        map[string]bool
	parent      uuid.UUID
	version     int
	trashed     bool
	trashedWith uuid.UUID
}

// modelWorkspace is a workspace in memory, to which the same changes are applied one after the other.
type modelWorkspace map[uuid.UUID]*modelTask

// event is a successful change: its version, and its effect on the model.
type event struct {
	version int
	name    string
	apply   func(modelWorkspace)
}

// walk calls visit for a task and its descendants, as long as they meet a condition.
func (m modelWorkspace) walk(root uuid.UUID, meets func(*modelTask) bool, visit func(*modelTask)) {
	if !meets(m[root]) {
		return
	}
	for id, e := range m {
		if e.parent == root {
			m.walk(id, meets, visit)
		}
	}
	visit(m[root])
}

func (m modelWorkspace) remove(ids []uuid.UUID, version int) {
	// Ancestors first: their descendants are in the trash already when they are reached.
	depth := func(id uuid.UUID) int {
		n := 0
		for up := id; up != uuid.Nil; up = m[up].parent {
			n++
		}
		return n
	}
	ids = slices.SortedStableFunc(slices.Values(ids), func(a, b uuid.UUID) int { return depth(a) - depth(b) })
	for _, root := range ids {
		m.walk(root, func(e *modelTask) bool { return !e.trashed }, func(e *modelTask) {
			e.trashed, e.trashedWith, e.version = true, root, version
		})
	}
}

func (m modelWorkspace) restore(ids []uuid.UUID, version int) {
	var roots []uuid.UUID
	for _, id := range ids {
		if m[id].trashed {
			roots = append(roots, id)
		}
	}
	for _, root := range roots {
		with := m[root].trashedWith
		m.walk(root, func(e *modelTask) bool { return e.trashed && e.trashedWith == with }, func(e *modelTask) {
			e.trashed, e.trashedWith, e.version = false, uuid.Nil, version
		})
	}
	for _, root := range roots {
		if parent := m[m[root].parent]; parent != nil && parent.trashed {
			m[root].parent = uuid.Nil
		}
	}
}

// worker is a client.
type worker struct {
	*testEnv

	t      *testing.T
	ctx    context.Context //nolint:containedctx // A client sends one request after the other.
	viewer viewer.Viewer
	random *rand.Rand
	shared *changeLog
}

// changeLog is what all clients share: the ids of tasks and tags, and the successful changes.
type changeLog struct {
	mu          sync.Mutex
	tasks, tags []string
	events      []event
}

func (s *changeLog) record(version int, name string, apply func(modelWorkspace)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, event{version, name, apply})
}

// randomTasks returns at most n different ids of tasks.
func (w *worker) randomTasks(n int) []string {
	w.shared.mu.Lock()
	defer w.shared.mu.Unlock()
	var ids []string
	for range n {
		if id := w.shared.tasks[w.random.IntN(len(w.shared.tasks))]; !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (w *worker) randomTag() string {
	w.shared.mu.Lock()
	defer w.shared.mu.Unlock()
	return w.shared.tags[w.random.IntN(len(w.shared.tags))]
}

// recordResult records a change of one task if it succeeded.
func (w *worker) recordResult(name string, r *task.Result, err error, apply func(m modelWorkspace, id uuid.UUID, version int)) {
	if err != nil {
		w.t.Errorf("%s: %v", name, err)
		return
	}
	if len(r.UserErrors) == 0 {
		e := r.Task
		w.shared.record(e.Version, name, func(m modelWorkspace) { apply(m, e.ID, e.Version) })
	}
}

// recordBulk records a change of many tasks, which is the same for each.
func (w *worker) recordBulk(name string, r *task.BulkResult, err error, apply func(m modelWorkspace, ids []uuid.UUID, version int)) {
	if err != nil {
		w.t.Errorf("%s: %v", name, err)
		return
	}
	if len(r.UserErrors) > 0 {
		w.t.Errorf("%s: %s", name, formatUserErrors(r.UserErrors))
		return
	}
	var ids []uuid.UUID
	version := 0
	for _, item := range r.Results {
		if len(item.UserErrors) == 0 {
			ids, version = append(ids, item.Task.ID), max(version, item.Task.Version)
		}
	}
	if r.ChangedCount > 0 {
		w.shared.record(version, name, func(m modelWorkspace) { apply(m, ids, version) })
	}
}

// step sends a random change.
func (w *worker) step(n int) {
	policy := []task.BulkPolicy{task.AllOrNothing, task.SkipFailed}[w.random.IntN(2)]
	in := task.BulkInput{IDs: w.randomTasks(5), ErrorPolicy: policy}
	switch w.random.IntN(10) {
	case 0:
		w.createOne(n)
	case 1:
		w.updateOne(n)
	case 2, 3:
		w.move()
	case 4:
		r, err := w.CompleteMany(w.ctx, w.viewer, in)
		w.recordBulk("complete", r, err, setCompleted(true))
	case 5:
		r, err := w.ReopenMany(w.ctx, w.viewer, in)
		w.recordBulk("reopen", r, err, setCompleted(false))
	case 6:
		in.IDs = in.IDs[:min(2, len(in.IDs))]
		r, err := w.DeleteMany(w.ctx, w.viewer, in)
		w.recordBulk("delete", r, err, modelWorkspace.remove)
	case 7, 8:
		r, err := w.RestoreMany(w.ctx, w.viewer, in)
		w.recordBulk("restore", r, err, modelWorkspace.restore)
	default:
		w.patch(in)
	}
}

func setCompleted(done bool) func(modelWorkspace, []uuid.UUID, int) {
	return func(m modelWorkspace, ids []uuid.UUID, version int) {
		for _, id := range ids {
			if m[id].completed != done {
				m[id].completed, m[id].version = done, version
			}
		}
	}
}

func (w *worker) createOne(n int) {
	in := task.CreateInput{Title: fmt.Sprintf("task %d", n), TagIDs: []string{w.randomTag()}}
	if w.random.IntN(2) == 0 {
		in.ParentID = &w.randomTasks(1)[0]
	}
	r, err := w.Create(w.ctx, w.viewer, in)
	w.recordResult("create", r, err, func(m modelWorkspace, id uuid.UUID, version int) {
		e := &modelTask{title: in.Title, tags: map[string]bool{in.TagIDs[0]: true}, version: version}
		if in.ParentID != nil {
			e.parent = uuid.MustParse(*in.ParentID)
		}
		m[id] = e
	})
	if err == nil && r.Task != nil {
		w.shared.mu.Lock()
		defer w.shared.mu.Unlock()
		w.shared.tasks = append(w.shared.tasks, r.Task.ID.String())
	}
}

func (w *worker) updateOne(n int) {
	tag, title := w.randomTag(), fmt.Sprintf("title %d %d", n, w.random.Int())
	in := task.UpdateInput{ID: w.randomTasks(1)[0], Title: set(&title), TagIDs: set([]string{tag})}
	r, err := w.Update(w.ctx, w.viewer, in)
	w.recordResult("update", r, err, func(m modelWorkspace, id uuid.UUID, version int) {
		m[id].title, m[id].tags, m[id].version = title, map[string]bool{tag: true}, version
	})
}

func (w *worker) patch(in task.BulkInput) {
	add, remove, priority := w.randomTag(), w.randomTag(), w.random.IntN(5)
	p := task.Patch{Priority: set(&priority), AddTagIDs: set([]string{add})}
	if add != remove {
		p.RemoveTagIDs = set([]string{remove})
	}
	r, err := w.UpdateMany(w.ctx, w.viewer, task.UpdateManyInput{BulkInput: in, Patch: p})
	w.recordBulk("patch", r, err, func(m modelWorkspace, ids []uuid.UUID, version int) {
		for _, id := range ids {
			e := m[id]
			if e.priority == priority && e.tags[add] && (add == remove || !e.tags[remove]) {
				continue
			}
			if add != remove {
				delete(e.tags, remove)
			}
			e.tags[add], e.priority, e.version = true, priority, version
		}
	})
}

func (w *worker) move() {
	ids := w.randomTasks(3)
	in := task.MoveInput{ID: ids[0]}
	if len(ids) > 1 && w.random.IntN(2) == 0 {
		if w.random.IntN(2) == 0 {
			in.AfterID = &ids[1]
		} else {
			in.BeforeID = &ids[1]
		}
	}
	switch w.random.IntN(4) {
	case 0:
		in.ParentID = workspace.Optional[*string]{Set: true}
	case 1:
		if len(ids) > 2 {
			in.ParentID = set(&ids[2])
		}
	}
	r, err := w.Move(w.ctx, w.viewer, in)
	w.recordResult("move", r, err, func(m modelWorkspace, id uuid.UUID, version int) {
		m[id].version = version
		if !in.ParentID.Set {
			return
		}
		m[id].parent = uuid.Nil
		if in.ParentID.Value != nil {
			m[id].parent = uuid.MustParse(*in.ParentID.Value)
		}
	})
}

// Eight clients send random changes at the same time. Afterwards the workspace is as if they had been sent one after the other in
// the order of their versions: versions have no duplicates and no gaps, each row has the version of its last change, and no change
// is lost.
func TestConcurrentClients(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		const clients, steps = 8, 60
		ctx, v := env.newUser(t, "alice")
		all := &changeLog{}
		for n := range 4 {
			all.tags = append(all.tags, env.createTag(ctx, t, v, fmt.Sprint("tag ", n)).ID.String())
		}
		first := &worker{testEnv: env, t: t, ctx: ctx, viewer: v, random: rand.New(rand.NewPCG(1, 1)), shared: all}
		for n := range 30 {
			all.tasks = append(all.tasks, uuid.NewString())
			id := all.tasks[n]
			r, err := env.Create(ctx, v, task.CreateInput{ID: &id, Title: fmt.Sprint("first ", n)})
			first.recordResult("create", r, err, func(m modelWorkspace, id uuid.UUID, version int) {
				m[id] = &modelTask{title: fmt.Sprint("first ", n), tags: map[string]bool{}, version: version}
			})
		}
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		concurrently(clients, func(i int) {
			w := &worker{testEnv: env.replica(t), t: t, ctx: ctx, viewer: v, random: rand.New(rand.NewPCG(seed, uint64(i))), shared: all}
			for n := range steps {
				w.step(i*steps + n)
			}
		})
		checkEvents(ctx, t, env, v, all.events, len(all.tags))
		env.checkInvariants(ctx, t, v)
	})
}

// checkEvents applies the changes after version0 to a model and compares the rows with it.
func checkEvents(ctx context.Context, t *testing.T, env *testEnv, v viewer.Viewer, events []event, version0 int) {
	t.Helper()
	m := modelWorkspace{}
	// A move that changed nothing returns the version of an earlier change.
	isMove := map[bool]int{true: 1}
	slices.SortStableFunc(events, func(a, b event) int {
		return cmp.Or(a.version-b.version, isMove[a.name == "move"]-isMove[b.name == "move"])
	})
	at := version0
	kinds := map[string]int{}
	for _, e := range events {
		switch {
		case e.version == at+1:
			at++
			kinds[e.name]++
			e.apply(m)
		case e.version <= at && e.name == "move":
		default:
			t.Fatalf("%s took version %d after %d", e.name, e.version, at)
		}
	}
	t.Logf("%d changes: %v", at, kinds)
	if got := workspaceVersion(ctx, t, env, v); got != at {
		t.Errorf("the workspace is at version %d after %d changes", got, at)
	}
	rows := env.client.Task.Query().Where(enttask.WorkspaceID(v.WorkspaceID)).WithTags().AllX(ctx)
	if len(rows) != len(m) {
		t.Errorf("%d tasks, want %d", len(rows), len(m))
	}
	for _, row := range rows {
		got := &modelTask{title: row.Title, priority: row.Priority, completed: row.Completed, tags: map[string]bool{}, version: row.Version, trashed: row.DeletedAt != nil}
		for _, tag := range row.Edges.Tags {
			got.tags[tag.ID.String()] = true
		}
		if row.ParentID != nil {
			got.parent = *row.ParentID
		}
		if row.TrashedWith != nil {
			got.trashedWith = *row.TrashedWith
		}
		want := m[row.ID]
		if want == nil || fmt.Sprint(*got) != fmt.Sprint(*want) || !maps.Equal(got.tags, want.tags) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
}

// A new task goes after all earlier ones, even if the statement waited for another change: positions have the order of the
// versions.
func TestConcurrentCreatesGoToTheEnd(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "ada")
		replicas := []*testEnv{env, env.replica(t)}
		const clients, rounds = 6, 8
		concurrently(clients, func(i int) {
			r := replicas[i%len(replicas)]
			for n := range rounds {
				if _, err := r.Create(ctx, v, task.CreateInput{Title: fmt.Sprint(i, n)}); err != nil {
					t.Error(err)
				}
			}
		})
		all, err := env.client.Task.Query().Where(enttask.WorkspaceID(v.WorkspaceID)).Order(enttask.ByVersion()).All(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != clients*rounds {
			t.Errorf("%d tasks, want %d", len(all), clients*rounds)
		}
		for i, e := range all[1:] {
			if before := all[i]; e.Version != before.Version+1 || bytes.Compare(before.Position, e.Position) >= 0 {
				t.Errorf("version %d is at %q, after version %d at %q", e.Version, e.Position, before.Version, before.Position)
			}
		}
	})
}
