package live

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// HintsConfig configures Hints. Versions is required.
type HintsConfig struct {
	// Versions returns the versions of workspaces. An id of no workspace is not in the map.
	Versions func(ctx context.Context, ids []string) (map[string]int, error)
	// Notifications reach the other replicas. If it is nil, as with SQLite, all changes of other processes are found by sweeps.
	Notifications Notifications
	// Log gets the faults, each kind at most once a minute. Default: none are logged.
	Log *slog.Logger
}

// Notifications are short messages between the processes that use a database, as internal/database has them.
type Notifications interface {
	// Notify sends a payload of at most 7,999 bytes to all listeners of the channel.
	Notify(ctx context.Context, channel, payload string) error
	// Listen calls listening once it listens, then received with every payload, one call at a time, and returns the reason when
	// the context or the connection has ended.
	Listen(ctx context.Context, channel, listener string, listening func(), received func(payload string)) error
	// HasListeners reports whether there are listeners of the channel beside the one of that name.
	HasListeners(ctx context.Context, channel, except string) (bool, error)
}

// Changes is what is told of changes: a Hub.
type Changes interface {
	// Changed says that a workspace has reached a version.
	Changed(workspaceID string, version int)
	// Refresh says that a workspace is gone, or its history another one.
	Refresh(workspaceID string)
}

// Hints tells the other replicas what has changed here, and the hub of this one what has changed there.
//
// A change is announced by a notification, which has a hash of the workspace's id and its version. It is only a hint: the
// receiver reads the workspace's version and tells its hub of that, so a hint that is late, repeated or forged does no harm. A
// hint that is lost only costs time: sweeps read the versions of all watched workspaces every 15 seconds, or every second if
// notifications don't arrive.
//
// While no workspace is watched, it neither listens nor sweeps, so that an idle database can sleep.
type Hints struct {
	config HintsConfig
	// self identifies this process in notifications.
	self uint64

	announcer announcer
	listener  listenerState
	counters  hintCounters

	mu sync.Mutex
	// watched has the workspaces with subscriptions by their ids, and hashed by the hashes in notifications. If two had the same
	// hash, hints would find one, and sweeps both.
	watched map[string]*watchedWorkspace
	hashed  map[uint64]*watchedWorkspace
	// hinted are those whose version is to be read because of a hint.
	hinted []*watchedWorkspace

	// someWatched is closed while there are watched workspaces.
	someWatched chan struct{}

	// toRead says that there are hinted workspaces, and sweepNow that there is a reason to sweep at once.
	toRead, sweepNow chan struct{}
}

// watchedWorkspace is a workspace that has subscriptions.
type watchedWorkspace struct {
	id string
	// known is the version that the hub has been told of, unknownVersion or goneVersion.
	known int
	// hinted reports that it is in Hints.hinted.
	hinted bool
	// unannounced is a version that a sweep has found and no hint has named yet; 0 if there is none.
	unannounced int
}

// The values of watchedWorkspace.known that are no versions.
const (
	unknownVersion = -1
	goneVersion    = -2
)

// HintsStats are counts since the start.
type HintsStats struct {
	// Sent counts the notifications that were sent, Announced the changes in them, Unsent the notifications that could not be
	// sent, and Dropped the changes that were not announced because too many waited.
	Sent, Announced, Unsent, Dropped int64
	// Received counts the notifications of other replicas, and Invalid those that can't be read.
	Received, Invalid int64
	// Found counts the changes that hints led to, and Missed those that sweeps found although notifications arrived.
	Found, Missed int64
	// Sweeps counts the statements of sweeps, and Unread the statements, of hints too, that failed.
	Sweeps, Unread int64
	// Connects counts how often notifications began to arrive.
	Connects int64
	// Listening reports whether notifications arrive now.
	Listening bool
}

type hintCounters struct {
	sent, announced, unsent, dropped, received, invalid, found, missed, sweeps, unread, connects atomic.Int64
}

// NewHints returns Hints, which do nothing before Run.
func NewHints(c HintsConfig) *Hints {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	var self [8]byte
	_, _ = rand.Read(self[:]) // It never fails.
	signal := func() chan struct{} { return make(chan struct{}, 1) }
	h := &Hints{
		config: c, self: binary.BigEndian.Uint64(self[:]),
		watched: map[string]*watchedWorkspace{}, hashed: map[uint64]*watchedWorkspace{},
		someWatched: make(chan struct{}), toRead: signal(), sweepNow: signal(),
	}
	h.announcer = announcer{changes: map[string]int{}, wake: signal(), faults: rate.Sometimes{Interval: time.Minute}}
	h.listener = listenerState{echo: signal(), faults: rate.Sometimes{Interval: time.Minute}}
	return h
}

// Run announces, listens and sweeps until ctx ends. It must be called once.
func (h *Hints) Run(ctx context.Context, hub Changes) {
	var running sync.WaitGroup
	running.Go(func() { h.sweep(ctx, hub) })
	running.Go(func() { h.readHinted(ctx, hub) })
	if h.config.Notifications != nil {
		running.Go(func() { h.announce(ctx) })
		running.Go(func() { h.listen(ctx) })
	}
	running.Wait()
}

// Watch says that a workspace has subscriptions, or none any more. It is cheap and never blocks.
func (h *Hints) Watch(workspaceID string, watched bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w, hash := h.watched[workspaceID], hashOf(workspaceID)
	switch {
	case watched && w == nil:
		if w = (&watchedWorkspace{id: workspaceID, known: unknownVersion}); len(h.watched) == 0 {
			close(h.someWatched)
		}
		h.watched[workspaceID], h.hashed[hash] = w, w
	case !watched && w != nil:
		if delete(h.watched, workspaceID); len(h.watched) == 0 {
			h.someWatched = make(chan struct{})
		}
		if h.hashed[hash] == w {
			delete(h.hashed, hash)
		}
	}
}

// isWatched reports whether any workspace is watched.
func (h *Hints) isWatched() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.watched) > 0
}

// awaitWatched waits until a workspace is watched, and reports whether ctx goes on.
func (h *Hints) awaitWatched(ctx context.Context) bool {
	h.mu.Lock()
	some := h.someWatched
	h.mu.Unlock()
	select {
	case <-ctx.Done():
		return false
	case <-some:
		return ctx.Err() == nil
	}
}

// Stats returns what has happened so far.
func (h *Hints) Stats() HintsStats {
	c := &h.counters
	return HintsStats{
		Sent: c.sent.Load(), Announced: c.announced.Load(), Unsent: c.unsent.Load(), Dropped: c.dropped.Load(),
		Received: c.received.Load(), Invalid: c.invalid.Load(), Found: c.found.Load(), Missed: c.missed.Load(),
		Sweeps: c.sweeps.Load(), Unread: c.unread.Load(), Connects: c.connects.Load(), Listening: h.listener.works(),
	}
}

// hashOf returns the hash by which notifications name a workspace: ids may be people's, and whoever uses the database can
// listen.
func hashOf(workspaceID string) uint64 {
	sum := sha256.Sum256([]byte(workspaceID))
	return binary.BigEndian.Uint64(sum[:8])
}

// name identifies this process among listeners.
func (h *Hints) name() string {
	return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, h.self))
}

// wake wakes the goroutine that waits for the signal, or will wait for it next.
func wake(signal chan struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}

// pause waits, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
