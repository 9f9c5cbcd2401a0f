package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"taskql/internal/testkit/bench"
	"taskql/internal/testkit/pgcluster"
)

const fields = "id title description completed completedAt priority due { date } version createdAt updatedAt"

// operation is one kind of request.
type operation struct {
	name, query string
	// variables returns the variables for a task.
	variables func(task string) map[string]any
	// poll is whether it is sent by GET, with the entity tag of the previous response.
	poll bool
}

// operations returns the operations of docs/performance.md.
func operations() []operation {
	page := func(more string) string {
		return "{ tasks(first: 20, filter: {completed: false}) { edges { cursor node { " + fields + more + " } } pageInfo { hasNextPage endCursor } } }"
	}
	none := func(string) map[string]any { return nil }
	one := func(task string) map[string]any { return map[string]any{"id": task} }
	return []operation{
		{"Q1 one task", "query($id: ID!) { task(id: $id) { " + fields + " } }", one, false},
		{"Q1, polled", "query($id: ID!) { task(id: $id) { " + fields + " } }", one, true},
		{"Q2 a page", page(""), none, false},
		{"Q3 with tags", page(" tags { id name color }"), none, false},
		{"M1 create", "mutation($i: CreateTaskInput!) { createTask(input: $i) { task { " + fields + " } userErrors { code } } }", func(string) map[string]any {
			return map[string]any{"i": map[string]any{
				"title": "Buy milk and bread for the weekend", "description": "From the corner shop, before it closes",
				"priority": "MEDIUM", "due": map[string]any{"date": "2026-12-24"},
			}}
		}, false},
	}
}

// runLoad measures what each operation costs the server and PostgreSQL.
func runLoad(ctx context.Context) error {
	workspaces, tasks, err := size(200, 250)
	if err != nil {
		return err
	}
	seconds, err := number("SECONDS_EACH", 5, 600)
	if err != nil {
		return err
	}
	connections, err := number("CONNECTIONS", 32, 1000)
	if err != nil {
		return err
	}
	db, err := startDatabase(ctx, workspaces, tasks)
	if err != nil {
		return err
	}
	defer db.stop()
	ids := db.tasks
	postmaster, err := postmasterOf(ctx, db.pool)
	if err != nil {
		return err
	}
	server, err := measureStarts(ctx, db.url, connections)
	if err != nil {
		return err
	}
	defer server.stop()
	if err := measureMemory(ctx, server, ids); err != nil {
		return err
	}
	fmt.Printf("%d workspaces of %d tasks, %d connections, %d s each; durability of PostgreSQL is off\n\n", workspaces, tasks, connections, seconds)
	fmt.Printf("%-14s %8s %9s %9s %10s %8s %8s %7s\n", "", "req/s", "median", "p99", "server µs", "PG µs", "RSS MB", "errors")
	for _, op := range operations() {
		if err := measure(ctx, op, server, postmaster, ids, time.Duration(seconds)*time.Second, connections); err != nil {
			return fmt.Errorf("%s: %w", op.name, err)
		}
	}
	return nil
}

// idleTime is how long the server is idle before its memory is measured.
const idleTime = 3 * time.Second

// measureMemory prints the server's memory when it is idle, and under 64 connections that read a page.
func measureMemory(ctx context.Context, server *server, ids []taskID) error {
	time.Sleep(idleTime)
	before, err := residentMB(server.pid())
	if err != nil {
		return err
	}
	page := operations()[2]
	targets, err := server.targets(ctx, page, ids)
	if err != nil {
		return err
	}
	if err := server.verify(ctx, targets[0]); err != nil {
		return err
	}
	const connections, duration = 64, 5 * time.Second
	if m := load(ctx, targets, duration, connections); m.Success < 1 {
		return fmt.Errorf("%s: %v", page.name, m.Errors)
	}
	after, err := residentMB(server.pid())
	if err != nil {
		return err
	}
	fmt.Printf("resident: %d MB idle, %d MB under %d connections (%s)\n\n", before, after, connections, page.name)
	return nil
}

