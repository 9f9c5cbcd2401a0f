package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var errTest = errors.New("broken by the test")

// fakeDatabase has workspaces and notifications in memory, for processes that share it.
type fakeDatabase struct {
	mu       sync.Mutex
	versions map[string]int
	// broken makes all statements fail. deaf makes notifications reach nobody, as behind a pooler, and dropping all but the
	// tests of listeners.
	broken, deaf, dropping bool
	listeners              map[string]func(string)
	cut                    map[string]context.CancelCauseFunc
	// reads, looks and payloads are the statements.
	reads, looks, ids int
	payloads          []string
}

func newFakeDatabase() *fakeDatabase {
	return &fakeDatabase{versions: map[string]int{}, listeners: map[string]func(string){}, cut: map[string]context.CancelCauseFunc{}}
}

// set changes the database's fields.
func (f *fakeDatabase) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// take returns how many versions' statements, looks for listeners and notifications there were since its last call.
func (f *fakeDatabase) take() (int, int, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() { f.reads, f.looks, f.payloads = 0, 0, nil }()
	return f.reads, f.looks, len(f.payloads)
}

func (f *fakeDatabase) Versions(_ context.Context, ids []string) (map[string]int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	f.ids += len(ids)
	if f.broken {
		return nil, errTest
	}
	if len(ids) > sweepSize {
		return nil, fmt.Errorf("%w: a statement of %d ids", errTest, len(ids))
	}
	found := map[string]int{}
	for _, id := range ids {
		if v, ok := f.versions[id]; ok {
			found[id] = v
		}
	}
	return found, nil
}

func (f *fakeDatabase) Notify(_ context.Context, _, text string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken {
		return errTest
	}
	f.payloads = append(f.payloads, text)
	if len(text) > 7999 {
		return errTest
	}
	if empty := len(newPayload(0).String()); f.deaf || f.dropping && len(text) > empty {
		return nil
	}
	for _, received := range f.listeners {
		received(text)
	}
	return nil
}

func (f *fakeDatabase) Listen(ctx context.Context, _, listener string, listening func(), received func(string)) error {
	ctx, end := context.WithCancelCause(ctx)
	f.set(func() {
		if f.broken {
			end(errTest)
			return
		}
		f.listeners[listener], f.cut[listener] = received, end
		listening()
	})
	<-ctx.Done()
	f.set(func() { delete(f.listeners, listener) })
	return context.Cause(ctx)
}

func (f *fakeDatabase) HasListeners(_ context.Context, _, except string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks++
	if f.broken {
		return false, errTest
	}
	others := maps.Clone(f.listeners)
	delete(others, except)
	return len(others) > 0, nil
}

// fakeHub notes what it is told.
type fakeHub struct {
	mu        sync.Mutex
	versions  map[string]int
	refreshed map[string]int
}

func (f *fakeHub) Changed(id string, version int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.versions[id] = version
}

func (f *fakeHub) Refresh(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refreshed[id]++
}

func (f *fakeHub) version(id string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.versions[id]
}

func (f *fakeHub) refreshes(id string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refreshed[id]
}

// process is one of the processes that use the database.
type process struct {
	*Hints
	hub *fakeHub
}

// startHints starts a process, which ends with the test.
func startHints(t *testing.T, db *fakeDatabase, notifications Notifications) process {
	t.Helper()
	p := process{
		Hints: NewHints(HintsConfig{Versions: db.Versions, Notifications: notifications}),
		hub:   &fakeHub{versions: map[string]int{}, refreshed: map[string]int{}},
	}
	var running sync.WaitGroup
	running.Go(func() { p.Run(t.Context(), p.hub) })
	t.Cleanup(running.Wait) // The test's context has ended by then.
	return p
}

// change changes a workspace through the process.
func (p process) change(db *fakeDatabase, id string) int {
	version := 0
	db.set(func() { db.versions[id]++; version = db.versions[id] })
	p.Announce(id, version)
	return version
}

