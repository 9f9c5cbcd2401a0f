package database_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taskql/internal/database"
	"taskql/internal/testkit"
)

// freezer is a TCP proxy that can freeze its connections: they stay open, but forward nothing.
type freezer struct {
	target string
	frozen sync.Map // of *atomic.Bool, one for each connection
}

func newFreezer(t *testing.T, target string) (*freezer, string) {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &freezer{target: target}
	var open sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { f.serve(t.Context(), client) })
		}
	}()
	return f, listener.Addr().String()
}

func (f *freezer) serve(ctx context.Context, client net.Conn) {
	var dialer net.Dialer
	server, err := dialer.DialContext(ctx, "tcp", f.target)
	if err != nil {
		_ = client.Close()
		return
	}
	frozen := &atomic.Bool{}
	f.frozen.Store(frozen, nil)
	context.AfterFunc(ctx, func() { _, _ = client.Close(), server.Close() })
	go pipe(server, client, frozen)
	pipe(client, server, frozen)
}

// pipe copies until it is frozen. Then it discards.
func pipe(to io.Writer, from io.Reader, frozen *atomic.Bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !frozen.Load() {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (f *freezer) freeze() {
	f.frozen.Range(func(frozen, _ any) bool {
		if b, ok := frozen.(*atomic.Bool); ok {
			b.Store(true)
		}
		return true
	})
}

// TestFaultsFrozenConnections: connections on which nothing moves, as after a failover, don't fill the pool. Their queries fail
// with an outage, and new connections replace them.
func TestFaultsFrozenConnections(t *testing.T) {
	t.Parallel()
	testkit.Suite(t, "faults")
	address, err := url.Parse(testkit.MigratedPostgresURL(t))
	if err != nil {
		t.Fatal("not a URL")
	}
	proxy, host := newFreezer(t, address.Host)
	address.Host = host
	db, err := database.Open(t.Context(), database.Config{URL: address.String(), MaxOpenConns: 3, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	proxy.freeze()
	start := time.Now()
	var queries sync.WaitGroup
	for range 6 {
		queries.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var one int
			if err := db.SQL.QueryRowContext(ctx, "SELECT 1").Scan(&one); err == nil {
				return // It runs on a new connection.
			} else if ctx.Err() == nil && !database.IsUnavailable(err) {
				t.Errorf("got %v, want an outage", err)
			}
		})
	}
	pingEnded := make(chan struct{})
	go func() {
		defer close(pingEnded)
		if err := db.Ping(t.Context()); err != nil && !database.IsUnavailable(err) {
			t.Errorf("got %v, want an outage", err)
		}
	}()
	<-pingEnded
	if took := time.Since(start); took > 6*time.Second {
		t.Errorf("the ping took %s", took)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("the ping's new connection: %v", err)
	}
	queries.Wait()
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("the pool was stuck for %s", took)
	}
	var one int
	if err := db.SQL.QueryRowContext(t.Context(), "SELECT 1").Scan(&one); err != nil {
		t.Errorf("after the silence: %v", err)
	}
}
