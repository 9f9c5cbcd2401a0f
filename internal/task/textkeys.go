package task

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"taskql/ent"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	entworkspace "taskql/ent/workspace"
	"taskql/internal/history"
	"taskql/internal/keyset"
	"taskql/internal/text"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// textKeys returns the key by which a task with this title and description is sorted, and the text that search looks in.
// Titles that differ only in accents have the same key, and sort by their ids.
func textKeys(title string, description *string) ([]byte, string) {
	all := title + "\n"
	folded := text.FoldAccents(title)
	search := folded + "\n"
	if description != nil {
		all += *description
		search += text.FoldAccents(*description)
	}
	if previous := previousFold(all); previous != "" && previous != search {
		search += "\n" + previous
	}
	return text.SortKey(folded), search
}

// previousFold returns the text that the previous release looks for words in; "" for ASCII, for which both releases look in
// the same. It is stored beside this release's, so that the previous release finds words with accents during a deployment
// and after a rollback. The next release can do without it.
func previousFold(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return ""
	}
	return cases.Fold().String(norm.NFC.String(s))
}

// The previous release makes other keys of titles and names, and can write at any time: before this release was installed,
// during a deployment, and after a rollback. Rows with such keys can be listed and changed, until RefreshKeys writes this
// release's keys. It reads only rows with a version above workspaces.keys_version: up to that version all keys are current.

// keysBatch is how many tasks RefreshKeys reads at a time, and how many it changes at most while their workspace is locked,
// which takes tens of milliseconds.
const keysBatch = 200

