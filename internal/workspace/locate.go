package workspace

import (
	"context"
	"fmt"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
)

// Tables are the tables of objects that have an id of their own, by what Locate calls them.
const (
	TableTasks       = "tasks"
	TableTags        = "tags"
	TableRecurrences = "recurrences"
	TableReminders   = "reminders"
	TableProjects    = "projects"
	TableSections    = "sections"
)

// Locate returns in which workspaces the objects of these tables are, by one statement; it leaves out ids that no object has. It is for
// package access, which keeps to itself what the viewer may not know.
func (s *Service) Locate(ctx context.Context, ids []uuid.UUID, tables ...string) (map[uuid.UUID]string, error) {
	found := make(map[uuid.UUID]string, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	values := make([]any, len(ids))
	for i, id := range ids {
		values[i] = id
	}
	var all *sql.Selector
	for _, table := range tables {
		t := sql.Dialect(s.Dialect).Table(table)
		q := sql.Dialect(s.Dialect).Select(t.C("id"), t.C(column)).From(t)
		q.Where(sql.In(t.C("id"), values...))
		if all == nil {
			all = q
		} else {
			all.UnionAll(q)
		}
	}
	query, args := all.Query()
	rows, err := s.Client.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("looking for objects: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id uuid.UUID
		var workspaceID string
		if err := rows.Scan(&id, &workspaceID); err != nil {
			return nil, fmt.Errorf("looking for objects: %w", err)
		}
		found[id] = workspaceID
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("looking for objects: %w", err)
	}
	return found, nil
}
