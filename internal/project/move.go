package project

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	entproject "taskql/ent/project"
	entsection "taskql/ent/section"
	"taskql/internal/fracindex"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// MoveInput is the new position of a project or a section. AfterID or BeforeID is its new neighbour; it goes to the end if both are
// nil.
type MoveInput struct {
	ID             string  `json:"id"`
	AfterID        *string `json:"afterId,omitempty"`
	BeforeID       *string `json:"beforeId,omitempty"`
	IfVersion      *int    `json:"ifVersion,omitempty"`
	IdempotencyKey *string `json:"-"`
}

func (in MoveInput) canonical() MoveInput {
	in.ID, in.AfterID, in.BeforeID = workspace.CanonicalID(in.ID), workspace.CanonicalIDPtr(in.AfterID), workspace.CanonicalIDPtr(in.BeforeID)
	return in
}

func (in MoveInput) target() workspace.TargetInput {
	return workspace.TargetInput{ID: in.ID, IfVersion: in.IfVersion}
}

func (in MoveInput) check() workspace.Violations {
	var errs workspace.Violations
	if in.AfterID != nil && in.BeforeID != nil {
		errs.Add(workspace.CodeInvalid, "beforeId", "Name one neighbour: beforeId can't go together with afterId.")
	}
	return errs
}

// Move puts a project beside another one in the manual order, or at its end. It is refused with NOT_FOUND, STALE or INVALID.
func (s *Service) Move(ctx context.Context, v viewer.Viewer, in MoveInput) (*Result, error) {
	change := workspace.Change[Result]{Name: "moveProject", Input: in.canonical(), IdempotencyKey: in.IdempotencyKey, Violations: in.check()}
	change.Apply = func(ctx context.Context, t *workspace.Tx) (*Result, error) {
		p, errs, err := Target(ctx, t, in.target())
		if err != nil {
			return nil, err
		}
		if len(errs) > 0 {
			return &Result{Project: p, Outcome: workspace.Outcome{UserErrors: errs}}, workspace.ErrNoCommit
		}
		if p.DeletedAt != nil {
			errs.Add(workspace.CodeInvalid, "id", "This project is in the trash: restore it first.")
			return workspace.Refuse[Result](errs)
		}
		all, err := projects(t).Order(inOrder).Select(entproject.FieldID, entproject.FieldPosition, entproject.FieldDeletedAt).All(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading the order of projects: %w", err)
		}
		items := make([]item, len(all))
		for i, other := range all {
			items[i] = item{id: other.ID, position: other.Position, inTrash: other.DeletedAt != nil}
		}
		key, crowd, errs := in.place("project", p.ID, items, t.Version)
		if len(errs) > 0 {
			return workspace.Refuse[Result](errs)
		}
		if key == nil {
			return &Result{Project: p}, nil
		}
		for _, other := range crowd { // They get this change's version, but keep updatedAt, because people see no change.
			err := t.Project.Update().Where(workspace.Scope(v), entproject.ID(other.id)).SetPosition(other.position).SetVersion(t.Version).Exec(ctx)
			if err != nil {
				return nil, fmt.Errorf("moving projects: %w", err)
			}
		}
		p.Position = key
		if err := update(t, p).SetPosition(key).Exec(ctx); err != nil {
			return nil, fmt.Errorf("moving the project: %w", err)
		}
		return &Result{Project: p}, nil
	}
	return workspace.Write(ctx, s.workspaces, v, change) //nolint:wrapcheck // It names the mutation.
}

// MoveSection is Move for a section within its project.
func (s *Service) MoveSection(ctx context.Context, v viewer.Viewer, in MoveInput) (*SectionResult, error) {
	change := workspace.Change[SectionResult]{Name: "moveSection", Input: in.canonical(), IdempotencyKey: in.IdempotencyKey, Violations: in.check()}
	change.Apply = func(ctx context.Context, t *workspace.Tx) (*SectionResult, error) {
		section, errs, err := TargetSection(ctx, t, in.target())
		if err != nil {
			return nil, err
		}
		if len(errs) > 0 {
			return &SectionResult{Section: section, Outcome: workspace.Outcome{UserErrors: errs}}, workspace.ErrNoCommit
		}
		all, err := sections(t).Where(entsection.ProjectID(section.ProjectID)).Order(inOrder).
			Select(entsection.FieldID, entsection.FieldPosition).All(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading the order of sections: %w", err)
		}
		items := make([]item, len(all))
		for i, other := range all {
			items[i] = item{id: other.ID, position: other.Position}
		}
		key, crowd, errs := in.place("section", section.ID, items, t.Version)
		if len(errs) > 0 {
			return workspace.Refuse[SectionResult](errs)
		}
		if key == nil {
			return &SectionResult{Section: section}, nil
		}
		for _, other := range crowd { // As in Move.
			err := t.Section.Update().Where(workspace.Scope(v), entsection.ID(other.id)).SetPosition(other.position).SetVersion(t.Version).Exec(ctx)
			if err != nil {
				return nil, fmt.Errorf("moving sections: %w", err)
			}
		}
		section.Position = key
		if err := updateSection(t, section).SetPosition(key).Exec(ctx); err != nil {
			return nil, fmt.Errorf("moving the section: %w", err)
		}
		return &SectionResult{Section: section}, nil
	}
	return workspace.Write(ctx, s.workspaces, v, change) //nolint:wrapcheck // It names the mutation.
}

// item is a project or a section in the manual order.
type item struct {
	id       uuid.UUID
	position []byte
	inTrash  bool
}

// place returns the key of a thing's new position among the items, of which it is one; nil if it is there already. It also returns the
// others that need new keys, because there is no room between two of them.
func (in MoveInput) place(thing string, id uuid.UUID, items []item, version int) ([]byte, []item, workspace.Violations) {
	var errs workspace.Violations
	at := slices.IndexFunc(items, func(it item) bool { return it.id == id })
	rest := slices.Delete(slices.Clone(items), at, at+1)
	to := len(rest)
	switch {
	case in.AfterID != nil:
		to = in.anchor(&errs, thing, "afterId", *in.AfterID, id, rest) + 1
	case in.BeforeID != nil:
		to = in.anchor(&errs, thing, "beforeId", *in.BeforeID, id, rest)
	}
	switch {
	case len(errs) > 0 || to == at:
		return nil, nil, errs
	case to == len(rest):
		return fracindex.End(version), nil, nil
	}
	var low []byte
	if to > 0 {
		low = rest[to-1].position
	}
	if key, ok := fracindex.Between(low, rest[to].position); ok && len(key) <= fracindex.MaxLength {
		return key, nil, nil
	}
	keys, _ := fracindex.EndN(version, nil, len(items)) // It fails for a last key alone.
	for i := range rest {
		rest[i].position = keys[i]
		if i >= to {
			rest[i].position = keys[i+1]
		}
	}
	return keys[to], rest, nil
}

// anchor returns the index of the new neighbour among the items, with a violation if it can't be one.
func (in MoveInput) anchor(errs *workspace.Violations, thing, field, neighbour string, id uuid.UUID, items []item) int {
	u, _ := workspace.ParseID(neighbour)
	i := slices.IndexFunc(items, func(it item) bool { return it.id == u })
	switch {
	case u == id:
		errs.Add(workspace.CodeInvalid, field, "A %s can't be its own neighbour.", thing)
	case i < 0:
		errs.Add(workspace.CodeNotFound, field, "There is no such %s beside this one.", thing)
	case items[i].inTrash:
		errs.Add(workspace.CodeInvalid, field, "This %s is in the trash.", thing)
	}
	return i
}
