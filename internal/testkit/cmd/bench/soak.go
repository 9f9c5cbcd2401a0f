package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"taskql/internal/testkit/bench"
	"taskql/internal/testkit/pgcluster"
	"taskql/internal/testkit/toxic"
)

const (
	soakClients = 8
	soakTasks   = 250 // in each client's workspace at the start
	// soakVisitors is the number of users who send a request now and then. They are few enough that all have come in
	// the first quarter of 20 minutes, so that the caches no longer grow after it, and so many that the cached session
	// of one who comes again has expired.
	soakVisitors = 1200
	// recoveryTime is how long after a fault a client may still get SERVICE_UNAVAILABLE.
	recoveryTime = 5 * time.Second
	// unavailable is the only error code that a fault may cause.
	unavailable = "SERVICE_UNAVAILABLE"
)

// soak is one run: the servers under load, and the responses that the clients got.
type soak struct {
	server          *server
	database, auth  *toxic.Proxy
	direct          *sql.DB // without the proxy
	postmaster      int
	debug           string
	from, until     time.Time
	versions        map[string]int // of the clients' workspaces, at the start
	mu              sync.Mutex
	minute, all     responses
	faults          []*fault
	failures        []string // the first of them
	failureCount    int
	samples         []sample
	written         map[string]map[string]bool // user → title → whether it was answered as done; otherwise it is unsure
	completed       map[string]bool            // task → whether its completion was answered as done; otherwise it is unsure
	changes, unsure map[string]int             // by workspace
	users           int                        // the last visitor
	unmodified      int                        // polls that were answered with 304
}

// responses counts the responses that clients got.
type responses struct {
	codes     map[string]int
	durations []time.Duration
}

// fault is an injected fault. until is zero while it lasts.
type fault struct {
	name        string
	from, until time.Time
	failed      int           // the requests that failed because of it
	recovery    time.Duration // from its end to the end of the last failed request
}

// runSoak runs the server with mixed load and injected faults. It returns an error if the server leaks, loses or
// duplicates a change, or answers with an unexpected error.
func runSoak(ctx context.Context) error {
	minutes, err := number("SOAK_MINUTES", 20, 24*60)
	if err != nil {
		return err
	}
	slog.SetLogLoggerLevel(slog.LevelWarn)
	cluster, err := pgcluster.Start(ctx, pgcluster.Config{})
	if err != nil {
		return fmt.Errorf("starting PostgreSQL: %w", err)
	}
	defer func() { _ = cluster.Stop() }() // It ends with this process in any case.
	if err := bench.Seed(ctx, cluster.URL(), soakClients, soakTasks); err != nil {
		return err
	}
	s := &soak{written: map[string]map[string]bool{}, completed: map[string]bool{}, changes: map[string]int{}, unsure: map[string]int{}}
	if err := s.start(ctx, cluster); err != nil {
		return err
	}
	defer s.direct.Close()
	defer s.database.Stop()
	defer s.auth.Stop()
	if s.versions, err = s.workspaceVersions(ctx); err != nil {
		return errors.Join(err, s.server.end())
	}
	s.from = time.Now()
	s.until = s.from.Add(time.Duration(minutes) * time.Minute)
	fmt.Printf("%d clients and %d streams for %d min, PostgreSQL and the auth server behind proxies\n", soakClients, soakStreams, minutes)
	if err := s.run(ctx); err != nil {
		return errors.Join(err, s.server.end())
	}
	if err := s.server.end(); err != nil {
		s.fail("the server ended with %v", err)
	}
	return s.result(ctx)
}

// start starts the server, with proxies in front of PostgreSQL and the auth server.
func (s *soak) start(ctx context.Context, cluster *pgcluster.Cluster) error {
	var err error
	upstream := net.JoinHostPort("127.0.0.1", strconv.Itoa(cluster.Port()))
	if s.database, err = toxic.Start(upstream); err != nil {
		return err
	}
	if s.direct, err = sql.Open("postgres", cluster.URL()); err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	if s.postmaster, err = postmasterOf(ctx, s.direct); err != nil {
		return err
	}
	if s.debug, err = freeAddress(ctx); err != nil {
		return err
	}
	behind := func(auth string) (string, error) {
		if s.auth, err = toxic.Start(auth); err != nil {
			return "", err
		}
		return s.auth.Listen, nil
	}
	// With a short TTL, the auth server is asked as often as with many users.
	s.server, err = start(ctx, strings.Replace(cluster.URL(), upstream, s.database.Listen, 1), 10, behind,
		"DEBUG_ADDR="+s.debug, "SESSION_CACHE_TTL=5s", "SESSION_STALE_TTL=1m")
	return err
}

