package task

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/workspace"
)

// edit sets columns of tasks to the same values, whatever the tasks are.
type edit struct {
	// columns are those that it sets; a task differs if it has another value in one of them. derived are set too, but follow
	// from these.
	columns, derived []string
	// set sets the fields of the columns.
	set func(*ent.Task)
}

// differs reports whether the edit would change the task.
func (e edit) differs(before *ent.Task) bool {
	after := *before
	e.set(&after)
	return slices.ContainsFunc(e.columns, func(name string) bool {
		c := taskColumns.byName[name]
		return !sameValue(c.value(before), c.value(&after))
	})
}

// setOn sets the columns on an ent mutation.
func (e edit) setOn(m *ent.TaskMutation) error {
	var after ent.Task
	e.set(&after)
	for _, name := range slices.Concat(e.columns, e.derived) {
		var err error
		if v := taskColumns.byName[name].value(&after); v == nil {
			err = m.ClearField(name)
		} else {
			err = m.SetField(name, v)
		}
		if err != nil {
			return fmt.Errorf("setting a task's column: %w", err)
		}
	}
	return nil
}

// sameValue compares two values of a column; nil is null.
func sameValue(a, b any) bool {
	switch a := a.(type) {
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.Equal(b)
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b)
	default:
		return a == b
	}
}

// applyEdits makes edits to those of the tasks that differ, and to those that have changed otherwise, with one statement.
func (t *tx) applyEdits(ctx context.Context, tasks []*ent.Task, changed map[uuid.UUID]bool, edits ...edit) error {
	var touched []*ent.Task
	for _, e := range tasks {
		differs := changed[e.ID]
		for _, edit := range edits {
			differs = differs || edit.differs(e)
		}
		if differs {
			touched = append(touched, e)
		}
	}
	if len(touched) == 0 {
		return nil
	}
	u := t.update().Where(enttask.IDIn(idsOf(touched)...))
	for _, edit := range edits {
		if err := edit.setOn(u.Mutation()); err != nil {
			return err
		}
	}
	for _, e := range touched {
		before := *e
		for _, edit := range edits {
			edit.set(e)
		}
		t.stamp(e)
		t.record(&before, e)
	}
	if err := t.flushWith(u); err != nil {
		return err
	}
	if err := u.Exec(ctx); err != nil {
		return fmt.Errorf("updating tasks: %w", err)
	}
	return nil
}

// applyEach makes to each of the tasks its own edits, as applyEdits does, with one statement for all of them.
func (t *tx) applyEach(ctx context.Context, tasks []*ent.Task, changed map[uuid.UUID]bool, edits map[uuid.UUID][]edit) error {
	var touched []*ent.Task
	var columns []string
	for _, e := range tasks {
		if !changed[e.ID] && !slices.ContainsFunc(edits[e.ID], func(edit edit) bool { return edit.differs(e) }) {
			continue
		}
		touched = append(touched, e)
		for _, edit := range edits[e.ID] {
			columns = append(append(columns, edit.columns...), edit.derived...)
		}
	}
	slices.Sort(columns)
	columns = slices.Compact(columns)
	for _, e := range touched {
		before := *e
		for _, edit := range edits[e.ID] {
			edit.set(e)
		}
		t.stamp(e)
		t.record(&before, e)
	}
	for batch := range slices.Chunk(touched, repositionBatch) {
		t.MarkChanged()
		b := workspace.Statement()
		t.writeValues(b, "edited", append([]string{enttask.FieldID}, columns...), batch)
		b.WriteString(" UPDATE tasks SET version = ").Arg(t.Version).WriteString(", updated_at = ").Arg(t.Now)
		for _, column := range columns {
			b.WriteString(", ").Ident(column).WriteString(" = edited.").Ident(column)
		}
		b.WriteString(" FROM edited WHERE tasks.id = edited.id AND ").Join(workspace.Condition(t.Viewer, "tasks"))
		if err := t.Exec(ctx, b); err != nil {
			return fmt.Errorf("updating tasks: %w", err)
		}
	}
	return nil
}

// writeValues writes a clause WITH that names a table of values of tasks.
func (t *tx) writeValues(b *sql.Builder, table string, columns []string, tasks []*ent.Task) {
	b.WriteString("WITH " + table + " (").IdentComma(columns...).WriteString(") AS (VALUES ")
	for i, e := range tasks {
		if i > 0 {
			b.Comma()
		}
		b.WriteByte('(')
		for j, name := range columns {
			if j > 0 {
				b.Comma()
			}
			c := taskColumns.byName[name]
			if b.Arg(c.value(e)); i == 0 && t.Dialect == dialect.Postgres {
				b.WriteString("::" + c.pgType) // VALUES has the types of its first row.
			}
		}
		b.WriteByte(')')
	}
	b.WriteByte(')')
}

func idsOf(tasks []*ent.Task) []uuid.UUID {
	ids := make([]uuid.UUID, len(tasks))
	for i, e := range tasks {
		ids[i] = e.ID
	}
	return ids
}

// textsEdit returns the edit that sets title and description.
func textsEdit(title string, description *string) edit {
	key, text := textKeys(title, description)
	return edit{
		columns: []string{enttask.FieldTitle, enttask.FieldDescription},
		derived: []string{enttask.FieldTitleKey, enttask.FieldSearchText},
		set: func(e *ent.Task) {
			e.Title, e.Description, e.TitleKey, e.SearchText = title, description, key, text
		},
	}
}

// equal compares what two pointers point to; nil is null.
func equal[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }
