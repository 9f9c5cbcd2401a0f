package history

import (
	"context"
	"fmt"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/activity"
	"taskql/internal/workspace"
)

// OfVersion returns the activities of one change, at most limit of them. Their descriptions lack To.
func OfVersion(ctx context.Context, t *workspace.Tx, version, limit int) ([]*Activity, error) {
	rows, err := t.Activity.Query().Where(workspace.Scope(t.Viewer), activity.Version(version)).
		Order(activity.ByTaskID()).Limit(limit).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the activities of a change: %w", err)
	}
	return fromRows(rows)
}

// Since returns the activities that tasks have after a version, the newest first, at most limit of them. Their descriptions lack To.
func Since(ctx context.Context, t *workspace.Tx, version int, tasks []uuid.UUID, limit int) ([]*Activity, error) {
	rows, err := t.Activity.Query().
		Where(workspace.Scope(t.Viewer), activity.TaskIDIn(tasks...), activity.VersionGT(version)).
		Order(activity.ByVersion(sql.OrderDesc()), activity.ByTaskID()).Limit(limit).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the later activities of tasks: %w", err)
	}
	return fromRows(rows)
}

// LastSkipped returns the number of the occurrence that a task was when its last skip took it out of its series; 0 if that did not
// happen, or is too long ago.
func LastSkipped(ctx context.Context, t *workspace.Tx, task uuid.UUID) (int, error) {
	rows, err := t.Activity.Query().Where(workspace.Scope(t.Viewer), activity.TaskID(task), activity.Action(string(Skipped))).
		Order(activity.ByVersion(sql.OrderDesc())).Limit(1).All(ctx)
	if err != nil {
		return 0, fmt.Errorf("looking for a skipped occurrence: %w", err)
	}
	skips, err := fromRows(rows)
	if err != nil || len(skips) == 0 {
		return 0, err
	}
	if c := skips[0].Changes.Recurrence; c != nil && c.From() != nil && c.To() == nil {
		return c.From().Number, nil
	}
	return 0, nil
}

func fromRows(rows []*ent.Activity) ([]*Activity, error) {
	all := make([]*Activity, len(rows))
	for i, row := range rows {
		var err error
		if all[i], err = FromRow(row); err != nil {
			return nil, err
		}
	}
	return all, nil
}
