package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"taskql/internal/streamconn"
	"taskql/internal/testkit"
)

// running is a server that a test can stop.
type running struct {
	url   string
	addr  string
	stop  context.CancelFunc
	ended chan error
	// draining is set when the drain begins.
	draining *atomic.Bool
}

// start serves a handler, with the middleware for draining, on a free port of the loopback interface.
func start(t *testing.T, timeout time.Duration, handler http.HandlerFunc) *running {
	t.Helper()
	listener, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var draining atomic.Bool
	s := &gracefulServer{handler: closeWhileDraining(&draining)(handler), log: slog.New(slog.DiscardHandler), timeout: timeout, draining: &draining, streams: &streamconn.Registry{}}
	r := &running{url: "http://" + listener.Addr().String(), addr: listener.Addr().String(), stop: stop, ended: make(chan error, 1), draining: &draining}
	go func() { r.ended <- s.run(ctx, listener) }()
	t.Cleanup(stop)
	return r
}

// notAccepted reports whether a request failed because the listener is closed.
func notAccepted(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// post sends one request.
func post(client *http.Client, url string) error {
	response, err := client.Post(url, "application/json", strings.NewReader(`{"query":"{ hello }"}`))
	if err != nil {
		return fmt.Errorf("posting: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || string(body) != "done" || response.StatusCode != http.StatusOK {
		return fmt.Errorf("got %d %q: %w", response.StatusCode, body, err)
	}
	return nil
}

// TestFaultsDrainUnderLoad stops the server during up to 500 requests a second. Each one that the kernel accepted is answered.
func TestFaultsDrainUnderLoad(t *testing.T) {
	t.Parallel()
	testkit.Suite(t, "faults")
	// The server stops after a number of answers, and the load goes on until a number of requests were not accepted.
	const rate, stopAfter, endAfter, limit = 500, 300, 100, 20 * time.Second
	for _, keepAlive := range []bool{true, false} {
		t.Run(fmt.Sprintf("keep-alive %v", keepAlive), func(t *testing.T) {
			t.Parallel()
			var served atomic.Int64
			server := start(t, 20*time.Second, func(w http.ResponseWriter, _ *http.Request) {
				time.Sleep(time.Duration(served.Add(1)%20) * time.Millisecond)
				fmt.Fprint(w, "done")
			})
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: !keepAlive, MaxIdleConnsPerHost: 100}}
			var wg sync.WaitGroup
			var answered, refused, failed atomic.Int64
			tick := time.NewTicker(time.Second / rate)
			defer tick.Stop()
			for end := time.Now().Add(limit); refused.Load() < endAfter && time.Now().Before(end); <-tick.C {
				wg.Go(func() {
					switch err := post(client, server.url); {
					case err == nil:
						if answered.Add(1) == stopAfter {
							server.stop()
						}
					case notAccepted(err):
						refused.Add(1)
					default:
						failed.Add(1)
						t.Errorf("an accepted request failed: %v", err)
					}
				})
			}
			wg.Wait()
			if err := <-server.ended; err != nil {
				t.Errorf("the drain was not clean: %v", err)
			}
			t.Logf("answered %d, not accepted %d, failed %d", answered.Load(), refused.Load(), failed.Load())
			if answered.Load() < stopAfter || refused.Load() == 0 {
				t.Errorf("answered %d and refused %d within %s: no load before, or no stop", answered.Load(), refused.Load(), limit)
			}
		})
	}
}

// TestDrainServesBacklog: connections in the kernel's backlog are served when the server stops.
func TestDrainServesBacklog(t *testing.T) {
	t.Parallel()
	listener, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	drainable := asDrainable(listener)
	const backlog = 50
	for range backlog {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
	}
	if tcp, ok := listener.(*net.TCPListener); !ok || (runtime.GOOS == "linux" && backlogLength(tcp) != backlog) {
		t.Error("the backlog is not counted")
	}
	drainable.Drain()
	accepted := 0
	for {
		conn, err := drainable.Accept()
		if err != nil {
			if !errors.Is(err, errDrained) {
				t.Errorf("got %v", err)
			}
			break
		}
		accepted++
		_ = conn.Close()
	}
	if accepted != backlog {
		t.Errorf("accepted %d of %d", accepted, backlog)
	}
	_ = listener.Close()
	if conn, err := net.Dial("tcp", listener.Addr().String()); err == nil {
		_ = conn.Close()
		t.Error("somebody listens still")
	}
}

