package live_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taskql/internal/database"
	"taskql/internal/live"
	"taskql/internal/testkit"
	"taskql/internal/testkit/toxic"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// replica is one of several servers on one PostgreSQL database, as far as live updates are concerned.
type replica struct {
	db         *database.DB
	workspaces *workspace.Service
	hub        *live.Hub
	hints      *live.Hints
	// dropping makes it send no notifications but those to test whether they arrive.
	dropping atomic.Bool
}

// startReplica starts a replica, which ends with the test.
func startReplica(t *testing.T, address, direct string) *replica {
	t.Helper()
	db, err := database.Open(t.Context(), database.Config{URL: address, DirectURL: direct, MaxOpenConns: 4, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{db: db}
	r.hints = live.NewHints(live.HintsConfig{Notifications: droppable{db, r}, Versions: func(ctx context.Context, ids []string) (map[string]int, error) {
		return r.workspaces.Versions(ctx, ids)
	}})
	r.hub = live.New(live.Config{Watching: r.hints.Watch})
	r.workspaces, err = workspace.New(workspace.Config{
		Database: testkit.Database(db.Driver()),
		Committed: func(id string, version int) {
			r.hub.Changed(id, version)
			r.hints.Announce(id, version)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.hints.Run(ctx, r.hub) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		r.hub.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// droppable sends the replica's notifications, unless it is dropping them.
type droppable struct {
	*database.DB

	replica *replica
}

func (d droppable) Notify(ctx context.Context, channel, payload string) error {
	const empty = 12 // The length without changes.
	if d.replica.dropping.Load() && len(payload) > empty {
		return nil
	}
	return d.DB.Notify(ctx, channel, payload) //nolint:wrapcheck // It is the test's.
}

// change changes a workspace, and returns its version.
func (r *replica) change(t *testing.T, v viewer.Viewer) string {
	t.Helper()
	version := 0
	err := r.workspaces.Apply(viewer.NewContext(t.Context(), v), v, workspace.Counter{}, func(tx *workspace.Tx) error {
		tx.MarkChanged()
		version = tx.Version
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(version)
}

// versionQuery reads a workspace's version from the database.
type versionQuery struct {
	replica *replica
	id      string
}

func (q versionQuery) Key() live.Key { return live.Key{} }

func (q versionQuery) Name() string { return "version" }

func (q versionQuery) Run(ctx context.Context, _ live.Position) live.Result {
	found, err := q.replica.workspaces.Versions(ctx, []string{q.id})
	if err != nil {
		return live.Result{Fault: err}
	}
	version := found[q.id]
	return live.Result{Data: fmt.Append(nil, version), Position: version, Version: version}
}

// remoteClient is a client that has the newest result of a subscription.
type remoteClient struct{ last atomic.Value }

func (w *remoteClient) Next(data []byte) bool { w.last.Store(string(data)); return true }
func (w *remoteClient) End(error)             {}

// watch begins a subscription of a workspace's version.
func (r *replica) watch(t *testing.T, id string) *remoteClient {
	t.Helper()
	w := &remoteClient{}
	session := live.NewSession(newClient(id), live.Verdict{State: live.Valid, Until: time.Now().Add(time.Hour)})
	if _, err := r.hub.Subscribe(id, versionQuery{r, id}, nil, session, w); err != nil {
		t.Fatal(err)
	}
	return w
}

// await waits until the client has a result.
func (w *remoteClient) await(t *testing.T, want string) {
	t.Helper()
	awaitTrue(t, "version "+want, func() bool { return w.last.Load() == want })
}

func awaitTrue(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it takes too long: %s", what)
		}
	}
}

// awaitHints changes the workspace through here until there finds changes by hints.
func awaitHints(t *testing.T, here, there *replica, v viewer.Viewer) {
	t.Helper()
	awaitTrue(t, "notifications arrive", func() bool { return there.hints.Stats().Listening })
	for found := there.hints.Stats().Found; there.hints.Stats().Found == found; time.Sleep(10 * time.Millisecond) {
		here.change(t, v)
	}
}

// TestReplicas: the clients of each replica see the changes that are made through another one.
func TestReplicas(t *testing.T) {
	t.Parallel()
	address := testkit.DirectURL(t, testkit.MigratedPostgresURL(t))
	a, b := startReplica(t, address, ""), startReplica(t, address, "")
	alice := testkit.MakeViewer(t, testkit.Database(a.db.Driver()).Client, "alice")
	bob := testkit.MakeViewer(t, testkit.Database(a.db.Driver()).Client, "bob")
	aliceAtB, bobAtA := b.watch(t, "alice"), a.watch(t, "bob")
	for range 50 {
		aliceAtB.await(t, a.change(t, alice))
		bobAtA.await(t, b.change(t, bob))
	}
	awaitHints(t, a, b, alice)
	awaitHints(t, b, a, bob)
	aliceAtB.await(t, a.change(t, alice))

	// Without notifications, sweeps find it.
	a.dropping.Store(true)
	for range 3 {
		aliceAtB.await(t, a.change(t, alice))
	}
	a.dropping.Store(false)

	// When the listening connection is terminated, it is made again.
	const terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'taskql%listener%'"
	if _, err := a.db.SQL.ExecContext(t.Context(), terminate); err != nil {
		t.Fatal(err)
	}
	aliceAtB.await(t, a.change(t, alice))
	awaitTrue(t, "notifications arrive again", func() bool { return b.hints.Stats().Connects == 2 })
	awaitHints(t, a, b, alice)
	aliceAtB.await(t, a.change(t, alice))
	if stats := b.hints.Stats(); stats.Unread != 0 || stats.Invalid != 0 || stats.Unsent != 0 {
		t.Errorf("%+v", stats)
	}
}

// TestReplicasBehindPgBouncer: behind a pooler in transaction mode, nothing is heard, and sweeps find all changes. With an
// address past it, hints arrive, though they are sent through the pooler.
func TestReplicasBehindPgBouncer(t *testing.T) {
	t.Parallel()
	direct := testkit.DirectURL(t, testkit.MigratedPostgresURL(t))
	pooled := testkit.PgBouncer(t, direct)
	for name, past := range map[string]string{"without a direct URL": "", "with a direct URL": direct} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := startReplica(t, pooled, past), startReplica(t, pooled, past)
			v := testkit.MakeViewer(t, testkit.Database(a.db.Driver()).Client, strings.ReplaceAll(name, " ", "-"))
			w := b.watch(t, v.WorkspaceID)
			for range 3 {
				w.await(t, a.change(t, v))
			}
			if past != "" {
				awaitHints(t, a, b, v)
				w.await(t, a.change(t, v))
			} else if b.hints.Stats().Listening {
				t.Error("it believes that notifications arrive")
			}
		})
	}
}

// TestReplicasOutage: while a replica has no database, its clients miss nothing: they get the newest state after it.
func TestReplicasOutage(t *testing.T) {
	t.Parallel()
	direct := testkit.DirectURL(t, testkit.MigratedPostgresURL(t))
	parsed, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := toxic.Start(parsed.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Stop()
	parsed.Host = proxy.Listen
	a, b := startReplica(t, direct, ""), startReplica(t, parsed.String(), "")
	v := testkit.MakeViewer(t, testkit.Database(a.db.Driver()).Client, "alice")
	w := b.watch(t, "alice")
	awaitHints(t, a, b, v)
	proxy.Stop()
	for failed := b.hints.Stats().Unread; b.hints.Stats().Unread < failed+2; time.Sleep(time.Millisecond) {
		a.change(t, v)
	}
	last := a.change(t, v)
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	w.await(t, last)
	awaitHints(t, a, b, v)
	w.await(t, a.change(t, v))
}
