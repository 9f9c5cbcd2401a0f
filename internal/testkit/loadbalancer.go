package testkit

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// LoadBalancer is a reverse proxy in front of the replicas of a server, like a platform's: it distributes requests
// round robin, keeps its connections to the replicas open, never retries, and answers 502 if a replica does not answer.
type LoadBalancer struct {
	// URL is the load balancer's address.
	URL string

	mu       sync.Mutex
	replicas []*replica
	next     int
}

// replica is one server behind the load balancer.
type replica struct {
	url *url.URL
	// unsent counts the requests to this replica that have no connection to it yet.
	unsent sync.WaitGroup
	// open is the number of requests that the replica has not answered.
	open atomic.Int64
}

// replicaKey is the context key of a request's replica.
type replicaKey struct{}

// NewLoadBalancer starts a load balancer that stops when the test ends. It has no replicas, and answers 502 until one
// is added.
func NewLoadBalancer(t testing.TB) *LoadBalancer {
	t.Helper()
	b := &LoadBalancer{}
	transport := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 90 * time.Second, DisableCompression: true}
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			if chosen, ok := r.In.Context().Value(replicaKey{}).(*replica); ok {
				r.SetURL(chosen.url)
				r.SetXForwarded()
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "load balancer: "+err.Error(), http.StatusBadGateway)
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chosen, sent := b.choose()
		if chosen == nil {
			http.Error(w, "load balancer: no replica", http.StatusBadGateway)
			return
		}
		defer chosen.open.Add(-1)
		defer sent()
		ctx := httptrace.WithClientTrace(context.WithValue(r.Context(), replicaKey{}, chosen), &httptrace.ClientTrace{
			GotConn: func(httptrace.GotConnInfo) { sent() },
		})
		proxy.ServeHTTP(w, r.WithContext(ctx))
	}))
	t.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	b.URL = server.URL
	return b
}

// choose returns the next replica, and a function to call when the request has been given a connection to it. It
// returns nil if there is no replica.
func (b *LoadBalancer) choose() (*replica, func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.replicas) == 0 {
		return nil, nil
	}
	b.next++
	chosen := b.replicas[b.next%len(b.replicas)]
	chosen.open.Add(1)
	chosen.unsent.Add(1)
	return chosen, sync.OnceFunc(chosen.unsent.Done)
}

// Add adds the replica at address.
func (b *LoadBalancer) Add(t testing.TB, address string) {
	t.Helper()
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.replicas = append(b.replicas, &replica{url: parsed})
}

// Remove removes the replica at address and returns when no request is about to be sent to it any more, so that it can
// be stopped. It returns the number of requests that the replica has not answered yet.
func (b *LoadBalancer) Remove(address string) int64 {
	b.mu.Lock()
	i := slices.IndexFunc(b.replicas, func(r *replica) bool { return r.url.String() == address })
	if i < 0 {
		b.mu.Unlock()
		return 0
	}
	removed := b.replicas[i]
	b.replicas = slices.Delete(slices.Clone(b.replicas), i, i+1)
	b.mu.Unlock()
	removed.unsent.Wait()
	return removed.open.Load()
}
