package live

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// workspace is a workspace with subscriptions.
//
// It is the unit of fairness: workers take the workspaces in turns, and run the queries of one group of subscriptions each
// time. Locks are taken in the order shard, workspace, session, schedule.
type workspace struct {
	hub *Hub
	id  string
	// version is the highest that the hub was told of.
	version atomic.Int64
	// dirty reports that the version has risen since the subscriptions were looked through; changed is when it first did, by
	// Hub.elapsed, or 0.
	dirty   atomic.Bool
	changed atomic.Int64
	timer   timer

	mu   sync.Mutex
	subs []*Subscription
	// pending are the groups to run, in order, and groups finds them.
	pending []*group
	groups  map[groupKey]*group
	// running is how many groups are being run; queued reports whether the workspace waits for a worker.
	running int
	queued  bool
}

// groupKey is what subscriptions have in common that share a run.
type groupKey struct {
	query Key
	at    Position
}

// group are subscriptions that share a run.
type group struct {
	workspace *workspace
	key       groupKey
	subs      []*Subscription
	// changed is when the first of the changes came that cause the run, by Hub.elapsed; 0 if none does.
	changed int64
	// faults counts the runs that failed in a row.
	faults int
	timer  timer
}

const (
	// minBackoff and maxBackoff bound the time between the runs of a query that fails.
	minBackoff, maxBackoff = 100 * time.Millisecond, 5 * time.Second
	// minNext is the least time after which a query runs again because of Result.Next.
	minNext = 10 * time.Millisecond
)

// changedTo notes a version. It takes no lock of the workspace.
func (w *workspace) changedTo(version int64) {
	for {
		known := w.version.Load()
		if version <= known {
			return
		}
		if w.version.CompareAndSwap(known, version) {
			break
		}
	}
	w.touch()
}

// touch has the subscriptions looked through: at once, unless that was done for another change less than the debounce ago.
func (w *workspace) touch() {
	if w.dirty.Load() {
		return
	}
	now := w.hub.elapsed()
	before := w.changed.Swap(now)
	if w.dirty.Swap(true) {
		return
	}
	w.hub.delays.setEarlier(w, max(now, before+int64(w.hub.config.Debounce)))
}

func (w *workspace) clock() *timer { return &w.timer }

// fire implements timed: it is time to look through the subscriptions.
func (w *workspace) fire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wake()
}

// wake has a worker look at the workspace. The workspace's lock must be held, as for all methods below that don't take it.
func (w *workspace) wake() {
	if !w.queued {
		w.queued = true
		w.hub.runs.push(w)
	}
}

// wakeSoon is wake after the debounce, so that subscriptions that become ready one after the other share a run.
func (w *workspace) wakeSoon() {
	if !w.queued {
		w.hub.delays.setEarlier(w, w.hub.elapsed()+int64(w.hub.config.Debounce))
	}
}

// join puts the subscription into the group that it shares its next run with.
func (w *workspace) join(s *Subscription, changed int64, faults int) {
	s.timer.stop(s)
	s.state = due
	key := groupKey{s.query.Key(), s.position}
	g := w.groups[key]
	if g == nil {
		g = &group{workspace: w, key: key, changed: changed}
		if w.groups == nil {
			w.groups = make(map[groupKey]*group, 1)
		}
		w.groups[key] = g
		w.pending = append(w.pending, g)
	}
	if g.changed == 0 {
		g.changed = changed
	}
	g.faults = max(g.faults, faults)
	g.subs = append(g.subs, s)
}

// rerun has the subscription's query run again.
func (w *workspace) rerun(s *Subscription) {
	switch s.state {
	case idle:
		w.join(s, 0, 0)
	case running:
		s.stale = true
	case due, behind, waiting, stopped: // Those that are not stopped run anyway.
	}
}

// step runs the next group. A worker calls it.
func (w *workspace) step() {
	w.mu.Lock()
	w.lookThrough()
	w.queued = false
	if len(w.pending) == 0 || w.running >= w.hub.perWorkspace {
		w.mu.Unlock()
		return
	}
	g := w.pending[0]
	w.pending[0] = nil
	w.pending = w.pending[1:]
	delete(w.groups, g.key)
	if len(w.pending) == 0 {
		w.pending, w.groups = nil, nil
	}
	g.subs = slices.DeleteFunc(g.subs, func(s *Subscription) bool { return s.state != due })
	for _, s := range g.subs {
		s.state, s.ready = running, false
	}
	version := int(w.version.Load())
	w.running++
	if len(w.pending) > 0 {
		w.wake()
	}
	w.mu.Unlock()
	result := w.run(g)
	w.settle(g, result, version)
}

// lookThrough makes those subscriptions due that are about an earlier version.
func (w *workspace) lookThrough() {
	if !w.dirty.Swap(false) {
		return
	}
	changed, version := w.changed.Load(), int(w.version.Load())
	for _, s := range w.subs {
		if s.state == idle && s.version < version {
			w.join(s, changed, 0)
		}
	}
}

