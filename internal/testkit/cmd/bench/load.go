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
	"os"
	"os/exec"
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
	// variables are those for the workspace's task of that id.
	variables func(task string) map[string]any
}

// operations are those of the yardsticks.
func operations() []operation {
	page := func(more string) string {
		return "{ tasks(first: 20, filter: {completed: false}) { edges { cursor node { " + fields + more + " } } pageInfo { hasNextPage endCursor } } }"
	}
	none := func(string) map[string]any { return nil }
	return []operation{
		{"Q1 one task", "query($id: ID!) { task(id: $id) { " + fields + " } }", func(task string) map[string]any { return map[string]any{"id": task} }},
		{"Q2 a page", page(""), none},
		{"Q3 with tags", page(" tags { id name color }"), none},
		{"M1 create", "mutation($i: CreateTaskInput!) { createTask(input: $i) { task { " + fields + " } userErrors { code } } }", func(string) map[string]any {
			return map[string]any{"i": map[string]any{
				"title": "Buy milk and bread for the weekend", "description": "From the corner shop, before it closes",
				"priority": "MEDIUM", "due": map[string]any{"date": "2026-12-24"},
			}}
		}},
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
	cluster, err := pgcluster.Start(ctx, pgcluster.Config{})
	if err != nil {
		return fmt.Errorf("starting PostgreSQL: %w", err)
	}
	defer func() { _ = cluster.Stop() }() // It ends with this process in any case.
	slog.SetLogLoggerLevel(slog.LevelWarn)
	if err := bench.Seed(ctx, cluster.URL(), workspaces, tasks); err != nil {
		return err
	}
	pool, err := sql.Open("postgres", cluster.URL())
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	defer pool.Close()
	ids, err := someTasks(ctx, pool)
	if err != nil {
		return err
	}
	postmaster, err := postmasterOf(ctx, pool)
	if err != nil {
		return err
	}
	server, err := start(ctx, cluster.URL(), connections)
	if err != nil {
		return err
	}
	defer server.stop()
	fmt.Printf("%d workspaces of %d tasks, %d connections, %d s each; durability of PostgreSQL is off\n\n", workspaces, tasks, connections, seconds)
	fmt.Printf("%-14s %8s %9s %9s %10s %8s %8s %7s\n", "", "req/s", "median", "p99", "server µs", "PG µs", "RSS MB", "errors")
	for _, op := range operations() {
		if err := measure(ctx, op, server, postmaster, ids, time.Duration(seconds)*time.Second, connections); err != nil {
			return fmt.Errorf("%s: %w", op.name, err)
		}
	}
	return nil
}

// measure runs one operation, after a second to warm up, and prints a line.
func measure(ctx context.Context, op operation, server *server, postmaster int, ids []taskID, d time.Duration, connections int) error {
	targets, err := server.targets(op, ids)
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

// load keeps so many connections busy.
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

// taskID is a task and whose it is.
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

// server is the server under load, with the auth server that it asks.
type server struct {
	command *exec.Cmd
	url     string
	secret  string
	auth    net.Listener
}

// start runs the server as in production.
func start(ctx context.Context, database string, connections int) (*server, error) {
	var config net.ListenConfig
	auth, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for the auth server: %w", err)
	}
	go func() { _ = http.Serve(auth, http.HandlerFunc(bench.GetSession)) }()
	listener, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("looking for a port: %w", err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	_ = listener.Close()
	s := &server{secret: rand.Text() + rand.Text(), auth: auth, url: "http://127.0.0.1:" + port}
	s.command = exec.CommandContext(context.WithoutCancel(ctx), cmp.Or(os.Getenv("SERVER"), "bin/server"))
	s.command.Env = append(os.Environ(),
		"ENVIRONMENT=production", "HOST=127.0.0.1", "PORT="+port, "DATABASE_URL="+database, "AUTH_SERVER_URL=http://"+auth.Addr().String(),
		"JWT_SECRET="+s.secret, "CORS_ORIGINS=https://app.example.com", "SESSION_CACHE_TTL=5m",
		"RATE_LIMIT=1000000000", // On, but never reached: a few users send it all.
		"DB_MAX_OPEN_CONNS="+strconv.Itoa(min(connections, 16)), "DB_MAX_IDLE_CONNS="+strconv.Itoa(min(connections, 16)))
	log, err := os.Create(cmp.Or(os.Getenv("SERVER_LOG"), os.DevNull))
	if err != nil {
		return nil, fmt.Errorf("opening the server's log: %w", err)
	}
	s.command.Stdout, s.command.Stderr = log, log
	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("starting the server (make build makes it; SERVER names another): %w", err)
	}
	for range 200 {
		if request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/health", nil); err == nil {
			if answer, err := http.DefaultClient.Do(request); err == nil {
				_ = answer.Body.Close()
				return s, nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.stop()
	return nil, errors.New("the server does not answer; SERVER_LOG names a file for what it says")
}

func (s *server) pid() int { return s.command.Process.Pid }

func (s *server) stop() {
	_ = s.command.Process.Signal(syscall.SIGTERM)
	_ = s.command.Wait()
	_ = s.auth.Close()
}

// targets are the requests of an operation, one a workspace.
func (s *server) targets(op operation, ids []taskID) ([]vegeta.Target, error) {
	targets := make([]vegeta.Target, 0, len(ids))
	for _, id := range ids {
		body, err := json.Marshal(map[string]any{"query": op.query, "variables": op.variables(id.task)})
		if err != nil {
			return nil, fmt.Errorf("writing a request: %w", err)
		}
		targets = append(targets, vegeta.Target{Method: http.MethodPost, URL: s.url + "/graphql", Body: body, Header: http.Header{
			"Content-Type": {"application/json"}, "Accept": {"application/graphql-response+json"}, "Cookie": {bench.Cookie(id.workspace, s.secret)},
		}})
	}
	return targets, nil
}

// verify runs a request and looks into the answer: a load of errors would be fast.
func (s *server) verify(ctx context.Context, target vegeta.Target) error {
	request, err := http.NewRequestWithContext(ctx, target.Method, target.URL, bytes.NewReader(target.Body))
	if err != nil {
		return err
	}
	request.Header = target.Header
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
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
