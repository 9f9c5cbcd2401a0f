package task

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"

	"taskql/internal/viewer"
)

// Clients that poll ask for nothing but their workspace's version, many at once. Those that come while others are being
// looked up wait for the next statement, which is for all of them: with few clients each has its own at once, with many
// the database sees a few statements of many ids. No version is older than the question.

const (
	// versionFlights is how many statements are on their way at once, as a rule.
	versionFlights = 2
	// versionPatience is how long somebody waits for those before the next one goes all the same: they may be stuck.
	versionPatience = 100 * time.Millisecond
	// versionIDs is the most ids of a statement.
	versionIDs = 1000
	// versionTime is how long a statement that serves several may take.
	versionTime = 5 * time.Second
)

// versions looks up versions of workspaces. It is safe for concurrent use.
type versions struct {
	// read runs a statement whose rows are an id and its version.
	read QueryRaw

	mu      sync.Mutex
	flights int
	next    *versionFlight
}

// versionFlight is one statement, and those who wait for it.
type versionFlight struct {
	ids  []string
	done chan struct{}
	// found and err are there when done is closed.
	found map[string]int
	err   error
}

// errPanic is a bug of what reads versions.
var errPanic = errors.New("panic while versions were read")

// of returns a workspace's version, or ErrNotFound.
func (v *versions) of(ctx context.Context, id string) (int, error) {
	flight, first := v.board(id)
	if first {
		v.fly(ctx, flight)
	}
	if !v.wait(ctx, flight) {
		return 0, context.Cause(ctx)
	}
	if flight.err != nil {
		return 0, fmt.Errorf("reading a workspace's version: %w", flight.err)
	}
	version, ok := flight.found[id]
	if !ok {
		return 0, ErrNotFound
	}
	return version, nil
}

// wait waits for a statement. It is false where the caller's time is over.
func (v *versions) wait(ctx context.Context, flight *versionFlight) bool {
	select {
	case <-flight.done:
		return true
	default:
	}
	patience := time.NewTimer(versionPatience)
	defer patience.Stop()
	for {
		select {
		case <-flight.done:
			return true
		case <-ctx.Done():
			return false
		case <-patience.C:
			v.hurry(flight)
		}
	}
}

// hurry has a statement run that still waits for others.
func (v *versions) hurry(flight *versionFlight) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.next == flight {
		v.takeOff()
	}
}

// takeOff has the statement run that waits for others. The lock is the caller's.
func (v *versions) takeOff() {
	v.flights++
	go v.flyDetached(v.next)
	v.next = nil
}

// board returns the statement that will look the workspace up. It is the caller's to fly where it is the first of its own.
func (v *versions) board(id string) (*versionFlight, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.flights < versionFlights {
		v.flights++
		return &versionFlight{ids: []string{id}, done: make(chan struct{})}, true
	}
	if v.next != nil && len(v.next.ids) >= versionIDs {
		v.takeOff() // One more than there should be: so many ask.
	}
	if v.next == nil {
		v.next = &versionFlight{done: make(chan struct{})}
	}
	v.next.ids = append(v.next.ids, id)
	return v.next, false
}

// fly runs a statement, and then lets those go who came meanwhile.
func (v *versions) fly(ctx context.Context, flight *versionFlight) {
	defer v.land(flight)
	defer func() {
		if p := recover(); p != nil { // It is those who wait who are told: there may be no request that this is a part of.
			flight.err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	flight.found = make(map[string]int, len(flight.ids))
	const (
		one  = "SELECT id, version FROM workspaces WHERE id = $1"
		many = "SELECT id, version FROM workspaces WHERE id = ANY($1)"

		columns = 2
	)
	query, arg := many, any(flight.ids)
	if len(flight.ids) == 1 {
		query, arg = one, flight.ids[0]
	}
	// It may be for users other than ctx's, and is soon over: it doesn't wait for the user's other statements.
	flight.err = v.read(viewer.AsSystem(ctx), query, []any{arg}, func(row []driver.Value) error {
		if len(row) != columns {
			return errRow
		}
		var d decoder
		flight.found[d.text(row[0])] = d.int(row[1])
		return d.err()
	})
}

// flyDetached is fly for those who came meanwhile. That one of them leaves must not end it for the others.
func (v *versions) flyDetached(flight *versionFlight) {
	ctx, cancel := context.WithTimeout(context.Background(), versionTime)
	defer cancel()
	v.fly(ctx, flight)
}

// land tells those who wait, and has the next statement run.
func (v *versions) land(flight *versionFlight) {
	close(flight.done)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.flights--
	if v.next != nil && v.flights < versionFlights {
		v.takeOff()
	}
}
