package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"taskql/internal/testkit/bench"
)

const (
	// soakStreams is how many streams watch the clients' workspaces at any time.
	soakStreams = 120
	// maxStreamAge is after how long at most a stream is cut.
	maxStreamAge = 30 * time.Second
	soakChanges  = `subscription($after: SyncToken) { changes(after: $after) { reset gone { kind id version } tasks { id title completed } token version complete } }`
)

// soakWatchers are the streams of a soak: half are WebSockets, half event streams.
type soakWatchers struct {
	*soak

	sockets, events *clients
	opened          atomic.Int64

	mu      sync.Mutex
	current []*liveStream
}

func newSoakWatchers(s *soak) *soakWatchers {
	endpoint := s.server.url + "/graphql"
	return &soakWatchers{
		soak:    s,
		sockets: &clients{command: command{URL: endpoint, Protocol: "ws", Query: soakChanges}},
		events:  &clients{command: command{URL: endpoint, Protocol: "sse", Query: soakChanges}},
		current: make([]*liveStream, soakStreams),
	}
}

// watch keeps a stream open until ctx ends. Now and then it cuts the stream and goes on from its token. A stream that ends by
// itself is a failure, also during faults; while one lasts, a new one may be refused. When ctx ends, the stream is left open.
func (w *soakWatchers) watch(ctx context.Context, number int) {
	stream := &liveStream{all: w.sockets, changed: make(chan struct{}, 1)}
	if number%2 == 0 {
		stream.all = w.events
	}
	stream.User = fmt.Sprintf("w%05d", number%soakClients+1)
	stream.Cookie = bench.Cookie(stream.User, w.server.secret)
	for {
		began := time.Now()
		err := stream.open(context.WithoutCancel(ctx))
		w.opened.Add(1)
		if err != nil && !w.inFault(began, time.Now()) {
			w.fail("opening a stream: %v", err)
		}
		age := time.Second
		if err == nil {
			age += rand.N(maxStreamAge)
		}
		w.mu.Lock()
		w.current[number] = stream
		w.mu.Unlock()
		if ended := !pause(ctx, age); ended && err == nil {
			return
		}
		if failed := stream.failed.Load(); err == nil && failed != nil {
			w.fail("%v", *failed)
		}
		stream = stream.cut()
	}
}

// cut closes the stream's connection, and returns a stream that goes on where it was.
func (s *liveStream) cut() *liveStream {
	s.closed.Store(true)
	if s.conn != nil {
		_ = s.conn.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &liveStream{streamSpec: s.streamSpec, all: s.all, token: s.token, version: s.version, changed: make(chan struct{}, 1)}
}

// finish checks that every stream has reached its workspace's version, and that none was told to start over; then it closes them.
func (w *soakWatchers) finish(ctx context.Context) error {
	versions, err := w.workspaceVersions(ctx)
	if err != nil {
		return err
	}
	for _, all := range []*clients{w.sockets, w.events} {
		for _, s := range w.current {
			if s.all == all {
				all.streams = append(all.streams, s)
			}
		}
		if err := all.await(ctx, versions); err != nil {
			w.fail("at the end: %v", err)
		}
		for _, s := range all.streams {
			s.cut()
		}
	}
	resets := w.sockets.resets.Load() + w.events.resets.Load()
	fmt.Printf("%d streams, opened %d times, received %d results; %d started over\n", soakStreams, w.opened.Load(),
		w.sockets.frames.Load()+w.events.frames.Load(), resets-soakStreams)
	if resets != soakStreams {
		w.fail("%d streams were told to begin a copy %d times", soakStreams, resets)
	}
	return nil
}
