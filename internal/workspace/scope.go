package workspace

import (
	"entgo.io/ent/dialect/sql"

	"taskql/internal/viewer"
)

// column is the column that every row of a workspace has.
const column = "workspace_id"

// Scope limits a query, an update or a delete to the rows of v's workspace. It is a predicate of any of ent's entities, and
// can also be applied to a selector:
//
//	client.Tag.Query().Where(workspace.Scope(v))
//	workspace.Scope(v)(selector)
func Scope(v viewer.Viewer) func(*sql.Selector) {
	return func(s *sql.Selector) { s.Where(sql.EQ(s.C(column), v.WorkspaceID)) }
}

// ScopeOf is Scope for several workspaces: those to which a user belongs, or has belonged if only the user's own rows are read.
func ScopeOf(workspaceIDs []string) func(*sql.Selector) {
	ids := AnySlice(workspaceIDs)
	return func(s *sql.Selector) { s.Where(sql.In(s.C(column), ids...)) }
}

// AnySlice returns the values as the arguments of a statement.
func AnySlice[T any](values []T) []any {
	all := make([]any, len(values))
	for i, v := range values {
		all[i] = v
	}
	return all
}

// Condition is Scope for statements that are written by hand. The table is its name or alias in the statement; it may be
// empty if only one table has the column:
//
//	b.WriteString("SELECT id FROM tags t WHERE ").Join(workspace.Condition(v, "t"))
func Condition(v viewer.Viewer, table string) *sql.Predicate {
	return sql.P(func(b *sql.Builder) {
		if table != "" {
			b.WriteString(table).WriteByte('.')
		}
		b.WriteString(column).WriteString(" = ").Arg(v.WorkspaceID)
	})
}
