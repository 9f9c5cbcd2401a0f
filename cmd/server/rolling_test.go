package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taskql/internal/testkit"
	"taskql/internal/testkit/stores"
)

// rollingMigrations are the migrations of the successive releases in TestFaultsRolling. The last one locks two tables, workspaces
// first, as every write does.
var rollingMigrations = []string{ //nolint:gochecknoglobals // A constant table.
	"-- +goose Up\nALTER TABLE tasks ADD COLUMN rolling text NOT NULL DEFAULT '';\n",
	"-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX CONCURRENTLY rolling_by_title ON tasks (workspace_id, title);\n",
	"-- +goose Up\nALTER TABLE workspaces ADD COLUMN rolling int;\nALTER TABLE tasks ALTER COLUMN rolling DROP NOT NULL;\n",
}

// buildReleases builds this release, and releases that add the migrations: one for each, or one with all of them.
func buildReleases(t *testing.T, oneEach bool) []string {
	t.Helper()
	first, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	releases, dir := []string{first}, t.TempDir()
	migrations, err := filepath.Abs("../../ent/migrate/migrations")
	if err != nil {
		t.Fatal(err)
	}
	overlay := map[string]map[string]string{"Replace": {}}
	for i, migration := range rollingMigrations {
		name := fmt.Sprintf("9999010100000%d_rolling.sql", i+1)
		file := filepath.Join(dir, name)
		overlay["Replace"][filepath.Join(migrations, name)] = file
		if err := os.WriteFile(file, []byte(migration), 0o600); err != nil {
			t.Fatal(err)
		}
		if !oneEach && i < len(rollingMigrations)-1 {
			continue
		}
		text, err := json.Marshal(overlay)
		if err != nil {
			t.Fatal(err)
		}
		program, list := filepath.Join(dir, fmt.Sprintf("release-%d", i+1)), filepath.Join(dir, "overlay.json")
		if err := os.WriteFile(list, text, 0o600); err != nil {
			t.Fatal(err)
		}
		build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-overlay", list, "-o", program, "taskql/cmd/server")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("building release %d: %v\n%s", i+1, err, out)
		}
		releases = append(releases, program)
	}
	return releases
}

// rollingLoad simulates users behind the proxy.
type rollingLoad struct {
	requests, failures atomic.Int64
	first              sync.Once
	slowest            atomic.Int64 // nanoseconds
}

// user makes, lists, completes, reads and purges tasks until stop is closed, and returns how many of its tasks are left. Any other
// answer than the right one is a failure.
func (l *rollingLoad) user(t *testing.T, c *client, stop <-chan struct{}) int {
	t.Helper()
	by := &http.Client{Transport: &http.Transport{}}
	defer by.CloseIdleConnections()
	made, left := 0, 0
	ask := func(query string, variables map[string]any) map[string]json.RawMessage {
		started := time.Now()
		data, err := rollingRequest(t, c, by, query, variables)
		l.requests.Add(1)
		for took := int64(time.Since(started)); ; {
			if was := l.slowest.Load(); took <= was || l.slowest.CompareAndSwap(was, took) {
				break
			}
		}
		if err != nil {
			l.failures.Add(1)
			l.first.Do(func() { t.Errorf("the first failure: %v", err) })
		}
		return data
	}
	for {
		select {
		case <-stop:
			return left
		case <-time.After(5 * time.Millisecond):
		}
		var created struct{ Task struct{ ID string } }
		data := ask(`mutation { createTask(input: {title: "rolling"}) { task { id } userErrors { code } } }`, nil)
		if json.Unmarshal(data["createTask"], &created) == nil && created.Task.ID != "" {
			made++
			left++
			id := map[string]any{"id": created.Task.ID}
			ask(`mutation($id: ID!) { completeTask(input: {id: $id}) { task { completed } userErrors { code } } }`, id)
			if made%2 == 0 {
				left--
				ask(`mutation($id: ID!) { deleteTask(input: {id: $id}) { userErrors { code } } }`, id)
				ask(`mutation($id: ID!) { purgeTask(input: {id: $id}) { userErrors { code } } }`, id)
			}
		}
		ask(`{ tasks(first: 50, scope: ALL) { nodes { id title tags { name } } pageInfo { hasNextPage endCursor } } }`, nil)
		ask(`{ viewer { name } tags { nodes { name } } }`, nil)
	}
}

