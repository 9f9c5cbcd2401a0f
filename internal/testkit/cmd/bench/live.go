package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"taskql/internal/testkit/bench"
)

const (
	// watchQuery selects about 340 bytes of a changed task.
	watchQuery = `subscription($after: SyncToken) { changes(after: $after) { reset gone { kind id version }
		tasks { id title completed priority version updatedAt } tags { id name } token version complete } }`
	renameTask = "mutation($i: UpdateTaskInput!) { updateTask(input: $i) { version userErrors { code } } }"
	// settle is how long memory may settle after streams were opened.
	settle = 20 * time.Second
	// connectionsEach is how many connections to PostgreSQL a server has.
	connectionsEach = 16
)

// liveRun is one run of bench live.
type liveRun struct {
	database *benchDatabase
	issuer   bench.Issuer
	tasks    map[string]string // a task of each workspace
	// getSession is whether clients have cookies, whose sessions the server asks the auth server for, instead of JWTs. asked is how
	// often it has.
	getSession bool
	asked      atomic.Int64

	// figures are our own, first, and the peers'.
	figures []liveFigures

	mu sync.Mutex
	// credentials are what users sign in with.
	credentials map[string]credential
}

// runLive measures streams: their memory, what a delivery costs, how long a change takes to its watchers, and how fast all
// clients come back.
func runLive(ctx context.Context) error {
	streams, err := number("STREAMS", 15_000, 19_000)
	if err != nil {
		return err
	}
	db, err := startDatabase(ctx, streams, 2)
	if err != nil {
		return err
	}
	defer db.stop()
	r := &liveRun{database: db, tasks: map[string]string{}, credentials: map[string]credential{}, figures: []liveFigures{{name: "taskql"}}}
	switch sessions := os.Getenv("SESSIONS"); sessions {
	case "", "jwt":
	case "get-session":
		r.getSession = true
	default:
		return fmt.Errorf("SESSIONS must be jwt or get-session, not %q", sessions)
	}
	for _, id := range db.tasks {
		r.tasks[id.workspace] = id.task
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("making a key: %w", err)
	}
	r.issuer.Key = key
	fmt.Printf("%d users of 2 tasks each; sessions are %s; durability of PostgreSQL is off\n", streams, cmp.Or(os.Getenv("SESSIONS"), "jwt"))
	scenarios := []struct {
		name string
		run  func(context.Context) error
	}{
		{"idle-ws", func(ctx context.Context) error { return r.idle(ctx, "ws", streams) }},
		{"idle-sse", func(ctx context.Context) error { return r.idle(ctx, "sse", streams) }},
		{"fanout", r.fanOut},
		{"delay", func(ctx context.Context) error { return r.delay(ctx, 1) }},
		{"delay-replicas", func(ctx context.Context) error { return r.delay(ctx, 2) }},
		{"storm", r.storm},
		{"peers", func(ctx context.Context) error { return r.peers(ctx, streams) }},
	}
	only := os.Getenv("ONLY")
	for _, s := range scenarios {
		if only != "" && !strings.Contains(","+only+",", ","+s.name+",") {
			continue
		}
		if err := s.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	r.printFigures()
	return nil
}

// watchers returns the streams of users, perUser each.
func (r *liveRun) watchers(s *server, users, perUser int) ([]streamSpec, error) {
	specs := make([]streamSpec, 0, users*perUser)
	for range perUser {
		for u := range users {
			user := fmt.Sprintf("w%05d", u+1)
			by, err := r.credential(s, user)
			if err != nil {
				return nil, err
			}
			specs = append(specs, streamSpec{User: user, Authorization: by.authorization, Cookie: by.cookie})
		}
	}
	return specs, nil
}

// clientProcess is a process of clients.
type clientProcess struct {
	cmd    *exec.Cmd
	input  *json.Encoder
	output *bufio.Reader
}

func startClients(ctx context.Context) (*clientProcess, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("looking for this program: %w", err)
	}
	p := &clientProcess{cmd: exec.CommandContext(ctx, program, "live-clients")}
	p.cmd.Stderr = os.Stderr
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.input, p.output = json.NewEncoder(stdin), bufio.NewReaderSize(stdout, 1<<20)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the clients: %w", err)
	}
	return p, nil
}

