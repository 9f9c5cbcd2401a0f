package task

import (
	"context"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/predicate"
	enttask "taskql/ent/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// Get returns the task with that id, whether or not it is in the trash, or workspace.ErrNotFound. It reads the columns, or all
// if there are none.
func (s *Service) Get(ctx context.Context, v viewer.Viewer, id string, columns ...string) (*ent.Task, error) {
	u, ok := workspace.ParseID(id)
	if !ok {
		return nil, workspace.ErrNotFound
	}
	found, err := s.ByID(ctx, v, []uuid.UUID{u}, columns)
	if err != nil {
		return nil, err
	}
	if t, ok := found[u]; ok {
		return t, nil
	}
	return nil, workspace.ErrNotFound
}

// GetMany is Get for many ids, in one statement. Tasks that don't exist or aren't the viewer's are missing from the map.
func (s *Service) GetMany(ctx context.Context, v viewer.Viewer, ids []string, columns ...string) (map[string]*ent.Task, error) {
	return workspace.ByID(ids, func(ids []uuid.UUID) (map[uuid.UUID]*ent.Task, error) { return s.ByID(ctx, v, ids, columns) })
}

// ByID is GetMany for parsed ids.
func (s *Service) ByID(ctx context.Context, v viewer.Viewer, ids []uuid.UUID, columns []string) (map[uuid.UUID]*ent.Task, error) {
	found := make(map[uuid.UUID]*ent.Task, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	all := &list{service: s, viewer: v}
	tasks, err := all.rows(ctx, columns, s.keyOfIDs("task", "tasks", ids), len(ids), idsAmong(enttask.FieldID, ids))
	if err != nil {
		return nil, err
	}
	for _, t := range tasks {
		found[t.ID] = t
	}
	return found, nil
}

func idsAmong(column string, ids []uuid.UUID) predicate.Task {
	return func(s *sql.Selector) { s.Where(among(s, s.C(column), ids)) }
}
