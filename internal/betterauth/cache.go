package betterauth

import (
	"crypto/sha256"
	"math"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"
)

// cacheKey is the SHA-256 of what was sent to the auth server: the cache holds no token that could leak from it.
type cacheKey = [sha256.Size]byte

// newKey makes a key. Cookies' names belong to it: under the wrong one the auth server sees no session at all.
func newKey(parts ...string) cacheKey {
	var room [192]byte
	text := room[:0]
	for _, part := range parts {
		text = append(text, part...)
		text = append(text, 0)
	}
	return sha256.Sum256(text)
}

// cache remembers what the auth server said: sessions, and refusals. Entries carry their own deadlines, by the clock
// that the caller gives, so that the cache runs no timer and a session is refused to the moment. What nobody asks for
// any more goes when the room is needed. Refusals have their own room: a flood of them must not push sessions out.
type cache struct {
	ttl, stale, refused time.Duration
	sessions            *otter.Cache[cacheKey, entry]
	refusals            *otter.Cache[cacheKey, negative]
}

// entry is a session that is believed for a time and, while the auth server can't be asked, for a longer one.
type entry struct {
	session         *Session
	believed, stale span
}

// negative is a session that the auth server refused, or could not answer about.
type negative struct {
	refusal Refusal // without what about adds
	holds   span
	// times is how often it has happened in a row.
	times int
}

const (
	// failureTTL is how long it is remembered that the auth server could not answer about a session. It doubles each time in
	// a row up to maxFailureTTL, which is how often a session is asked about anyway.
	failureTTL, maxFailureTTL = 2 * time.Second, 15 * time.Second
	// maxAskedTTL bounds how long an answer about a session may ask for.
	maxAskedTTL = time.Minute
	// maxUnknownTTL bounds how long a raw bearer token is remembered as unknown, which also doubles each time.
	maxUnknownTTL = time.Minute
	// failuresForgotten is how long after the last failure the next one counts as the first.
	failuresForgotten = time.Minute
	// maxTimes is as often as it takes to reach the longest time.
	maxTimes = 5
)

func newCache(size int, ttl, stale, refused time.Duration) (*cache, error) {
	sessions, err := otter.New(&otter.Options[cacheKey, entry]{
		MaximumWeight: uint64(size) * typicalSession, //nolint:gosec // It is positive.
		Weigher:       func(_ cacheKey, e entry) uint32 { return weigh(e.session) },
	})
	if err != nil {
		return nil, err
	}
	refusals, err := otter.New(&otter.Options[cacheKey, negative]{MaximumSize: size})
	if err != nil {
		return nil, err
	}
	return &cache{ttl: ttl, stale: stale, refused: refused, sessions: sessions, refusals: refusals}, nil
}

// typicalSession is what one session takes, in bytes: the bound is on the memory, since users choose their names.
const typicalSession = 1 << 10

// weigh is about what a session takes, in bytes.
func weigh(s *Session) uint32 {
	n := typicalSession/2 + len(s.ID) + len(s.UserID) + len(s.ImpersonatedBy) + len(s.User.ID) + len(s.User.Name) + len(s.User.Email)
	if s.User.Image != nil {
		n += len(*s.User.Image)
	}
	for resource, actions := range s.Permissions {
		n += len(resource) + len(strings.Join(actions, ""))
	}
	return uint32(min(n, math.MaxUint32))
}

func (c *cache) get(key cacheKey, now time.Time) (*Session, bool) {
	found, ok := c.sessions.GetIfPresent(key)
	if !ok || !found.believed.holds(now) {
		return nil, false
	}
	return found.session, true
}

// getStale returns a session that is past its time, for use while the auth server is unavailable.
func (c *cache) getStale(key cacheKey, now time.Time) (*Session, bool) {
	found, ok := c.sessions.GetIfPresent(key)
	if !ok || !found.stale.holds(now) {
		return nil, false
	}
	return found.session, true
}

// getRefusal returns what the auth server's last answer was refused with, nil if it was not, or not a moment ago.
func (c *cache) getRefusal(key cacheKey, now time.Time) *Refusal {
	found, ok := c.refusals.GetIfPresent(key)
	if !ok || !found.holds.holds(now) {
		return nil
	}
	switch {
	case found.refusal.RateLimited: // An API key's limit ends later than it is remembered.
		found.refusal.RetryAfter -= now.Sub(found.holds.from)
	case found.refusal.Unavailable:
		found.refusal.RetryAfter = found.holds.until.Sub(now)
	}
	return &found.refusal
}

// failedBefore reports whether the auth server could not answer about a session the last time.
func (c *cache) failedBefore(key cacheKey, now time.Time) bool {
	found, ok := c.refusals.GetIfPresent(key)
	return ok && found.refusal.Unavailable && found.recent(now)
}

func (n negative) recent(now time.Time) bool {
	return span{n.holds.from, n.holds.until.Add(failuresForgotten)}.holds(now)
}

// put keeps a session until the TTL has passed since it was asked for, or until its end. The moment of asking counts,
// not that of the answer: the session may have been revoked while the answer was under way.
func (c *cache) put(key cacheKey, session *Session, end, asked time.Time) {
	c.refusals.Invalidate(key)
	until := asked.Add(c.ttl)
	c.sessions.Set(key, entry{
		session: session, believed: span{asked, earlier(until, end)}, stale: span{asked, earlier(until.Add(c.stale), end)},
	})
}

// refuse forgets the session and remembers the refusal for a few seconds, so that repeating the request costs nothing. A
// token that may be made up is remembered for longer each time.
func (c *cache) refuse(key cacheKey, refusal Refusal, asked time.Time, mayBeMadeUp bool) {
	c.sessions.Invalidate(key)
	longest := c.refused
	if mayBeMadeUp {
		longest = maxUnknownTTL
	}
	c.remember(key, refusal, asked, c.refused, longest)
}

// fail remembers that the auth server could not answer about the session, and returns for how long: at least as long as the
// answer asks for, if that is not over a minute. A session that is known stays so.
func (c *cache) fail(key cacheKey, refusal Refusal, now time.Time) time.Duration {
	asked := min(refusal.RetryAfter, maxAskedTTL)
	return c.remember(key, refusal, now, max(failureTTL, asked), max(maxFailureTTL, asked))
}

func (c *cache) remember(key cacheKey, refusal Refusal, from time.Time, ttl, longest time.Duration) time.Duration {
	times := 0
	if last, ok := c.refusals.GetIfPresent(key); ok && last.refusal.Reason == refusal.Reason && last.recent(from) {
		times = last.times + 1
	}
	for range times {
		ttl = min(2*ttl, longest)
	}
	c.refusals.Set(key, negative{refusal: refusal, holds: span{from, from.Add(ttl)}, times: min(times, maxTimes)})
	return ttl
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
