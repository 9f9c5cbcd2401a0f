package betterauth

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

const (
	// hangTimeouts is the number of consecutive timeouts after which the auth server seems to hang. So many are hardly
	// one user's.
	hangTimeouts = 20
	// trialInterval is the shortest time between two trials.
	trialInterval = 10 * time.Second
)

// hangDetector shortens the timeouts of requests while the auth server seems to hang, so that clients don't wait in
// vain. The auth server seems to hang if it answers probes, but the last hangTimeouts requests, retries not counted,
// timed out. Then a request gets slowThreshold instead of the whole timeout. Since the auth server may only be slow,
// one request per trialInterval is a trial, which gets the whole timeout. A response in time ends this.
type hangDetector struct {
	timeouts  atomic.Int32              // consecutive timeouts
	lastTrial atomic.Pointer[time.Time] // nil before the first trial
}

// limit returns the context of a request that is sent now: with the shorter timeout if the auth server seems to hang
// and this is not a trial. Call the function after the request.
func (d *hangDetector) limit(ctx context.Context, now time.Time) (context.Context, context.CancelFunc) {
	if d.timeouts.Load() < hangTimeouts || d.beginTrial(now) {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, slowThreshold)
}

// beginTrial reports whether a request may be a trial, which takes the whole timeout.
func (d *hangDetector) beginTrial(now time.Time) bool {
	last := d.lastTrial.Load()
	return (last == nil || now.Sub(*last) >= trialInterval) && d.lastTrial.CompareAndSwap(last, &now)
}

// record counts a timeout, or ends the count if err is anything else. The retry of a session is not counted: one
// session that always times out doesn't mean that the auth server hangs.
func (d *hangDetector) record(err error, retry bool) {
	switch {
	case !errors.Is(err, context.DeadlineExceeded):
		d.timeouts.Store(0)
	case !retry:
		d.timeouts.Add(1)
	}
}
