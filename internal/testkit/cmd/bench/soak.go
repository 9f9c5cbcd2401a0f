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
	soakTasks   = 250 // of each client's workspace at the start
	// soakVisitors is how many users come now and then: so few that all have come in the first quarter of 20 minutes, after
	// which the caches hold no more, and so many that nobody is remembered who comes again.
	soakVisitors = 1200
	// comeback is how long after a fault a client may still be told SERVICE_UNAVAILABLE.
	comeback = 5 * time.Second
	// unavailable is the only code that a fault may lead to.
	unavailable = "SERVICE_UNAVAILABLE"
)

// soak is a run: what is under load, and what its clients saw.
type soak struct {
	server          *server
	database, auth  *toxic.Proxy
	direct          *sql.DB // past the proxy
	postmaster      int
	debug           string
	from, until     time.Time
	versions        map[string]int // of the clients' workspaces, before
	mu              sync.Mutex
	minute, all     seen
	faults          []*fault
	wrong           []string // what should not have been; the first of them
	wrongs          int
	samples         []sample
	written         map[string]map[string]bool // title → by whom: done (true) or unsure (false)
	completed       map[string]bool            // task → the bulk change was answered as done, or unsure
	changes, unsure map[string]int             // by workspace
	users           int                        // the last visitor
	unmodified      int                        // polls that were answered with 304
}

// seen is what clients saw.
type seen struct {
	codes map[string]int
	took  []time.Duration
}

// fault is one of the schedule. Until is zero as long as it lasts.
type fault struct {
	name        string
	from, until time.Time
	refused     int           // requests that it failed
	back        time.Duration // from its end to the end of the last request that it failed
}

// runSoak puts mixed load and faults on the server, and says what leaks, is lost or doubled, or errs.
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
	fmt.Printf("%d clients for %d min, PostgreSQL and the auth server behind proxies\n", soakClients, minutes)
	if err := s.run(ctx); err != nil {
		return errors.Join(err, s.server.end())
	}
	if err := s.server.end(); err != nil {
		s.complain("the server ended with %v", err)
	}
	return s.verdict(ctx)
}

// start starts the server with a proxy before each of what it asks.
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
	// Sessions are asked for often, as where there are many users.
	s.server, err = start(ctx, strings.Replace(cluster.URL(), upstream, s.database.Listen, 1), 10, behind,
		"DEBUG_ADDR="+s.debug, "SESSION_CACHE_TTL=5s", "SESSION_STALE_TTL=1m")
	return err
}

// run is the load, the faults and the figures, until the time is over.
func (s *soak) run(ctx context.Context) error {
	ctx, stop := context.WithDeadline(ctx, s.until)
	defer stop()
	var all sync.WaitGroup
	failures := make([]error, soakClients+2)
	for c := range soakClients {
		all.Go(func() { failures[c] = s.client(ctx, c) })
	}
	all.Go(func() { failures[soakClients] = s.breakThings(ctx) })
	all.Go(func() { failures[soakClients+1] = s.watch(ctx) })
	all.Wait()
	err := errors.Join(failures...)
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = errors.Join(err, ctx.Err())
	}
	return err
}

// pause waits, and says whether there is time left.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// breakThings is the schedule of faults: one a minute, in a short run more often.
func (s *soak) breakThings(ctx context.Context) error {
	const longest = 20 * time.Second // a fault and what comes after it
	every := min(max(s.until.Sub(s.from)/8, longest), time.Minute)
	kinds := []struct {
		name   string
		breaks func(context.Context) error
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
			mend, err := s.database.Add("latency", "downstream", `{"latency":300,"jitter":100}`)
			if err != nil {
				return err
			}
			pause(ctx, 10*time.Second)
			return mend(context.WithoutCancel(ctx))
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
		if err := kind.breaks(ctx); err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		s.mu.Lock()
		f.until = time.Now()
		s.mu.Unlock()
	}
	return nil
}

// refuse refuses connections for a while.
func refuse(ctx context.Context, p *toxic.Proxy, d time.Duration) error {
	p.Stop()
	pause(ctx, d)
	return p.Start()
}

// note takes down what a client was told.
func (s *soak) note(what, code string, began, ended time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, to := range []*seen{&s.minute, &s.all} {
		if to.codes == nil {
			to.codes = map[string]int{}
		}
		to.codes[code]++
	}
	s.minute.took = append(s.minute.took, ended.Sub(began))
	if code == "ok" {
		return
	}
	if f := s.faultOf(began, ended); f == nil || code != unavailable {
		s.complainLocked("%s: %s, %s after the start", what, code, began.Sub(s.from).Round(time.Millisecond))
	} else {
		f.refused++
		if !f.until.IsZero() {
			f.back = max(f.back, ended.Sub(f.until))
		}
	}
}

