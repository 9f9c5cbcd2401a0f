package task

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/history"
	"taskql/internal/recurrence"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// A change is undone by its activities, which have the values before and after it. Undoing it is a change like any other, with
// activities of the action Undone, so it can be undone as well. undo_check.go says whether a change can be undone, and undo_apply.go
// undoes it.

// UndoInput names a change by the version of the workspace that it took.
type UndoInput struct {
	Version        int     `json:"version"`
	WorkspaceID    *string `json:"workspaceId,omitempty"`
	IdempotencyKey *string `json:"-"`
}

// UndoResult is the result of undoing a change.
type UndoResult struct {
	// Tasks are those that the change named, as they are now; none if there is no such change or it can't be undone.
	Tasks []*ent.Task
	// Conflicts say what has been changed since, if the undo was refused as STALE.
	Conflicts []*UndoConflict
	workspace.Outcome
}

// Remembered implements workspace.Result. An undo that was refused is not stored, so there are no conflicts.
func (r *UndoResult) Remembered() any { return &r.Tasks }

// UndoConflict is a field of a task that does not have the value that the change gave it.
type UndoConflict struct {
	Task *ent.Task
	// Field is its name in the API.
	Field string
	// ChangedByVersion is the version of the change that is in the way.
	ChangedByVersion int
}

const (
	// maxUndone is how many activities a change can have that is undone. A bulk mutation of recurring tasks has the most: each of its
	// tasks can get a next occurrence with subtasks.
	maxUndone = maxBulk * (2 + maxBulk)
	// maxSince is how many later activities are looked at. If there are more, what they have changed is a conflict.
	maxSince = 10_000
)

// Undo undoes a change of the viewer's own, as a whole. It is refused with NOT_FOUND if the viewer has made no such change, with INVALID
// if it can't be undone, and with STALE if something that it changed has been changed since.
func (s *Service) Undo(ctx context.Context, v viewer.Viewer, in UndoInput) (*UndoResult, error) {
	change := workspace.Change[UndoResult]{Name: "undoChange", Input: in, IdempotencyKey: in.IdempotencyKey}
	return write(ctx, s, v, change, func(ctx context.Context, t *tx) (*UndoResult, error) {
		activities, err := history.OfVersion(ctx, t.Tx, in.Version, maxUndone+1)
		if err != nil {
			return nil, err //nolint:wrapcheck // It says what was read.
		}
		if errs := t.checkUndoable(in.Version, activities); len(errs) > 0 {
			return workspace.Refuse[UndoResult](errs)
		}
		u, err := t.newUndo(ctx, in.Version, activities)
		if err != nil {
			return nil, err
		}
		if err := u.run(ctx); err != nil {
			return nil, err
		}
		if len(u.conflicts) > 0 {
			return u.refusal(ctx)
		}
		tasks, err := t.load(ctx, u.ids)
		return &UndoResult{Tasks: tasks}, err
	})
}

// checkUndoable returns why a change with these activities can't be undone; nothing if it can.
func (t *tx) checkUndoable(version int, activities []*history.Activity) workspace.Violations {
	var errs workspace.Violations
	own := func(a *history.Activity) bool {
		return a.ActorID != nil && *a.ActorID == t.Viewer.UserID && a.Via != history.Server
	}
	final := func(a *history.Activity) bool { return a.Changes.Final }
	switch {
	case version < 1 || version >= t.Version, len(activities) > 0 && !slices.ContainsFunc(activities, own):
		errs.Add(workspace.CodeNotFound, "version", "There is no change of yours with this version: send the version that the payload of your change had, and its workspaceId if that was an organization's.")
	case len(activities) == 0:
		errs.Add(workspace.CodeInvalid, "version", "This change can't be undone: it changed no task, or only together with its project, or is too long ago.")
	case slices.ContainsFunc(activities, final), len(ofNamedTasks(activities)) == 0:
		errs.Add(workspace.CodeInvalid, "version", "This change can't be undone: something of it was deleted for good.")
	case activities[0].Via == history.Import, len(activities) > maxUndone:
		errs.Add(workspace.CodeInvalid, "version", "This change can't be undone: it is an import.")
	case slices.ContainsFunc(activities, forgotten):
		errs.Add(workspace.CodeInvalid, "version", "This change can't be undone: the description that it replaced is not kept any longer.")
	}
	return errs
}

// forgotten reports whether the description before a change is not kept any longer.
func forgotten(a *history.Activity) bool {
	return a.Changes.Description != nil && a.Changes.Description.Forgotten
}

// undo is the undoing of a change.
type undo struct {
	*tx

	// undone is the version of the change that is undone.
	undone int
	steps  []*undoStep
	// named are tasks that the change named and that went to the trash, or came out of it, with the tasks of steps above them.
	named []*ent.Task
	// ids are those of the tasks of steps and of named.
	ids       []string
	conflicts []*UndoConflict
	// versionsAt are tasks whose versions conflicts get.
	versionsAt map[*UndoConflict]uuid.UUID
	// series are those that the change changed.
	series map[uuid.UUID]*recurrence.Series
	// truncated reports whether there were more than maxSince later activities.
	truncated bool
}

