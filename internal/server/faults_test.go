package server

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"taskql/internal/config"
	"taskql/internal/database"
	"taskql/internal/testkit"
	"taskql/internal/testkit/bench"
	"taskql/internal/testkit/pgcluster"
	"taskql/internal/testkit/toxic"
)

// These tests break the database while a server is under load. They have a PostgreSQL of their own, behind a proxy, and compare
// the answers with the rows in PostgreSQL. FAULTS=long makes the outages and the load longer; docs/operations/faults.md has the
// figures.

// faultSecret signs the sessions of the clients.
const faultSecret = "a secret of more than thirty-two characters"

// comeback is how soon after its database the server must have recovered, on a machine that isn't busy.
const comeback = 5 * time.Second

// faultFixture is a server whose database can be broken.
type faultFixture struct {
	cluster *pgcluster.Cluster
	proxy   *toxic.Proxy
	db      *database.DB
	// direct bypasses the proxy.
	direct  *sql.DB
	address string
}

// newFaultFixture starts PostgreSQL, the proxy and the server.
func newFaultFixture(t *testing.T, cluster pgcluster.Config) *faultFixture {
	t.Helper()
	// Committed transactions must survive the kill of a process.
	cluster.Settings = map[string]string{"synchronous_commit": "on", "fsync": "on", "full_page_writes": "on"}
	started, err := pgcluster.Start(t.Context(), cluster)
	if errors.Is(err, pgcluster.ErrNoBinaries) {
		testkit.Require(t, "a PostgreSQL server", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = started.Stop() })
	f := &faultFixture{cluster: started}
	if f.direct, err = sql.Open("postgres", started.URL()); err != nil {
		t.Fatal(err)
	}
	f.direct.SetMaxIdleConns(0)
	t.Cleanup(func() { _ = f.direct.Close() })
	f.proxy = newProxy(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(started.Port())))

	auth := httptest.NewServer(http.HandlerFunc(bench.GetSession))
	t.Cleanup(auth.Close)
	through := strings.Replace(started.URL(), net.JoinHostPort("127.0.0.1", strconv.Itoa(started.Port())), f.proxy.Listen, 1)
	cfg, err := config.Load(against(auth.URL, faultSecret, map[string]string{
		"DATABASE_URL": through, "SESSION_CACHE_TTL": "10m", "ENVIRONMENT": "production", "RATE_LIMIT": "1000000000",
	}))
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	f.db, err = database.Open(t.Context(), database.Config{
		URL: through, MaxOpenConns: cfg.DBMaxOpenConns, MaxIdleConns: cfg.DBMaxIdleConns, AcquireTimeout: cfg.DBWait,
		StatementTimeout: cfg.LimitStatementTime, Log: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.db.Close() })
	if _, err := f.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), Config{Config: cfg, DB: f.db, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	f.address = serve(t, s)
	return f
}

// newProxy starts a proxy that leads to upstream.
func newProxy(t *testing.T, upstream string) *toxic.Proxy {
	t.Helper()
	p, err := toxic.Start(upstream)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// toxic adds a toxic of toxiproxy, and returns a function that removes it.
func (f *faultFixture) toxic(t *testing.T, kind, stream, attributes string) func() {
	t.Helper()
	mend, err := f.proxy.Add(kind, stream, attributes)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := mend(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}
}

// ask sends a request and returns the code of the answer: "" for data, an error's code, or "network".
func (f *faultFixture) ask(ctx context.Context, user, document string, variables map[string]any) (string, *http.Response) {
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		return err.Error(), nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, f.address+graphqlPath, strings.NewReader(string(body)))
	if err != nil {
		return err.Error(), nil
	}
	r.Header = http.Header{"Content-Type": {mediaJSON}, "Accept": {mediaGraphQL}, "Cookie": {bench.Cookie(user, faultSecret)}}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "network", nil
	}
	defer response.Body.Close()
	var answer struct {
		Data   map[string]struct{ UserErrors []struct{ Code string } }
		Errors []struct{ Extensions struct{ Code string } }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return "broken", response
	}
	for _, e := range answer.Errors {
		return e.Extensions.Code, response
	}
	for _, d := range answer.Data {
		for _, e := range d.UserErrors {
			return e.Code, response
		}
	}
	return "", response
}

const (
	faultWrite = "mutation($i: CreateTaskInput!) { createTask(input: $i) { task { id } userErrors { code } } }"
	faultRead  = "{ tasks(first: 5) { nodes { id title } } }"
)

// traffic records requests and answers.
type traffic struct {
	mu       sync.Mutex
	answers  map[string]int
	acked    map[string]bool // titles of acknowledged writes
	unsure   map[string]bool // titles of writes without a key that failed
	slowest  time.Duration
	requests int
}

