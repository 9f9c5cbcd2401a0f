package graph_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	enttombstone "taskql/ent/tombstone"
	entworkspace "taskql/ent/workspace"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

var changesCases = flag.Int("changes.cases", 12, "how many random workspaces are copied on each database") //nolint:gochecknoglobals // A flag.

const (
	taskFields = `id version title description completed completedAt priority due { date at } tags { id } parent { id } createdAt updatedAt deletedAt`
	tagFields  = `id version name color createdAt updatedAt`
)

// object is a task or a tag as a client has it.
type object = map[string]any

// replica is a client's copy of a workspace.
type replica struct {
	token       string
	first       int
	tasks, tags map[string]object
	// resets are the reasons for which the copy started from scratch.
	resets []string
}

func newReplica(first int) *replica {
	return &replica{first: first, tasks: map[string]object{}, tags: map[string]object{}}
}

// clone returns the copy as a client that was closed now finds it later.
func (c *replica) clone() *replica {
	return &replica{token: c.token, first: c.first, tasks: maps.Clone(c.tasks), tags: maps.Clone(c.tags)}
}

type changePage struct {
	Reset *string
	Gone  []struct {
		Kind, ID string
		Version  float64
	}
	Tags, Tasks []object
	Token       string
	Version     float64
	Complete    bool
}

// sync applies pages until one is complete, and calls between after each of the others.
func (c *replica) sync(t *testing.T, a *api, user string, between func()) {
	t.Helper()
	for range 10_000 {
		p := page(t, a, user, c.token, c.first)
		if n := len(p.Gone) + len(p.Tags) + len(p.Tasks); n > c.first {
			t.Fatalf("a page of %d has %d things", c.first, n)
		} else if n == 0 && !p.Complete {
			t.Fatal("a page has nothing and is not complete")
		}
		c.apply(p)
		if p.Complete {
			return
		}
		between()
	}
	t.Fatal("no page is complete")
}

func (c *replica) apply(p *changePage) {
	if p.Reset != nil {
		c.tasks, c.tags = map[string]object{}, map[string]object{}
		c.resets = append(c.resets, *p.Reset)
	}
	for _, g := range p.Gone {
		things := map[string]map[string]object{"TASK": c.tasks, "TAG": c.tags}[g.Kind]
		if have, ok := things[g.ID]; ok && number(have["version"]) < g.Version {
			delete(things, g.ID)
		}
	}
	upsert := func(into map[string]object, rows []object) {
		for _, row := range rows {
			id, _ := row["id"].(string)
			if have, ok := into[id]; !ok || number(have["version"]) <= number(row["version"]) {
				into[id] = row
			}
		}
	}
	upsert(c.tags, p.Tags)
	upsert(c.tasks, p.Tasks)
	c.token = p.Token
}

func number(v any) float64 {
	n, _ := v.(float64)
	return n
}

// page asks for one page.
func page(t *testing.T, a *api, user, after string, first int) *changePage {
	t.Helper()
	variables := map[string]any{"first": first}
	if after != "" {
		variables["after"] = after
	}
	var p struct{ Changes *changePage }
	a.data(t, user, `query($after: SyncToken, $first: Int) { changes(after: $after, first: $first) {
		reset gone { kind id version } tags { `+tagFields+` } tasks { `+taskFields+` } token version complete } }`, variables, &p)
	return p.Changes
}

// data sends a request and decodes its data. Errors fail the test.
func (a *api) data(t *testing.T, user, query string, variables any, into any) {
	t.Helper()
	encoded, err := json.Marshal(variables)
	if err != nil {
		t.Fatal(err)
	}
	_, body := a.ask(t, user, query, encoded)
	response := struct {
		Data   any
		Errors json.RawMessage
	}{Data: into}
	if err := json.Unmarshal(body, &response); err != nil || response.Errors != nil {
		t.Fatalf("%s: %s", query, body)
	}
}

