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

// answer is what the auth server said about a user, such as a session.
type answer interface {
	// owner returns the id of the user.
	owner() string
	// size returns about how much memory the answer takes, in bytes.
	size() uint32
}

// cache keeps answers of one kind that the auth server has given, and its refusals, which are the negative entries. An
// entry's own times decide whether it is valid, by the caller's clock: the cache has no timer, and a session is refused
// the moment it ends. Entries are evicted if the space is needed. Refusals have a space of their own, so that a flood of
// them can't evict answers.
type cache[A answer] struct {
	ttl, staleTTL, refusalTTL time.Duration
	answers                   *otter.Cache[cacheKey, entry[A]]
	refusals                  *otter.Cache[cacheKey, negativeEntry]
	forgotten                 *forgottenUsers
}

// entry is an answer. It is fresh for the TTL, and stale for longer: a stale answer is used while the auth server is
// unavailable.
type entry[A answer] struct {
	answer       A
	fresh, stale period
}

// negativeEntry is a refusal by the auth server, or its failure to answer.
type negativeEntry struct {
	refusal Refusal // without the credentials, which each caller sets
	valid   period
	repeats int // how often the same has happened in a row before
}

// newCache returns a cache for about size answers of typical size. Answers are fresh for ttl and stale for staleTTL
// after that.
func newCache[A answer](size int, ttl, staleTTL time.Duration, forgotten *forgottenUsers) (*cache[A], error) {
	answers, err := otter.New(&otter.Options[cacheKey, entry[A]]{
		MaximumWeight: uint64(size) * typicalSize, //nolint:gosec // It is positive.
		Weigher:       func(_ cacheKey, e entry[A]) uint32 { return e.answer.size() },
	})
	if err != nil {
		return nil, err
	}
	refusals, err := otter.New(&otter.Options[cacheKey, negativeEntry]{MaximumSize: size})
	if err != nil {
		return nil, err
	}
	return &cache[A]{ttl: ttl, staleTTL: staleTTL, refusalTTL: refusalTTL, answers: answers, refusals: refusals, forgotten: forgotten}, nil
}

// typicalSize is the size of a typical answer, in bytes. A cache is bounded in memory, not in entries, because users
// choose their names.
const typicalSize = 1 << 10

// owner implements answer.
func (s *Session) owner() string { return s.UserID }

// size implements answer.
func (s *Session) size() uint32 {
	n := typicalSize/2 + len(s.ID) + len(s.UserID) + len(s.ImpersonatedBy) + len(s.User.ID) + len(s.User.Name) + len(s.User.Email)
	if s.User.Image != nil {
		n += len(*s.User.Image)
	}
	for resource, actions := range s.Permissions {
		n += len(resource) + len(strings.Join(actions, ""))
	}
	for organization, role := range s.Roles {
		n += 32 + len(organization) + len(role)
	}
	return uint32(min(n, math.MaxUint32))
}

// get returns the answer of key if it is fresh.
func (c *cache[A]) get(key cacheKey, now time.Time) (A, bool) {
	return c.getSince(key, now, time.Time{})
}

// getSince returns the answer of key if it is fresh and was requested at that time or later.
func (c *cache[A]) getSince(key cacheKey, now, since time.Time) (A, bool) {
	found, ok := c.answers.GetIfPresent(key)
	if !ok || !found.fresh.contains(now) || found.fresh.from.Before(since) || c.forgotten.has(found.answer.owner(), found.fresh.from) {
		return *new(A), false
	}
	return found.answer, true
}

// getStale returns the answer of key if it is fresh or stale, for use while the auth server is unavailable.
func (c *cache[A]) getStale(key cacheKey, now time.Time) (A, bool) {
	found, ok := c.answers.GetIfPresent(key)
	if !ok || !found.stale.contains(now) || c.forgotten.has(found.answer.owner(), found.stale.from) {
		return *new(A), false
	}
	return found.answer, true
}

// getRefusal returns the cached refusal of key, or nil if there is none. Its RetryAfter is what remains now.
func (c *cache[A]) getRefusal(key cacheKey, now time.Time) *Refusal {
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
func (c *cache[A]) failedRecently(key cacheKey, now time.Time) bool {
	found, ok := c.refusals.GetIfPresent(key)
	return ok && found.refusal.Unavailable && found.recent(now)
}

// recent reports whether the entry is valid or was until a moment ago.
func (n negativeEntry) recent(now time.Time) bool {
	return period{n.valid.from, n.valid.until.Add(repeatWindow)}.contains(now)
}

// put stores an answer. It is fresh until the TTL has passed since requested, the time when the auth server was asked,
// and never after end. The time of the response doesn't count: the session may have been revoked while it was on its
// way.
func (c *cache[A]) put(key cacheKey, answer A, end, requested time.Time) {
	c.refusals.Invalidate(key)
	until := requested.Add(c.ttl)
	c.answers.Set(key, entry[A]{
		answer: answer, fresh: period{requested, earlier(until, end)}, stale: period{requested, earlier(until.Add(c.staleTTL), end)},
	})
}

// putRefusal removes the answer and stores its refusal for a few seconds, so that repeated requests don't ask the auth
// server. The refusal of a token that may be made up is stored for longer each time.
func (c *cache[A]) putRefusal(key cacheKey, refusal Refusal, requested time.Time, mayBeMadeUp bool) {
	c.answers.Invalidate(key)
	longest := c.refusalTTL
	if mayBeMadeUp {
		longest = maxUnknownTTL
	}
	c.putNegative(key, refusal, requested, c.refusalTTL, longest)
}

// putFailure stores that the auth server failed for key, and returns for how long: at least as long as the response
// asks for, up to maxRequestedTTL. An answer remains, and may be used while it is stale.
func (c *cache[A]) putFailure(key cacheKey, refusal Refusal, now time.Time) time.Duration {
	requested := min(refusal.RetryAfter, maxRequestedTTL)
	return c.putNegative(key, refusal, now, max(failureTTL, requested), max(maxFailureTTL, requested))
}

// putRateLimited stores that an API key has reached its own limit. An answer remains, and may be used while it is stale.
func (c *cache[A]) putRateLimited(key cacheKey, refusal Refusal, requested time.Time) {
	ttl := min(refusal.RetryAfter, limitedKeyTTL)
	c.putNegative(key, refusal, requested, ttl, ttl)
}

// putNegative stores a refusal and returns for how long: ttl, doubled for each time that the same was stored in a row
// before, but at most longest.
func (c *cache[A]) putNegative(key cacheKey, refusal Refusal, from time.Time, ttl, longest time.Duration) time.Duration {
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
func (c *cache[A]) unknownKeySince(key cacheKey) (time.Time, bool) {
	found, ok := c.refusals.GetIfPresent(key)
	return found.valid.from, ok && found.refusal.isUnknownAPIKey()
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
