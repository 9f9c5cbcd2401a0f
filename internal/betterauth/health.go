package betterauth

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

const (
	// outageRest is how long an auth server that is down is left alone before it is probed again.
	outageRest = 2 * time.Second
	// freshAnswer is how old a good answer may be to prove that the auth server works.
	freshAnswer = time.Second
)

// health tells an auth server that is down from one that fails for some sessions. Only a probe that fails opens the
// breaker. Failed questions never do, however many there are: they may all be one user's.
type health struct {
	probe   func(context.Context) error
	timeout time.Duration
	breaker *gobreaker.CircuitBreaker[struct{}]
	good    atomic.Pointer[time.Time] // of the last good answer

	mu      sync.Mutex
	current *probeRun // nil if no probe is under way
}

// probeRun is a probe under way, for all who want to know.
type probeRun struct {
	begun time.Time
	done  chan struct{}
	err   error // to be read when done is closed
}

func newHealth(probe func(context.Context) error, timeout time.Duration, log *slog.Logger) *health {
	return &health{probe: probe, timeout: timeout, breaker: gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:        "auth server",
		Timeout:     outageRest,
		ReadyToTrip: func(gobreaker.Counts) bool { return true },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			log.LogAttrs(context.Background(), slog.LevelWarn, "auth server breaker",
				slog.String("from", from.String()), slog.String("to", to.String()))
		},
	})}
}

// answered notes a good answer.
func (h *health) answered() {
	now := time.Now()
	h.good.Store(&now)
}

// admit returns nil if the auth server may be asked. After an outage of outageRest it begins a probe. Its result is waited
// for, but only until patience has passed since it began.
func (h *health) admit(ctx context.Context) error {
	switch h.breaker.State() {
	case gobreaker.StateClosed:
		return nil
	case gobreaker.StateOpen:
		return gobreaker.ErrOpenState
	case gobreaker.StateHalfOpen:
	}
	run := h.startProbe(ctx)
	timer := time.NewTimer(time.Until(run.begun.Add(patience)))
	defer timer.Stop()
	select {
	case <-run.done:
		return run.err
	case <-timer.C:
		return gobreaker.ErrTooManyRequests
	}
}

// check returns nil if the auth server has given a good answer since that time, or answers a probe now.
func (h *health) check(ctx context.Context, since time.Time) error {
	if good := h.good.Load(); good != nil && !good.Before(since) {
		return nil
	}
	run := h.startProbe(ctx)
	<-run.done
	return run.err
}

// startProbe probes the auth server, or joins the probe that is under way. If the breaker is open, it fails at once.
func (h *health) startProbe(ctx context.Context) *probeRun {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current != nil {
		return h.current
	}
	run := &probeRun{begun: time.Now(), done: make(chan struct{})}
	h.current = run
	go func() {
		_, run.err = h.breaker.Execute(func() (struct{}, error) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.timeout)
			defer cancel()
			return struct{}{}, h.probe(ctx)
		})
		if run.err == nil {
			h.answered()
		}
		h.mu.Lock()
		h.current = nil
		h.mu.Unlock()
		close(run.done)
	}()
	return run
}

// probe asks the auth server for nobody's session. /api/auth/ok may be switched off (disabledPaths): then get-session
// without a session answers for it. Neither needs Better Auth's database. A rate limit is the answer of a server that
// works.
func (c *client) probe(ctx context.Context) error {
	var answer struct{ OK bool }
	body, err := c.ok.get(ctx)
	t := troubleOf(err)
	switch {
	case err == nil && json.Unmarshal(body, &answer) == nil && answer.OK, t != nil && t.busy:
		return nil
	case t != nil && t.status == 0:
		return err
	}
	body, second := c.nobody.get(ctx)
	t = troubleOf(second)
	if second == nil && bytes.Equal(bytes.TrimSpace(body), []byte("null")) || t != nil && t.busy {
		return nil
	}
	return fmt.Errorf("probing the auth server: %w", cmp.Or(err, second, errors.New("it is not Better Auth")))
}