// inFault says whether a request of that time may have failed for a fault.
func (s *soak) inFault(began, ended time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faultOf(began, ended) != nil
}

// faultOf is the fault that a request of that time may have failed for.
func (s *soak) faultOf(began, ended time.Time) *fault {
	for _, f := range slices.Backward(s.faults) {
		if !ended.Before(f.from) && (f.until.IsZero() || began.Before(f.until.Add(comeback))) {
			return f
		}
	}
	return nil
}

// complain notes what should not be.
func (s *soak) complain(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.complainLocked(format, args...)
}

func (s *soak) complainLocked(format string, args ...any) {
	const enough = 20
	if s.wrongs++; s.wrongs <= enough {
		s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
	}
}

// verdict compares and judges. Its error is that of a soak that failed.
func (s *soak) verdict(ctx context.Context) error {
	fmt.Printf("\nin all: %s\n", codes(s.all.codes))
	for _, f := range s.faults {
		back := "nothing failed"
		if f.refused > 0 {
			back = fmt.Sprintf("%d × 503, the last %s after its end", f.refused, max(f.back, 0).Round(10*time.Millisecond))
		}
		fmt.Printf("%5s  %s: %s\n", f.from.Sub(s.from).Round(time.Second), f.name, back)
		if f.refused == 0 && !strings.Contains(f.name, "slow") {
			s.complain("%s: nothing failed, so it was no fault", f.name)
		}
	}
	if err := s.compare(ctx); err != nil {
		return err
	}
	s.compareSamples()
	if s.wrongs > 0 {
		return fmt.Errorf("the soak failed, %d times:\n  %s", s.wrongs, strings.Join(s.wrong, "\n  "))
	}
	fmt.Println("the soak went well")
	return nil
}

// codes writes how often each came.
func codes(counts map[string]int) string {
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[code], code))
	}
	return strings.Join(parts, ", ")
}

// compare compares what was answered as done with PostgreSQL's rows.
func (s *soak) compare(ctx context.Context) error {
	// What was cut off may still be under way in PostgreSQL.
	if !pause(ctx, time.Second) {
		return ctx.Err()
	}
	held := map[string]int{}
	err := s.each(ctx, "SELECT workspace_id || ' ' || title, count(*) FROM tasks WHERE title LIKE 'soak %' GROUP BY 1", func(title string, n int) { held[title] = n })
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
			if sure && held[name] == 0 {
				lost++
				s.complain("%s was answered as made, and is not there", name)
			}
			if held[name] > 1 {
				doubled++
				s.complain("%s is there %d times", name, held[name])
			}
			delete(held, name)
		}
	}
	for name := range held {
		s.complain("%s was never sent", name)
	}
	open := map[string]bool{}
	if err := s.each(ctx, "SELECT id, 1 FROM tasks WHERE completed_at IS NULL", func(id string, _ int) { open[id] = true }); err != nil {
		return err
	}
	for id, sure := range s.completed {
		if sure && open[id] {
			lost++
			s.complain("task %s was answered as completed, and is open", id)
		}
	}
	versions, err := s.workspaceVersions(ctx)
	if err != nil {
		return err
	}
	changes := 0
	for user, before := range s.versions {
		changed := versions[user] - before
		changes += changed
		if least := s.changes[user]; changed < least || changed > least+s.unsure[user] {
			s.complain("%s: %d changes were answered as done and %d are unsure, but its version grew by %d", user, least, s.unsure[user], changed)
		}
	}
	fmt.Printf("writes: %d new tasks answered as done, %d unsure; %d tasks completed in bulk; %d changes by the workspaces' versions; %d lost, %d doubled\n",
		done, unsure, len(s.completed), changes, lost, doubled)
	fmt.Printf("polls answered with 304: %d\n", s.unmodified)
	if done == 0 || len(s.completed) == 0 || s.unmodified == 0 {
		s.complain("not all of the load was there")
	}
	return nil
}

// each runs a query of names and numbers.
func (s *soak) each(ctx context.Context, query string, take func(string, int)) error {
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
		take(name, n)
	}
	return rows.Err()
}

// workspaceVersions are those of the clients' workspaces.
func (s *soak) workspaceVersions(ctx context.Context) (map[string]int, error) {
	versions := map[string]int{}
	err := s.each(ctx, "SELECT id, version FROM workspaces WHERE id LIKE 'w%'", func(id string, v int) { versions[id] = v })
	return versions, err
}
