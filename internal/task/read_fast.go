package task

import (
	"context"
	"fmt"
	"strconv"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	"taskql/ent/tasktag"
	"taskql/internal/viewer"
)

// The hot list is read by database/sql itself: ent makes five objects for each value of each row. The statement is the one
// that ent would write, and so are the rows, but that they know no client: they are read from, never updated or asked for
// their edges.

// readByHand reads one part of the list: false where that is ent's to do.
func (l *list) readByHand(ctx context.Context, part segment, limit int, columns []string) ([]*ent.Task, bool, error) {
	var of shape
	if l.shape != "" && part.shape != "" {
		of.name = l.shape + part.shape + strconv.Itoa(limit)
	}
	return l.rowsByHand(ctx, columns, of, func(s *sql.Selector) {
		part.where(s)
		part.sort(s)
		s.Limit(limit)
	})
}

// rowsByHand reads those rows of the list that the statement is narrowed to, which has that shape.
func (l *list) rowsByHand(ctx context.Context, columns []string, of shape, narrow func(*sql.Selector)) ([]*ent.Task, bool, error) {
	// ent's privacy net is not asked here, so what it lets through is.
	if l.service.dialect == "" || len(columns) == 0 || !viewer.MayRead(ctx) {
		return nil, false, nil
	}
	var row taskRow
	into := make([]any, len(columns))
	for i, c := range columns {
		if into[i] = row.column(c); into[i] == nil {
			return nil, false, nil
		}
	}
	statement, args := l.service.texts.query(of, columns, l.viewer.WorkspaceID, func() (string, []any) {
		t := sql.Dialect(l.service.dialect).Table(enttask.Table)
		s := sql.Dialect(l.service.dialect).Select(t.Columns(columns...)...).From(t)
		enttask.WorkspaceID(l.viewer.WorkspaceID)(s)
		for _, p := range l.where {
			p(s)
		}
		narrow(s)
		return s.Query()
	})
	rows, err := l.service.client.QueryContext(ctx, statement, args...)
	if err != nil {
		return nil, true, fmt.Errorf("reading tasks: %w", err)
	}
	defer rows.Close()
	var tasks []*ent.Task
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, true, fmt.Errorf("reading a task: %w", err)
		}
		tasks = append(tasks, row.task())
	}
	if err := rows.Err(); err != nil {
		return nil, true, fmt.Errorf("reading tasks: %w", err)
	}
	return tasks, true, nil
}

// tagsByHand is TagsOf without ent: false where that is ent's to do.
func (s *Service) tagsByHand(ctx context.Context, v viewer.Viewer, tasks []uuid.UUID, columns []string) (map[uuid.UUID][]*ent.Tag, bool, error) {
	if s.dialect == "" || len(columns) == 0 || !viewer.MayRead(ctx) {
		return nil, false, nil
	}
	var row tagRow
	into := make([]any, len(columns), len(columns)+1)
	for i, c := range columns {
		if into[i] = row.column(c); into[i] == nil {
			return nil, false, nil
		}
	}
	statement, args := s.texts.query(s.shapeOf("tags of a task", "tags of tasks", tasks), columns, v.WorkspaceID, func() (string, []any) {
		t, carried := sql.Dialect(s.dialect).Table(enttag.Table), sql.Table(tasktag.Table).As("carried")
		q := sql.Dialect(s.dialect).Select(t.Columns(columns...)...).From(t)
		enttag.WorkspaceID(v.WorkspaceID)(q)
		q.Join(carried).On(t.C(enttag.FieldID), carried.C(tasktag.FieldTagID)).
			Where(among(q, carried.C(tasktag.FieldTaskID), tasks)).
			AppendSelect(carried.C(tasktag.FieldTaskID)).
			OrderBy(t.C(enttag.FieldNameKey))
		return q.Query()
	})
	rows, err := s.client.QueryContext(ctx, statement, args...)
	if err != nil {
		return nil, true, fmt.Errorf("reading tags of tasks: %w", err)
	}
	defer rows.Close()
	of, one := make(map[uuid.UUID][]*ent.Tag, len(tasks)), map[uuid.UUID]*ent.Tag{}
	into = append(into, (*scannedID)(&row.task))
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, true, fmt.Errorf("reading a tag of a task: %w", err)
		}
		tag := one[row.id]
		if tag == nil {
			tag = &ent.Tag{
				ID: row.id, Version: int(row.version), Name: row.name, Color: row.color, NameKey: row.nameKey,
				CreatedAt: row.created.Time, UpdatedAt: row.updated.Time,
			}
			one[row.id] = tag
		}
		of[row.task] = append(of[row.task], tag)
	}
	if err := rows.Err(); err != nil {
		return nil, true, fmt.Errorf("reading tags of tasks: %w", err)
	}
	return of, true, nil
}

