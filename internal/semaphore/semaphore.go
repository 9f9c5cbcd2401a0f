// Package semaphore bounds how much is done at once for each of many keys, such as users. It imports nothing of ours.
package semaphore

import (
	"context"
	"slices"
	"sync"
)

// Keyed lets a bounded number of callers hold each key. The others wait, in the order in which they came. It is safe for
// concurrent use. Keys that nobody holds take no memory.
type Keyed struct {
	limit int

	mu   sync.Mutex
	held map[string]holders
}

// holders is the state of one key.
type holders struct {
	count   int
	waiting []chan struct{}
}

// New returns a Keyed that lets limit callers hold each key. The limit is at least 1.
func New(limit int) *Keyed { return &Keyed{limit: max(limit, 1), held: map[string]holders{}} }

// TryAcquire acquires the key if that needs no waiting. If it returns true, the caller must call Release.
func (k *Keyed) TryAcquire(key string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.tryLocked(key)
}

func (k *Keyed) tryLocked(key string) bool {
	h := k.held[key]
	if h.count >= k.limit {
		return false
	}
	h.count++
	k.held[key] = h
	return true
}

// Acquire acquires the key, and waits until ctx ends if it must. If it returns nil, the caller must call Release. The
// error is ctx's cause.
func (k *Keyed) Acquire(ctx context.Context, key string) error {
	k.mu.Lock()
	if k.tryLocked(key) {
		k.mu.Unlock()
		return nil
	}
	h := k.held[key]
	turn := make(chan struct{})
	h.waiting = append(h.waiting, turn)
	k.held[key] = h
	k.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		k.giveUp(key, turn)
		return context.Cause(ctx)
	}
}

// giveUp ends the wait of a caller. If it has just been given the key, the next one gets it.
func (k *Keyed) giveUp(key string, turn chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.held[key]
	if i := slices.Index(h.waiting, turn); i >= 0 {
		h.waiting = slices.Delete(h.waiting, i, i+1)
		k.held[key] = h
		return
	}
	k.releaseLocked(key)
}

// Release lets go of a key. It must be called once for each acquisition.
func (k *Keyed) Release(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.releaseLocked(key)
}

func (k *Keyed) releaseLocked(key string) {
	h := k.held[key]
	switch {
	case len(h.waiting) > 0: // The count stays: the next caller holds the key instead.
		close(h.waiting[0])
		h.waiting = slices.Delete(h.waiting, 0, 1)
	case h.count > 1:
		h.count--
	default:
		delete(k.held, key)
		return
	}
	k.held[key] = h
}

// Waiting returns how many callers wait for the key.
func (k *Keyed) Waiting(key string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.held[key].waiting)
}
