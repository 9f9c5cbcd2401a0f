package betterauth

import (
	"math"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"
)

const (
	// failureTTL is how long a failure of the auth server for one session is cached. It doubles with each consecutive
	// failure up to maxFailureTTL, so such a session is retried at least that often.
	failureTTL, maxFailureTTL = 2 * time.Second, 15 * time.Second
	// maxRequestedTTL bounds how long a response about a session can ask to wait before the next request.
	maxRequestedTTL = time.Minute
	// maxUnknownTTL bounds how long an unknown raw token is cached, which also doubles each time.
	maxUnknownTTL = time.Minute
	// repeatWindow is how long after the end of a negative entry another one counts as its repetition.
	repeatWindow = time.Minute
	// maxRepeats is enough doublings to reach the longest TTL.
	maxRepeats = 5
)

// cache keeps values that the auth server has returned, and its refusals, which are the negative entries. An entry's
// own times decide whether it is valid, by the caller's clock: the cache has no timer, and a session is refused the
// moment it ends. Entries are evicted if the space is needed. Refusals have a space of their own, so that a flood of
// them can't evict values.
type cache[V any] struct {
	ttl, staleTTL, refusalTTL time.Duration
	values                    *otter.Cache[cacheKey, entry[V]]
	refusals                  *otter.Cache[cacheKey, negativeEntry]
}

// entry is a value. It is fresh for the TTL, and stale for longer: a stale value is used while the auth server is
// unavailable.
type entry[V any] struct {
	value        V
	fresh, stale period
}

// negativeEntry is a refusal by the auth server, or its failure to answer.
type negativeEntry struct {
	refusal Refusal // without the credentials, which each caller sets
	valid   period
	repeats int // how often the same has happened in a row before
}

// newCache returns a cache for about size values of typical size. Values are fresh for ttl and stale for staleTTL after
// that. sizeOf returns the size of a value in bytes.
func newCache[V any](size int, ttl, staleTTL, refusalTTL time.Duration, sizeOf func(V) uint32) (*cache[V], error) {
	values, err := otter.New(&otter.Options[cacheKey, entry[V]]{
		MaximumWeight: uint64(size) * typicalSize, //nolint:gosec // It is positive.
		Weigher:       func(_ cacheKey, e entry[V]) uint32 { return sizeOf(e.value) },
	})
	if err != nil {
		return nil, err
	}
	refusals, err := otter.New(&otter.Options[cacheKey, negativeEntry]{MaximumSize: size})
	if err != nil {
		return nil, err
	}
	return &cache[V]{ttl: ttl, staleTTL: staleTTL, refusalTTL: refusalTTL, values: values, refusals: refusals}, nil
}

// typicalSize is the size of a typical session, in bytes. The cache is bounded in memory, not in entries, because users
// choose their names.
const typicalSize = 1 << 10

// size returns about how much memory the session takes, in bytes.
func (s *Session) size() uint32 {
	n := typicalSize/2 + len(s.ID) + len(s.UserID) + len(s.ImpersonatedBy) + len(s.User.ID) + len(s.User.Name) + len(s.User.Email)
	if s.User.Image != nil {
		n += len(*s.User.Image)
	}
	for resource, actions := range s.Permissions {
		n += len(resource) + len(strings.Join(actions, ""))
	}
	return uint32(min(n, math.MaxUint32))
}

// get returns the value of key if it is fresh.
func (c *cache[V]) get(key cacheKey, now time.Time) (V, bool) {
	found, ok := c.values.GetIfPresent(key)
	if !ok || !found.fresh.contains(now) {
		var zero V
		return zero, false
	}
	return found.value, true
}

// getStale returns the value of key if it is fresh or stale, for use while the auth server is unavailable.
func (c *cache[V]) getStale(key cacheKey, now time.Time) (V, bool) {
	found, ok := c.values.GetIfPresent(key)
	if !ok || !found.stale.contains(now) {
		var zero V
		return zero, false
	}
	return found.value, true
}

