package live

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// announceInterval is the least time between two notifications.
	announceInterval = 20 * time.Millisecond
	// maxWaiting is how many workspaces' changes wait to be announced at most.
	maxWaiting = 20_000
	// listenersInterval is how long it is remembered whether other replicas listen.
	listenersInterval = 5 * time.Second
	// notifyTimeout limits a statement for a notification.
	notifyTimeout = 2 * time.Second
)

// announcer has the changes that are to be announced.
type announcer struct {
	mu sync.Mutex
	// changes has the highest version of each workspace.
	changes map[string]int
	// wake says that there are changes.
	wake chan struct{}

	// hasListeners is whether other replicas listened at the time of checked. They and faults are the announcing goroutine's.
	hasListeners bool
	checked      time.Time
	faults       rate.Sometimes
}

// Announce says that a change of this process has brought a workspace to a version. It is cheap and never blocks. The other
// replicas are told within about 20 ms, if they listen.
func (h *Hints) Announce(workspaceID string, version int) {
	if h.config.Notifications == nil {
		return
	}
	a := &h.announcer
	a.mu.Lock()
	before, waits := a.changes[workspaceID]
	switch {
	case waits || len(a.changes) < maxWaiting:
		a.changes[workspaceID] = max(before, version)
	default:
		h.counters.dropped.Add(1)
	}
	first := len(a.changes) == 1 && !waits
	a.mu.Unlock()
	if first {
		wake(a.wake)
	}
}

// announce sends notifications until ctx ends, and then what still waits.
func (h *Hints) announce(ctx context.Context) {
	for goesOn := true; goesOn; {
		select {
		case <-ctx.Done():
			goesOn = false
		case <-h.announcer.wake:
		}
		for h.announceWaiting(context.WithoutCancel(ctx)) && goesOn {
			goesOn = pause(ctx, announceInterval)
		}
	}
}

// announceWaiting sends one notification of the changes that wait, as many as it can have. It reports whether it had any.
func (h *Hints) announceWaiting(ctx context.Context) bool {
	p := newPayload(h.self)
	sent := h.takeWaiting(p)
	if sent == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	if h.othersListen(ctx) && h.notify(ctx, p) {
		h.counters.announced.Add(int64(sent))
	}
	return true
}

// takeWaiting moves changes into the payload, until it is full, and returns how many. Sweeps need not find them.
func (h *Hints) takeWaiting(p *payload) int {
	a := &h.announcer
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for id, version := range a.changes {
		hash := hashOf(id)
		if !p.add(hash, version) {
			break
		}
		delete(a.changes, id)
		h.heard(hash, version)
		n++
	}
	return n
}

// heard notes a change of this process: the hub has been told of it already.
func (h *Hints) heard(hash uint64, version int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w := h.hashed[hash]; w != nil {
		w.known = max(w.known, version)
		w.announced(version)
	}
}

// othersListen reports whether another replica listens, or may listen.
func (h *Hints) othersListen(ctx context.Context) bool {
	a := &h.announcer
	if now := time.Now(); now.Sub(a.checked) > listenersInterval {
		found, err := h.config.Notifications.HasListeners(ctx, channel, h.name())
		if err != nil {
			a.faults.Do(func() {
				h.config.Log.LogAttrs(ctx, slog.LevelWarn, "looking for replicas that listen has failed", slog.Any("error", err))
			})
		}
		a.hasListeners, a.checked = found || err != nil, now
	}
	return a.hasListeners
}

// notify sends a notification, and reports whether it could.
func (h *Hints) notify(ctx context.Context, p *payload) bool {
	if err := h.config.Notifications.Notify(ctx, channel, p.String()); err != nil {
		h.counters.unsent.Add(1)
		h.announcer.faults.Do(func() {
			h.config.Log.LogAttrs(ctx, slog.LevelWarn, "other replicas could not be notified; they find what has changed by themselves", slog.Any("error", err))
		})
		return false
	}
	h.counters.sent.Add(1)
	return true
}
