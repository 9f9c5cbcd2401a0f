package live_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"taskql/internal/live"
)

// watcher is a subscription of the model.
type watcher struct {
	*live.Subscription
	*sink

	client    *client
	workspace string
	ended     bool // by the model
	told      bool // the sink has to be told of it
}

// model changes workspaces and all that can go wrong, at random.
type model struct {
	*store

	t        *testing.T
	random   *rand.Rand
	clients  []*client
	watchers []*watcher
}

const modelWorkspaces = 3

func (m *model) workspace() string { return strconv.Itoa(m.random.IntN(modelWorkspaces)) }

func (m *model) upTo(d time.Duration) time.Duration { return time.Duration(m.random.Int64N(int64(d))) }

func (m *model) step() {
	switch m.random.IntN(16) {
	case 0, 1, 2:
		m.change(m.workspace())
	case 3: // The hub is told late, perhaps after the next change.
		w := m.workspace()
		version := m.commit(w)
		time.AfterFunc(m.upTo(time.Second), func() { m.hub.Changed(w, version) })
	case 4, 5:
		m.add()
	case 6:
		if w := m.any(); w != nil {
			w.Stop()
			synctest.Wait()
			w.sink.set(func(s *sink) { s.stopped = true })
			w.ended = true
		}
	case 7:
		if w := m.any(); w != nil {
			w.sink.set(func(s *sink) { s.full = true })
		}
	case 8:
		if w := m.any(); w != nil {
			w.sink.set(func(s *sink) { s.full = false })
			w.Ready()
		}
	case 9:
		m.set(func(s *store) { s.failing = !s.failing })
	case 10:
		m.set(func(s *store) { s.slow = m.upTo(50 * time.Millisecond) })
	case 11:
		m.clients[m.random.IntN(len(m.clients))].set(func(c *client) {
			c.state = live.State(m.random.IntN(2))
			c.takes = m.upTo(2 * time.Second)
		})
	case 12:
		m.clients[m.random.IntN(len(m.clients))].set(func(c *client) { c.debt = time.Now().Add(m.upTo(time.Minute)) })
	case 14: // While queries run, too.
		if m.random.IntN(4) == 0 {
			user := m.clients[m.random.IntN(len(m.clients))]
			m.hub.EndUser(user.user)
			m.markEnded(func(w *watcher) bool { return w.client == user })
		}
	case 15: // A session ends, and the hub finds out.
		if m.random.IntN(4) == 0 {
			user := m.clients[m.random.IntN(len(m.clients))]
			user.set(func(c *client) { c.state = live.Ended })
			m.hub.VerifyUser(user.user)
			time.Sleep(5 * time.Second)
			user.set(func(c *client) { c.state = live.Valid })
			m.markEnded(func(w *watcher) bool { return w.client == user })
		}
	case 13:
		m.hub.VerifyUser(m.clients[m.random.IntN(len(m.clients))].user)
	}
	if m.random.IntN(3) == 0 {
		time.Sleep(m.upTo(20 * time.Second))
	}
	time.Sleep(m.upTo(20 * time.Millisecond))
}

// markEnded notes that subscriptions have been ended: their sinks are told, as soon as a query that runs for them is over.
func (m *model) markEnded(which func(*watcher) bool) {
	for _, w := range m.watchers {
		if !w.ended && which(w) {
			w.ended, w.told = true, true
		}
	}
}

func (m *model) any() *watcher {
	if len(m.watchers) == 0 {
		return nil
	}
	if w := m.watchers[m.random.IntN(len(m.watchers))]; !w.ended {
		return w
	}
	return nil
}

func (m *model) add() {
	w := &watcher{client: m.clients[m.random.IntN(len(m.clients))], workspace: m.workspace()}
	w.sink = &sink{t: m.t, client: w.client}
	w.client.mu.Lock()
	verdict := live.Verdict{State: live.Valid, Until: w.client.verified.Add(w.client.validFor)}
	w.client.mu.Unlock()
	session := live.NewSession(w.client, verdict)
	q := &query{store: m.store, workspace: w.workspace, key: byte(m.random.IntN(2)), step: m.random.IntN(3)}
	var err error
	if w.Subscription, err = m.hub.Subscribe(w.workspace, q, live.Position(0), session, w.sink); err != nil {
		m.t.Fatal(err)
	}
	m.watchers = append(m.watchers, w)
}

// heal ends all that is wrong.
func (m *model) heal() {
	m.set(func(s *store) { s.failing, s.slow = false, 0 })
	for _, c := range m.clients {
		c.set(func(c *client) { c.state, c.takes, c.debt = live.Valid, 0, time.Time{} })
	}
	for _, w := range m.watchers {
		if !w.ended {
			w.sink.set(func(s *sink) { s.full = false })
			w.Ready()
		}
	}
	time.Sleep(2 * time.Minute)
	synctest.Wait()
}

// check compares what each watcher has with the database: its results rise, and end at the newest version.
func (m *model) check() {
	for i, w := range m.watchers {
		if told := len(w.sink.ended) == 1; told != w.told {
			m.t.Errorf("watcher %d was told %v of its end, want that %t", i, w.sink.ended, w.told)
		}
		last := 0
		for _, text := range w.got {
			version, err := strconv.Atoi(text)
			if err != nil || version <= last {
				m.t.Fatalf("watcher %d got %v", i, w.got)
			}
			last = version
		}
		if want := m.version(w.workspace); !w.ended && last != want {
			m.t.Errorf("watcher %d got %v, want %d at the end", i, w.got, want)
		}
	}
}

// TestRandomSchedules runs the hub through random schedules of changes, slow clients and failures. Whatever happens, a
// subscription gets results in their order, only while its session is verified, and the newest one in the end.
func TestRandomSchedules(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &model{t: t, random: rand.New(rand.NewPCG(seed, 1)), store: newStore(t, live.Config{Workers: 3})}
				for i := range 3 {
					m.clients = append(m.clients, newClient(fmt.Sprint("user", i)))
				}
				for range 150 {
					m.step()
				}
				m.heal()
				m.check()
				for _, w := range m.watchers {
					w.Stop()
				}
				if got := m.hub.Stats(); got.Subscriptions != 0 || got.Workspaces != 0 || got.Behind != 0 {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

// TestManySubscriptions has thousands of subscriptions in as many workspaces. (That no goroutine is left, synctest checks.)
func TestManySubscriptions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{})
		const n = 5000
		sinks := make([]*sink, n)
		for i := range sinks {
			_, sinks[i] = s.subscribe(t, &query{workspace: strconv.Itoa(i)}, newClient(strconv.Itoa(i)).session())
		}
		synctest.Wait()
		for i := range sinks {
			s.change(strconv.Itoa(i))
		}
		debounced()
		for _, out := range sinks {
			out.want(0, 1)
		}
	})
}

// The memory of idle subscriptions is what limits their number.
func TestMemory(t *testing.T) {
	t.Parallel()
	if got := unsafe.Sizeof(live.Subscription{}); got > 160 {
		t.Errorf("a subscription has %d bytes", got)
	}
	if got := unsafe.Sizeof(live.Session{}); got > 240 {
		t.Errorf("a session has %d bytes", got)
	}
	if got := live.WorkspaceSize; got > 160 {
		t.Errorf("a workspace has %d bytes", got)
	}
}
