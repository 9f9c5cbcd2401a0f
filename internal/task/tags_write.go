package task

import (
	"context"
	"fmt"
	"slices"

	"taskql/ent"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	"taskql/ent/tasktag"
	"taskql/internal/history"
	"taskql/internal/text"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// UpdateTagInput is a patch of a tag.
type UpdateTagInput struct {
	ID        string                      `json:"id"`
	IfVersion *int                        `json:"ifVersion,omitempty"`
	Name      workspace.Optional[*string] `json:"name,omitzero"`
	// Color is set to the default color by nil.
	Color          workspace.Optional[*string] `json:"color,omitzero"`
	IdempotencyKey *string                     `json:"-"`
}

func (in CreateTagInput) canonical() CreateTagInput {
	in.ID = workspace.CanonicalIDPtr(in.ID)
	return in
}

func (in UpdateTagInput) canonical() UpdateTagInput {
	in.ID = workspace.CanonicalID(in.ID)
	return in
}

// CreateTag creates a tag. It is refused with BLANK, TOO_LONG or INVALID if the input is not a tag, with TAKEN if the
// name or the id is in use, and with LIMIT_EXCEEDED.
func (s *Service) CreateTag(ctx context.Context, v viewer.Viewer, in CreateTagInput) (*TagResult, error) {
	var errs workspace.Violations
	name, id := checkTagName(&errs, in.Name), errs.NewID(in.ID)
	folded := text.Fold(name)
	color := workspace.DefaultColor(folded)
	if in.Color != nil {
		color = *in.Color
	}
	change := workspace.Change[TagResult]{Name: "createTag", Input: in.canonical(), IdempotencyKey: in.IdempotencyKey, Violations: errs}
	return write(ctx, s, v, change, func(ctx context.Context, t *tx) (*TagResult, error) {
		errs, err := t.newTag(ctx, folded)
		if err != nil {
			return nil, err
		}
		if len(errs) > 0 {
			return workspace.RefuseNew[TagResult](ctx, errs, t.tags().Where(enttag.ID(id)).Exist)
		}
		tag, err := t.Tag.Create().
			SetID(id).SetWorkspaceID(v.WorkspaceID).SetVersion(t.Version).
			SetName(name).SetNameKey(text.NameKey(folded)).SetColor(color).
			SetCreatedAt(t.Now).SetUpdatedAt(t.Now).
			Save(ctx)
		if in.ID != nil && ent.IsConstraintError(err) {
			return workspace.Refuse[TagResult](workspace.IDTaken()) // The name was free, and still is while the workspace is locked.
		}
		if err != nil {
			return nil, fmt.Errorf("inserting the tag: %w", err)
		}
		t.MarkChanged()
		return &TagResult{Tag: tag}, nil
	})
}

// newTag returns the violations of a new tag with this folded name: it is in use, or there are too many tags.
func (t *tx) newTag(ctx context.Context, folded string) (workspace.Violations, error) {
	var errs workspace.Violations
	tags, err := t.tagNames(ctx)
	if err != nil {
		return nil, err
	}
	if len(tags) >= t.limits.Tags {
		errs.Add(workspace.CodeLimitExceeded, "", "A workspace has at most %d tags.", t.limits.Tags)
	}
	checkNameIsFree(&errs, tags, folded)
	return errs, nil
}

// tagNames reads the names of all of the workspace's tags, which are few.
func (t *tx) tagNames(ctx context.Context) ([]*ent.Tag, error) {
	tags, err := t.tags().Select(enttag.FieldName).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the names of tags: %w", err)
	}
	return tags, nil
}

// checkNameIsFree adds a violation if one of the tags has the folded name. It compares names, not keys, because a key may have been
// written by the previous release.
func checkNameIsFree(errs *workspace.Violations, tags []*ent.Tag, folded string) {
	if slices.ContainsFunc(tags, func(tag *ent.Tag) bool { return text.Fold(tag.Name) == folded }) {
		errs.Add(workspace.CodeTaken, "name", "There is a tag of this name already.")
	}
}