// listed returns the tasks and tags of the workspace as lists have them.
func listed(t *testing.T, a *api, user string) (map[string]object, map[string]object) {
	t.Helper()
	read := func(root, fields string) map[string]object {
		all, after := map[string]object{}, ""
		for {
			var p map[string]struct {
				Nodes    []object
				PageInfo struct {
					HasNextPage bool
					EndCursor   string
				}
			}
			arguments := "first: 100"
			if root == "tasks" {
				arguments += ", scope: ALL"
			}
			if after != "" {
				arguments += ", after: " + strconv.Quote(after)
			}
			a.data(t, user, fmt.Sprintf("{ %s(%s) { nodes { %s } pageInfo { hasNextPage endCursor } } }", root, arguments, fields), nil, &p)
			for _, node := range p[root].Nodes {
				id, _ := node["id"].(string)
				all[id] = node
			}
			if after = p[root].PageInfo.EndCursor; !p[root].PageInfo.HasNextPage {
				return all
			}
		}
	}
	return read("tasks", taskFields), read("tags", tagFields)
}

// check compares a complete copy with the workspace.
func (c *replica) check(t *testing.T, a *api, user string) {
	t.Helper()
	tasks, tags := listed(t, a, user)
	// A task's tags are sorted by their names as of the page. When a tag is renamed, only the tag gets a new version.
	sorted := cmp.Transformer("tags", func(tags []any) []string {
		ids := make([]string, len(tags))
		for i, tag := range tags {
			ids[i] = fmt.Sprint(tag)
		}
		slices.Sort(ids)
		return ids
	})
	if diff := cmp.Diff(tasks, c.tasks, sorted); diff != "" {
		t.Fatalf("tasks (-list +copy):\n%s", diff)
	}
	if diff := cmp.Diff(tags, c.tags); diff != "" {
		t.Fatalf("tags (-list +copy):\n%s", diff)
	}
}

// writer makes random changes of a workspace.
type writer struct {
	*rand.Rand

	api         *api
	user        string
	tasks, tags []string
	n           int
}

// id returns a task's id, which may not exist any more.
func (w *writer) id() string { return w.tasks[w.IntN(len(w.tasks))] }

func (w *writer) ids(n int) string {
	ids := map[string]bool{}
	for range n {
		ids[strconv.Quote(w.id())] = true
	}
	return "[" + strings.Join(slices.Sorted(maps.Keys(ids)), ",") + "]"
}

func (w *writer) tag() string { return w.tags[w.IntN(len(w.tags))] }

// change makes one change. It may be refused.
func (w *writer) change(t *testing.T) {
	t.Helper()
	w.n++
	newID := uuid.NewString()
	const bulk = "errorPolicy: SKIP_FAILED"
	switch w.IntN(18) {
	case 0, 1, 2:
		if w.IntN(4) == 0 {
			newID = w.id() // It may have been purged: the id is used again.
		}
		w.tasks = append(w.tasks, newID)
		parent, description := "", ""
		if w.IntN(3) == 0 {
			parent = fmt.Sprintf(", parentId: %q", w.id())
		}
		if w.IntN(3) == 0 {
			description = fmt.Sprintf(", description: %q", strings.Repeat("long ", w.IntN(100)))
		}
		w.mutate(t, `createTask(input: {id: %q, title: "task %d"%s%s, due: {date: "2026-12-24"}}) { userErrors { code } }`, newID, w.n, parent, description)
	case 3:
		w.tags = append(w.tags, newID)
		w.mutate(t, `createTag(input: {id: %q, name: "tag %d"}) { userErrors { code } }`, newID, w.n)
	case 4:
		w.mutate(t, `updateTag(input: {id: %q, name: "tag %d"}) { userErrors { code } }`, w.tag(), w.n)
	case 5:
		w.mutate(t, `deleteTag(input: {id: %q}) { userErrors { code } }`, w.tag())
	case 6:
		w.mutate(t, `updateTask(input: {id: %q, title: "task %d", description: null}) { userErrors { code } }`, w.id(), w.n)
	case 7:
		w.mutate(t, `completeTask(input: {id: %q}) { userErrors { code } }`, w.id())
	case 8:
		w.mutate(t, `reopenTask(input: {id: %q}) { userErrors { code } }`, w.id())
	case 9:
		w.mutate(t, `moveTask(input: {id: %q, parentId: null, beforeId: %q}) { userErrors { code } }`, w.id(), w.id())
	case 10:
		w.mutate(t, `deleteTask(input: {id: %q}) { userErrors { code } }`, w.id())
	case 11:
		w.mutate(t, `restoreTask(input: {id: %q}) { userErrors { code } }`, w.id())
	case 12:
		w.mutate(t, `purgeTask(input: {id: %q}) { userErrors { code } }`, w.id())
	case 13:
		w.mutate(t, `updateTasks(input: {ids: %s, patch: {addTagIds: [%q], priority: HIGH}, %s}) { userErrors { code } }`, w.ids(30), w.tag(), bulk)
	case 14:
		w.mutate(t, `completeTasks(input: {ids: %s, %s}) { userErrors { code } }`, w.ids(20), bulk)
	case 15:
		w.mutate(t, `deleteTasks(input: {ids: %s, %s}) { userErrors { code } }`, w.ids(5), bulk)
	case 16:
		if w.IntN(4) == 0 {
			w.mutate(t, `emptyTrash(input: {}) { userErrors { code } }`)
		}
	case 17:
		w.mutate(t, `restoreTasks(input: {ids: %s, %s}) { userErrors { code } }`, w.ids(5), bulk)
	}
}

