package server

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws/wsutil"

	"taskql/internal/config"
	"taskql/internal/database"
	"taskql/internal/testkit"
	"taskql/internal/testkit/bench"
	"taskql/internal/testkit/toxic"
	"taskql/internal/workspace"
)

// streamFaults is two servers on a PostgreSQL. One is healthy. The other one, which has the streams, reaches the database and the
// auth server through proxies, and its clock can be stopped.
type streamFaults struct {
	faulty *Server
	// here and there are the addresses of both.
	here, there    string
	database, auth *toxic.Proxy
	db             *database.DB
	// stopped is the moment at which the clock stands, in nanoseconds; zero if it runs.
	stopped atomic.Int64
}

func newStreamFaults(t *testing.T) *streamFaults {
	t.Helper()
	f := &streamFaults{}
	auth := httptest.NewServer(http.HandlerFunc(bench.GetSession))
	t.Cleanup(auth.Close)
	address, err := url.Parse(testkit.DirectURL(t, testkit.MigratedPostgresURL(t)))
	if err != nil {
		t.Fatal(err)
	}
	f.database, f.auth = newProxy(t, address.Host), newProxy(t, strings.TrimPrefix(auth.URL, "http://"))
	_, f.here, f.db = startStreamServer(t, address.String(), auth.URL, time.Now)
	address.Host = f.database.Listen
	f.faulty, f.there, _ = startStreamServer(t, address.String(), "http://"+f.auth.Listen, func() time.Time {
		if at := f.stopped.Load(); at != 0 {
			return time.Unix(0, at)
		}
		return time.Now()
	})
	return f
}

// startStreamServer starts a server, which ends with the test. While the auth server is down, sessions count for long enough that a change
// is delivered on a busy machine.
func startStreamServer(t *testing.T, address, auth string, now func() time.Time) (*Server, string, *database.DB) {
	t.Helper()
	return startServer(t, address, auth, now, map[string]string{"SESSION_CACHE_TTL": "1s", "SESSION_STALE_TTL": "6s", "RATE_LIMIT": "6000"})
}