// run sends requests, injects faults and takes samples until the time is over.
func (s *soak) run(ctx context.Context) error {
	ctx, stop := context.WithDeadline(ctx, s.until)
	defer stop()
	var all sync.WaitGroup
	watchers := newSoakWatchers(s)
	for n := range soakStreams {
		all.Go(func() { watchers.watch(ctx, n) })
	}
	failures := make([]error, soakClients+2)
	for c := range soakClients {
		all.Go(func() { failures[c] = s.client(ctx, c) })
	}
	all.Go(func() { failures[soakClients] = s.injectFaults(ctx) })
	all.Go(func() { failures[soakClients+1] = s.watch(ctx) })
	all.Wait()
	err := errors.Join(failures...)
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errors.Join(err, ctx.Err())
	}
	return errors.Join(err, watchers.finish(context.WithoutCancel(ctx)))
}

// pause waits for d, and reports whether ctx has not ended before.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// injectFaults injects a fault each minute, or more often in a short run.
func (s *soak) injectFaults(ctx context.Context) error {
	const longest = 20 * time.Second // A fault and the recovery from it.
	every := min(max(s.until.Sub(s.from)/8, longest), time.Minute)
	kinds := []struct {
		name   string
		inject func(context.Context) error
	}{
		{"connections cut every 200 ms for 5 s", func(ctx context.Context) error {
			for end := time.Now().Add(5 * time.Second); time.Now().Before(end) && pause(ctx, 200*time.Millisecond); {
				s.database.Stop()
				if err := s.database.Start(); err != nil {
					return err
				}
			}
			return nil
		}},
		{"database slow for 10 s", func(ctx context.Context) error {
			remove, err := s.database.Add("latency", "downstream", `{"latency":300,"jitter":100}`)
			if err != nil {
				return err
			}
			pause(ctx, 10*time.Second)
			return remove(context.WithoutCancel(ctx))
		}},
		{"database refused for 5 s", func(ctx context.Context) error { return refuse(ctx, s.database, 5*time.Second) }},
		{"auth server down for 8 s", func(ctx context.Context) error { return refuse(ctx, s.auth, 8*time.Second) }},
	}
	for n, next := 0, s.from.Add(every/2); next.Add(longest).Before(s.until); n, next = n+1, next.Add(every) {
		if !pause(ctx, time.Until(next)) {
			break
		}
		kind := kinds[n%len(kinds)]
		f := &fault{name: kind.name, from: time.Now()}
		s.mu.Lock()
		s.faults = append(s.faults, f)
		s.mu.Unlock()
		if err := kind.inject(ctx); err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		s.mu.Lock()
		f.until = time.Now()
		s.mu.Unlock()
	}
	return nil
}

// refuse makes the proxy refuse connections for d.
func refuse(ctx context.Context, p *toxic.Proxy, d time.Duration) error {
	p.Stop()
	pause(ctx, d)
	return p.Start()
}

// record records the result of a request.
func (s *soak) record(what, code string, began, ended time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, to := range []*responses{&s.minute, &s.all} {
		if to.codes == nil {
			to.codes = map[string]int{}
		}
		to.codes[code]++
	}
	s.minute.durations = append(s.minute.durations, ended.Sub(began))
	if code == "ok" {
		return
	}
	if f := s.faultOf(began, ended); f == nil || code != unavailable {
		s.failLocked("%s: %s, %s after the start", what, code, began.Sub(s.from).Round(time.Millisecond))
	} else {
		f.failed++
		if !f.until.IsZero() {
			f.recovery = max(f.recovery, ended.Sub(f.until))
		}
	}
}

// inFault reports whether a request of that time may have failed because of a fault.
func (s *soak) inFault(began, ended time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faultOf(began, ended) != nil
}

// faultOf returns the fault because of which a request of that time may have failed, or nil.
func (s *soak) faultOf(began, ended time.Time) *fault {
	for _, f := range slices.Backward(s.faults) {
		if !ended.Before(f.from) && (f.until.IsZero() || began.Before(f.until.Add(recoveryTime))) {
			return f
		}
	}
	return nil
}

// fail records a failure of the soak.
func (s *soak) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failLocked(format, args...)
}

func (s *soak) failLocked(format string, args ...any) {
	const limit = 20
	if s.failureCount++; s.failureCount <= limit {
		s.failures = append(s.failures, fmt.Sprintf(format, args...))
	}
}

