// Package ratelimit keeps clients' budgets: a token bucket for each key, in a bounded table. It knows neither users nor
// HTTP, except for the one question of which address a request comes from (ClientAddress).
//
// # Why the table can't be used against the budgets
//
// The table is a strict least-recently-used one. A bucket that nobody used for a minute is full again, so that throwing
// it away loses nothing; one is forgotten before that only when more than Size other keys came within the minute. An
// admission policy that may refuse newcomers (TinyLFU's) would be wrong here: a refused newcomer has a fresh bucket at
// each request.
//
// Keys that cost nothing, which are addresses, and keys that cost a session, which are users, belong into two tables: a
// flood of addresses then evicts addresses only. Who has more addresses than the table has room could as well spend
// each address's whole budget, so eviction gains nothing; what it takes from a stranger is at worst that the stranger's
// bucket is full again.
package ratelimit

import (
	"errors"
	"math"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// Config is what a Table is made of.
type Config struct {
	// PerMinute is what a bucket gains a minute, and the most that it holds. It is required.
	PerMinute int
	// Size is the most buckets kept, at some 300 bytes each. It is required.
	Size int
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Table is the budgets of many clients. It is safe for use by several goroutines.
type Table struct {
	perMinute int
	now       func() time.Time

	mu      sync.Mutex // also from a look at a bucket to what follows from it
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

// Result is what came of taking a cost.
type Result struct {
	// OK is whether it was taken.
	OK bool
	// Remaining is what is left, rounded down, never negative.
	Remaining int
	// RetryAfter is when there will be enough, where there was not.
	RetryAfter time.Duration
}

// Take takes a cost from the key's bucket if that holds enough. A cost above what a bucket can hold takes a full
// bucket, since it could never be paid. A cost of 0 takes nothing, and is OK while there is at least 1.
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
	missing := max(wanted-held, 0) / float64(t.perMinute)
	wait := math.Ceil(missing*float64(time.Minute.Milliseconds()) - 1e-6) // The last digits of a float are no millisecond.
	return Result{Remaining: remaining(bucket, now), RetryAfter: time.Duration(wait) * time.Millisecond}
}

// Owe takes a cost whatever the bucket holds, which may then be in debt: for work that is done already. The debt is one
// minute's worth at most, so that nobody is shut out for longer. It is OK.
func (t *Table) Owe(key string, cost int) Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	bucket, now := t.bucket(key)
	room := int(bucket.TokensAt(now)) + t.perMinute
	bucket.ReserveN(now, min(max(cost, 0), max(room, 0), t.perMinute))
	return Result{OK: true, Remaining: remaining(bucket, now)}
}

// Len is how many buckets there are.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buckets.Len()
}

// bucket finds a key's bucket, or makes it, full, and looks at the clock. The caller holds the lock.
func (t *Table) bucket(key string) (*rate.Limiter, time.Time) {
	now := t.now()
	if bucket, ok := t.buckets.Get(key); ok {
		// A refusal does not tell the bucket the time. Where the clock was set back, one that is empty would gain nothing
		// until the old time comes again.
		bucket.ReserveN(now, 0)
		return bucket, now
	}
	bucket := rate.NewLimiter(rate.Limit(float64(t.perMinute)/time.Minute.Seconds()), t.perMinute)
	t.buckets.Add(key, bucket)
	return bucket, now
}

func remaining(bucket *rate.Limiter, now time.Time) int { return max(0, int(bucket.TokensAt(now))) }