// undoStep undoes what the change did to one task.
type undoStep struct {
	// task is the task as the steps change it, and before as it was found.
	task   *ent.Task
	before ent.Task
	// changes are what the change did. Those of a task that it created are that the task came out of the trash.
	changes history.Changes
	// since are the task's later activities, the newest first.
	since []*history.Activity
	// tags are those that the task has.
	tags []uuid.UUID
	// skips reports whether the change skipped an occurrence, or undid that.
	skips bool
}

// newUndo reads what is needed to undo a change with those activities.
func (t *tx) newUndo(ctx context.Context, version int, activities []*history.Activity) (*undo, error) {
	u := &undo{tx: t, undone: version}
	byTask := map[uuid.UUID]*undoStep{}
	for _, a := range ofNamedTasks(activities) {
		step := &undoStep{changes: a.Changes, skips: a.Changes.Skips || a.Action == history.Skipped}
		if a.Action == history.Created {
			step.changes.Trash = &history.Change[*history.Trash]{{At: t.Now, With: &a.TaskID}, nil}
		}
		byTask[a.TaskID] = step
		u.ids = append(u.ids, a.TaskID.String())
		if a.Changes.Named != nil {
			for _, id := range *a.Changes.Named {
				u.ids = append(u.ids, id.String())
			}
		}
	}
	named, err := t.load(ctx, u.ids)
	if err != nil {
		return nil, err
	}
	var tasks []*ent.Task
	for _, e := range named {
		step := byTask[e.ID]
		if step == nil {
			u.named = append(u.named, e)
			continue
		}
		step.task, step.before = e, *e
		u.steps, tasks = append(u.steps, step), append(tasks, e)
	}
	tags, err := t.tagIDsOf(ctx, tasks)
	if err != nil {
		return nil, err
	}
	since, err := history.Since(ctx, t.Tx, version, idsOf(tasks), maxSince)
	if err != nil {
		return nil, err //nolint:wrapcheck // It says what was read.
	}
	u.truncated = len(since) == maxSince
	for _, s := range u.steps {
		s.tags = tags[s.task.ID]
	}
	for _, a := range since {
		step := byTask[a.TaskID]
		step.since = append(step.since, a)
	}
	return u, u.loadSeries(ctx)
}

// ofNamedTasks returns the activities of the tasks that the mutation named. A completion also creates the next occurrence of a
// recurring task, and its subtasks.
func ofNamedTasks(activities []*history.Activity) []*history.Activity {
	return slices.DeleteFunc(slices.Clone(activities), func(a *history.Activity) bool { return a.Changes.Copied })
}

// run checks that nothing is in the way, and undoes the change. If there are conflicts then, the transaction has to be rolled back.
func (u *undo) run(ctx context.Context) error {
	if err := u.check(ctx); err != nil || len(u.conflicts) > 0 {
		return err
	}
	if err := u.apply(ctx); err != nil || len(u.conflicts) > 0 {
		return err
	}
	if err := u.checkRepeating(ctx); err != nil {
		return err
	}
	return u.checkTree(ctx)
}

// refusal returns the result of an undo with conflicts.
func (u *undo) refusal(ctx context.Context) (*UndoResult, error) {
	versions, err := u.versionsOf(ctx, slices.Collect(maps.Values(u.versionsAt)))
	if err != nil {
		return nil, err
	}
	for c, id := range u.versionsAt {
		if v := versions[id]; v != 0 && v != u.Version {
			c.ChangedByVersion = v
		}
	}
	r := &UndoResult{Conflicts: u.conflicts}
	for _, s := range u.steps {
		r.Tasks = append(r.Tasks, &s.before)
	}
	r.Tasks = append(r.Tasks, u.named...)
	var errs workspace.Violations
	errs.Add(workspace.CodeStale, "version", "Nothing was undone, because what this change did has been changed since: conflicts says what, and by which versions. Undo those first, or change the fields yourself.")
	r.Refuse(errs)
	return r, workspace.ErrNoCommit
}

// conflict adds a conflict of a field with the change of that version. If it is not known, it is 0, and the task's version is the best guess.
func (u *undo) conflict(s *undoStep, field string, version int) {
	if version == 0 {
		version = s.before.Version
	}
	u.conflicts = append(u.conflicts, &UndoConflict{Task: &s.before, Field: field, ChangedByVersion: version})
}

// conflictAt adds a conflict of a field with the last change of another task.
func (u *undo) conflictAt(s *undoStep, field string, other uuid.UUID) {
	u.conflict(s, field, 0)
	if u.versionsAt == nil {
		u.versionsAt = map[*UndoConflict]uuid.UUID{}
	}
	u.versionsAt[u.conflicts[len(u.conflicts)-1]] = other
}
