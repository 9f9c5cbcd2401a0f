package model_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taskql/internal/config"
	"taskql/internal/database"
	"taskql/internal/server"
	"taskql/internal/testkit"
	"taskql/internal/testkit/bench"
	"taskql/internal/testkit/stores"
	"taskql/internal/workspace"
)

const secret = "a secret of more than thirty-two characters"

// environment is a database with two servers. Many runs share it.
type environment struct {
	t        *testing.T
	name     string
	config   config.Config
	program  *stores.Process
	replicas [2]*replica
	// cleaned counts the clean-ups.
	cleaned atomic.Int64
	// They are locked while a server is replaced, and while tombstones are removed.
	restarting, cleaning sync.Mutex
	running              sync.WaitGroup

	linksMu sync.Mutex
	// links are not used by a run now.
	links []*link

	stop context.Context //nolint:containedctx // Its end stops the servers.
}

// authServer is an auth server with an organization for every user: that of the user a1 is called a1, and has the member a1b, too.
func authServer(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.URL.Path, "/organization/") {
		bench.GetSession(w, r)
		return
	}
	asked := r.Clone(r.Context())
	asked.URL.Path = "/api/auth/get-session"
	response := httptest.NewRecorder()
	bench.GetSession(response, asked)
	var session struct{ User struct{ ID string } }
	if err := json.Unmarshal(response.Body.Bytes(), &session); err != nil || session.User.ID == "" {
		http.Error(w, "{}", http.StatusUnauthorized)
		return
	}
	organization, isMember := strings.CutSuffix(session.User.ID, "b")
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/list"):
		_ = json.NewEncoder(w).Encode([]map[string]string{{"id": organization, "name": organization, "slug": organization}})
	case r.URL.Query().Get("organizationId") != organization:
		http.Error(w, `{"code":"YOU_ARE_NOT_A_MEMBER_OF_THIS_ORGANIZATION"}`, http.StatusForbidden)
	case isMember:
		_, _ = w.Write([]byte(`{"role":"member"}`))
	default:
		_, _ = w.Write([]byte(`{"role":"owner"}`))
	}
}

// replica is a server, which is replaced by another when it restarts.
type replica struct {
	db *database.DB
	// off is how far its clock is from the right time.
	off atomic.Int64

	mu      sync.Mutex
	handler http.Handler
	listens net.Addr
	end     context.CancelFunc
}

func (r *replica) now() time.Time { return time.Now().Round(0).Add(time.Duration(r.off.Load())) }

func (r *replica) address() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.listens.String()
}

// newEnvironment starts two servers on the database. Without hints, they find each other's changes by looking.
func newEnvironment(t *testing.T, name, address string, hints bool, program *stores.Process) *environment {
	t.Helper()
	auth := httptest.NewServer(http.HandlerFunc(authServer))
	t.Cleanup(auth.Close)
	cfg, err := config.Load(map[string]string{
		"AUTH_SERVER_URL": auth.URL, "JWT_SECRET": secret, "DATABASE_URL": address, "SESSION_CACHE_TTL": "10m", "ENVIRONMENT": "test",
		"RATE_LIMIT": "1000000000",
	})
	if err != nil {
		t.Fatal(err)
	}
	testkit.OpenDatabase(t, address) // It migrates.
	e := &environment{t: t, name: name, config: cfg, program: program}
	var cancel context.CancelFunc
	e.stop, cancel = context.WithCancel(context.Background())
	c := database.Config{URL: address, DirectURL: testkit.DirectURL(t, address), MaxOpenConns: 10, Log: slog.New(slog.DiscardHandler)}
	if !hints && !strings.HasPrefix(address, "sqlite:") {
		c.DirectURL = "postgres://nobody@127.0.0.1:1/nowhere?sslmode=disable"
	}
	for i := range e.replicas {
		db, err := database.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		e.replicas[i] = &replica{db: db}
		e.start(e.replicas[i])
	}
	t.Cleanup(func() {
		cancel()
		e.running.Wait()
		for _, l := range e.links {
			_ = l.listener.Close()
		}
	})
	return e
}

// start starts a server, and ends the one that it replaces.
func (e *environment) start(r *replica) {
	e.restarting.Lock()
	defer e.restarting.Unlock()
	s, err := server.New(e.stop, server.Config{Config: e.config, DB: r.db, Now: r.now, Log: e.log()})
	if err != nil {
		e.t.Error(err)
		return
	}
	listener := listen(e.t)
	ctx, cancel := context.WithCancel(e.stop)
	r.mu.Lock()
	old := r.end
	r.handler, r.listens, r.end = s.Handler(), listener.Addr(), cancel
	r.mu.Unlock()
	e.running.Go(func() {
		if err := s.Serve(ctx, listener); err != nil && e.stop.Err() == nil {
			e.t.Errorf("%s: a server ended: %v", e.name, err)
		}
	})
	if old != nil {
		old()
	}
}

// log returns a log that shows why an answer was INTERNAL.
func (e *environment) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(e.t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
}

// ask sends an operation of a user to a server. The error is a request error.
func (r *replica) ask(user, document string, variables map[string]any, into any) error {
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		return err
	}
	request := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/graphql", io.NopCloser(bytes.NewReader(body)))
	request.Header.Set("Accept", "application/graphql-response+json")
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Cookie", bench.Cookie(user, secret))
	r.mu.Lock()
	handler := r.handler
	r.mu.Unlock()
	response := httptest.NewRecorder()
	handler.ServeHTTP(response, request)
	var answer struct {
		Data   json.RawMessage
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
	}
	if err := json.Unmarshal(response.Body.Bytes(), &answer); err != nil {
		return fmt.Errorf("%d %.300s: %w", response.Code, response.Body, err)
	}
	if len(answer.Errors) > 0 {
		if code := answer.Errors[0].Extensions.Code; isTemporary(code) {
			return errTemporary
		}
		return fmt.Errorf("%s of %s: %s (%s)", document, user, answer.Errors[0].Message, answer.Errors[0].Extensions.Code)
	}
	return json.Unmarshal(answer.Data, into)
}

// link returns a link to a server, one that another run had if there is any: Node remembers every address for ever. It may have
// connected once more before it dropped that run's device, and would use the connection, which leads to that device's server.
func (e *environment) link(target *replica) (*link, error) {
	e.linksMu.Lock()
	defer e.linksMu.Unlock()
	last := len(e.links) - 1
	if last < 0 {
		return newLink(target)
	}
	l := e.links[last]
	e.links = e.links[:last]
	l.set(func(l *link) {
		l.target = target
		l.cut()
	})
	return l, nil
}

// putBack gives a link back.
func (e *environment) putBack(l *link) {
	l.set(func(l *link) {
		l.offline, l.stopped = false, false
		l.cut()
	})
	e.linksMu.Lock()
	defer e.linksMu.Unlock()
	e.links = append(e.links, l)
}

// errTemporary is returned if a server could not do it in time. On SQLite, writers may wait for long.
var errTemporary = errors.New("the server has no time")

func isTemporary(code string) bool { return code == "SERVICE_UNAVAILABLE" || code == "REQUEST_TIMEOUT" }

// clean removes the tombstones that are older than an age.
func (e *environment) clean(age time.Duration) error {
	e.cleaning.Lock()
	defer e.cleaning.Unlock()
	db := e.replicas[0].db
	of := workspace.NewDatabase(db.Driver(), db.QueryRaw)
	service, err := workspace.New(workspace.Config{Database: of, FeedAge: age})
	if err != nil {
		return err
	}
	e.cleaned.Add(1)
	service.CleanUp(e.stop)
	return nil
}
