package live

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Session is the session under which a client subscribes. Its subscriptions share each check.
type Session struct {
	client Client

	mu sync.Mutex
	// hub is the one that the session has subscriptions at; nil if there are none.
	hub  *Hub
	subs []*Subscription
	// until is until when results may be delivered, and expires when the session ends; zero if that is not known.
	until, expires time.Time
	// since is when the session was verified. If the clock is set back to before that, until says nothing.
	since time.Time
	// checking reports that a check is under way or waits for its turn. Its answer doesn't count if another one was demanded
	// since it began: then demanded has risen.
	checking bool
	demanded int
	// failures counts the checks in a row that had no answer.
	failures int
	// granted reports that the timer is set to the check's turn within the budget.
	granted bool
	ended   bool
	timer   timer

	// previous and following are other sessions of the same user. Hub.usersMu guards them.
	previous, following *Session
}

const (
	// checkTimeout is how long the check of a session may take.
	checkTimeout = 10 * time.Second
	// maxChecks is how many sessions are checked at once.
	maxChecks = 16
	// minRetry and maxRetry bound the time between the checks of a session without an answer, while results wait for it.
	minRetry, maxRetry = time.Second, 15 * time.Second
)

// NewSession returns the session of a client that was verified a moment ago, with that verdict.
func NewSession(c Client, v Verdict) *Session {
	return &Session{client: c, until: v.Until, expires: v.Expires, ended: v.State == Ended}
}

// Client returns the session's client.
func (s *Session) Client() Client { return s.client }

// valid reports whether results may be delivered now.
func (s *Session) valid(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.isValid(now)
}

// isValid is valid with the lock held, as for all methods below that don't take it.
func (s *Session) isValid(now time.Time) bool {
	return !s.ended && !now.Before(s.since) && now.Before(s.until)
}

// add adds a subscription, unless the session has ended.
func (s *Session) add(h *Hub, sub *Subscription) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	if s.since.IsZero() {
		s.since = h.config.Now()
	}
	s.subs = append(s.subs, sub)
	if len(s.subs) == 1 {
		s.hub = h
		h.addSession(s)
		s.setRecheck()
	}
	return true
}

func (s *Session) remove(sub *Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.subs, sub)
	if i < 0 {
		return
	}
	s.subs = slices.Delete(s.subs, i, i+1)
	if len(s.subs) == 0 {
		s.subs = nil
		s.timer.stop(s)
		s.hub.removeSession(s)
	}
}

// await makes the subscription due once the session is verified.
func (s *Session) await(sub *Subscription) {
	s.mu.Lock()
	now := s.hub.config.Now()
	valid := s.isValid(now)
	if !valid && !s.ended { // If it has ended, whoever has ended it ends the subscription.
		sub.awaits = true
		if s.failures == 0 {
			s.check()
		} else if !s.checking {
			s.timer.earlier(&s.hub.delays, s, s.hub.elapsed()+int64(backoff(minRetry, maxRetry, s.failures)))
		}
	}
	s.mu.Unlock()
	if valid {
		sub.resume()
	}
}

// check has the session verified.
func (s *Session) check() {
	if !s.checking {
		s.checking = true
		s.hub.checks.push(s)
	}
}

// demand has the session verified at once. Nothing is delivered before.
func (s *Session) demand() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = time.Time{}
	s.demanded++
	if len(s.subs) > 0 {
		s.check()
	}
}

// verify asks the client. A worker of Hub.checks calls it.
func (s *Session) verify() {
	s.mu.Lock()
	h, demanded := s.hub, s.demanded
	s.mu.Unlock()
	since := h.config.Now()
	v := h.verdict(s.client)
	h.stats.checks[v.State].Add(1)
	s.mu.Lock()
	s.checking = false
	if len(s.subs) == 0 && v.State != Ended {
		s.mu.Unlock()
		return
	}
	if v.State != Ended && demanded != s.demanded {
		s.check()
		s.mu.Unlock()
		return
	}
	var resumed, changed []*Subscription
	switch v.State {
	case Ended:
		s.mu.Unlock()
		s.end(ErrSessionEnded)
		return
	case Valid:
		s.since, s.until, s.expires, s.failures = since, v.Until, v.Expires, 0
		s.setRecheck()
		for _, sub := range s.subs {
			if sub.awaits {
				sub.awaits = false
				resumed = append(resumed, sub)
			}
		}
		if v.Changed {
			changed = slices.Clone(s.subs)
		}
	case Unknown:
		s.failures++
		s.setRetry(v.RetryAfter)
	}
	s.mu.Unlock()
	for _, sub := range resumed {
		sub.resume()
	}
	for _, sub := range changed {
		sub.rerun()
	}
}

// verdict asks a client. A panic is no answer.
func (h *Hub) verdict(c Client) (v Verdict) { //nolint:nonamedreturns // The deferred function sets it.
	defer func() {
		if recover() != nil {
			h.config.Log.LogAttrs(context.Background(), slog.LevelError, "panic while a session was verified", slog.String("stack", string(debug.Stack())))
			v = Verdict{}
		}
	}()
	ctx, cancel := context.WithTimeout(h.ctx, checkTimeout)
	defer cancel()
	return c.Verify(ctx)
}

// end ends the session and its subscriptions.
func (s *Session) end(err error) {
	s.mu.Lock()
	s.ended = true
	subs := slices.Clone(s.subs)
	s.mu.Unlock()
	for _, sub := range subs {
		sub.end(err)
	}
}

func (s *Session) clock() *timer { return &s.timer }

// fire implements timed: the session has been idle for so long that it is verified again, or it expires, or it had no answer.
func (s *Session) fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.subs) == 0 || s.checking {
		return
	}
	if !s.granted && !s.awaited() && !s.expired(s.hub.config.Now()) {
		if at := s.hub.recheckTurn(); at > s.hub.elapsed() {
			s.granted = true
			s.timer.reset(&s.hub.delays, s, at)
			return
		}
	}
	s.check()
}

// awaited reports whether results wait for the session.
func (s *Session) awaited() bool {
	return slices.ContainsFunc(s.subs, func(sub *Subscription) bool { return sub.awaits })
}

func (s *Session) expired(now time.Time) bool { return !s.expires.IsZero() && !now.Before(s.expires) }

// setRecheck sets the timer of a session that was verified: to the time between the checks of idle sessions, a tenth more or
// less, but not before it is needed, and to when the session expires if that is earlier.
func (s *Session) setRecheck() {
	s.granted = false
	interval := s.hub.config.Recheck
	at := s.hub.config.Now().Add(interval - interval/10 + rand.N(interval/5+1)) //nolint:gosec // It is no secret.
	if s.until.After(at) {
		at = s.until
	}
	if !s.expires.IsZero() && s.expires.Before(at) {
		at = s.expires
	}
	s.timer.reset(&s.hub.moments, s, nanoseconds(at))
}

// setRetry sets the timer of a session whose check had no answer: soon if results wait for it.
func (s *Session) setRetry(after time.Duration) {
	s.granted = false
	wait := max(min(after, maxRetry), backoff(minRetry, maxRetry, s.failures))
	if !s.awaited() {
		wait = max(wait, s.hub.config.Recheck/4)
	}
	s.timer.reset(&s.hub.delays, s, s.hub.elapsed()+int64(wait))
}
