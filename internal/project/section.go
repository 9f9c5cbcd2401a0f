package project

import (
	"context"
	"fmt"

	"taskql/ent"
	entsection "taskql/ent/section"
	"taskql/internal/fracindex"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// CreateSectionInput describes a new section. Nil is absent.
type CreateSectionInput struct {
	ID             *string `json:"id,omitempty"`
	ProjectID      string  `json:"projectId"`
	Name           string  `json:"name"`
	IdempotencyKey *string `json:"-"`
}

func (in CreateSectionInput) canonical() CreateSectionInput {
	in.ID, in.ProjectID = workspace.CanonicalIDPtr(in.ID), workspace.CanonicalID(in.ProjectID)
	return in
}

// UpdateSectionInput is a patch of a section.
type UpdateSectionInput struct {
	ID             string                      `json:"id"`
	IfVersion      *int                        `json:"ifVersion,omitempty"`
	Name           workspace.Optional[*string] `json:"name,omitzero"`
	IdempotencyKey *string                     `json:"-"`
}

func (in UpdateSectionInput) canonical() UpdateSectionInput {
	in.ID = workspace.CanonicalID(in.ID)
	return in
}

// CreateSection makes a section at the end of a project. It is refused with BLANK, TOO_LONG or INVALID if the input is not a section,
// with NOT_FOUND if there is no such project or it is in the trash, with TAKEN if the id is in use, and with LIMIT_EXCEEDED.
func (s *Service) CreateSection(ctx context.Context, v viewer.Viewer, in CreateSectionInput) (*SectionResult, error) {
	var errs workspace.Violations
	name, id := checkName(&errs, "section", in.Name), errs.NewID(in.ID)
	change := workspace.Change[SectionResult]{Name: "createSection", Input: in.canonical(), IdempotencyKey: in.IdempotencyKey, Violations: errs}
	change.Apply = func(ctx context.Context, t *workspace.Tx) (*SectionResult, error) {
		p, errs, err := s.roomForSection(ctx, t, in.ProjectID)
		if err != nil {
			return nil, err
		}
		if len(errs) > 0 {
			return workspace.RefuseNew[SectionResult](ctx, errs, sections(t).Where(entsection.ID(id)).Exist)
		}
		section, err := t.Section.Create().
			SetID(id).SetWorkspaceID(v.WorkspaceID).SetVersion(t.Version).
			SetProjectID(p.ID).SetName(name).SetPosition(fracindex.End(t.Version)).
			SetCreatedAt(t.Now).SetUpdatedAt(t.Now).
			Save(ctx)
		if in.ID != nil && ent.IsConstraintError(err) {
			return workspace.Refuse[SectionResult](workspace.IDTaken())
		}
		if err != nil {
			return nil, fmt.Errorf("inserting the section: %w", err)
		}
		t.MarkChanged()
		return &SectionResult{Section: section}, nil
	}
	return workspace.Write(ctx, s.workspaces, v, change) //nolint:wrapcheck // It names the mutation.
}

// roomForSection returns the project of a new section, with violations if it can't have it.
func (s *Service) roomForSection(ctx context.Context, t *workspace.Tx, id string) (*ent.Project, workspace.Violations, error) {
	var errs workspace.Violations
	p, err := Active(ctx, t, &errs, "projectId", id)
	if err != nil || len(errs) > 0 {
		return nil, errs, err
	}
	n, err := sections(t).Where(entsection.ProjectID(p.ID)).Count(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("counting sections: %w", err)
	}
	if n >= s.limits.Sections {
		errs.Add(workspace.CodeLimitExceeded, "", "A project has at most %d sections.", s.limits.Sections)
	}
	return p, errs, nil
}

// Active returns the project with that id, which may be archived. It adds a violation at the field if there is no such project, or if
// it is in the trash.
func Active(ctx context.Context, t *workspace.Tx, errs *workspace.Violations, field, id string) (*ent.Project, error) {
	u, ok := workspace.ParseID(id)
	var p *ent.Project
	if ok {
		var err error
		if p, err = Find(ctx, t, u); err != nil {
			return nil, err
		}
	}
	if p == nil || p.DeletedAt != nil {
		errs.Add(workspace.CodeNotFound, field, "There is no such project, or it is in the trash.")
		return nil, nil //nolint:nilnil // The violation says it.
	}
	return p, nil
}

// UpdateSection changes what the patch sets. It is refused with NOT_FOUND, STALE, BLANK, TOO_LONG or INVALID.
func (s *Service) UpdateSection(ctx context.Context, v viewer.Viewer, in UpdateSectionInput) (*SectionResult, error) {
	var errs workspace.Violations
	name := checkNewName(&errs, "section", in.Name)
	change := workspace.Change[SectionResult]{Name: "updateSection", Input: in.canonical(), IdempotencyKey: in.IdempotencyKey, Violations: errs}
	change.Apply = func(ctx context.Context, t *workspace.Tx) (*SectionResult, error) {
		section, errs, err := TargetSection(ctx, t, workspace.TargetInput{ID: in.ID, IfVersion: in.IfVersion})
		if err != nil {
			return nil, err
		}
		if len(errs) > 0 {
			return &SectionResult{Section: section, Outcome: workspace.Outcome{UserErrors: errs}}, workspace.ErrNoCommit
		}
		if !in.Name.Set || name == section.Name {
			return &SectionResult{Section: section}, nil
		}
		section.Name = name
		if err := updateSection(t, section).SetName(name).Exec(ctx); err != nil {
			return nil, fmt.Errorf("updating the section: %w", err)
		}
		return &SectionResult{Section: section}, nil
	}
	return workspace.Write(ctx, s.workspaces, v, change) //nolint:wrapcheck // It names the mutation.
}
