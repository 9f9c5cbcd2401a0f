package task

import (
	"context"
	"fmt"
	"slices"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/history"
	"taskql/internal/project"
	"taskql/internal/recurrence"
	"taskql/internal/workspace"
)

// trashBefore returns how the task was in the trash before the change, if undoing puts it back there; else nil.
func (s *undoStep) trashBefore() *history.Trash {
	if s.changes.Trash == nil {
		return nil
	}
	return s.changes.Trash.From()
}

// restores reports whether undoing takes the task out of the trash.
func (s *undoStep) restores() bool { return s.changes.Trash != nil && s.changes.Trash.From() == nil }

// apply gives the tasks the values that they had before the change.
func (u *undo) apply(ctx context.Context) error {
	u.recorder.action, u.recorder.open = history.Undone, true
	if err := u.restore(ctx); err != nil {
		return err
	}
	for _, s := range u.steps {
		c := &u.activity(s.task.ID).Changes
		c.Undoes, c.Named = u.undone, s.changes.Named
	}
	if err := u.edit(ctx); err != nil || len(u.conflicts) > 0 {
		return err
	}
	return u.trash(ctx)
}

// restore takes tasks out of the trash, with those that went there with them.
func (u *undo) restore(ctx context.Context) error {
	var back []*ent.Task
	for _, s := range u.steps {
		if s.restores() {
			back = append(back, s.task)
		}
	}
	if len(back) == 0 {
		return nil
	}
	if err := u.takeOutOfTrash(ctx, back); err != nil {
		return err
	}
	return u.settle(ctx, back)
}

// edit gives the tasks their values, tags and places, and puts their series back.
func (u *undo) edit(ctx context.Context) error {
	places, err := u.formerPlaces(ctx)
	if err != nil {
		return err
	}
	series, err := u.restoreSeries(ctx)
	if err != nil || len(u.conflicts) > 0 {
		return err
	}
	changed, err := u.editTags(ctx)
	if err != nil {
		return err
	}
	tasks, edits := make([]*ent.Task, len(u.steps)), make(map[uuid.UUID][]edit, len(u.steps))
	for i, s := range u.steps {
		tasks[i], edits[s.task.ID] = s.task, s.values()
	}
	for _, p := range places {
		if p.free {
			edits[p.task.ID] = append(edits[p.task.ID], p.edit(treePosition{parent: p.parent, position: p.position}))
		}
	}
	for _, r := range series {
		changed[r.step.task.ID] = true
		edits[r.step.task.ID] = append(edits[r.step.task.ID], r.edit())
	}
	if err := u.applyEach(ctx, tasks, changed, edits); err != nil {
		return err
	}
	if err := u.moveBeside(ctx, places); err != nil {
		return err
	}
	if err := u.putBackIntoProjects(ctx); err != nil {
		return err
	}
	return u.followSeries(ctx, series)
}

// editTags gives the tasks the tags that they had, and returns the tasks that it changed.
func (u *undo) editTags(ctx context.Context) (map[uuid.UUID]bool, error) {
	swapped := tagChanges{add: map[uuid.UUID][]uuid.UUID{}, remove: map[uuid.UUID][]uuid.UUID{}}
	var tasks []*ent.Task
	for _, s := range u.steps {
		if tags := s.changes.Tags; tags != nil {
			swapped.set(s.task.ID, tagIDs(tags.Removed), tagIDs(tags.Added))
			tasks = append(tasks, s.task)
		}
	}
	return swapped.apply(ctx, u.tx, tasks)
}

