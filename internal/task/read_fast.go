package task

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	"taskql/ent/tasktag"
	"taskql/internal/keyset"
	"taskql/internal/viewer"
)

// The hot lists are read without ent, which makes five objects for each value of each row: from PostgreSQL's driver, in SQLite
// by database/sql. The statement is the one that ent would write, but that PostgreSQL sends values in their binary forms (see
// record.go); and the rows are ent's, but that they know no client: they are read from, never updated or asked for their edges.

// readByHand reads one part of the list: false where that is ent's to do.
func (l *list) readByHand(ctx context.Context, segment keyset.Segment, limit int, columns []string) ([]*ent.Task, bool, error) {
	var of shape
	if l.shape != "" && segment.Key != "" {
		of = shape{name: l.shape + segment.Key + strconv.Itoa(limit), args: segment.Args}
	}
	return l.rowsByHand(ctx, columns, of, func(s *sql.Selector) {
		segment.Where(s)
		segment.Sort(s)
		s.Limit(limit)
	})
}

// rowsByHand reads those rows of the list that the statement is narrowed to, which has that shape.
func (l *list) rowsByHand(ctx context.Context, columns []string, of shape, narrow func(*sql.Selector)) ([]*ent.Task, bool, error) {
	// ent's privacy net is not asked here, so what it lets through is.
	if l.service.dialect == "" || len(columns) == 0 || !viewer.MayRead(ctx) {
		return nil, false, nil
	}
	read, ok := newTaskReader(columns, l.service.dialect)
	if !ok {
		return nil, false, nil
	}
	statement, args := l.service.texts.query(of, columns, l.viewer.WorkspaceID, func() (string, []any) {
		s := read.selectFrom(sql.Dialect(l.service.dialect).Table(enttask.Table))
		enttask.WorkspaceID(l.viewer.WorkspaceID)(s)
		for _, p := range l.where {
			p(s)
		}
		narrow(s)
		return s.Query()
	})
	var tasks []*ent.Task
	take := takeTextOf(ctx)
	err := l.service.eachRow(ctx, statement, args, read.into, func(row []driver.Value) error {
		e, err := read.task(row)
		if err != nil {
			return err
		}
		tasks = append(tasks, e)
		return take.of(e)
	})
	if err != nil {
		return nil, true, fmt.Errorf("reading tasks: %w", err)
	}
	return tasks, true, nil
}

// eachRow runs a statement and calls each with every row, which is nil where it was scanned into its places.
func (s *Service) eachRow(ctx context.Context, statement string, args, into []any, each func(row []driver.Value) error) error {
	if s.dialect == dialect.Postgres {
		return s.queryRaw(ctx, statement, args, each)
	}
	rows, err := s.client.QueryContext(ctx, statement, args...)
	if err != nil {
		return err //nolint:wrapcheck // The caller says what was read.
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err //nolint:wrapcheck // As above.
		}
		if err := each(nil); err != nil {
			return err
		}
	}
	return rows.Err() //nolint:wrapcheck // As above.
}

// tagsByHand is TagsOf without ent: false where that is ent's to do.
func (s *Service) tagsByHand(ctx context.Context, v viewer.Viewer, tasks []uuid.UUID, columns []string) (map[uuid.UUID][]*ent.Tag, bool, error) {
	if s.dialect == "" || len(columns) == 0 || !viewer.MayRead(ctx) {
		return nil, false, nil
	}
	read, ok := newTagReader(columns)
	if !ok {
		return nil, false, nil
	}
	statement, args := s.texts.query(s.shapeOf("tags of a task", "tags of tasks", tasks), columns, v.WorkspaceID, func() (string, []any) {
		t, carried := sql.Dialect(s.dialect).Table(enttag.Table), sql.Dialect(s.dialect).Table(tasktag.Table).As("carried")
		q := sql.Dialect(s.dialect).Select()
		if all := append(t.Columns(columns...), carried.C(tasktag.FieldTaskID)); s.dialect == dialect.Postgres {
			q.AppendSelectExpr(sql.Raw(recordOf(all...)))
		} else {
			q.AppendSelect(all...)
		}
		q.From(t)
		enttag.WorkspaceID(v.WorkspaceID)(q)
		q.Join(carried).On(t.C(enttag.FieldID), carried.C(tasktag.FieldTagID)).
			Where(among(q, carried.C(tasktag.FieldTaskID), tasks)).
			OrderBy(t.C(enttag.FieldNameKey))
		return q.Query()
	})
	of, one := make(map[uuid.UUID][]*ent.Tag, len(tasks)), map[uuid.UUID]*ent.Tag{}
	err := s.eachRow(ctx, statement, args, read.into, func(row []driver.Value) error {
		if err := read.row(row); err != nil {
			return err
		}
		tag := one[read.id]
		if tag == nil {
			tag = read.tag()
			one[read.id] = tag
		}
		of[read.carrier] = append(of[read.carrier], tag)
		return nil
	})
	if err != nil {
		return nil, true, fmt.Errorf("reading tags of tasks: %w", err)
	}
	return of, true, nil
}

