package task

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrBusy is returned where a change waited too long for the changes of its workspace before it. Nothing has happened.
var ErrBusy = errors.New("other changes of the workspace take too long")

// lockWait is how long a change waits for its turn, in memory and in the database together. It is shorter than the pool's
// patience with a silent server, and than a request may take.
const lockWait = 5 * time.Second

// atOnce is how many changes of one workspace this process has in the database: one at work, and the next, so that no
// time passes between them. All others wait in memory, where they hold no connection that other workspaces need.
const atOnce = 2

// turns lets the changes of each workspace in by turns.
type turns struct {
	mu sync.Mutex
	of map[string]*turn
}

// turn is a workspace's. It is there while anybody has it or waits for it.
type turn struct {
	taken chan struct{}
	users int
}

// take waits for a turn until ctx ends, and returns what gives it back. The error is ctx's cause.
func (t *turns) take(ctx context.Context, workspace string) (func(), error) {
	its := t.join(workspace)
	select {
	case its.taken <- struct{}{}:
		return func() {
			<-its.taken
			t.leave(workspace, its)
		}, nil
	case <-ctx.Done():
		t.leave(workspace, its)
		return nil, context.Cause(ctx)
	}
}

func (t *turns) join(workspace string) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	its := t.of[workspace]
	if its == nil {
		its = &turn{taken: make(chan struct{}, atOnce)}
		if t.of == nil {
			t.of = map[string]*turn{}
		}
		t.of[workspace] = its
	}
	its.users++
	return its
}

func (t *turns) leave(workspace string, its *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if its.users--; its.users == 0 {
		delete(t.of, workspace)
	}
}
