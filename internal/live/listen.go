package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// echoInterval is how often it is tested whether notifications arrive.
	echoInterval = 15 * time.Second
	// echoTimeout is how long a notification may take.
	echoTimeout = 5 * time.Second
	// minListenPause and maxListenPause bound the pause between two attempts to listen.
	minListenPause, maxListenPause = 500 * time.Millisecond, 30 * time.Second
	// noEchoPause is the pause after an attempt in which nothing has arrived although the connection was good.
	noEchoPause = 5 * time.Minute
)

var (
	errNoEcho    = errors.New("notifications are sent and don't arrive, as behind a pooler that shares sessions")
	errUnwatched = errors.New("no workspace is watched")
)

// listenerState is what is known of the listening connection.
type listenerState struct {
	// since is when notifications began to arrive, in Unix nanoseconds; 0 while they don't.
	since atomic.Int64
	// echo says that a notification of this process has arrived.
	echo chan struct{}
	// faults is the listening goroutine's.
	faults rate.Sometimes
}

// works reports whether notifications arrive.
func (l *listenerState) works() bool { return l.since.Load() != 0 }

// settled reports whether notifications have arrived for so long that every other replica must know that this one listens.
func (l *listenerState) settled() bool {
	since := l.since.Load()
	return since != 0 && time.Since(time.Unix(0, since)) > 2*listenersInterval
}

// listen listens while workspaces are watched, until ctx ends.
func (h *Hints) listen(ctx context.Context) {
	for failures := 0; h.awaitWatched(ctx); {
		worked, err := h.listenOnce(ctx)
		if failures++; worked {
			failures = 1
		}
		if errors.Is(err, errUnwatched) || ctx.Err() != nil {
			continue
		}
		h.listener.faults.Do(func() {
			h.config.Log.LogAttrs(ctx, slog.LevelWarn, "notifications of other replicas don't arrive; their changes are found within a second by polling", slog.Any("error", err))
		})
		if errors.Is(err, errNoEcho) && !worked { // It is the address, which stays the same.
			pause(ctx, noEchoPause)
			continue
		}
		pause(ctx, backoff(minListenPause, maxListenPause, failures))
	}
}

// listenOnce listens until the connection is lost, a notification of its own doesn't arrive, or no workspace is watched. It
// returns whether notifications have arrived, and why it has ended.
func (h *Hints) listenOnce(ctx context.Context) (bool, error) {
	ctx, end := context.WithCancelCause(ctx)
	listening, tested := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(tested)
		select {
		case <-listening:
			end(h.testEcho(ctx))
		case <-ctx.Done():
		}
	}()
	err := h.config.Notifications.Listen(ctx, channel, h.name(), func() { close(listening) }, h.received)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	end(err)
	<-tested
	worked := h.listener.since.Swap(0) != 0
	if worked {
		wake(h.sweepNow) // From now on sweeps are frequent.
	}
	return worked, err
}

// testEcho sends notifications to this process until one doesn't arrive, which is the only sign that none do. It returns
// errUnwatched if no workspace is watched any more.
func (h *Hints) testEcho(ctx context.Context) error {
	select {
	case <-h.listener.echo: // It is of the connection before.
	default:
	}
	for unwatched := false; ; {
		if err := h.sendEcho(ctx); err != nil {
			return err
		}
		if h.listener.since.CompareAndSwap(0, time.Now().UnixNano()) {
			h.counters.connects.Add(1)
			h.config.Log.LogAttrs(ctx, slog.LevelDebug, "notifications of other replicas arrive")
			wake(h.sweepNow) // What changed before was not heard.
		}
		if !pause(ctx, echoInterval) {
			return context.Cause(ctx)
		}
		before := unwatched
		if unwatched = !h.isWatched(); unwatched && before {
			return errUnwatched
		}
	}
}

// sendEcho sends a notification to this process and waits for it.
func (h *Hints) sendEcho(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, echoTimeout, errNoEcho)
	defer cancel()
	if err := h.config.Notifications.Notify(ctx, channel, newPayload(h.self).String()); err != nil {
		return fmt.Errorf("testing notifications: %w", err)
	}
	select {
	case <-h.listener.echo:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// received reads a notification, which anybody may have sent who has access to the database.
func (h *Hints) received(text string) {
	h.mu.Lock()
	sender, ok := readPayload(text, h.hint)
	found := len(h.hinted) > 0
	h.mu.Unlock()
	switch {
	case !ok:
		h.counters.invalid.Add(1)
	case sender == h.self:
		wake(h.listener.echo)
	default:
		h.counters.received.Add(1)
	}
	if found {
		wake(h.toRead)
	}
}

// hint notes that a workspace may have reached a version. It is called with the lock held.
func (h *Hints) hint(hash, version uint64) {
	w := h.hashed[hash]
	if w == nil {
		return
	}
	if v := int(min(version, math.MaxInt)); v <= w.known {
		w.announced(v)
	} else if !w.hinted {
		w.hinted = true
		h.hinted = append(h.hinted, w)
	}
}

// announced notes that a hint has named a version.
func (w *watchedWorkspace) announced(version int) {
	if version >= w.unannounced {
		w.unannounced = 0
	}
}
