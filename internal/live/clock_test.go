package live_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"taskql/internal/live"
)

// turningClock is a clock that may be turned while it is read.
type turningClock struct {
	random *rand.Rand

	mu    sync.Mutex
	ahead time.Duration
	// restless is set while each reading may be followed by a turn.
	restless bool
}

func (c *turningClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now().Add(c.ahead)
	if c.restless && c.random.IntN(10) == 0 {
		c.turn()
	}
	return now
}

// turn turns the clock. The lock must be held.
func (c *turningClock) turn() { c.ahead = time.Duration(c.random.IntN(5)) * time.Hour }

func (c *turningClock) set(change func(c *turningClock)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

func (c *turningClock) upTo(d time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.random.Int64N(int64(d)))
}

// hours is a query for the hour that the clock shows.
type hours struct {
	clock *turningClock
	slow  time.Duration
}

func (q *hours) Key() live.Key { return live.Key{} }

func (q *hours) Name() string { return "hours" }

func (q *hours) Run(_ context.Context, at live.Position) live.Result {
	time.Sleep(q.clock.upTo(q.slow))
	now := q.clock.now()
	hour := now.Truncate(time.Hour)
	time.Sleep(q.clock.upTo(q.slow))
	result := live.Result{Position: hour, Next: hour.Add(time.Hour), AsOf: now}
	if at != live.Position(hour) {
		result.Data = []byte(hour.Format(time.RFC3339))
	}
	return result
}

// TestTurningClock turns the clock at random: between any two readings of it, and while queries run. In the end, each subscription
// has what its query has by the clock.
func TestTurningClock(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		synctest.Test(t, func(t *testing.T) { turnClock(t, seed) })
	}
}

func turnClock(t *testing.T, seed uint64) {
	t.Helper()
	clock := &turningClock{random: rand.New(rand.NewPCG(seed, 0))}
	s := newStore(t, live.Config{Now: clock.now})
	slow := clock.upTo(time.Second) + 1
	ann := newClient("ann")
	ann.validFor = 1000 * time.Hour
	sinks := make([]*sink, 3)
	for i := range sinks {
		sinks[i] = &sink{t: t}
		q := &hours{clock, slow}
		if _, err := s.hub.Subscribe("w", q, nil, ann.session(), sinks[i]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(clock.upTo(time.Second))
	}
	clock.set(func(c *turningClock) { c.restless = true })
	for range 1 + clock.upTo(4) {
		time.Sleep(clock.upTo(2 * time.Second))
		clock.set((*turningClock).turn)
		if clock.upTo(2) == 0 {
			s.change("w")
		}
	}
	clock.set(func(c *turningClock) { c.restless = false })
	time.Sleep(10 * time.Second)
	synctest.Wait()
	want := clock.now().Truncate(time.Hour).Format(time.RFC3339)
	for i, out := range sinks {
		out.set(func(s *sink) {
			if got := s.got[len(s.got)-1]; got != want {
				t.Errorf("seed %d: subscription %d has %s, want %s", seed, i, got, want)
			}
		})
	}
}