func (w *writer) mutate(t *testing.T, format string, args ...any) {
	t.Helper()
	var ignored any
	w.api.data(t, w.user, "mutation { "+fmt.Sprintf(format, args...)+" }", nil, &ignored)
}

// TestChangesKeepCopies makes random changes of random workspaces. At random times clients with pages of random sizes and tokens
// of any age synchronize their copies, between whose pages more changes are made: whenever a page is complete, the copy is the
// workspace.
func TestChangesKeepCopies(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		var users []string
		for i := range *changesCases {
			users = append(users, fmt.Sprint("user-", i))
		}
		a := newAPI(t, db, users...)
		seed := newSeed(t)
		resets, syncs := map[string]int{}, 0
		for i, user := range users {
			w := &writer{Rand: rand.New(rand.NewPCG(seed, uint64(i))), api: a, user: user}
			w.tasks, w.tags = []string{uuid.NewString()}, []string{uuid.NewString()}
			copies := []*replica{newReplica(1 + w.IntN(3)), newReplica(1 + w.IntN(20)), newReplica(1000)}
			for range 40 {
				for range w.IntN(6) {
					w.change(t)
				}
				c := copies[w.IntN(len(copies))]
				switch w.IntN(12) {
				case 0: // A client that was closed comes back later.
					copies = append(copies, c.clone())
				case 1:
					forget(t, db.Client, a.users[user], w.IntN(w.n+1))
				default:
					left := w.IntN(3)
					c.sync(t, a, user, func() {
						if left--; left >= 0 {
							w.change(t)
						}
					})
					c.check(t, a, user)
					syncs++
				}
			}
			for _, c := range copies {
				c.sync(t, a, user, func() {})
				c.check(t, a, user)
				for _, reason := range c.resets {
					resets[reason]++
				}
			}
		}
		t.Logf("-seed %d: %d synchronizations, resets %v", seed, syncs, resets)
		if resets["FIRST"] == 0 || resets["EXPIRED"] == 0 || len(resets) != 2 {
			t.Errorf("resets %v", resets)
		}
	})
}

// forget removes the tombstones of a workspace up to a version, as the clean-up does.
func forget(t *testing.T, client *ent.Client, v viewer.Viewer, upTo int) {
	t.Helper()
	ctx := viewer.AsSystem(t.Context())
	w := client.Workspace.GetX(ctx, v.WorkspaceID)
	upTo = min(upTo, w.Version)
	client.Tombstone.Delete().Where(enttombstone.WorkspaceID(v.WorkspaceID), enttombstone.VersionLTE(upTo)).ExecX(ctx)
	client.Workspace.Update().Where(entworkspace.ID(v.WorkspaceID), entworkspace.FeedFloorLT(upTo)).SetFeedFloor(upTo).ExecX(ctx)
}

// TestChangesUnderWrites: others write while a copy is synchronized. Nothing is lost.
func TestChangesUnderWrites(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		a := newAPI(t, db, "alice")
		seed := newSeed(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			w := &writer{Rand: rand.New(rand.NewPCG(seed, 1)), api: a, user: "alice", tasks: []string{uuid.NewString()}, tags: []string{uuid.NewString()}}
			for range 150 {
				w.change(t)
			}
		}()
		c := newReplica(3)
		for running := true; running; {
			select {
			case <-done:
				running = false
			default:
			}
			c.sync(t, a, "alice", func() {})
		}
		c.check(t, a, "alice")
		if !slices.Equal(c.resets, []string{"FIRST"}) {
			t.Errorf("resets %v", c.resets)
		}
	})
}