// TestHints: changes reach the processes that watch their workspaces within 25 ms, by a notification for many of them.
func TestHints(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newFakeDatabase()
		db.versions["a"], db.versions["b"], db.versions["c"] = 1, 1, 1
		here, there := startHints(t, db, db), startHints(t, db, db)
		there.Watch("a", true)
		there.Watch("b", true)
		time.Sleep(20 * time.Second) // Until all know who listens, and sweeps are rare.
		db.take()
		for range 50 {
			here.change(db, "a")
			here.change(db, "b")
			here.change(db, "c")
			time.Sleep(2 * time.Millisecond)
		}
		time.Sleep(25 * time.Millisecond)
		if a, b, c := there.hub.version("a"), there.hub.version("b"), there.hub.version("c"); a != 51 || b != 51 || c != 0 {
			t.Errorf("the other hub was told of %d, %d and %d, want 51, 51 and 0", a, b, c)
		}
		if _, _, sent := db.take(); sent > 7 {
			t.Errorf("%d notifications in 125 ms", sent)
		}
		stats := there.Stats()
		if stats.Found == 0 || stats.Missed != 0 || stats.Received == 0 || stats.Invalid != 0 || !stats.Listening {
			t.Errorf("%+v", stats)
		}
		if sent := here.Stats(); sent.Announced < sent.Sent*2 || sent.Announced == 0 || sent.Unsent != 0 {
			t.Errorf("%+v", sent)
		}
		// What is not watched any more is not told.
		there.Watch("a", false)
		here.change(db, "a")
		time.Sleep(time.Minute)
		if got := there.hub.version("a"); got != 51 {
			t.Errorf("the hub was told of %d", got)
		}
	})
}

// TestHintsLost: sweeps find what notifications did not tell of, and count it.
func TestHintsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newFakeDatabase()
		db.versions["a"] = 1
		here, there := startHints(t, db, db), startHints(t, db, db)
		there.Watch("a", true)
		time.Sleep(20 * time.Second)
		db.set(func() { db.dropping = true })
		here.change(db, "a")
		time.Sleep(rareSweeps)
		if got := there.hub.version("a"); got != 2 {
			t.Errorf("after a sweep the hub knows of %d", got)
		}
		time.Sleep(rareSweeps)
		if stats := there.Stats(); stats.Missed != 1 {
			t.Errorf("%+v, want one missed", stats)
		}
		// A hint after the sweep is late, not lost.
		version := 0
		db.set(func() { db.versions["a"]++; version = db.versions["a"] })
		time.Sleep(rareSweeps)
		db.set(func() { db.dropping = false })
		here.Announce("a", version)
		time.Sleep(2 * rareSweeps)
		if stats := there.Stats(); stats.Missed != 1 || there.hub.version("a") != version {
			t.Errorf("%+v, and the hub knows of %d; want still one missed, and %d", stats, there.hub.version("a"), version)
		}
	})
}

// TestHintsDeaf: if notifications don't arrive, whatever changes is found within a second.
func TestHintsDeaf(t *testing.T) {
	t.Parallel()
	for name, withNotifications := range map[string]bool{"a pooler": true, "no notifications": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db := newFakeDatabase()
				db.versions["a"], db.deaf = 1, true
				var notifications Notifications
				if withNotifications {
					notifications = db
				}
				here, there := startHints(t, db, notifications), startHints(t, db, notifications)
				there.Watch("a", true)
				for range 60 {
					version := here.change(db, "a")
					time.Sleep(frequentSweeps + time.Millisecond)
					if got := there.hub.version("a"); got != version {
						t.Fatalf("the hub knows of %d, want %d", got, version)
					}
				}
				if stats := there.Stats(); stats.Listening || stats.Connects != 0 || stats.Missed != 0 {
					t.Errorf("%+v", stats)
				}
			})
		})
	}
}

// TestHintsReconnect: when the listening connection is cut, changes are found by frequent sweeps until notifications arrive
// again.
func TestHintsReconnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newFakeDatabase()
		db.versions["a"] = 1
		here, there := startHints(t, db, db), startHints(t, db, db)
		there.Watch("a", true)
		time.Sleep(20 * time.Second)
		db.set(func() { db.deaf = true; db.cut[there.name()](errTest) })
		time.Sleep(time.Millisecond)
		version := here.change(db, "a")
		time.Sleep(frequentSweeps)
		if got := there.hub.version("a"); got != version || there.Stats().Listening {
			t.Errorf("the hub knows of %d, want %d: %+v", got, version, there.Stats())
		}
		db.set(func() { db.deaf = false })
		time.Sleep(noEchoPause + 30*time.Second)
		version = here.change(db, "a")
		time.Sleep(25 * time.Millisecond)
		stats := there.Stats()
		if got := there.hub.version("a"); got != version || !stats.Listening || stats.Connects != 2 || stats.Missed != 0 {
			t.Errorf("the hub knows of %d, want %d: %+v", got, version, stats)
		}
		// A connection over which nothing arrives any more is given up.
		db.set(func() { db.deaf = true })
		time.Sleep(echoInterval + echoTimeout + time.Second)
		if there.Stats().Listening {
			t.Error("it believes that notifications arrive")
		}
	})
}

