package live_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"taskql/internal/live"
)

// A session is verified before a delivery if it was not lately, once for all of its subscriptions.
func TestVerifyBeforeDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{})
		user := newClient("ann")
		session := user.session()
		_, one := s.subscribe(t, &query{}, session)
		_, two := s.subscribe(t, &query{key: 1}, session)
		one.set(func(s *sink) { s.client = user })
		two.set(func(s *sink) { s.client = user })
		time.Sleep(10 * time.Second)
		s.change("w")
		debounced()
		if got := user.countChecks(); got != 0 {
			t.Errorf("%d checks of a fresh session", got)
		}
		time.Sleep(10 * time.Second)
		user.set(func(c *client) { c.takes = time.Second })
		s.change("w")
		debounced()
		one.want(0, 1)
		time.Sleep(2 * time.Second)
		one.want(0, 1, 2)
		two.want(0, 1, 2)
		if got := user.countChecks(); got != 1 {
			t.Errorf("%d checks, want 1", got)
		}
	})
}

// While a session can't be checked, results wait; they come once it can, and nothing ends.
func TestUnknownSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{})
		user := newClient("ann")
		_, out := s.subscribe(t, &query{}, user.session())
		out.set(func(s *sink) { s.client = user })
		user.set(func(c *client) { c.state = live.Unknown })
		time.Sleep(time.Minute)
		for range 3 {
			s.change("w")
			time.Sleep(10 * time.Minute)
		}
		out.want(0)
		if got := user.countChecks(); got < 100 || got > 300 {
			t.Errorf("%d checks in half an hour", got)
		}
		user.set(func(c *client) { c.state = live.Valid })
		time.Sleep(16 * time.Second)
		out.want(0, 3)
		if got := s.hub.Stats().Checks; got[live.Unknown] < 100 || got[live.Valid] != 1 || got[live.Ended] != 0 {
			t.Errorf("checks by outcome: %v", got)
		}
	})
}

// What a session's results depend on may change with it. Its queries run again then, whatever others get.
func TestChangedSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{})
		ann, phone, bob := newClient("ann"), newClient("ann"), newClient("bob")
		var outs []*sink
		for _, c := range []*client{ann, phone, bob} {
			_, out := s.subscribe(t, &query{of: c}, c.session())
			outs = append(outs, out)
		}
		synctest.Wait()
		move := func(zone int) {
			for _, c := range []*client{ann, phone} {
				c.set(func(c *client) { c.newZone = zone })
			}
		}
		move(1000)
		s.hub.VerifyUser("ann")
		debounced()
		s.change("w")
		debounced()
		outs[0].want(0, 1000, 1001)
		outs[1].want(0, 1000, 1001)
		outs[2].want(0, 1)
		move(2000) // It is found out before the next delivery.
		time.Sleep(time.Minute)
		s.change("w")
		debounced()
		debounced()
		outs[0].want(0, 1000, 1001, 2002)
		outs[2].want(0, 1, 2)
	})
}

// A session may change while its subscription waits for a run together with those of others.
func TestChangedSessionInAGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{Workers: 1})
		ann, bob := newClient("ann"), newClient("bob")
		s.subscribe(t, &query{key: 9}, bob.session())
		_, ofAnn := s.subscribe(t, &query{of: ann}, ann.session())
		_, ofBob := s.subscribe(t, &query{of: bob}, bob.session())
		synctest.Wait()
		s.set(func(s *store) { s.slow = time.Second })
		s.change("w")
		debounced() // The first query runs.
		ann.set(func(c *client) { c.zone, c.newZone = 1000, 1000 })
		time.Sleep(time.Minute)
		ofAnn.want(0, 1001)
		ofBob.want(0, 1)
	})
}

func TestEndedSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{})
		user := newClient("ann")
		session := user.session()
		_, one := s.subscribe(t, &query{}, session)
		_, two := s.subscribe(t, &query{workspace: "other"}, session)
		user.set(func(c *client) { c.state = live.Ended })
		time.Sleep(time.Minute)
		one.want(0)
		s.change("w")
		debounced()
		one.want(0)
		one.wantEnd(live.ErrSessionEnded)
		two.wantEnd(live.ErrSessionEnded)
		if got := s.hub.Stats().Checks; got[live.Ended] != 1 {
			t.Errorf("checks by outcome: %v", got)
		}
		if _, err := s.hub.Subscribe("w", &query{store: s}, nil, session, &sink{t: t}); !errors.Is(err, live.ErrSessionEnded) {
			t.Errorf("got %v", err)
		}
	})
}

// A session whose end is known ends then, without a change.
func TestExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{})
		user := newClient("ann")
		user.expires, user.validFor = time.Now().Add(15*time.Minute), 15*time.Minute
		_, out := s.subscribe(t, &query{}, user.session())
		time.Sleep(15*time.Minute - time.Millisecond)
		out.want(0)
		if got := user.countChecks(); got != 0 {
			t.Errorf("%d checks before the end", got)
		}
		time.Sleep(2 * time.Millisecond)
		out.wantEnd(live.ErrSessionEnded)
	})
}

