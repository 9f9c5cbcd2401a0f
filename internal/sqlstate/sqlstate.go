// Package sqlstate says what PostgreSQL's error codes mean, and repeats the transactions that may be repeated.
package sqlstate

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Codes that more than one package decides by (https://www.postgresql.org/docs/current/errcodes-appendix.html).
const (
	// ReadOnly is what a standby, or a session that only reads, answers to a change.
	ReadOnly = "25006"
	// SerializationFailure and DeadlockDetected are the ends of transactions that were rolled back in favour of another.
	SerializationFailure = "40001"
	DeadlockDetected     = "40P01"
	// LockNotAvailable ends a statement that has waited for a lock until lock_timeout.
	LockNotAvailable = "55P03"
)

// Of returns the code of an error of PostgreSQL, "" if it is none.
func Of(err error) string {
	var coded interface{ SQLState() string }
	if !errors.As(err, &coded) {
		return ""
	}
	return coded.SQLState()
}

// mayRetry reports whether a transaction has failed for a reason that passes, and was rolled back: because of another
// transaction, or because the connection only reads, as after a failover.
func mayRetry(err error) bool {
	switch Of(err) {
	case SerializationFailure, DeadlockDetected, ReadOnly:
		return true
	default:
		return false
	}
}

const (
	// attempts is how often Retry runs a transaction.
	attempts = 3
	// pause is the longest pause after the first attempt; after the second it is twice as long.
	pause = 20 * time.Millisecond
)

// Retry runs a transaction, up to three times as long as it is rolled back for a reason that passes. It returns the last error. If
// ctx ends in between, it runs no more.
func Retry(ctx context.Context, transaction func() error) error {
	for attempt := 1; ; attempt++ {
		err := transaction()
		if attempt == attempts || !mayRetry(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(rand.N(time.Duration(attempt) * pause)): //nolint:gosec // It only lets the other transaction end.
		}
	}
}