func rollingRequest(t *testing.T, c *client, by *http.Client, query string, variables map[string]any) (map[string]json.RawMessage, error) {
	t.Helper()
	response, err := c.post(t.Context(), by, query, variables)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var got struct {
		Data   map[string]json.RawMessage
		Errors json.RawMessage
	}
	if err := json.Unmarshal(body, &got); err != nil || response.StatusCode != http.StatusOK || got.Errors != nil ||
		strings.Contains(string(body), `"userErrors":[{`) {
		return nil, fmt.Errorf("%s: status %d: %.300s", query, response.StatusCode, body)
	}
	return got.Data, nil
}

// TestFaultsRolling replaces two replicas behind PgBouncer in turn under load, as Railway does: a new process is started, and
// migrates if it is a new release; once it is healthy, the proxy sends requests to it, and the old one gets SIGTERM at once. No
// request may fail, no task may be lost or made twice, and at the end all stores that watch have what the database has.
// TEST_ROLLING is the duration.
func TestFaultsRolling(t *testing.T) {
	t.Parallel()
	testkit.Suite(t, "faults")
	duration, every, watching := 20*time.Second, 3*time.Second, 30
	long := os.Getenv("TEST_ROLLING")
	if long != "" {
		var err error
		if duration, err = time.ParseDuration(long); err != nil {
			t.Fatal(err)
		}
		every, watching = 10*time.Second, 200
	}
	program := stores.Compile(t)
	f := newRollingFixture(t, buildReleases(t, long != ""))
	load, stop, users := &rollingLoad{}, make(chan struct{}), sync.WaitGroup{}
	watchers := startWatchers(t, program, f.clients, watching)
	watchers.settle(nil)
	left := make([]int, len(f.clients))
	for i, c := range f.clients {
		users.Go(func() { left[i] = load.user(t, c, stop) })
	}
	restarts, inHand := f.restart(t, duration, every, watchers)
	close(stop)
	users.Wait()

	t.Logf("%d requests in %s, %d failed, slowest %s; %d restarts with %d requests in hand; %d stores, %d results without time",
		load.requests.Load(), duration, load.failures.Load(), time.Duration(load.slowest.Load()).Round(time.Millisecond), restarts, inHand, watching, watchers.busy.Load())
	if failed := load.failures.Load(); failed != 0 {
		t.Errorf("%d of %d requests failed", failed, load.requests.Load())
	}
	if restarts < 2 || load.requests.Load() == 0 {
		t.Error("nothing happened")
	}
	if t.Failed() {
		return // The stores may never come to be up to date.
	}
	watchers.checkEqual()
	for i, c := range f.clients {
		want := left[i] + watchers.made[c]
		if got := c.ask(`{ tasks(scope: ALL) { totalCount } }`, nil).one(t, "tasks.totalCount"); got != fmt.Sprint(want) {
			t.Errorf("user %d has %s tasks, want %d", i, got, want)
		}
	}
	if applied := appliedMigrations(t, f.database); applied != migrationsInBinary(t)+len(rollingMigrations) {
		t.Errorf("%d migrations are applied, want %d and %d more", applied, migrationsInBinary(t), len(rollingMigrations))
	}
	for _, p := range f.replicas {
		f.edge.Remove(p.URL)
		p.terminate(t)
	}
}

// rollingFixture is two replicas behind a load balancer, on a database behind PgBouncer, and some users.
type rollingFixture struct {
	releases, env []string
	database      string // the address past PgBouncer
	edge          *testkit.LoadBalancer
	replicas      []*process
	clients       []*client
}