// getRefusal returns the cached refusal of key, or nil if there is none. Its RetryAfter is what remains now.
func (c *cache[V]) getRefusal(key cacheKey, now time.Time) *Refusal {
	found, ok := c.refusals.GetIfPresent(key)
	if !ok || !found.valid.contains(now) {
		return nil
	}
	switch {
	case found.refusal.RateLimited: // The API key's limit may end later than the entry.
		found.refusal.RetryAfter -= now.Sub(found.valid.from)
	case found.refusal.Unavailable:
		found.refusal.RetryAfter = found.valid.until.Sub(now)
	}
	return &found.refusal
}

// failedRecently reports whether the last request for key failed.
func (c *cache[V]) failedRecently(key cacheKey, now time.Time) bool {
	found, ok := c.refusals.GetIfPresent(key)
	return ok && found.refusal.Unavailable && found.recent(now)
}

// recent reports whether the entry is valid or was until a moment ago.
func (n negativeEntry) recent(now time.Time) bool {
	return period{n.valid.from, n.valid.until.Add(repeatWindow)}.contains(now)
}

// put stores a value. It is fresh until the TTL has passed since requested, the time when the auth server was asked,
// and never after end. The time of the response doesn't count: the session may have been revoked while it was on its
// way.
func (c *cache[V]) put(key cacheKey, value V, end, requested time.Time) {
	c.refusals.Invalidate(key)
	until := requested.Add(c.ttl)
	c.values.Set(key, entry[V]{
		value: value, fresh: period{requested, earlier(until, end)}, stale: period{requested, earlier(until.Add(c.staleTTL), end)},
	})
}

// putRefusal removes the value and stores its refusal for a few seconds, so that repeated requests don't ask the auth
// server. The refusal of a token that may be made up is stored for longer each time.
func (c *cache[V]) putRefusal(key cacheKey, refusal Refusal, requested time.Time, mayBeMadeUp bool) {
	c.values.Invalidate(key)
	longest := c.refusalTTL
	if mayBeMadeUp {
		longest = maxUnknownTTL
	}
	c.putNegative(key, refusal, requested, c.refusalTTL, longest)
}

// putFailure stores that the auth server failed for key, and returns for how long: at least as long as the response
// asks for, up to maxRequestedTTL. A value remains, and may be used while it is stale.
func (c *cache[V]) putFailure(key cacheKey, refusal Refusal, now time.Time) time.Duration {
	requested := min(refusal.RetryAfter, maxRequestedTTL)
	return c.putNegative(key, refusal, now, max(failureTTL, requested), max(maxFailureTTL, requested))
}

// putRateLimited stores that an API key has reached its own limit. A value remains, and may be used while it is stale.
func (c *cache[V]) putRateLimited(key cacheKey, refusal Refusal, requested time.Time) {
	ttl := min(refusal.RetryAfter, limitedKeyTTL)
	c.putNegative(key, refusal, requested, ttl, ttl)
}

// putNegative stores a refusal and returns for how long: ttl, doubled for each time that the same was stored in a row
// before, but at most longest.
func (c *cache[V]) putNegative(key cacheKey, refusal Refusal, from time.Time, ttl, longest time.Duration) time.Duration {
	repeats := 0
	if last, ok := c.refusals.GetIfPresent(key); ok && last.refusal.Reason == refusal.Reason && last.recent(from) {
		repeats = last.repeats + 1
	}
	for range repeats {
		ttl = min(2*ttl, longest)
	}
	c.refusals.Set(key, negativeEntry{refusal: refusal, valid: period{from, from.Add(ttl)}, repeats: min(repeats, maxRepeats)})
	return ttl
}

// unknownKeySince returns when the auth server last said that it doesn't know an API key, and whether it did.
func (c *cache[V]) unknownKeySince(key cacheKey) (time.Time, bool) {
	found, ok := c.refusals.GetIfPresent(key)
	return found.valid.from, ok && found.refusal.isUnknownAPIKey()
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
