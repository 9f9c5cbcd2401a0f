package task

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"taskql/ent"
	enttag "taskql/ent/tag"
	"taskql/ent/tombstone"
	"taskql/internal/history"
	"taskql/internal/workspace"
)

// undoField is a field of a task that a change can change.
type undoField struct {
	// name is its name in the API.
	name string
	// in reports whether a change changed it.
	in func(*history.Changes) bool
	// holds reports whether the task still has what the change gave it. Only what in reports is asked.
	holds func(u *undo, s *undoStep) bool
}

// undoFields are the fields that are compared with the task. For the trash and series, see checkTrash and checkSeries.
var undoFields = []undoField{ //nolint:gochecknoglobals // A table.
	{
		"title", func(c *history.Changes) bool { return c.Title != nil },
		func(_ *undo, s *undoStep) bool { return s.task.Title == s.changes.Title.To() },
	},
	{"description", func(c *history.Changes) bool { return c.Description != nil }, (*undo).hasDescription},
	{
		"due", func(c *history.Changes) bool { return c.Due != nil },
		func(_ *undo, s *undoStep) bool { return sameDue(historyDue(s.task), s.changes.Due.To()) },
	},
	{
		"priority", func(c *history.Changes) bool { return c.Priority != nil },
		func(_ *undo, s *undoStep) bool { return s.task.Priority == s.changes.Priority.To() },
	},
	{
		"assignee", func(c *history.Changes) bool { return c.Assignee != nil },
		func(_ *undo, s *undoStep) bool { return equal(s.task.AssigneeID, s.changes.Assignee.To()) },
	},
	{
		"completed", func(c *history.Changes) bool { return c.CompletedAt != nil },
		func(_ *undo, s *undoStep) bool { return equalTimes(s.task.CompletedAt, s.changes.CompletedAt.To()) },
	},
	{
		"parent", func(c *history.Changes) bool { return c.Parent != nil },
		func(_ *undo, s *undoStep) bool { return equal(s.task.ParentID, s.changes.Parent.To()) },
	},
	{"project", func(c *history.Changes) bool { return c.Project != nil }, (*undo).isInProject},
	{"section", func(c *history.Changes) bool { return c.Section != nil }, (*undo).isInSection},
	{"position", func(c *history.Changes) bool { return c.Place != nil }, (*undo).isInPlace},
	{"tags", func(c *history.Changes) bool { return c.Tags != nil }, (*undo).hasTags},
}

func changesTrash(c *history.Changes) bool { return c.Trash != nil }

// check finds what no longer has the values that the change gave it.
func (u *undo) check(ctx context.Context) error {
	roots, err := u.sinceOfRoots(ctx)
	if err != nil {
		return err
	}
	for _, s := range u.steps {
		for _, f := range undoFields {
			if f.in(&s.changes) && !f.holds(u, s) {
				u.conflict(s, f.name, changedBy(s.since, f.in))
			}
		}
		u.checkSeries(s)
		u.checkTrash(s, roots)
	}
	if err := u.checkTags(ctx); err != nil {
		return err
	}
	return u.checkSubtasks(ctx)
}

// changedBy returns the version of the first of the activities whose changes are in; 0 if there is none.
func changedBy(activities []*history.Activity, in func(*history.Changes) bool) int {
	for _, a := range activities {
		if in(&a.Changes) {
			return a.Version
		}
	}
	return 0
}

// isInTrashAsLeft reports whether a task is in the trash as the change left it. One that was moved must not be there.
func (s *undoStep) isInTrashAsLeft() bool {
	if s.changes.Trash == nil {
		return s.changes.Place == nil || s.task.DeletedAt == nil
	}
	return sameTrash(historyTrash(s.task), s.changes.Trash.To())
}

