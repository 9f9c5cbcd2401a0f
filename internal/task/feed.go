package task

import (
	"context"
	"errors"
	"fmt"

	"taskql/ent"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// feedKinds returns what tasks and tags add to the feed of changes.
func (s *Service) feedKinds() []workspace.FeedKind {
	return []workspace.FeedKind{
		{Kind: workspace.KindTag, Order: 1, Table: enttag.Table, Columns: tagColumns.names(), Read: s.changedTags},
		{Kind: workspace.KindTask, Order: 2, Table: enttask.Table, Columns: taskColumns.names(), Read: s.changedTasks},
	}
}

// names returns the names of the columns.
func (t table[E]) names() []string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return names
}

// errEnoughText ends the reading of a page whose long texts fill it.
var errEnoughText = errors.New("the page has enough text")

// changedTasks reads tasks for the feed, those in the trash included.
func (s *Service) changedTasks(ctx context.Context, v viewer.Viewer, in workspace.FeedRange, columns []string) ([]workspace.FeedRow, bool, error) {
	if len(columns) > 0 {
		columns = workspace.FeedColumns(columns)
	}
	// The quota of the request would fail, and the page would never be read. This one cuts it.
	left, rows := in.TextBytes, 0
	ctx = context.WithValue(ctx, TextQuotaKey{}, TextQuota(func(bytes int) error {
		left -= bytes
		if rows++; in.TextBytes > 0 && left < 0 && rows > 1 {
			return errEnoughText
		}
		return nil
	}))
	key := queryKey{name: "changed tasks " + in.Key(), args: in.Args()}
	tasks, err := (&list{service: s, viewer: v}).rows(ctx, columns, key, 0, in.Restrict)
	enough := errors.Is(err, errEnoughText)
	if err != nil && !enough {
		return nil, false, err
	}
	return feedRows(tasks, in.Limit, enough, func(t *ent.Task) workspace.FeedRow {
		return workspace.FeedRow{Version: t.Version, ID: t.ID, UpdatedAt: t.UpdatedAt, Value: t}
	})
}

// changedTags reads tags for the feed.
func (s *Service) changedTags(ctx context.Context, v viewer.Viewer, in workspace.FeedRange, columns []string) ([]workspace.FeedRow, bool, error) {
	q := s.client.Tag.Query().Where(workspace.Scope(v), in.Restrict)
	if len(columns) > 0 {
		q.Select(workspace.FeedColumns(columns)...)
	}
	tags, err := q.All(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("reading tags: %w", err)
	}
	return feedRows(tags, in.Limit, false, func(t *ent.Tag) workspace.FeedRow {
		return workspace.FeedRow{Version: t.Version, ID: t.ID, UpdatedAt: t.UpdatedAt, Value: t}
	})
}

// feedRows returns the first rows, and whether there are more.
func feedRows[T any](rows []*T, limit int, more bool, row func(*T) workspace.FeedRow) ([]workspace.FeedRow, bool, error) {
	more = more || len(rows) > limit
	all := make([]workspace.FeedRow, min(len(rows), limit))
	for i := range all {
		all[i] = row(rows[i])
	}
	return all, more, nil
}
