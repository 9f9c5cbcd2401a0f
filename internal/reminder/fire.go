package reminder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/predicate"
	entreminder "taskql/ent/reminder"
	entworkspace "taskql/ent/workspace"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

const (
	// checkInterval is how often Run looks at the clock, which may have been set, and whether the database is in use.
	checkInterval = time.Minute
	// overlap is how long Run looks once a minute in any case: the server before may still run, and set reminders until it ends.
	overlap = 10 * time.Minute
	// firstRetry is the pause after a failure. It doubles up to checkInterval.
	firstRetry = time.Second
	// dueBatch is how many reminders are read at once, and changeBatch how many of a workspace one change fires or computes again.
	dueBatch    = 5_000
	changeBatch = workspace.BatchSize
	// firing is how many workspaces are changed at once.
	firing = 4
	// changeTimeout limits one change.
	changeTimeout = time.Minute
	// forever is how long wait waits at most if nothing has failed.
	forever = math.MaxInt64
)

// Run fires reminders until ctx ends. Any number of replicas may run it at once.
//
// It waits for the next reminder with a timer, which this process's changes set earlier. While the database is in use, it looks once a
// minute whether other replicas have set a reminder; in the first minutes it does in any case. An idle database can sleep until a
// reminder is due.
func (s *Service) Run(ctx context.Context) {
	ctx = viewer.AsSystem(ctx)
	s.zonesDue.Store(true)
	s.overlapEnds = time.Now().Add(overlap)
	for retry := firstRetry; ctx.Err() == nil; {
		switch err := s.round(ctx); {
		case err == nil:
			retry = firstRetry
			s.wait(ctx, forever)
		case ctx.Err() == nil:
			s.log.LogAttrs(ctx, slog.LevelWarn, "firing reminders failed, and is tried again", slog.String("error", err.Error()))
			s.wait(ctx, retry)
			retry = min(2*retry, checkInterval)
		}
	}
}

// round fires what is due, and sets the schedule to what comes next.
func (s *Service) round(ctx context.Context) error {
	s.schedule.reset()
	s.inUse.Store(false)
	var failed error
	if began := time.Now(); s.zonesDue.Swap(false) || began.Before(s.overlapEnds) || began.Sub(s.zonesRead) >= zoneInterval {
		if failed = s.rezoneAll(ctx); failed != nil {
			s.zonesDue.Store(true)
		}
		s.zonesRead = began
	}
	now := s.now()
	failed = errors.Join(failed, s.fireDue(ctx, now))
	if again := s.now(); again.Before(now) { // The clock was set back: what was due may lie ahead now.
		now = again
	}
	next, err := s.client.Reminder.Query().Where(entreminder.FireAtGT(now), inOpenWorkspace()).Order(entreminder.ByFireAt()).
		Select(entreminder.FieldFireAt).First(ctx)
	switch {
	case ent.IsNotFound(err):
	case err != nil:
		failed = errors.Join(failed, fmt.Errorf("reading when the next reminder is due: %w", err))
	default:
		s.schedule.add(*next.FireAt)
	}
	return failed
}

// inOpenWorkspace leaves out the reminders of workspaces that are being erased.
func inOpenWorkspace() predicate.Reminder {
	return entreminder.HasWorkspaceWith(entworkspace.ClosedAtIsNil())
}

// Fire computes the reminders again that are in old time zones, and fires those that are due, as Run does. It goes on after errors, and
// returns them. ctx must be the system's.
func (s *Service) Fire(ctx context.Context) error {
	return errors.Join(s.rezoneAll(ctx), s.fireDue(ctx, s.now()))
}

// fireDue fires the reminders that are due at a moment, those that are due longest first.
//
// What is due is read without locks. So another replica may fire it first, and nothing is left for this one.
func (s *Service) fireDue(ctx context.Context, now time.Time) error {
	var failed []error
	due := s.client.Reminder.Query().Where(entreminder.FireAtLTE(now), inOpenWorkspace())
	err := eachBatch(ctx, due, func(rows []*ent.Reminder) {
		failed = append(failed, s.changeAll(ctx, rows, s.fireBatch)...)
	})
	if err != nil {
		failed = append(failed, fmt.Errorf("reading which reminders are due: %w", err))
	}
	return errors.Join(failed...)
}

// eachBatch reads what changeAll needs of the reminders that q selects, and calls fn with each batch. They come in the order of the
// times at which they fire.
func eachBatch(ctx context.Context, q *ent.ReminderQuery, fn func([]*ent.Reminder)) error {
	q.Order(entreminder.ByFireAt(), entreminder.ByID()).Limit(dueBatch).
		Select(entreminder.FieldID, entreminder.FieldWorkspaceID, entreminder.FieldFireAt)
	for next := q.Clone(); ; {
		rows, err := next.All(ctx)
		if err != nil {
			return err //nolint:wrapcheck // The caller says what it reads.
		}
		if fn(rows); len(rows) < dueBatch || ctx.Err() != nil {
			return ctx.Err() //nolint:wrapcheck // As above.
		}
		last := rows[len(rows)-1]
		next = q.Clone().Where(func(s *sql.Selector) {
			s.Where(sql.CompositeGT([]string{s.C(entreminder.FieldFireAt), s.C(entreminder.FieldID)}, *last.FireAt, last.ID))
		})
	}
}

