package server

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/graph"
	"taskql/internal/testkit"
	"taskql/internal/testkit/bench"
)

const (
	crowdSize      = 20
	crowdWorkspace = "organization/acme"
	// maxLockWaits is how many changes of a workspace wait in the database at most: each of two servers has two there, of which one is at
	// work.
	maxLockWaits = 3
)

// crowd are users who change tasks at the same time: members of one organization, in its workspace, or each in their own. Half of
// them use one server, half another.
type crowd struct {
	t       *testing.T
	servers [2]string
	db      *sql.DB
	seed    uint64

	mu sync.Mutex
	// tasks are the ids of the tasks of each workspace, and projects that of its project.
	tasks    map[string][]string
	projects map[string]string
	// versions are what the changes of the shared workspace were answered with.
	versions map[int][]string
	// answers counts the answers, by mutation and code.
	answers map[string]int
	took    map[string][]time.Duration
}

// newCrowd starts the servers.
func newCrowd(t *testing.T) *crowd {
	t.Helper()
	auth := httptest.NewServer(http.HandlerFunc(authOfCrowd))
	t.Cleanup(auth.Close)
	address := testkit.DirectURL(t, testkit.MigratedPostgresURL(t)) // A pooler may have fewer connections.
	c := &crowd{
		t: t, seed: rand.Uint64(), tasks: map[string][]string{}, projects: map[string]string{},
		versions: map[int][]string{}, answers: map[string]int{}, took: map[string][]time.Duration{},
	}
	t.Logf("seed %d", c.seed)
	for i := range c.servers {
		_, c.servers[i], _ = startServer(t, address, auth.URL, time.Now, map[string]string{"SESSION_CACHE_TTL": "10m", "RATE_LIMIT": "1000000000"})
	}
	var err error
	if c.db, err = sql.Open("postgres", address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.db.Close() })
	return c
}

