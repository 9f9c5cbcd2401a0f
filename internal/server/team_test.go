package server

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/otel/attribute"

	"taskql/internal/config"
	"taskql/internal/database"
	"taskql/internal/testkit"
)

// team is a real Better Auth with the organization plugin, JWTs and API keys.
type team struct {
	*testkit.AuthServer

	client *testkit.OrganizationClient
}

// teamRoles is a WORKSPACE_ROLES by which Better Auth's own roles suffice for all of ours: members read.
const teamRoles = "owner:ADMIN;admin:WRITE"

// newTeam starts Better Auth.
func newTeam(t testing.TB, opts testkit.BetterAuthOptions) *team {
	t.Helper()
	opts.Plugins, opts.Config = []string{"organization", "bearer"}, "organizations"
	f := &team{AuthServer: testkit.BetterAuth(t, opts)}
	f.client = testkit.NewOrganizationClient(t, f.URL)
	return f
}

// signUp creates a user and signs the user in. The address begins with account.
func (f *team) signUp(t testing.TB, account, name string) *testkit.AuthClient {
	t.Helper()
	return f.SignUp(t, name, account+"@example.com", "correct horse")
}

// teamServer is a server of a team with a database of its own.
type teamServer struct {
	*Server

	url string
	db  *database.DB
	// statements are those of the database.
	statements statementLog
	// requests are those that the server has sent to Better Auth so far, without probes, which depend on how long Better Auth takes.
	requests atomic.Int64
	// down makes Better Auth unreachable for the server.
	down atomic.Bool
	// ahead is by how much the server's clock is ahead.
	ahead atomic.Int64
	// stopped is when the server's clock was stopped, nil if it runs.
	stopped atomic.Pointer[time.Time]
}

// advance sets the server's clock forward.
func (s *teamServer) advance(d time.Duration) { s.ahead.Add(int64(d)) }

// stopClock stops the server's clock. It can be advanced.
func (s *teamServer) stopClock() {
	now := time.Now()
	s.stopped.Store(&now)
}

func (s *teamServer) now() time.Time {
	now := time.Now()
	if stopped := s.stopped.Load(); stopped != nil {
		now = *stopped
	}
	return now.Add(time.Duration(s.ahead.Load()))
}

// proxy starts a proxy through which the server reaches Better Auth, and returns its address.
func (s *teamServer) proxy(t testing.TB, auth *testkit.AuthServer) string {
	t.Helper()
	target, err := url.Parse(auth.URL)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.down.Load() {
			panic(http.ErrAbortHandler) // It closes the connection.
		}
		if !strings.HasSuffix(r.URL.Path, "/ok") {
			s.requests.Add(1)
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// statementLog has the texts of statements. It is safe for concurrent use.
type statementLog struct {
	mu    sync.Mutex
	texts []string
}

func (l *statementLog) add(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.texts = append(l.texts, text)
}

// take returns the statements since its last call.
func (l *statementLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.texts
	l.texts = nil
	return taken
}

// openPool is database.Config.OpenPool.
func (l *statementLog) openPool(connector driver.Connector, _ string) *sql.DB {
	return otelsql.OpenDB(connector, otelsql.WithAttributesGetter(func(_ context.Context, method otelsql.Method, query string, _ []driver.NamedValue) []attribute.KeyValue {
		switch method {
		case otelsql.MethodConnQuery, otelsql.MethodConnExec, otelsql.MethodStmtQuery, otelsql.MethodStmtExec, otelsql.MethodConnBeginTx, otelsql.MethodTxCommit, otelsql.MethodTxRollback:
			l.add(string(method) + " " + query)
		default:
		}
		return nil
	}))
}

// serve starts a server with the database of an address.
func (f *team) serve(t testing.TB, address string, more map[string]string) *teamServer {
	t.Helper()
	s := &teamServer{}
	environ := against(s.proxy(t, f.AuthServer), f.Secret, map[string]string{
		"DATABASE_URL": address, "ENVIRONMENT": "test", "RATE_LIMIT": "1000000000", "AUTH_ISSUER": f.URL, "AUTH_AUDIENCE": f.URL,
		"SESSION_CACHE_TTL": organizationTTL.String(),
	})
	for name, value := range more {
		environ[name] = value
	}
	cfg, err := config.Load(environ)
	if err != nil {
		t.Fatal(err)
	}
	s.db, err = database.Open(t.Context(), database.Config{URL: address, OpenPool: s.statements.openPool, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.db.Close() })
	if _, err := s.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Server, err = New(t.Context(), Config{Config: cfg, DB: s.db, Now: s.now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		s.live.hub.Close()
		web.CloseClientConnections()
		web.Close()
	})
	s.url = web.URL
	return s
}

// sorted returns the statements, sorted: those of independent loaders may come in any order.
func sorted(statements []string) []string {
	slices.Sort(statements)
	return statements
}
