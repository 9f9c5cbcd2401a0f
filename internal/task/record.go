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
	"taskql/internal/history"
	"taskql/internal/reminder"
	"taskql/internal/workspace"
)

// Every change of tasks records what it does to each of them, and flush writes that as the activities of the change. What changes
// columns of tasks calls record, and what changes their tags calls recordTags; whatever else an activity has is set on what
// activity returns:
//
//	t.activity(e.ID).Changes.NextID = &next.ID
//
// applyEdits calls record, and so does insert. Keys of sorting and search, new positions that keep the order, and has_reminders are
// no changes that anybody sees, and are not recorded.

// recorder collects what a change does to tasks. The zero value is empty.
type recorder struct {
	via history.Via
	// action, if set, is the action of all activities, whatever is changed.
	action history.Action
	// activities are those that are not written yet, one for each task, and byTask finds them if they are many.
	activities []*history.Activity
	byTask     map[uuid.UUID]*history.Activity
	// open says that activities may still be added to after the tasks were updated, so that only flush may write them.
	open bool
	// textBytes are those of the old descriptions that flushWith has written, and size is the Size of its activities.
	textBytes, size int
	// followed are the tasks with reminders whose due, completion or deletion has changed, by their ids: reminders follow them.
	followed map[uuid.UUID]reminder.TaskChange
	// deletes says that tasks with reminders were deleted or restored.
	deletes bool
}

// manyActivities is from how many activities on byTask is used.
const manyActivities = 16

// activity returns the activity of a task in this change. It makes one if there is none yet.
func (t *tx) activity(id uuid.UUID) *history.Activity {
	r := &t.recorder
	if r.byTask != nil {
		if a := r.byTask[id]; a != nil {
			return a
		}
	} else {
		for _, a := range r.activities {
			if a.TaskID == id {
				return a
			}
		}
	}
	a := &history.Activity{TaskID: id, ActorID: t.actor(), Via: r.via, Action: r.action, At: t.Now}
	r.activities = append(r.activities, a)
	switch {
	case r.byTask != nil:
		r.byTask[id] = a
	case len(r.activities) == manyActivities:
		r.byTask = make(map[uuid.UUID]*history.Activity, manyActivities)
		for _, a := range r.activities {
			r.byTask[a.TaskID] = a
		}
	}
	return a
}

// actor returns the user who makes the change; nil if the server does.
func (t *tx) actor() *string {
	if t.recorder.via == history.Server {
		return nil
	}
	return &t.Viewer.UserID
}

// act sets what the change did to a task. CHANGED is what remains if it is nothing else, and the first of others counts.
func (t *tx) act(a *history.Activity, action history.Action) {
	if t.recorder.action == "" && (a.Action == "" || a.Action == history.Changed) {
		a.Action = action
	}
}

// record records the differences between a task before and after the change. The change may record several differences of a task.
func (t *tx) record(before, after *ent.Task) {
	a := t.activity(after.ID)
	c := &a.Changes
	if before.Title != after.Title {
		c.Title = then(c.Title, before.Title, after.Title)
	}
	if !equal(before.Description, after.Description) {
		if c.Description == nil {
			c.Description = &history.Description{From: before.Description}
		}
		c.Description.To = after.Description
	}
	if before.Priority != after.Priority {
		c.Priority = then(c.Priority, before.Priority, after.Priority)
	}
	if !equalTimes(before.DueDate, after.DueDate) || !equalTimes(before.DueAt, after.DueAt) || !equal(before.DueTimeZone, after.DueTimeZone) {
		c.Due = then(c.Due, historyDue(before), historyDue(after))
	}
	if !equal(before.AssigneeID, after.AssigneeID) {
		c.Assignee = then(c.Assignee, before.AssigneeID, after.AssigneeID)
	}
	if !equal(before.ProjectID, after.ProjectID) {
		c.Project = then(c.Project, before.ProjectID, after.ProjectID)
	}
	if !equal(before.SectionID, after.SectionID) {
		c.Section = then(c.Section, before.SectionID, after.SectionID)
	}
	t.act(a, history.Changed)
	if !equalTimes(before.CompletedAt, after.CompletedAt) {
		c.CompletedAt = then(c.CompletedAt, before.CompletedAt, after.CompletedAt)
		if after.Completed {
			t.act(a, history.Completed)
		} else {
			t.act(a, history.Reopened)
		}
	}
	if !equalTimes(before.DeletedAt, after.DeletedAt) {
		c.Trash = then(c.Trash, historyTrash(before), historyTrash(after))
		if after.DeletedAt != nil {
			t.act(a, history.Deleted)
		} else {
			t.act(a, history.Restored)
		}
	}
	t.recordMove(a, before, after)
	t.follow(before, after)
}

// follow notes a change that reminders of the task follow. If there are several of a task, they follow what all of them come to.
func (t *tx) follow(before, after *ent.Task) {
	if !after.HasReminders {
		return
	}
	c, ok := t.recorder.followed[after.ID]
	if !ok {
		was := *before
		c.Before = &was
	}
	if c.After = after; t.recorder.followed == nil {
		t.recorder.followed = map[uuid.UUID]reminder.TaskChange{}
	}
	t.recorder.followed[after.ID] = c
}