// values returns the edits that set what the change changed of the task's own values.
func (s *undoStep) values() []edit {
	c := &s.changes
	var edits []edit
	if c.Title != nil || c.Description != nil {
		title, description := s.task.Title, s.task.Description
		if c.Title != nil {
			title = c.Title.From()
		}
		if c.Description != nil {
			description = c.Description.From
		}
		edits = append(edits, textsEdit(title, description))
	}
	if c.Due != nil {
		var due *Due
		if was := c.Due.From(); was != nil {
			due = &Due{Date: was.Date, At: was.At, TimeZone: was.TimeZone}
		}
		edits = append(edits, edit{
			columns: []string{enttask.FieldDueDate, enttask.FieldDueAt, enttask.FieldDueTimeZone}, derived: []string{enttask.FieldDueSort}, set: due.set,
		})
	}
	if c.Priority != nil {
		edits = append(edits, edit{columns: []string{enttask.FieldPriority}, set: func(e *ent.Task) { e.Priority = c.Priority.From() }})
	}
	if c.Assignee != nil {
		edits = append(edits, edit{columns: []string{enttask.FieldAssigneeID}, set: func(e *ent.Task) { e.AssigneeID = c.Assignee.From() }})
	}
	if c.CompletedAt != nil {
		at := c.CompletedAt.From()
		edits = append(edits, edit{
			columns: []string{enttask.FieldCompletedAt}, derived: []string{enttask.FieldCompleted},
			set: func(e *ent.Task) { e.Completed, e.CompletedAt = at != nil, at },
		})
	}
	return edits
}

// versionsOf returns the versions of tasks.
func (t *tx) versionsOf(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]int, error) {
	versions := make(map[uuid.UUID]int, len(ids))
	if len(ids) == 0 {
		return versions, nil
	}
	tasks, err := t.tasks().Where(enttask.IDIn(ids...)).Select(enttask.FieldVersion).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the versions of tasks: %w", err)
	}
	for _, e := range tasks {
		versions[e.ID] = e.Version
	}
	return versions, nil
}

// trash puts tasks back into the trash, with the active tasks below them. A task that was there before another one above it stays apart
// from that.
func (u *undo) trash(ctx context.Context) error {
	var back []*undoStep
	var with []uuid.UUID
	for _, s := range u.steps {
		if was := s.trashBefore(); was != nil {
			if back = append(back, s); was.With != nil {
				with = append(with, *was.With)
			}
		}
	}
	if len(back) == 0 {
		return nil
	}
	// They may have gone there with tasks or projects that have come back since.
	there, err := u.tasks().Where(enttask.IDIn(with...), func(s *sql.Selector) {
		s.Where(sql.ColumnsEQ(s.C(enttask.FieldID), s.C(enttask.FieldTrashedWith)))
	}).IDs(ctx)
	if err != nil {
		return fmt.Errorf("reading the trash: %w", err)
	}
	projects, err := project.InTrash(ctx, u.Tx, with)
	if err != nil {
		return err //nolint:wrapcheck // It says what was read.
	}
	there = append(there, projects...)
	roots := make([]trashRoot, len(back))
	for i, s := range back {
		was := s.trashBefore()
		roots[i] = trashRoot{s.task, was.At, s.task.ID}
		if was.With != nil && slices.Contains(there, *was.With) {
			roots[i].with = *was.With
		}
	}
	return u.putBackIntoTrash(ctx, roots)
}

// trashRoot is a task that goes back into the trash, when and with which task it went there.
type trashRoot struct {
	task *ent.Task
	at   time.Time
	with uuid.UUID
}

