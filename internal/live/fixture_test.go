package live_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"taskql/internal/live"
)

// store is a database of workspaces, of which only the versions matter.
type store struct {
	hub *live.Hub

	mu       sync.Mutex
	versions map[string]int
	runs     int
	failing  bool
	slow     time.Duration
}

func newStore(t *testing.T, c live.Config) *store {
	t.Helper()
	s := &store{hub: live.New(c), versions: map[string]int{}}
	t.Cleanup(s.hub.Close)
	return s
}

// commit changes a workspace, and tells nobody.
func (s *store) commit(workspace string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.versions[workspace]++
	return s.versions[workspace]
}

// change changes a workspace and tells the hub.
func (s *store) change(workspace string) { s.hub.Changed(workspace, s.commit(workspace)) }

func (s *store) version(workspace string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.versions[workspace]
}

func (s *store) set(change func(s *store)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *store) countRuns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runs
}

var errOutage = errors.New("outage")

// query reads a workspace's version: its results are the versions after a position, in steps of at most step.
type query struct {
	store     *store
	workspace string
	key       byte
	step      int
	end       error
	next      time.Time
	cost      int
	runCost   int
	// quiet is set if changes send nothing.
	quiet bool
	// of is the client whose zone the results have, in thousands; nil if they have none.
	of *client
}

func (q *query) Key() live.Key { return live.Key{q.key, byte(q.step), byte(q.zone() / 1000)} }

func (q *query) zone() int {
	if q.of == nil {
		return 0
	}
	q.of.mu.Lock()
	defer q.of.mu.Unlock()
	return q.of.zone
}

func (q *query) Name() string { return "versions" }

func (q *query) Run(_ context.Context, at live.Position) live.Result {
	q.store.mu.Lock()
	defer q.store.mu.Unlock()
	q.store.runs++
	if q.store.failing {
		return live.Result{Fault: errOutage}
	}
	if q.end != nil {
		return live.Result{End: q.end}
	}
	version := q.store.versions[q.workspace] + q.zone()
	from, resumes := at.(int)
	to := version
	if resumes && q.step > 0 {
		to = min(version, from+q.step)
	}
	result := live.Result{Position: to, Version: version - q.zone(), More: to < version, Next: q.next, Cost: q.cost, RunCost: q.runCost}
	if !resumes || to != from && !q.quiet {
		result.Data = fmt.Appendf(nil, "%d", to)
	}
	if slow := q.store.slow; slow > 0 {
		q.store.mu.Unlock()
		time.Sleep(slow)
		q.store.mu.Lock()
	}
	return result
}

// client is a user with a session and a budget.
type client struct {
	user string

	mu       sync.Mutex
	state    live.State
	validFor time.Duration
	expires  time.Time
	verified time.Time // when the last check was good
	checks   int
	debt     time.Time // until when the user is in debt
	spent    int
	takes    time.Duration // how long a check takes
	// zone is what the session's results depend on, and newZone what it will be after the next check.
	zone, newZone int
}

func newClient(user string) *client {
	return &client{user: user, state: live.Valid, validFor: 15 * time.Second, verified: time.Now()}
}

func (c *client) UserID() string { return c.user }

func (c *client) Verify(context.Context) live.Verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checks++
	began, state := time.Now(), c.state
	if !c.expires.IsZero() && !began.Before(c.expires) {
		state = live.Ended
	}
	if takes := c.takes; takes > 0 {
		c.mu.Unlock()
		time.Sleep(takes)
		c.mu.Lock()
	}
	if state == live.Valid {
		c.verified = began
	}
	changed := c.zone != c.newZone
	c.zone = c.newZone
	return live.Verdict{State: state, Until: began.Add(c.validFor), Expires: c.expires, Changed: changed}
}

func (c *client) Spend(cost int) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spent += cost
	return max(0, time.Until(c.debt))
}

func (c *client) set(change func(c *client)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

func (c *client) countChecks() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.checks
}

func (c *client) countSpent() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spent
}

func (c *client) session() *live.Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return live.NewSession(c, live.Verdict{State: live.Valid, Until: time.Now().Add(c.validFor), Expires: c.expires})
}

// sink notes what it gets.
type sink struct {
	t *testing.T
	// client, if set, must have been verified within validFor of each delivery, and not be in debt.
	client *client

	mu      sync.Mutex
	got     []string
	ended   []error
	full    bool
	refused int
	calls   int // under way
	stopped bool
}

func (s *sink) enter() func() {
	s.mu.Lock()
	s.calls++
	if s.calls > 1 {
		s.t.Error("two calls of a sink at once")
	}
	if s.stopped {
		s.t.Error("a call of a sink whose subscription was stopped")
	}
	if len(s.ended) > 0 {
		s.t.Error("a call of a sink after End")
	}
	return func() {
		s.calls--
		s.mu.Unlock()
	}
}

func (s *sink) Next(data []byte) bool {
	defer s.enter()()
	if c := s.client; c != nil {
		c.mu.Lock()
		if age := time.Since(c.verified); age > c.validFor {
			s.t.Errorf("a result was delivered %s after the session was verified", age)
		}
		c.mu.Unlock()
	}
	if s.full {
		s.refused++
		return false
	}
	s.got = append(s.got, string(data))
	return true
}

func (s *sink) End(err error) {
	defer s.enter()()
	s.ended = append(s.ended, err)
}

func (s *sink) set(change func(s *sink)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *sink) want(versions ...int) {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	want := ""
	for _, v := range versions {
		want += fmt.Sprintf("%d ", v)
	}
	got := ""
	for _, v := range s.got {
		got += v + " "
	}
	if got != want {
		s.t.Errorf("results %q, want %q", got, want)
	}
}

func (s *sink) wantEnd(err error) {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ended) != 1 || !errors.Is(s.ended[0], err) {
		s.t.Errorf("ended with %v, want %v", s.ended, err)
	}
}

// subscribe subscribes to the workspace by q.
func (s *store) subscribe(t *testing.T, q *query, session *live.Session) (*live.Subscription, *sink) {
	t.Helper()
	out := &sink{t: t}
	q.store = s
	if q.workspace == "" {
		q.workspace = "w"
	}
	sub, err := s.hub.Subscribe(q.workspace, q, nil, session, out)
	if err != nil {
		t.Fatal(err)
	}
	return sub, out
}
