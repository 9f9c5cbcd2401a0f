package project

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"taskql/ent"
	entproject "taskql/ent/project"
	entsection "taskql/ent/section"
	"taskql/internal/workspace"
)

// projects selects the projects that a change may see, and sections the sections.
func projects(t *workspace.Tx) *ent.ProjectQuery {
	return t.Project.Query().Where(workspace.Scope(t.Viewer))
}

func sections(t *workspace.Tx) *ent.SectionQuery {
	return t.Section.Query().Where(workspace.Scope(t.Viewer))
}

// Find returns the project with that id, also if it is archived or in the trash; nil if there is none.
func Find(ctx context.Context, t *workspace.Tx, id uuid.UUID) (*ent.Project, error) {
	found, err := FindMany(ctx, t, []uuid.UUID{id})
	return found[id], err
}

// FindMany is Find for many ids, in one statement. Projects that don't exist are missing from the map.
func FindMany(ctx context.Context, t *workspace.Tx, ids []uuid.UUID) (map[uuid.UUID]*ent.Project, error) {
	found := make(map[uuid.UUID]*ent.Project, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	rows, err := projects(t).Where(entproject.IDIn(ids...)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading projects: %w", err)
	}
	for _, p := range rows {
		found[p.ID] = p
	}
	return found, nil
}

// InTrash returns those of the ids that are of projects in the trash.
func InTrash(ctx context.Context, t *workspace.Tx, ids []uuid.UUID) ([]uuid.UUID, error) {
	found, err := FindMany(ctx, t, ids)
	return slices.DeleteFunc(slices.Clone(ids), func(id uuid.UUID) bool {
		p := found[id]
		return p == nil || p.DeletedAt == nil
	}), err
}

// FindSections returns the sections with those ids. Sections that don't exist are missing from the map.
func FindSections(ctx context.Context, t *workspace.Tx, ids []uuid.UUID) (map[uuid.UUID]*ent.Section, error) {
	found := make(map[uuid.UUID]*ent.Section, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	rows, err := sections(t).Where(entsection.IDIn(ids...)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading sections: %w", err)
	}
	for _, s := range rows {
		found[s.ID] = s
	}
	return found, nil
}

// FindSection returns the section with that id; nil if there is none.
func FindSection(ctx context.Context, t *workspace.Tx, id uuid.UUID) (*ent.Section, error) {
	found, err := FindSections(ctx, t, []uuid.UUID{id})
	return found[id], err
}

// Target reads the project to act on, with a violation if it is not at the version that the client expects.
func Target(ctx context.Context, t *workspace.Tx, in workspace.TargetInput) (*ent.Project, workspace.Violations, error) {
	var errs workspace.Violations
	var p *ent.Project
	if u, ok := workspace.ParseID(in.ID); ok {
		var err error
		if p, err = Find(ctx, t, u); err != nil {
			return nil, nil, err
		}
	}
	if p == nil {
		errs.Add(workspace.CodeNotFound, "id", "There is no such project.")
		return nil, errs, nil
	}
	errs.IfVersion("project", in.IfVersion, p.Version)
	return p, errs, nil
}

// TargetSection is Target for a section.
func TargetSection(ctx context.Context, t *workspace.Tx, in workspace.TargetInput) (*ent.Section, workspace.Violations, error) {
	var errs workspace.Violations
	var s *ent.Section
	if u, ok := workspace.ParseID(in.ID); ok {
		var err error
		if s, err = FindSection(ctx, t, u); err != nil {
			return nil, nil, err
		}
	}
	if s == nil {
		errs.Add(workspace.CodeNotFound, "id", "There is no such section.")
		return nil, errs, nil
	}
	errs.IfVersion("section", in.IfVersion, s.Version)
	return s, errs, nil
}

// create is the insertion of a project at a position, with the version and the time of the change.
func create(t *workspace.Tx, p *ent.Project, position []byte) *ent.ProjectCreate {
	return t.Project.Create().
		SetID(p.ID).SetWorkspaceID(t.Viewer.WorkspaceID).SetVersion(t.Version).
		SetName(p.Name).SetNillableDescription(p.Description).SetColor(p.Color).SetPosition(position).
		SetCreatedAt(p.CreatedAt).SetUpdatedAt(t.Now)
}

// update updates a project: the caller sets the columns. It sets the version and the time, also in memory.
func update(t *workspace.Tx, p *ent.Project) *ent.ProjectUpdate {
	t.MarkChanged()
	p.Version, p.UpdatedAt = t.Version, t.Now
	return t.Project.Update().Where(workspace.Scope(t.Viewer), entproject.ID(p.ID)).SetVersion(t.Version).SetUpdatedAt(t.Now)
}

func updateSection(t *workspace.Tx, s *ent.Section) *ent.SectionUpdate {
	t.MarkChanged()
	s.Version, s.UpdatedAt = t.Version, t.Now
	return t.Section.Update().Where(workspace.Scope(t.Viewer), entsection.ID(s.ID)).SetVersion(t.Version).SetUpdatedAt(t.Now)
}
