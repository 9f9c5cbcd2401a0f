package database_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lib/pq"

	"taskql/internal/database"
	"taskql/internal/testkit"
	"taskql/internal/testkit/pgcluster"
)

func TestIsUnavailable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{"none", nil, false},
		{"anything", errors.New("anything"), false},
		{"no rows", sql.ErrNoRows, false},
		{"the client went away", context.Canceled, false},
		{"the client went away, as seen from the network", &net.OpError{Op: "read", Err: context.Canceled}, false},
		{"the deadline passed", context.DeadlineExceeded, false},
		{"the network's own deadline passed", &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, true},
		{"a bad connection", driver.ErrBadConn, true},
		{"wrapped", fmt.Errorf("saving: %w", driver.ErrBadConn), true},
		{"cut off", io.ErrUnexpectedEOF, true},
		{"no such host", &net.DNSError{Err: "no such host", Name: "db", IsNotFound: true}, true},
		{"connection failure", &pq.Error{Code: "08006"}, true},
		{"shut down", &pq.Error{Code: "57P01"}, true},
		{"crashed", &pq.Error{Code: "57P02"}, true},
		{"starting", &pq.Error{Code: "57P03"}, true},
		{"too many connections", &pq.Error{Code: "53300"}, true},
		{"the query was cancelled", &pq.Error{Code: "57014"}, false},
		{"the query took too long", &pq.Error{Code: "57014", Message: "canceling statement due to statement timeout"}, true},
		{"a duplicate", &pq.Error{Code: "23505"}, false},
		{"a wrong password", &pq.Error{Code: "28P01"}, false},
		{"a deadlock", &pq.Error{Code: "40P01"}, true},
		{"a read-only server", &pq.Error{Code: "25006"}, true},
		{"the user's own statements", fmt.Errorf("reading: %w", database.ErrUserBusy), true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := database.IsUnavailable(test.err); got != test.want {
				t.Errorf("%v: %t", test.err, got)
			}
		})
	}
}

// The tests TestUnavailable… cause real errors of PostgreSQL and SQLite.

func TestUnavailableKilledBackend(t *testing.T) {
	t.Parallel()
	db := open(t, database.Config{URL: testkit.PostgresURL(t)})
	tx, err := db.SQL.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	var pid int
	if err := tx.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	if _, err := db.SQL.ExecContext(t.Context(), "SELECT pg_terminate_backend($1)", pid); err != nil {
		t.Fatal(err)
	}
	_, err = tx.ExecContext(t.Context(), "SELECT 1")
	wantUnavailable(t, err, true)
	// The pool recovers.
	if err := db.SQL.PingContext(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestUnavailableStoppedServer(t *testing.T) {
	t.Parallel()
	own := cluster(t, pgcluster.Config{})
	db := open(t, database.Config{URL: own.URL()})
	running := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		conn, err := db.SQL.Conn(context.WithoutCancel(t.Context()))
		close(started)
		if err == nil {
			_, err = conn.ExecContext(context.WithoutCancel(t.Context()), "SELECT pg_sleep(60)")
			_ = conn.Close()
		}
		running <- err
	}()
	<-started
	time.Sleep(100 * time.Millisecond) // Let the statement start. If it hasn't, the error is another outage.
	if err := own.Stop(); err != nil {
		t.Fatal(err)
	}
	wantUnavailable(t, <-running, true)
	_, err := db.SQL.ExecContext(t.Context(), "SELECT 1")
	wantUnavailable(t, err, true)
	wantUnavailable(t, db.Ping(t.Context()), true)
}

func TestUnavailableTooManyConnections(t *testing.T) {
	t.Parallel()
	own := cluster(t, pgcluster.Config{MaxConnections: 5, Settings: map[string]string{"superuser_reserved_connections": "0"}})
	db := open(t, database.Config{URL: own.URL(), MaxOpenConns: 20})
	var err error
	for range 10 {
		var conn *sql.Conn
		if conn, err = db.SQL.Conn(t.Context()); err != nil {
			break
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	wantUnavailable(t, err, true)
}

func TestUnavailableCancelledQuery(t *testing.T) {
	t.Parallel()
	db := open(t, database.Config{URL: testkit.PostgresURL(t)})
	// lib/pq sends one request to cancel. The server ignores it if the statement doesn't run yet.
	conn, err := db.SQL.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := conn.ExecContext(ctx, "SELECT pg_sleep(3600)")
		ended <- err
	}()
	awaitSleeping(t, db.SQL, 1)
	cancel()
	wantUnavailable(t, <-ended, false)
}

func TestUnavailableRefusedStatement(t *testing.T) {
	t.Parallel()
	for _, address := range []string{testkit.PostgresURL(t), testkit.SQLiteURL(t)} {
		_, err := open(t, database.Config{URL: address}).SQL.ExecContext(t.Context(), "SELECT nothing FROM nowhere")
		wantUnavailable(t, err, false)
	}
}

func TestUnavailableLockedSQLite(t *testing.T) {
	t.Parallel()
	address := testkit.SQLiteURL(t)
	holder := open(t, database.Config{URL: address})
	tx, err := holder.SQL.BeginTx(t.Context(), nil) // It takes the write lock at once.
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	shortTimeout, err := sql.Open("sqlite", "file:"+filepath.ToSlash(parsed.Opaque+parsed.Path)+"?_busy_timeout=20")
	if err != nil {
		t.Fatal(err)
	}
	defer shortTimeout.Close()
	_, err = shortTimeout.ExecContext(t.Context(), "CREATE TABLE t (id int)")
	wantUnavailable(t, err, true)
}

func TestUnavailableNobodyListens(t *testing.T) {
	t.Parallel()
	_, err := database.Open(t.Context(), database.Config{URL: "postgres://a@127.0.0.1:1/b?sslmode=disable", ConnectTimeout: time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	wantUnavailable(t, err, true)
}

func wantUnavailable(t *testing.T, err error, unavailable bool) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	if got := database.IsUnavailable(err); got != unavailable {
		t.Errorf("%v (%T): %t", err, err, got)
	}
}

func TestNothingDone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"none":                      {nil, false},
		"no connection in time":     {fmt.Errorf("beginning: %w", database.ErrNoConnection), true},
		"the user's own statements": {fmt.Errorf("reading: %w", database.ErrUserBusy), true},
		"a read-only server":        {fmt.Errorf("writing: %w", &pq.Error{Code: "25006"}), true},
		"nobody listens":            {&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, true},
		"the answer got lost":       {&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, false},
		"a bad connection":          {driver.ErrBadConn, false},
		"shut down meanwhile":       {&pq.Error{Code: "57P01"}, false},
		"starting":                  {&pq.Error{Code: "57P03"}, true},
		"rolled back for another":   {&pq.Error{Code: "40001"}, true},
		"a lock was not to be had":  {&pq.Error{Code: "55P03"}, true},
		"too many connections":      {&pq.Error{Code: "53300"}, true},
		"the statement timed out":   {&pq.Error{Code: "57014"}, true},
		"the connection was broken": {&pq.Error{Code: "08006"}, false},
	} {
		if got := database.NothingDone(tt.err); got != tt.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