// sinceOfRoots returns the later activities of the tasks with which others went to the trash since, which have none for that.
func (u *undo) sinceOfRoots(ctx context.Context) (map[uuid.UUID][]*history.Activity, error) {
	var roots []uuid.UUID
	for _, s := range u.steps {
		if root := s.task.TrashedWith; !s.isInTrashAsLeft() && root != nil && *root != s.task.ID {
			roots = append(roots, *root)
		}
	}
	if len(roots) == 0 {
		return nil, nil //nolint:nilnil // There is nothing to read.
	}
	since, err := history.Since(ctx, u.Tx, u.undone, roots, maxSince)
	byRoot := map[uuid.UUID][]*history.Activity{}
	for _, a := range since {
		byRoot[a.TaskID] = append(byRoot[a.TaskID], a)
	}
	return byRoot, err //nolint:wrapcheck // It says what was read.
}

// checkTrash finds out whether a task is in the trash as the change left it.
func (u *undo) checkTrash(s *undoStep, roots map[uuid.UUID][]*history.Activity) {
	if s.isInTrashAsLeft() {
		return
	}
	since := s.since
	if root := s.task.TrashedWith; root != nil && *root != s.task.ID {
		since = roots[*root]
	}
	u.conflict(s, "deletedAt", changedBy(since, changesTrash))
}

// followsParent reports whether the change put the task below another one: then its project is what that one's is.
func (s *undoStep) followsParent() bool {
	return s.changes.Parent != nil && s.changes.Parent.To() != nil
}

// isInProject reports whether the task is in the project of the change, and isInSection the same of the section. A task that has come
// below another one since can't be put elsewhere by itself.
func (*undo) isInProject(s *undoStep) bool {
	return s.followsParent() || s.task.ParentID == nil && equal(s.task.ProjectID, s.changes.Project.To())
}

func (*undo) isInSection(s *undoStep) bool {
	return s.followsParent() || s.task.ParentID == nil && equal(s.task.SectionID, s.changes.Section.To())
}

// hasDescription compares the description with what the change made of it: what the next change of it found.
func (u *undo) hasDescription(s *undoStep) bool {
	if u.truncated {
		return false
	}
	for _, a := range slices.Backward(s.since) {
		if d := a.Changes.Description; d != nil {
			return !d.Forgotten && equal(d.From, s.task.Description)
		}
	}
	return true
}

// hasTags reports whether the task has the tags that were added, and none of those that were removed.
func (*undo) hasTags(s *undoStep) bool {
	for _, tag := range s.changes.Tags.Added {
		if !slices.Contains(s.tags, tag.ID) {
			return false
		}
	}
	for _, tag := range s.changes.Tags.Removed {
		if slices.Contains(s.tags, tag.ID) {
			return false
		}
	}
	return true
}

// isInPlace reports whether nobody has moved the task again. Its position can have changed all the same, because siblings were
// renumbered, or because a later move was undone.
func (u *undo) isInPlace(s *undoStep) bool {
	if bytes.Equal(s.task.Position, s.changes.Place.Position.To()) {
		return true
	}
	undone := map[int]bool{}
	for _, a := range s.since {
		switch {
		case undone[a.Version] || a.Changes.Place == nil:
		case a.Changes.Undoes > u.undone:
			undone[a.Changes.Undoes] = true
		default:
			return false
		}
	}
	return !u.truncated
}

func sameDue(a, b *history.Due) bool {
	return a == b || a != nil && b != nil && a.Date.Equal(b.Date) && equalTimes(a.At, b.At) && equal(a.TimeZone, b.TimeZone)
}

func sameTrash(a, b *history.Trash) bool {
	return a == b || a != nil && b != nil && a.At.Equal(b.At) && equal(a.With, b.With)
}

