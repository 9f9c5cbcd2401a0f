package task

import (
	"context"
	"fmt"
	"time"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// Version returns the number of the last change of v's workspace. While it is the same, so are the workspace's tasks and tags;
// what of them depends on the clock is the same until NextChange. The error is workspace.ErrNotFound if there is no workspace.
func (s *Service) Version(ctx context.Context, v viewer.Viewer) (int, error) {
	return s.workspaces.Version(ctx, v)
} //nolint:wrapcheck // It says what it did.

// Snapshot calls read with a context whose reads all see v's workspace as of one moment, and with the workspace's version then. If
// the connection to the database is lost, read is called once more. The error is workspace.ErrNotFound if there is no workspace.
func (s *Service) Snapshot(ctx context.Context, v viewer.Viewer, read func(ctx context.Context, version int) error) error {
	return s.workspaces.Snapshot(ctx, func(ctx context.Context) error { //nolint:wrapcheck // What is read in it says what it did.
		state, err := s.workspaces.ReadFeedState(ctx, v, workspace.FeedQuestion{})
		if err != nil {
			return err //nolint:wrapcheck // As above.
		}
		return read(ctx, state.Version)
	})
}

// At returns the service with a clock that stands still, for what has to be right as of one moment.
func (s *Service) At(now time.Time) *Service {
	at := *s
	at.now = func() time.Time { return now }
	return &at
}

// Now returns the time by the service's clock.
func (s *Service) Now() time.Time { return s.now() }

// NextChange returns the first moment from now on at which one of v's tasks may become overdue, or enter or leave a window of days,
// because of the clock alone: when a task's own time passes, and when v's day ends.
func (s *Service) NextChange(ctx context.Context, v viewer.Viewer, now time.Time) (time.Time, error) {
	d := daysAt(now.UTC().Truncate(time.Microsecond), v)
	next := startOfDay(d.today.AddDate(0, 0, 1), d.location)
	// Active tasks have an index of days, and the days of the next moments are near today's. All others are read.
	for _, scope := range []Scope{ScopeActive, ScopeArchived, ScopeTrash} {
		first, err := s.client.Task.Query().Where(
			workspace.Scope(v), scope.predicate(), enttask.Completed(false),
			enttask.DueDateGTE(d.today.AddDate(0, 0, -margin)), enttask.DueDateLT(d.today.AddDate(0, 0, 1+margin)),
			enttask.DueAtGTE(d.now), enttask.DueAtLT(next),
		).Order(enttask.ByDueAt()).Select(enttask.FieldDueAt).First(ctx)
		if ent.IsNotFound(err) {
			continue
		}
		if err != nil {
			return time.Time{}, fmt.Errorf("reading what is due next: %w", err)
		}
		next = *first.DueAt
	}
	return next, nil
}
