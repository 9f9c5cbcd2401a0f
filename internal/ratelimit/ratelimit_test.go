package ratelimit

import (
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"
)

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) advance(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

func newTable(t *testing.T, perMinute, size int) (*Table, *clock) {
	t.Helper()
	c := &clock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	table, err := New(Config{PerMinute: perMinute, Size: size, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	return table, c
}

func TestBudget(t *testing.T) {
	t.Parallel()
	table, clock := newTable(t, 600, 10) // 10 a second
	steps := []struct {
		name    string
		advance time.Duration
		cost    int
		owe     bool
		want    Result
	}{
		{"a fresh bucket is full", 0, 0, false, Result{OK: true, Remaining: 600}},
		{"spends", 0, 500, false, Result{OK: true, Remaining: 100}},
		{"has not enough", 0, 150, false, Result{Remaining: 100, RetryAfter: 5 * time.Second}},
		{"a refusal takes nothing", 0, 100, false, Result{OK: true}},
		{"is empty", 0, 0, false, Result{RetryAfter: 100 * time.Millisecond}},
		{"fills", 5 * time.Second, 0, false, Result{OK: true, Remaining: 50}},
		{"owes", 0, 70, true, Result{OK: true}},
		{"is in debt", 0, 0, false, Result{RetryAfter: 2100 * time.Millisecond}},
		{"is out of debt", 2100 * time.Millisecond, 0, false, Result{OK: true, Remaining: 1}},
		{"is full after a minute and no fuller", time.Hour, 0, false, Result{OK: true, Remaining: 600}},
		{"takes the whole bucket for more than it can hold", 0, 10_000, false, Result{OK: true}},
		{"and says when that works again", 0, 10_000, false, Result{RetryAfter: time.Minute}},
	}
	for _, step := range steps {
		clock.advance(step.advance)
		take := table.Take
		if step.owe {
			take = table.Owe
		}
		if got := take("ada", step.cost); got != step.want {
			t.Errorf("%s: got %+v, want %+v", step.name, got, step.want)
		}
	}
	if got := table.Take("bob", 600); !got.OK {
		t.Errorf("another's budget: %+v", got)
	}
}

// However many concurrent requests put a client in debt, it has a full bucket after two minutes.
func TestDebtIsBounded(t *testing.T) {
	t.Parallel()
	table, clock := newTable(t, 600, 10)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 100 {
				table.Owe("ada", 90)
				table.Take("ada", 7)
			}
		})
	}
	wg.Wait()
	if got, want := table.Take("ada", 1), (Result{RetryAfter: time.Minute + 100*time.Millisecond}); got != want {
		t.Errorf("in debt: %+v, want %+v", got, want)
	}
	clock.advance(2 * time.Minute)
	if got := table.Take("ada", 600); !got.OK {
		t.Errorf("two minutes later: %+v", got)
	}
}

// A bucket is in debt until it has gained what it owes. An empty one is not.
func TestDebt(t *testing.T) {
	t.Parallel()
	table, clock := newTable(t, 600, 10)
	for _, step := range []struct {
		owe     int
		advance time.Duration
		want    time.Duration
	}{
		{0, 0, 0},
		{600, 0, 0},
		{25, 0, 2500 * time.Millisecond},
		{0, 2400 * time.Millisecond, 100 * time.Millisecond},
		{0, 100 * time.Millisecond, 0},
		{10_000, 0, time.Minute},
	} {
		table.Owe("ada", step.owe)
		clock.advance(step.advance)
		if got := table.Debt("ada"); got != step.want {
			t.Errorf("after owing %d and %v: %v, want %v", step.owe, step.advance, got, step.want)
		}
	}
	if got := table.Debt("bob"); got != 0 {
		t.Errorf("another's debt is %v", got)
	}
}

// However many keys come, the table keeps its size, and a key in use keeps its bucket.
func TestFlood(t *testing.T) {
	t.Parallel()
	table, _ := newTable(t, 600, 1000)
	table.Owe("busy", 600)
	for i := range 100_000 {
		table.Take(fmt.Sprint(i), 1)
		if i%500 == 0 {
			if got := table.Take("busy", 1); got.OK {
				t.Fatalf("after %d other keys the bucket was full", i)
			}
		}
	}
	if table.Len() != 1000 {
		t.Errorf("%d buckets", table.Len())
	}
}