func (tr *traffic) note(code string, took time.Duration) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.requests++
	if code == "" {
		code = "ok"
	}
	tr.answers[code]++
	tr.slowest = max(tr.slowest, took)
}

// load sends reads, and writes with and without a key, from many clients, until the returned function is called. Writes with a
// key are retried until they are acknowledged.
func (f *faultFixture) load(t *testing.T, clients int) (*traffic, func()) {
	t.Helper()
	tr := &traffic{answers: map[string]int{}, acked: map[string]bool{}, unsure: map[string]bool{}}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for c := range clients {
		user := fmt.Sprintf("user%d", c)
		if code, _ := f.ask(t.Context(), user, faultRead, nil); code != "" {
			t.Fatalf("before anything is broken: %s", code)
		}
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				f.one(t.Context(), tr, user, n)
			}
		})
	}
	return tr, sync.OnceFunc(func() {
		close(stop)
		all.Wait()
	})
}

// one sends a client's next request.
func (f *faultFixture) one(ctx context.Context, tr *traffic, user string, n int) {
	send := func(document string, variables map[string]any) bool {
		began := time.Now()
		code, _ := f.ask(ctx, user, document, variables)
		tr.note(code, time.Since(began))
		return code == ""
	}
	if n%3 == 0 {
		if !send(faultRead, nil) {
			time.Sleep(20 * time.Millisecond)
		}
		return
	}
	title := fmt.Sprintf("%s %d", user, n)
	input := map[string]any{"title": title}
	if n%3 == 1 {
		input["idempotencyKey"] = title
	}
	done := send(faultWrite, map[string]any{"i": input})
	for end := time.Now().Add(2 * time.Minute); !done && n%3 == 1 && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
		done = send(faultWrite, map[string]any{"i": input})
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if done {
		tr.acked[title] = true
	} else {
		tr.unsure[title] = true
	}
}

