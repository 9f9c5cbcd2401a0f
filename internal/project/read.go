package project

import (
	"context"
	"fmt"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/predicate"
	entproject "taskql/ent/project"
	entsection "taskql/ent/section"
	"taskql/internal/keyset"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// Scope says which projects a list is made of.
type Scope string

// The scopes of a list.
const (
	ScopeActive   Scope = "ACTIVE"   // neither archived nor in the trash
	ScopeArchived Scope = "ARCHIVED" // archived, and not in the trash
	ScopeTrash    Scope = "TRASH"    // in the trash
	ScopeAll      Scope = "ALL"
)

// predicates returns the scope's conditions.
func (s Scope) predicates() []predicate.Project {
	switch s {
	case ScopeArchived:
		return []predicate.Project{entproject.DeletedAtIsNil(), entproject.ArchivedAtNotNil()}
	case ScopeTrash:
		return []predicate.Project{entproject.DeletedAtNotNil()}
	case ScopeAll:
		return nil
	default:
		return []predicate.Project{entproject.DeletedAtIsNil(), entproject.ArchivedAtIsNil()}
	}
}

// Page is a page of a list of projects.
type Page = keyset.Page[*ent.Project]

// Edge is a project and its cursor.
type Edge = keyset.Edge[*ent.Project]

// ListInput says which page of which list is wanted, and what of it.
type ListInput struct {
	First, Last   *int
	After, Before *string
	Scope         Scope
	// Columns are the columns to read, besides the id and the order's. If it is empty, all are read.
	Columns []string
	// CountsOnly leaves out the rows.
	CountsOnly bool
}

// order is the manual order of projects.
func order() keyset.Order[*ent.Project] {
	return keyset.NewOrder("projects by position", func(p *ent.Project) uuid.UUID { return p.ID }, keyset.Term[*ent.Project]{
		Columns: []keyset.Column[*ent.Project]{keyset.Bytes(entproject.FieldPosition, func(p *ent.Project) []byte { return p.Position })},
	})
}

// List returns a page of the viewer's projects in the manual order. The error is a *keyset.InputError if the input is invalid.
func (s *Service) List(ctx context.Context, v viewer.Viewer, in ListInput) (*Page, error) {
	o := order()
	w, err := keyset.NewWindow(o, keyset.Args{First: in.First, Last: in.Last, After: in.After, Before: in.Before})
	if err != nil {
		return nil, err //nolint:wrapcheck // It is an *InputError.
	}
	query := func() *ent.ProjectQuery {
		return s.client.Project.Query().Where(workspace.Scope(v)).Where(in.Scope.predicates()...)
	}
	list := keyset.List[*ent.Project]{
		Order: o,
		Read: func(ctx context.Context, segment keyset.Segment, limit int, columns []string) ([]*ent.Project, error) {
			q := query().Where(segment.Where).Order(segment.Sort).Limit(limit)
			if len(columns) > 0 {
				q.Select(columns...)
			}
			return q.All(ctx)
		},
		Count: func(ctx context.Context) (int, error) {
			n, err := query().Count(ctx)
			if err != nil {
				return 0, fmt.Errorf("counting projects: %w", err)
			}
			return n, nil
		},
	}
	if in.CountsOnly {
		return list.EmptyPage(), nil
	}
	page, err := list.Page(ctx, w, in.Columns)
	if err != nil {
		return nil, fmt.Errorf("listing projects: %w", err)
	}
	return page, nil
}

// Get returns the project with that id, also if it is archived or in the trash, or workspace.ErrNotFound. It reads the columns, or all
// if there are none.
func (s *Service) Get(ctx context.Context, v viewer.Viewer, id string, columns ...string) (*ent.Project, error) {
	found, err := s.GetMany(ctx, v, []string{id}, columns...)
	if err != nil {
		return nil, err
	}
	if p, ok := found[id]; ok {
		return p, nil
	}
	return nil, workspace.ErrNotFound
}

// GetMany is Get for many ids, in one statement. Projects that don't exist or aren't the viewer's are missing from the map.
func (s *Service) GetMany(ctx context.Context, v viewer.Viewer, ids []string, columns ...string) (map[string]*ent.Project, error) {
	return workspace.ByID(ids, func(ids []uuid.UUID) (map[uuid.UUID]*ent.Project, error) { return s.ByID(ctx, v, ids, columns) })
}

// ByID is GetMany for parsed ids.
func (s *Service) ByID(ctx context.Context, v viewer.Viewer, ids []uuid.UUID, columns []string) (map[uuid.UUID]*ent.Project, error) {
	found := make(map[uuid.UUID]*ent.Project, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	q := s.client.Project.Query().Where(workspace.Scope(v), entproject.IDIn(ids...))
	if len(columns) > 0 {
		q.Select(columns...)
	}
	projects, err := q.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading projects: %w", err)
	}
	for _, p := range projects {
		found[p.ID] = p
	}
	return found, nil
}

// Sections returns the viewer's sections with those ids, in one statement. Those that don't exist or aren't the viewer's are missing
// from the map. It reads the columns, or all if there are none.
func (s *Service) Sections(ctx context.Context, v viewer.Viewer, ids []string, columns ...string) (map[string]*ent.Section, error) {
	return workspace.ByID(ids, func(ids []uuid.UUID) (map[uuid.UUID]*ent.Section, error) { return s.SectionsByID(ctx, v, ids, columns) })
}

// SectionsByID is Sections for parsed ids.
func (s *Service) SectionsByID(ctx context.Context, v viewer.Viewer, ids []uuid.UUID, columns []string) (map[uuid.UUID]*ent.Section, error) {
	found := make(map[uuid.UUID]*ent.Section, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	sections, err := s.readSections(ctx, v, columns, entsection.IDIn(ids...))
	if err != nil {
		return nil, err
	}
	for _, section := range sections {
		found[section.ID] = section
	}
	return found, nil
}

// SectionsOf returns the sections of each project, in the manual order.
func (s *Service) SectionsOf(ctx context.Context, v viewer.Viewer, projects []uuid.UUID, columns []string) (map[uuid.UUID][]*ent.Section, error) {
	of := make(map[uuid.UUID][]*ent.Section, len(projects))
	if len(projects) == 0 {
		return of, nil
	}
	columns = keyset.WithColumns(columns, entsection.FieldProjectID)
	sections, err := s.readSections(ctx, v, columns, entsection.ProjectIDIn(projects...))
	if err != nil {
		return nil, err
	}
	for _, section := range sections {
		of[section.ProjectID] = append(of[section.ProjectID], section)
	}
	return of, nil
}

// inOrder sorts projects, or the sections of a project, in the manual order.
func inOrder(s *sql.Selector) { s.OrderBy(s.C(entsection.FieldPosition), s.C(entsection.FieldID)) }

// readSections reads the viewer's sections that the predicate selects, in the manual order of their projects.
func (s *Service) readSections(ctx context.Context, v viewer.Viewer, columns []string, which predicate.Section) ([]*ent.Section, error) {
	q := s.client.Section.Query().Where(workspace.Scope(v), which).Order(inOrder)
	if len(columns) > 0 {
		q.Select(columns...)
	}
	sections, err := q.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading sections: %w", err)
	}
	return sections, nil
}