// putBackIntoTrash puts tasks and the active tasks below them into the trash as they were there. What is below two of them goes with the
// lower one.
func (t *tx) putBackIntoTrash(ctx context.Context, roots []trashRoot) error {
	ids := make([]any, len(roots))
	for i, r := range roots {
		ids[i] = r.task.ID
	}
	b := workspace.Statement()
	b.WriteString("WITH RECURSIVE tree(id, root) AS (SELECT id, id FROM tasks WHERE ").
		Join(workspace.Condition(t.Viewer, "")).WriteString(" AND id IN (").Args(ids...).
		WriteString(") UNION ALL SELECT c.id, tree.root FROM tree CROSS JOIN tasks c WHERE c.parent_id = tree.id AND c.deleted_at IS NULL AND ").
		Join(workspace.Condition(t.Viewer, "c")).WriteString(" AND c.id NOT IN (").Args(ids...).
		WriteString(")) UPDATE tasks SET deleted_at = CASE tree.root")
	for _, r := range roots {
		b.WriteString(" WHEN ").Arg(r.task.ID).WriteString(" THEN ").Arg(r.at)
	}
	b.WriteString(" ELSE tasks.deleted_at END, trashed_with = CASE tree.root") // The columns give the arguments their types.
	for _, r := range roots {
		b.WriteString(" WHEN ").Arg(r.task.ID).WriteString(" THEN ").Arg(r.with)
	}
	b.WriteString(" ELSE tasks.trashed_with END, version = ").Arg(t.Version).WriteString(", updated_at = ").Arg(t.Now).
		WriteString(" FROM tree WHERE tasks.id = tree.id AND ").Join(workspace.Condition(t.Viewer, "tasks"))
	if _, err := t.changeSeries(ctx, b, recurrence.SuspendAll); err != nil {
		return fmt.Errorf("putting tasks back into the trash: %w", err)
	}
	t.MarkChanged()
	for _, r := range roots {
		before := *r.task
		r.task.DeletedAt, r.task.TrashedWith = &r.at, &r.with
		t.stamp(r.task)
		t.record(&before, r.task)
	}
	return nil
}

// checkTree finds tasks that have come back to parents that are in the trash, too deep, or full.
func (u *undo) checkTree(ctx context.Context) error {
	var back []*undoStep
	var tasks []*ent.Task
	for _, s := range u.steps {
		if s.task.ParentID != nil && (s.changes.Parent != nil || s.restores()) {
			back, tasks = append(back, s), append(tasks, s.task)
		}
	}
	if len(back) == 0 {
		return nil
	}
	above, err := u.ancestorsOf(ctx, parentsOf(tasks))
	if err != nil {
		return err
	}
	measured := idsOf(tasks)
	for _, up := range above {
		if up.repeating != nil {
			measured = append(measured, *up.repeating)
		}
	}
	below, err := u.subtrees(ctx, measured)
	if err != nil {
		return err
	}
	counts, err := u.countSubtasks(ctx, parentsOf(tasks))
	if err != nil {
		return err
	}
	for _, s := range back {
		up, own, siblings := above[*s.task.ParentID], below[s.task.ID], counts[*s.task.ParentID]
		inTrash := s.task.DeletedAt != nil
		switch {
		case !inTrash && !up.active, len(up.ids)+own.levels > u.limits.Depth,
			up.repeating != nil && (own.repeats || below[*up.repeating].tasks-1 > maxCopied):
			u.conflictAt(s, "parent", *s.task.ParentID)
		case !inTrash && siblings.count > u.limits.Subtasks:
			u.conflict(s, "parent", siblings.newest)
		}
	}
	return nil
}

// subtaskCount is how many active subtasks a task has, and the newest version that another change than this one gave them; 0 if none
// did.
type subtaskCount struct{ count, newest int }

func (t *tx) countSubtasks(ctx context.Context, parents []uuid.UUID) (map[uuid.UUID]subtaskCount, error) {
	b := workspace.Statement()
	b.WriteString("SELECT parent_id, count(*) AS count, max(CASE WHEN version < ").Arg(t.Version).
		WriteString(" THEN version ELSE 0 END) AS newest FROM tasks WHERE deleted_at IS NULL AND ").Join(workspace.Condition(t.Viewer, "")).
		WriteString(" AND parent_id IN (").Args(workspace.AnySlice(parents)...).WriteString(") GROUP BY parent_id")
	var rows []struct {
		Parent uuid.UUID `sql:"parent_id"`
		Count  int       `sql:"count"`
		Newest int       `sql:"newest"`
	}
	if err := t.Select(ctx, &rows, b); err != nil {
		return nil, fmt.Errorf("counting subtasks: %w", err)
	}
	counts := make(map[uuid.UUID]subtaskCount, len(rows))
	for _, row := range rows {
		counts[row.Parent] = subtaskCount{row.Count, row.Newest}
	}
	return counts, nil
}