// followDeletions makes reminders follow all tasks that the change has deleted or restored. Those below the tasks that are recorded
// were changed in the database alone.
func (t *tx) followDeletions(ctx context.Context) error {
	q := t.tasks().Where(enttask.Version(t.Version), enttask.HasReminders(true))
	reminder.DueOnly(q)
	tasks, err := q.All(ctx)
	if err != nil {
		return fmt.Errorf("reading tasks with reminders: %w", err)
	}
	for _, e := range tasks {
		e.HasReminders = true
		before := *e
		if before.DeletedAt = nil; e.DeletedAt == nil {
			before.DeletedAt = &t.Now
		}
		t.follow(&before, e)
	}
	return nil
}

func (t *tx) recordMove(a *history.Activity, before, after *ent.Task) {
	c := &a.Changes
	if !equal(before.ParentID, after.ParentID) {
		c.Parent = then(c.Parent, before.ParentID, after.ParentID)
	}
	if equal(before.ParentID, after.ParentID) && bytes.Equal(before.Position, after.Position) {
		return
	}
	if c.Place == nil {
		c.Place = &history.Place{Position: history.Change[[]byte]{before.Position}}
	}
	c.Place.Position[1] = after.Position
	t.act(a, history.Moved)
}

// then returns the change after another of the same value, which may be nil.
func then[T any](earlier *history.Change[T], before, after T) *history.Change[T] {
	if earlier != nil {
		before = earlier.From()
	}
	return &history.Change[T]{before, after}
}

func historyDue(e *ent.Task) *history.Due {
	if e.DueDate == nil {
		return nil
	}
	return &history.Due{Date: *e.DueDate, At: e.DueAt, TimeZone: e.DueTimeZone}
}

func historyTrash(e *ent.Task) *history.Trash {
	if e.DeletedAt == nil {
		return nil
	}
	return &history.Trash{At: *e.DeletedAt, With: e.TrashedWith}
}

func equalTimes(a, b *time.Time) bool { return a == b || a != nil && b != nil && a.Equal(*b) }

// recordNew records that a task was made.
func (t *tx) recordNew(id uuid.UUID) { t.act(t.activity(id), history.Created) }

// recordTags records that tags were added to a task and removed from it.
func (t *tx) recordTags(task uuid.UUID, added, removed []history.Tag) {
	a := t.activity(task)
	t.act(a, history.Changed)
	if a.Changes.Tags == nil {
		a.Changes.Tags = &history.Tags{}
	}
	tags := a.Changes.Tags
	tags.Added, tags.Removed = append(tags.Added, added...), append(tags.Removed, removed...)
}

// forgetActivities deletes the activities of tasks that are about to be deleted for good, those of this change included.
func (t *tx) forgetActivities(ctx context.Context, ids []uuid.UUID) error {
	r := &t.recorder
	r.activities = slices.DeleteFunc(r.activities, func(a *history.Activity) bool { return slices.Contains(ids, a.TaskID) })
	r.byTask = nil                        // Later ones are found, or made, without it.
	return history.Forget(ctx, t.Tx, ids) //nolint:wrapcheck // It says what was deleted.
}

// flushWith has an update of tasks write the activities, too, unless the change may add to them. Only PostgreSQL can do that.
func (t *tx) flushWith(u *ent.TaskUpdate) error {
	r := &t.recorder
	if t.Dialect != dialect.Postgres || r.open || len(r.activities) == 0 {
		return nil
	}
	with, err := history.With(t.Tx, r.activities)
	if err != nil {
		return err //nolint:wrapcheck // It says what it wrote.
	}
	r.textBytes += history.TextBytes(r.activities)
	r.size += history.Size(r.activities)
	r.activities, r.byTask = nil, nil
	u.Modify(func(u *sql.UpdateBuilder) { u.Prefix(with) })
	return nil
}

// flush writes what is recorded. It is called once, after the rest of the change.
func (t *tx) flush(ctx context.Context) error {
	r := &t.recorder
	if err := history.Insert(ctx, t.Tx, r.activities); err != nil {
		return err //nolint:wrapcheck // It says what was written.
	}
	if err := history.Trim(ctx, t.Tx, r.textBytes+history.TextBytes(r.activities), t.limits.HistoryBytes); err != nil {
		return err //nolint:wrapcheck // As above.
	}
	if err := t.Charge((r.size + history.Size(r.activities)) / workspace.BytesPerPoint); err != nil {
		return err //nolint:wrapcheck // It says enough.
	}
	if r.deletes {
		if err := t.followDeletions(ctx); err != nil {
			return err
		}
	}
	if err := t.reminders.Follow(ctx, t.Tx, r.followed); err != nil {
		return err //nolint:wrapcheck // As above.
	}
	r.activities, r.byTask, r.followed = nil, nil, nil
	return nil
}
