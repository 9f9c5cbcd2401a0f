package task

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
)

// edit is one part of a change: whether a task differs from it, how it is written, and what the task is then.
type edit struct {
	differs func(*ent.Task) bool
	write   func(*ent.TaskMutation)
	after   func(*ent.Task)
}

// edit makes edits to those of the tasks that differ, and to those that have changed otherwise, with one statement.
func (t *tx) edit(ctx context.Context, tasks []*ent.Task, changed map[uuid.UUID]bool, edits ...edit) error {
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
		edit.write(u.Mutation())
	}
	if err := u.Exec(ctx); err != nil {
		return fmt.Errorf("updating tasks: %w", err)
	}
	for _, e := range touched {
		for _, edit := range edits {
			edit.after(e)
		}
		t.stamp(e)
	}
	return nil
}

func idsOf(tasks []*ent.Task) []uuid.UUID {
	ids := make([]uuid.UUID, len(tasks))
	for i, e := range tasks {
		ids[i] = e.ID
	}
	return ids
}

// setTexts sets title and description.
func setTexts(title string, description *string) edit {
	key, text := textKeys(title, description)
	return edit{
		differs: func(e *ent.Task) bool { return e.Title != title || !equal(e.Description, description) },
		write: func(m *ent.TaskMutation) {
			m.SetTitle(title)
			if description == nil {
				m.ClearDescription()
			} else {
				m.SetDescription(*description)
			}
			m.SetTitleKey(key)
			m.SetSearchText(text)
		},
		after: func(e *ent.Task) {
			e.Title, e.Description, e.TitleKey, e.SearchText = title, description, key, text
		},
	}
}

func equal[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

func setPriority(p Priority) edit {
	return edit{
		differs: func(e *ent.Task) bool { return e.Priority != p },
		write:   func(m *ent.TaskMutation) { m.SetPriority(p) },
		after:   func(e *ent.Task) { e.Priority = p },
	}
}
