package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Limits of a connection.
const (
	readHeaderTimeout = 5 * time.Second
	// readTimeout is how long a request may take to arrive, with its body: a mebibyte at 140 kbit/s. A GraphQL request
	// that takes longer is answered with 408.
	readTimeout = 60 * time.Second
	// writeTimeout is when an answer must have been sent, counted from when the request has been read. It is longer than an
	// operation may take.
	writeTimeout   = 60 * time.Second
	idleTimeout    = 120 * time.Second
	maxHeaderBytes = 64 << 10
	// idleGrace is how long idle keep-alive connections stay after the listener has closed. A client that uses one
	// within it is answered and told to close; closing first could cross with its next request.
	idleGrace = 1500 * time.Millisecond
	// cutGrace is how long requests that were cut off have to end, so that the log tells which they were.
	cutGrace = 500 * time.Millisecond
	// drainStep is how often a drain looks whether all connections are gone.
	drainStep = 10 * time.Millisecond
)

// serving runs a handler on a listener until it is told to stop.
type serving struct {
	handler  http.Handler
	log      *slog.Logger
	timeout  time.Duration // for requests in flight
	draining *atomic.Bool
	open     atomic.Int64 // connections
}

// run serves until ctx ends, then drains: requests in flight and those on connections that the kernel has
// already accepted are answered. It returns nil after a clean drain. The error says that the listener
// failed, or that requests were cut off after the time-out.
func (s *serving) run(ctx context.Context, listener net.Listener) error {
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx)) // requests outlive the signal
	defer cancel()
	drainable := asDrainable(listener)
	server := s.httpServer(requests)
	served := make(chan error, 1)
	go func() { served <- server.Serve(drainable) }()
	select {
	case err := <-served:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	return s.drain(server, drainable, served, cancel)
}

// httpServer returns the server with its limits.
func (s *serving) httpServer(requests context.Context) *http.Server {
	return &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // strangers' TLS and port scans
		BaseContext:       func(net.Listener) context.Context { return requests },
		ConnState:         s.count,
	}
}

// count follows the number of open connections.
func (s *serving) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.open.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}

// drainable is a listener that can stop without losing connections.
type drainable interface {
	net.Listener
	Drain()
}

// asDrainable wraps listener. One that is not TCP just closes, as in tests over pipes.
func asDrainable(listener net.Listener) drainable {
	if tcp, ok := listener.(*net.TCPListener); ok {
		return &drainListener{TCPListener: tcp}
	}
	return closingListener{listener}
}

type closingListener struct{ net.Listener }

func (l closingListener) Drain() { _ = l.Close() } // Serve reports what is wrong with it

// drain stops in four steps: answers say "Connection: close" (and /health is 503), the listener hands out
// what the kernel has accepted and closes, idle connections get a moment, the rest may finish.
func (s *serving) drain(server *http.Server, listener drainable, served <-chan error, cancelRequests context.CancelFunc) error {
	start := time.Now()
	s.draining.Store(true)
	s.log.LogAttrs(context.Background(), slog.LevelInfo, "draining", slog.Int64("connections", s.open.Load()), slog.Duration("timeout", s.timeout))
	listener.Drain()
	if err := <-served; !errors.Is(err, errDrained) && !errors.Is(err, net.ErrClosed) {
		s.log.LogAttrs(context.Background(), slog.LevelWarn, "the listener failed while draining", slog.String("error", err.Error()))
	}
	s.waitForClients(min(idleGrace, s.timeout/2))
	ctx, cancel := context.WithDeadline(context.Background(), start.Add(s.timeout))
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		left := s.open.Load()
		_ = server.Close() // cuts what is left
		cancel()
		cancelRequests()
		s.waitForClients(cutGrace) // for their lines in the log
		return fmt.Errorf("%d connections cut off after %s: %w", left, s.timeout, err)
	}
	s.log.LogAttrs(context.Background(), slog.LevelInfo, "drained", slog.Duration("took", time.Since(start).Round(time.Millisecond)))
	return nil
}

// waitForClients waits until every connection is closed, at most for the grace.
func (s *serving) waitForClients(grace time.Duration) {
	deadline := time.Now().Add(grace)
	for s.open.Load() > 0 && time.Now().Before(deadline) {
		time.Sleep(drainStep)
	}
}
