package live

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

const (
	// frequentSweeps and rareSweeps are the time in which all watched workspaces are read: without notifications, and with them.
	frequentSweeps = time.Second
	rareSweeps     = 15 * time.Second
	// sweepSize is how many workspaces a statement reads.
	sweepSize = 1000
	// readTimeout limits a statement.
	readTimeout = 5 * time.Second
	// minSweepPause and maxSweepPause bound the pause between two attempts while the database can't be read.
	minSweepPause, maxSweepPause = 500 * time.Millisecond, 5 * time.Second
)

// sweep reads the versions of all watched workspaces again and again, until ctx ends.
func (h *Hints) sweep(ctx context.Context, hub Changes) {
	faults := rate.Sometimes{Interval: time.Minute}
	for failures := 0; h.awaitWatched(ctx); {
		err := h.sweepOnce(ctx, hub)
		failures++
		switch {
		case err == nil:
			failures = 0
		case ctx.Err() == nil:
			faults.Do(func() {
				h.config.Log.LogAttrs(ctx, slog.LevelWarn, "the versions of watched workspaces can't be read", slog.Any("error", err))
			})
			pause(ctx, backoff(minSweepPause, maxSweepPause, failures))
			wake(h.sweepNow) // Once the database is back, all are read at once.
		}
	}
}

// sweepOnce reads the versions of all watched workspaces, spread over the interval so that the load is even, and all at once if
// there is a reason. It returns early if such a reason turns up.
func (h *Hints) sweepOnce(ctx context.Context, hub Changes) error {
	interval := rareSweeps
	if !h.listener.settled() {
		interval = frequentSweeps
	}
	atOnce := false
	select {
	case <-h.sweepNow:
		atOnce = true
	default:
	}
	all := h.allWatched()
	spread := interval / time.Duration(max((len(all)+sweepSize-1)/sweepSize, 1))
	for some := range slices.Chunk(all, sweepSize) {
		if err := h.read(ctx, hub, some, true); err != nil {
			return err
		}
		if !atOnce && !h.pauseSweep(ctx, spread) {
			return nil
		}
	}
	if atOnce {
		h.pauseSweep(ctx, interval)
	}
	return nil
}

// pauseSweep waits, and reports whether nothing has ended the wait: ctx, or a reason to sweep at once.
func (h *Hints) pauseSweep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-h.sweepNow:
		wake(h.sweepNow) // For sweepOnce.
		return false
	case <-timer.C:
		return true
	}
}

// allWatched returns the watched workspaces.
func (h *Hints) allWatched() []*watchedWorkspace {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*watchedWorkspace, 0, len(h.watched))
	for _, w := range h.watched {
		all = append(all, w)
	}
	return all
}

// readHinted reads the versions of the workspaces that hints name, until ctx ends. Hints that arrive in the meantime are read
// together.
func (h *Hints) readHinted(ctx context.Context, hub Changes) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.toRead:
		}
		for some := range slices.Chunk(h.takeHinted(), sweepSize) {
			if h.read(ctx, hub, some, false) != nil {
				wake(h.sweepNow)
			}
		}
	}
}

func (h *Hints) takeHinted() []*watchedWorkspace {
	h.mu.Lock()
	defer h.mu.Unlock()
	taken := h.hinted
	h.hinted = nil
	for _, w := range taken {
		w.hinted = false
	}
	return taken
}

// read reads the versions of workspaces, and tells the hub of those that have changed.
func (h *Hints) read(ctx context.Context, hub Changes, some []*watchedWorkspace, sweeping bool) error {
	before := h.stillWatched(some)
	if len(before) == 0 {
		return nil
	}
	ids := make([]string, 0, len(before))
	for id := range before {
		ids = append(ids, id)
	}
	if sweeping {
		h.counters.sweeps.Add(1)
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout) // See Hub.Close for why it may finish.
	defer cancel()
	found, err := h.config.Versions(limited, ids)
	if err != nil {
		if ctx.Err() == nil {
			h.counters.unread.Add(1)
		}
		return err
	}
	changed, refreshed := h.learn(before, found, sweeping)
	for _, id := range changed {
		hub.Changed(id, found[id])
	}
	for _, id := range refreshed {
		hub.Refresh(id)
	}
	return nil
}

// stillWatched returns the ids of those workspaces that are still watched, each with the version that is known.
func (h *Hints) stillWatched(some []*watchedWorkspace) map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := make(map[string]int, len(some))
	for _, w := range some {
		if h.watched[w.id] == w {
			known[w.id] = w.known
		}
	}
	return known
}

// learn notes the versions that were found, and returns which workspaces have changed, and which are gone or have another
// history: their version is lower than the one that was known before it was read.
func (h *Hints) learn(before, found map[string]int, sweeping bool) ([]string, []string) {
	var changed, refreshed []string
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, known := range before {
		w, version := h.watched[id], found[id]
		if w == nil {
			continue
		}
		if sweeping && w.unannounced != 0 { // No hint has come since the sweep before.
			h.counters.missed.Add(1)
			w.unannounced = 0
		}
		_, exists := found[id]
		switch {
		case !exists && w.known != goneVersion:
			w.known = goneVersion
			refreshed = append(refreshed, id)
		case !exists:
		case version < known:
			w.known = version
			refreshed = append(refreshed, id)
		case version > w.known:
			h.count(w, version, sweeping)
			w.known = version
			changed = append(changed, id)
		}
	}
	return changed, refreshed
}

// count counts a change that was found.
func (h *Hints) count(w *watchedWorkspace, version int, sweeping bool) {
	switch {
	case w.known < 0: // It has just begun to be watched.
	case !sweeping:
		h.counters.found.Add(1)
	case h.listener.settled():
		w.unannounced = version // Its hint may be on the way.
	}
}
