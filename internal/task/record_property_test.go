package task_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/history"
)

// checkActivities checks that the activities of a version say every difference between the states before and after it, and no other.
func (m *undoModel) checkActivities(t *testing.T, version int, before, after undoState) {
	t.Helper()
	activities := map[uuid.UUID]*history.Activity{}
	trashed := map[uuid.UUID]bool{} // With which tasks others were deleted or restored.
	for _, a := range m.activities(m.ctx, t, m.v, version) {
		activities[a.TaskID] = a
		if c := a.Changes.Trash; c != nil {
			for _, trash := range c {
				if trash != nil {
					trashed[*trash.With] = true
				}
			}
		}
	}
	for _, id := range m.ids {
		b, a, activity := before.tasks[id], after.tasks[id], activities[id]
		switch {
		case a == nil && activity != nil:
			t.Errorf("version %d: %s does not exist, and has an activity: %+v", version, id, activity)
		case b == nil && a != nil && (activity == nil || activity.Action != history.Created):
			t.Errorf("version %d: %s was created, and its activity is %+v", version, id, activity)
		case a != nil && b != nil:
			want := differences(b, a, before.tags[id], after.tags[id])
			if want.Trash != nil && activity == nil && trashed[*pickTrash(want.Trash).With] {
				want.Trash = nil // It went or came with the task that has the activity.
			}
			if want.Place != nil && activity == nil && a.UpdatedAt.Equal(b.UpdatedAt) {
				want.Place = nil // Others were moved.
			}
			var got history.Changes
			if activity != nil {
				got = plain(activity.Changes)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("version %d (%s): the activity of %s is not what has changed (-want +got):\n%s", version, after.what, id, diff)
			}
		}
	}
}

// differences returns the differences between two rows of a task.
func differences(b, a *ent.Task, tagsBefore, tagsAfter []uuid.UUID) history.Changes {
	var c history.Changes
	if b.Title != a.Title {
		c.Title = &history.Change[string]{b.Title, a.Title}
	}
	if !cmp.Equal(b.Description, a.Description) {
		c.Description = &history.Description{From: b.Description}
	}
	if b.Priority != a.Priority {
		c.Priority = &history.Change[int]{b.Priority, a.Priority}
	}
	if due := [2]*history.Due{dueOf(b), dueOf(a)}; !cmp.Equal(due[0], due[1]) {
		c.Due = (*history.Change[*history.Due])(&due)
	}
	if !cmp.Equal(b.ParentID, a.ParentID) {
		c.Parent = &history.Change[*uuid.UUID]{b.ParentID, a.ParentID}
	}
	if !bytes.Equal(b.Position, a.Position) || c.Parent != nil {
		c.Place = &history.Place{Position: history.Change[[]byte]{b.Position, a.Position}}
	}
	if !cmp.Equal(b.CompletedAt, a.CompletedAt) {
		c.CompletedAt = &history.Change[*time.Time]{b.CompletedAt, a.CompletedAt}
	}
	if !cmp.Equal(b.DeletedAt, a.DeletedAt) {
		c.Trash = &history.Change[*history.Trash]{trashOf(b), trashOf(a)}
	}
	minus := func(x, y []uuid.UUID) []history.Tag {
		var tags []history.Tag
		for _, id := range x {
			if !slices.Contains(y, id) {
				tags = append(tags, history.Tag{ID: id})
			}
		}
		return tags
	}
	if tags := (history.Tags{Added: minus(tagsAfter, tagsBefore), Removed: minus(tagsBefore, tagsAfter)}); len(tags.Added)+len(tags.Removed) > 0 {
		c.Tags = &tags
	}
	return c
}

// plain returns changes without what rows don't show.
func plain(c history.Changes) history.Changes {
	c.Final, c.Copied, c.Undoes, c.Skips, c.Named, c.Recurrence, c.NextID, c.RemovedNextID = false, false, 0, false, nil, nil, nil, nil
	if c.Place != nil {
		c.Place = &history.Place{Position: c.Place.Position}
	}
	if c.Tags != nil {
		unnamed := func(tags []history.Tag) []history.Tag {
			var ids []history.Tag
			for _, tag := range tags {
				ids = append(ids, history.Tag{ID: tag.ID})
			}
			slices.SortFunc(ids, func(a, b history.Tag) int { return bytes.Compare(a.ID[:], b.ID[:]) })
			return ids
		}
		c.Tags = &history.Tags{Added: unnamed(c.Tags.Added), Removed: unnamed(c.Tags.Removed)}
	}
	return c
}

func dueOf(e *ent.Task) *history.Due {
	if e.DueDate == nil {
		return nil
	}
	return &history.Due{Date: *e.DueDate, At: e.DueAt, TimeZone: e.DueTimeZone}
}

func trashOf(e *ent.Task) *history.Trash {
	if e.DeletedAt == nil {
		return nil
	}
	return &history.Trash{At: *e.DeletedAt, With: e.TrashedWith}
}

// pickTrash returns the state in the trash of a change into it or out of it.
func pickTrash(c *history.Change[*history.Trash]) *history.Trash {
	if c.To() != nil {
		return c.To()
	}
	return c.From()
}
