package graph_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"taskql/internal/testkit"
	"taskql/internal/workspace"
)

// listPatch is a patch of a live list as a client gets it.
type listPatch struct {
	Fresh  bool
	Left   []string
	Placed []struct {
		Why     string
		AfterID *string
		Edge    object
	}
	TotalCount  any
	Facets      any
	HasNextPage any
	State       string
	Version     int
}

// placed writes what is placed as why:title, after another one's title.
func (p *listPatch) placed(l *liveCopy) string {
	var all []string
	for _, placed := range p.Placed {
		text := placed.Why + " " + titleOf(placed.Edge)
		if placed.AfterID != nil {
			text += " after " + l.titles[*placed.AfterID]
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func titleOf(edge object) string {
	node, _ := edge["node"].(object)
	title, _ := node["title"].(string)
	return title
}

func idOf(edge object) string {
	node, _ := edge["node"].(object)
	id, _ := node["id"].(string)
	return id
}

// liveCopy is a client's copy of a live list.
type liveCopy struct {
	*results

	edges  []object
	titles map[string]string
	last   *listPatch
	text   string
}

// patch returns the next patch, applied.
func (l *liveCopy) patch() *listPatch {
	l.t.Helper()
	select {
	case got := <-l.next:
		var response struct{ Data struct{ TaskList *listPatch } }
		if err := json.Unmarshal([]byte(got), &response); err != nil || response.Data.TaskList == nil {
			l.t.Fatalf("got %s", got)
		}
		l.last, l.text = response.Data.TaskList, got
		l.apply()
		return l.last
	case errs := <-l.end:
		l.t.Fatalf("it ended: %v", errs)
	case <-time.After(time.Minute):
		l.t.Fatal("nothing came")
	}
	return nil
}

func (l *liveCopy) apply() {
	l.t.Helper()
	p := l.last
	if p.Fresh {
		l.edges, l.titles = nil, map[string]string{}
	}
	remove := func(id string) {
		l.edges = slices.DeleteFunc(l.edges, func(e object) bool { return idOf(e) == id })
	}
	for _, id := range p.Left {
		remove(id)
	}
	for _, placed := range p.Placed {
		remove(idOf(placed.Edge))
		l.titles[idOf(placed.Edge)] = titleOf(placed.Edge)
	}
	for _, placed := range p.Placed {
		at := 0
		if placed.AfterID != nil {
			if at = 1 + slices.IndexFunc(l.edges, func(e object) bool { return idOf(e) == *placed.AfterID }); at == 0 {
				l.t.Fatalf("a task goes after one that is not in the list: %s", l.text)
			}
		}
		l.edges = slices.Insert(l.edges, at, placed.Edge)
	}
}

// untilVersion applies patches until the list is as of the version. The patch must have the version.
func (l *liveCopy) untilVersion(version int) {
	l.t.Helper()
	for l.last == nil || l.last.Version < version {
		l.patch()
	}
}

// liveList subscribes to a live list with arguments, such as "(first: 3)", and a selection of a patch.
func liveList(t *testing.T, a *api, arguments, selected string) *liveCopy {
	t.Helper()
	out, s := subscribeTo(t, a, "alice", "subscription { taskList"+arguments+" { "+selected+" } }", nil)
	if s != nil {
		t.Cleanup(s.Stop)
	}
	return &liveCopy{results: out}
}

const wholePatch = `fresh left placed { why afterId edge { node { id title } } } `

// changed makes a change of alice and tells the hub.
func (a *api) changed(t *testing.T, mutation string, args ...any) {
	t.Helper()
	var answer map[string]struct {
		Version    *int
		UserErrors []any
	}
	a.data(t, "alice", "mutation { "+fmt.Sprintf(mutation, args...)+" { version userErrors { code } } }", nil, &answer)
	for _, payload := range answer {
		if payload.Version == nil || len(payload.UserErrors) > 0 {
			t.Fatalf("%s: %+v", mutation, payload)
		}
		a.hub.Changed("alice", *payload.Version)
	}
}

// create creates a task of alice, and returns its id.
func (a *api) create(t *testing.T, title, input string) string {
	t.Helper()
	id := uuid.NewString()
	a.changed(t, `createTask(input: {id: %q, title: %q %s})`, id, title, input)
	return id
}

func TestTaskList(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		a, slow := newLiveAPI(t, db, false, "alice"), newLiveAPI(t, db, true)
		slow.users = a.users
		c := a.create(t, "c", "")
		const arguments, selected = "(first: 3, orderBy: [{field: TITLE}])", wholePatch + "hasNextPage totalCount"
		l, byGqlgen := liveList(t, a, arguments, selected), liveList(t, slow, arguments, selected)
		step := func(fresh bool, left int, placed string, total float64) {
			t.Helper()
			p := l.patch()
			slow.hub.Refresh("alice")
			if byGqlgen.patch(); byGqlgen.text != l.text {
				t.Errorf("by its plan: %s\nby gqlgen:   %s", l.text, byGqlgen.text)
			}
			if p.Fresh != fresh || len(p.Left) != left || p.placed(l) != placed || p.TotalCount != total {
				t.Errorf("got %s, %s, want fresh %t, %d left, %s, %v in all", p.placed(l), l.text, fresh, left, placed, total)
			}
		}
		step(true, 0, "ENTERED c", 1)
		b := a.create(t, "b", "")
		step(false, 0, "ENTERED b", 2)
		d := a.create(t, "d", "")
		step(false, 0, "ENTERED d after c", 3)
		a.create(t, "e", "")
		step(false, 0, "", 4) // Beyond the first three, but counted.
		a.changed(t, `updateTask(input: {id: %q, title: "bb"})`, b)
		step(false, 0, "UPDATED bb", 4)
		a.changed(t, `updateTask(input: {id: %q, title: "cc"})`, b)
		step(false, 0, "MOVED cc after c", 4)
		a.changed(t, `deleteTask(input: {id: %q})`, c)
		step(false, 1, "ENTERED e after d", 3)
		a.changed(t, `updateTasks(input: {ids: [%q, %q], patch: {priority: HIGH}})`, b, d) // It is not selected.
		a.create(t, "a", "")
		step(false, 1, "ENTERED a", 4)
		if p := l.last; p.HasNextPage != true || len(l.edges) != 3 {
			t.Errorf("the list has %v and goes on: %v", l.edges, p.HasNextPage)
		}
	})
}

// watched are live lists, of which some have much around their tasks.
var watched = []struct{ arguments, node, counts string }{ //nolint:gochecknoglobals // A table.
	{"(first: 5)", "id title tags { name openTaskCount }", "totalCount hasNextPage facets { open completed byPriority { count } byTag { tag { name } count } }"},
	{"(first: 100, scope: ALL, orderBy: [{field: MANUAL}])", "id title completed parent { title completed } subtaskProgress { done total }", ""},
	{"(first: 7, filter: {completed: false}, orderBy: [{field: PRIORITY, direction: DESC}, {field: TITLE}])", "id title priority subtasks(first: 2) { totalCount nodes { title } }", "totalCount"},
	{"(first: 3, scope: TRASH, orderBy: [{field: UPDATED_AT, direction: DESC}])", "id version updatedAt", "hasNextPage"},
	{"(first: 4, orderBy: [{field: DUE}], filter: {due: {isNull: false}})", "id due { date } overdue", "facets { overdue }"},
}

// TestTaskListsStayRight makes random changes, and compares live lists with what the query has.
func TestTaskListsStayRight(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		a := newAPI(t, db, "alice")
		seed := newSeed(t)
		w := &writer{Rand: rand.New(rand.NewPCG(seed, 1)), api: a, user: "alice", tasks: []string{uuid.NewString()}, tags: []string{uuid.NewString()}}
		var lists []*liveCopy
		for _, l := range watched {
			lists = append(lists, liveList(t, a, l.arguments, fmt.Sprintf("fresh left placed { why afterId edge { cursor node { %s } } } %s version", l.node, l.counts)))
		}
		counts, version := map[string]int{}, 0
		for range 150 {
			for range 1 + w.IntN(3) {
				w.change(t)
			}
			var p struct{ Changes struct{ Version int } }
			a.data(t, "alice", "{ changes { version } }", nil, &p)
			if version == p.Changes.Version {
				continue
			}
			version = p.Changes.Version
			a.hub.Changed("alice", version)
			for i, l := range lists {
				l.untilVersion(version)
				for _, placed := range l.last.Placed {
					counts[placed.Why]++
				}
				counts["left"] += len(l.last.Left)
				compareList(t, a, i, l)
			}
		}
		t.Logf("%v", counts)
		if counts["ENTERED"] == 0 || counts["UPDATED"] == 0 || counts["MOVED"] == 0 || counts["left"] == 0 {
			t.Errorf("%v: one is missing, so this test finds too little", counts)
		}
	})
}

// compareList compares the live list of that number with its query.
func compareList(t *testing.T, a *api, i int, l *liveCopy) {
	t.Helper()
	counts := strings.Replace(watched[i].counts, "hasNextPage", "pageInfo { hasNextPage }", 1)
	var answer struct {
		Tasks struct {
			Edges              []object
			TotalCount, Facets any
			PageInfo           struct{ HasNextPage any }
		}
	}
	a.now.Add(-int64(time.Minute))
	a.data(t, "alice", fmt.Sprintf("{ tasks%s { edges { cursor node { %s } } %s } }", watched[i].arguments, watched[i].node, counts), nil, &answer)
	want := []any{answer.Tasks.Edges, answer.Tasks.TotalCount, answer.Tasks.Facets, answer.Tasks.PageInfo.HasNextPage}
	if l.edges == nil {
		l.edges = []object{}
	}
	if diff := cmp.Diff(want, []any{l.edges, l.last.TotalCount, l.last.Facets, l.last.HasNextPage}); diff != "" {
		t.Fatalf("list %d after %s (-query +copy):\n%s", i, l.text, diff)
	}
}