// Idle sessions are verified within a budget.
func TestRecheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{Recheck: 5 * time.Minute, RechecksPerSecond: 2})
		few := newClient("ann")
		_, out := s.subscribe(t, &query{}, few.session())
		time.Sleep(time.Hour)
		if got := few.countChecks(); got < 10 || got > 14 {
			t.Errorf("%d checks in an hour, want 12", got)
		}
		many := newClient("bob")
		for i := range 3000 {
			s.subscribe(t, &query{workspace: fmt.Sprint(i)}, many.session())
		}
		time.Sleep(10 * time.Minute)
		before := many.countChecks()
		time.Sleep(10 * time.Minute)
		if got := many.countChecks() - before; got < 1100 || got > 1210 {
			t.Errorf("%d checks in 10 minutes, want 1200", got)
		}
		few.set(func(c *client) { c.state = live.Ended })
		time.Sleep(30 * time.Minute)
		out.wantEnd(live.ErrSessionEnded)
	})
}

// If the clock is set back, the sessions are verified before the next delivery, outside the budget for idle ones.
func TestSessionsAfterTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var back atomic.Int64
		s := newStore(t, live.Config{Now: func() time.Time { return time.Now().Add(-time.Duration(back.Load())) }, RechecksPerSecond: 1})
		users, outs := make([]*client, 30), make([]*sink, 30)
		for i := range users {
			users[i] = newClient(fmt.Sprint("user ", i))
			_, outs[i] = s.subscribe(t, &query{key: byte(i)}, users[i].session())
		}
		synctest.Wait()
		s.change("w")
		debounced()
		for i, user := range users {
			if got := user.countChecks(); got != 0 {
				t.Errorf("%d checks of a fresh session", got)
			}
			if i%2 == 0 {
				user.set(func(c *client) { c.state = live.Ended })
			}
		}
		back.Store(int64(2 * time.Hour))
		s.change("w")
		debounced()
		for i, out := range outs {
			if i%2 == 0 {
				out.want(0, 1)
				out.wantEnd(live.ErrSessionEnded)
			} else {
				out.want(0, 1, 2)
			}
		}
	})
}

func TestEndUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{})
		ann, bob := newClient("ann"), newClient("bob")
		_, one := s.subscribe(t, &query{}, ann.session())
		_, two := s.subscribe(t, &query{workspace: "other"}, ann.session())
		gone, three := s.subscribe(t, &query{}, ann.session())
		_, four := s.subscribe(t, &query{}, bob.session())
		synctest.Wait()
		gone.Stop()
		s.hub.EndUser("ann")
		one.wantEnd(live.ErrSessionEnded)
		two.wantEnd(live.ErrSessionEnded)
		three.want(0)
		s.hub.EndUser("nobody")
		s.change("w")
		debounced()
		one.want(0)
		four.want(0, 1)
	})
}

// A demanded check counts from the demand on: one that was under way may have come too early.
func TestVerifyUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{})
		user := newClient("ann")
		user.takes = time.Second
		_, out := s.subscribe(t, &query{}, user.session())
		time.Sleep(20 * time.Second)
		s.change("w") // It begins a check, which finds the session valid.
		time.Sleep(500 * time.Millisecond)
		user.set(func(c *client) { c.state = live.Ended })
		s.hub.VerifyUser("ann")
		time.Sleep(time.Second)
		out.want(0)
		time.Sleep(2 * time.Second)
		out.want(0)
		out.wantEnd(live.ErrSessionEnded)
	})
}

func TestDebt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{})
		user := newClient("ann")
		user.validFor = time.Hour
		_, out := s.subscribe(t, &query{cost: 7}, user.session())
		out.want(0)
		user.set(func(c *client) {
			if c.spent != 7 {
				t.Errorf("spent %d, want 7", c.spent)
			}
			c.debt = time.Now().Add(30 * time.Second)
		})
		for range 20 {
			s.change("w")
			time.Sleep(time.Second)
		}
		out.want(0)
		time.Sleep(11 * time.Second)
		out.want(0, 20)
	})
}

// Whoever a query is run for pays for the run, also if nothing is sent. Those who share it don't.
func TestRunCost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, live.Config{})
		ann, ben := newClient("ann"), newClient("ben")
		for _, c := range []*client{ann, ben} {
			s.subscribe(t, &query{runCost: 5, quiet: true}, c.session())
		}
		for range 4 {
			time.Sleep(time.Second)
			s.change("w")
		}
		time.Sleep(time.Second)
		if spent, runs := ann.countSpent()+ben.countSpent(), s.countRuns(); runs < 5 || spent != runs*5 {
			t.Errorf("spent %d, want 5 for each of %d runs", spent, runs)
		}
	})
}