// TestHintsIdle: while nobody watches, there are no statements but a look for listeners every 5 s if something changes.
func TestHintsIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newFakeDatabase()
		here := startHints(t, db, db)
		for range 1000 {
			here.change(db, "a")
			time.Sleep(10 * time.Millisecond)
		}
		if reads, looks, sent := db.take(); reads != 0 || sent != 0 || looks == 0 || looks > 3 {
			t.Errorf("%d versions read, %d notifications and %d looks for listeners in 10 s", reads, sent, looks)
		}
		// Once nobody watches any more, all of it ends.
		here.Watch("a", true)
		time.Sleep(time.Minute)
		if reads, _, sent := db.take(); reads == 0 || sent == 0 || len(db.listeners) != 1 {
			t.Errorf("%d versions read, %d notifications, %d listeners while somebody watches", reads, sent, len(db.listeners))
		}
		here.Watch("a", false)
		time.Sleep(3 * echoInterval)
		db.take()
		time.Sleep(time.Hour)
		if reads, looks, sent := db.take(); reads+looks+sent != 0 || len(db.listeners) != 0 {
			t.Errorf("%d versions read, %d looks, %d notifications, %d listeners in an hour", reads, looks, sent, len(db.listeners))
		}
	})
}

// TestSweepsAreSpread: 10,000 watched workspaces are read by ten statements per interval, which are spread over it.
func TestSweepsAreSpread(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		listens  bool
		interval time.Duration
	}{{"frequent", false, frequentSweeps}, {"rare", true, rareSweeps}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const workspaces, statements = 10_000, 10
				db := newFakeDatabase()
				db.deaf = !tt.listens
				here := startHints(t, db, db)
				for i := range workspaces {
					id := fmt.Sprintf("workspace %d", i)
					db.set(func() { db.versions[id] = 1 })
					here.Watch(id, true)
				}
				time.Sleep(time.Minute + tt.interval/statements/2) // Between two statements.
				db.take()
				for range 2 * statements {
					time.Sleep(tt.interval / statements)
					if reads, _, _ := db.take(); reads != 1 {
						t.Errorf("%d statements in a tenth of %s", reads, tt.interval)
					}
				}
			})
		})
	}
}

// TestHintsOutage: while the database is down, attempts become rare; when it is back, all are read at once, and nothing is lost.
func TestHintsOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newFakeDatabase()
		here, there := startHints(t, db, db), startHints(t, db, db)
		const workspaces = 3000
		id := func(i int) string { return fmt.Sprintf("workspace %d", i) }
		for i := range workspaces {
			db.set(func() { db.versions[id(i)] = 1 })
			there.Watch(id(i), true)
		}
		time.Sleep(time.Minute)
		db.set(func() {
			db.broken = true
			db.cut[there.name()](errTest)
		})
		time.Sleep(time.Minute)
		db.take()
		time.Sleep(time.Minute)
		if reads, _, _ := db.take(); reads == 0 || reads > 24 {
			t.Errorf("%d attempts to read in a minute", reads)
		}
		db.set(func() { db.broken = false })
		for i := range workspaces {
			here.change(db, id(i))
		}
		time.Sleep(maxSweepPause * 3 / 2)
		for i := range workspaces {
			if got := there.hub.version(id(i)); got != 2 {
				t.Fatalf("the hub knows of version %d of %s", got, id(i))
			}
		}
		if stats := there.Stats(); stats.Unread == 0 {
			t.Errorf("%+v", stats)
		}
	})
}

// TestHistoryChanges: the hub is told once to look again if a workspace is gone, or its version has gone back.
func TestHistoryChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newFakeDatabase()
		db.versions["a"], db.versions["b"] = 10, 10
		here := startHints(t, db, nil)
		here.Watch("a", true)
		here.Watch("b", true)
		time.Sleep(2 * time.Second)
		db.set(func() { db.versions["a"] = 7; delete(db.versions, "b") })
		time.Sleep(10 * time.Second)
		if a, b := here.hub.refreshes("a"), here.hub.refreshes("b"); a != 1 || b != 1 {
			t.Errorf("refreshed %d and %d times", a, b)
		}
		here.change(db, "a")
		time.Sleep(frequentSweeps + time.Millisecond)
		if got := here.hub.version("a"); got != 8 {
			t.Errorf("after its version went back, the hub knows of %d", got)
		}
	})
}

