package task

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	"taskql/ent/workspace"
	"taskql/internal/viewer"
)

// The release before makes other keys of titles and names, and may write at any time: before this release was installed,
// beside it during a deployment, and after a rollback. Such rows are listed and changed as they are, until refreshKeys makes
// their keys. It reads only the rows with a version after workspaces.keys_version: all keys up to that version are right.

// keysBatch is how many tasks are read at once, and changed at most while their workspace is locked: for some tens of
// milliseconds.
const keysBatch = 200

// refreshKeys makes the keys of what another release wrote. It may be interrupted, and any number of replicas may run it at
// once. If it fails in a workspace, it goes on with the others; the error joins all failures.
func (s *Service) refreshKeys(ctx context.Context) error {
	var failed []error
	for last := ""; ; {
		behind, err := s.client.Workspace.Query().
			Where(workspace.IDGT(last), workspace.ClosedAtIsNil(), func(s *sql.Selector) {
				s.Where(sql.ColumnsLT(s.C(workspace.FieldKeysVersion), s.C(workspace.FieldVersion)))
			}).
			Order(workspace.ByID()).Limit(upkeepBatch).All(ctx)
		if err != nil {
			return errors.Join(append(failed, fmt.Errorf("reading workspaces: %w", err))...)
		}
		for _, w := range behind {
			if err := s.refreshWorkspace(ctx, w); err != nil {
				failed = append(failed, fmt.Errorf("making the keys of workspace %q: %w", w.ID, err))
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			last = w.ID
		}
		if len(behind) < upkeepBatch {
			return errors.Join(failed...)
		}
	}
}

// refreshWorkspace makes the keys of what has changed since keys_version, up to the version that w has.
func (s *Service) refreshWorkspace(ctx context.Context, w *ent.Workspace) error {
	v := viewer.Viewer{WorkspaceID: w.ID}
	if err := s.refreshTags(ctx, v, w); err != nil {
		return err
	}
	version, id := w.KeysVersion, uuid.Max
	for {
		rows, err := visible(s.client.Task.Query(), v).
			Where(enttask.VersionLTE(w.Version), func(s *sql.Selector) {
				s.Where(follows(s, []string{enttask.FieldVersion, enttask.FieldID}, false, false, version, id))
			}).
			Order(enttask.ByVersion(), enttask.ByID()).Limit(keysBatch).
			Select(enttask.FieldVersion, enttask.FieldTitle, enttask.FieldDescription, enttask.FieldTitleKey, enttask.FieldSearchText).
			All(ctx)
		if err != nil {
			return fmt.Errorf("reading tasks: %w", err)
		}
		if wrong := slices.DeleteFunc(slices.Clone(rows), hasRightKeys); len(wrong) > 0 {
			err := s.applyChange(ctx, v, func(t *tx) error { return t.refreshTasks(ctx, idsOf(wrong)) })
			if err != nil {
				return err
			}
		}
		if len(rows) < keysBatch {
			break
		}
		version, id = rows[len(rows)-1].Version, rows[len(rows)-1].ID
	}
	// Another replica may have come further.
	err := s.client.Workspace.Update().Where(workspace.ID(w.ID), workspace.KeysVersionLT(w.Version)).SetKeysVersion(w.Version).Exec(ctx)
	if err != nil {
		return fmt.Errorf("noting how far the keys are right: %w", err)
	}
	return nil
}

func hasRightKeys(e *ent.Task) bool {
	key, text := textKeys(e.Title, e.Description)
	return bytes.Equal(e.TitleKey, key) && e.SearchText == text
}

// refreshTasks makes the keys of those tasks that still have others. The workspace gets a new version, since lists may change.
// The tasks keep theirs, since clients see nothing new of them.
func (t *tx) refreshTasks(ctx context.Context, ids []uuid.UUID) error {
	rows, err := t.tasks().Where(enttask.IDIn(ids...)).All(ctx)
	if err != nil {
		return fmt.Errorf("reading tasks: %w", err)
	}
	for _, e := range rows {
		if hasRightKeys(e) {
			continue
		}
		key, text := textKeys(e.Title, e.Description)
		if err := t.Task.Update().Where(enttask.WorkspaceID(e.WorkspaceID), enttask.ID(e.ID)).SetTitleKey(key).SetSearchText(text).Exec(ctx); err != nil {
			return fmt.Errorf("updating a task's keys: %w", err)
		}
		t.changed = true
	}
	return nil
}

// refreshTags makes the keys of the workspace's tags, if any of those that have changed since keys_version has another.
func (s *Service) refreshTags(ctx context.Context, v viewer.Viewer, w *ent.Workspace) error {
	changed, err := visibleTags(s.client.Tag.Query(), v).Where(enttag.VersionGT(w.KeysVersion), enttag.VersionLTE(w.Version)).All(ctx)
	if err != nil {
		return fmt.Errorf("reading tags: %w", err)
	}
	if !slices.ContainsFunc(changed, func(tag *ent.Tag) bool { return !hasRightKey(tag) }) {
		return nil
	}
	return s.applyChange(ctx, v, func(t *tx) error {
		tags, err := t.tags().Order(enttag.ByCreatedAt(), enttag.ByID()).All(ctx)
		if err != nil {
			return fmt.Errorf("reading tags: %w", err)
		}
		used := make(map[string]bool, len(tags))
		for _, tag := range tags {
			used[string(tag.NameKey)] = true
		}
		for _, tag := range tags {
			if hasRightKey(tag) {
				continue
			}
			key := nameKey(fold(tag.Name))
			for used[string(key)] {
				key = append(key, sameName)
			}
			used[string(key)] = true
			if err := t.Tag.Update().Where(enttag.WorkspaceID(v.WorkspaceID), enttag.ID(tag.ID)).SetNameKey(key).Exec(ctx); err != nil {
				return fmt.Errorf("updating a tag's key: %w", err)
			}
			t.changed = true
		}
		return nil
	})
}

// sameName ends the key of a tag whose name is another tag's, too. Only the release before allowed that, to names that look
// the same. Both tags stay until somebody renames or deletes one.
const sameName = 0

// hasRightKey reports whether a tag's key is that of its name.
func hasRightKey(tag *ent.Tag) bool {
	more, ok := bytes.CutPrefix(tag.NameKey, nameKey(fold(tag.Name)))
	return ok && bytes.Count(more, []byte{sameName}) == len(more)
}