// compare compares the answers with the rows in PostgreSQL, and returns how many writes are lost, and how many doubled.
func (f *faultFixture) compare(t *testing.T, tr *traffic, allowed ...string) (int, int) {
	t.Helper()
	lost, doubled := 0, 0
	rows, err := f.direct.QueryContext(t.Context(), "SELECT title, count(*) FROM tasks GROUP BY title")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	held := map[string]int{}
	for rows.Next() {
		var title string
		var n int
		if err := rows.Scan(&title, &n); err != nil {
			t.Fatal(err)
		}
		held[title] = n
		if n > 1 {
			doubled++
			t.Errorf("%q is there %d times", title, n)
		}
		if !tr.acked[title] && !tr.unsure[title] {
			t.Errorf("%q was never sent", title)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for title := range tr.acked {
		if held[title] == 0 {
			lost++
			t.Errorf("%q was answered as made, and is not there", title)
		}
	}
	for code, n := range tr.answers {
		if code != "ok" && !slices.Contains(allowed, code) {
			t.Errorf("%d answers %s", n, code)
		}
	}
	if len(tr.acked) == 0 {
		t.Error("nothing was written")
	}
	return lost, doubled
}

// awaitRecovery waits until a write, a read and /health succeed, and returns how long that took.
func (f *faultFixture) awaitRecovery(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	for time.Since(began) < time.Minute {
		write, _ := f.ask(t.Context(), "back", faultWrite, map[string]any{"i": map[string]any{"title": "back", "idempotencyKey": "back"}})
		read, _ := f.ask(t.Context(), "back", faultRead, nil)
		if write == "" && read == "" && CheckHealth(t.Context(), f.address+healthPath) == nil {
			return time.Since(began)
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("not back within a minute")
	return 0
}

func (f *faultFixture) sick(t *testing.T) {
	t.Helper()
	for range 500 {
		if CheckHealth(t.Context(), f.address+healthPath) != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("/health stayed healthy without a database")
}

// duration returns short, or longer for the long variants.
func duration(short, longer time.Duration) time.Duration {
	if testkit.IsLong() {
		return longer
	}
	return short
}

// TestFaults breaks the database under load in several ways, one after the other.
func TestFaults(t *testing.T) {
	t.Parallel()
	testkit.Suite(t, "faults")
	f := newFaultFixture(t, pgcluster.Config{MaxConnections: 30})
	hold := duration(1500*time.Millisecond, 10*time.Second)
	for _, fault := range []struct {
		name string
		// breaks breaks the database for a while, and returns after it was repaired.
		breaks func(t *testing.T)
	}{
		{"restarted", f.crash},
		{"down", func(t *testing.T) {
			f.proxy.Stop()
			began := time.Now()
			f.sick(t)
			time.Sleep(duration(2*time.Second, time.Minute) - time.Since(began))
			if err := f.proxy.Start(); err != nil {
				t.Fatal(err)
			}
		}},
		{"slow", func(t *testing.T) {
			mend := f.toxic(t, "latency", "downstream", `{"latency":300,"jitter":100}`)
			time.Sleep(hold)
			mend()
		}},
		{"silent", func(t *testing.T) {
			mend := f.toxic(t, "timeout", "downstream", `{"timeout":0}`)
			time.Sleep(duration(9*time.Second, 20*time.Second))
			mend()
		}},
		{"connections cut", func(t *testing.T) {
			for end := time.Now().Add(hold); time.Now().Before(end); time.Sleep(150 * time.Millisecond) {
				f.proxy.Stop()
				if err := f.proxy.Start(); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{"out of connections", func(t *testing.T) { f.exhaust(t, hold) }},
		{"failing over", f.failOver},
	} {
		t.Run(fault.name, func(t *testing.T) {
			if _, err := f.direct.ExecContext(t.Context(), "TRUNCATE tasks, idempotency_keys CASCADE"); err != nil {
				t.Fatal(err)
			}
			tr, stop := f.load(t, 16)
			defer stop()
			time.Sleep(500 * time.Millisecond)
			fault.breaks(t)
			recovery := f.awaitRecovery(t)
			limit := comeback + 10*f.awaitRecovery(t) // The second one tells how busy the machine is.
			time.Sleep(500 * time.Millisecond)
			stop()
			tr.acked["back"] = true
			lost, doubled := f.compare(t, tr, "SERVICE_UNAVAILABLE")
			t.Logf("| %s | %s | slowest %s | back after %s | written %d, unsure %d | lost %d, doubled %d |", fault.name, codes(tr.answers),
				tr.slowest.Round(time.Millisecond), recovery.Round(time.Millisecond), len(tr.acked), len(tr.unsure), lost, doubled)
			if recovery > limit {
				t.Errorf("back after %s, and %s are allowed", recovery, limit)
			}
			if limit := 11 * time.Second; tr.slowest > limit+4*time.Second {
				t.Errorf("a client waited %s", tr.slowest)
			}
		})
	}
}

func codes(answers map[string]int) string {
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(answers)) {
		parts = append(parts, fmt.Sprintf("%d %s", answers[code], code))
	}
	return strings.Join(parts, ", ")
}

// crash kills a process of PostgreSQL, which then ends all others, recovers and restarts.
func (f *faultFixture) crash(t *testing.T) {
	t.Helper()
	conn, err := f.direct.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var pid int
	if err := conn.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Skipf("killing PostgreSQL's process: %v", err)
	}
	for range 3000 {
		if err := f.direct.PingContext(t.Context()); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("PostgreSQL did not come back")
}

// exhaust uses up PostgreSQL's connections for a while.
func (f *faultFixture) exhaust(t *testing.T, hold time.Duration) {
	t.Helper()
	var taken []*sql.Conn
	// The server's user is a superuser here, so it could use the connections reserved for superusers.
	f.proxy.Stop() // It closes the pool's connections, so that new ones are needed.
	for len(taken) < 40 {
		conn, err := f.direct.Conn(t.Context())
		if err != nil {
			break
		}
		taken = append(taken, conn)
	}
	if err := f.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	if len(taken) == 40 {
		t.Error("PostgreSQL had connections left")
	}
	time.Sleep(hold)
	for _, conn := range taken {
		_ = conn.Close()
	}
}

// failOver makes the database's name lead to another address, and closes the connections to the old one.
func (f *faultFixture) failOver(t *testing.T) {
	t.Helper()
	other := newProxy(t, f.proxy.Upstream)
	f.proxy.Stop()
	time.Sleep(duration(time.Second, 5*time.Second))
	f.proxy.Upstream = other.Listen
	if err := f.proxy.Start(); err != nil {
		t.Fatal(err)
	}
}

// TestFaultsThousandClients: a thousand concurrent clients, while all ten connections are held, each get an answer with Retry-After
// within the acquire timeout. The test first measures the machine's speed with as many clients on free connections.
func TestFaultsThousandClients(t *testing.T) {
	t.Parallel()
	testkit.Suite(t, "faults")
	f := newFaultFixture(t, pgcluster.Config{})
	const clients, users = 1000, 50
	for u := range users {
		if code, _ := f.ask(t.Context(), fmt.Sprintf("user%d", u), faultRead, nil); code != "" {
			t.Fatal(code)
		}
	}
	// How long the machine takes for a thousand concurrent requests.
	free := time.Now()
	burst := f.burst(t, clients, users, nil)
	unheld := time.Since(free)
	t.Logf("%d clients on 10 free connections: %s in %s, slowest %s", clients, codes(burst.answers), unheld.Round(time.Millisecond), burst.slowest.Round(time.Millisecond))
	if burst.answers["ok"]+burst.answers["SERVICE_UNAVAILABLE"] != clients || burst.answers["ok"] < clients/2 {
		t.Errorf("answers: %s", codes(burst.answers))
	}
	var held []*sql.Conn
	for range 10 {
		conn, err := f.db.SQL.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
	}
	tr := f.burst(t, clients, users, func(code string, response *http.Response) {
		if response == nil || response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %+v", code, response)
		}
	})
	t.Logf("%d clients on 10 connections that are held: %s, slowest %s", clients, codes(tr.answers), tr.slowest.Round(time.Millisecond))
	if tr.answers["SERVICE_UNAVAILABLE"] != clients {
		t.Errorf("answers: %s", codes(tr.answers))
	}
	// As many requests as each user may have in the pool ended with its acquire timeout. The rest waited for the user's statements.
	if n := f.db.AcquireTimeouts(); n < users*int64(len(held))/2 {
		t.Errorf("%d calls are counted as given up", n)
	}
	const wait = 5 * time.Second // DB_WAIT's default
	if limit := wait + 4*unheld + time.Second; tr.slowest > limit {
		t.Errorf("a client waited %s, and %s are allowed", tr.slowest, limit)
	}
	for _, conn := range held {
		_ = conn.Close()
	}
	back := f.awaitRecovery(t)
	if limit := comeback + 10*f.awaitRecovery(t); back > limit {
		t.Errorf("back after %s, and %s are allowed", back, limit)
	}
}

// burst lets many clients read at the same time, each as one of the users, and returns their answers. check, if not nil, checks each
// answer.
func (f *faultFixture) burst(t *testing.T, clients, users int, check func(code string, response *http.Response)) *traffic {
	t.Helper()
	tr := &traffic{answers: map[string]int{}}
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			began := time.Now()
			code, response := f.ask(t.Context(), fmt.Sprintf("user%d", c%users), faultRead, nil)
			tr.note(code, time.Since(began))
			if check != nil {
				check(code, response)
			}
		})
	}
	all.Wait()
	return tr
}

// TestFaultsConnectionLoss closes the connection while PostgreSQL executes a mutation, which PostgreSQL then completes. The client's
// error says that the outcome is unknown. It retries the mutation with its idempotency key, and there is one task.
func TestFaultsConnectionLoss(t *testing.T) {
	t.Parallel()
	testkit.Suite(t, "faults")
	f := newFaultFixture(t, pgcluster.Config{})
	for title, input := range map[string]map[string]any{
		"with a key": {"title": "with a key", "idempotencyKey": "k"}, "without": {"title": "without"},
	} {
		if code, _ := f.ask(t.Context(), "ada", faultRead, nil); code != "" {
			t.Fatal(code)
		}
		// The workspace is locked, so that the mutation waits in PostgreSQL.
		lock, err := f.direct.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lock.ExecContext(t.Context(), "SELECT FROM workspaces WHERE id = 'ada' FOR UPDATE"); err != nil {
			t.Fatal(err)
		}
		told := make(chan string, 1)
		go func() {
			code, response := f.ask(t.Context(), "ada", faultWrite, map[string]any{"i": input})
			if response == nil || response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
				t.Errorf("%s: %+v", title, response)
			}
			told <- code
		}()
		waiting := 0
		for try := 0; waiting == 0 && try < 500; try++ {
			if err := f.direct.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_locks WHERE NOT granted").Scan(&waiting); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if waiting == 0 {
			t.Fatalf("%s: the mutation does not wait", title)
		}
		f.proxy.Stop()
		if code := <-told; code != "SERVICE_UNAVAILABLE" {
			t.Errorf("%s: told %q", title, code)
		}
		if err := lock.Rollback(); err != nil {
			t.Fatal(err)
		}
		if err := f.proxy.Start(); err != nil {
			t.Fatal(err)
		}
		f.awaitRecovery(t)
		if input["idempotencyKey"] != nil {
			for range 2 {
				if code, _ := f.ask(t.Context(), "ada", faultWrite, map[string]any{"i": input}); code != "" {
					t.Errorf("again: %s", code)
				}
			}
		}
		var n int
		if err := f.direct.QueryRowContext(t.Context(), "SELECT count(*) FROM tasks WHERE title = $1", title).Scan(&n); err != nil {
			t.Fatal(err)
		}
		t.Logf("cut in the middle, %s: SERVICE_UNAVAILABLE, then %d row", title, n)
		if input["idempotencyKey"] != nil && n != 1 || n > 1 {
			t.Errorf("%s: %d rows", title, n)
		}
	}
}