// TestChangesOfAnotherHistory: a copy that knows more than the database, or something else, starts from scratch.
func TestChangesOfAnotherHistory(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		a := newAPI(t, db, "alice")
		create := func(title string) {
			var ignored any
			a.data(t, "alice", fmt.Sprintf(`mutation { createTask(input: {title: %q}) { userErrors { code } } }`, title), nil, &ignored)
		}
		back := func() { // As if a backup of the workspace had been restored.
			ctx := viewer.AsSystem(t.Context())
			w := db.Client.Workspace.GetX(ctx, "alice")
			db.Client.Task.Delete().Where(enttask.Version(w.Version)).ExecX(ctx)
			db.Client.Workspace.UpdateOneID("alice").AddVersion(-1).AddFeedVersion(-1).ExecX(ctx)
		}
		create("one")
		create("two")
		c := newReplica(10)
		c.sync(t, a, "alice", func() {})
		back()
		c.sync(t, a, "alice", func() {})
		if c.check(t, a, "alice"); !slices.Equal(c.resets, []string{"FIRST", "HISTORY_CHANGED"}) {
			t.Errorf("a version that does not exist: %v", c.resets)
		}
		create("three")
		c.sync(t, a, "alice", func() {})
		back()
		create("another three")
		create("four")
		c.sync(t, a, "alice", func() {})
		if c.check(t, a, "alice"); !slices.Equal(c.resets, []string{"FIRST", "HISTORY_CHANGED", "HISTORY_CHANGED"}) {
			t.Errorf("a version that was made twice: %v", c.resets)
		}
		// The database's own history.
		if _, err := db.Client.ExecContext(t.Context(), "UPDATE feed_epochs SET epoch = $1", bytes.Repeat([]byte{7}, 8)); err != nil {
			t.Fatal(err)
		}
		a.now.Add(int64(1e9 * 61))
		c.sync(t, a, "alice", func() {})
		if c.check(t, a, "alice"); !slices.Equal(c.resets, []string{"FIRST", "HISTORY_CHANGED", "HISTORY_CHANGED", "HISTORY_CHANGED"}) {
			t.Errorf("another epoch: %v", c.resets)
		}
	})
}

// TestChangesCutLongTexts: a page whose texts would be too long for a response has fewer rows.
func TestChangesCutLongTexts(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		a := newAPI(t, db, "alice")
		var ignored any
		for i := range 300 {
			a.data(t, "alice", `mutation($d: String) { createTask(input: {title: "t", description: $d}) { userErrors { code } } }`, map[string]any{"d": strings.Repeat(string(rune('a'+i%26)), 10_000)}, &ignored)
		}
		p := page(t, a, "alice", "", 1000)
		if n := len(p.Tasks); p.Complete || n < 50 || n > 150 {
			t.Errorf("a page has %d tasks of 10 kB, complete: %t", n, p.Complete)
		}
		c := newReplica(1000)
		c.sync(t, a, "alice", func() {})
		c.check(t, a, "alice")
	})
}

// TestChangesStatements: a client that lacks nothing costs the statement that reads the version, which is one for many clients. One
// that lacks a task costs three.
func TestChangesStatements(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		statements := &testkit.StatementRecorder{Driver: driver}
		a := newAPI(t, testkit.Database(statements), "alice")
		var p struct{ Changes *changePage }
		ask := func(want int) {
			t.Helper()
			after := ""
			if p.Changes != nil {
				after = fmt.Sprintf("(after: %q)", p.Changes.Token)
			}
			statements.Take()
			a.now.Add(-int64(time.Minute)) // The history of the database was looked at within a minute.
			a.data(t, "alice", "{ changes"+after+" { gone { id } tags { name } tasks { title due { date } } token complete } }", nil, &p)
			taken := statements.Take()
			if want > 0 && len(taken) != want {
				t.Errorf("%d statements, want %d: %q", len(taken), want, taken)
			}
			if all := strings.Join(taken, " "); strings.Contains(all, "description") || strings.Contains(all, "color") {
				t.Errorf("columns are read that nobody asked for: %s", all)
			}
		}
		write := func(mutation string) {
			t.Helper()
			var ignored any
			a.now.Add(-int64(time.Minute))
			a.data(t, "alice", "mutation { "+mutation+" }", nil, &ignored)
		}
		ask(0)
		ask(1)
		write(`createTask(input: {title: "one"}) { userErrors { code } }`)
		ask(3)
		ask(1)
		write(`createTag(input: {name: "one"}) { userErrors { code } } createTask(input: {title: "two"}) { userErrors { code } }`)
		ask(4)
	})
}
