package graph_test

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"taskql/graph"
	"taskql/internal/testkit"
	"taskql/internal/timezone"
	"taskql/internal/viewer"
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
	return &liveCopy{results: out, titles: map[string]string{}}
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

// awaitRuns waits until queries have been run that often.
func awaitRuns(t *testing.T, a *api, n int64) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); a.hub.Stats().Runs < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d runs, want %d", a.hub.Stats().Runs, n)
		}
	}
}

// settle has the query of the only subscription run, and waits until it has run.
func settle(t *testing.T, a *api) {
	t.Helper()
	for range 2 { // The second run begins when the first has ended.
		runs := a.hub.Stats().Runs
		a.hub.Refresh("alice")
		awaitRuns(t, a, runs+1)
	}
}

// A change of what is not selected sends nothing, unless the version is selected.
func TestTaskListIsQuiet(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		arguments, selected string
		// quiet are changes of the task or of other things that change nothing, and loud are others that do.
		quiet, loud []string
	}{
		"tasks": {"(first: 2)", wholePatch, []string{
			`updateTask(input: {id: "<id>", description: "more", priority: HIGH})`, `createTag(input: {name: "home"})`, `restoreTask(input: {id: "<other>"})`,
		}, []string{`updateTask(input: {id: "<id>", title: "new"})`}},
		"the number of tasks": {"", "totalCount facets { open }", []string{
			`updateTask(input: {id: "<id>", title: "new"})`, `moveTask(input: {id: "<id>"})`,
		}, []string{`completeTask(input: {id: "<id>"})`, `deleteTask(input: {id: "<id>"})`}},
		"whether there are more": {"(first: 2)", "hasNextPage", []string{`completeTask(input: {id: "<id>"})`}, []string{`createTask(input: {title: "three"})`}},
		"who leaves":             {"", "left", []string{`updateTask(input: {id: "<id>", title: "new"})`}, []string{`deleteTask(input: {id: "<id>"})`}},
		"where they are":         {"(orderBy: [{field: TITLE}])", "fresh placed { why afterId edge { node { id } } }", []string{`updateTask(input: {id: "<id>", title: "onf"})`}, []string{`updateTask(input: {id: "<id>", title: "z"})`}},
		"the state":              {"", "state", []string{`updateTask(input: {id: "<id>", title: "new"})`}, []string{`createTask(input: {title: "three"})`}},
		"the version":            {"", "version", nil, []string{`updateTask(input: {id: "<id>", title: "new"})`, `createTag(input: {name: "home"})`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
				a := newAPI(t, db, "alice")
				other := a.create(t, "other", "")
				known := strings.NewReplacer("<id>", a.create(t, "one", ""), "<other>", other)
				l := liveList(t, a, tt.arguments, tt.selected)
				l.patch()
				for _, change := range tt.quiet {
					var ignored any
					a.data(t, "alice", "mutation { "+known.Replace(change)+" { version } }", nil, &ignored)
					settle(t, a)
					if len(l.next) > 0 {
						t.Errorf("%s: %s", change, <-l.next)
					}
				}
				for _, change := range tt.loud {
					a.changed(t, "%s", known.Replace(change))
					if p := l.patch(); p.Fresh {
						t.Errorf("%s: %s", change, l.text)
					}
				}
			})
		})
	}
}

// Reading a list again costs a part of its query, also if nothing is sent.
func TestTaskListReadsCost(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		a := newAPI(t, db, "alice")
		l := liveList(t, a, "", "totalCount")
		l.patch()
		settle(t, a)
		// The first patch costs 1 by its length.
		if spent := a.spent.Load() - 1; spent%5 != 0 || spent == 0 {
			t.Errorf("reading the list again cost %d, want a multiple of 5", spent)
		}
	})
}

