package live_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"taskql/internal/live"
)

// debounced waits until what was begun by a change is over.
func debounced() {
	time.Sleep(20 * time.Millisecond)
	synctest.Wait()
}

func TestDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{})
		s.commit("w")
		sub, out := s.subscribe(t, &query{}, newClient("ann").session())
		out.want(1) // At once.
		for range 5 {
			s.change("w")
		}
		out.want(1) // Changes are gathered.
		debounced()
		out.want(1, 6)
		s.change("other")
		s.hub.Changed("w", 4) // Late.
		debounced()
		out.want(1, 6)
		if got := s.countRuns(); got != 2 {
			t.Errorf("%d runs, want 2", got)
		}
		if got := s.hub.Subscriptions(); !maps.Equal(got, map[string]int{"versions": 1}) {
			t.Errorf("%v", got)
		}
		sub.Stop()
		sub.Stop()
		s.change("w")
		debounced()
		out.want(1, 6)
		if got := s.hub.Stats(); got.Subscriptions != 0 || s.hub.Subscriptions()["versions"] != 0 || got.Workspaces != 0 || got.Deliveries != 2 {
			t.Errorf("%+v", got)
		}
	})
}

// After a pause a change is served at once, and those that follow wait for each other.
func TestFirstChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{Debounce: 10 * time.Millisecond})
		s.commit("w")
		_, out := s.subscribe(t, &query{}, newClient("ann").session())
		for range 3 {
			time.Sleep(time.Second)
			before := s.countRuns()
			s.change("w")
			time.Sleep(time.Millisecond)
			synctest.Wait()
			if got := s.countRuns() - before; got != 1 {
				t.Fatalf("%d runs a millisecond after a change, want 1", got)
			}
			s.change("w")
			s.change("w")
			time.Sleep(8 * time.Millisecond)
			synctest.Wait()
			if got := s.countRuns() - before; got != 1 {
				t.Errorf("%d runs before the debounce is over, want 1", got)
			}
			time.Sleep(2 * time.Millisecond)
			synctest.Wait()
			if got := s.countRuns() - before; got != 2 {
				t.Errorf("%d runs, want 2", got)
			}
		}
		out.want(1, 2, 4, 5, 7, 8, 10)
	})
}

// A change that is committed while the query runs is not missed, whenever the hub is told.
func TestChangeDuringRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{})
		s.set(func(s *store) { s.slow = time.Second })
		_, out := s.subscribe(t, &query{}, newClient("ann").session())
		time.Sleep(500 * time.Millisecond)
		s.change("w")
		time.Sleep(time.Minute)
		out.want(0, 1)
	})
}

func TestShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var counts []int
		s := newStore(t, live.Config{Delivered: func(d live.Delivery) {
			mu.Lock()
			defer mu.Unlock()
			if d.Delay > 0 && d.Delay != 10*time.Millisecond || d.Name != "versions" || d.Bytes != d.Count {
				t.Errorf("%+v", d)
			}
			counts = append(counts, d.Count)
		}})
		var sinks []*sink
		for i := range 100 {
			_, out := s.subscribe(t, &query{key: byte(i % 2)}, newClient("ann").session())
			sinks = append(sinks, out)
		}
		synctest.Wait()
		before := s.countRuns()
		counts = nil
		s.change("w")
		debounced()
		for _, out := range sinks {
			out.want(0, 1)
		}
		if got := s.countRuns() - before; got != 2 || !slices.Equal(counts, []int{50, 50}) {
			t.Errorf("%d runs, deliveries %v, want 2 runs, each for 50", got, counts)
		}
	})
}

// A slow client gets fewer and newer results.
func TestSlowSink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{})
		client := newClient("ann")
		slow, slowOut := s.subscribe(t, &query{}, client.session())
		_, out := s.subscribe(t, &query{}, client.session())
		synctest.Wait()
		slowOut.set(func(s *sink) { s.full = true })
		for range 3 {
			s.change("w")
			debounced()
		}
		out.want(0, 1, 2, 3)
		slowOut.want(0)
		if got := s.hub.Stats().Behind; got != 1 {
			t.Errorf("%d behind, want 1", got)
		}
		if slowOut.refused != 1 {
			t.Errorf("the full sink was called %d times, want once", slowOut.refused)
		}
		slowOut.set(func(s *sink) { s.full = false })
		slow.Ready()
		debounced()
		slowOut.want(0, 3)
		if got := s.hub.Stats().Behind; got != 0 {
			t.Errorf("%d behind, want 0", got)
		}
	})
}

// readySink calls Ready before Next has returned false.
type readySink struct {
	sink

	sub  *live.Subscription
	left int
}

func (s *readySink) Next(data []byte) bool {
	if s.left--; s.left >= 0 {
		s.sub.Ready()
		return false
	}
	return s.sink.Next(data)
}

func TestReadyDuringNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{})
		out := &readySink{sink: sink{t: t}}
		var err error
		out.sub, err = s.hub.Subscribe("w", &query{store: s, workspace: "w"}, nil, newClient("ann").session(), out)
		if err != nil {
			t.Fatal(err)
		}
		out.want(0)
		out.left = 3
		s.change("w")
		debounced()
		out.want(0, 1)
	})
}

// A cut result is continued at once, but other workspaces are served in between.
func TestMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{Workers: 1})
		for range 1000 {
			s.commit("long")
		}
		s.set(func(s *store) { s.slow = time.Millisecond })
		client := newClient("ann")
		q := &query{store: s, workspace: "long", step: 1}
		long := &sink{t: t}
		if _, err := s.hub.Subscribe("long", q, 0, client.session(), long); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		_, short := s.subscribe(t, &query{workspace: "short"}, client.session())
		time.Sleep(5 * time.Millisecond)
		short.want(0)
		time.Sleep(10 * time.Second)
		if synctest.Wait(); len(long.got) != 1000 || long.got[999] != "1000" {
			t.Errorf("%d results", len(long.got))
		}
	})
}

func TestNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{})
		q := &query{next: time.Now().Add(time.Hour)}
		_, out := s.subscribe(t, q, newClient("ann").session())
		out.want(0)
		s.commit("w") // Nobody tells the hub: only the clock brings it.
		time.Sleep(time.Hour - time.Second)
		out.want(0)
		s.set(func(*store) { q.next = time.Time{} })
		time.Sleep(2 * time.Second)
		out.want(0, 1)
		time.Sleep(24 * time.Hour)
		if got := s.countRuns(); got != 2 {
			t.Errorf("%d runs, want 2", got)
		}
	})
}

// The clock of Next is the configured one, which may jump. If it is set back, whatever depends on it may be something else.
func TestNextByConfiguredClock(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{24 * time.Hour, -time.Minute} {
		nextByConfiguredClock(t, jump)
	}
}

func nextByConfiguredClock(t *testing.T, jump time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var ahead time.Duration
		now := func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(ahead)
		}
		s := newStore(t, live.Config{Now: now})
		q := &query{next: time.Now().Add(24 * time.Hour)}
		client := newClient("ann")
		client.validFor = 1000 * time.Hour
		_, out := s.subscribe(t, q, client.session())
		out.want(0)
		s.commit("w")
		s.set(func(*store) { q.next = time.Now().Add(1000 * time.Hour) })
		mu.Lock()
		ahead = jump
		mu.Unlock()
		time.Sleep(1100 * time.Millisecond)
		out.want(0, 1)
		s.commit("w")
		time.Sleep(time.Minute)
		out.want(0, 1) // Once for each jump.
	})
}

// While the database is down, nothing ends; then each query catches up once.
func TestOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		runs := map[error]int64{}
		s := newStore(t, live.Config{StartRun: func(ctx context.Context, _ string) (context.Context, func(error)) {
			return ctx, func(fault error) { runs[fault]++ }
		}})
		client := newClient("ann")
		var sinks []*sink
		for range 100 {
			_, out := s.subscribe(t, &query{}, client.session())
			sinks = append(sinks, out)
		}
		synctest.Wait()
		s.set(func(s *store) { s.failing = true })
		before := s.countRuns()
		for range 60 {
			s.change("w")
			time.Sleep(time.Second)
		}
		if got := s.countRuns() - before; got < 10 || got > 40 {
			t.Errorf("%d runs in a minute of failures", got)
		}
		s.set(func(s *store) { s.failing = false })
		before = s.countRuns()
		time.Sleep(6 * time.Second)
		for _, out := range sinks {
			out.want(0, 60)
		}
		if got := s.countRuns() - before; got != 1 {
			t.Errorf("%d runs to catch up, want 1", got)
		}
		if got := s.hub.Stats(); runs[errOutage] != got.Faults || runs[nil]+runs[errOutage] != got.Runs || got.Faults == 0 {
			t.Errorf("%v, %+v", runs, got)
		}
	})
}

func TestEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{})
		errGone := errors.New("gone")
		client := newClient("ann")
		q := &query{}
		_, ending := s.subscribe(t, q, client.session())
		_, other := s.subscribe(t, &query{}, client.session())
		synctest.Wait()
		s.set(func(*store) { q.end = errGone })
		s.change("w")
		debounced()
		ending.wantEnd(errGone)
		ending.want(0)
		other.want(0, 1) // The same query, but this one's user may go on.
		if got := s.hub.Stats().Subscriptions; got != 1 {
			t.Errorf("%d subscriptions, want 1", got)
		}
		q = &query{end: live.ErrComplete}
		_, completed := s.subscribe(t, q, client.session())
		completed.wantEnd(live.ErrComplete)
	})
}

type panicking struct{ query }

func (*panicking) Run(context.Context, live.Position) live.Result { panic("bug") }

type panickingSink struct{}

