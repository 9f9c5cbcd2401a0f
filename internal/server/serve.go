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

	"taskql/internal/streamconn"
)

// Limits of a connection.
const (
	readHeaderTimeout = 5 * time.Second
	// readTimeout is how long a request may take to arrive, with its body: a mebibyte at 140 kbit/s. A GraphQL request
	// that takes longer is answered with 408.
	readTimeout = 60 * time.Second
	// writeTimeout is how long an answer may take, from the time the request has been read until all of it is sent. It is
	// longer than an operation may take.
	writeTimeout   = 60 * time.Second
	idleTimeout    = 120 * time.Second
	maxHeaderBytes = 64 << 10
	// idleGrace is how long idle connections stay open after the listener has been closed. A client that sends a request
	// meanwhile gets an answer that closes the connection. If the server closed it, a request could be on its way.
	idleGrace = 1500 * time.Millisecond
	// cutGrace is how long cancelled requests have to end, so that they appear in the access log.
	cutGrace = 500 * time.Millisecond
	// streamSpread is the time over which a drain ends the streams, so that not all clients connect elsewhere at once.
	streamSpread = 5 * time.Second
	// connectionPoll is how often a drain checks whether all connections are closed.
	connectionPoll = 10 * time.Millisecond
)

// gracefulServer serves a handler until its context ends, and then drains.
type gracefulServer struct {
	handler  http.Handler
	log      *slog.Logger
	timeout  time.Duration // of the drain
	draining *atomic.Bool
	streams  *streamconn.Registry
	open     atomic.Int64 // connections, without those of streams that have taken them over
}

// run serves until ctx ends, and then drains: it answers the requests in flight, and those on connections that the kernel has
// accepted. It returns nil after a clean drain. It returns an error if the listener failed, or if requests were cancelled
// after the timeout.
func (s *gracefulServer) run(ctx context.Context, listener net.Listener) error {
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx)) // Requests outlive ctx.
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

// httpServer returns the server with its limits. The requests' contexts are children of ctx.
func (s *gracefulServer) httpServer(ctx context.Context) *http.Server {
	return &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // Mostly port scans and TLS on the wrong port.
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnState:         s.countConnections,
	}
}

func (s *gracefulServer) countConnections(_ net.Conn, state http.ConnState) {
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

// asDrainable returns a drainListener if the listener is TCP's. Draining another one, as of tests over pipes, closes it.
func asDrainable(listener net.Listener) drainable {
	if tcp, ok := listener.(*net.TCPListener); ok {
		return &drainListener{TCPListener: tcp}
	}
	return closingListener{listener}
}

type closingListener struct{ net.Listener }

func (l closingListener) Drain() { _ = l.Close() } // Serve returns the listener's error.

// drain stops in four steps. From now on answers close their connection, and /health is 503; the listener hands out the
// connections that the kernel has accepted, and closes; idle connections get a moment; requests in flight may finish. Meanwhile
// the streams are ended one after the other.
func (s *gracefulServer) drain(server *http.Server, listener drainable, served <-chan error, cancelRequests context.CancelFunc) error {
	start := time.Now()
	s.draining.Store(true)
	s.log.LogAttrs(context.Background(), slog.LevelInfo, "draining", slog.Int64("connections", s.open.Load()), slog.Duration("timeout", s.timeout))
	listener.Drain()
	ctx, cancel := context.WithDeadline(context.Background(), start.Add(s.timeout))
	defer cancel()
	streams := make(chan int, 1)
	go func() { streams <- s.streams.Drain(ctx, min(streamSpread, s.timeout/2)) }()
	if err := <-served; !errors.Is(err, errDrained) && !errors.Is(err, net.ErrClosed) {
		s.log.LogAttrs(context.Background(), slog.LevelWarn, "the listener failed while draining", slog.String("error", err.Error()))
	}
	s.awaitConnections(min(idleGrace, s.timeout/2))
	if err := server.Shutdown(ctx); err != nil {
		left := s.open.Load()
		_ = server.Close() // It closes the connections that are left.
		cancel()
		cancelRequests()
		s.awaitConnections(cutGrace)
		return fmt.Errorf("%d connections cut off after %s: %w", left, s.timeout, err)
	}
	if left := <-streams; left > 0 {
		return fmt.Errorf("%d streams cut off after %s: %w", left, s.timeout, ctx.Err())
	}
	s.log.LogAttrs(context.Background(), slog.LevelInfo, "drained", slog.Duration("took", time.Since(start).Round(time.Millisecond)))
	return nil
}

// awaitConnections waits until all connections are closed, or the timeout has passed.
func (s *gracefulServer) awaitConnections(timeout time.Duration) {
	deadline := time.Now().Add(timeout)
	for s.open.Load() > 0 && time.Now().Before(deadline) {
		time.Sleep(connectionPoll)
	}
}