// TestMemory measures the size of a bucket that Config.Size documents.
func TestMemory(t *testing.T) {
	var before, after runtime.MemStats
	table, _ := newTable(t, 600, 20_000)
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 20_000 {
		table.Take(fmt.Sprintf("2001:db8:%x:%x::/64", i>>16, i&0xffff), 1)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := int64(after.HeapAlloc-before.HeapAlloc) / 20_000; each > 400 {
		t.Errorf("%d bytes a bucket", each)
	} else {
		t.Logf("%d bytes a bucket", each)
	}
	runtime.KeepAlive(table)
}

func TestConcurrentSpending(t *testing.T) {
	t.Parallel()
	table, _ := newTable(t, 1000, 10)
	var wg sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for range 20 {
		wg.Go(func() {
			for range 100 {
				if table.Take("ada", 1).OK {
					mu.Lock()
					taken++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if taken != 1000 {
		t.Errorf("%d taken of 1000", taken)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{}, {PerMinute: 1}, {Size: 1}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, remote string
		hops         int
		forwarded    []string
		want         string
	}{
		{"no proxy", "192.0.2.1:4711", 0, nil, "192.0.2.1"},
		{"no proxy, and a header of the client's", "192.0.2.1:4711", 0, []string{"203.0.113.9"}, "192.0.2.1"},
		{"one proxy", "10.0.0.1:80", 1, []string{"203.0.113.9"}, "203.0.113.9"},
		{"one proxy, and the client's own claims", "10.0.0.1:80", 1, []string{"1.1.1.1, 2.2.2.2", "203.0.113.9"}, "203.0.113.9"},
		{"two proxies", "10.0.0.1:80", 2, []string{"1.1.1.1, 203.0.113.9, 10.9.9.9"}, "203.0.113.9"},
		{"two proxies over two lines", "10.0.0.1:80", 2, []string{"1.1.1.1,203.0.113.9", "10.9.9.9"}, "203.0.113.9"},
		{"past the proxies", "192.0.2.1:80", 2, []string{"203.0.113.9"}, "192.0.2.1"},
		{"without the header", "192.0.2.1:80", 1, nil, "192.0.2.1"},
		{"no address", "192.0.2.1:80", 1, []string{"203.0.113.9, unknown"}, "192.0.2.1"},
		{"an empty header", "192.0.2.1:80", 1, []string{""}, "192.0.2.1"},
		{"a port", "10.0.0.1:80", 1, []string{"203.0.113.9:1234"}, "203.0.113.9"},
		{"IPv6", "[2001:db8:1:2:3:4:5:6]:80", 0, nil, "2001:db8:1:2::/64"},
		{"IPv6 of the same network", "[2001:db8:1:2:ffff::1]:80", 0, nil, "2001:db8:1:2::/64"},
		{"IPv6 forwarded", "10.0.0.1:80", 1, []string{"2001:db8::1"}, "2001:db8::/64"},
		{"IPv6 forwarded with a port", "10.0.0.1:80", 1, []string{"[2001:db8::1]:99"}, "2001:db8::/64"},
		{"IPv4 in IPv6", "[::ffff:192.0.2.1]:80", 0, nil, "192.0.2.1"},
		{"a zone", "[fe80::1%eth0]:80", 0, nil, "fe80::/64"},
		{"a Unix socket", "@", 0, nil, "unknown"},
	} {
		r := &http.Request{RemoteAddr: tt.remote, Header: http.Header{"X-Forwarded-For": tt.forwarded}}
		if got := ClientAddress(r, tt.hops); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func FuzzClientAddress(f *testing.F) {
	f.Add("1.2.3.4, 5.6.7.8", "9.9.9.9:1", 1)
	f.Add(",,,", "[::1]:1", 3)
	f.Fuzz(func(t *testing.T, forwarded, remote string, hops int) {
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {forwarded}}}
		if got := ClientAddress(r, hops); got == "" || len(got) > 64 {
			t.Errorf("key %q", got)
		}
	})
}

// A client that has spent everything waits at most a minute, even if the clock jumps forward or back.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		table, clock := newTable(t, 600, 10)
		table.Take("ada", 600)
		table.Owe("ada", 600)
		clock.advance(jump)
		if r := table.Take("ada", 1); r.RetryAfter > time.Minute+time.Second || r.OK != (jump > 0) {
			t.Errorf("%s: %+v", jump, r)
		}
		clock.advance(time.Minute + time.Second)
		if r := table.Take("ada", 1); !r.OK {
			t.Errorf("%s and a minute: %+v", jump, r)
		}
	}
}