// measureStarts starts the server several times, prints how long it took until /health answered, and returns the last
// one.
func measureStarts(ctx context.Context, database string, connections int) (*server, error) {
	const times = 9
	var took []time.Duration
	for {
		s, err := start(ctx, database, connections, nil)
		if err != nil {
			return nil, err
		}
		took = append(took, s.started)
		if len(took) > times { // The first one migrated.
			first, rest := took[0], took[1:]
			slices.Sort(rest)
			fmt.Printf("from exec to the first healthy answer: %.1f ms (median of %d, %.1f to %.1f); the first, which migrated: %.1f ms\n",
				ms(rest[times/2]), times, ms(rest[0]), ms(rest[times-1]), ms(first))
			return s, nil
		}
		s.stop()
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// measure measures one operation, after a second of warm-up, and prints a line.
func measure(ctx context.Context, op operation, server *server, postmaster int, ids []taskID, d time.Duration, connections int) error {
	targets, err := server.targets(ctx, op, ids)
	if err != nil {
		return err
	}
	if err := server.verify(ctx, targets[0]); err != nil {
		return err
	}
	load(ctx, targets, time.Second, connections)
	serverBefore, postgresBefore, err := cpu(server.pid(), postmaster)
	if err != nil {
		return err
	}
	m := load(ctx, targets, d, connections)
	serverAfter, postgresAfter, err := cpu(server.pid(), postmaster)
	if err != nil {
		return err
	}
	if m.Requests == 0 {
		return errors.New("no request was answered")
	}
	resident, err := residentMB(server.pid())
	if err != nil {
		return err
	}
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(m.Requests) }
	fmt.Printf("%-14s %8.0f %9s %9s %10.1f %8.1f %8d %7d\n", op.name, m.Rate, m.Latencies.P50.Round(10*time.Microsecond), m.Latencies.P99.Round(10*time.Microsecond),
		each(serverAfter-serverBefore), each(postgresAfter-postgresBefore), resident, int(float64(m.Requests)*(1-m.Success)+0.5))
	return nil
}

// load sends requests for d on that many connections.
func load(ctx context.Context, targets []vegeta.Target, d time.Duration, connections int) *vegeta.Metrics {
	attacker := vegeta.NewAttacker(vegeta.Workers(uint64(connections)), vegeta.MaxWorkers(uint64(connections)),
		vegeta.Connections(connections), vegeta.KeepAlive(true), vegeta.Timeout(20*time.Second), vegeta.MaxBody(0))
	stop := context.AfterFunc(ctx, func() { attacker.Stop() })
	defer stop()
	m := new(vegeta.Metrics)
	for result := range attacker.Attack(vegeta.NewStaticTargeter(targets...), vegeta.Rate{}, d, "") {
		m.Add(result)
	}
	m.Close()
	return m
}

// benchDatabase is a PostgreSQL of this program, with the benchmark's data.
type benchDatabase struct {
	cluster *pgcluster.Cluster
	url     string
	pool    *sql.DB
	tasks   []taskID // one of each workspace
}

// startDatabase starts PostgreSQL and fills it. stop must be called in the end.
func startDatabase(ctx context.Context, workspaces, tasks int) (*benchDatabase, error) {
	cluster, err := pgcluster.Start(ctx, pgcluster.Config{})
	if err != nil {
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	db := &benchDatabase{cluster: cluster, url: cluster.URL()}
	if err := db.fill(ctx, workspaces, tasks); err != nil {
		db.stop()
		return nil, err
	}
	return db, nil
}

func (d *benchDatabase) fill(ctx context.Context, workspaces, tasks int) error {
	slog.SetLogLoggerLevel(slog.LevelWarn)
	err := bench.Seed(ctx, d.url, workspaces, tasks)
	if err != nil {
		return err
	}
	if d.pool, err = sql.Open("postgres", d.url); err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	d.tasks, err = someTasks(ctx, d.pool)
	return err
}

// stop stops PostgreSQL, which ends with this process in any case.
func (d *benchDatabase) stop() {
	if d.pool != nil {
		_ = d.pool.Close()
	}
	_ = d.cluster.Stop()
}

// taskID is a task and its workspace.
type taskID struct{ workspace, task string }

func someTasks(ctx context.Context, pool *sql.DB) ([]taskID, error) {
	found, err := pool.QueryContext(ctx, "SELECT DISTINCT ON (workspace_id) workspace_id, id FROM tasks ORDER BY workspace_id, md5(id::text)")
	if err != nil {
		return nil, fmt.Errorf("looking for tasks: %w", err)
	}
	defer found.Close()
	var ids []taskID
	for found.Next() {
		var id taskID
		if err := found.Scan(&id.workspace, &id.task); err != nil {
			return nil, fmt.Errorf("reading a task: %w", err)
		}
		ids = append(ids, id)
	}
	return ids, found.Err()
}

// server is the server under load, with its auth server.
type server struct {
	command *exec.Cmd
	url     string
	secret  string
	auth    net.Listener
	debug   string // the address of profiles
	// started is how long it took from exec until /health answered.
	started time.Duration
}

// start starts the server with a configuration for production, in which the variables of more take precedence. If wrap
// is not nil, it is called with the auth server's address, and returns the address to use instead, such as a proxy's.
func start(ctx context.Context, database string, connections int, wrap func(auth string) (string, error), more ...string) (*server, error) {
	return startWith(ctx, database, connections, http.HandlerFunc(bench.GetSession), wrap, more...)
}

// startWith is start with an auth server.
func startWith(ctx context.Context, database string, connections int, authServer http.Handler, wrap func(auth string) (string, error), more ...string) (*server, error) {
	var config net.ListenConfig
	auth, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for the auth server: %w", err)
	}
	go func() { _ = http.Serve(auth, authServer) }()
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	debug, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	s := &server{secret: rand.Text() + rand.Text(), auth: auth, url: "http://" + address, debug: debug}
	authAddress := auth.Addr().String()
	if wrap != nil {
		if authAddress, err = wrap(authAddress); err != nil {
			return nil, err
		}
	}
	s.command = exec.CommandContext(context.WithoutCancel(ctx), cmp.Or(os.Getenv("SERVER"), "bin/server"))
	s.command.Env = append(os.Environ(),
		"ENVIRONMENT=production", "HOST=127.0.0.1", "PORT="+port, "DATABASE_URL="+database, "AUTH_SERVER_URL=http://"+authAddress,
		"JWT_SECRET="+s.secret, "CORS_ORIGINS=https://app.example.com", "SESSION_CACHE_TTL=5m",
		"DEBUG_ADDR="+debug, "RATE_LIMIT=1000000000", // On, but never reached: a few users send it all.
		"DB_MAX_OPEN_CONNS="+strconv.Itoa(min(connections, 16)), "DB_MAX_IDLE_CONNS="+strconv.Itoa(min(connections, 16)))
	s.command.Env = append(s.command.Env, more...)
	log, err := os.Create(cmp.Or(os.Getenv("SERVER_LOG"), os.DevNull))
	if err != nil {
		return nil, fmt.Errorf("opening the server's log: %w", err)
	}
	s.command.Stdout, s.command.Stderr = log, log
	begun := time.Now()
	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("starting the server (make build makes it; SERVER names another): %w", err)
	}
	const timeout = 10 * time.Second
	for time.Since(begun) < timeout {
		if request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/health", nil); err == nil {
			if answer, err := http.DefaultClient.Do(request); err == nil {
				_ = answer.Body.Close()
				if answer.StatusCode == http.StatusOK {
					s.started = time.Since(begun)
					return s, nil
				}
			}
		}
		time.Sleep(500 * time.Microsecond)
	}
	s.stop()
	return nil, errors.New("the server does not answer; SERVER_LOG names a file for what it says")
}