// idText is how long an id is as text.
const idText = 36

// scannedID is an id that is scanned to. uuid.UUID would make two copies of the text that the driver hands over.
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

// tagReader reads rows of tags and the tasks that carry them.
type tagReader struct {
	tagRow

	columns []string
	into    []any
}

// tagRow is where a row is scanned to.
type tagRow struct {
	id, carrier      uuid.UUID
	version          int
	name, color      string
	nameKey          []byte
	created, updated sql.NullTime
}

// newTagReader returns a reader of those columns of tags and then the task's id; false where one is none of a tag's.
func newTagReader(columns []string) (*tagReader, bool) {
	r := &tagReader{columns: columns}
	for _, c := range columns {
		into := r.column(c)
		if into == nil {
			return nil, false
		}
		r.into = append(r.into, into)
	}
	r.into = append(r.into, (*scannedID)(&r.carrier))
	return r, true
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

// row reads a row, which has been scanned where it is nil.
func (r *tagReader) row(row []driver.Value) error {
	if row == nil {
		return nil
	}
	rec := openRecord(row, len(r.columns)+1)
	for _, c := range r.columns {
		switch into := r.column(c).(type) {
		case *scannedID:
			rec.id((*uuid.UUID)(into))
		case *int:
			rec.int(into)
		case *string:
			rec.text(into)
		case *[]byte:
			rec.bytes(into)
		case *sql.NullTime:
			into.Valid = rec.time(&into.Time)
		}
	}
	rec.id(&r.carrier)
	return rec.err()
}

// tag is the tag that was read last.
func (r *tagReader) tag() *ent.Tag {
	return &ent.Tag{
		ID: r.id, Version: r.version, Name: r.name, Color: r.color, NameKey: r.nameKey,
		CreatedAt: r.created.Time, UpdatedAt: r.updated.Time,
	}
}

// taskReader reads rows of tasks.
type taskReader struct {
	dialect string
	names   []string
	scanned taskRow
	into    []any
	// columns are how PostgreSQL's are read; nil for the other, whose rows are scanned.
	columns []taskColumn
	// kept is where the next tasks are.
	kept []keptTask
	made int
}

// keptTask is a task with what it points to.
type keptTask struct {
	ent.Task

	description, zone                             string
	completedAt, dueDate, dueAt, dueSort, deleted time.Time
	parent                                        uuid.UUID
}

// newTaskReader returns a reader of those columns; false where one is none of a task's.
func newTaskReader(columns []string, of string) (*taskReader, bool) {
	r := &taskReader{dialect: of, names: columns}
	if of == dialect.Postgres {
		moment := slices.Contains(columns, enttask.FieldCompletedAt) // It says whether, too.
		r.columns = make([]taskColumn, 0, len(columns))
		for _, c := range columns {
			if moment && c == enttask.FieldCompleted {
				continue
			}
			column := columnOfTask(c)
			if column.read == nil {
				return nil, false
			}
			r.columns = append(r.columns, column)
		}
		return r, true
	}
	r.into = make([]any, len(columns))
	for i, c := range columns {
		if r.into[i] = r.scanned.column(c); r.into[i] == nil {
			return nil, false
		}
	}
	return r, true
}

// selectFrom begins a statement whose rows the reader takes.
func (r *taskReader) selectFrom(t *sql.SelectTable) *sql.Selector {
	q := sql.Dialect(r.dialect).Select().From(t)
	if r.columns == nil {
		return q.AppendSelect(t.Columns(r.names...)...)
	}
	for _, c := range r.columns {
		if c.send != "" {
			q.AppendSelectExpr(sql.Raw(c.send + "(" + t.C(c.name) + ")"))
		} else {
			q.AppendSelect(t.C(c.name))
		}
	}
	return q
}

// task makes a task of a row, which has been scanned where it is nil. What is not read is zero.
func (r *taskReader) task(row []driver.Value) (*ent.Task, error) {
	if row == nil {
		return r.scanned.task(), nil
	}
	if len(row) != len(r.columns) {
		return nil, errRow
	}
	if len(r.kept) == 0 { // 1, 4, 16: the 21 rows of a page of 20 and whether there is more.
		r.kept = make([]keptTask, min(3*r.made+1, 32))
	}
	e := &r.kept[0]
	r.kept, r.made = r.kept[1:], r.made+1
	var c cells
	for i := range r.columns {
		r.columns[i].read(e, &c, row[i])
	}
	return &e.Task, c.err()
}

// taskColumn is how a column comes from PostgreSQL.
type taskColumn struct {
	name string
	// send is the function that puts it into its binary form; empty where the driver has it without parsing.
	send string
	read func(e *keptTask, c *cells, v driver.Value)
}

// The functions that send what the driver would parse.
const (
	sendID   = "uuid_send"
	sendTime = "timestamptz_send"
	sendDate = "date_send"
)

// columnOfTask is how a column is read; nothing where it is none of a task's.
func columnOfTask(name string) taskColumn { //nolint:cyclop,funlen // A table.
	switch name {
	case enttask.FieldID:
		return taskColumn{name, sendID, func(e *keptTask, c *cells, v driver.Value) { c.id(v, &e.ID) }}
	case enttask.FieldVersion:
		return taskColumn{name, "", func(e *keptTask, c *cells, v driver.Value) { c.int(v, &e.Version) }}
	case enttask.FieldTitle:
		return taskColumn{name, "", func(e *keptTask, c *cells, v driver.Value) { c.text(v, &e.Title) }}
	case enttask.FieldDescription:
		return taskColumn{name, "", func(e *keptTask, c *cells, v driver.Value) {
			point(&e.Description, &e.description, c.text(v, &e.description))
		}}
	case enttask.FieldCompleted:
		return taskColumn{name, "", func(e *keptTask, c *cells, v driver.Value) { c.bool(v, &e.Completed) }}
	case enttask.FieldCompletedAt: // completed with it: the database holds the two together.
		return taskColumn{name, sendTime, func(e *keptTask, c *cells, v driver.Value) {
			e.Completed = c.time(v, &e.completedAt)
			point(&e.CompletedAt, &e.completedAt, e.Completed)
		}}
	case enttask.FieldPriority:
		return taskColumn{name, "", func(e *keptTask, c *cells, v driver.Value) { c.int(v, &e.Priority) }}
	case enttask.FieldDueDate:
		return taskColumn{name, sendDate, func(e *keptTask, c *cells, v driver.Value) { point(&e.DueDate, &e.dueDate, c.date(v, &e.dueDate)) }}
	case enttask.FieldDueAt:
		return taskColumn{name, sendTime, func(e *keptTask, c *cells, v driver.Value) { point(&e.DueAt, &e.dueAt, c.time(v, &e.dueAt)) }}
	case enttask.FieldDueTimeZone:
		return taskColumn{name, "", func(e *keptTask, c *cells, v driver.Value) { point(&e.DueTimeZone, &e.zone, c.text(v, &e.zone)) }}
	case enttask.FieldDueSort:
		return taskColumn{name, sendTime, func(e *keptTask, c *cells, v driver.Value) { point(&e.DueSort, &e.dueSort, c.time(v, &e.dueSort)) }}
	case enttask.FieldParentID:
		return taskColumn{name, sendID, func(e *keptTask, c *cells, v driver.Value) { point(&e.ParentID, &e.parent, c.id(v, &e.parent)) }}
	case enttask.FieldPosition:
		return taskColumn{name, "", func(e *keptTask, c *cells, v driver.Value) { c.bytes(v, &e.Position) }}
	case enttask.FieldTitleKey:
		return taskColumn{name, "", func(e *keptTask, c *cells, v driver.Value) { c.bytes(v, &e.TitleKey) }}
	case enttask.FieldCreatedAt:
		return taskColumn{name, sendTime, func(e *keptTask, c *cells, v driver.Value) { c.time(v, &e.CreatedAt) }}
	case enttask.FieldUpdatedAt:
		return taskColumn{name, sendTime, func(e *keptTask, c *cells, v driver.Value) { c.time(v, &e.UpdatedAt) }}
	case enttask.FieldDeletedAt:
		return taskColumn{name, sendTime, func(e *keptTask, c *cells, v driver.Value) { point(&e.DeletedAt, &e.deleted, c.time(v, &e.deleted)) }}
	default:
		return taskColumn{}
	}
}

// point points to a value, unless it is null.
func point[T any](to **T, value *T, there bool) {
	if there {
		*to = value
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
