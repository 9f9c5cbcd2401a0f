package project

import (
	"context"
	"fmt"

	"taskql/ent"
	entproject "taskql/ent/project"
	"taskql/internal/fracindex"
	"taskql/internal/text"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// CreateInput describes a new project. Nil is absent.
type CreateInput struct {
	ID *string `json:"id,omitempty"`
	// WorkspaceID is the workspace in which the viewer acts, as the client has named it.
	WorkspaceID    *string `json:"workspaceId,omitempty"`
	Name           string  `json:"name"`
	Description    *string `json:"description,omitempty"`
	Color          *string `json:"color,omitempty"`
	IdempotencyKey *string `json:"-"`
}

func (in CreateInput) canonical() CreateInput {
	in.ID = workspace.CanonicalIDPtr(in.ID)
	return in
}

// UpdateInput is a patch of a project.
type UpdateInput struct {
	ID          string                      `json:"id"`
	IfVersion   *int                        `json:"ifVersion,omitempty"`
	Name        workspace.Optional[*string] `json:"name,omitzero"`
	Description workspace.Optional[*string] `json:"description,omitzero"`
	// Color is set to the default color by nil.
	Color          workspace.Optional[*string] `json:"color,omitzero"`
	IdempotencyKey *string                     `json:"-"`
}

func (in UpdateInput) canonical() UpdateInput {
	in.ID = workspace.CanonicalID(in.ID)
	return in
}

// checkName checks and trims the name of a thing: 1 to 100 characters on one line.
func checkName(errs *workspace.Violations, thing, name string) string {
	return errs.CheckLine("name", thing, name, MaxName)
}

// CheckName checks and trims the name of a project.
func CheckName(errs *workspace.Violations, name string) string {
	return checkName(errs, "project", name)
}

// CheckDescription checks the description of a project. It returns nil if the description is blank.
func CheckDescription(errs *workspace.Violations, s *string) *string {
	return errs.CheckText("description", s, MaxDescription)
}

// checkNewName checks a name that an update sets, if it does.
func checkNewName(errs *workspace.Violations, thing string, name workspace.Optional[*string]) string {
	switch {
	case !name.Set:
		return ""
	case name.Value == nil:
		errs.Add(workspace.CodeBlank, "name", "A %s always has a name: leave it out to keep the one it has.", thing)
		return ""
	default:
		return checkName(errs, thing, *name.Value)
	}
}

// Create makes a project at the end of the manual order. It is refused with BLANK, TOO_LONG or INVALID if the input is not a project,
// with TAKEN if the id is in use, and with LIMIT_EXCEEDED.
func (s *Service) Create(ctx context.Context, v viewer.Viewer, in CreateInput) (*Result, error) {
	var errs workspace.Violations
	name, id := CheckName(&errs, in.Name), errs.NewID(in.ID)
	description := CheckDescription(&errs, in.Description)
	color := workspace.DefaultColor(text.Fold(name))
	if in.Color != nil {
		color = *in.Color
	}
	change := workspace.Change[Result]{
		Name: "createProject", Input: in.canonical(), IdempotencyKey: in.IdempotencyKey, Violations: errs,
		Counter: workspace.Counter{Column: Count, Add: 1},
	}
	change.Apply = func(ctx context.Context, t *workspace.Tx) (*Result, error) {
		if t.Count > s.limits.Projects {
			var errs workspace.Violations
			errs.Add(workspace.CodeLimitExceeded, "", "A workspace has at most %d projects, those that are archived or in the trash included.", s.limits.Projects)
			return workspace.RefuseNew[Result](ctx, errs, projects(t).Where(entproject.ID(id)).Exist)
		}
		row := &ent.Project{ID: id, Name: name, Description: description, Color: color, CreatedAt: t.Now}
		p, err := create(t, row, fracindex.End(t.Version)).Save(ctx)
		if in.ID != nil && ent.IsConstraintError(err) {
			return workspace.Refuse[Result](workspace.IDTaken())
		}
		if err != nil {
			return nil, fmt.Errorf("inserting the project: %w", err)
		}
		t.MarkChanged()
		if err := chargeText(t, description); err != nil {
			return nil, err
		}
		return &Result{Project: p}, nil
	}
	return workspace.Write(ctx, s.workspaces, v, change) //nolint:wrapcheck // It names the mutation.
}

// Update changes what the patch sets. It is refused with NOT_FOUND, STALE, BLANK, TOO_LONG or INVALID.
func (s *Service) Update(ctx context.Context, v viewer.Viewer, in UpdateInput) (*Result, error) {
	var errs workspace.Violations
	name := checkNewName(&errs, "project", in.Name)
	description := CheckDescription(&errs, in.Description.Value)
	change := workspace.Change[Result]{Name: "updateProject", Input: in.canonical(), IdempotencyKey: in.IdempotencyKey, Violations: errs}
	change.Apply = func(ctx context.Context, t *workspace.Tx) (*Result, error) {
		p, errs, err := Target(ctx, t, workspace.TargetInput{ID: in.ID, IfVersion: in.IfVersion})
		if err != nil {
			return nil, err
		}
		if len(errs) > 0 {
			return &Result{Project: p, Outcome: workspace.Outcome{UserErrors: errs}}, workspace.ErrNoCommit
		}
		after := *p
		if in.Name.Set {
			after.Name = name
		}
		if in.Description.Set {
			after.Description = description
		}
		switch {
		case in.Color.Set && in.Color.Value == nil:
			after.Color = workspace.DefaultColor(text.Fold(after.Name))
		case in.Color.Set:
			after.Color = *in.Color.Value
		}
		if after.Name == p.Name && after.Color == p.Color && equalTexts(after.Description, p.Description) {
			return &Result{Project: p}, nil
		}
		u := update(t, &after).SetName(after.Name).SetColor(after.Color)
		if after.Description == nil {
			u.ClearDescription()
		} else {
			u.SetDescription(*after.Description)
		}
		if err := u.Exec(ctx); err != nil {
			return nil, fmt.Errorf("updating the project: %w", err)
		}
		if err := chargeText(t, after.Description); err != nil {
			return nil, err
		}
		return &Result{Project: &after}, nil
	}
	return workspace.Write(ctx, s.workspaces, v, change) //nolint:wrapcheck // It names the mutation.
}

// chargeText charges for a text that the change stores.
func chargeText(t *workspace.Tx, s *string) error {
	if s == nil {
		return nil
	}
	return t.Charge(len(*s) / workspace.BytesPerPoint) //nolint:wrapcheck // It is a *workspace.DebtError.
}

func equalTexts(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }
