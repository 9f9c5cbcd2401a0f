package feed_test

import (
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taskql/internal/database"
	"taskql/internal/feed"
	"taskql/internal/testkit"
	"taskql/internal/testkit/pgcluster"
	"taskql/internal/workspace"
)

// replica is a Service with a clock and a count of connections of its own.
type replica struct {
	*feed.Service

	now, opened atomic.Int64
}

func newReplica(t *testing.T, db workspace.Database) *replica {
	t.Helper()
	r := &replica{}
	r.now.Store(time.Date(2026, 11, 30, 4, 0, 0, 0, time.UTC).UnixNano())
	db.Now = func() time.Time { return time.Unix(0, r.now.Load()) }
	service, err := feed.New(feed.Config{Workspaces: testkit.Workspaces(t, db), Opened: func() uint64 { return uint64(r.opened.Load()) }})
	if err != nil {
		t.Fatal(err)
	}
	r.Service = service
	return r
}

func (r *replica) epoch(t *testing.T) [8]byte {
	t.Helper()
	epoch, err := r.Epoch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if epoch == [8]byte{} {
		t.Fatal("the epoch is zero")
	}
	return epoch
}

// exec runs a statement that is not ent's.
func exec(t *testing.T, db workspace.Database, statement string, args ...any) {
	t.Helper()
	if _, err := db.Client.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// TestEpoch: all replicas have one epoch, which stays. It is looked at again after a minute and when a connection was opened.
func TestEpoch(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		replicas := make([]*replica, 8)
		epochs := make([][8]byte, len(replicas))
		var all sync.WaitGroup
		for i := range replicas {
			replicas[i] = newReplica(t, db)
			all.Go(func() { epochs[i] = replicas[i].epoch(t) })
		}
		all.Wait()
		for i := range epochs {
			if epochs[i] != epochs[0] {
				t.Fatalf("replicas have the epochs %x and %x", epochs[i], epochs[0])
			}
		}
		next := []byte{8, 7, 6, 5, 4, 3, 2, 1}
		exec(t, db, "UPDATE feed_epochs SET epoch = $1", next)
		old, older := replicas[0], replicas[1]
		old.now.Add(int64(59 * time.Second))
		if got := old.epoch(t); got != epochs[0] {
			t.Errorf("within a minute it is %x", got)
		}
		old.now.Add(int64(time.Second))
		if got := old.epoch(t); got != [8]byte(next) {
			t.Errorf("after a minute it is %x", got)
		}
		older.opened.Add(1)
		if got := older.epoch(t); got != [8]byte(next) {
			t.Errorf("after a connection was opened it is %x", got)
		}
		if got := replicas[2].epoch(t); got != epochs[0] {
			t.Errorf("without either it is %x", got)
		}
	})
}

// TestEpochOfAnotherHistory: if PostgreSQL says of itself something else than what is kept, a new epoch begins, once for all
// replicas.
func TestEpochOfAnotherHistory(t *testing.T) {
	t.Parallel()
	db := workspaceDatabase(testkit.OpenDatabase(t, testkit.MigratedPostgresURL(t)))
	last := newReplica(t, db).epoch(t)
	for _, kept := range []string{"cluster", "timeline"} {
		exec(t, db, "UPDATE feed_epochs SET "+kept+" = '00000009'")
		next := newReplica(t, db).epoch(t)
		if next == last {
			t.Errorf("another %s has the same epoch", kept)
		}
		if again := newReplica(t, db).epoch(t); again != next {
			t.Errorf("the next replica begins the epoch %x, after %x", again, next)
		}
		last = next
		exec(t, db, "UPDATE feed_epochs SET "+kept+" = NULL") // As if it could not be seen until now.
		if got := newReplica(t, db).epoch(t); got != last {
			t.Errorf("a %s that becomes known has another epoch", kept)
		}
	}
}

// TestEpochWithoutPermission: a user who may not see what PostgreSQL says of itself has an epoch all the same.
func TestEpochWithoutPermission(t *testing.T) {
	t.Parallel()
	cluster, err := pgcluster.Start(t.Context(), pgcluster.Config{})
	testkit.Require(t, "a PostgreSQL of its own", err)
	t.Cleanup(func() { _ = cluster.Stop() })
	db := workspaceDatabase(testkit.OpenDatabase(t, cluster.URL()))
	for _, statement := range []string{
		"CREATE ROLE app LOGIN PASSWORD 'secret'", "GRANT ALL ON ALL TABLES IN SCHEMA public TO app",
		"REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC",
	} {
		exec(t, db, statement)
	}
	address, err := url.Parse(cluster.URL())
	if err != nil {
		t.Fatal(err)
	}
	address.User = url.UserPassword("app", "secret")
	app, err := database.Open(t.Context(), database.Config{URL: address.String()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Close() })
	epoch := newReplica(t, workspaceDatabase(app)).epoch(t)
	if got := newReplica(t, db).epoch(t); got != epoch {
		t.Errorf("with the permission it is %x, without %x", got, epoch)
	}
}

func workspaceDatabase(db *database.DB) workspace.Database {
	return workspace.NewDatabase(db.Driver(), db.QueryRaw)
}

// TestFaultsEpochOfPromotedStandby: a standby that is promoted begins a new epoch. It may lack the last changes of its primary.
func TestFaultsEpochOfPromotedStandby(t *testing.T) {
	t.Parallel()
	testkit.Suite(t, "faults")
	start := func(c pgcluster.Config) *pgcluster.Cluster {
		c.Settings = pgcluster.ReplicationSettings()
		cluster, err := pgcluster.Start(t.Context(), c)
		testkit.Require(t, "a PostgreSQL of its own", err)
		t.Cleanup(func() { _ = cluster.Stop() })
		return cluster
	}
	primary := start(pgcluster.Config{})
	before := newReplica(t, workspaceDatabase(testkit.OpenDatabase(t, primary.URL()))).epoch(t)
	standby := start(pgcluster.Config{StandbyOf: primary.URL()})
	db, err := database.Open(t.Context(), database.Config{URL: standby.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	r := newReplica(t, workspaceDatabase(db))
	if got := r.epoch(t); got != before {
		t.Errorf("a standby has the epoch %x, its primary %x", got, before)
	}
	if _, err := db.SQL.ExecContext(t.Context(), "SELECT pg_promote()"); err != nil {
		t.Fatal(err)
	}
	r.opened.Add(1)
	if got := r.epoch(t); got == before {
		t.Error("after its promotion the standby has the same epoch")
	}
}
