package workspace

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"entgo.io/ent/dialect"

	"taskql/ent"
	entworkspace "taskql/ent/workspace"
	"taskql/internal/viewer"
)

// Version returns the number of the last change of v's workspace. As long as it is the same, so are all rows of the workspace.
// The error is ErrNotFound if there is no workspace.
func (s *Service) Version(ctx context.Context, v viewer.Viewer) (int, error) {
	if s.Dialect == dialect.Postgres && viewer.MayRead(ctx) {
		return s.versions.get(ctx, v.WorkspaceID)
	}
	version, err := s.Client.Workspace.Query().Where(entworkspace.ID(v.WorkspaceID)).Select(entworkspace.FieldVersion).Int(ctx)
	if ent.IsNotFound(err) {
		return 0, ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("reading a workspace's version: %w", err)
	}
	return version, nil
}

// Versions returns the number of the last change of each workspace, whoever may see it. An id of no workspace is not in the map.
func (s *Service) Versions(ctx context.Context, ids []string) (map[string]int, error) {
	ctx = viewer.AsSystem(ctx)
	read := s.versions.read
	if s.Dialect != dialect.Postgres {
		read = s.readVersions
	}
	found := make(map[string]int, len(ids))
	for chunk := range slices.Chunk(ids, maxLookupIDs) {
		if err := read(ctx, chunk, found); err != nil {
			return nil, fmt.Errorf("reading the versions of workspaces: %w", err)
		}
	}
	return found, nil
}

// readVersions is versions.read by way of ent.
func (s *Service) readVersions(ctx context.Context, ids []string, found map[string]int) error {
	rows, err := s.Client.Workspace.Query().Where(entworkspace.IDIn(ids...)).Select(entworkspace.FieldVersion).All(ctx)
	for _, w := range rows {
		found[w.ID] = w.Version
	}
	return err //nolint:wrapcheck // Versions says what was read.
}

// versions looks up the versions of workspaces. Clients that poll ask for nothing else, many at once, so it coalesces requests:
// those that arrive while maxLookups statements are running are answered together by the next one. With few clients each has
// its own statement at once; with many the database sees a few statements of many ids. No version is older than the request.
// It is safe for concurrent use.
type versions struct {
	// query runs a statement whose rows are an id and its version.
	query QueryRaw

	mu      sync.Mutex
	running int
	// next is the statement that waits for a running one to finish, nil if no request waits.
	next *lookup
}

const (
	// maxLookups is how many statements usually run at once.
	maxLookups = 2
	// maxLookupWait is how long a request waits for running statements. Then its own is run although they still are: they may
	// be stuck.
	maxLookupWait = 100 * time.Millisecond
	// maxLookupIDs is the most ids of a statement.
	maxLookupIDs = 1000
	// lookupTimeout limits a statement for several requests.
	lookupTimeout = 5 * time.Second
)

// lookup is one statement and the requests that wait for it.
type lookup struct {
	ids  []string
	done chan struct{}
	// found and err are set before done is closed.
	found map[string]int
	err   error
}

var (
	errPanic = errors.New("panic while versions were read")
	errRow   = errors.New("PostgreSQL sent a row that can't be read")
)

// get returns a workspace's version, or ErrNotFound.
func (v *versions) get(ctx context.Context, id string) (int, error) {
	l, run := v.enqueue(id)
	if run {
		v.run(ctx, l)
	}
	if err := v.wait(ctx, l); err != nil {
		return 0, err
	}
	if l.err != nil {
		return 0, fmt.Errorf("reading a workspace's version: %w", l.err)
	}
	version, ok := l.found[id]
	if !ok {
		return 0, ErrNotFound
	}
	return version, nil
}

// enqueue adds an id to a lookup that has not begun. If it returns true, the caller must run it.
func (v *versions) enqueue(id string) (*lookup, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.running < maxLookups {
		v.running++
		return &lookup{ids: []string{id}, done: make(chan struct{})}, true
	}
	if v.next != nil && len(v.next.ids) >= maxLookupIDs {
		v.dispatch() // Beyond maxLookups, because there are so many requests.
	}
	if v.next == nil {
		v.next = &lookup{done: make(chan struct{})}
	}
	v.next.ids = append(v.next.ids, id)
	return v.next, false
}

// wait waits for a lookup. It returns the cause if ctx ends first.
func (v *versions) wait(ctx context.Context, l *lookup) error {
	select {
	case <-l.done:
		return nil
	default:
	}
	timer := time.NewTimer(maxLookupWait)
	defer timer.Stop()
	for {
		select {
		case <-l.done:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
			v.flush(l)
		}
	}
}

// flush dispatches a lookup if it is still waiting.
func (v *versions) flush(l *lookup) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.next == l {
		v.dispatch()
	}
}

// dispatch runs the waiting lookup in a new goroutine. The caller must hold the lock.
func (v *versions) dispatch() {
	v.running++
	go v.runDetached(v.next)
	v.next = nil
}

// runDetached runs a lookup of several requests, so that none of them ends it for the others.
func (v *versions) runDetached(l *lookup) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	v.run(ctx, l)
}

// run runs a lookup, and then dispatches the requests that have arrived in the meantime.
func (v *versions) run(ctx context.Context, l *lookup) {
	defer v.finish(l)
	defer func() {
		if p := recover(); p != nil { // It is an error of the requests, which may have other goroutines than this one.
			l.err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	l.found = make(map[string]int, len(l.ids))
	// It may be for other users than ctx's, and is short, so it doesn't wait for this user's other statements.
	l.err = v.read(viewer.AsSystem(ctx), l.ids, l.found)
	if ended := ctx.Err(); l.err != nil && ended != nil { // For PostgreSQL the statement was cancelled, whatever the reason.
		l.err = fmt.Errorf("%w: %w", ended, l.err)
	}
}

// read adds the versions of the workspaces with those ids, by one statement.
func (v *versions) read(ctx context.Context, ids []string, found map[string]int) error {
	const (
		one  = "SELECT id, version FROM workspaces WHERE id = $1"
		many = "SELECT id, version FROM workspaces WHERE id = ANY($1)"
	)
	query, arg := many, any(ids)
	if len(ids) == 1 {
		query, arg = one, ids[0]
	}
	return v.query(ctx, query, []any{arg}, func(row []driver.Value) error {
		const columns = 2
		if len(row) != columns {
			return errRow
		}
		id, isText := row[0].(string)
		version, isNumber := row[1].(int64)
		if !isText || !isNumber {
			return errRow
		}
		found[id] = int(version)
		return nil
	})
}

// finish wakes the requests of a lookup, and dispatches the next one.
func (v *versions) finish(l *lookup) {
	close(l.done)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.running--
	if v.next != nil && v.running < maxLookups {
		v.dispatch()
	}
}