// UpdateTag changes what the patch sets. It is refused with NOT_FOUND, STALE, BLANK, TOO_LONG, INVALID or TAKEN.
func (s *Service) UpdateTag(ctx context.Context, v viewer.Viewer, in UpdateTagInput) (*TagResult, error) {
	var errs workspace.Violations
	var name string
	if in.Name.Set {
		if in.Name.Value == nil {
			errs.Add(workspace.CodeBlank, "name", "A tag always has a name: leave it out to keep the one it has.")
		} else {
			name = checkTagName(&errs, *in.Name.Value)
		}
	}
	change := workspace.Change[TagResult]{Name: "updateTag", Input: in.canonical(), IdempotencyKey: in.IdempotencyKey, Violations: errs}
	return write(ctx, s, v, change, func(ctx context.Context, t *tx) (*TagResult, error) {
		tag, errs, err := t.targetTag(ctx, in.ID, in.IfVersion)
		if err != nil {
			return nil, err
		}
		if len(errs) > 0 {
			return &TagResult{Tag: tag, Outcome: workspace.Outcome{UserErrors: errs}}, workspace.ErrNoCommit
		}
		after := *tag
		if in.Name.Set {
			after.Name = name
		}
		folded := text.Fold(after.Name)
		switch {
		case in.Color.Set && in.Color.Value == nil:
			after.Color = workspace.DefaultColor(folded)
		case in.Color.Set:
			after.Color = *in.Color.Value
		}
		if after.Name == tag.Name && after.Color == tag.Color {
			return &TagResult{Tag: tag}, nil
		}
		if folded != text.Fold(tag.Name) {
			tags, err := t.tagNames(ctx)
			if err != nil {
				return nil, err
			}
			if checkNameIsFree(&errs, tags, folded); len(errs) > 0 {
				return workspace.Refuse[TagResult](errs)
			}
			after.NameKey = text.NameKey(folded)
		}
		after.Version, after.UpdatedAt = t.Version, t.Now
		t.MarkChanged()
		err = t.Tag.Update().Where(workspace.Scope(v), enttag.ID(tag.ID)).
			SetName(after.Name).SetNameKey(after.NameKey).SetColor(after.Color).
			SetVersion(t.Version).SetUpdatedAt(t.Now).
			Exec(ctx)
		if err != nil {
			return nil, fmt.Errorf("updating the tag: %w", err)
		}
		return &TagResult{Tag: &after}, nil
	})
}

// DeleteTag deletes a tag for good, which also changes the tasks that had it. It is refused with NOT_FOUND or STALE.
func (s *Service) DeleteTag(ctx context.Context, v viewer.Viewer, in workspace.TargetInput) (*DeleteTagResult, error) {
	change := workspace.Change[DeleteTagResult]{Name: "deleteTag", Input: in.Canonical(), IdempotencyKey: in.IdempotencyKey}
	return write(ctx, s, v, change, func(ctx context.Context, t *tx) (*DeleteTagResult, error) {
		tag, errs, err := t.targetTag(ctx, in.ID, in.IfVersion)
		if err != nil {
			return nil, err
		}
		if len(errs) > 0 {
			return workspace.Refuse[DeleteTagResult](errs)
		}
		ids, err := t.tasks().Where(enttask.HasTaskTagsWith(tasktag.TagID(tag.ID))).IDs(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading the tag's tasks: %w", err)
		}
		if err := t.update().Where(enttask.HasTaskTagsWith(tasktag.TagID(tag.ID))).Exec(ctx); err != nil {
			return nil, fmt.Errorf("stamping the tag's tasks: %w", err)
		}
		for _, id := range ids {
			t.recordTags(id, nil, []history.Tag{{ID: tag.ID, Name: tag.Name}})
			t.activity(id).Changes.Final = true
		}
		if _, err := t.Tag.Delete().Where(workspace.Scope(v), enttag.ID(tag.ID)).Exec(ctx); err != nil {
			return nil, fmt.Errorf("deleting the tag: %w", err)
		}
		if err := t.Gone(ctx, workspace.KindTag, tag.ID); err != nil {
			return nil, err
		}
		id := tag.ID.String()
		return &DeleteTagResult{DeletedTagID: &id}, nil
	})
}

// tags selects the tags that this change may see.
func (t *tx) tags() *ent.TagQuery { return t.Tag.Query().Where(workspace.Scope(t.Viewer)) }

// targetTag reads the tag to act on, with a violation if it is not at the version that the client expects.
func (t *tx) targetTag(ctx context.Context, id string, ifVersion *int) (*ent.Tag, workspace.Violations, error) {
	var errs workspace.Violations
	var tag *ent.Tag
	if u, ok := workspace.ParseID(id); ok {
		var err error
		if tag, err = t.tags().Where(enttag.ID(u)).Only(ctx); err != nil && !ent.IsNotFound(err) {
			return nil, nil, fmt.Errorf("reading a tag: %w", err)
		}
	}
	if tag == nil {
		errs.Add(workspace.CodeNotFound, "id", "There is no such tag.")
		return nil, errs, nil
	}
	errs.IfVersion("tag", ifVersion, tag.Version)
	return tag, errs, nil
}
