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

// Locate returns in which of some workspaces the objects of these tables are, by one statement; it leaves out ids that no object there
// has. What strangers have is left out by the database, so that it takes no longer than what nobody has.
func (s *Service) Locate(ctx context.Context, workspaceIDs []string, ids []uuid.UUID, tables ...string) (map[uuid.UUID]string, error) {
	found := make(map[uuid.UUID]string, len(ids))
	if len(ids) == 0 || len(workspaceIDs) == 0 {
		return found, nil
	}
	b := &sql.Builder{}
	b.SetDialect(s.Dialect)
	// The objects are found by their ids, whatever the planner expects of the workspaces.
	b.WriteString("WITH located AS MATERIALIZED (")
	for i, table := range tables {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		b.WriteString("SELECT id, " + column + " FROM " + table + " WHERE id IN (").Args(AnySlice(ids)...).WriteString(")")
	}
	b.WriteString(") SELECT id, " + column + " FROM located WHERE " + column + " IN (").Args(AnySlice(workspaceIDs)...).WriteString(")")
	query, args := b.Query()
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
