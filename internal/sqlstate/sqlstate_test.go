package sqlstate_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/lib/pq"

	"taskql/internal/sqlstate"
)

func TestRetry(t *testing.T) {
	t.Parallel()
	plain := errors.New("plain")
	for name, tt := range map[string]struct {
		errs []error // of the attempts
		runs int
	}{
		"success":                       {[]error{nil}, 1},
		"an error that doesn't pass":    {[]error{plain}, 1},
		"a unique violation":            {[]error{&pq.Error{Code: "23505"}}, 1},
		"a lock timeout":                {[]error{&pq.Error{Code: sqlstate.LockNotAvailable}}, 1},
		"a serialization failure":       {[]error{&pq.Error{Code: sqlstate.SerializationFailure}, nil}, 2},
		"a deadlock, wrapped":           {[]error{fmt.Errorf("x: %w", &pq.Error{Code: sqlstate.DeadlockDetected}), nil}, 2},
		"two failures":                  {[]error{&pq.Error{Code: sqlstate.ReadOnly}, &pq.Error{Code: sqlstate.ReadOnly}, nil}, 3},
		"a failure and then an error":   {[]error{&pq.Error{Code: sqlstate.ReadOnly}, plain}, 2},
		"a failure of the last attempt": {[]error{&pq.Error{Code: sqlstate.ReadOnly}, &pq.Error{Code: sqlstate.ReadOnly}, &pq.Error{Code: sqlstate.ReadOnly}}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				runs := 0
				err := sqlstate.Retry(t.Context(), func() error {
					runs++
					return tt.errs[runs-1]
				})
				if runs != tt.runs || !errors.Is(err, tt.errs[runs-1]) {
					t.Errorf("%d attempts, want %d; the error is %v", runs, tt.runs, err)
				}
			})
		})
	}
}

func TestRetryEndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	runs := 0
	err := sqlstate.Retry(ctx, func() error {
		runs++
		cancel()
		return &pq.Error{Code: sqlstate.DeadlockDetected}
	})
	if runs != 1 || sqlstate.Of(err) != sqlstate.DeadlockDetected {
		t.Errorf("%d attempts, %v", runs, err)
	}
}
