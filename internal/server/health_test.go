package server

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// database is a fake ping that counts its calls.
type fakeDatabase struct {
	pings atomic.Int64
	takes time.Duration
	deaf  bool // ignores its context
	err   atomic.Pointer[error]
}

func (d *fakeDatabase) ping(ctx context.Context) error {
	d.pings.Add(1)
	if d.deaf {
		ctx = context.Background()
	}
	select {
	case <-time.After(d.takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := d.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (d *fakeDatabase) health(draining *atomic.Bool) *health {
	return &health{ping: d.ping, now: time.Now, draining: draining}
}

// probe requests /health, and fails if the answer is not one of the two, or takes a second of the synctest bubble's time.
func probe(t *testing.T, h http.Handler) int {
	t.Helper()
	start := time.Now()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, healthPath, nil))
	if took := time.Since(start); took >= time.Second {
		t.Errorf("the answer took %s", took)
	}
	want := map[int]string{200: `{"status":"healthy"}`, 503: `{"status":"unhealthy"}`}[w.Code]
	if want == "" || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	return w.Code
}

func TestHealthRemembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &fakeDatabase{}
		h := db.health(&atomic.Bool{})
		for range 100 {
			if probe(t, h) != 200 {
				t.Fatal("unhealthy")
			}
		}
		down := errors.New("down")
		db.err.Store(&down)
		time.Sleep(healthTTL - time.Nanosecond)
		if probe(t, h) != 200 || db.pings.Load() != 1 {
			t.Fatalf("asked %d times within the time", db.pings.Load())
		}
		time.Sleep(time.Nanosecond)
		if probe(t, h) != 503 || db.pings.Load() != 2 {
			t.Fatal("the outage was not noticed")
		}
		db.err.Store(nil)
		time.Sleep(healthTTL)
		if probe(t, h) != 200 || db.pings.Load() != 3 {
			t.Fatal("the recovery was not noticed")
		}
	})
}

func TestHealthAnswersWithinASecond(t *testing.T) {
	t.Parallel()
	for _, deaf := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			db := &fakeDatabase{takes: time.Minute, deaf: deaf}
			h := db.health(&atomic.Bool{})
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					if probe(t, h) != 503 {
						t.Error("healthy without an answer")
					}
				})
			}
			wg.Wait()
			for range 10 {
				time.Sleep(time.Second)
				probe(t, h)
			}
			if n := db.pings.Load(); n > 12 { // One for each outageTTL.
				t.Errorf("asked %d times within 11 seconds", n)
			}
			time.Sleep(2 * time.Minute) // The deaf ping ends.
		})
	}
}

func TestHealthWhileDraining(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var draining atomic.Bool
		h := (&fakeDatabase{}).health(&draining)
		if probe(t, h) != 200 {
			t.Fatal("unhealthy")
		}
		draining.Store(true)
		if probe(t, h) != 503 {
			t.Fatal("healthy while draining")
		}
	})
}

func TestCheckHealth(t *testing.T) {
	t.Parallel()
	var draining atomic.Bool
	server := httptest.NewServer((&fakeDatabase{}).health(&draining))
	defer server.Close()
	if err := CheckHealth(t.Context(), server.URL); err != nil {
		t.Error(err)
	}
	draining.Store(true)
	if err := CheckHealth(t.Context(), server.URL); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("got %v", err)
	}
	if err := CheckHealth(t.Context(), "http://127.0.0.1:1"); err == nil {
		t.Error("nobody there, but healthy")
	}
}
