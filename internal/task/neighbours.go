package task

import (
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/workspace"
)

// neighbours are the siblings between which a task is, without those in the trash; nil at an end.
type neighbours struct{ after, before *uuid.UUID }

// The columns that selectNeighbours adds.
const (
	columnAfter  = "after_id"
	columnBefore = "before_id"
)

// selectNeighbours adds a task's neighbours to the columns of a query, for neighboursOf.
func (t *tx) selectNeighbours(s *sql.Selector) {
	for column, before := range map[string]bool{columnAfter: true, columnBefore: false} {
		s.AppendSelectExprAs(sql.ExprFunc(func(b *sql.Builder) { t.writeNeighbour(b, enttask.Table, before, nil) }), column)
	}
}

// writeNeighbour writes the id of the active sibling before a task, or after it: before or after the columns parent_id, position and id of
// a table. The siblings except are left out. It is uuid.Nil if there is none: SQLite's driver knows no type of null.
func (t *tx) writeNeighbour(b *sql.Builder, table string, before bool, except []uuid.UUID) {
	operator, direction := " > ", ""
	if before {
		operator, direction = " < ", " DESC"
	}
	sibling := func(parent string) {
		b.WriteString("(SELECT n.id FROM tasks n WHERE ").Join(workspace.Condition(t.Viewer, "n")).
			WriteString(" AND n.parent_id " + parent + " AND n.deleted_at IS NULL" +
				" AND (n.position, n.id)" + operator + "(" + table + ".position, " + table + ".id)")
		if len(except) > 0 {
			b.WriteString(" AND n.id NOT IN (").Args(workspace.AnySlice(except)...).WriteByte(')')
		}
		b.WriteString(" ORDER BY n.parent_id" + direction + ", n.position" + direction + ", n.id" + direction + " LIMIT 1)")
	}
	// Two queries, because no index is used for IS NOT DISTINCT FROM.
	b.WriteString("coalesce(CASE WHEN " + table + ".parent_id IS NULL THEN ")
	sibling("IS NULL")
	b.WriteString(" ELSE ")
	sibling("= " + table + ".parent_id")
	b.WriteString(" END, '" + uuid.Nil.String() + "')")
}

// neighboursOf returns the neighbours of a task that was read with selectNeighbours.
func neighboursOf(e *ent.Task) (neighbours, error) {
	var n neighbours
	for column, neighbour := range map[string]**uuid.UUID{columnAfter: &n.after, columnBefore: &n.before} {
		id, err := idValue(e, column)
		if err != nil {
			return n, err
		}
		if id != uuid.Nil {
			*neighbour = &id
		}
	}
	return n, nil
}
