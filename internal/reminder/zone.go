package reminder

import (
	"context"
	"errors"
	"fmt"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/predicate"
	entreminder "taskql/ent/reminder"
	entuser "taskql/ent/user"
	"taskql/internal/workspace"
)

// The time of a reminder that was set by days before the due depends on its owner's time zone. Each row has the zone that its time was
// computed in, so the rows themselves tell which have to be computed again, whatever has happened since the zone was set.
//
// A user can have very many, so the request that sets the zone doesn't wait for them. Run computes them in parts, each a change of the
// workspace, and fires what is due between reading one batch and the next. If the process ends before the last part, another goes on
// with what is left: at once if it is starting, else within zoneInterval if the database is in use.
//
// Until its part, a reminder shows the moment of the old zone, but that moment doesn't decide when it fires. If it comes first, fire
// computes the time again: one that lies ahead in the new zone is waited for. If the time in the new zone comes first, it is found in
// the part, and fires late. A change of the task's due computes the time in the new zone (follow).

// zoneInterval is how often Run looks for reminders in old time zones, while the database is in use.
const zoneInterval = 10 * time.Minute

// ZoneSet makes Run compute reminders again, because a user has set a time zone.
func (s *Service) ZoneSet() {
	s.zonesDue.Store(true)
	s.schedule.add(s.now())
}

// rezone computes those of the workspace's reminders again that the predicates select and that wait for a time of another zone than
// their owner's. It reads them in batches.
func (s *Service) rezone(ctx context.Context, t *workspace.Tx, which ...predicate.Reminder) error {
	for last := uuid.Nil; ; {
		rows, err := t.Reminder.Query().Where(workspace.Scope(t.Viewer), waitInZone(), entreminder.IDGT(last)).Where(which...).
			Order(entreminder.ByID()).Limit(workspace.BatchSize).WithTask(DueOnly).All(ctx)
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
		before := *r
		if rezone(r, r.Edges.Task, zones[r.UserID], t.Now); !same(&before, r) {
			changed = append(changed, r)
		}
	}
	return s.store(ctx, t, changed)
}

// waitInZone selects the reminders for which waitsInZone is true.
func waitInZone() predicate.Reminder {
	return entreminder.And(entreminder.DaysBeforeNotNil(), entreminder.FireAtNotNil(), entreminder.SnoozedUntilIsNil())
}

// rezoneAll computes all reminders again that wait for a time of another zone than their owner's, and fires what is due meanwhile.
// After errors it goes on with other workspaces.
func (s *Service) rezoneAll(ctx context.Context) error {
	var failed []error
	old := s.client.Reminder.Query().Where(waitInZone(), inOpenWorkspace(), func(r *sql.Selector) {
		u := sql.Table(entuser.Table).As("u")
		r.Join(u).On(r.C(entreminder.FieldUserID), u.C(entuser.FieldID)).
			Where(sql.ColumnsNEQ(r.C(entreminder.FieldTimeZone), u.C(entuser.FieldTimeZone)))
	})
	err := eachBatch(ctx, old, func(rows []*ent.Reminder) {
		failed = append(failed, s.changeAll(ctx, rows, s.rezoneBatch)...)
		failed = append(failed, s.fireDue(ctx, s.now()))
	})
	if err != nil {
		failed = append(failed, fmt.Errorf("looking for reminders in old time zones: %w", err))
	}
	return errors.Join(failed...)
}

// rezoneBatch is rezone for the reminders with those ids.
func (s *Service) rezoneBatch(ctx context.Context, t *workspace.Tx, ids []uuid.UUID) error {
	return s.rezone(ctx, t, entreminder.IDIn(ids...))
}