// run runs the group's query if any of its subscriptions may have the result, and delivers it to these. It notes the outcome of
// each. The lock must not be held.
func (w *workspace) run(g *group) Result {
	first := (*Subscription)(nil)
	now := w.hub.config.Now()
	for _, s := range g.subs {
		s.admit(now)
		if s.outcome == admitted && s.query.Key() != g.key.query { // It has changed with the session.
			s.outcome = again
		}
		if first == nil && s.outcome == admitted {
			first = s
		}
	}
	if first == nil {
		return Result{}
	}
	w.hub.stats.runs.Add(1)
	result := w.hub.runQuery(first.query, g.key.at)
	if result.RunCost > 0 {
		first.session.client.Spend(result.RunCost)
	}
	switch {
	case result.Fault != nil:
		w.hub.fault(result.Fault)
		return result
	case result.End != nil:
		// It may be about this one's user alone: the others' queries decide for themselves.
		for _, s := range g.subs {
			if s.outcome == admitted && s != first {
				s.outcome = again
			}
		}
		first.outcome = ended
		return result
	case result.Data == nil:
		return result
	}
	now, delivered := w.hub.config.Now(), 0
	for _, s := range g.subs {
		if s.outcome == admitted && s.deliver(&result, now) {
			delivered++
		}
	}
	if delivered > 0 {
		w.hub.delivered(first.query.Name(), &result, delivered, g.changed)
	}
	return result
}

// runQuery runs a query.
func (h *Hub) runQuery(q Query, at Position) Result {
	if h.config.StartRun == nil {
		return h.recoverRun(h.ctx, q, at)
	}
	ctx, end := h.config.StartRun(h.ctx, q.Name())
	result := h.recoverRun(ctx, q, at)
	end(result.Fault)
	return result
}

// recoverRun runs a query. A panic is a fault.
func (h *Hub) recoverRun(ctx context.Context, q Query, at Position) (result Result) { //nolint:nonamedreturns // The deferred function sets it.
	defer func() {
		if value := recover(); value != nil {
			h.config.Log.LogAttrs(context.Background(), slog.LevelError, "panic in the query of a subscription", slog.String("stack", string(debug.Stack())))
			result = Result{Fault: fmt.Errorf("panic: %v", value)}
		}
	}()
	return q.Run(ctx, at)
}

// settle moves the group's subscriptions on by their outcomes. version is the one that the hub knew when the run began.
func (w *workspace) settle(g *group, result Result, version int) {
	var unverified []*Subscription
	var over []ending
	var failed *group
	w.mu.Lock()
	for _, s := range g.subs {
		switch {
		case s.state == stopped:
			if s.endErr != nil {
				over = append(over, ending{s, s.endErr, true})
			}
		case s.outcome == unchecked:
			s.state = waiting
			unverified = append(unverified, s)
		case s.outcome == indebted:
			s.state = waiting
			s.timer.reset(&w.hub.delays, s, w.hub.elapsed()+int64(s.wait))
		case s.outcome == notTaken && !s.ready:
			s.state = behind
			w.hub.stats.behind.Add(1)
		case s.outcome == again || s.outcome == notTaken:
			w.join(s, g.changed, 0)
		case s.outcome == ended:
			s.state = stopped
			s.gone.Store(true)
			over = append(over, ending{s, result.End, false})
		case result.Fault != nil:
			s.state = due
			if failed == nil {
				failed = &group{workspace: w, changed: g.changed, faults: g.faults + 1}
			}
			failed.subs = append(failed.subs, s)
		default:
			w.advance(s, &result, version)
		}
	}
	w.running--
	if failed != nil {
		failed.timer.reset(&w.hub.delays, failed, w.hub.elapsed()+int64(backoff(minBackoff, maxBackoff, failed.faults)))
	}
	if len(w.pending) > 0 {
		w.wake()
	}
	w.mu.Unlock()
	for _, s := range unverified {
		s.session.await(s)
	}
	for _, e := range over {
		if !e.detached {
			e.s.detach()
		}
		e.s.tell(e.err)
	}
}

// ending is a subscription that has ended by itself, and why.
type ending struct {
	s   *Subscription
	err error
	// detached reports that stop has taken it out while the query ran.
	detached bool
}

// advance moves a subscription to the result's position.
func (w *workspace) advance(s *Subscription, result *Result, version int) {
	s.position, s.version = result.Position, max(result.Version, version)
	if result.More || s.stale {
		s.stale = false
		w.join(s, 0, 0)
		return
	}
	s.state = idle
	if s.version < int(w.version.Load()) && !w.dirty.Load() {
		w.join(s, w.changed.Load(), 0) // It was looked through while this one ran.
		return
	}
	if !result.Next.IsZero() {
		s.timer.resetAsOf(&w.hub.moments, s, nanoseconds(result.Next), nanoseconds(result.AsOf))
	}
}

func (g *group) clock() *timer { return &g.timer }

// fire implements timed: the query is run again after a fault.
func (g *group) fire() {
	w := g.workspace
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range g.subs {
		if s.state == due {
			w.join(s, g.changed, g.faults)
		}
	}
	if len(w.pending) > 0 {
		w.wake()
	}
}

// backoff returns how long to wait after so many failures in a row, half to all of a time that doubles with each.
func backoff(least, most time.Duration, failures int) time.Duration {
	d := min(least<<min(failures-1, 20), most)
	return d/2 + rand.N(d/2+1) //nolint:gosec // It is no secret.
}