// Lists in the same state share a run, however they got there; and a run reads the list once for all who watch it.
func TestTaskListsShare(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		statements := &testkit.StatementRecorder{Driver: driver}
		a := newAPI(t, testkit.Database(statements), "alice")
		id := a.create(t, "one", "")
		const selected = wholePatch + "state"
		first := liveList(t, a, "", selected)
		before := *first.patch()
		for _, title := range []string{"two", "one"} { // There and back.
			a.changed(t, `updateTask(input: {id: %q, title: %q})`, id, title)
			first.patch()
		}
		if first.last.State != before.State {
			t.Errorf("the same list has the states %s and %s", before.State, first.last.State)
		}
		all := []*liveCopy{first}
		for len(all) < 1000 {
			l := liveList(t, a, "", selected)
			l.patch()
			all = append(all, l)
		}
		statements.Take()
		runs, mutation := a.hub.Stats().Runs, 0
		for _, watched := range []bool{false, true} {
			if !watched { // What the mutation itself takes.
				var ignored any
				a.data(t, "alice", fmt.Sprintf(`mutation { updateTask(input: {id: %q, title: "three"}) { version } }`, id), nil, &ignored)
				mutation = len(statements.Take())
				continue
			}
			a.changed(t, `updateTask(input: {id: %q, title: "four"})`, id)
		}
		for _, l := range all {
			if p := l.patch(); p.placed(l) != "UPDATED four" || l.text != first.text {
				t.Fatalf("got %s, want %s", l.text, first.text)
			}
		}
		if n := a.hub.Stats().Runs - runs; n != 1 {
			t.Errorf("%d runs for 1,000 subscriptions, want 1", n)
		}
		if taken := statements.Take(); len(taken) != mutation+2 { // The version and the list.
			t.Errorf("%d statements, want %d and 2: %s", len(taken), mutation, strings.Join(taken, "\n"))
		}
	})
}

// interposer is a driver that calls before with each statement.
type interposer struct {
	*testkit.StatementRecorder

	before func(statement string)
}

func (d *interposer) Query(ctx context.Context, statement string, args, v any) error {
	d.before(statement)
	return d.StatementRecorder.Query(ctx, statement, args, v)
}

func (d *interposer) QueryRaw(ctx context.Context, query string, args []any, each func(row []driver.Value) error) error {
	d.before(query)
	return d.StatementRecorder.QueryRaw(ctx, query, args, each)
}

// A patch is of one moment: what is committed while it is read comes with the next one, whole.
func TestTaskListIsOfOneMoment(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		other := newAPI(t, testkit.Database(&testkit.StatementRecorder{Driver: driver}), "alice")
		busy, n := false, 0
		between := &interposer{&testkit.StatementRecorder{Driver: driver}, func(string) {
			if busy && n < 100 { // Not between the statements of other's own.
				n++
				other.create(t, fmt.Sprint("task ", n), "")
			}
		}}
		a := newAPI(t, testkit.Database(between))
		a.users = other.users
		other.create(t, "one", "")
		busy = true
		l := liveList(t, a, "(first: 100)", wholePatch+"totalCount facets { open } version")
		tasks := func() {
			t.Helper()
			p := l.patch()
			open, _ := p.Facets.(object)["open"].(float64)
			if want := float64(len(l.edges)); p.TotalCount != want || open != want || float64(p.Version) != want {
				t.Errorf("%d tasks, %v in all, %v open, version %d", len(l.edges), p.TotalCount, open, p.Version)
			}
		}
		tasks()
		a.hub.Changed("alice", n+1)
		tasks()
		if n < 6 {
			t.Errorf("%d tasks were created during two runs: too few to find anything", n)
		}
	})
}

