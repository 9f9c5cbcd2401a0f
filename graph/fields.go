package graph

import (
	"slices"

	enttask "taskql/ent/task"
	"taskql/graph/selection"
	"taskql/internal/keyset"
	"taskql/internal/task"
	"taskql/internal/workspace"
)

// The table of output fields has one entry for each field of each object type, in the file of its entity; what several entities
// have is here. An entry says how the field is encoded, and
//
//	From(…)           which columns of the object's row it needs
//	Loaded…(load…)    its batch loader, if the value is not in the object
//	ChangesWithTime   that the clock changes it, for ETags and changes
//	OfRow             that its object gets a new version if it is something else, although it is loaded: it can be selected in changes
//
// A type is marked Unversioned if the workspace's version doesn't cover its rows, also for ETags. All else that a request needs
// is derived from the table when its selection is compiled.

type (
	objectType = selection.Type[*rootField]
	fields     = selection.Fields[*rootField]
	set        = selection.Set[*rootField]
	selected   = selection.Selected[*rootField]
)

// objectTypes are all of the schema, but the root types and those of introspection.
func objectTypes() []objectType {
	types := slices.Concat(commonTypes(), changeTypes(), taskListPatchTypes(), activityTypes(), previewTypes())
	for _, e := range entities {
		types = append(types, e.types()...)
	}
	return types
}

// commonTypes are those that belong to no entity.
func commonTypes() []objectType {
	return []objectType{
		selection.Of[keyset.PageInfo]("PageInfo", fields{
			"hasNextPage":     readBoolean((*keyset.PageInfo).HasNextPage),
			"hasPreviousPage": readBoolean((*keyset.PageInfo).HasPreviousPage),
			"startCursor":     nullable(func(p *keyset.PageInfo) *string { return p.StartCursor }, selection.AppendString),
			"endCursor":       nullable(func(p *keyset.PageInfo) *string { return p.EndCursor }, selection.AppendString),
		}),
		selection.Of[workspace.UserError]("UserError", fields{
			"code":    text(func(e *workspace.UserError) workspace.Code { return e.Code }),
			"message": text(func(e *workspace.UserError) string { return e.Message }),
			"field":   leaf(func(b []byte, e *workspace.UserError) []byte { return appendStrings(b, e.Field) }),
		}),
	}
}

// connectionTypes are the types of the pages of a list and of their edges, for an object type that has nothing else there.
func connectionTypes[T any](name string) []objectType {
	return []objectType{
		selection.Of[keyset.Page[*T]](name+"Connection", fields{
			"edges":      list(func(p *keyset.Page[*T]) []*keyset.Edge[*T] { return p.Edges }),
			"nodes":      list((*keyset.Page[*T]).Nodes),
			"pageInfo":   object(func(p *keyset.Page[*T]) *keyset.PageInfo { return p.PageInfo }),
			"totalCount": readInteger((*keyset.Page[*T]).TotalCount),
		}).Derive(pageOf),
		edgeType[T](name),
	}
}

// edgeType is the type of an edge of a connection.
func edgeType[T any](name string) objectType {
	return selection.Of[keyset.Edge[*T]](name+"Edge", fields{
		"cursor": text(func(e *keyset.Edge[*T]) string { return e.Cursor }),
		"node":   object(func(e *keyset.Edge[*T]) *T { return e.Node }),
	})
}

// pageSelection is what is selected of a page of a list.
type pageSelection struct {
	task.Selection

	// total and previous report whether the number of rows and hasPreviousPage are selected.
	total, previous bool
}

// pageOf derives from the selection set of a connection what has to be read of a page.
func pageOf(s *set) any {
	p := pageSelection{
		Selection: task.Selection{
			Columns:    columnsOf(append(s.Below("nodes"), s.Below("edges", "node")...)),
			CountsOnly: !s.Selects("nodes", "edges", "pageInfo"),
			Facets:     facetsOf(s),
			TagColumns: columnsOf(s.Below("facets", "byTag", "tag")),
		},
		total: s.Selects("totalCount"),
	}
	for _, info := range s.Below("pageInfo") {
		p.previous = p.previous || info.Selects("hasPreviousPage")
	}
	return &p
}

// facetsOf returns the facets that are selected of a list.
func facetsOf(s *set) []task.Facet {
	var names []task.Facet
	for _, facets := range s.Below("facets") {
		for _, f := range facets.Fields {
			if name := task.Facet(f.Name); f.Name != "__typename" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return slices.Clip(names)
}

// pageSelected returns what pageOf has derived from the selection set of a connection.
func pageSelected(s *set) *pageSelection {
	p, ok := s.Derived.(*pageSelection)
	if !ok {
		return &pageSelection{} // Whole rows.
	}
	return p
}

// columnsOf returns the columns that rows need if all of the sets are selected of them; nil for all columns.
func columnsOf(sets []*set) []string {
	columns := []string{enttask.FieldID} // A tag's is called the same.
	for _, s := range sets {
		if s.Columns == nil {
			return nil
		}
		for _, column := range s.Columns {
			if !slices.Contains(columns, column) {
				columns = append(columns, column)
			}
		}
	}
	return slices.Clip(columns)
}