// TestForgedHints: whoever can send notifications can't make the hub believe a version, miss one, or read more than one statement
// at a time.
func TestForgedHints(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newFakeDatabase()
		db.versions["a"] = 5
		here, there := startHints(t, db, db), startHints(t, db, db)
		there.Watch("a", true)
		time.Sleep(20 * time.Second)
		forged := newPayload(12345)
		forged.add(hashOf("a"), 1<<62)
		for range 100 {
			for _, text := range []string{forged.String(), forged.String()[:20], "", "é", strings.Repeat("A", 7999)} {
				if err := db.Notify(t.Context(), channel, text); err != nil {
					t.Fatal(err)
				}
			}
		}
		synctest.Wait()
		if got := there.hub.version("a"); got != 5 {
			t.Errorf("the hub believes in version %d", got)
		}
		version := here.change(db, "a")
		time.Sleep(25 * time.Millisecond)
		if got := there.hub.version("a"); got != version {
			t.Errorf("the hub knows of %d, want %d", got, version)
		}
		if got := there.Stats().Invalid; got < 300 {
			t.Errorf("%d invalid notifications", got)
		}
	})
}

// TestAnnounceMany: changes of more workspaces than a notification can name are sent by several.
func TestAnnounceMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newFakeDatabase()
		here, there := startHints(t, db, db), startHints(t, db, db)
		const workspaces = 3000
		id := func(i int) string { return fmt.Sprintf("workspace %d", i) }
		for i := range workspaces {
			db.set(func() { db.versions[id(i)] = 1 << (i % 40) })
			there.Watch(id(i), true)
		}
		time.Sleep(20 * time.Second)
		db.take()
		for i := range workspaces {
			here.change(db, id(i))
		}
		time.Sleep(time.Second)
		for i := range workspaces {
			if got, want := there.hub.version(id(i)), 1<<(i%40)+1; got != want {
				t.Fatalf("the hub knows of %d, want %d", got, want)
			}
		}
		if _, _, sent := db.take(); sent < 4 || sent > 10 {
			t.Errorf("%d notifications", sent)
		}
		if stats := here.Stats(); stats.Announced != workspaces || stats.Unsent != 0 {
			t.Errorf("%+v", stats)
		}
		// What can't be sent is bounded.
		db.set(func() { db.broken = true })
		for i := range 2 * maxWaiting {
			here.Announce(id(i), 1)
		}
		if got := here.Stats().Dropped; got == 0 {
			t.Error("nothing was dropped")
		}
	})
}

// TestLastAnnouncement: what was changed last before the process ends is announced.
func TestLastAnnouncement(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newFakeDatabase()
		db.versions["a"] = 1
		there := startHints(t, db, db)
		there.Watch("a", true)
		time.Sleep(20 * time.Second)
		ending := NewHints(HintsConfig{Versions: db.Versions, Notifications: db})
		ctx, stop := context.WithCancel(t.Context())
		stop()
		db.set(func() { db.versions["a"] = 2 })
		ending.Announce("a", 2)
		ending.Run(ctx, there.hub)
		synctest.Wait()
		if got := there.hub.version("a"); got != 2 {
			t.Errorf("the hub knows of %d", got)
		}
	})
}

// TestReadsFinish: a statement that is running when the process ends is not canceled.
func TestReadsFinish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		finished, canceled := 0, 0
		h := NewHints(HintsConfig{Versions: func(ctx context.Context, _ []string) (map[string]int, error) {
			select {
			case <-ctx.Done():
				canceled++
			case <-time.After(time.Second):
				finished++
			}
			return map[string]int{"a": 1}, nil
		}})
		h.Watch("a", true)
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(frequentSweeps/2, stop)
		h.Run(ctx, &fakeHub{versions: map[string]int{}, refreshed: map[string]int{}})
		if finished != 1 || canceled != 0 {
			t.Errorf("%d finished, %d canceled", finished, canceled)
		}
	})
}
