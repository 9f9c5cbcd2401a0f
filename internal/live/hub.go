package live

import (
	"cmp"
	"context"
	"hash/maphash"
	"log/slog"
	"maps"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Config configures a Hub. Its zero value is valid.
type Config struct {
	// Debounce is how long changes of a workspace are gathered before the queries run again. After a longer pause they run at
	// once. Default: 10 ms.
	Debounce time.Duration
	// Workers is how many queries run at once. Default: twice GOMAXPROCS.
	Workers int
	// MaxSubscriptions is how many subscriptions there may be. Default: no limit.
	MaxSubscriptions int
	// Recheck is how often the sessions of idle subscriptions are verified. Default: 5 minutes.
	Recheck time.Duration
	// RechecksPerSecond is how many of these checks are made per second; if there are more idle sessions, each is verified
	// less often. Default: 5.
	RechecksPerSecond int
	// Delivered is called after each run whose result was delivered. It may be nil.
	Delivered func(d Delivery)
	// StartRun is called before each run with the query's name. It returns the context of the run, and a function that is called
	// at the end with the result's fault. It may be nil.
	StartRun func(ctx context.Context, name string) (context.Context, func(fault error))
	// Watching is called with true when a workspace gets its first subscription, before its query first runs, and with false when
	// the last one has gone. The calls for a workspace are in order. It must not block, nor call the Hub. It may be nil.
	Watching func(workspaceID string, watched bool)
	// Log gets the faults of queries. Default: none are logged.
	Log *slog.Logger
	// Now is the clock of Result.Next and of sessions. Default: time.Now.
	Now func() time.Time
}

// Delivery is a result that was delivered.
type Delivery struct {
	// Name is the query's.
	Name string
	// Count is how many subscriptions took the result, and Bytes is how long it is for all of them together.
	Count, Bytes int
	// Delay is the time from the first change that caused the run until the last of them took it; zero if no change did.
	Delay time.Duration
}

// Hub runs the queries of subscriptions. It is safe for concurrent use. It has goroutines only while there is something to do.
type Hub struct {
	config       Config
	perWorkspace int // how many queries of one workspace run at once

	// ctx is the queries' and the checks'; Close ends it.
	ctx    context.Context //nolint:containedctx // As above.
	cancel context.CancelFunc
	start  time.Time

	seed   maphash.Seed
	shards [shards]shard
	runs   pool[*workspace]
	checks pool[*Session]
	// delays are by elapsed, and moments by wall.
	delays, moments schedule

	usersMu sync.Mutex
	// users has the first session of each user.
	users map[string]*Session

	// nextRecheck is when the next idle session may be verified, by elapsed.
	nextRecheck atomic.Int64
	// nextFaultLine is when the next fault is logged, by elapsed.
	nextFaultLine atomic.Int64
	closing       atomic.Bool
	stats         counters

	namesMu sync.Mutex
	// names counts the subscriptions by the names of their queries.
	names map[string]int
}

// shards is how many parts the map of workspaces has, each with a lock of its own.
const shards = 64

type shard struct {
	mu         sync.RWMutex
	workspaces map[string]*workspace
}

// counters are what Stats returns.
type counters struct {
	subscriptions, workspaces, behind atomic.Int64
	runs, faults, deliveries          atomic.Int64
	checks                            [Ended + 1]atomic.Int64 // by State
}

// New returns a hub. Close must be called in the end.
func New(c Config) *Hub {
	c.Debounce = cmp.Or(c.Debounce, 10*time.Millisecond)
	c.Workers = cmp.Or(c.Workers, 2*runtime.GOMAXPROCS(0))
	c.Recheck = cmp.Or(c.Recheck, 5*time.Minute)
	c.RechecksPerSecond = cmp.Or(c.RechecksPerSecond, 5)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Watching == nil {
		c.Watching = func(string, bool) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	h := &Hub{config: c, perWorkspace: max(1, c.Workers/2), start: time.Now(), seed: maphash.MakeSeed(), users: map[string]*Session{}, names: map[string]int{}}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	for i := range h.shards {
		h.shards[i].workspaces = map[string]*workspace{}
	}
	h.runs.do, h.runs.workers = (*workspace).step, c.Workers
	h.checks.do, h.checks.workers = (*Session).verify, maxChecks
	h.delays.now, h.moments.now = h.elapsed, h.wall
	return h
}

// elapsed is a clock that nobody can set, in nanoseconds.
func (h *Hub) elapsed() int64 { return int64(time.Since(h.start)) }

// wall is Config.Now in nanoseconds.
func (h *Hub) wall() int64 { return h.config.Now().UnixNano() }

func (h *Hub) shard(workspaceID string) *shard {
	return &h.shards[maphash.String(h.seed, workspaceID)%shards]
}

// find returns a workspace; nil if it has no subscriptions.
func (h *Hub) find(workspaceID string) *workspace {
	shard := h.shard(workspaceID)
	shard.mu.RLock()
	defer shard.mu.RUnlock()
	return shard.workspaces[workspaceID]
}

// Subscribe begins a subscription of a workspace: the query runs at once from the position, and again after each change. The
// sink may be called before Subscribe returns. The error is ErrTooMany, ErrSessionEnded or ErrClosing.
func (h *Hub) Subscribe(workspaceID string, q Query, at Position, session *Session, sink Sink) (*Subscription, error) {
	if n := h.stats.subscriptions.Add(1); h.config.MaxSubscriptions > 0 && n > int64(h.config.MaxSubscriptions) {
		h.stats.subscriptions.Add(-1)
		return nil, ErrTooMany
	}
	s := &Subscription{session: session, sink: sink, query: q, position: at, state: idle}
	h.add(workspaceID, s)
	if !session.add(h, s) {
		s.Stop()
		return nil, ErrSessionEnded
	}
	if h.closing.Load() { // Close has gone through the subscriptions before, or finds this one.
		s.Stop()
		return nil, ErrClosing
	}
	w := s.workspace
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.state == idle {
		w.join(s, 0, 0)
		w.wake()
	}
	return s, nil
}

// add adds a subscription to its workspace. From then on no change is missed.
func (h *Hub) add(workspaceID string, s *Subscription) {
	shard := h.shard(workspaceID)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	w := shard.workspaces[workspaceID]
	if w == nil {
		w = &workspace{hub: h, id: workspaceID}
		shard.workspaces[workspaceID] = w
		h.stats.workspaces.Add(1)
		h.config.Watching(workspaceID, true)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s.workspace, s.index = w, int32(len(w.subs)) //nolint:gosec // There are not so many.
	w.subs = append(w.subs, s)
	h.countName(s.query.Name(), 1)
}

func (h *Hub) countName(name string, change int) {
	h.namesMu.Lock()
	defer h.namesMu.Unlock()
	h.names[name] += change
}

// remove takes a subscription out of its workspace.
func (h *Hub) remove(s *Subscription) {
	w := s.workspace
	shard := h.shard(w.id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	last := len(w.subs) - 1
	w.subs[s.index] = w.subs[last]
	w.subs[s.index].index = s.index
	w.subs[last] = nil
	w.subs = w.subs[:last]
	h.stats.subscriptions.Add(-1)
	h.countName(s.query.Name(), -1)
	if last == 0 {
		w.subs = nil
		delete(shard.workspaces, w.id)
		h.stats.workspaces.Add(-1)
		h.config.Watching(w.id, false)
	}
}

// Changed tells the hub that the workspace has reached a version. It is cheap and never blocks.
func (h *Hub) Changed(workspaceID string, version int) {
	if h.stats.workspaces.Load() == 0 {
		return
	}
	if w := h.find(workspaceID); w != nil {
		w.changedTo(int64(version))
	}
}

// Refresh runs the workspace's queries again, whatever version they are about: its history has changed.
func (h *Hub) Refresh(workspaceID string) {
	w := h.find(workspaceID)
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.version.Store(0)
	for _, s := range w.subs {
		s.version = 0
		w.rerun(s)
	}
	w.wakeSoon()
}

// Watched returns the workspaces that have subscriptions.
func (h *Hub) Watched() []string {
	ids := make([]string, 0, h.stats.workspaces.Load())
	for i := range h.shards {
		shard := &h.shards[i]
		shard.mu.RLock()
		for id := range shard.workspaces {
			ids = append(ids, id)
		}
		shard.mu.RUnlock()
	}
	return ids
}

// EndUser ends all subscriptions of a user.
func (h *Hub) EndUser(userID string) {
	for _, s := range h.sessionsOf(userID) {
		s.end(ErrSessionEnded)
	}
}

// VerifyUser verifies all sessions of a user again, at once. Nothing is delivered to them before.
func (h *Hub) VerifyUser(userID string) {
	for _, s := range h.sessionsOf(userID) {
		s.demand()
	}
}

func (h *Hub) sessionsOf(userID string) []*Session {
	h.usersMu.Lock()
	defer h.usersMu.Unlock()
	var all []*Session
	for s := h.users[userID]; s != nil; s = s.following {
		all = append(all, s)
	}
	return all
}

// addSession adds a session that has got its first subscription.
func (h *Hub) addSession(s *Session) {
	h.usersMu.Lock()
	defer h.usersMu.Unlock()
	id := s.client.UserID()
	if s.following = h.users[id]; s.following != nil {
		s.following.previous = s
	}
	h.users[id] = s
}

// removeSession removes a session that has lost its last subscription.
func (h *Hub) removeSession(s *Session) {
	h.usersMu.Lock()
	defer h.usersMu.Unlock()
	if s.following != nil {
		s.following.previous = s.previous
	}
	switch id := s.client.UserID(); {
	case s.previous != nil:
		s.previous.following = s.following
	case s.following != nil:
		h.users[id] = s.following
	default:
		delete(h.users, id)
	}
	s.previous, s.following = nil, nil
}

// recheckTurn takes the next turn in the budget for idle sessions, by elapsed.
func (h *Hub) recheckTurn() int64 {
	interval := int64(time.Second) / int64(h.config.RechecksPerSecond)
	for {
		next := h.nextRecheck.Load()
		at := max(next, h.elapsed())
		if h.nextRecheck.CompareAndSwap(next, at+interval) {
			return at
		}
	}
}

// fault counts a fault, and logs it unless another one was logged in this second. A closed hub has ended its own queries,
// which is no fault.
func (h *Hub) fault(err error) {
	if h.ctx.Err() != nil {
		return
	}
	h.stats.faults.Add(1)
	now, next := h.elapsed(), h.nextFaultLine.Load()
	if now >= next && h.nextFaultLine.CompareAndSwap(next, now+int64(time.Second)) {
		h.config.Log.LogAttrs(h.ctx, slog.LevelWarn, "a subscription could not be served and is tried again", slog.String("error", err.Error()))
	}
}

// delivered reports that a result was delivered to so many subscriptions. changed is when the first change came that has caused it.
func (h *Hub) delivered(name string, result *Result, count int, changed int64) {
	h.stats.deliveries.Add(int64(count))
	if h.config.Delivered == nil {
		return
	}
	d := Delivery{Name: name, Count: count, Bytes: count * len(result.Data)}
	if changed > 0 {
		d.Delay = time.Duration(h.elapsed() - changed)
	}
	h.config.Delivered(d)
}

// closeGrace is how long queries and checks may go on after Close.
const closeGrace = 2 * time.Second

// Close refuses further subscriptions, ends the present ones with ErrClosing, and waits for the queries and checks that are
// running. It cancels them only if they take long: each canceled statement is a request to the database, on a connection of its own,
// and PgBouncer 1.18 may end by it. The hub can't be used any more.
func (h *Hub) Close() {
	h.closing.Store(true)
	for i := range h.shards {
		for _, s := range h.shards[i].subscriptions() {
			s.end(ErrClosing)
		}
	}
	canceling := time.AfterFunc(closeGrace, h.cancel)
	h.delays.close()
	h.moments.close()
	h.runs.close()
	h.checks.close()
	canceling.Stop()
	h.cancel()
}

func (s *shard) subscriptions() []*Subscription {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []*Subscription
	for _, w := range s.workspaces {
		w.mu.Lock()
		all = append(all, w.subs...)
		w.mu.Unlock()
	}
	return all
}

// Stats are numbers about a hub.
type Stats struct {
	// Subscriptions and Workspaces are how many there are now; Behind is how many of the subscriptions wait for a slow client.
	Subscriptions, Workspaces, Behind int
	// Runs counts the queries that were run, Faults those that failed, and Deliveries the results that sinks took.
	Runs, Faults, Deliveries int64
	// Checks counts the verifications of sessions by their outcomes.
	Checks [Ended + 1]int64
}

// Stats returns numbers about the hub.
func (h *Hub) Stats() Stats {
	s := Stats{
		Subscriptions: int(h.stats.subscriptions.Load()), Workspaces: int(h.stats.workspaces.Load()), Behind: int(h.stats.behind.Load()),
		Runs: h.stats.runs.Load(), Faults: h.stats.faults.Load(), Deliveries: h.stats.deliveries.Load(),
	}
	for state := range s.Checks {
		s.Checks[state] = h.stats.checks[state].Load()
	}
	return s
}

// Subscriptions returns how many subscriptions there are now, by the names of their queries. A name whose last one has ended has 0.
func (h *Hub) Subscriptions() map[string]int {
	h.namesMu.Lock()
	defer h.namesMu.Unlock()
	return maps.Clone(h.names)
}