// result prints the results and compares them with the database. It returns an error if the soak failed.
func (s *soak) result(ctx context.Context) error {
	fmt.Printf("\nin all: %s\n", codes(s.all.codes))
	for _, f := range s.faults {
		outcome := "nothing failed"
		if f.failed > 0 {
			outcome = fmt.Sprintf("%d × 503, the last %s after its end", f.failed, max(f.recovery, 0).Round(10*time.Millisecond))
		}
		fmt.Printf("%5s  %s: %s\n", f.from.Sub(s.from).Round(time.Second), f.name, outcome)
		if f.failed == 0 && !strings.Contains(f.name, "slow") {
			s.fail("%s: nothing failed, so it was no fault", f.name)
		}
	}
	if err := s.compare(ctx); err != nil {
		return err
	}
	s.compareSamples()
	if s.failureCount > 0 {
		return fmt.Errorf("the soak failed, %d times:\n  %s", s.failureCount, strings.Join(s.failures, "\n  "))
	}
	fmt.Println("the soak went well")
	return nil
}

// codes formats the number of responses with each code.
func codes(counts map[string]int) string {
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[code], code))
	}
	return strings.Join(parts, ", ")
}

// compare compares what was answered as done with the rows in PostgreSQL.
func (s *soak) compare(ctx context.Context) error {
	// A change whose connection was cut may still be in progress in PostgreSQL.
	if !pause(ctx, time.Second) {
		return ctx.Err()
	}
	if err := s.compareTasks(ctx); err != nil {
		return err
	}
	if err := s.compareCompleted(ctx); err != nil {
		return err
	}
	if err := s.compareVersions(ctx); err != nil {
		return err
	}
	fmt.Printf("polls answered with 304: %d\n", s.unmodified)
	if len(s.completed) == 0 || s.unmodified == 0 {
		s.fail("not all of the load was there")
	}
	return nil
}

// compareTasks checks that each task that was answered as created exists once.
func (s *soak) compareTasks(ctx context.Context) error {
	stored := map[string]int{}
	err := s.each(ctx, "SELECT workspace_id || ' ' || title, count(*) FROM tasks WHERE title LIKE 'soak %' GROUP BY 1", func(title string, n int) { stored[title] = n })
	if err != nil {
		return err
	}
	lost, doubled, done, unsure := 0, 0, 0, 0
	for user, titles := range s.written {
		for title, sure := range titles {
			name := user + " " + title
			if sure {
				done++
			} else {
				unsure++
			}
			if sure && stored[name] == 0 {
				lost++
				s.fail("%s was answered as made, and is not there", name)
			}
			if stored[name] > 1 {
				doubled++
				s.fail("%s is there %d times", name, stored[name])
			}
			delete(stored, name)
		}
	}
	for name := range stored {
		s.fail("%s was never sent", name)
	}
	if done == 0 {
		s.fail("no task was created")
	}
	fmt.Printf("new tasks: %d answered as done, %d unsure; %d lost, %d doubled\n", done, unsure, lost, doubled)
	return nil
}

// compareCompleted checks that each task that was answered as completed is.
func (s *soak) compareCompleted(ctx context.Context) error {
	open := map[string]bool{}
	if err := s.each(ctx, "SELECT id, 1 FROM tasks WHERE completed_at IS NULL", func(id string, _ int) { open[id] = true }); err != nil {
		return err
	}
	lost := 0
	for id, sure := range s.completed {
		if sure && open[id] {
			lost++
			s.fail("task %s was answered as completed, and is open", id)
		}
	}
	fmt.Printf("tasks completed in bulk: %d; %d lost\n", len(s.completed), lost)
	return nil
}

// compareVersions checks that the workspaces' versions have grown by the number of changes.
func (s *soak) compareVersions(ctx context.Context) error {
	versions, err := s.workspaceVersions(ctx)
	if err != nil {
		return err
	}
	changes := 0
	for user, before := range s.versions {
		changed := versions[user] - before
		changes += changed
		if least := s.changes[user]; changed < least || changed > least+s.unsure[user] {
			s.fail("%s: %d changes were answered as done and %d are unsure, but its version grew by %d", user, least, s.unsure[user], changed)
		}
	}
	fmt.Printf("changes by the workspaces' versions: %d\n", changes)
	return nil
}

// each calls fn for each row of a query that returns names and numbers.
func (s *soak) each(ctx context.Context, query string, fn func(string, int)) error {
	rows, err := s.direct.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("comparing: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var n int
		if err := rows.Scan(&name, &n); err != nil {
			return fmt.Errorf("comparing: %w", err)
		}
		fn(name, n)
	}
	return rows.Err()
}

// workspaceVersions returns the versions of the clients' workspaces.
func (s *soak) workspaceVersions(ctx context.Context) (map[string]int, error) {
	versions := map[string]int{}
	err := s.each(ctx, "SELECT id, version FROM workspaces WHERE id LIKE 'w%'", func(id string, v int) { versions[id] = v })
	return versions, err
}
