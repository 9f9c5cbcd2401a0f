package database_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"entgo.io/ent/dialect"

	"taskql/internal/database"
	"taskql/internal/testkit"
	"taskql/internal/testkit/pgcluster"
)

// logBuffer collects a log.
type logBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

func (l *logBuffer) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.String()
}

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// cluster starts a PostgreSQL server that the test may stop.
func cluster(t testing.TB, c pgcluster.Config) *pgcluster.Cluster {
	t.Helper()
	started, err := pgcluster.Start(t.Context(), c)
	testkit.Require(t, "a PostgreSQL of its own", err)
	t.Cleanup(func() {
		if err := started.Stop(); err != nil {
			t.Error(err)
		}
	})
	return started
}

func freePort(t testing.TB) int {
	t.Helper()
	port, err := pgcluster.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestOpen(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, url, dialect string }{
		{"PostgreSQL", testkit.MigratedPostgresURL(t), dialect.Postgres},
		{"SQLite", testkit.SQLiteURL(t), dialect.SQLite},
		{"SQLite in memory", "sqlite::memory:", dialect.SQLite},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			db := open(t, database.Config{URL: test.url})
			if db.Dialect != test.dialect || db.Driver().Dialect() != test.dialect {
				t.Errorf("dialect %s, ent's %s, want %s", db.Dialect, db.Driver().Dialect(), test.dialect)
			}
			if err := db.Ping(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSession: sessions have the application's name, and the time zone UTC.
func TestSession(t *testing.T) {
	t.Parallel()
	db := open(t, database.Config{URL: testkit.PostgresURL(t)})
	var name, zone string
	if err := db.SQL.QueryRowContext(t.Context(), "SELECT current_setting('application_name'), current_setting('TimeZone')").Scan(&name, &zone); err != nil {
		t.Fatal(err)
	}
	if name != "taskql" || zone != "UTC" {
		t.Errorf("application_name %q, TimeZone %q", name, zone)
	}
}

// TestParametersConnect: PostgreSQL accepts all parameters that a URL may set, and is not sent others.
func TestParametersConnect(t *testing.T) {
	t.Parallel()
	url := testkit.DirectURL(t, testkit.PostgresURL(t)) // A pooler accepts fewer.
	for _, parameters := range []string{
		"channel_binding=require&pgbouncer=true&pool_timeout=5&schema=public&pool_max_conns=3&nonsense=1&x.y=2",
		database.AllSettings,
	} {
		if err := open(t, database.Config{URL: url + "&" + parameters}).Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenFailsImmediately(t *testing.T) {
	t.Parallel()
	own := cluster(t, pgcluster.Config{})
	address := "127.0.0.1:" + strconv.Itoa(own.Port())
	tests := []struct{ name, url, want string }{
		{"a wrong password", "postgres://postgres:s3cret-word@" + address + "/postgres?sslmode=disable", "refuses the user or the password"},
		{"an unknown database", strings.Replace(own.URL(), "/postgres?", "/nowhere?", 1), "no such database"},
		{"TLS where there is none", strings.Replace(own.URL(), "sslmode=disable", "sslmode=require", 1), "no TLS"},
		{"a setting's wrong value", own.URL() + "&statement_timeout=soon", "statement_timeout"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			log := &logBuffer{}
			_, err := database.Open(t.Context(), database.Config{URL: test.url, Log: log.logger()})
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q is not in the error: %v", test.want, err)
			}
			if strings.Contains(err.Error()+log.text(), "s3cret-word") {
				t.Errorf("the password shows: %v %s", err, log.text())
			}
			if log.text() != "" {
				t.Errorf("it tried again: %s", log.text())
			}
		})
	}
}

func TestOpenWaits(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	// The server starts while Open is retrying. Its password is not known before, so the first URL has none.
	log := &logBuffer{}
	opened := make(chan error, 1)
	go func() {
		db, err := database.Open(context.WithoutCancel(t.Context()), database.Config{
			URL: "postgres://postgres@127.0.0.1:" + strconv.Itoa(port) + "/postgres?sslmode=disable", Log: log.logger(), ConnectTimeout: 5 * time.Minute,
		})
		if err == nil {
			err = db.Close()
		}
		opened <- err
	}()
	for deadline := time.Now().Add(2 * time.Minute); !strings.Contains(log.text(), "try=2"); {
		if time.Now().After(deadline) {
			t.Fatalf("it does not try: %s", log.text())
		}
		time.Sleep(10 * time.Millisecond)
	}
	cluster(t, pgcluster.Config{Port: port, Auth: "trust"})
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(log.text(), "not reachable yet"); got < 2 {
		t.Errorf("%d lines: %s", got, log.text())
	}
}

func TestOpenTimeout(t *testing.T) {
	t.Parallel()
	log := &logBuffer{}
	_, err := database.Open(t.Context(), database.Config{
		URL: "postgres://ann:s3cret-word@127.0.0.1:" + strconv.Itoa(freePort(t)) + "/tasks?sslmode=disable", Log: log.logger(), ConnectTimeout: time.Second,
	})
	if err == nil || !database.IsUnavailable(err) {
		t.Errorf("not an outage: %v", err)
	}
	if strings.Contains(err.Error()+log.text(), "s3cret-word") {
		t.Errorf("the password shows: %v %s", err, log.text())
	}
}

// TestOpenSilentServer: Open doesn't wait longer than ConnectTimeout for a server that accepts the connection and sends
// nothing.
func TestOpenSilentServer(t *testing.T) {
	t.Parallel()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, err = database.Open(t.Context(), database.Config{URL: "postgres://ann@" + listener.Addr().String() + "/tasks?sslmode=disable", Log: slog.New(slog.DiscardHandler), ConnectTimeout: time.Second})
	if !database.IsUnavailable(err) {
		t.Errorf("got %v, want an outage", err)
	}
}

func TestPingWithBusyPool(t *testing.T) {
	t.Parallel()
	for _, url := range []string{testkit.PostgresURL(t), testkit.SQLiteURL(t)} {
		db := open(t, database.Config{URL: url, MaxOpenConns: 2})
		for range 2 {
			conn, err := db.SQL.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
		if err := db.Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", db, err)
		}
	}
}

func TestCheckVersion(t *testing.T) {
	t.Parallel()
	err := database.CheckVersion(130012, "13.12")
	if err == nil || !strings.Contains(err.Error(), "13.12") || !strings.Contains(err.Error(), "14") {
		t.Errorf("got %v", err)
	}
	if err := database.CheckVersion(140000, "14.0"); err != nil {
		t.Error(err)
	}
}
