package live

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// Subscription is one subscription of a client. Its memory counts: there may be many thousands.
type Subscription struct {
	workspace *workspace
	session   *Session
	sink      Sink
	query     Query
	position  Position
	// version is the workspace's version that the position is about.
	version int
	timer   timer
	// endErr is why the subscription has ended by itself, until the sink is told.
	endErr error
	// wait is how long the client is in debt, while outcome is indebted.
	wait time.Duration
	// index is the place in workspace.subs.
	index int32

	state state
	// outcome is the worker's, while the state is running or stopped.
	outcome outcome
	// ready reports that Ready was called since the run began.
	ready bool
	// stale reports that the workspace was refreshed since the run began.
	stale bool
	// awaits reports that the subscription waits for its session. The session's lock guards it.
	awaits bool
	// gone is set together with the state stopped, for deliver, which has no lock.
	gone atomic.Bool
}

// state is what a subscription waits for. The workspace's lock guards it, and all fields that nothing else is said of.
type state uint8

const (
	// idle: for a change or a time.
	idle state = iota
	// due: for a worker, or for the end of a back-off.
	due
	// running: for the end of its run.
	running
	// behind: for its client, which is slow.
	behind
	// waiting: for its session or its budget.
	waiting
	stopped
)

// outcome is what a run came to for one subscription.
type outcome uint8

const (
	// admitted: the subscription takes part in the run. If nothing else is noted later, it has what the run brought.
	admitted outcome = iota
	// unchecked: the session has to be verified first.
	unchecked
	// indebted: the client's budget is overdrawn.
	indebted
	// notTaken: the sink didn't take the result.
	notTaken
	// again: the query has to run again, from the same position.
	again
	// ended: the query has ended the subscription.
	ended
)

// admit decides whether the subscription takes part in a run.
func (s *Subscription) admit(now time.Time) {
	switch {
	case !s.session.valid(now):
		s.outcome = unchecked
	default:
		s.outcome = admitted
		if s.wait = s.session.client.Spend(0); s.wait > 0 {
			s.outcome = indebted
		}
	}
}

// deliver gives a result to the sink, and reports whether the sink took it. The session may have ended during the run.
func (s *Subscription) deliver(result *Result, now time.Time) bool {
	if s.gone.Load() {
		return false
	}
	if !s.session.valid(now) {
		s.outcome = unchecked
		return false
	}
	if !s.next(result.Data) {
		s.outcome = notTaken
		return false
	}
	if result.Cost > 0 {
		s.session.client.Spend(result.Cost)
	}
	return true
}

// next calls the sink. A sink that panics loses its subscription.
func (s *Subscription) next(data []byte) bool {
	defer s.recover()
	return s.sink.Next(data)
}

// tell calls the sink for the last time.
func (s *Subscription) tell(err error) {
	defer s.recover()
	s.sink.End(err)
}

// recover stops the subscription if its sink panics.
func (s *Subscription) recover() {
	if recover() != nil {
		s.workspace.hub.config.Log.LogAttrs(context.Background(), slog.LevelError, "panic while a result was sent", slog.String("stack", string(debug.Stack())))
		s.Stop()
	}
}

// Ready says that the sink can take a result again.
func (s *Subscription) Ready() {
	w := s.workspace
	w.mu.Lock()
	defer w.mu.Unlock()
	s.ready = true
	if s.state == behind {
		w.hub.stats.behind.Add(-1)
		w.join(s, 0, 0)
		w.wakeSoon()
	}
}

func (s *Subscription) clock() *timer { return &s.timer }

// fire implements timed: the moment of Result.Next has come, or the client's debt is paid.
func (s *Subscription) fire() { s.resume() }

// resume makes a subscription due that waits for anything but its client.
func (s *Subscription) resume() {
	w := s.workspace
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.state == idle || s.state == waiting {
		w.join(s, 0, 0)
		w.wakeSoon()
	}
}

// rerun has the query run again: its results may have changed with the session.
func (s *Subscription) rerun() {
	w := s.workspace
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rerun(s)
	w.wakeSoon()
}

// Stop ends the subscription. A call of its sink that is under way may still go on; no other follows. It may be called
// several times, and by the sink.
func (s *Subscription) Stop() { s.stop(nil) }

// end ends the subscription and tells the sink why.
func (s *Subscription) end(err error) {
	if s.stop(err) {
		s.tell(err)
	}
}

// stop ends the subscription, because of err unless the client wants it. It reports whether the caller has to tell the sink: if
// the query is running, the worker does so.
func (s *Subscription) stop(err error) bool {
	w := s.workspace
	w.mu.Lock()
	if s.state == stopped {
		if err == nil {
			s.endErr = nil
		}
		w.mu.Unlock()
		return false
	}
	if s.state == behind {
		w.hub.stats.behind.Add(-1)
	}
	wasRunning := s.state == running
	if wasRunning {
		s.endErr = err
	}
	s.state = stopped
	s.gone.Store(true)
	s.timer.stop(s)
	w.mu.Unlock()
	s.detach()
	return err != nil && !wasRunning
}

// detach takes a stopped subscription out of its workspace and its session.
func (s *Subscription) detach() {
	s.workspace.hub.remove(s)
	s.session.remove(s)
}