// A copy that is still right is not sent again; one that is not, or is of another list, selection or zone, is.
func TestTaskListHave(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		a := newAPI(t, db, "alice")
		id := a.create(t, "one", `, due: {date: "2026-11-20"}`)
		const arguments, selected = "(filter: {due: {within: OVERDUE}})", "fresh left placed { edge { node { id title } } } totalCount state version"
		l := liveList(t, a, arguments, selected)
		state := l.patch().State
		again := func(arguments, selected string) *listPatch {
			t.Helper()
			l := liveList(t, a, strings.Replace(arguments, ")", fmt.Sprintf(", have: %q)", state), 1), selected)
			return l.patch()
		}
		wantFresh := func(why string, want bool, p *listPatch) {
			t.Helper()
			if p.Fresh != want || (len(p.Placed) > 0) != want || p.TotalCount != 1.0 {
				t.Errorf("%s: %+v", why, p)
			}
		}
		wantFresh("the same", false, again(arguments, selected))
		wantFresh("arguments that are the defaults", false, again("(first: 50, scope: ACTIVE, filter: {due: {within: OVERDUE}})", selected))
		wantFresh("another selection", true, again(arguments, selected+" hasNextPage"))
		wantFresh("another filter", true, again("(filter: {completed: false})", selected))
		wantFresh("another order", true, again("(orderBy: [{field: DUE}], filter: {due: {within: OVERDUE}})", selected))
		a.create(t, "not overdue", "")
		if p := again(arguments, selected); p.Fresh || p.Version != 2 {
			t.Errorf("after a change that doesn't matter: %+v", p)
		}
		v := a.users["alice"]
		elsewhere := v
		var err error
		if elsewhere.Location, err = timezone.Load("Asia/Karachi"); err != nil {
			t.Fatal(err)
		}
		a.users["alice"] = elsewhere
		wantFresh("another zone", true, again(arguments, selected))
		a.users["alice"] = v
		wantFresh("the same again", false, again(arguments, selected))
		a.changed(t, `updateTask(input: {id: %q, title: "other"})`, id)
		wantFresh("another title", true, again(arguments, selected))
		deep := func(n int) string {
			return fmt.Sprintf("fresh placed { edge { node { id title subtasks(first: %d) { totalCount } } } } totalCount state", n)
		}
		shallow := state
		state = liveList(t, a, arguments, deep(1)).patch().State
		wantFresh("the same argument below", false, again(arguments, deep(1)))
		wantFresh("another argument below", true, again(arguments, deep(2)))
		state = shallow
		// What comes after is the difference to what the client has.
		a.changed(t, `updateTask(input: {id: %q, title: "one"})`, id)
		out := liveList(t, a, strings.Replace(arguments, ")", fmt.Sprintf(", have: %q)", state), 1), selected)
		out.titles, out.edges = l.titles, l.edges
		wantFresh("the same title", false, out.patch())
		a.changed(t, `deleteTask(input: {id: %q})`, id)
		if p := out.patch(); p.Fresh || !slices.Equal(p.Left, []string{id}) || len(out.edges) != 0 {
			t.Errorf("after a copy that was right: %+v", p)
		}
	})
}

// at sets the clock.
func (a *api) at(moment time.Time) { a.now.Store(moment.UnixNano()) }

// Time alone changes a list: a task is overdue in the microsecond after its moment.
func TestTaskListWhenTasksBecomeOverdue(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		a := newAPI(t, db, "alice")
		due := time.Date(2026, 11, 23, 9, 30, 0, 654_321_000, time.UTC)
		a.create(t, "one", fmt.Sprintf(", due: {at: {at: %q, timeZone: %q}}", due.Format(time.RFC3339Nano), "UTC"))
		const arguments, selected = "(filter: {due: {within: OVERDUE}})", wholePatch + "totalCount facets { overdue }"
		// The clock of one is at each microsecond, and its query is run; that of the other jumps, and its timer goes off.
		slow, timed := liveList(t, a, "", "fresh placed { why edge { node { id title overdue } } }"), newLiveAPI(t, db, true)
		timed.users = a.users
		filtered := liveList(t, timed, arguments, selected)
		slow.patch()
		filtered.patch()
		a.at(due)
		settle(t, a)
		if len(slow.next) > 0 {
			t.Errorf("at its moment: %s", <-slow.next)
		}
		for _, api := range []*api{a, timed} {
			api.at(due.Add(time.Microsecond))
		}
		settle(t, a)
		if p := slow.patch(); p.placed(slow) != "UPDATED one" {
			t.Errorf("after its moment: %s", slow.text)
		}
		if p := filtered.patch(); p.placed(filtered) != "ENTERED one" || p.TotalCount != 1.0 {
			t.Errorf("after its moment: %s", filtered.text)
		}
	})
}

