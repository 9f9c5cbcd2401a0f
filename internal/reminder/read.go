package reminder

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/member"
	"taskql/ent/predicate"
	entreminder "taskql/ent/reminder"
	"taskql/internal/keyset"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// Page is a page of a list of reminders.
type Page = keyset.Page[*ent.Reminder]

// Edge is a reminder and its cursor.
type Edge = keyset.Edge[*ent.Reminder]

// Reminders returns those of the viewer's reminders that have one of the ids. It reads the columns, or all if there are none.
func (s *Service) Reminders(ctx context.Context, v viewer.Viewer, ids []string, columns ...string) (map[string]*ent.Reminder, error) {
	return workspace.ByID(ids, func(ids []uuid.UUID) (map[uuid.UUID]*ent.Reminder, error) {
		rows, err := s.read(ctx, v, columns, entreminder.IDIn(ids...))
		found := make(map[uuid.UUID]*ent.Reminder, len(rows))
		for _, r := range rows {
			found[r.ID] = r
		}
		return found, err
	})
}

// Of returns the viewer's reminders of each task, by time: when they fire or have fired, or to which moment they are set; last those
// that have no time.
func (s *Service) Of(ctx context.Context, v viewer.Viewer, tasks []uuid.UUID, columns []string) (map[uuid.UUID][]*ent.Reminder, error) {
	of := make(map[uuid.UUID][]*ent.Reminder, len(tasks))
	if len(tasks) == 0 {
		return of, nil
	}
	columns = keyset.WithColumns(columns, entreminder.FieldTaskID, entreminder.FieldFireAt, entreminder.FieldFiredAt, entreminder.FieldRemindAt)
	rows, err := s.read(ctx, v, columns, entreminder.TaskIDIn(tasks...))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rows, compare)
	for _, r := range rows {
		of[r.TaskID] = append(of[r.TaskID], r)
	}
	return of, nil
}

// compare sorts reminders by time.
func compare(a, b *ent.Reminder) int {
	x, y := sortTime(a), sortTime(b)
	switch {
	case x == nil && y == nil:
	case x == nil:
		return 1
	case y == nil:
		return -1
	default:
		if c := x.Compare(*y); c != 0 {
			return c
		}
	}
	return bytes.Compare(a.ID[:], b.ID[:])
}

func sortTime(r *ent.Reminder) *time.Time {
	for _, t := range []*time.Time{r.FireAt, r.FiredAt} {
		if t != nil {
			return t
		}
	}
	return r.RemindAt
}

// read reads those of the viewer's reminders that the predicate selects.
func (s *Service) read(ctx context.Context, v viewer.Viewer, columns []string, which predicate.Reminder) ([]*ent.Reminder, error) {
	q := s.client.Reminder.Query().Where(own(v), which)
	if len(columns) > 0 {
		q.Select(columns...)
	}
	rows, err := q.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading reminders: %w", err)
	}
	return rows, nil
}

// hasFired selects the reminders that have fired and are not dismissed. The state is in the text of the statement, as in the condition
// of the index: PostgreSQL doesn't use that for an argument, once it has prepared the statement.
func hasFired(s *sql.Selector) {
	s.Where(sql.P(func(b *sql.Builder) { b.Ident(s.C(entreminder.FieldState)).WriteString(" = '" + Fired + "'") }))
}

// firedOrder is the order of ListFired: the newest first.
func firedOrder() keyset.Order[*ent.Reminder] {
	return keyset.NewOrder("reminders by fired_at", func(r *ent.Reminder) uuid.UUID { return r.ID },
		keyset.Term[*ent.Reminder]{
			Columns:    []keyset.Column[*ent.Reminder]{keyset.Time(entreminder.FieldFiredAt, func(r *ent.Reminder) time.Time { return *r.FiredAt })},
			Descending: true,
		})
}

// FiredElsewhere returns the ids of the workspaces of organizations in which the viewer has reminders that have fired and are not
// dismissed. The viewer may have left the organizations.
func (s *Service) FiredElsewhere(ctx context.Context, v viewer.Viewer) ([]string, error) {
	// Whoever sets reminders in an organization's workspace is seen there.
	seen, err := s.client.Member.Query().Where(member.UserID(v.UserID)).Select(member.FieldWorkspaceID).Strings(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the organizations of a user: %w", err)
	}
	if len(seen) == 0 {
		return nil, nil
	}
	fired, err := s.client.Reminder.Query().Where(workspace.ScopeOf(seen), entreminder.UserID(v.UserID), hasFired).
		Unique(true).Select(entreminder.FieldWorkspaceID).Strings(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking for reminders in organizations: %w", err)
	}
	return fired, nil
}

// ListFired returns a page of a user's reminders that have fired and are not dismissed, the newest first, in the workspaces in which the
// viewers act. They are all of that user. Each reminder has its workspace's id. The error is a *keyset.InputError if an argument
// is invalid.
func (s *Service) ListFired(ctx context.Context, in []viewer.Viewer, first *int, after *string, columns []string) (*Page, error) {
	o := firedOrder()
	w, err := keyset.NewWindow(o, keyset.Args{First: first, After: after})
	if err != nil {
		return nil, err //nolint:wrapcheck // It is an *InputError.
	}
	workspaceIDs := make([]string, len(in))
	for i, v := range in {
		workspaceIDs[i] = v.WorkspaceID
	}
	own := entreminder.UserID(in[0].UserID)
	list := keyset.List[*ent.Reminder]{
		Order: o,
		Read: func(ctx context.Context, segment keyset.Segment, limit int, columns []string) ([]*ent.Reminder, error) {
			q := s.client.Reminder.Query().Where(workspace.ScopeOf(workspaceIDs), own, hasFired).Where(segment.Where).Order(segment.Sort).Limit(limit)
			if len(columns) > 0 {
				q.Select(columns...)
				q.Select(entreminder.FieldWorkspaceID)
			}
			return q.All(ctx)
		},
	}
	page, err := list.Page(ctx, w, columns)
	if err != nil {
		return nil, fmt.Errorf("listing reminders: %w", err)
	}
	return page, nil
}

// feedKind returns what reminders add to the feed of changes. Everybody gets their own.
func (s *Service) feedKind() workspace.FeedKind {
	return workspace.FeedKind{Kind: workspace.KindReminder, Order: 4, Table: entreminder.Table, Columns: columns, Read: s.changed}
}

// changed reads reminders for the feed.
func (s *Service) changed(ctx context.Context, v viewer.Viewer, in workspace.FeedRange, columns []string) ([]workspace.FeedRow, bool, error) {
	q := s.client.Reminder.Query().Where(own(v), in.Restrict)
	if len(columns) > 0 {
		q.Select(workspace.FeedColumns(columns)...)
	}
	rows, err := q.All(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("reading reminders: %w", err)
	}
	all := make([]workspace.FeedRow, min(len(rows), in.Limit))
	for i := range all {
		all[i] = workspace.FeedRow{Version: rows[i].Version, ID: rows[i].ID, UpdatedAt: rows[i].UpdatedAt, Value: rows[i]}
	}
	return all, len(rows) > in.Limit, nil
}
