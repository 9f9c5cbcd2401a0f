// Package ratelimit keeps clients' budgets: a token bucket for each key, in a bounded table. It knows neither users nor
// HTTP, except that ClientAddress finds out which address a request comes from.
//
// # Why the table can't be used against the budgets
//
// The table evicts strictly the least recently used bucket. A bucket that was not used for a minute is full again, so that
// evicting it loses nothing; it is evicted sooner only if more than Size other keys come within the minute. An admission
// policy that may refuse new keys, such as TinyLFU's, would be wrong here: a key that is refused has a full bucket at each
// request.
//
// Keys that are free, which are addresses, and keys that need a session, which are users, belong in two tables, so that a
// flood of addresses evicts only addresses. A client that has more addresses than the table has room could as well spend
// each address's whole budget, so it gains nothing from eviction; all that eviction does to others is to fill their buckets
// again.
package ratelimit

import (
	"errors"
	"math"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// Config configures a Table.
type Config struct {
	// PerMinute is what a bucket gains in a minute, and the most that it holds. It is required.
	PerMinute int
	// Size is the most buckets kept, at about 300 bytes each. It is required.
	Size int
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Table holds the budgets of many clients. It is safe for concurrent use.
type Table struct {
	perMinute int
	now       func() time.Time

	mu      sync.Mutex // held while a bucket is used, too: it may be examined and then changed
	buckets *simplelru.LRU[string, *rate.Limiter]
}

// New returns an empty table.
func New(c Config) (*Table, error) {
	if c.PerMinute <= 0 || c.Size <= 0 {
		return nil, errors.New("ratelimit: PerMinute and Size must be positive")
	}
	buckets, err := simplelru.NewLRU[string, *rate.Limiter](c.Size, nil)
	if err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Table{perMinute: c.PerMinute, now: c.Now, buckets: buckets}, nil
}

// Result is the result of taking a cost.
type Result struct {
	// OK is whether it was taken.
	OK bool
	// Remaining is what is left, rounded down, never negative.
	Remaining int
	// RetryAfter is how long it takes until there is enough, if OK is false.
	RetryAfter time.Duration
}

// Take takes a cost from the key's bucket if that holds enough. A cost of more than a bucket can hold takes a full bucket,
// since it could never be paid otherwise. A cost of 0 takes nothing, and is OK if the bucket holds at least 1.
func (t *Table) Take(key string, cost int) Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	bucket, now := t.bucket(key)
	cost = min(cost, t.perMinute)
	if cost > 0 && bucket.AllowN(now, cost) {
		return Result{OK: true, Remaining: remaining(bucket, now)}
	}
	held, wanted := bucket.TokensAt(now), float64(max(cost, 1))
	if cost <= 0 && held >= wanted {
		return Result{OK: true, Remaining: remaining(bucket, now)}
	}
	return Result{Remaining: remaining(bucket, now), RetryAfter: t.timeFor(wanted - held)}
}

// Owe takes a cost even if the bucket holds less and is then in debt, for work that has been done already. The debt is at
// most what a bucket gains in a minute, so that nobody is shut out for longer. The result is OK.
func (t *Table) Owe(key string, cost int) Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	bucket, now := t.bucket(key)
	room := int(bucket.TokensAt(now)) + t.perMinute
	bucket.ReserveN(now, min(max(cost, 0), max(room, 0), t.perMinute))
	return Result{OK: true, Remaining: remaining(bucket, now)}
}

// Debt returns how long it takes until the key's bucket is no longer in debt; 0 if it is not.
func (t *Table) Debt(key string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	bucket, now := t.bucket(key)
	return t.timeFor(-bucket.TokensAt(now))
}

// timeFor returns how long it takes to gain tokens.
func (t *Table) timeFor(tokens float64) time.Duration {
	wait := math.Ceil(max(tokens, 0)/float64(t.perMinute)*float64(time.Minute.Milliseconds()) - 1e-6) // without the rounding errors
	return time.Duration(max(wait, 0)) * time.Millisecond
}

// Len returns the number of buckets.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buckets.Len()
}

// bucket returns a key's bucket, a full one if the key is new, and the time. The caller holds the lock.
func (t *Table) bucket(key string) (*rate.Limiter, time.Time) {
	now := t.now()
	if bucket, ok := t.buckets.Get(key); ok {
		// A refusal doesn't tell the bucket the time. If the clock was set back, an empty bucket would gain nothing until the
		// old time comes again.
		bucket.ReserveN(now, 0)
		return bucket, now
	}
	bucket := rate.NewLimiter(rate.Limit(float64(t.perMinute)/time.Minute.Seconds()), t.perMinute)
	t.buckets.Add(key, bucket)
	return bucket, now
}

func remaining(bucket *rate.Limiter, now time.Time) int { return max(0, int(bucket.TokensAt(now))) }
