package graph

import (
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// Documents is how many documents have plans.
func (a *API) Documents() int { return a.executable().plans.Documents() }

// Unwritten lists the fields of the schema's object types that have no entry in the table of what is written.
func (a *API) Unwritten() []string {
	var missing []string
	s := a.executable().Schema()
	for name, def := range s.Types {
		if def.Kind != ast.Object || def.BuiltIn || def == s.Query || def == s.Mutation || def == s.Subscription {
			continue
		}
		for _, f := range def.Fields {
			if !a.executable().plans.Knows(name, f.Name) {
				missing = append(missing, name+"."+f.Name)
			}
		}
	}
	return missing
}

func (a *API) executable() schema {
	s, _ := a.Schema.(schema)
	return s
}

// LoadedFields are those that a selection without needs nothing loaded for.
func LoadedFields() []string { return slices.Clone(loadedFields) }

// LoadedByTables lists the fields of tasks and tags whose values are no columns of their own rows, by the tables of columns.
func LoadedByTables() []string {
	loaded := []string{"parent"} // It has a column, and more than that.
	for _, table := range []map[string][]string{taskColumns, tagColumns} {
		for name, columns := range table {
			if len(columns) == 0 && name != "id" && name != "__typename" {
				loaded = append(loaded, name)
			}
		}
	}
	return loaded
}
