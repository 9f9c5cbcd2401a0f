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
