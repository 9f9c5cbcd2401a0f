package task

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
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

// noPrecondition is embedded by operations that can't be refused.
type noPrecondition struct{}

func (noPrecondition) validate(context.Context, *tx, []*ent.Task) (validation, error) {
	return validation{}, nil
}

// completing completes tasks.
type completing struct{ noPrecondition }

func (completing) apply(ctx context.Context, t *tx, tasks []*ent.Task) error {
	return t.edit(ctx, tasks, nil, edit{
		differs: func(e *ent.Task) bool { return !e.Completed },
		write: func(m *ent.TaskMutation) {
			m.SetCompleted(true)
			m.SetCompletedAt(t.Now)
		},
		after: func(e *ent.Task) { e.Completed, e.CompletedAt = true, &t.Now },
	})
}

// reopening opens tasks.
type reopening struct{ noPrecondition }

func (reopening) apply(ctx context.Context, t *tx, tasks []*ent.Task) error {
	return t.edit(ctx, tasks, nil, edit{
		differs: func(e *ent.Task) bool { return e.Completed },
		write: func(m *ent.TaskMutation) {
			m.SetCompleted(false)
			m.ClearCompletedAt()
		},
		after: func(e *ent.Task) { e.Completed, e.CompletedAt = false, nil },
	})
}

// patching makes the edits and changes the tags of tasks.
type patching struct {
	edits []edit
	// texts is what title and description of the one task become; nil where they are not asked for.
	texts func(*ent.Task) edit
	// add are the tags to add; all that there are to be where replace is set. remove are those to take off.
	add, remove *tagList
	replace     bool
	// plan is what validate prepared for apply.
	plan tagPlan
}

// checkPatch checks what is asked of tasks. Prefix stands before the names of the fields.
func checkPatch(errs *workspace.Violations, prefix string, in Patch, v viewer.Viewer) *patching {
	patch := &patching{
		add:    &tagList{field: prefix + "addTagIds", asked: in.AddTagIDs.Value},
		remove: &tagList{field: prefix + "removeTagIds", asked: in.RemoveTagIDs.Value},
	}
	if in.Priority.Set {
		patch.edits = append(patch.edits, setPriority(checkPriority(errs, prefix+"priority", in.Priority.Value)))
	}
	if in.Due.Set {
		patch.edits = append(patch.edits, setDue(checkDue(errs, prefix+"due", in.Due.Value, v)))
	}
	return patch
}

func (o *patching) validate(ctx context.Context, t *tx, tasks []*ent.Task) (validation, error) {
	var found validation
	if !o.replace && len(o.add.asked)+len(o.remove.asked) == 0 {
		return found, nil
	}
	if err := t.resolve(ctx, &found.input, o.add, o.remove); err != nil || len(found.input) > 0 {
		return found, err
	}
	carried, err := t.carried(ctx, tasks)
	if err != nil {
		return found, err
	}
	o.plan = tagPlan{add: map[uuid.UUID][]uuid.UUID{}, remove: map[uuid.UUID][]uuid.UUID{}}
	for _, e := range tasks {
		gone := o.remove.ids
		if o.replace {
			gone = without(carried[e.ID], o.add.ids)
		}
		gone = without(gone, without(gone, carried[e.ID])) // Those that it carries.
		added := without(o.add.ids, carried[e.ID])
		if n := len(carried[e.ID]) + len(added) - len(gone); len(added) > 0 && n > t.limits.TagsPerTask {
			var errs workspace.Violations
			errs.Add(workspace.CodeLimitExceeded, o.add.field, "A task carries at most %d tags; this would be %d.", t.limits.TagsPerTask, n)
			found.refuse(e, errs)
		}
		o.plan.set(e.ID, added, gone)
	}
	return found, nil
}

func (o *patching) apply(ctx context.Context, t *tx, tasks []*ent.Task) error {
	changed, err := o.plan.carryOut(ctx, t, tasks)
	if err != nil {
		return err
	}
	edits := o.edits
	if o.texts != nil {
		edits = append(edits, o.texts(tasks[0]))
	}
	return t.edit(ctx, tasks, changed, edits...)
}
