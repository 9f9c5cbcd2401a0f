package task

import (
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
)

// taskColumns has an entry for every column of tasks. The statements that PostgreSQL's rows are read and inserted by are
// made of it.
var taskColumns = newTable( //nolint:gochecknoglobals // A table.
	uuidColumn(enttask.FieldID, func(t *ent.Task) *uuid.UUID { return &t.ID }),
	textColumn(enttask.FieldWorkspaceID, func(t *ent.Task) *string { return &t.WorkspaceID }),
	intColumn(enttask.FieldVersion, "bigint", func(t *ent.Task) *int { return &t.Version }),
	textColumn(enttask.FieldTitle, func(t *ent.Task) *string { return &t.Title }),
	nullTextColumn(enttask.FieldDescription, func(t *ent.Task) **string { return &t.Description }),
	boolColumn(enttask.FieldCompleted, func(t *ent.Task) *bool { return &t.Completed }),
	nullTimeColumn(enttask.FieldCompletedAt, func(t *ent.Task) **time.Time { return &t.CompletedAt }),
	intColumn(enttask.FieldPriority, "smallint", func(t *ent.Task) *int { return &t.Priority }),
	nullDateColumn(enttask.FieldDueDate, func(t *ent.Task) **time.Time { return &t.DueDate }),
	nullTimeColumn(enttask.FieldDueAt, func(t *ent.Task) **time.Time { return &t.DueAt }),
	nullTextColumn(enttask.FieldDueTimeZone, func(t *ent.Task) **string { return &t.DueTimeZone }),
	nullTimeColumn(enttask.FieldDueSort, func(t *ent.Task) **time.Time { return &t.DueSort }),
	nullUUIDColumn(enttask.FieldParentID, func(t *ent.Task) **uuid.UUID { return &t.ParentID }),
	bytesColumn(enttask.FieldPosition, func(t *ent.Task) *[]byte { return &t.Position }),
	bytesColumn(enttask.FieldTitleKey, func(t *ent.Task) *[]byte { return &t.TitleKey }),
	textColumn(enttask.FieldSearchText, func(t *ent.Task) *string { return &t.SearchText }),
	timeColumn(enttask.FieldCreatedAt, func(t *ent.Task) *time.Time { return &t.CreatedAt }),
	timeColumn(enttask.FieldUpdatedAt, func(t *ent.Task) *time.Time { return &t.UpdatedAt }),
	nullTimeColumn(enttask.FieldDeletedAt, func(t *ent.Task) **time.Time { return &t.DeletedAt }),
	nullUUIDColumn(enttask.FieldTrashedWith, func(t *ent.Task) **uuid.UUID { return &t.TrashedWith }),
	nullUUIDColumn(enttask.FieldRecurrenceID, func(t *ent.Task) **uuid.UUID { return &t.RecurrenceID }),
	nullIntColumn(enttask.FieldOccurrenceNumber, "bigint", func(t *ent.Task) **int { return &t.OccurrenceNumber }),
	boolColumn(enttask.FieldHasReminders, func(t *ent.Task) *bool { return &t.HasReminders }),
	nullUUIDColumn(enttask.FieldProjectID, func(t *ent.Task) **uuid.UUID { return &t.ProjectID }),
	nullUUIDColumn(enttask.FieldSectionID, func(t *ent.Task) **uuid.UUID { return &t.SectionID }),
	nullTimeColumn(enttask.FieldHiddenAt, func(t *ent.Task) **time.Time { return &t.HiddenAt }),
	nullTextColumn(enttask.FieldAssigneeID, func(t *ent.Task) **string { return &t.AssigneeID }),
	nullTextColumn(enttask.FieldCreatedBy, func(t *ent.Task) **string { return &t.CreatedBy }),
)

// tagColumns has an entry for every column of tags.
var tagColumns = newTable( //nolint:gochecknoglobals // A table.
	uuidColumn(enttag.FieldID, func(t *ent.Tag) *uuid.UUID { return &t.ID }),
	textColumn(enttag.FieldWorkspaceID, func(t *ent.Tag) *string { return &t.WorkspaceID }),
	intColumn(enttag.FieldVersion, "bigint", func(t *ent.Tag) *int { return &t.Version }),
	textColumn(enttag.FieldName, func(t *ent.Tag) *string { return &t.Name }),
	bytesColumn(enttag.FieldNameKey, func(t *ent.Tag) *[]byte { return &t.NameKey }),
	textColumn(enttag.FieldColor, func(t *ent.Tag) *string { return &t.Color }),
	timeColumn(enttag.FieldCreatedAt, func(t *ent.Tag) *time.Time { return &t.CreatedAt }),
	timeColumn(enttag.FieldUpdatedAt, func(t *ent.Tag) *time.Time { return &t.UpdatedAt }),
)

