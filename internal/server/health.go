package server

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// healthTTL is how long an answer of the database is remembered. Platforms ask every few seconds, from
	// several places, and a probe must be no load.
	healthTTL = 5 * time.Second
	// outageTTL is how long it is remembered that there was none: the platform should learn soon that it is back.
	outageTTL = time.Second
	// healthTimeout is the longest that a probe waits for the database: a second, less the way back.
	healthTimeout = 900 * time.Millisecond
)

// health answers /health. It is healthy while the database answers and the server is not draining.
type health struct {
	ping     func(context.Context) error
	now      func() time.Time
	draining *atomic.Bool

	asking singleflight.Group
	mu     sync.Mutex
	asked  time.Time // when the database was last asked; zero for never
	good   bool      // its answer
}

// ServeHTTP answers 200 {"status":"healthy"} or 503 {"status":"unhealthy"}, within a second.
func (h *health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	status, body := http.StatusServiceUnavailable, `{"status":"unhealthy"}`
	if !h.draining.Load() && h.databaseAnswers() {
		status, body = http.StatusOK, `{"status":"healthy"}`
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // the probe may have given up
}

// databaseAnswers returns what is remembered, or asks. Probes that come at once share one question.
func (h *health) databaseAnswers() bool {
	if good, fresh := h.remembered(); fresh {
		return good
	}
	timeout := time.NewTimer(healthTimeout)
	defer timeout.Stop()
	select {
	case result := <-h.asking.DoChan("", func() (any, error) { return h.ask(), nil }):
		good, _ := result.Val.(bool)
		return good
	case <-timeout.C: // a driver that ignores its context
		return false
	}
}

// remembered returns the last answer, and whether it still counts.
func (h *health) remembered() (bool, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ttl := healthTTL
	if !h.good {
		ttl = outageTTL
	}
	return h.good, !h.asked.IsZero() && h.now().Sub(h.asked) < ttl
}

// ask pings the database. It belongs to no request: one that gives up must not spoil the others' answer.
func (h *health) ask() bool {
	if good, fresh := h.remembered(); fresh { // another question ended between the look and this call
		return good
	}
	asked := h.now()
	ctx, cancel := context.WithTimeout(context.Background(), healthTimeout)
	defer cancel()
	good := h.ping(ctx) == nil
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked, h.good = asked, good
	return good
}

// CheckHealth asks a running server's /health at url. It returns nil where the server is healthy.
func CheckHealth(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("asking for the health: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("asking for the health: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // nothing more is read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("unhealthy: %s answered %s", url, response.Status)
	}
	return nil
}