// changeAll calls change with batches of reminders, each of one workspace, some workspaces at once, and returns the errors.
func (s *Service) changeAll(
	ctx context.Context, rows []*ent.Reminder, change func(context.Context, *workspace.Tx, []uuid.UUID) error,
) []error {
	ids := map[string][]uuid.UUID{}
	var workspaces []string
	for _, r := range rows {
		if ids[r.WorkspaceID] == nil {
			workspaces = append(workspaces, r.WorkspaceID)
		}
		ids[r.WorkspaceID] = append(ids[r.WorkspaceID], r.ID)
	}
	// The other replicas do the same: they should not all wait for the same workspace.
	rand.Shuffle(len(workspaces), func(i, j int) { //nolint:gosec // It is no secret.
		workspaces[i], workspaces[j] = workspaces[j], workspaces[i]
	})
	var mu sync.Mutex
	var failed []error
	var running sync.WaitGroup
	free := make(chan struct{}, firing)
	for _, id := range workspaces {
		free <- struct{}{}
		running.Go(func() {
			defer func() { <-free }()
			for batch := range slices.Chunk(ids[id], changeBatch) {
				if err := s.change(ctx, id, batch, change); err != nil {
					mu.Lock()
					defer mu.Unlock()
					failed = append(failed, err)
					return
				}
			}
		})
	}
	running.Wait()
	return failed
}

// change makes a change of a workspace.
func (s *Service) change(
	ctx context.Context, workspaceID string, ids []uuid.UUID, change func(context.Context, *workspace.Tx, []uuid.UUID) error,
) error {
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	err := s.workspaces.Apply(ctx, viewer.Viewer{WorkspaceID: workspaceID}, workspace.Counter{}, func(t *workspace.Tx) error {
		return change(ctx, t, ids)
	})
	if errors.Is(err, workspace.ErrNoWorkspace) {
		return nil
	}
	return err //nolint:wrapcheck // It says what it was doing.
}

// fireBatch fires those of a workspace's reminders that are still due.
func (s *Service) fireBatch(ctx context.Context, t *workspace.Tx, ids []uuid.UUID) error {
	rows, err := t.Reminder.Query().Where(workspace.Scope(t.Viewer), entreminder.IDIn(ids...), entreminder.FireAtLTE(t.Now)).
		Order(entreminder.ByFireAt(), entreminder.ByID()).WithTask(DueOnly).All(ctx)
	if err != nil {
		return fmt.Errorf("reading the reminders that are due: %w", err)
	}
	zones, err := zonesOf(ctx, t, rows)
	if err != nil {
		return err
	}
	var late []time.Duration
	expired := 0
	for _, r := range rows {
		due := *r.FireAt
		switch fire(r, r.Edges.Task, zones[r.UserID], t.Now); r.State {
		case Fired:
			late = append(late, t.Now.Sub(due))
		case Expired:
			expired++
		}
	}
	t.OnCommit(func() { s.report(ctx, late, expired) })
	return s.store(ctx, t, rows)
}

// report tells the operator what has happened.
func (s *Service) report(ctx context.Context, late []time.Duration, expired int) {
	for _, d := range late {
		s.fired(d)
	}
	if expired > 0 {
		s.expired(expired)
		s.log.LogAttrs(ctx, slog.LevelWarn, "reminders were more than a day late, and didn't fire", slog.Int("count", expired))
	}
}

// InUse says that the database is in use, so that Run may look what other replicas have set.
func (s *Service) InUse() {
	if !s.inUse.Load() { // Usually it is noted already, and reading is cheaper.
		s.inUse.Store(true)
	}
}

// await makes Run fire reminders that a change has made wait.
func (s *Service) await(t *workspace.Tx, changed []*ent.Reminder) {
	var first *time.Time
	for _, r := range changed {
		if r.FireAt != nil && (first == nil || r.FireAt.Before(*first)) {
			first = r.FireAt
		}
	}
	if first != nil {
		at := *first
		t.OnCommit(func() { s.schedule.add(at) })
	}
}

// wait waits until a reminder may be due, the database is in use anyway, or the limit has passed.
func (s *Service) wait(ctx context.Context, limit time.Duration) {
	for begun := time.Now(); ; {
		pause := min(checkInterval, limit-time.Since(begun))
		if next := s.schedule.get(); !next.IsZero() {
			pause = min(pause, next.Sub(s.now()))
		}
		if pause <= 0 {
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-s.schedule.changed:
			timer.Stop()
		case <-timer.C:
			if s.inUse.Load() || time.Now().Before(s.overlapEnds) {
				return
			}
		}
	}
}

// schedule is when the next reminder is due, as far as this process knows. It is safe for concurrent use.
type schedule struct {
	mu   sync.Mutex
	next time.Time // zero: none is
	// changed wakes the goroutine that waits.
	changed chan struct{}
}

// reset forgets what is due, before it is read. What is added in the meantime stays.
func (s *schedule) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = time.Time{}
}

// add adds a reminder.
func (s *schedule) add(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next.IsZero() || at.Before(s.next) {
		s.next = at
		select {
		case s.changed <- struct{}{}:
		default:
		}
	}
}

func (s *schedule) get() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}