func (s *server) pid() int { return s.command.Process.Pid }

func (s *server) stop() { _ = s.end() }

// end stops the server with SIGTERM, as a platform does, and returns its exit error.
func (s *server) end() error {
	defer s.auth.Close()
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("ending the server: %w", err)
	}
	return s.command.Wait()
}

// freeAddress returns an address of 127.0.0.1 with a free port.
func freeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

// targets returns the requests of an operation, one for each workspace.
func (s *server) targets(ctx context.Context, op operation, ids []taskID) ([]vegeta.Target, error) {
	targets := make([]vegeta.Target, 0, len(ids))
	for _, id := range ids {
		variables, err := json.Marshal(op.variables(id.task))
		if err != nil {
			return nil, fmt.Errorf("writing a request: %w", err)
		}
		target := vegeta.Target{Method: http.MethodPost, URL: s.url + "/graphql", Header: http.Header{
			"Accept": {"application/graphql-response+json"}, "Cookie": {bench.Cookie(id.workspace, s.secret)},
		}}
		if op.poll {
			target.Method, target.URL = http.MethodGet, target.URL+"?"+url.Values{"query": {op.query}, "variables": {string(variables)}}.Encode()
			answer, err := s.send(ctx, target)
			if err != nil {
				return nil, err
			}
			_ = answer.Body.Close()
			target.Header.Set("If-None-Match", answer.Header.Get("ETag"))
		} else {
			target.Header.Set("Content-Type", "application/json")
			target.Body, err = json.Marshal(map[string]any{"query": op.query, "variables": json.RawMessage(variables)})
			if err != nil {
				return nil, fmt.Errorf("writing a request: %w", err)
			}
		}
		targets = append(targets, target)
	}
	return targets, nil
}

func (s *server) send(ctx context.Context, target vegeta.Target) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, target.Method, target.URL, bytes.NewReader(target.Body))
	if err != nil {
		return nil, err
	}
	request.Header = target.Header
	return http.DefaultClient.Do(request)
}

// verify sends a request and checks the response, because a load of errors would be fast.
func (s *server) verify(ctx context.Context, target vegeta.Target) error {
	answer, err := s.send(ctx, target)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if target.Header.Get("If-None-Match") != "" {
		if answer.StatusCode != http.StatusNotModified {
			return fmt.Errorf("answered %d, want 304", answer.StatusCode)
		}
		return nil
	}
	var body struct {
		Data   map[string]any
		Errors []any
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK || len(body.Errors) > 0 || len(body.Data) == 0 {
		return fmt.Errorf("answered %d: %v", answer.StatusCode, body.Errors)
	}
	for name, value := range body.Data {
		if value == nil {
			return fmt.Errorf("%s is null", name)
		}
	}
	return nil
}
