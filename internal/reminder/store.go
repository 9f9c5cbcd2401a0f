package reminder

import (
	"context"
	"fmt"
	"slices"
	"time"

	"entgo.io/ent/dialect"

	"taskql/ent"
	enttask "taskql/ent/task"
	entuser "taskql/ent/user"
	"taskql/internal/timezone"
	"taskql/internal/workspace"
)

// storeBatch is how many reminders one statement updates. Its number of arguments is limited.
const storeBatch = 200

// store writes what of reminders can change, and gives them the change's version.
func (s *Service) store(ctx context.Context, t *workspace.Tx, changed []*ent.Reminder) error {
	if len(changed) == 0 {
		return nil
	}
	t.MarkChanged()
	for batch := range slices.Chunk(changed, storeBatch) {
		b := workspace.Statement()
		b.WriteString("WITH changed (id, state, fire_at, fired_at, snoozed_until, time_zone) AS (VALUES ")
		for i, r := range batch {
			r.Version, r.UpdatedAt = t.Version, t.Now
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteByte('(')
			for j, value := range []struct {
				arg    any
				pgType string
			}{
				{r.ID, "uuid"}, {r.State, "text"}, {r.FireAt, "timestamptz"}, {r.FiredAt, "timestamptz"}, {r.SnoozedUntil, "timestamptz"}, {r.TimeZone, "text"},
			} {
				if j > 0 {
					b.WriteString(", ")
				}
				if b.Arg(value.arg); i == 0 && t.Dialect == dialect.Postgres {
					b.WriteString("::" + value.pgType) // VALUES has the types of its first row.
				}
			}
			b.WriteByte(')')
		}
		b.WriteString(") UPDATE reminders SET version = ").Arg(t.Version).WriteString(", updated_at = ").Arg(t.Now).
			WriteString(", state = changed.state, fire_at = changed.fire_at, fired_at = changed.fired_at, snoozed_until = changed.snoozed_until, time_zone = changed.time_zone").
			WriteString(" FROM changed WHERE reminders.id = changed.id AND ").Join(workspace.Condition(t.Viewer, "reminders"))
		if err := t.Exec(ctx, b); err != nil {
			return fmt.Errorf("updating reminders: %w", err)
		}
	}
	s.await(t, changed)
	return nil
}

// DueOnly selects what of tasks decides about their reminders: no texts, which are long.
func DueOnly(q *ent.TaskQuery) {
	q.Select(enttask.FieldDueDate, enttask.FieldDueAt, enttask.FieldCompleted, enttask.FieldDeletedAt)
}

// zonesOf returns the time zones of the reminders' owners, if any of the reminders depends on it.
func zonesOf(ctx context.Context, t *workspace.Tx, reminders []*ent.Reminder) (map[string]*time.Location, error) {
	zones := map[string]*time.Location{}
	var ids []string
	for _, r := range reminders {
		if zones[r.UserID] == nil {
			zones[r.UserID] = time.UTC
		}
		if r.DaysBefore != nil && !slices.Contains(ids, r.UserID) {
			ids = append(ids, r.UserID)
		}
	}
	if len(ids) == 0 {
		return zones, nil
	}
	users, err := t.User.Query().Where(entuser.IDIn(ids...)).Select(entuser.FieldTimeZone).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the time zones of users: %w", err)
	}
	for _, u := range users {
		if zone, err := timezone.Load(u.TimeZone); err == nil { // A newer release may know more zones.
			zones[u.ID] = zone
		}
	}
	return zones, nil
}