// Time alone changes a list: at midnight in the viewer's zone, which may come after 23 or 25 hours, or be skipped.
func TestTaskListAtMidnight(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		zone     string
		midnight string
	}{
		"an ordinary day":             {"Asia/Karachi", "2026-11-24T00:00:00+05:00"},
		"the clocks go back later":    {"America/New_York", "2026-11-01T00:00:00-04:00"},
		"a day of 25 hours":           {"America/New_York", "2026-11-02T00:00:00-05:00"},
		"a day of 23 hours":           {"America/New_York", "2027-03-15T00:00:00-04:00"},
		"midnight comes twice":        {"America/Havana", "2026-11-01T00:00:00-04:00"},
		"midnight is skipped":         {"America/Havana", "2027-03-14T01:00:00-04:00"},
		"the last hour comes twice":   {"America/Sao_Paulo", "2018-02-18T00:00:00-03:00"},
		"midnight is skipped earlier": {"America/Sao_Paulo", "2018-11-04T01:00:00-02:00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
				a := newAPI(t, db, "alice")
				v := a.users["alice"]
				midnight, err := time.Parse(time.RFC3339, tt.midnight)
				if err == nil {
					v.Location, err = timezone.Load(tt.zone)
				}
				if err != nil {
					t.Fatal(err)
				}
				a.users["alice"] = v
				day := midnight.In(v.Location)
				a.at(midnight.Add(-2 * time.Hour))
				for _, n := range []int{0, -1, 1} {
					a.create(t, fmt.Sprint("day ", n), fmt.Sprintf(", due: {date: %q}", day.AddDate(0, 0, n).Format(time.DateOnly)))
				}
				// As above: the query of one is run, and the timer of the other goes off.
				timed := newAPI(t, db)
				timed.users = a.users
				timed.at(midnight.Add(-2 * time.Hour))
				var lists []*liveCopy
				for _, api := range []*api{a, timed} {
					l := liveList(t, api, "(filter: {due: {within: TODAY}})", wholePatch)
					if p := l.patch(); p.placed(l) != "ENTERED day -1" {
						t.Fatalf("the day before: %s", l.text)
					}
					lists = append(lists, l)
				}
				a.at(midnight.Add(-time.Microsecond))
				settle(t, a)
				if len(lists[0].next) > 0 {
					t.Errorf("before midnight: %s", <-lists[0].next)
				}
				a.at(midnight)
				settle(t, a)
				timed.at(midnight.Add(time.Microsecond))
				for _, l := range lists {
					if p := l.patch(); p.placed(l) != "ENTERED day 0" || len(p.Left) != 1 {
						t.Errorf("at midnight: %s", l.text)
					}
				}
			})
		})
	}
}

// A list may be read while the clock is ahead for so short a time that the hub doesn't see it.
func TestTaskListWhenTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		var ahead atomic.Bool
		a := newAPIWith(t, db, func(c *graph.Config, now func() time.Time) {
			db.Now = func() time.Time {
				if ahead.Load() {
					return now().AddDate(0, 0, 1)
				}
				return now()
			}
			c.Services = newServices(t, db)
		}, "alice")
		a.create(t, "today", `, due: {date: "2026-11-23"}`)
		a.create(t, "tomorrow", `, due: {date: "2026-11-24"}`)
		ahead.Store(true)
		l := liveList(t, a, "(filter: {due: {within: TODAY}})", wholePatch)
		if p := l.patch(); p.placed(l) != "ENTERED tomorrow" {
			t.Errorf("by the clock that is ahead: %s", l.text)
		}
		ahead.Store(false)
		if p := l.patch(); p.placed(l) != "ENTERED today" || len(p.Left) != 1 {
			t.Errorf("afterwards: %s", l.text)
		}
	})
}

// When the workspace is gone, the subscription ends.
func TestTaskListOfAWorkspaceThatIsGone(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		a := newAPI(t, db, "alice")
		l := liveList(t, a, "", wholePatch)
		l.patch()
		if err := db.Client.Workspace.DeleteOneID("alice").Exec(viewer.AsSystem(t.Context())); err != nil {
			t.Fatal(err)
		}
		a.hub.Refresh("alice")
		l.wantEnd("NOT_FOUND")
	})
}
