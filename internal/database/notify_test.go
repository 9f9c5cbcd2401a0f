package database_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/lib/pq"

	"taskql/internal/database"
	"taskql/internal/testkit"
)

const channel = "test_channel"

// openNotifying opens a database whose address may lead through a pooler.
func openNotifying(t *testing.T, address string) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), database.Config{URL: address, DirectURL: testkit.DirectURL(t, address), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// heard is what a listener was called with.
type heard struct {
	listening chan struct{}
	payloads  chan string
	ended     chan error
	stop      context.CancelFunc
}

// listen starts a listener with the name a, which ends with the test.
func listen(t *testing.T, db *database.DB) *heard {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	h := &heard{listening: make(chan struct{}, 1), payloads: make(chan string, 100), ended: make(chan error, 1), stop: stop}
	go func() {
		h.ended <- db.Listen(ctx, channel, "a", func() { h.listening <- struct{}{} }, func(payload string) { h.payloads <- payload })
		close(h.ended)
	}()
	t.Cleanup(func() {
		stop()
		for range h.ended {
		}
	})
	return h
}

// await returns what the channel delivers.
func await[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(time.Minute):
		t.Fatal("nothing arrived")
		panic("unreachable")
	}
}

func TestNotify(t *testing.T) {
	t.Parallel()
	address := testkit.MigratedPostgresURL(t)
	db, other := openNotifying(t, address), openNotifying(t, address)
	ears := listen(t, db)
	await(t, ears.listening)
	long := strings.Repeat("x", 7900)
	for _, payload := range []string{"one", "two", long} {
		if err := other.Notify(t.Context(), channel, payload); err != nil {
			t.Fatal(err)
		}
		if got := await(t, ears.payloads); got != payload {
			t.Errorf("got %.20s, want %.20s", got, payload)
		}
	}
	if err := other.Notify(t.Context(), "another", "three"); err != nil {
		t.Fatal(err)
	}
	hasListeners := func(except string) bool {
		t.Helper()
		found, err := other.HasListeners(t.Context(), channel, except)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if !hasListeners("b") || hasListeners("a") {
		t.Errorf("listeners beside b: %t, beside a: %t", hasListeners("b"), hasListeners("a"))
	}
	listener := "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '" + channel + "%'"
	if n := queryInt(t, other.SQL, listener); n != 1 {
		t.Errorf("%d connections of the listener", n)
	}
	if err := await(t, ears.ended); err == nil || !strings.Contains(err.Error(), "terminating connection") {
		t.Errorf("the listener ended with %v", err)
	}
	again := listen(t, db)
	await(t, again.listening)
	again.stop()
	if err := await(t, again.ended); !errors.Is(err, context.Canceled) {
		t.Errorf("the listener ended with %v", err)
	}
	if len(again.payloads)+len(ears.payloads) > 0 {
		t.Error("more has arrived")
	}
}

// TestCheckNotifications: notifications arrive on a connection of one's own, and not behind a pooler in transaction mode.
func TestCheckNotifications(t *testing.T) {
	t.Parallel()
	direct := testkit.DirectURL(t, testkit.PostgresURL(t))
	if err := openNotifying(t, direct).CheckNotifications(t.Context()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // Whatever the machine's speed, none arrives.
	defer cancel()
	if err := openNotifying(t, testkit.PgBouncer(t, direct)).CheckNotifications(ctx); err == nil || !strings.Contains(err.Error(), "pooler") {
		t.Errorf("behind PgBouncer: %v", err)
	}
}

// TestListenFails: Listen returns if the database can't be reached, or accepts connections and then is silent.
func TestListenFails(t *testing.T) {
	t.Parallel()
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for name, address := range map[string]string{"closed": closed.Addr().String(), "silent": silent.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, err := database.Open(t.Context(), database.Config{
				URL: testkit.PostgresURL(t), DirectURL: "postgres://ann:s3cret-word@" + address + "/tasks?sslmode=disable&connect_timeout=1",
				Log: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			ears := listen(t, db)
			if err := await(t, ears.ended); err == nil || strings.Contains(err.Error(), "s3cret") || !database.IsUnavailable(err) {
				t.Errorf("got %v, want an outage without a password", err)
			}
			// The context ends it although the server is silent.
			ears = listen(t, db)
			ears.stop()
			if err := await(t, ears.ended); err == nil {
				t.Error("no error")
			}
		})
	}
	sqlite, err := database.Open(t.Context(), database.Config{URL: testkit.SQLiteURL(t), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sqlite.Close() }()
	if sqlite.Notifications() || sqlite.Notify(t.Context(), channel, "") == nil {
		t.Error("SQLite has notifications")
	}
	if err := await(t, listen(t, sqlite).ended); err == nil {
		t.Error("SQLite can be listened to")
	}
}

// TestListenURL: a Listener's connections have the configuration of the pool's, beside the parameters of sessions.
func TestListenURL(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"postgres://ann:s3cret-word@ep-x.eu-central-1.aws.neon.tech/tasks?sslmode=require&channel_binding=require",
		"postgres://ann:s3cret-word%40%2F%3A%3F%23%25@db.example.com/tasks",
		"postgres://127.0.0.1/tasks",
		"postgres://ann:s3cret-word@localhost/tasks?schema=app&pgbouncer=true&connection_limit=1",
		"postgres://ann:s3cret-word@a.example.com:5433,b.example.com/tasks",
		"postgres://ann:s3cret-word@10.0.0.1:5433,[fd00::1]:6000,c/tasks?target_session_attrs=primary",
		"postgres://ann:s3cret-word@/tasks?host=a,b&port=1,2&connect_timeout=3",
		"postgres://ann:s3cret-word@%2Fvar%2Frun%2Fpostgresql/tasks",
		"postgres://ann:s3cret-word@db.example.com/tasks?sslmode=no-verify&sslnegotiation=direct",
		"postgres://ann:s3cret-word@db.example.com/tasks?sslmode=verify-ca&sslrootcert=ca.pem&sslcert=c.pem&sslkey=k.pem",
	} {
		want, err := database.Sanitise(address)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pq.NewConfig(want.ListenURL)
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		diff := cmp.Diff(want.Config, got, cmpopts.IgnoreUnexported(pq.Config{}), cmpopts.EquateComparable(netip.Addr{}),
			cmpopts.IgnoreFields(pq.Config{}, "Runtime", "ApplicationName", "BinaryParameters", "SSLNegotiation"))
		if diff != "" {
			t.Errorf("%s (-pool +listener):\n%s", address, diff)
		}
		if got.SSLNegotiation == pq.SSLNegotiationDirect || len(got.Runtime) > len(want.Config.Runtime) {
			t.Errorf("%s: %q, %v", address, got.SSLNegotiation, got.Runtime)
		}
	}
}