// checkTags finds tags that can't be put back on a task: those that are gone, and those beyond the limit.
func (u *undo) checkTags(ctx context.Context) error {
	var back []uuid.UUID
	for _, s := range u.steps {
		if s.changes.Tags != nil {
			back = append(back, tagIDs(s.changes.Tags.Removed)...)
		}
	}
	if len(back) == 0 {
		return nil
	}
	found, err := u.tags().Where(enttag.IDIn(back...)).Select(enttag.FieldID, enttag.FieldName).All(ctx)
	if err != nil {
		return fmt.Errorf("looking up tags: %w", err)
	}
	exist := make([]uuid.UUID, len(found))
	for i, tag := range found {
		exist[i] = tag.ID
		u.nameTag(tag.ID, tag.Name) // The undo's own activity has their names.
	}
	for _, s := range u.steps {
		if s.changes.Tags == nil {
			continue
		}
		gone := difference(tagIDs(s.changes.Tags.Removed), exist)
		switch n := len(s.tags) + len(s.changes.Tags.Removed) - len(s.changes.Tags.Added); {
		case len(gone) > 0:
			version, err := u.goneSince(ctx, workspace.KindTag, gone[0])
			if err != nil {
				return err
			}
			u.conflict(s, "tags", version)
		case n > u.limits.TagsPerTask && n > len(s.tags):
			u.conflict(s, "tags", changedBy(s.since, func(c *history.Changes) bool { return c.Tags != nil }))
		}
	}
	return nil
}

func tagIDs(tags []history.Tag) []uuid.UUID {
	ids := make([]uuid.UUID, len(tags))
	for i, tag := range tags {
		ids[i] = tag.ID
	}
	return ids
}

// goneSince returns the version of the change that deleted an object for good; 0 if that is not known.
func (t *tx) goneSince(ctx context.Context, kind workspace.Kind, id uuid.UUID) (int, error) {
	versions, err := t.Tombstone.Query().
		Where(workspace.Scope(t.Viewer), tombstone.Kind(string(kind)), tombstone.ObjectID(id)).
		Limit(1).Select(tombstone.FieldVersion).Ints(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading a tombstone: %w", err)
	}
	return append(versions, 0)[0], nil
}

// checkSubtasks finds active tasks that have come below those that would go to the trash.
func (u *undo) checkSubtasks(ctx context.Context) error {
	roots := map[uuid.UUID]*undoStep{}
	var ids []uuid.UUID
	for _, s := range u.steps {
		if s.trashBefore() != nil {
			roots[s.task.ID], ids = s, append(ids, s.task.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	b := workspace.Statement()
	b.WriteString("WITH RECURSIVE tree(id, root) AS (SELECT id, id FROM tasks WHERE deleted_at IS NULL AND ").
		Join(workspace.Condition(u.Viewer, "")).WriteString(" AND id IN (").Args(workspace.AnySlice(ids)...).
		WriteString(") UNION ALL SELECT c.id, tree.root FROM tree CROSS JOIN tasks c WHERE c.parent_id = tree.id AND c.deleted_at IS NULL AND ").
		Join(workspace.Condition(u.Viewer, "c")).
		WriteString(") SELECT tree.root, a.version, a.action, a.changes FROM tree JOIN activities a ON a.task_id = tree.id WHERE tree.id <> tree.root AND ").
		Join(workspace.Condition(u.Viewer, "a")).WriteString(" AND a.version > ").Arg(u.undone).
		WriteString(" ORDER BY a.version DESC LIMIT ").Arg(maxSince)
	var rows []struct {
		Root    uuid.UUID `sql:"root"`
		Version int       `sql:"version"`
		Action  string    `sql:"action"`
		Changes *string   `sql:"changes"`
	}
	if err := u.Select(ctx, &rows, b); err != nil {
		return fmt.Errorf("looking for new subtasks: %w", err)
	}
	for _, row := range rows {
		s := roots[row.Root]
		if s == nil {
			continue
		}
		a, err := history.FromRow(&ent.Activity{Action: row.Action, Changes: row.Changes})
		if err != nil {
			return err //nolint:wrapcheck // It names the activity.
		}
		if len(rows) == maxSince || cameOver(a) {
			u.conflict(s, "subtasks", row.Version)
			delete(roots, row.Root) // One conflict for each task.
		}
	}
	return nil
}

// cameOver reports whether a task was created, taken out of the trash, or moved to another parent.
func cameOver(a *history.Activity) bool {
	c := &a.Changes
	return a.Action == history.Created || c.Parent != nil || c.Trash != nil && c.Trash.To() == nil
}
