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

// idText is the length of an id as text.
const idText = 36

// parseID parses an id in its usual form of 36 characters, the only one that is accepted.
func parseID(id string) (uuid.UUID, bool) {
	if len(id) != idText {
		return uuid.Nil, false
	}
	u, err := uuid.Parse(id)
	return u, err == nil
}

// Get returns the task with that id, also where it is in the trash; else workspace.ErrNotFound. Only those columns are read, all
// where there are none.
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

// GetMany returns the tasks with those ids, in one statement, by id. What does not exist is missing from the map, and
// so is what is not the viewer's. Only those columns are read, all where there are none.
func (s *Service) GetMany(ctx context.Context, v viewer.Viewer, ids []string, columns ...string) (map[string]*ent.Task, error) {
	return many(ids, func(ids []uuid.UUID) (map[uuid.UUID]*ent.Task, error) { return s.ByID(ctx, v, ids, columns) })
}

// many reads things by their ids as clients write them, each once.
func many[T any](ids []string, read func([]uuid.UUID) (map[uuid.UUID]T, error)) (map[string]T, error) {
	set, _ := uniqueIDs(ids)
	found, err := read(set)
	if err != nil {
		return nil, err
	}
	named := make(map[string]T, len(ids))
	for _, id := range ids {
		if u, ok := workspace.ParseID(id); ok {
			if t, ok := found[u]; ok {
				named[id] = t
			}
		}
	}
	return named, nil
}

// ByID returns the tasks with those ids, also where they are in the trash: only those columns, all where there are none.
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