// column is a column of a table whose rows are of the type E.
type column[E any] struct {
	name string
	// pgType is its type in PostgreSQL.
	pgType string
	// nullable says that it may be null. The row's field is a pointer then.
	nullable bool
	// decode sets the row's field to a value from PostgreSQL.
	decode func(d *decoder, v driver.Value, e *E)
	// value returns the row's field: without the pointer, nil if it is null.
	value func(e *E) any
}

// send returns the function that converts the column to PostgreSQL's binary form, or "" if the driver passes the type on
// without parsing.
func (c column[E]) send() string {
	switch c.pgType {
	case "uuid", "timestamptz", "date":
		return c.pgType + "_send"
	default:
		return ""
	}
}

// table is the columns of a table.
type table[E any] struct {
	columns []column[E]
	byName  map[string]column[E]
}

func newTable[E any](columns ...column[E]) table[E] {
	t := table[E]{columns: columns, byName: make(map[string]column[E], len(columns))}
	for _, c := range columns {
		t.byName[c.name] = c
	}
	return t
}

// choose returns the columns of those names, or all if there are no names.
func (t table[E]) choose(names []string) ([]column[E], error) {
	if len(names) == 0 {
		return t.columns, nil
	}
	chosen := make([]column[E], len(names))
	for i, name := range names {
		c, ok := t.byName[name]
		if !ok {
			return nil, fmt.Errorf("there is no column %q", name)
		}
		chosen[i] = c
	}
	return chosen, nil
}

func uuidColumn[E any](name string, field func(*E) *uuid.UUID) column[E] {
	return notNull(name, "uuid", field, (*decoder).uuid)
}

func textColumn[E any](name string, field func(*E) *string) column[E] {
	return notNull(name, "text", field, (*decoder).text)
}

func intColumn[E any](name, pgType string, field func(*E) *int) column[E] {
	return notNull(name, pgType, field, (*decoder).int)
}

func boolColumn[E any](name string, field func(*E) *bool) column[E] {
	return notNull(name, "boolean", field, (*decoder).bool)
}

func bytesColumn[E any](name string, field func(*E) *[]byte) column[E] {
	return notNull(name, "bytea", field, (*decoder).bytes)
}

func timeColumn[E any](name string, field func(*E) *time.Time) column[E] {
	return notNull(name, "timestamptz", field, (*decoder).time)
}

func nullUUIDColumn[E any](name string, field func(*E) **uuid.UUID) column[E] {
	return null(name, "uuid", field, (*decoder).uuid, func(d *decoder) *slab[uuid.UUID] { return &d.uuids })
}

func nullTextColumn[E any](name string, field func(*E) **string) column[E] {
	return null(name, "text", field, (*decoder).text, func(d *decoder) *slab[string] { return &d.texts })
}

func nullTimeColumn[E any](name string, field func(*E) **time.Time) column[E] {
	return null(name, "timestamptz", field, (*decoder).time, func(d *decoder) *slab[time.Time] { return &d.times })
}

func nullDateColumn[E any](name string, field func(*E) **time.Time) column[E] {
	return null(name, "date", field, (*decoder).date, func(d *decoder) *slab[time.Time] { return &d.times })
}

func nullIntColumn[E any](name, pgType string, field func(*E) **int) column[E] {
	return null(name, pgType, field, (*decoder).int, func(*decoder) *slab[int] { return &slab[int]{} })
}

func notNull[E, V any](name, pgType string, field func(*E) *V, decode func(*decoder, driver.Value) V) column[E] {
	return column[E]{
		name: name, pgType: pgType,
		decode: func(d *decoder, v driver.Value, e *E) { *field(e) = decode(d, v) },
		value:  func(e *E) any { return *field(e) },
	}
}

func null[E, V any](name, pgType string, field func(*E) **V, decode func(*decoder, driver.Value) V, slabOf func(*decoder) *slab[V]) column[E] {
	return column[E]{
		name: name, pgType: pgType, nullable: true,
		decode: func(d *decoder, v driver.Value, e *E) {
			if v != nil {
				p := slabOf(d).next()
				*p = decode(d, v)
				*field(e) = p
			}
		},
		value: func(e *E) any {
			if p := *field(e); p != nil {
				return *p
			}
			return nil
		},
	}
}