func TestDrainFinishesRequests(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	server := start(t, 20*time.Second, func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		select {
		case <-time.After(2 * time.Second):
			fmt.Fprint(w, "done")
		case <-r.Context().Done(): // Requests must outlive the signal.
		}
	})
	answer := make(chan error, 1)
	go func() { answer <- post(&http.Client{Transport: &http.Transport{}}, server.url) }()
	<-entered
	server.stop()
	if err := <-answer; err != nil {
		t.Error(err)
	}
	if err := <-server.ended; err != nil {
		t.Error(err)
	}
}

func TestDrainTimeout(t *testing.T) {
	t.Parallel()
	entered, canceled := make(chan struct{}), make(chan struct{})
	const timeout = time.Second
	server := start(t, timeout, func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		close(canceled)
	})
	go func() { _ = post(&http.Client{Transport: &http.Transport{}}, server.url) }()
	<-entered
	begin := time.Now()
	server.stop()
	if err := <-server.ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begin); took < timeout {
		t.Errorf("the request had %s of %s", took, timeout)
	}
	<-canceled
}

// TestDrainTellsClients: a request in flight when the drain begins is answered with Connection: close. Idle connections are closed
// later.
func TestDrainTellsClients(t *testing.T) {
	t.Parallel()
	entered, proceed := make(chan struct{}, 2), make(chan struct{})
	server := start(t, 20*time.Second, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			entered <- struct{}{}
			<-proceed
		}
		fmt.Fprint(w, "done")
	})
	idle, err := net.Dial("tcp", server.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = idle.Close() }()
	fmt.Fprintf(idle, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
	buffer := make([]byte, 4096)
	if n, err := idle.Read(buffer); err != nil || strings.Contains(string(buffer[:n]), "Connection: close") {
		t.Fatalf("%s %v", buffer[:n], err)
	}
	slow := make(chan *http.Response, 1)
	go func() {
		response, err := http.Get(server.url + "/slow")
		if err != nil {
			t.Error(err)
		}
		slow <- response
	}()
	<-entered
	server.stop()
	for !server.draining.Load() {
		time.Sleep(time.Millisecond)
	}
	close(proceed)
	if response := <-slow; response == nil || !response.Close {
		t.Error("the answer doesn't close its connection")
	}
	_ = idle.SetReadDeadline(time.Now().Add(2 * time.Minute))
	if _, err := idle.Read(buffer); !errors.Is(err, io.EOF) {
		t.Errorf("the idle connection: %v", err)
	}
	if err := <-server.ended; err != nil {
		t.Error(err)
	}
}

func TestIdleServerStopsQuickly(t *testing.T) {
	t.Parallel()
	server := start(t, time.Hour, func(http.ResponseWriter, *http.Request) {}) // Longer than any test may take.
	server.stop()
	if err := <-server.ended; err != nil {
		t.Error(err)
	}
}

func TestServeBrokenListener(t *testing.T) {
	t.Parallel()
	listener, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	s := &gracefulServer{handler: http.NotFoundHandler(), log: slog.New(slog.DiscardHandler), timeout: time.Second, draining: &atomic.Bool{}, streams: &streamconn.Registry{}}
	if err := s.run(t.Context(), listener); err == nil {
		t.Error("no error")
	}
}

// TestConnectionLimits: a slow client can't hold a connection forever.
func TestConnectionLimits(t *testing.T) {
	t.Parallel()
	s := (&gracefulServer{handler: http.NotFoundHandler(), log: slog.New(slog.DiscardHandler)}).httpServer(t.Context())
	for name, limit := range map[string]time.Duration{
		"read header": s.ReadHeaderTimeout, "read": s.ReadTimeout, "write": s.WriteTimeout, "idle": s.IdleTimeout,
	} {
		if limit <= 0 || limit > 2*time.Minute {
			t.Errorf("%s: %s", name, limit)
		}
	}
	if longest := 50 * time.Second; s.WriteTimeout <= longest { // LIMIT_OPERATION_TIME's max
		t.Errorf("an operation may take %s, and its answer is cut off after %s", longest, s.WriteTimeout)
	}
	if s.MaxHeaderBytes <= 0 {
		t.Error("headers have no limit")
	}
}
