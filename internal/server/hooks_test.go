package server

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lib/pq"
)

// TestEventOutOfTime: what the database says of a statement that was cancelled because an event's time is over is temporary.
func TestEventOutOfTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cancelled := &pq.Error{Code: "57014"}
		for takes, ended := range map[time.Duration]bool{time.Millisecond: false, time.Minute: true} {
			known, err := inTime(t.Context(), time.Second, func(ctx context.Context) (bool, error) {
				select {
				case <-ctx.Done():
				case <-time.After(takes):
				}
				return true, cancelled
			})
			if !known || !errors.Is(err, cancelled) || errors.Is(err, context.DeadlineExceeded) != ended {
				t.Errorf("after %s: %t, %v", takes, known, err)
			}
		}
	})
}
