package history

import (
	"context"
	"fmt"
	"slices"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/activity"
	enttask "taskql/ent/task"
	"taskql/internal/keyset"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// Page is a page of activities, newest first.
type Page = keyset.Page[*Activity]

// Edge is an activity and its cursor.
type Edge = keyset.Edge[*Activity]

// Filter selects activities. What is nil selects all, and no actions select nothing.
type Filter struct {
	// TaskID is in the client's spelling.
	TaskID  *string
	ActorID *string
	Actions []Action
	Since   *time.Time
}

// ListInput says which page of a list is wanted.
type ListInput struct {
	First *int
	After *string
	// OldDescriptions has the descriptions before changes read, and NewDescriptions those after them. They are long.
	OldDescriptions, NewDescriptions bool
}

// byVersion is the order of activities, which an index has: the newest first, and those of one change by their tasks.
var byVersion = keyset.NewOrder("activities by version", func(a *Activity) uuid.UUID { return a.TaskID }, //nolint:gochecknoglobals // A constant.
	keyset.Term[*Activity]{Columns: []keyset.Column[*Activity]{keyset.BigInt(activity.FieldVersion, func(a *Activity) int { return a.Version })}, Descending: true},
).WithIDColumn(activity.FieldTaskID)

// List returns a page of the activities of the viewer's workspace. The error is a *keyset.InputError if the input is invalid.
func (s *Service) List(ctx context.Context, v viewer.Viewer, f Filter, in ListInput) (*Page, error) {
	w, err := keyset.NewWindow(byVersion, keyset.Args{First: in.First, After: in.After})
	if err != nil {
		return nil, err //nolint:wrapcheck // It is the client's.
	}
	list := keyset.List[*Activity]{
		Order: byVersion,
		Read: func(ctx context.Context, segment keyset.Segment, limit int, _ []string) ([]*Activity, error) {
			q := s.query(v, in).Where(f.where).Where(segment.Where).Order(segment.Sort).Limit(limit)
			return s.read(ctx, v, q, in)
		},
	}
	page, err := list.Page(ctx, w, nil)
	if err != nil {
		return nil, fmt.Errorf("listing activities: %w", err)
	}
	return page, nil
}

// OfTasks returns a page of the activities of each of the tasks.
func (s *Service) OfTasks(ctx context.Context, v viewer.Viewer, tasks []uuid.UUID, in ListInput) (map[uuid.UUID]*Page, error) {
	w, err := keyset.NewWindow(byVersion, keyset.Args{First: in.First, After: in.After})
	if err != nil {
		return nil, err //nolint:wrapcheck // It is the client's.
	}
	pages := make(map[uuid.UUID]*Page, len(tasks))
	if len(tasks) == 0 {
		return pages, nil
	}
	q := s.query(v, in).Order(byVersion.Sort).Where(func(outer *sql.Selector) {
		outer.Where(sql.In(outer.C(activity.FieldID), newestOf(outer.Dialect(), v, tasks, w)))
	})
	rows, err := s.read(ctx, v, q, in)
	if err != nil {
		return nil, fmt.Errorf("reading the activities of tasks: %w", err)
	}
	byTask := make(map[uuid.UUID][]*Activity, len(tasks))
	for _, a := range rows {
		byTask[a.TaskID] = append(byTask[a.TaskID], a)
	}
	for _, id := range tasks {
		list := keyset.List[*Activity]{Order: byVersion, Read: func(ctx context.Context, segment keyset.Segment, limit int, _ []string) ([]*Activity, error) {
			q := s.query(v, ListInput{}).Where(activity.TaskID(id), segment.Where).Order(segment.Sort).Limit(limit)
			return s.read(ctx, v, q, ListInput{})
		}}
		pages[id] = list.NewPage(w, byTask[id])
	}
	return pages, nil
}

// newestOf selects the ids of as many activities of each of the tasks as NewPage needs. The next version after the page is looked up
// first, and the index of a task's activities is read down to it: a task can have very many.
func newestOf(d string, v viewer.Viewer, tasks []uuid.UUID, w keyset.Window) *sql.Selector {
	t, a, n := sql.Table(enttask.Table).As("t"), sql.Table(activity.Table).As("a"), sql.Table(activity.Table).As("n")
	last := sql.Dialect(d).Select(n.C(activity.FieldVersion)).From(n).
		Where(workspace.Condition(v, "n")).Where(sql.ColumnsEQ(n.C(activity.FieldTaskID), t.C(enttask.FieldID))).
		OrderBy(sql.Desc(n.C(activity.FieldVersion))).Limit(1).Offset(w.Size())
	all := sql.Dialect(d).Select(a.C(activity.FieldID)).From(a)
	if w.After() != nil {
		bound := keyset.Bound{Position: w.After()}
		last.Where(byVersion.After(last, bound))
		all.Where(byVersion.After(all, bound))
	}
	return all.Join(t).On(t.C(enttask.FieldID), a.C(activity.FieldTaskID)).
		Where(workspace.Condition(v, "a")).Where(sql.In(t.C(enttask.FieldID), workspace.AnySlice(tasks)...)).
		Where(sql.P(func(b *sql.Builder) {
			b.Ident(a.C(activity.FieldVersion)).WriteString(" >= coalesce((").Join(last).WriteString("), 0)")
		}))
}

// query selects the viewer's activities, without old descriptions unless they are wanted.
func (s *Service) query(v viewer.Viewer, in ListInput) *ent.ActivityQuery {
	q := s.client.Activity.Query().Where(workspace.Scope(v))
	if !in.OldDescriptions {
		q.Select(slices.DeleteFunc(slices.Clone(columns), func(name string) bool { return name == activity.FieldOldDescription })...)
	}
	return q
}

func (f Filter) where(s *sql.Selector) {
	if f.TaskID != nil {
		if id, ok := workspace.ParseID(*f.TaskID); ok {
			s.Where(sql.EQ(s.C(activity.FieldTaskID), id))
		} else {
			s.Where(sql.False())
		}
	}
	if f.ActorID != nil {
		s.Where(sql.EQ(s.C(activity.FieldActorID), *f.ActorID))
	}
	if f.Actions != nil {
		s.Where(sql.In(s.C(activity.FieldAction), workspace.AnySlice(f.Actions)...))
	}
	if f.Since != nil {
		s.Where(sql.GTE(s.C(activity.FieldAt), *f.Since))
		if f.Since.Unix() > 0 { // Ids begin with the time since 1970, so that the primary key finds the last ones.
			s.Where(sql.GTE(s.C(activity.FieldID), workspace.FirstID(*f.Since)))
		}
	}
}

// read reads the activities of a query.
func (s *Service) read(ctx context.Context, v viewer.Viewer, q *ent.ActivityQuery, in ListInput) ([]*Activity, error) {
	rows, err := q.All(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // The caller says what it reads.
	}
	activities := make([]*Activity, len(rows))
	var described []*Activity
	for i, row := range rows {
		if activities[i], err = FromRow(row); err != nil {
			return nil, err
		}
		if row.Describes && in.NewDescriptions {
			described = append(described, activities[i])
		}
	}
	return activities, s.readDescriptions(ctx, v, described)
}

// readDescriptions sets the descriptions after the changes: those before the next changes of the same tasks' descriptions, or those of
// the tasks.
func (s *Service) readDescriptions(ctx context.Context, v viewer.Viewer, activities []*Activity) error {
	if len(activities) == 0 {
		return nil
	}
	b := workspace.Statement()
	b.WriteString("SELECT a.id, n.id, n.old_description, t.description FROM activities a LEFT JOIN activities n ON n.id = (SELECT id FROM activities WHERE ").
		Join(workspace.Condition(v, "activities")).
		WriteString(" AND task_id = a.task_id AND version > a.version AND describes ORDER BY version LIMIT 1) " +
			"LEFT JOIN tasks t ON n.id IS NULL AND t.id = a.task_id WHERE ").
		Join(workspace.Condition(v, "a")).WriteString(" AND a.id IN (")
	byID := make(map[uuid.UUID]*Activity, len(activities))
	for i, a := range activities {
		byID[a.ID] = a
		if i > 0 {
			b.Comma()
		}
		b.Arg(a.ID)
	}
	query, args := b.WriteByte(')').Query()
	rows, err := s.client.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("reading descriptions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id uuid.UUID
		var next uuid.NullUUID
		var before, current *string
		if err := rows.Scan(&id, &next, &before, &current); err != nil {
			return fmt.Errorf("reading descriptions: %w", err)
		}
		if byID[id].Changes.Description.To = current; next.Valid {
			byID[id].Changes.Description.To = descriptionOf(before).From
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading descriptions: %w", err)
	}
	return nil
}
