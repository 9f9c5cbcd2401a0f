package task

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/predicate"
	enttag "taskql/ent/tag"
	"taskql/ent/tasktag"
	"taskql/internal/history"
	"taskql/internal/workspace"
)

// tagList is a list of tags in an input.
type tagList struct {
	// field is its name in errors, and input are the client's ids.
	field string
	input []string
	// ids are the input's, each once. They are set by resolve.
	ids []uuid.UUID
}

// checkTagLists refuses lists that are longer than the limit of tags. Otherwise each unknown tag would get its own violation, and a
// request of one megabyte a response of twenty.
func checkTagLists(errs *workspace.Violations, limits Limits, lists ...*tagList) {
	for _, l := range lists {
		if n := len(l.input); n > limits.Tags {
			errs.Add(workspace.CodeLimitExceeded, l.field, "A workspace has at most %d tags; these are %d.", limits.Tags, n)
		}
	}
}

// resolve sets the ids of lists of tags, with one statement, and adds their names to the transaction's. It adds a violation for each tag that doesn't exist.
func (t *tx) resolve(ctx context.Context, errs *workspace.Violations, lists ...*tagList) error {
	var all []uuid.UUID
	for _, l := range lists {
		ids, _ := workspace.ParseIDs(l.input)
		all, l.ids = append(all, ids...), nil // A change may be applied again.
	}
	exists := map[uuid.UUID]bool{}
	if len(all) > 0 {
		tags, err := t.tags().Where(enttag.IDIn(all...)).Select(enttag.FieldName).All(ctx)
		if err != nil {
			return fmt.Errorf("looking up tags: %w", err)
		}
		for _, tag := range tags {
			exists[tag.ID] = true
			t.nameTag(tag.ID, tag.Name)
		}
	}
	listed := map[uuid.UUID]*tagList{}
	for _, l := range lists {
		for i, id := range l.input {
			u, ok := workspace.ParseID(id)
			switch {
			case !ok || !exists[u]:
				errs.Add(workspace.CodeNotFound, workspace.Element(l.field, i), "There is no such tag.")
			case listed[u] == nil:
				listed[u], l.ids = l, append(l.ids, u)
			case listed[u] != l:
				errs.Add(workspace.CodeInvalid, workspace.Element(l.field, i), "This tag is to be added and removed at once.")
			}
		}
	}
	return nil
}

// tagIDsOf reads the ids of each task's tags, and adds their names to the transaction's.
func (t *tx) tagIDsOf(ctx context.Context, tasks []*ent.Task) (map[uuid.UUID][]uuid.UUID, error) {
	if len(tasks) == 0 {
		return nil, nil //nolint:nilnil // Nothing to read.
	}
	b := workspace.Statement()
	b.WriteString("SELECT tt.task_id, tt.tag_id, g.name FROM task_tags tt JOIN tags g ON g.id = tt.tag_id WHERE ").
		Join(workspace.Condition(t.Viewer, "tt")).WriteString(" AND tt.task_id IN (").Args(workspace.AnySlice(idsOf(tasks))...).WriteString(")")
	var rows []struct {
		TaskID uuid.UUID `sql:"task_id"`
		TagID  uuid.UUID `sql:"tag_id"`
		Name   string    `sql:"name"`
	}
	if err := t.Select(ctx, &rows, b); err != nil {
		return nil, fmt.Errorf("reading the tags of tasks: %w", err)
	}
	carried := make(map[uuid.UUID][]uuid.UUID, len(tasks))
	for _, row := range rows {
		carried[row.TaskID] = append(carried[row.TaskID], row.TagID)
		t.nameTag(row.TagID, row.Name)
	}
	return carried, nil
}

// nameTag keeps the name of a tag that the change has read.
func (t *tx) nameTag(id uuid.UUID, name string) {
	if t.knownTags == nil {
		t.knownTags = map[uuid.UUID]string{}
	}
	t.knownTags[id] = name
}

// namedTags returns tags with the names that the change has read.
func (t *tx) namedTags(ids []uuid.UUID) []history.Tag {
	tags := make([]history.Tag, len(ids))
	for i, id := range ids {
		tags[i] = history.Tag{ID: id, Name: t.knownTags[id]}
	}
	return tags
}

// difference returns the ids that are in a and not in b.
func difference(a, b []uuid.UUID) []uuid.UUID {
	return slices.DeleteFunc(slices.Clone(a), func(id uuid.UUID) bool { return slices.Contains(b, id) })
}

// intersection returns the ids that are in a and in b, in the order of a.
func intersection(a, b []uuid.UUID) []uuid.UUID {
	return slices.DeleteFunc(slices.Clone(a), func(id uuid.UUID) bool { return !slices.Contains(b, id) })
}

// tagChanges are the tags to add to each task, and to remove from it.
type tagChanges struct{ add, remove map[uuid.UUID][]uuid.UUID }

func (c tagChanges) set(task uuid.UUID, add, remove []uuid.UUID) {
	if len(add) > 0 {
		c.add[task] = add
	}
	if len(remove) > 0 {
		c.remove[task] = remove
	}
}

// apply makes the changes of these tasks, with one statement for each kind, and returns the tasks that changed.
func (c tagChanges) apply(ctx context.Context, t *tx, tasks []*ent.Task) (map[uuid.UUID]bool, error) {
	changed := map[uuid.UUID]bool{}
	added := map[uuid.UUID][]uuid.UUID{}
	var removed []predicate.TaskTag
	for _, e := range tasks {
		if len(c.add[e.ID])+len(c.remove[e.ID]) > 0 {
			t.recordTags(e.ID, t.namedTags(c.add[e.ID]), t.namedTags(c.remove[e.ID]))
		}
		if tags := c.add[e.ID]; len(tags) > 0 {
			added[e.ID], changed[e.ID] = tags, true
		}
		if tags := c.remove[e.ID]; len(tags) > 0 {
			removed, changed[e.ID] = append(removed, tasktag.And(tasktag.TaskID(e.ID), tasktag.TagIDIn(tags...))), true
		}
	}
	if len(removed) > 0 {
		if _, err := t.TaskTag.Delete().Where(workspace.Scope(t.Viewer), tasktag.Or(removed...)).Exec(ctx); err != nil {
			return nil, fmt.Errorf("removing tags from tasks: %w", err)
		}
	}
	return changed, t.insertTags(ctx, added)
}

// insertTags adds tags to tasks, with one statement.
func (t *tx) insertTags(ctx context.Context, tags map[uuid.UUID][]uuid.UUID) error {
	var rows []*ent.TaskTagCreate
	for task, ids := range tags {
		for _, id := range ids {
			rows = append(rows, t.TaskTag.Create().SetTaskID(task).SetTagID(id).SetWorkspaceID(t.Viewer.WorkspaceID))
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if err := t.TaskTag.CreateBulk(rows...).Exec(ctx); err != nil {
		return fmt.Errorf("adding tags to tasks: %w", err)
	}
	return nil
}
