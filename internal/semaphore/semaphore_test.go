package semaphore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

func TestKeyed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := New(2)
		for i := range 3 {
			if got := k.TryAcquire("ann"); got != (i < 2) {
				t.Fatalf("holder %d: %t", i+1, got)
			}
		}
		if !k.TryAcquire("bob") {
			t.Fatal("one key's holders keep another's out")
		}
		var mu sync.Mutex
		var order []int
		for i := range 5 {
			go func() {
				if err := k.Acquire(t.Context(), "ann"); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
			}()
			synctest.Wait()
		}
		if got := k.Waiting("ann"); got != 5 {
			t.Fatalf("%d wait", got)
		}
		for range 5 {
			k.Release("ann")
			synctest.Wait()
		}
		if !slices.Equal(order, []int{0, 1, 2, 3, 4}) {
			t.Errorf("they were served in the order %v", order)
		}
		k.Release("ann")
		k.Release("ann")
		k.Release("bob")
		if len(k.held) != 0 {
			t.Errorf("unused keys are kept: %v", k.held)
		}
	})
}

// A caller that gives up, even at the moment of its turn, takes nothing from those behind it.
func TestGivingUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, gone := New(1), errors.New("gone")
		k.TryAcquire("ann")
		ctx, leave := context.WithCancelCause(t.Context())
		failed, got := make(chan error, 1), make(chan error, 1)
		go func() { failed <- k.Acquire(ctx, "ann") }()
		synctest.Wait()
		go func() { got <- k.Acquire(t.Context(), "ann") }()
		synctest.Wait()
		leave(gone)
		if err := <-failed; !errors.Is(err, gone) {
			t.Errorf("got %v", err)
		}
		k.Release("ann")
		if err := <-got; err != nil {
			t.Error(err)
		}

		turn := make(chan struct{}) // It was given the key: it is no longer among those who wait.
		close(turn)
		k.giveUp("ann", turn)
		if len(k.held) != 0 {
			t.Errorf("the key is still held: %v", k.held)
		}
	})
}

func BenchmarkUncontended(b *testing.B) {
	k := New(5)
	for b.Loop() {
		k.TryAcquire("qLtJ3P9FvqyGcBqh9YxkB1mW7sTz0dXe")
		k.Release("qLtJ3P9FvqyGcBqh9YxkB1mW7sTz0dXe")
	}
}