func newRollingFixture(t *testing.T, releases []string) *rollingFixture {
	t.Helper()
	auth := testkit.BetterAuth(t, testkit.BetterAuthOptions{})
	f := &rollingFixture{releases: releases, database: testkit.DirectURL(t, testkit.PostgresURL(t)), edge: testkit.NewLoadBalancer(t)}
	pooled := testkit.PgBouncer(t, f.database, "default_pool_size = 10")
	f.env = append(production(t, pooled, auth), "DIRECT_DATABASE_URL="+f.database, "RATE_LIMIT=off", "LOG_LEVEL=warning")
	f.replicas = []*process{startRelease(t, releases[0], f.env...), startRelease(t, releases[0], f.env...)}
	for _, p := range f.replicas {
		p.healthy(t)
		f.edge.Add(t, p.URL)
	}
	for i := range 6 {
		session := auth.SignUp(t, fmt.Sprintf("User %d", i), fmt.Sprintf("user%d@example.com", i), "correct horse battery")
		f.clients = append(f.clients, &client{t: t, url: f.edge.URL, header: session.Header()})
	}
	return f
}

// restart replaces the replicas in turn, and has stores make tasks meanwhile. It returns how many it has replaced, and how many
// requests and streams they had then. Both get each release in turn; at the end they go back to the first one, whose database is
// newer then.
func (f *rollingFixture) restart(t *testing.T, duration, every time.Duration, watchers *watchers) (int, int64) {
	t.Helper()
	restarts, inHand, ticker := 0, int64(0), time.NewTicker(every)
	defer ticker.Stop()
	for end := time.Now().Add(duration); time.Now().Before(end) && !t.Failed(); restarts++ {
		<-ticker.C
		phase := int(float64(len(f.releases)+1) * (1 - time.Until(end).Seconds()/duration.Seconds()))
		fresh := startRelease(t, f.releases[max(phase, 0)%len(f.releases)], f.env...)
		fresh.healthy(t)
		f.edge.Add(t, fresh.URL)
		slot := restarts % len(f.replicas)
		old := f.replicas[slot]
		inHand += f.edge.Remove(old.URL)
		f.replicas[slot] = fresh
		for i := range f.clients {
			watchers.create(watchers.all[(restarts*len(f.clients)+i)%len(watchers.all)])
		}
		old.terminate(t)
	}
	return restarts, inHand
}

// TestFaultsReplicaKilled: one of two replicas is killed. The stores that it had streams with resume at the other one, and what they
// send meanwhile is done once.
func TestFaultsReplicaKilled(t *testing.T) {
	t.Parallel()
	testkit.Suite(t, "faults")
	program := stores.Compile(t)
	first, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	f := newRollingFixture(t, []string{first})
	watchers := startWatchers(t, program, f.clients, 2*len(f.clients))
	watchers.settle(nil)
	killed := f.replicas[0]
	for _, d := range watchers.all {
		watchers.create(d)
	}
	if err := killed.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, d := range watchers.all {
		watchers.create(d) // Every second of these meets the dead replica first.
	}
	<-killed.done
	if inHand := f.edge.Remove(killed.URL); inHand > 0 {
		t.Logf("%d requests were not answered yet", inHand)
	}
	watchers.checkEqual()
	for i, c := range f.clients {
		if got := c.ask(`{ tasks(scope: ALL) { totalCount } }`, nil).one(t, "tasks.totalCount"); got != fmt.Sprint(watchers.made[c]) {
			t.Errorf("user %d has %s tasks, want %d", i, got, watchers.made[c])
		}
	}
	f.replicas[1].terminate(t)
}

func appliedMigrations(t *testing.T, database string) int {
	t.Helper()
	code, out, errs := runToEnd(t, []string{"DATABASE_URL=" + database}, "migrate", "status")
	if code != 0 {
		t.Fatal(errors.New(errs))
	}
	return strings.Count(out, " applied ")
}
