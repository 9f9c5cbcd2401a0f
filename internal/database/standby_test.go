package database_test

import (
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"taskql/internal/database"
	"taskql/internal/testkit"
	"taskql/internal/testkit/pgcluster"
)

// hostname is an address that leads to one cluster at a time. A change doesn't affect existing connections.
type hostname struct {
	address string
	port    atomic.Int64
}

func newHostname(t *testing.T) *hostname {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	h := &hostname{address: listener.Addr().String()}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go h.forward(client)
		}
	}()
	return h
}

func (h *hostname) forward(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp4", net.JoinHostPort("127.0.0.1", strconv.FormatInt(h.port.Load(), 10)))
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer server.Close()
		_, _ = io.Copy(server, client)
	}()
	_, _ = io.Copy(client, server)
}

// TestFaultsFailover: the server of the existing connections has become a standby, and the host's name leads to the new
// primary.
func TestFaultsFailover(t *testing.T) {
	t.Parallel()
	testkit.Suite(t, "faults")
	primary := cluster(t, pgcluster.Config{Settings: pgcluster.ReplicationSettings()})
	standby := cluster(t, pgcluster.Config{Settings: pgcluster.ReplicationSettings(), StandbyOf: primary.URL()})
	if _, err := open(t, database.Config{URL: primary.URL()}).SQL.ExecContext(t.Context(), "CREATE TABLE t (n int)"); err != nil {
		t.Fatal(err)
	}
	replica := open(t, database.Config{URL: standby.URL()})
	until(t, "the standby has the table", func() bool {
		_, err := replica.SQL.ExecContext(t.Context(), "SELECT * FROM t")
		return err == nil
	})

	host := newHostname(t)
	address := strings.Replace(primary.URL(), "127.0.0.1:"+strconv.Itoa(primary.Port()), host.address, 1)
	for way, write := range map[string]func(db *database.DB) error{
		"a statement": func(db *database.DB) error { return writers(db)["a statement"](t.Context()) },
		"raw query":   func(db *database.DB) error { return writers(db)["raw query"](t.Context()) },
		"a transaction": func(db *database.DB) error {
			err := insertInTx(t, db)
			if database.IsReadOnly(err) { // Callers retry transactions.
				err = insertInTx(t, db)
			}
			return err
		},
	} {
		host.port.Store(int64(standby.Port()))
		db := open(t, database.Config{URL: address, MaxOpenConns: 3})
		if err := write(db); !database.IsReadOnly(err) || !database.NothingDone(err) || !database.IsUnavailable(err) {
			t.Errorf("%s on a standby: %v", way, err)
		}
		db.NoReadOnlyPause()
		if err := write(db); !database.IsReadOnly(err) {
			t.Errorf("%s on a standby: %v", way, err)
		}
		host.port.Store(int64(primary.Port()))
		if err := write(db); err != nil {
			t.Errorf("%s after the name leads to the primary: %v", way, err)
		}
	}
}
