package database_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"taskql/internal/database"
	"taskql/internal/testkit"
	"taskql/internal/testkit/pgcluster"
)

// TestSeveralHosts: a host that can't be reached is skipped. If no host accepts changes, Open retries.
func TestSeveralHosts(t *testing.T) {
	t.Parallel()
	address := testkit.DirectURL(t, testkit.PostgresURL(t))
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal("not a URL") // The error would quote it, password included.
	}
	both := strings.Replace(address, parsed.Host, "127.0.0.1:"+strconv.Itoa(freePort(t))+","+parsed.Host, 1)
	db := open(t, database.Config{URL: both})
	for range 2 {
		if err := db.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := db.SQL.ExecContext(t.Context(), `ALTER DATABASE "`+strings.TrimPrefix(parsed.Path, "/")+`" SET default_transaction_read_only = on`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	log, failed := &logBuffer{}, make(chan error, 1)
	go func() {
		_, err := database.Open(ctx, database.Config{URL: both, Log: log.logger(), ConnectTimeout: time.Hour})
		failed <- err
	}()
	until(t, "it tries again", func() bool {
		return strings.Contains(log.text(), "it is a standby, or read-only") && strings.Contains(log.text(), "try=2")
	})
	cancel()
	if err := <-failed; err == nil {
		t.Error("it has found a primary")
	}
}

// TestFaultsSeveralHosts: connections lead to the host that accepts changes, whatever its place in the list, and also after a
// failover.
func TestFaultsSeveralHosts(t *testing.T) {
	t.Parallel()
	testkit.Suite(t, "faults")
	folder, err := os.MkdirTemp("", "s") //nolint:usetesting // A socket's path may not be long.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o777); err != nil { // PostgreSQL may run as another user.
		t.Fatal(err)
	}
	primary := cluster(t, pgcluster.Config{Auth: "trust", Settings: map[string]string{"unix_socket_directories": folder}})
	standby := cluster(t, pgcluster.Config{Auth: "trust", Settings: map[string]string{"default_transaction_read_only": "on"}})
	nobody := freePort(t)
	for _, ports := range [][]int{{primary.Port(), standby.Port()}, {standby.Port(), primary.Port()}, {nobody, standby.Port(), primary.Port()}} {
		db := open(t, database.Config{URL: several(ports...)})
		for range 2 {
			var port int
			if err := db.SQL.QueryRowContext(t.Context(), "SELECT inet_server_port()").Scan(&port); err != nil || port != primary.Port() {
				t.Errorf("%v: it is %d, %v", ports, port, err)
			}
		}
		if err := db.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}

	// The folder of a socket may replace the host.
	address := strings.Replace(primary.URL(), "127.0.0.1:"+strconv.Itoa(primary.Port()), url.PathEscape(folder)+":"+strconv.Itoa(primary.Port()), 1)
	var socket bool
	if err := open(t, database.Config{URL: address}).SQL.QueryRowContext(t.Context(), "SELECT inet_server_addr() IS NULL").Scan(&socket); err != nil || !socket {
		t.Errorf("not by the socket: %v", err)
	}

	// The two swap roles. For the existing sessions it is as if their server had become a standby.
	db := open(t, database.Config{URL: several(primary.Port(), standby.Port()), MaxOpenConns: 2})
	db.NoReadOnlyPause()
	setReadOnly(t, standby, "off")
	setReadOnly(t, primary, "on")
	makeReadOnly(t, db, 2)
	if err := db.Driver().Exec(t.Context(), "CREATE TABLE t (n int)", []any{}, nil); err != nil {
		t.Error(err)
	}
	var port int
	if err := db.SQL.QueryRowContext(t.Context(), "SELECT inet_server_port()").Scan(&port); err != nil || port != standby.Port() {
		t.Errorf("it is %d, %v", port, err)
	}
}

// several returns the URL of several hosts.
func several(ports ...int) string {
	hosts := make([]string, len(ports))
	for i, port := range ports {
		hosts[i] = fmt.Sprintf("127.0.0.1:%d", port)
	}
	return "postgres://postgres@" + strings.Join(hosts, ",") + "/postgres?sslmode=disable"
}

// setReadOnly sets default_transaction_read_only for new sessions.
func setReadOnly(t *testing.T, of *pgcluster.Cluster, value string) {
	t.Helper()
	db := open(t, database.Config{URL: of.URL()})
	for _, statement := range []string{"SET default_transaction_read_only = off", "ALTER DATABASE postgres SET default_transaction_read_only = " + value} {
		if _, err := db.SQL.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}
