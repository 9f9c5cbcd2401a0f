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
	// outageRest is how long no request is sent to an auth server that is down, before it is probed again.
	outageRest = 2 * time.Second
	// freshSuccess is how old a successful response may be to prove that the auth server works.
	freshSuccess = time.Second
)

// health knows whether the auth server is down. Failed requests for sessions say nothing about that, however many there
// are, since they may all be one user's. A failed probe opens the circuit breaker, and a successful one closes it.
type health struct {
	probe       func(context.Context) error
	timeout     time.Duration
	breaker     *gobreaker.CircuitBreaker[struct{}]
	lastSuccess atomic.Pointer[time.Time] // nil before the first

	mu      sync.Mutex
	current *probeRun // nil if no probe is in progress
}

// probeRun is a probe in progress, shared by all who wait for its result.
type probeRun struct {
	begun time.Time
	done  chan struct{} // closed at the end
	err   error         // set before done is closed
}

// newHealth returns a health with a closed breaker. Each probe takes at most timeout.
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

// recordSuccess records a successful response.
func (h *health) recordSuccess() {
	now := time.Now()
	h.lastSuccess.Store(&now)
}

// allow returns nil if a request may be sent to the auth server. When the breaker has been open for outageRest, it
// probes the auth server, and waits for the result until slowThreshold has passed since the probe began. The error is
// gobreaker's, or the failed probe's.
func (h *health) allow(ctx context.Context) error {
	switch h.breaker.State() {
	case gobreaker.StateClosed:
		return nil
	case gobreaker.StateOpen:
		return gobreaker.ErrOpenState
	case gobreaker.StateHalfOpen:
	}
	run := h.startProbe(ctx)
	timer := time.NewTimer(time.Until(run.begun.Add(slowThreshold)))
	defer timer.Stop()
	select {
	case <-run.done:
		return run.err
	case <-timer.C:
		return gobreaker.ErrTooManyRequests
	}
}

// check returns nil if the auth server has answered successfully since that time. Otherwise it probes the auth server
// and returns the result.
func (h *health) check(ctx context.Context, since time.Time) error {
	if last := h.lastSuccess.Load(); last != nil && !last.Before(since) {
		return nil
	}
	run := h.startProbe(ctx)
	<-run.done
	return run.err
}

// startProbe starts a probe, or returns the one in progress. If the breaker is open, the probe fails at once.
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
			h.recordSuccess()
		}
		h.mu.Lock()
		h.current = nil
		h.mu.Unlock()
		close(run.done)
	}()
	return run
}

// probe returns nil if the auth server works. It asks /api/auth/ok. That may be switched off (Better Auth's
// disabledPaths), so if there is a response but not the expected one, it asks get-session at anonymous, without a
// session. Neither needs Better Auth's database. A rate-limited response also shows that the server works.
func probe(ctx context.Context, ok, anonymous *endpoint) error {
	var status struct{ OK bool }
	body, okErr := ok.get(ctx)
	failure := asUpstreamError(okErr)
	switch {
	case okErr == nil && json.Unmarshal(body, &status) == nil && status.OK, failure != nil && failure.rateLimited:
		return nil
	case failure != nil && failure.status == 0:
		return okErr
	}
	body, err := anonymous.get(ctx)
	failure = asUpstreamError(err)
	if err == nil && bytes.Equal(bytes.TrimSpace(body), []byte("null")) || failure != nil && failure.rateLimited {
		return nil
	}
	return fmt.Errorf("probing the auth server: %w", cmp.Or(okErr, err, errors.New("it is not Better Auth")))
}
