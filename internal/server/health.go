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
	// healthTTL is how long a successful ping of the database is cached. Platforms probe every few seconds, from several
	// places, and probes must not be a load.
	healthTTL = 5 * time.Second
	// outageTTL is how long a failed ping is cached. It is short, so that the platform soon learns of the recovery.
	outageTTL = time.Second
	// healthTimeout is how long a probe waits for the database. The whole answer should take less than a second.
	healthTimeout = 900 * time.Millisecond
)

// health serves /health. The server is healthy if the database answers and the server is not draining.
type health struct {
	ping     func(context.Context) error
	now      func() time.Time
	draining *atomic.Bool

	pings    singleflight.Group
	mu       sync.Mutex
	pingedAt time.Time // zero before the first ping
	pingOK   bool      // the result of the last ping
}

// ServeHTTP sends 200 {"status":"healthy"} or 503 {"status":"unhealthy"}, within a second.
func (h *health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	status, body := http.StatusServiceUnavailable, `{"status":"unhealthy"}`
	if !h.draining.Load() && h.databaseOK() {
		status, body = http.StatusOK, `{"status":"healthy"}`
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // The probe may have given up.
}

// databaseOK returns the cached result of a ping, or pings. Concurrent probes share a ping.
func (h *health) databaseOK() bool {
	if ok, fresh := h.cached(); fresh {
		return ok
	}
	timeout := time.NewTimer(healthTimeout)
	defer timeout.Stop()
	select {
	case result := <-h.pings.DoChan("", func() (any, error) { return h.pingAndCache(), nil }):
		ok, _ := result.Val.(bool)
		return ok
	case <-timeout.C: // The driver ignores its context.
		return false
	}
}

// cached returns the result of the last ping, and whether it is still valid.
func (h *health) cached() (bool, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ttl := healthTTL
	if !h.pingOK {
		ttl = outageTTL
	}
	return h.pingOK, !h.pingedAt.IsZero() && h.now().Sub(h.pingedAt) < ttl
}

// pingAndCache pings the database. It doesn't use a request's context, because a probe that gives up must not fail the others.
func (h *health) pingAndCache() bool {
	if ok, fresh := h.cached(); fresh { // Another ping ended after databaseOK looked.
		return ok
	}
	start := h.now()
	ctx, cancel := context.WithTimeout(context.Background(), healthTimeout)
	defer cancel()
	ok := h.ping(ctx) == nil
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pingedAt, h.pingOK = start, ok
	return ok
}

// CheckHealth requests a running server's /health at url. It returns nil if the server is healthy.
func CheckHealth(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("asking for the health: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("asking for the health: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // Nothing more is read.
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("unhealthy: %s answered %s", url, response.Status)
	}
	return nil
}