// idText is how long an id is as text.
const idText = 36

// scannedID is an id that is scanned to. uuid.UUID would make two copies of the text that PostgreSQL's driver hands over.
type scannedID uuid.UUID

// Scan implements sql.Scanner.
func (s *scannedID) Scan(src any) error {
	text, ok := src.([]byte)
	if !ok || len(text) != idText {
		return (*uuid.UUID)(s).Scan(src) //nolint:wrapcheck // database/sql wraps it.
	}
	id, err := uuid.ParseBytes(text)
	*s = scannedID(id)
	return err //nolint:wrapcheck // As above.
}

// tagRow is where a row of a tag and the task that carries it is scanned to.
type tagRow struct {
	id, task         uuid.UUID
	version          int64
	name, color      string
	nameKey          []byte
	created, updated sql.NullTime
}

// column is where a column is scanned to; nil where it is none of the row's.
func (r *tagRow) column(name string) any {
	switch name {
	case enttag.FieldID:
		return (*scannedID)(&r.id)
	case enttag.FieldVersion:
		return &r.version
	case enttag.FieldName:
		return &r.name
	case enttag.FieldNameKey:
		return &r.nameKey
	case enttag.FieldColor:
		return &r.color
	case enttag.FieldCreatedAt:
		return &r.created
	case enttag.FieldUpdatedAt:
		return &r.updated
	default:
		return nil
	}
}

// taskRow is where a row is scanned to.
type taskRow struct {
	id                                            uuid.UUID
	version, priority                             int64
	title                                         string
	description, zone                             sql.NullString
	completed                                     bool
	completedAt, dueDate, dueAt, dueSort, deleted sql.NullTime
	created, updated                              sql.NullTime
	parent                                        uuid.NullUUID
	position, titleKey                            []byte
}

// column is where a column is scanned to; nil where it is none of the row's.
func (r *taskRow) column(name string) any {
	switch name {
	case enttask.FieldID:
		return (*scannedID)(&r.id)
	case enttask.FieldVersion:
		return &r.version
	case enttask.FieldTitle:
		return &r.title
	case enttask.FieldDescription:
		return &r.description
	case enttask.FieldCompleted:
		return &r.completed
	case enttask.FieldCompletedAt:
		return &r.completedAt
	case enttask.FieldPriority:
		return &r.priority
	case enttask.FieldDueDate:
		return &r.dueDate
	case enttask.FieldDueAt:
		return &r.dueAt
	case enttask.FieldDueTimeZone:
		return &r.zone
	case enttask.FieldDueSort:
		return &r.dueSort
	case enttask.FieldParentID:
		return &r.parent
	case enttask.FieldPosition:
		return &r.position
	case enttask.FieldTitleKey:
		return &r.titleKey
	case enttask.FieldCreatedAt:
		return &r.created
	case enttask.FieldUpdatedAt:
		return &r.updated
	case enttask.FieldDeletedAt:
		return &r.deleted
	default:
		return nil
	}
}

// task makes a task of what was scanned last. What is not read is zero.
func (r *taskRow) task() *ent.Task {
	t := &ent.Task{
		ID: r.id, Version: int(r.version), Title: r.title, Completed: r.completed, Priority: int(r.priority),
		CreatedAt: r.created.Time, UpdatedAt: r.updated.Time, Position: r.position, TitleKey: r.titleKey,
	}
	set(&t.Description, r.description.String, r.description.Valid)
	set(&t.CompletedAt, r.completedAt.Time, r.completedAt.Valid)
	set(&t.DueDate, r.dueDate.Time, r.dueDate.Valid)
	set(&t.DueAt, r.dueAt.Time, r.dueAt.Valid)
	set(&t.DueTimeZone, r.zone.String, r.zone.Valid)
	set(&t.DueSort, r.dueSort.Time, r.dueSort.Valid)
	set(&t.ParentID, r.parent.UUID, r.parent.Valid)
	set(&t.DeletedAt, r.deleted.Time, r.deleted.Valid)
	return t
}

func set[T any](to **T, v T, valid bool) {
	if valid {
		set := v // Of v itself there would be one in memory also where it is not valid.
		*to = &set
	}
}