func (panickingSink) Next([]byte) bool { panic("bug") }
func (panickingSink) End(error)        { panic("bug") }

func TestPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var panics atomic.Int64
		s := newStore(t, live.Config{StartRun: func(ctx context.Context, _ string) (context.Context, func(error)) {
			return ctx, func(fault error) {
				if fault != nil {
					panics.Add(1)
				}
			}
		}})
		client := newClient("ann")
		sub, err := s.hub.Subscribe("w", &panicking{query{key: 1}}, nil, client.session(), &sink{t: t})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.hub.Subscribe("w", &query{store: s, workspace: "w", key: 2}, nil, client.session(), panickingSink{}); err != nil {
			t.Fatal(err)
		}
		_, out := s.subscribe(t, &query{}, client.session())
		out.want(0)
		if got := s.hub.Stats(); got.Faults == 0 || got.Faults != panics.Load() || got.Subscriptions != 2 {
			t.Errorf("%+v", got)
		}
		sub.Stop()
	})
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{})
		for range 5 {
			s.commit("w")
		}
		_, out := s.subscribe(t, &query{}, newClient("ann").session())
		s.hub.Changed("w", 5)
		debounced()
		s.set(func(s *store) { s.versions["w"] = 2 }) // It was restored.
		s.hub.Changed("w", 2)
		debounced()
		out.want(5)
		s.hub.Refresh("w")
		debounced()
		out.want(5, 2)
		s.change("w")
		debounced()
		out.want(5, 2, 3)
	})
}

func TestWatching(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls []string
		s := newStore(t, live.Config{Watching: func(id string, watched bool) {
			if watched {
				id = "+" + id
			}
			calls = append(calls, id)
		}})
		session := newClient("ann").session()
		one, _ := s.subscribe(t, &query{workspace: "a"}, session)
		two, _ := s.subscribe(t, &query{workspace: "a"}, session)
		if got := s.hub.Watched(); !slices.Equal(got, []string{"a"}) {
			t.Errorf("watched %v", got)
		}
		one.Stop()
		two.Stop()
		s.subscribe(t, &query{workspace: "b"}, session)
		if want := []string{"+a", "a", "+b"}; !slices.Equal(calls, want) {
			t.Errorf("calls %v, want %v", calls, want)
		}
	})
}

func TestLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{MaxSubscriptions: 1})
		session := newClient("ann").session()
		sub, _ := s.subscribe(t, &query{}, session)
		if _, err := s.hub.Subscribe("w", &query{store: s}, nil, session, &sink{t: t}); !errors.Is(err, live.ErrTooMany) {
			t.Errorf("got %v", err)
		}
		sub.Stop()
		s.subscribe(t, &query{}, session)
	})
}

func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{})
		session := newClient("ann").session()
		var sinks []*sink
		for i := range 100 {
			_, out := s.subscribe(t, &query{workspace: strconv.Itoa(i / 2)}, session)
			sinks = append(sinks, out)
		}
		s.set(func(s *store) { s.slow = time.Second }) // Some are running.
		s.hub.Close()
		for _, out := range sinks {
			out.wantEnd(live.ErrClosing)
		}
		if _, err := s.hub.Subscribe("w", &query{store: s}, nil, session, &sink{t: t}); !errors.Is(err, live.ErrClosing) {
			t.Errorf("got %v", err)
		}
		s.hub.Close()
	})
}

// canceledQuery runs until it is canceled.
type canceledQuery struct{ query }

func (*canceledQuery) Run(ctx context.Context, _ live.Position) live.Result {
	<-ctx.Done()
	return live.Result{Fault: ctx.Err()}
}

// finishingQuery runs for a second, and counts whether it was canceled.
type finishingQuery struct {
	query

	finished, canceled atomic.Int64
}

func (q *finishingQuery) Run(ctx context.Context, _ live.Position) live.Result {
	select {
	case <-ctx.Done():
		q.canceled.Add(1)
	case <-time.After(time.Second):
		q.finished.Add(1)
	}
	return live.Result{}
}

// What is running when the hub is closed may finish.
func TestCloseLetsFinish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{})
		q := &finishingQuery{query: query{store: s}}
		if _, err := s.hub.Subscribe("w", q, nil, newClient("ann").session(), &sink{t: t}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s.hub.Close()
		if q.finished.Load() != 1 || q.canceled.Load() != 0 {
			t.Errorf("%d finished, %d canceled", q.finished.Load(), q.canceled.Load())
		}
	})
}

// What takes too long after the hub was closed is canceled, and no fault that anybody should look for.
func TestCloseIsNoFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{})
		if _, err := s.hub.Subscribe("w", &canceledQuery{query{store: s}}, nil, newClient("ann").session(), &sink{t: t}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s.hub.Close()
		synctest.Wait()
		if got := s.hub.Stats(); got.Runs != 1 || got.Faults != 0 {
			t.Errorf("%+v", got)
		}
	})
}
