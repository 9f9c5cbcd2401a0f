package testkit_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"taskql/internal/testkit"
)

// TestLoadBalancer checks the round robin, the answer if a replica is dead, and that a removed replica finishes its
// requests.
func TestLoadBalancer(t *testing.T) {
	t.Parallel()
	balancer := testkit.NewLoadBalancer(t)
	ask := func() (int, string) {
		response, err := http.Get(balancer.URL)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Error(err)
		}
		return response.StatusCode, string(body)
	}
	if status, _ := ask(); status != http.StatusBadGateway {
		t.Errorf("without replicas: %d", status)
	}
	entered, release := make(chan struct{}, 1), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Forwarded-For") == "" {
			t.Error("the client's address is not passed on")
		}
		entered <- struct{}{}
		<-release
		_, _ = w.Write([]byte("slow"))
	}))
	defer slow.Close()
	balancer.Add(t, slow.URL)
	answered := make(chan string)
	go func() {
		_, body := ask()
		answered <- body
	}()
	<-entered
	if open := balancer.Remove(slow.URL); open != 1 {
		t.Errorf("%d requests are open, want 1", open)
	}
	count := map[string]int{}
	for _, name := range []string{"a", "b"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(name)) }))
		defer server.Close()
		balancer.Add(t, server.URL)
	}
	for range 10 {
		_, body := ask()
		count[body]++
	}
	if count["a"] != 5 || count["b"] != 5 {
		t.Errorf("answers by replica: %v", count)
	}
	close(release)
	if body := <-answered; body != "slow" {
		t.Errorf("the request on its way ended with %q", body)
	}
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	balancer.Add(t, dead.URL)
	count = map[string]int{}
	for range 3 {
		_, body := ask()
		count[body]++
	}
	if count["a"] != 1 || count["b"] != 1 {
		t.Errorf("with a dead replica: %v", count)
	}
}