// RefreshKeys writes the keys of tasks and tags that another release has written. It can be interrupted, and any number of
// replicas may run it at the same time. If it fails in a workspace, it continues with the others; the error joins all
// failures.
func (s *Service) RefreshKeys(ctx context.Context) error {
	var failed []error
	for last := ""; ; {
		behind, err := s.client.Workspace.Query().
			Where(entworkspace.IDGT(last), entworkspace.ClosedAtIsNil(), func(s *sql.Selector) {
				s.Where(sql.ColumnsLT(s.C(entworkspace.FieldKeysVersion), s.C(entworkspace.FieldVersion)))
			}).
			Order(entworkspace.ByID()).Limit(workspace.BatchSize).All(ctx)
		if err != nil {
			return errors.Join(append(failed, fmt.Errorf("reading workspaces: %w", err))...)
		}
		for _, w := range behind {
			if err := s.refreshWorkspace(ctx, w); err != nil {
				failed = append(failed, fmt.Errorf("writing the keys of workspace %q: %w", w.ID, err))
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			last = w.ID
		}
		if len(behind) < workspace.BatchSize {
			return errors.Join(failed...)
		}
	}
}

// refreshWorkspace writes the keys of what has changed after w.KeysVersion and up to w.Version.
func (s *Service) refreshWorkspace(ctx context.Context, w *ent.Workspace) error {
	v := viewer.Viewer{WorkspaceID: w.ID}
	if err := s.refreshTags(ctx, v, w); err != nil {
		return err
	}
	version, id := w.KeysVersion, uuid.Max
	for {
		rows, err := s.client.Task.Query().
			Where(workspace.Scope(v), enttask.VersionLTE(w.Version), func(s *sql.Selector) {
				s.Where(keyset.CompareRows(s, []string{enttask.FieldVersion, enttask.FieldID}, sql.OpGT, version, id))
			}).
			Order(enttask.ByVersion(), enttask.ByID()).Limit(keysBatch).
			Select(enttask.FieldVersion, enttask.FieldTitle, enttask.FieldDescription, enttask.FieldTitleKey, enttask.FieldSearchText).
			All(ctx)
		if err != nil {
			return fmt.Errorf("reading tasks: %w", err)
		}
		if wrong := slices.DeleteFunc(slices.Clone(rows), hasCurrentKeys); len(wrong) > 0 {
			err := s.applyChange(ctx, v, history.Server, func(t *tx) error { return t.refreshTasks(ctx, idsOf(wrong)) })
			if err != nil {
				return err
			}
		}
		if len(rows) < keysBatch {
			break
		}
		version, id = rows[len(rows)-1].Version, rows[len(rows)-1].ID
	}
	// Another replica may have got further.
	err := s.client.Workspace.Update().Where(entworkspace.ID(w.ID), entworkspace.KeysVersionLT(w.Version)).SetKeysVersion(w.Version).Exec(ctx)
	if err != nil {
		return fmt.Errorf("writing keys_version: %w", err)
	}
	return nil
}

// hasCurrentKeys reports whether a task's keys are this release's.
func hasCurrentKeys(e *ent.Task) bool {
	key, search := textKeys(e.Title, e.Description)
	return bytes.Equal(e.TitleKey, key) && e.SearchText == search
}

// refreshTasks writes the keys of those of the tasks that have other keys. The workspace gets a new version, because lists may
// change. The tasks keep theirs, because nothing that clients see of them changes.
func (t *tx) refreshTasks(ctx context.Context, ids []uuid.UUID) error {
	rows, err := t.tasks().Where(enttask.IDIn(ids...)).All(ctx)
	if err != nil {
		return fmt.Errorf("reading tasks: %w", err)
	}
	for _, e := range rows {
		if hasCurrentKeys(e) {
			continue
		}
		key, search := textKeys(e.Title, e.Description)
		if err := t.Task.Update().Where(workspace.Scope(t.Viewer), enttask.ID(e.ID)).SetTitleKey(key).SetSearchText(search).Exec(ctx); err != nil {
			return fmt.Errorf("updating a task's keys: %w", err)
		}
		t.MarkChanged()
	}
	return nil
}

// refreshTags writes the keys of all tags of w, if one that changed after w.KeysVersion has another key.
func (s *Service) refreshTags(ctx context.Context, v viewer.Viewer, w *ent.Workspace) error {
	changed, err := s.client.Tag.Query().Where(workspace.Scope(v), enttag.VersionGT(w.KeysVersion), enttag.VersionLTE(w.Version)).All(ctx)
	if err != nil {
		return fmt.Errorf("reading tags: %w", err)
	}
	if !slices.ContainsFunc(changed, func(tag *ent.Tag) bool { return !hasCurrentKey(tag) }) {
		return nil
	}
	return s.applyChange(ctx, v, history.Server, func(t *tx) error {
		tags, err := t.tags().Order(enttag.ByCreatedAt(), enttag.ByID()).All(ctx)
		if err != nil {
			return fmt.Errorf("reading tags: %w", err)
		}
		used := make(map[string]bool, len(tags))
		for _, tag := range tags {
			used[string(tag.NameKey)] = true
		}
		for _, tag := range tags {
			if hasCurrentKey(tag) {
				continue
			}
			key := text.NameKey(text.Fold(tag.Name))
			for used[string(key)] {
				key = append(key, duplicateSuffix)
			}
			used[string(key)] = true
			if err := t.Tag.Update().Where(workspace.Scope(v), enttag.ID(tag.ID)).SetNameKey(key).Exec(ctx); err != nil {
				return fmt.Errorf("updating a tag's key: %w", err)
			}
			t.MarkChanged()
		}
		return nil
	})
}

// duplicateSuffix ends the key of a tag that has the name of another tag. Only the previous release allowed that, for names
// that look the same. Both tags stay until somebody renames or deletes one.
const duplicateSuffix = 0

// hasCurrentKey reports whether a tag's key is this release's.
func hasCurrentKey(tag *ent.Tag) bool {
	suffix, ok := bytes.CutPrefix(tag.NameKey, text.NameKey(text.Fold(tag.Name)))
	return ok && bytes.Count(suffix, []byte{duplicateSuffix}) == len(suffix)
}