// startServer starts a server with these variables, which ends with the test.
func startServer(t *testing.T, address, auth string, now func() time.Time, variables map[string]string) (*Server, string, *database.DB) {
	t.Helper()
	environ := against(auth, faultSecret, variables)
	environ["ENVIRONMENT"], environ["DATABASE_URL"] = "test", address
	cfg, err := config.Load(environ)
	if err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(t.Context(), database.Config{URL: address, MaxOpenConns: 10, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s, err := New(t.Context(), Config{Config: cfg, DB: db, Log: slog.New(slog.DiscardHandler), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Serve(ctx, listener); err != nil {
			t.Errorf("a server ended: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return s, "http://" + listener.Addr().String(), db
}

// create makes a task through the healthy server.
func (f *streamFaults) create(t *testing.T, user, title string) {
	t.Helper()
	f.change(t, user, fmt.Sprintf(`createTask(input: {title: %q})`, title))
}

// createUndelivered makes a task of which the streams' server finds out, and which no stream may get.
func (f *streamFaults) createUndelivered(t *testing.T, user, title string, streams []*eventReader) {
	t.Helper()
	found := func() int64 {
		stats := f.faulty.live.hints.Stats()
		return stats.Found + stats.Missed
	}
	awaitTrue(t, func() bool { return f.faulty.live.hints.Stats().Listening })
	before := found()
	f.create(t, user, title)
	awaitTrue(t, func() bool { return found() > before })
	wantNothing(streams)
}

func (f *streamFaults) change(t *testing.T, user, mutation string) {
	t.Helper()
	if _, answer := mustCall(t, f.here, cookieOf(user), `mutation { r: `+mutation+` { userErrors { code } } }`); !strings.Contains(answer, `"userErrors":[]`) {
		t.Fatal(answer)
	}
}

func cookieOf(user string) http.Header {
	return http.Header{"Cookie": {bench.Cookie(user, faultSecret)}}
}

// watch opens an event stream and a WebSocket at the faulty server.
func (f *streamFaults) watch(t *testing.T, user string) []*eventReader {
	t.Helper()
	readers := []*eventReader{watch(t, f.there, cookieOf(user)), watchSocket(t, f.there, cookieOf(user))}
	f.create(t, user, "first")
	wantAll(readers, "first")
	return readers
}

// watchSocket is watch over a WebSocket.
func watchSocket(t *testing.T, address string, header http.Header) *eventReader {
	t.Helper()
	conn, status := dialSocket(t, address+graphqlPath, header)
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", status)
	}
	exchange(t, conn, 1, initMessage)
	_ = conn.SetDeadline(time.Time{})
	if err := wsutil.WriteClientText(conn, fmt.Appendf(nil, `{"id":"c","type":"subscribe","payload":{"query":%q}}`, changesDocument)); err != nil {
		t.Fatal(err)
	}
	r := &eventReader{t: t, events: make(chan string, 100)}
	go func() {
		defer close(r.events)
		for {
			data, _, err := wsutil.ReadServerData(conn) // It answers pings.
			if err != nil {
				return
			}
			if strings.Contains(string(data), `"id":"c"`) {
				r.events <- string(data)
			}
		}
	}()
	r.want(`"data":`)
	return r
}

// wantAll waits until each reader gets an event that contains all the titles: what was missed comes as one page.
func wantAll(readers []*eventReader, titles ...string) {
	for _, r := range readers {
		r.t.Helper()
		select {
		case got, ok := <-r.events:
			for _, title := range titles {
				if !ok || !strings.Contains(got, `"`+title+`"`) {
					r.t.Fatalf("got %q, %t; want %s", got, ok, titles)
				}
			}
		case <-time.After(time.Minute):
			r.t.Fatalf("nothing came; want %s", titles)
		}
	}
}

// wantNothing checks that nothing comes, and that the stream doesn't end. What comes too late for it, wantAll finds.
func wantNothing(readers []*eventReader) {
	for _, r := range readers {
		r.t.Helper()
		select {
		case got, ok := <-r.events:
			r.t.Fatalf("got %q, %t; want nothing", got, ok)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// TestFaultsStreams: during each fault streams stay open; after it they get what they have missed, once.
func TestFaultsStreams(t *testing.T) {
	t.Parallel()
	testkit.Suite(t, "faults")
	f := newStreamFaults(t)
	for _, fault := range []struct {
		name, user string
		test       func(t *testing.T, user string)
	}{
		{"PostgreSQL is down", "ann", f.testDatabaseDown},
		{"the auth server is down", "bob", f.testAuthDown},
		{"the budget is spent", "cid", f.testBudgetSpent},
		{"a notification is lost", "fay", f.testNotificationLost},
		{"the token is another user's", "dan", f.testOtherUser},
		{"the token is from before the floor", "eve", f.testExpired},
	} {
		t.Run(fault.name, func(t *testing.T) { fault.test(t, fault.user) })
	}
}

func (f *streamFaults) testDatabaseDown(t *testing.T, user string) {
	streams := f.watch(t, user)
	f.database.Stop()
	f.create(t, user, "one")
	awaitTrue(t, func() bool { return f.faulty.live.hints.Stats().Unread > 0 })
	wantNothing(streams)
	f.create(t, user, "two")
	if err := f.database.Start(); err != nil {
		t.Fatal(err)
	}
	wantAll(streams, "one", "two")
	f.create(t, user, "three")
	wantAll(streams, "three")
}

// Delivery goes on until SESSION_STALE_TTL is over.
func (f *streamFaults) testAuthDown(t *testing.T, user string) {
	streams := f.watch(t, user)
	f.auth.Stop()
	f.create(t, user, "soon")
	wantAll(streams, "soon")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if response, _ := mustCall(t, f.there, cookieOf(user), `{ tasks { nodes { id } } }`); response.StatusCode == http.StatusServiceUnavailable {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the session is still accepted")
		}
	}
	time.Sleep(minVerified) // Verdicts from before count as long at least.
	f.createUndelivered(t, user, "one", streams)
	f.createUndelivered(t, user, "two", streams)
	if err := f.auth.Start(); err != nil {
		t.Fatal(err)
	}
	wantAll(streams, "one", "two")
	f.create(t, user, "three")
	wantAll(streams, "three")
}

// The budget gains nothing while the server's clock stands.
func (f *streamFaults) testBudgetSpent(t *testing.T, user string) {
	streams := f.watch(t, user)
	f.stopped.Store(time.Now().UnixNano())
	for _, query := range []string{`{ tasks(first: 100) { nodes { title tags { name } } } }`, `{ __typename }`} {
		for spent := false; !spent; {
			response, _ := mustCall(t, f.there, cookieOf(user), query)
			spent = response.StatusCode == http.StatusTooManyRequests
		}
	}
	f.createUndelivered(t, user, "one", streams)
	f.createUndelivered(t, user, "two", streams)
	f.stopped.Store(0)
	wantAll(streams, "one", "two")
}

// The connections that listen end just before the change, which is found by looking.
func (f *streamFaults) testNotificationLost(t *testing.T, user string) {
	streams := f.watch(t, user)
	awaitTrue(t, func() bool { return f.faulty.live.hints.Stats().Listening })
	const terminate = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'taskql%listener%'"
	var ended int
	if err := f.db.SQL.QueryRowContext(t.Context(), terminate).Scan(&ended); err != nil || ended == 0 {
		t.Fatalf("%d connections ended, %v", ended, err)
	}
	f.create(t, user, "one")
	wantAll(streams, "one")
}

// resume opens a stream of changes after a token, and checks how it begins.
func (f *streamFaults) resume(t *testing.T, user, token, reset, title string) {
	t.Helper()
	document := fmt.Sprintf(`subscription { changes(after: %q) { reset tasks { title } } }`, token)
	r := openEvents(t, f.there+graphqlPath+"?query="+url.QueryEscape(document), cookieOf(user))
	r.want(fmt.Sprintf(`{"reset":%q,"tasks":[{"title":%q}]}`, reset, title))
}

// token returns a token of a user's copy.
func (f *streamFaults) token(t *testing.T, user string) string {
	t.Helper()
	_, answer := mustCall(t, f.here, cookieOf(user), `{ changes { token tasks { title } } }`)
	var decoded struct {
		Data struct{ Changes struct{ Token string } }
	}
	if err := json.Unmarshal([]byte(answer), &decoded); err != nil || decoded.Data.Changes.Token == "" {
		t.Fatalf("%s: %v", answer, err)
	}
	return decoded.Data.Changes.Token
}

func (f *streamFaults) testOtherUser(t *testing.T, user string) {
	f.create(t, user, "theirs")
	f.create(t, "another", "one")
	f.resume(t, "another", f.token(t, user), "OTHER_WORKSPACE", "one")
}

func (f *streamFaults) testExpired(t *testing.T, user string) {
	const id = "0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c03"
	f.change(t, user, fmt.Sprintf(`createTask(input: {id: %q, title: "gone"})`, id))
	token := f.token(t, user)
	f.create(t, user, "one")
	f.change(t, user, fmt.Sprintf(`deleteTask(input: {id: %q})`, id))
	f.change(t, user, fmt.Sprintf(`purgeTask(input: {id: %q})`, id))
	service, err := workspace.New(workspace.Config{Database: workspace.NewDatabase(f.db.Driver(), f.db.QueryRaw), FeedAge: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	service.CleanUp(t.Context())
	f.resume(t, user, token, "EXPIRED", "one")
}