// authOfCrowd is an auth server all of whose users are members of one organization.
func authOfCrowd(w http.ResponseWriter, r *http.Request) {
	switch endpoint := strings.TrimPrefix(r.URL.Path, "/api/auth/"); endpoint {
	case "organization/list":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `[{"id":"acme","name":"Acme"}]`)
	case "organization/get-active-member-role":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"role":"member"}`)
	default:
		bench.GetSession(w, r)
	}
}

// member is one of them.
type member struct {
	*crowd

	name, server string
	cookie       http.Header
	random       *rand.Rand
	// last is the version of the last change that the member can undo; 0 before the first.
	last int
}

func (c *crowd) member(i int) *member {
	name := fmt.Sprintf("m%02d", i)
	return &member{crowd: c, name: name, server: c.servers[i%len(c.servers)], cookie: cookieOf(name), random: rand.New(rand.NewPCG(c.seed, uint64(i)))}
}

// ask sends a document, and returns the answer's data, and the code of its error.
func (m *member) ask(document string, input any) (json.RawMessage, string) {
	body, err := json.Marshal(map[string]any{"query": document, "variables": map[string]any{"i": input}})
	if err != nil {
		return nil, err.Error()
	}
	r, err := http.NewRequestWithContext(m.t.Context(), http.MethodPost, m.server+graphqlPath, bytes.NewReader(body))
	if err != nil {
		return nil, err.Error()
	}
	r.Header = with(m.cookie, "Content-Type", mediaJSON, "Accept", mediaGraphQL)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err.Error()
	}
	defer response.Body.Close()
	var answer struct {
		Data   json.RawMessage
		Errors []struct{ Extensions struct{ Code string } }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, err.Error()
	}
	for _, e := range answer.Errors {
		return nil, e.Extensions.Code
	}
	return answer.Data, ""
}

// query returns the data of a query, which must not fail.
func (m *member) query(document string, data any) {
	m.t.Helper()
	got, code := m.ask(document, nil)
	if code != "" {
		m.t.Fatalf("%s: %s", document, code)
	}
	if err := json.Unmarshal(got, data); err != nil {
		m.t.Fatalf("%s: %v", document, err)
	}
}

// change sends a mutation, and records its answer. It reports whether something may have been changed.
func (m *member) change(workspaceID, mutation string, with map[string]any) bool {
	began := time.Now()
	input := graph.Schema().Mutation.Fields.ForName(mutation).Arguments.ForName("input").Type.Name()
	data, code := m.ask("mutation($i: "+input+"!) { r: "+mutation+"(input: $i) { version userErrors { code } } }", with)
	took := time.Since(began)
	var answer struct {
		R struct {
			Version    *int
			UserErrors []struct{ Code string }
		}
	}
	if code == "" {
		if err := json.Unmarshal(data, &answer); err != nil {
			code = err.Error()
		}
		for _, e := range answer.R.UserErrors {
			code = e.Code
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.took[m.name] = append(m.took[m.name], took)
	if code != "" {
		m.answers[mutation+" "+code]++
		return false
	}
	m.answers[mutation]++
	m.last = *answer.R.Version
	if workspaceID == crowdWorkspace {
		m.versions[m.last] = append(m.versions[m.last], mutation+" by "+m.name)
	}
	return true
}

// pick returns the ids of n different tasks of a workspace, or of all if it has fewer.
func (m *member) pick(workspaceID string, n int) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.tasks[workspaceID]
	var ids []string
	for _, i := range m.random.Perm(len(all))[:min(n, len(all))] {
		ids = append(ids, all[i])
	}
	return ids
}

func (m *member) create(workspaceID string, into *string) {
	id := uuid.NewString()
	input := map[string]any{"id": id, "title": "by " + m.name, "workspaceId": workspaceID}
	if into != nil {
		input["projectId"] = *into
	}
	if m.change(workspaceID, "createTask", input) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.tasks[workspaceID] = append(m.tasks[workspaceID], id)
	}
}

// step makes a random change in a workspace.
func (m *member) step(workspaceID string) {
	ids, project := m.pick(workspaceID, 3), m.projects[workspaceID] // It never changes meanwhile.
	switch n := m.random.IntN(20); {
	case n < 4:
		m.create(workspaceID, nil)
	case n < 6:
		m.create(workspaceID, &project)
	case n < 8:
		m.change(workspaceID, "updateTask", map[string]any{"id": ids[0], "title": fmt.Sprint("named by ", m.name, m.random.IntN(100))})
	case n < 11:
		m.change(workspaceID, "moveTask", map[string]any{"id": ids[0], []string{"afterId", "beforeId"}[m.random.IntN(2)]: ids[1]})
	case n < 13:
		m.change(workspaceID, []string{"completeTask", "reopenTask"}[m.random.IntN(2)], map[string]any{"id": ids[0]})
	case n < 14:
		m.change(workspaceID, []string{"archiveProject", "unarchiveProject"}[m.random.IntN(2)], map[string]any{"id": project})
	case n < 15:
		m.change(workspaceID, []string{"completeTasks", "reopenTasks"}[m.random.IntN(2)], map[string]any{"ids": ids})
	case n < 17:
		patch := map[string]any{"priority": []string{"NONE", "LOW", "HIGH"}[m.random.IntN(3)], "projectId": []any{nil, project}[m.random.IntN(2)]}
		m.change(workspaceID, "updateTasks", map[string]any{"ids": ids, "patch": patch})
	default:
		if version := m.last; version != 0 {
			m.last = 0
			m.change(workspaceID, "undoChange", map[string]any{"version": version, "workspaceId": workspaceID})
		}
	}
}

// fill makes a project and a few tasks in a workspace.
func (m *member) fill(workspaceID string) {
	m.t.Helper()
	project := uuid.NewString()
	if !m.change(workspaceID, "createProject", map[string]any{"id": project, "name": "project", "workspaceId": workspaceID}) {
		m.t.Fatalf("no project was created: %s", codes(m.answers))
	}
	m.projects[workspaceID] = project
	for range 5 {
		m.create(workspaceID, nil)
	}
}

// run has the members make changes at the same time, until each has made so many or ctx ends. workspaceOf names each one's workspace.
func (c *crowd) run(ctx context.Context, steps int, workspaceOf func(*member) string) {
	var all sync.WaitGroup
	for i := range crowdSize {
		all.Go(func() {
			m := c.member(i)
			for n := 0; n < steps && ctx.Err() == nil; n++ {
				m.step(workspaceOf(m))
			}
		})
	}
	all.Wait()
}

// lockWaits are the waits for locks that were seen.
type lockWaits struct {
	most    int
	longest time.Duration
	seen    int
}

// watchLocks looks at the waits for locks until the function that it returns is called.
func (c *crowd) watchLocks() func() lockWaits {
	c.t.Helper()
	var waits lockWaits
	var done sync.WaitGroup
	stop := make(chan struct{})
	done.Go(func() {
		for {
			var n int
			var longest float64
			err := c.db.QueryRowContext(c.t.Context(), `SELECT count(*), coalesce(extract(epoch FROM max(clock_timestamp() - waitstart)), 0) FROM pg_locks
				WHERE NOT granted AND locktype IN ('transactionid', 'tuple') AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())`).Scan(&n, &longest)
			if err != nil {
				c.t.Error(err)
				return
			}
			waits.most, waits.seen = max(waits.most, n), waits.seen+n
			waits.longest = max(waits.longest, time.Duration(longest*float64(time.Second)))
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	return func() lockWaits {
		close(stop)
		done.Wait()
		return waits
	}
}

// checkAnswers checks that no change failed but for what other members did, or for want of time.
func (c *crowd) checkAnswers() {
	c.t.Helper()
	for answer := range c.answers {
		switch mutation, code, _ := strings.Cut(answer, " "); {
		case code == "", code == "SERVICE_UNAVAILABLE":
		case code == "INVALID": // Somebody's undo has put the task into the trash.
		case mutation == "undoChange" && (code == "STALE" || code == "NOT_FOUND"): // The change was one of others since, or changed nothing.
		default:
			c.t.Errorf("%d times %s", c.answers[answer], answer)
		}
	}
}

// checkVersions checks that the shared workspace's versions are those of its changes, each of one, and returns the last.
func (c *crowd) checkVersions() int {
	c.t.Helper()
	var last, shared int
	if err := c.db.QueryRowContext(c.t.Context(), "SELECT version FROM workspaces WHERE id = $1", crowdWorkspace).Scan(&last); err != nil {
		c.t.Fatal(err)
	}
	unsure := 0
	for answer, n := range c.answers {
		if strings.HasSuffix(answer, " SERVICE_UNAVAILABLE") {
			unsure += n
		}
	}
	if missing := last - len(c.versions); missing < 0 || missing > unsure {
		c.t.Errorf("the workspace is at version %d after changes with %d versions", last, len(c.versions))
	}
	for v, changes := range c.versions { // A change that changes nothing is answered with the version of another.
		created := slices.DeleteFunc(slices.Clone(changes), func(change string) bool { return !strings.HasPrefix(change, "createTask ") })
		if v < 1 || v > last || len(created) > 1 {
			c.t.Errorf("version %d of %d is that of %s", v, last, changes)
		}
	}
	if err := c.db.QueryRowContext(c.t.Context(), `SELECT count(*) FROM (
		SELECT FROM activities WHERE workspace_id = $1 GROUP BY version HAVING count(DISTINCT actor_id) > 1) AS shared`, crowdWorkspace).Scan(&shared); err != nil {
		c.t.Fatal(err)
	}
	if shared > 0 {
		c.t.Errorf("%d versions are those of changes of several members", shared)
	}
	return last
}

// crowdTask is what is compared of a task.
const crowdTask = "id version title completed priority position"

// crowdCopy is a client's copy of a live list of the shared workspace, or of all its tasks, which follows the feed.
type crowdCopy struct {
	// list is the arguments of the list. It is empty if the copy follows the feed.
	list    string
	events  *eventReader
	order   []string
	tasks   map[string]string // as JSON, by id
	version int
}

// follow subscribes as a member.
func (m *member) follow(list string) *crowdCopy {
	m.t.Helper()
	document := "subscription { r: changes(workspaceId: %q) { tasks { " + crowdTask + " } version complete } }"
	if list != "" {
		document = "subscription { r: taskList(workspaceId: %q, " + list + ") { fresh left placed { afterId edge { node { " + crowdTask + " } } } version } }"
	}
	address := m.server + graphqlPath + "?query=" + url.QueryEscape(fmt.Sprintf(document, crowdWorkspace))
	return &crowdCopy{list: list, events: openEvents(m.t, address, m.cookie), tasks: map[string]string{}}
}

// crowdEvent is a result of either subscription.
type crowdEvent struct {
	Fresh  bool
	Left   []string
	Placed []struct {
		AfterID *string
		Edge    struct{ Node json.RawMessage }
	}
	Tasks   []json.RawMessage
	Version int
	// Complete is nil in a patch of a list.
	Complete *bool
}

// until applies events until the copy is as of a version.
func (l *crowdCopy) until(version int) error {
	for l.version < version {
		select {
		case text, ok := <-l.events.events:
			var event struct{ Data struct{ R *crowdEvent } }
			if err := json.Unmarshal([]byte(text), &event); !ok || err != nil || event.Data.R == nil {
				return fmt.Errorf("got %q, %w", text, err)
			}
			if err := l.apply(event.Data.R); err != nil {
				return fmt.Errorf("%s: %w", text, err)
			}
		case <-time.After(time.Minute):
			return fmt.Errorf("nothing came after version %d of %d", l.version, version)
		}
	}
	return nil
}

// apply applies an event as the schema says.
func (l *crowdCopy) apply(e *crowdEvent) error {
	if e.Fresh {
		l.order = nil
	}
	placed := make([]string, len(e.Placed))
	for i, p := range e.Placed {
		placed[i] = l.put(p.Edge.Node)
	}
	for _, task := range e.Tasks {
		l.put(task)
	}
	l.order = slices.DeleteFunc(l.order, func(id string) bool { return slices.Contains(e.Left, id) || slices.Contains(placed, id) })
	for i, p := range e.Placed {
		at := 0
		if p.AfterID != nil {
			if at = slices.Index(l.order, *p.AfterID) + 1; at == 0 {
				return fmt.Errorf("%s goes after a task that is not in the list", placed[i])
			}
		}
		l.order = slices.Insert(l.order, at, placed[i])
	}
	if e.Complete == nil || *e.Complete {
		l.version = e.Version
	}
	return nil
}

// put stores a task, and returns its id.
func (l *crowdCopy) put(task json.RawMessage) string {
	id := idOfTask(task)
	l.tasks[id] = string(task)
	return id
}

func idOfTask(task json.RawMessage) string {
	var row struct{ ID string }
	if err := json.Unmarshal(task, &row); err != nil {
		return err.Error()
	}
	return row.ID
}

// read returns the tasks of the shared workspace with the arguments of a list, which has no more than one page.
func (m *member) read(list string) []json.RawMessage {
	m.t.Helper()
	var data struct {
		Workspace struct {
			Tasks struct{ Nodes []json.RawMessage }
		}
	}
	m.query(fmt.Sprintf("{ workspace(id: %q) { tasks(%s) { nodes { %s } } } }", crowdWorkspace, list, crowdTask), &data)
	return data.Workspace.Tasks.Nodes
}

// check compares the copy with what a query returns.
func (l *crowdCopy) check(m *member, all []json.RawMessage) {
	m.t.Helper()
	want := all
	if l.list != "" {
		want = m.read(l.list)
	}
	if l.list == "" && len(l.tasks) != len(want) || l.list != "" && len(l.order) != len(want) {
		m.t.Errorf("a copy has %d tasks, and there are %d", len(l.tasks), len(want))
		return
	}
	for i, task := range want {
		id := idOfTask(task)
		if l.list != "" && l.order[i] != id || l.tasks[id] != string(task) {
			m.t.Errorf("%s: at %d the copy has %s, want %s", l.list, i, l.tasks[id], task)
		}
	}
}

// all returns all tasks of the shared workspace, and checks their order: each has a place of its own, and pages follow each other.
func (m *member) all() []json.RawMessage {
	m.t.Helper()
	var all []json.RawMessage
	places, after := []string{}, "null"
	for after != "" {
		var data struct {
			Workspace struct {
				Tasks struct {
					Nodes    []json.RawMessage
					PageInfo struct {
						HasNextPage bool
						EndCursor   string
					}
				}
			}
		}
		m.query(fmt.Sprintf(`{ workspace(id: %q) { tasks(scope: ALL, orderBy: [{field: MANUAL}], first: 23, after: %s) { nodes { %s } pageInfo { hasNextPage endCursor } } } }`,
			crowdWorkspace, after, crowdTask), &data)
		page := data.Workspace.Tasks
		for _, task := range page.Nodes {
			var row struct{ Position string }
			if err := json.Unmarshal(task, &row); err != nil {
				m.t.Fatal(err)
			}
			places = append(places, row.Position)
		}
		if all, after = append(all, page.Nodes...), ""; page.PageInfo.HasNextPage {
			after = fmt.Sprintf("%q", page.PageInfo.EndCursor)
		}
	}
	if !slices.IsSorted(places) || len(slices.Compact(slices.Clone(places))) != len(m.tasks[crowdWorkspace]) {
		m.t.Errorf("the places of %d tasks are %q", len(m.tasks[crowdWorkspace]), places)
	}
	return all
}

// TestCrowd: what 20 members of an organization do at the same time is as if they had done it one after the other, and those who follow
// it see it as it is.
func TestCrowd(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	waits := c.share(t.Context(), 6, 8)
	t.Logf("%d versions: %s; at most %d waited for locks", len(c.versions), codes(c.answers), waits.most)
}

// TestFaultsCrowd compares how fast 20 members change one workspace with how fast they change their own, and how long each waits.
func TestFaultsCrowd(t *testing.T) {
	t.Parallel()
	testkit.Suite(t, "faults")
	const lockWait = 5 * time.Second // workspace.Config's default
	c := newCrowd(t)
	c.member(0).fill(crowdWorkspace)
	for i := range crowdSize {
		m := c.member(i)
		m.fill("personal/" + m.name)
	}
	table := "\n| workspaces | changes/s | median | p99 | slowest | by each member |\n| --- | --- | --- | --- | --- | --- |\n"
	shared := func(*member) string { return crowdWorkspace }
	personal := func(m *member) string { return "personal/" + m.name }
	for _, round := range []struct {
		name string
		of   func(*member) string
	}{{"shared", shared}, {"20 personal", personal}, {"20 personal", personal}, {"shared", shared}} {
		c.took = map[string][]time.Duration{}
		waited := c.watchLocks()
		ctx, stop := context.WithTimeout(t.Context(), duration(3*time.Second, 15*time.Second))
		c.run(ctx, math.MaxInt, round.of)
		stop()
		waits := waited()
		table += c.row(round.name)
		t.Logf("%s: at most %d changes waited for locks, the longest %s", round.name, waits.most, waits.longest)
		if waits.most > maxLockWaits || waits.longest > lockWait+time.Second {
			t.Errorf("%d changes have waited for the workspace's lock in the database, the longest %s", waits.most, waits.longest)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), duration(3*time.Second, 15*time.Second))
	defer stop()
	c.took = map[string][]time.Duration{}
	c.share(ctx, crowdSize, math.MaxInt)
	t.Log(table + c.row("shared, followed by 20") + codes(c.answers))
}

// row returns a row of a table of what was answered since took was emptied. Members who made far fewer changes than others fail the
// test.
func (c *crowd) row(name string) string {
	var all []time.Duration
	least, most := math.MaxInt, 0
	for i := range crowdSize {
		took := c.took[c.member(i).name]
		all = append(all, took...)
		least, most = min(least, len(took)), max(most, len(took))
	}
	slices.Sort(all)
	if least < most/3 {
		c.t.Errorf("%s: a member has made %d changes, and another %d", name, least, most)
	}
	sum := time.Duration(0)
	for _, took := range all {
		sum += took
	}
	at := func(share float64) time.Duration {
		return all[int(share*float64(len(all)-1))].Round(100 * time.Microsecond)
	}
	return fmt.Sprintf("| %s | %.0f | %s | %s | %s | %d to %d |\n", name, float64(len(all))*crowdSize/sum.Seconds(), at(0.5), at(0.99), at(1), least, most)
}

// share has the members change the shared workspace at the same time, while some follow it, and checks what comes of it.
func (c *crowd) share(ctx context.Context, followers, steps int) lockWaits {
	c.t.Helper()
	first := c.member(0)
	if c.projects[crowdWorkspace] == "" {
		first.fill(crowdWorkspace)
	}
	lists := []string{
		"", "orderBy: [{field: MANUAL}], first: 100", "filter: {completed: false}, orderBy: [{field: PRIORITY, direction: DESC}], first: 10",
		"scope: TRASH", fmt.Sprintf("filter: {project: {in: [%q]}}, first: 20", c.projects[crowdWorkspace]),
	}
	var copies []*crowdCopy
	for i := range followers {
		copies = append(copies, c.member(i).follow(lists[i%len(lists)]))
	}
	waited := c.watchLocks()
	c.run(ctx, steps, func(*member) string { return crowdWorkspace })
	waits := waited()
	c.checkAnswers()
	last, all := c.checkVersions(), first.all()
	for _, l := range copies {
		if err := l.until(last); err != nil {
			c.t.Errorf("%s: %v", l.list, err)
			continue
		}
		l.check(first, all)
	}
	if waits.most > maxLockWaits {
		c.t.Errorf("%d changes have waited for the workspace's lock in the database", waits.most)
	}
	return waits
}
