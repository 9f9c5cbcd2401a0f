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

// Edge is a reverse proxy in front of the replicas of a server, as a platform's is: it takes turns among them, keeps its
// connections to them open, never sends a request twice by itself, and answers 502 where a replica did not.
type Edge struct {
	// URL is its address.
	URL string

	mu       sync.Mutex
	replicas []*replica
	next     int
}

// replica is one server behind the edge.
type replica struct {
	url *url.URL
	// unsent are the requests that chose the replica and have no connection to it yet.
	unsent sync.WaitGroup
	// open are those that it has not answered.
	open atomic.Int64
}

// replicaKey is where a request's context has its replica.
type replicaKey struct{}

// NewEdge starts one that ends with the test. Until replicas are added, it answers 502.
func NewEdge(t testing.TB) *Edge {
	t.Helper()
	e := &Edge{}
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
			http.Error(w, "edge: "+err.Error(), http.StatusBadGateway)
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chosen, sent := e.choose()
		if chosen == nil {
			http.Error(w, "edge: no replica", http.StatusBadGateway)
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
	e.URL = server.URL
	return e
}

// choose returns the replica whose turn it is and what to call when it has the request; nil where there is none.
func (e *Edge) choose() (*replica, func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.replicas) == 0 {
		return nil, nil
	}
	e.next++
	chosen := e.replicas[e.next%len(e.replicas)]
	chosen.open.Add(1)
	chosen.unsent.Add(1)
	return chosen, sync.OnceFunc(chosen.unsent.Done)
}

// Add sends its share of the requests to the replica at address.
func (e *Edge) Add(t testing.TB, address string) {
	t.Helper()
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.replicas = append(e.replicas, &replica{url: parsed})
}

// Remove sends nothing more to the replica at address, which may be told to end when this returns. It returns how many
// requests the replica has then not answered yet.
func (e *Edge) Remove(address string) int64 {
	e.mu.Lock()
	i := slices.IndexFunc(e.replicas, func(r *replica) bool { return r.url.String() == address })
	if i < 0 {
		e.mu.Unlock()
		return 0
	}
	gone := e.replicas[i]
	e.replicas = slices.Delete(slices.Clone(e.replicas), i, i+1)
	e.mu.Unlock()
	gone.unsent.Wait()
	return gone.open.Load()
}
