package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"taskql/internal/testkit"
)

const (
	remindedUsers = 20
	// remindersEach is how many reminders each user has.
	remindersEach = 500
	// killEvery is how many reminders fire between two kills.
	killEvery = 1_200
)

// fireLog logs, within the transaction that fires it, each time that a reminder becomes FIRED. It takes a few milliseconds for that,
// so that processes are killed in the middle of transactions. A rollback doesn't reset the numbers of the attempts.
const fireLog = `
	CREATE TABLE fire_log (attempt bigserial, reminder uuid NOT NULL, version bigint NOT NULL, change xid8 NOT NULL DEFAULT pg_current_xact_id());
	CREATE FUNCTION log_fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF NEW.state = 'FIRED' THEN INSERT INTO fire_log (reminder, version) VALUES (NEW.id, NEW.version); PERFORM pg_sleep(0.005); END IF;
		RETURN NEW;
	END $$;
	CREATE TRIGGER log_fire AFTER UPDATE ON reminders FOR EACH ROW EXECUTE FUNCTION log_fire();`

// remindFixture is three replicas behind a load balancer, on a database whose firing is logged, and users.
type remindFixture struct {
	env      []string
	db       *sql.DB // past the replicas
	edge     *testkit.LoadBalancer
	replicas []*process
	clients  []*client
}

func newRemindFixture(t *testing.T) *remindFixture {
	t.Helper()
	auth, database := testkit.BetterAuth(t, testkit.BetterAuthOptions{}), testkit.PostgresURL(t)
	f := &remindFixture{edge: testkit.NewLoadBalancer(t), env: append(production(t, database, auth), "RATE_LIMIT=off", "LOG_LEVEL=warning")}
	for range 3 {
		f.replicas = append(f.replicas, start(t, f.env...))
	}
	for _, p := range f.replicas {
		p.healthy(t)
		f.edge.Add(t, p.URL)
	}
	var err error
	if f.db, err = sql.Open("postgres", testkit.DirectURL(t, database)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.db.Close() })
	f.exec(t, fireLog)
	for i := range remindedUsers {
		session := auth.SignUp(t, fmt.Sprintf("User %d", i), fmt.Sprintf("user%d@example.com", i), "correct horse battery")
		f.clients = append(f.clients, &client{t: t, url: f.edge.URL, header: session.Header()})
	}
	return f
}

func (f *remindFixture) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := f.db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

