package reminder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/predicate"
	entreminder "taskql/ent/reminder"
	entuser "taskql/ent/user"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// The times of reminders that were set by days before the due depend on their owners' time zones. Each has the zone that its time was
// computed in, so that those of another zone are found, whatever has happened since: when the zone is set, when a server starts, and
// at the latest when they fire.

// ZoneSet computes the reminders of a user again, who has set a time zone. All of them are in the user's own workspace. If it fails,
// Run does it later.
func (s *Service) ZoneSet(ctx context.Context, userID string) {
	if err := s.rezoneWorkspace(viewer.AsSystemFor(ctx, userID), userID); err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "reminders keep their old time zone for now", slog.String("error", err.Error()))
		s.zonesDue.Store(true)
		s.schedule.add(s.now())
	}
}

// rezoneWorkspace computes those reminders of a workspace again that wait for a time of another zone than their owner's.
func (s *Service) rezoneWorkspace(ctx context.Context, workspaceID string) error {
	err := s.workspaces.Apply(ctx, viewer.Viewer{WorkspaceID: workspaceID}, workspace.Counter{}, func(t *workspace.Tx) error {
		return s.rezone(ctx, t)
	})
	if errors.Is(err, workspace.ErrNoWorkspace) {
		return nil
	}
	return err //nolint:wrapcheck // It says what it was doing.
}

// rezone is rezoneWorkspace for those of the viewer's workspace that the predicates select. It reads them in batches: a user can have
// very many.
func (s *Service) rezone(ctx context.Context, t *workspace.Tx, which ...predicate.Reminder) error {
	for last := uuid.Nil; ; {
		rows, err := t.Reminder.Query().Where(workspace.Scope(t.Viewer), waitInZone(), entreminder.IDGT(last)).Where(which...).
			Order(entreminder.ByID()).Limit(workspace.BatchSize).WithTask(dueOnly).All(ctx)
		if err != nil {
			return fmt.Errorf("reading reminders: %w", err)
		}
		if err := s.rezoneRows(ctx, t, rows); err != nil || len(rows) < workspace.BatchSize {
			return err
		}
		last = rows[len(rows)-1].ID
	}
}

func (s *Service) rezoneRows(ctx context.Context, t *workspace.Tx, rows []*ent.Reminder) error {
	zones, err := zonesOf(ctx, t, rows)
	if err != nil {
		return err
	}
	var changed []*ent.Reminder
	for _, r := range rows {
		zone := zones[r.UserID]
		if r.TimeZone != nil && *r.TimeZone == zone.String() {
			continue
		}
		rezone(r, r.Edges.Task, zone, t.Now)
		changed = append(changed, r)
	}
	return s.store(ctx, t, changed)
}

// waitInZone selects the reminders for which waitsInZone is true.
func waitInZone() predicate.Reminder {
	return entreminder.And(entreminder.DaysBeforeNotNil(), entreminder.FireAtNotNil(), entreminder.SnoozedUntilIsNil())
}

// rezoneAll computes all reminders again that wait for a time of another zone than their owner's: a server has stopped before it did.
func (s *Service) rezoneAll(ctx context.Context) error {
	ids, err := s.client.Reminder.Query().Where(waitInZone(), func(r *sql.Selector) {
		u := sql.Table(entuser.Table).As("u")
		r.Join(u).On(r.C(entreminder.FieldUserID), u.C(entuser.FieldID)).
			Where(sql.ColumnsNEQ(r.C(entreminder.FieldTimeZone), u.C(entuser.FieldTimeZone)))
	}).Unique(true).Select(entreminder.FieldWorkspaceID).Strings(ctx)
	if err != nil {
		return fmt.Errorf("looking for reminders in old time zones: %w", err)
	}
	var failed error
	for _, id := range ids {
		failed = errors.Join(failed, s.rezoneWorkspace(ctx, id))
	}
	return failed
}
