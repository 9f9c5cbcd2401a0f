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

// user makes, lists, completes and reads tasks until stop is closed, and returns how many tasks it made. Any other answer than
// the right one is a failure.
func (l *rollingLoad) user(t *testing.T, c *client, stop <-chan struct{}) int {
	t.Helper()
	by := &http.Client{Transport: &http.Transport{}}
	defer by.CloseIdleConnections()
	made := 0
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
			return made
		case <-time.After(5 * time.Millisecond):
		}
		var created struct{ Task struct{ ID string } }
		data := ask(`mutation { createTask(input: {title: "rolling"}) { task { id } userErrors { code } } }`, nil)
		if json.Unmarshal(data["createTask"], &created) == nil && created.Task.ID != "" {
			made++
			ask(`mutation($id: ID!) { completeTask(input: {id: $id}) { task { completed } userErrors { code } } }`, map[string]any{"id": created.Task.ID})
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

// TestFaultsRolling replaces two replicas in turn under load, as Railway does: a new process is started, and migrates if it is a
// new release; once it is healthy, the proxy sends requests to it, and the old one gets SIGTERM at once. No request may fail,
// and no task may be lost or made twice. TEST_ROLLING is the duration.
func TestFaultsRolling(t *testing.T) {
	t.Parallel()
	testkit.Suite(t, "faults")
	duration, every := 20*time.Second, 3*time.Second
	long := os.Getenv("TEST_ROLLING")
	if long != "" {
		var err error
		if duration, err = time.ParseDuration(long); err != nil {
			t.Fatal(err)
		}
		every = 10 * time.Second
	}
	releases := buildReleases(t, long != "")
	auth := testkit.BetterAuth(t, testkit.BetterAuthOptions{})
	database := testkit.PostgresURL(t)
	env := append(production(t, database, auth), "RATE_LIMIT=off", "LOG_LEVEL=warning")
	edge := testkit.NewLoadBalancer(t)
	replicas := []*process{startRelease(t, releases[0], env...), startRelease(t, releases[0], env...)}
	for _, p := range replicas {
		p.healthy(t)
		edge.Add(t, p.URL)
	}

	load, stop, users := &rollingLoad{}, make(chan struct{}), sync.WaitGroup{}
	const count = 6
	made := make([]int, count)
	clients := make([]*client, count)
	for i := range count {
		session := auth.SignUp(t, fmt.Sprintf("User %d", i), fmt.Sprintf("user%d@example.com", i), "correct horse battery")
		clients[i] = &client{t: t, url: edge.URL, header: session.Header()}
	}
	for i := range count {
		users.Go(func() { made[i] = load.user(t, clients[i], stop) })
	}

	restarts, inHand, ticker := 0, int64(0), time.NewTicker(every)
	defer ticker.Stop()
	for end := time.Now().Add(duration); time.Now().Before(end) && !t.Failed(); restarts++ {
		<-ticker.C
		// Both replicas get each release in turn. At the end they go back to the first one, whose database is newer then.
		phase := int(float64(len(releases)+1) * (1 - time.Until(end).Seconds()/duration.Seconds()))
		release := releases[max(phase, 0)%len(releases)]
		fresh := startRelease(t, release, env...)
		fresh.healthy(t)
		edge.Add(t, fresh.URL)
		slot := restarts % len(replicas)
		old := replicas[slot]
		inHand += edge.Remove(old.URL)
		replicas[slot] = fresh
		old.terminate(t)
	}
	close(stop)
	users.Wait()

	t.Logf("%d requests in %s, %d failed, slowest %s; %d restarts with %d requests in hand",
		load.requests.Load(), duration, load.failures.Load(), time.Duration(load.slowest.Load()).Round(time.Millisecond), restarts, inHand)
	if failed := load.failures.Load(); failed != 0 {
		t.Errorf("%d of %d requests failed", failed, load.requests.Load())
	}
	if restarts < 2 || load.requests.Load() == 0 {
		t.Error("nothing happened")
	}
	for i, c := range clients {
		if got := c.ask(`{ tasks(scope: ALL) { totalCount } }`, nil).one(t, "tasks.totalCount"); got != fmt.Sprint(made[i]) {
			t.Errorf("user %d has %s tasks, and made %d", i, got, made[i])
		}
	}
	if applied := appliedMigrations(t, database); applied != migrationsInBinary(t)+len(rollingMigrations) {
		t.Errorf("%d migrations are applied, want %d and %d more", applied, migrationsInBinary(t), len(rollingMigrations))
	}
	for _, p := range replicas {
		edge.Remove(p.URL)
		p.terminate(t)
	}
}

func appliedMigrations(t *testing.T, database string) int {
	t.Helper()
	code, out, errs := runToEnd(t, []string{"DATABASE_URL=" + database}, "migrate", "status")
	if code != 0 {
		t.Fatal(errors.New(errs))
	}
	return strings.Count(out, " applied ")
}