// read reads the columns of one row.
func (f *remindFixture) read(t *testing.T, query string, into ...any) {
	t.Helper()
	if err := f.db.QueryRowContext(t.Context(), query).Scan(into...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// remind makes reminders of all users that are due at one moment. Of one in each replica, the replica itself knows: all replicas wait
// for that moment.
func (f *remindFixture) remind(t *testing.T, due time.Time) {
	t.Helper()
	f.exec(t, `INSERT INTO tasks (id, workspace_id, version, title, position, has_reminders, created_at, updated_at)
		SELECT gen_random_uuid(), id, version, 'reminded', 'a', true, now(), now() FROM workspaces, generate_series(1, $1)`, remindersEach)
	f.exec(t, `INSERT INTO reminders (id, workspace_id, task_id, user_id, version, state, remind_at, fire_at, created_at, updated_at)
		SELECT gen_random_uuid(), workspace_id, id, workspace_id, version, 'WAITING', $1, $1, now(), now() FROM tasks`, due)
	for i, p := range f.replicas {
		c := &client{t: t, url: p.URL, header: f.clients[i].header}
		id := c.ask(`mutation { createTask(input: {title: "reminded"}) { task { id } } }`, nil).one(t, "createTask.task.id")
		refused := c.ask(`mutation($id: ID!, $at: DateTime!) { setReminders(input: {taskId: $id, reminders: [{at: $at}]}) { userErrors { code } } }`,
			map[string]any{"id": id, "at": due}).one(t, "setReminders.userErrors")
		if refused != "[]" {
			t.Fatal(refused)
		}
	}
}

// replace kills a replica, and starts another in its place.
func (f *remindFixture) replace(t *testing.T, slot int) {
	t.Helper()
	killed := f.replicas[slot]
	if err := killed.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-killed.done
	f.edge.Remove(killed.URL)
	fresh := start(t, f.env...)
	fresh.healthy(t)
	f.edge.Add(t, fresh.URL)
	f.replicas[slot] = fresh
}

// firedCopy is a user's copy of the reminders, which follows the feed.
type firedCopy struct {
	token    string
	complete bool
	// fired are the versions in which each reminder came as FIRED.
	fired map[string][]int64
	// failed is how many requests met a replica that was killed.
	failed int
}

// poll reads a page of the feed. It reports whether there was an answer.
func (f *firedCopy) poll(t *testing.T, c *client) bool {
	t.Helper()
	data, err := rollingRequest(t, c, http.DefaultClient,
		`query($after: SyncToken) { changes(after: $after, first: 97) { token complete reset reminders { id state version } } }`, map[string]any{"after": f.token})
	if err != nil {
		f.failed++
		return false
	}
	var page struct {
		Token, Reset string
		Complete     bool
		Reminders    []struct {
			ID, State string
			Version   int64
		}
	}
	if err := json.Unmarshal(data["changes"], &page); err != nil || page.Reset != "" {
		t.Errorf("the copy is lost: %v, %s", err, data["changes"])
	}
	f.token, f.complete = page.Token, page.Complete
	for _, r := range page.Reminders {
		if r.State == "FIRED" {
			f.fired[r.ID] = append(f.fired[r.ID], r.Version)
		}
	}
	return true
}

// TestFaultsReminders: 10,000 reminders of several users are due at the same moment in three replicas, which are killed one after the
// other while they fire them, and started again. Each reminder fires once: in the table, in what was committed, and in the feed.
func TestFaultsReminders(t *testing.T) {
	t.Parallel()
	testkit.Suite(t, "faults")
	f := newRemindFixture(t)
	copies := make([]*firedCopy, len(f.clients))
	for i, c := range f.clients {
		copies[i] = &firedCopy{fired: map[string][]int64{}, token: c.ask(`{ changes { token reminders { id state version } } }`, nil).one(t, "changes.token")}
	}
	due := time.Now().Add(10 * time.Second).Truncate(time.Microsecond)
	f.remind(t, due)
	stop, following := make(chan struct{}), sync.WaitGroup{}
	for i, c := range f.clients {
		following.Go(func() {
			for {
				copies[i].poll(t, c)
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
	}
	kills := f.killUntilAllFired(t)
	close(stop)
	following.Wait()
	for _, p := range f.replicas {
		f.edge.Remove(p.URL)
		p.terminate(t) // It ends what it is doing.
	}
	last := start(t, f.env...) // It finds nothing to fire, and answers the rest of the feed.
	last.healthy(t)
	f.edge.Add(t, last.URL)
	f.check(t, copies)
	f.report(t, copies, kills)
	last.terminate(t)
}

// killUntilAllFired kills a replica each time that so many reminders have fired, until all have. It returns how many it has killed.
func (f *remindFixture) killUntilAllFired(t *testing.T) int {
	t.Helper()
	kills, next := 0, 1
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		var fired, waiting int
		f.read(t, "SELECT count(*) FILTER (WHERE state = 'FIRED'), count(*) FILTER (WHERE fire_at IS NOT NULL) FROM reminders", &fired, &waiting)
		switch {
		case waiting == 0:
			return kills
		case time.Now().After(deadline):
			t.Fatalf("%d have fired, and %d still wait", fired, waiting)
		case fired >= next:
			f.replace(t, kills%len(f.replicas))
			kills++
			next = fired + killEvery
		}
	}
}

// check checks that each reminder has fired once.
func (f *remindFixture) check(t *testing.T, copies []*firedCopy) {
	t.Helper()
	var fired, others, logged, changes, versions, taken int
	f.read(t, "SELECT count(*) FILTER (WHERE state = 'FIRED' AND fired_at >= remind_at), count(*) FILTER (WHERE state <> 'FIRED') FROM reminders", &fired, &others)
	f.read(t, "SELECT count(*), count(DISTINCT change) FROM fire_log JOIN reminders ON id = reminder AND fire_log.version = reminders.version", &logged, &changes)
	if want := remindedUsers*remindersEach + len(f.replicas); fired != want || others != 0 || logged != want {
		t.Errorf("%d have fired, %d have not, and they fired %d times, want %d", fired, others, logged, want)
	}
	var all int
	if f.read(t, "SELECT count(*) FROM fire_log", &all); all != logged {
		t.Errorf("%d have fired again", all-logged)
	}
	// Nothing else has changed but what remind did by two mutations in each replica.
	f.read(t, "SELECT count(DISTINCT (workspace_id, version)) FROM reminders", &versions)
	f.read(t, "SELECT sum(version) FROM workspaces", &taken)
	if versions != changes || taken != versions+2*len(f.replicas) {
		t.Errorf("%d changes took %d versions, and the reminders have %d", changes, taken, versions)
	}
	f.checkCopies(t, copies)
}

// checkCopies checks that each user's feed has had each of the user's reminders once, in the version that the table has.
func (f *remindFixture) checkCopies(t *testing.T, copies []*firedCopy) {
	t.Helper()
	rows, err := f.db.QueryContext(t.Context(), "SELECT id, version FROM reminders")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	want := map[string]int64{}
	for rows.Next() {
		var id string
		var version int64
		if err := rows.Scan(&id, &version); err != nil {
			t.Fatal(err)
		}
		want[id] = version
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for i, c := range copies {
		for c.complete = false; !c.complete; {
			if !c.poll(t, f.clients[i]) {
				t.Fatal("the feed can't be read")
			}
		}
		wrong, example := 0, ""
		for id, versions := range c.fired {
			if len(versions) != 1 || versions[0] != want[id] {
				wrong++
				example = fmt.Sprintf("%s in the versions %v, and the table has it in %d", id, versions, want[id])
			}
			delete(want, id)
		}
		if wrong > 0 {
			t.Errorf("user %d's feed has had %d reminders FIRED otherwise than once, as %s", i, wrong, example)
		}
	}
	if len(want) > 0 {
		t.Errorf("the feeds lack %d reminders", len(want))
	}
}

// report logs the figures.
func (f *remindFixture) report(t *testing.T, copies []*firedCopy, kills int) {
	t.Helper()
	var fired, changes, attempts int
	var median, latest float64
	f.read(t, `SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM fired_at - remind_at)),
		max(extract(epoch FROM fired_at - remind_at)) FROM reminders`, &fired, &median, &latest)
	f.read(t, "SELECT count(DISTINCT change), (SELECT last_value FROM fire_log_attempt_seq) FROM fire_log", &changes, &attempts)
	failed := 0
	for _, c := range copies {
		failed += c.failed
	}
	t.Logf("%d reminders of %d users fired in %d transactions; %d processes killed, %d firings rolled back, %d requests not answered; late: median %.1f s, at most %.1f s",
		fired, remindedUsers, changes, kills, attempts-fired, failed, median, latest)
	if kills < len(f.replicas) || attempts == fired {
		t.Errorf("%d processes were killed, while they fired %d reminders", kills, attempts-fired)
	}
}

// reminded is a task with a reminder, of which nothing but the database is asked.
type reminded struct {
	db   *sql.DB
	task string
}

func (r reminded) state(t *testing.T) string {
	t.Helper()
	var state string
	if err := r.db.QueryRowContext(t.Context(), "SELECT state FROM reminders WHERE task_id = $1", r.task).Scan(&state); err != nil {
		t.Fatal(err)
	}
	return state
}

// fires waits until the reminder has fired.
func (r reminded) fires(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); r.state(t) != "FIRED"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the reminder is %s after a minute", r.state(t))
		}
	}
}

// setReminder returns the body of a request.
func setReminder(task string, at time.Time) string {
	return fmt.Sprintf(`{"query":"mutation { setReminders(input: {taskId: \"%s\", reminders: [{at: \"%s\"}]}) { userErrors { code } } }"}`,
		task, at.UTC().Format(time.RFC3339Nano))
}

// held is a request whose body has begun.
type held struct {
	rest   func() // sends the rest of the body
	answer chan string
}

// hold begins a request.
func (c *client) hold(body string) *held {
	c.t.Helper()
	from, to := io.Pipe()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.url+"/graphql", from)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header = c.header.Clone()
	r.Header.Set("Content-Type", "application/json")
	h := &held{answer: make(chan string, 1)}
	go func() {
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			h.answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		answer, _ := io.ReadAll(resp.Body)
		h.answer <- string(answer)
	}()
	if _, err := io.WriteString(to, body[:1]); err != nil {
		c.t.Fatal(err)
	}
	h.rest = func() {
		_, _ = io.WriteString(to, body[1:])
		_ = to.Close()
	}
	return h
}

// TestRemindersFireUnasked: a server fires a reminder without any request. After SIGTERM it fires nothing, not even what a request sets
// that it still answers: the next server does, as soon as it runs.
func TestRemindersFireUnasked(t *testing.T) {
	t.Parallel()
	address := testkit.PostgresURL(t)
	db, err := sql.Open("postgres", testkit.DirectURL(t, address))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	p := start(t, "DATABASE_URL="+address)
	p.healthy(t)
	c := &client{t: t, url: p.URL, header: signUpHere(t, p, "ada@example.com", "Ada")}
	r := reminded{db: db, task: c.ask(`mutation { createTask(input: {title: "Call Bob"}) { task { id } } }`, nil).one(t, "createTask.task.id")}
	set := c.hold(setReminder(r.task, time.Now().Add(time.Second)))
	set.rest()
	if got := <-set.answer; !strings.Contains(got, `"userErrors":[]`) {
		t.Fatal(got)
	}
	r.fires(t)

	set, other := c.hold(setReminder(r.task, time.Now().Add(-time.Minute))), c.hold(`{"query":"{ viewer { name } }"}`)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.logs(t, "draining")
	set.rest()
	if got := <-set.answer; !strings.Contains(got, `"userErrors":[]`) {
		t.Fatal(got)
	}
	time.Sleep(500 * time.Millisecond) // A server that fired would have the time for it, as it must answer the other request.
	other.rest()
	if got := <-other.answer; !strings.Contains(got, "Ada") {
		t.Error(got)
	}
	if <-p.done; p.err != nil {
		t.Errorf("ended with %v, want exit code 0", p.err)
	}
	if got := r.state(t); got != "WAITING" {
		t.Errorf("the server that ended has made the reminder %s", got)
	}
	start(t, "DATABASE_URL="+address)
	r.fires(t)
}