func (p *clientProcess) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// do runs a command and returns its reply.
func (p *clientProcess) do(c command) (reply, error) {
	if err := p.input.Encode(c); err != nil {
		return reply{}, fmt.Errorf("asking the clients: %w", err)
	}
	line, err := p.output.ReadBytes('\n')
	if err != nil {
		return reply{}, fmt.Errorf("hearing from the clients: %w", err)
	}
	var r reply
	if err := json.Unmarshal(line, &r); err != nil {
		return reply{}, fmt.Errorf("reading a reply: %w", err)
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

// watch opens streams of the first users at a server, perUser each, in a process of their own.
func (r *liveRun) watch(ctx context.Context, s *server, protocol string, users, perUser int) (*clientProcess, reply, error) {
	specs, err := r.watchers(s, users, perUser)
	if err != nil {
		return nil, reply{}, err
	}
	p, err := startClients(ctx)
	if err != nil {
		return nil, reply{}, err
	}
	opened, err := p.do(command{Op: "open", URL: s.url + "/graphql", Protocol: protocol, Streams: specs, Query: watchQuery, Parallel: 32})
	if err != nil {
		p.stop()
		return nil, reply{}, err
	}
	return p, opened, nil
}

// idle measures what idle streams of different users cost.
func (r *liveRun) idle(ctx context.Context, protocol string, streams int) error {
	s, err := r.start(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	// The first users warm the server up, so that its pools and caches don't count for the streams.
	warm, _, err := r.watch(ctx, s, protocol, min(200, streams), 1)
	if err != nil {
		return err
	}
	warm.stop()
	time.Sleep(settle)
	before, err := memoryOf(ctx, s)
	if err != nil {
		return err
	}
	p, opened, err := r.watch(ctx, s, protocol, streams, 1)
	if err != nil {
		return err
	}
	defer p.stop()
	time.Sleep(settle)
	after, err := memoryOf(ctx, s)
	if err != nil {
		return err
	}
	seconds, err := number("IDLE_SECONDS", 30, 3600)
	if err != nil {
		return err
	}
	window := time.Duration(seconds) * time.Second
	asked := r.asked.Load()
	statements, used, err := r.during(ctx, s, func() error { time.Sleep(window); return nil })
	if err != nil {
		return err
	}
	asked = r.asked.Load() - asked
	stats, err := p.do(command{Op: "stats"})
	if err != nil {
		return err
	}
	each := func(before, after int) float64 { return float64(after-before) / float64(streams) }
	if protocol == "ws" {
		r.figures[0].streamKB = each(before.resident, after.resident)
	}
	fmt.Printf("%s: %d of %d streams open after %.1f s, %.2f kB each (resident %d MB, %d MB before), of which %.2f kB live (%d MB before); idle: %.3f %% of a core per 1,000, %.1f transactions/s, %.1f get-session/s\n",
		protocol, stats.Open, streams, opened.Seconds, each(before.resident, after.resident), after.resident>>10, before.resident>>10, each(before.live, after.live), before.live>>10,
		100*used.Seconds()/window.Seconds()/float64(streams)*1000, float64(statements)/window.Seconds(), float64(asked)/window.Seconds())
	if file := os.Getenv("HEAP_PROFILE"); file != "" {
		return saveHeap(ctx, s.debug, fmt.Sprintf("%s.%s", file, protocol))
	}
	return nil
}

// memory is that of a server, in kB.
type memory struct {
	// resident is what the system sees. live is what remains after a garbage collection, with stacks.
	resident, live int
}

func memoryOf(ctx context.Context, s *server) (memory, error) {
	resident, err := residentKB(s.pid())
	if err != nil {
		return memory{}, err
	}
	live, err := liveKB(ctx, s.debug) // Afterwards, because it collects garbage.
	return memory{resident, live}, err
}

// during returns how many transactions PostgreSQL ran and how much CPU the server used while work ran.
func (r *liveRun) during(ctx context.Context, s *server, work func() error) (int64, time.Duration, error) {
	transactions := func() (int64, error) {
		var n int64
		err := r.database.pool.QueryRowContext(ctx, "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()").Scan(&n)
		return n, err
	}
	n, err := transactions()
	if err != nil {
		return 0, 0, err
	}
	fields, err := stat(s.pid())
	if err != nil {
		return 0, 0, err
	}
	if err := work(); err != nil {
		return 0, 0, err
	}
	fieldsAfter, err := stat(s.pid())
	if err != nil {
		return 0, 0, err
	}
	time.Sleep(2 * time.Second) // Backends report their counts with a delay.
	m, err := transactions()
	return m - n, ticks(fieldsAfter, statUser) - ticks(fields, statUser), err
}

// change renames a user's task, and returns the workspace's new version.
func (r *liveRun) change(ctx context.Context, s *server, user string, n int) (int, error) {
	by, err := r.credential(s, user)
	if err != nil {
		return 0, err
	}
	body, err := json.Marshal(map[string]any{"query": renameTask, "variables": map[string]any{
		"i": map[string]any{"id": r.tasks[user], "title": fmt.Sprintf("Buy milk and bread, number %d of %d", n, time.Now().UnixNano())},
	}})
	if err != nil {
		return 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header = http.Header{"Content-Type": {"application/json"}}
	if by.cookie != "" {
		request.Header["Cookie"] = []string{by.cookie}
	} else {
		request.Header["Authorization"] = []string{by.authorization}
	}
	answer, err := changers.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	var result struct {
		Data struct {
			UpdateTask struct{ Version int }
		}
		Errors []any
	}
	if err := json.NewDecoder(answer.Body).Decode(&result); err != nil {
		return 0, err
	}
	if len(result.Errors) > 0 || result.Data.UpdateTask.Version == 0 {
		return 0, fmt.Errorf("a change was refused: %v", result.Errors)
	}
	return result.Data.UpdateTask.Version, nil
}

var changers = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}} //nolint:gochecknoglobals // Shared connections.

// changes changes tasks of users at a rate, whatever the answers take, for a time.
func (r *liveRun) changes(ctx context.Context, s *server, perSecond int, d time.Duration, user func(n int) string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(64)
	ticker := time.NewTicker(time.Second / time.Duration(perSecond))
	defer ticker.Stop()
	for n := range int(d.Seconds() * float64(perSecond)) {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return group.Wait()
		}
		group.Go(func() error {
			_, err := r.change(ctx, s, user(n), n)
			return err
		})
	}
	return group.Wait()
}

// fanOut measures what a delivery costs, with 1,000 watchers of one workspace.
func (r *liveRun) fanOut(ctx context.Context) error {
	s, err := r.start(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	const watchers, perSecond, window = 1000, 10, 10 * time.Second
	p, _, err := r.watch(ctx, s, "ws", 1, watchers)
	if err != nil {
		return err
	}
	defer p.stop()
	user := func(int) string { return "w00001" }
	if err := r.changes(ctx, s, perSecond, time.Second, user); err != nil { // Warm-up.
		return err
	}
	if _, err := p.do(command{Op: "reset"}); err != nil {
		return err
	}
	_, used, err := r.during(ctx, s, func() error { return r.changes(ctx, s, perSecond, window, user) })
	if err != nil {
		return err
	}
	got, err := p.do(command{Op: "stats"})
	if err != nil {
		return err
	}
	// What the changes cost without watchers is subtracted.
	alone, err := r.alone(ctx, s, p, perSecond, window, user)
	if err != nil {
		return err
	}
	r.figures[0].frameMicros = float64((used - alone).Microseconds()) / float64(got.Frames)
	fmt.Printf("fan-out: %d watchers of one workspace, %d changes/s: %d results of %d bytes, %.1f µs of the server's CPU each (%.1f µs without the changes' own); p50 %.1f ms, p99 %.1f ms\n",
		watchers, perSecond, got.Frames, got.Bytes/max(got.Frames, 1), float64(used.Microseconds())/float64(got.Frames),
		r.figures[0].frameMicros, quantile(got.Delays, 0.5), quantile(got.Delays, 0.99))
	return nil
}

// alone returns the CPU of the changes without watchers.
func (r *liveRun) alone(ctx context.Context, s *server, p *clientProcess, perSecond int, window time.Duration, user func(int) string) (time.Duration, error) {
	if _, err := p.do(command{Op: "close"}); err != nil {
		return 0, err
	}
	time.Sleep(time.Second)
	_, used, err := r.during(ctx, s, func() error { return r.changes(ctx, s, perSecond, window, user) })
	return used, err
}

// delay measures the time from a change to its watchers: 1,000 workspaces with 5 watchers each, 200 changes/s. With two
// replicas, the changes are made at one and watched at the other.
func (r *liveRun) delay(ctx context.Context, replicas int) error {
	changed, err := r.start(ctx)
	if err != nil {
		return err
	}
	defer changed.stop()
	watched := changed
	if replicas > 1 {
		if watched, err = r.startBeside(ctx, changed); err != nil {
			return err
		}
		defer watched.stop()
	}
	const workspaces, perWorkspace, perSecond, window = 1000, 5, 200, 20 * time.Second
	p, _, err := r.watch(ctx, watched, "ws", workspaces, perWorkspace)
	if err != nil {
		return err
	}
	defer p.stop()
	user := func(n int) string { return fmt.Sprintf("w%05d", n*7%workspaces+1) }
	if err := r.changes(ctx, changed, perSecond, 2*time.Second, user); err != nil { // Warm-up.
		return err
	}
	if _, err := p.do(command{Op: "reset"}); err != nil {
		return err
	}
	if err := r.changes(ctx, changed, perSecond, window, user); err != nil {
		return err
	}
	time.Sleep(time.Second)
	got, err := p.do(command{Op: "stats"})
	if err != nil {
		return err
	}
	fmt.Printf("delay, %d replica(s): %d workspaces with %d watchers, %d changes/s: %d results, p50 %.1f ms, p99 %.1f ms, longest %.1f ms\n",
		replicas, workspaces, perWorkspace, perSecond, got.Frames, quantile(got.Delays, 0.5), quantile(got.Delays, 0.99), quantile(got.Delays, 1))
	return nil
}

// storm measures how long it takes until 10,000 clients that reconnect at once have what they missed.
func (r *liveRun) storm(ctx context.Context) error {
	s, err := r.start(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	users := min(10_000, len(r.tasks))
	p, _, err := r.watch(ctx, s, "ws", users, 1)
	if err != nil {
		return err
	}
	defer p.stop()
	if _, err := p.do(command{Op: "cut"}); err != nil {
		return err
	}
	reached, err := r.missed(ctx, s, users/2)
	if err != nil {
		return err
	}
	got, err := p.do(command{Op: "resume", Parallel: 1000, Reached: reached})
	if err != nil {
		return err
	}
	fmt.Printf("storm: %d clients resumed within %.2f s; %d of them had missed a change, and have it\n", got.Open, got.Seconds, len(reached))
	return nil
}

// missed changes a task of each of the first users, and returns the versions.
func (r *liveRun) missed(ctx context.Context, s *server, users int) (map[string]int, error) {
	reached := make(map[string]int, users)
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(32)
	for u := range users {
		user := fmt.Sprintf("w%05d", u+1)
		group.Go(func() error {
			version, err := r.change(ctx, s, user, u)
			mu.Lock()
			defer mu.Unlock()
			reached[user] = version
			return err
		})
	}
	return reached, group.Wait()
}

// quantile returns a quantile of sorted microseconds, in milliseconds.
func quantile(sorted []int64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]) / 1000
}
